#include "server/lot/lot_desk.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "server/lot/act.h"

namespace assay::lot {
namespace {

using access::Caller;
using access::Role;

constexpr int64_t kLongestLease = 366 * 86400;
constexpr int kMostShifts = 24;
constexpr int kWidestOffset = 840;  // minutes; +14:00 is the furthest there is

void SetTime(absl::Time time, google::protobuf::Timestamp* stamp) {
  stamp->set_seconds(absl::ToUnixSeconds(time));
  stamp->set_nanos(static_cast<int32_t>(
      absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(stamp->seconds()))));
}

v1::LotLease ToProto(const db::LotLease& lease, absl::Time now) {
  v1::LotLease proto;
  proto.set_id(absl::StrCat(lease.id));
  proto.set_lot(lease.lot);
  proto.set_line(lease.line);
  proto.set_count(lease.count);
  proto.set_used(lease.used);
  proto.set_state(lease.released_at   ? v1::LEASE_STATE_RELEASED
                  : lease.LiveAt(now) ? v1::LEASE_STATE_LIVE
                                      : v1::LEASE_STATE_EXPIRED);
  proto.set_granted_by(lease.actor);
  SetTime(lease.granted_at, proto.mutable_granted_at());
  SetTime(lease.expires_at, proto.mutable_expires_at());
  return proto;
}

// A line's name is a grant's, which may be a URI.
absl::Status CheckLine(const std::string& line) {
  if (line.empty()) {
    return RefuseField(Reason::FIELD_REQUIRED, "line", "", "names the line the places are for");
  }
  if (line.size() > 256) {
    return RefuseField(Reason::FIELD_TOO_LONG, "line", line, "must be at most 256 bytes");
  }
  return absl::OkStatus();
}

absl::StatusOr<db::ShiftPlan> ReadShifts(const v1::ReconcileLotRequest& request) {
  db::ShiftPlan plan;
  if (request.shift_starts_size() > kMostShifts) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "shift_starts",
                       absl::StrCat(request.shift_starts_size(), " shifts"),
                       absl::StrCat("must be at most ", kMostShifts));
  }
  for (const uint32_t start : request.shift_starts()) {
    if (start > 1439 || (!plan.starts.empty() && static_cast<int>(start) <= plan.starts.back())) {
      return RefuseField(Reason::FIELD_OUT_OF_RANGE, "shift_starts", absl::StrCat(start),
                         "must be minutes after midnight, 0 to 1439, ascending");
    }
    plan.starts.push_back(static_cast<int>(start));
  }
  plan.utc_offset_minutes = request.utc_offset_minutes();
  if (plan.utc_offset_minutes < -kWidestOffset || plan.utc_offset_minutes > kWidestOffset) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "utc_offset_minutes",
                       absl::StrCat(plan.utc_offset_minutes), "must be -840 to 840");
  }
  return plan;
}

void AddTo(v1::ReconciledShift& total, const db::ReconciledShift& shift) {
  total.set_issued(total.issued() + shift.issued);
  total.set_confirmed(total.confirmed() + shift.confirmed);
  total.set_scrapped(total.scrapped() + shift.scrapped);
  total.set_missing(total.missing() + shift.missing);
  total.set_revoked(total.revoked() + shift.revoked);
  total.set_voided(total.voided() + shift.voided);
  total.set_open(total.open() + shift.open);
}

}  // namespace

LotDesk::LotDesk(std::shared_ptr<db::Store> store, std::shared_ptr<db::LotLeaseStore> leases,
                 std::shared_ptr<db::RecordsStore> records)
    : store_(std::move(store)), leases_(std::move(leases)), records_(std::move(records)) {}

// A lot that is not there looks like one that is not granted.
absl::Status LotDesk::CheckLot(const Caller& caller, const std::string& name) {
  ASSAY_RETURN_IF_ERROR(CheckName("lot", name));
  const auto lot = store_->FindLot(name);
  if (lot.ok()) return caller.CheckLot(lot->factory, lot->name);
  if (HasReason(lot.status(), Reason::LOT_UNKNOWN)) {
    ASSAY_RETURN_IF_ERROR(caller.CheckLot("", name));
  }
  return lot.status();
}

absl::StatusOr<v1::LotLease> LotDesk::GrantLease(const Caller& caller,
                                                 const v1::GrantLeaseRequest& request) {
  ASSAY_RETURN_IF_ERROR(caller.CheckRole(Role::kOperator));
  ASSAY_RETURN_IF_ERROR(CheckLot(caller, request.lot()));
  ASSAY_RETURN_IF_ERROR(CheckLine(request.line()));
  const auto act = MakeAct(caller, "lot.lease", request.lot(), request);
  if (!act.ok()) return act.status();
  if (request.count() < 1 || request.count() > 100'000'000) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "count", absl::StrCat(request.count()),
                       "must be 1 to 100000000");
  }
  const auto seconds =
      ReadSeconds("lasts", request.lasts(), 1, kLongestLease, "must be one second to 366 days");
  if (!seconds.ok()) return seconds.status();
  db::LotLease lease;
  lease.lot = request.lot();
  lease.line = request.line();
  lease.count = request.count();
  const auto granted = leases_->GrantLease(*act, lease, std::chrono::seconds(*seconds));
  if (!granted.ok()) return granted.status();
  const auto listed = leases_->ListLeases(request.lot());
  return ToProto(*granted, listed.ok() ? listed->now : granted->granted_at);
}

absl::StatusOr<v1::LotLease> LotDesk::ReleaseLease(const Caller& caller,
                                                   const v1::ReleaseLeaseRequest& request) {
  ASSAY_RETURN_IF_ERROR(caller.CheckRole(Role::kOperator));
  ASSAY_RETURN_IF_ERROR(CheckLot(caller, request.lot()));
  const auto act = MakeAct(caller, "lot.release", request.lot(), request);
  if (!act.ok()) return act.status();
  if (request.id().empty()) {
    return RefuseField(Reason::FIELD_REQUIRED, "id", "", "which lease");
  }
  int64_t id = 0;
  if (!absl::SimpleAtoi(request.id(), &id) || id < 1) {
    return RefuseField(Reason::FIELD_MALFORMED, "id", request.id(),
                       "must be a lease's number, as the list of leases shows it");
  }
  const auto released = leases_->ReleaseLease(*act, request.lot(), id);
  if (!released.ok()) return released.status();
  return ToProto(*released, released->expires_at);
}

absl::StatusOr<v1::ListLeasesResponse> LotDesk::ListLeases(const Caller& caller,
                                                           const v1::ListLeasesRequest& request) {
  ASSAY_RETURN_IF_ERROR(CheckLot(caller, request.lot()));
  const bool every = caller.Has(Role::kOperator) || caller.Has(Role::kAuditor);
  const auto listed = leases_->ListLeases(request.lot());
  if (!listed.ok()) return listed.status();
  v1::ListLeasesResponse response;
  for (const db::LotLease& lease : listed->leases) {
    if (!every && lease.line != caller.line) continue;
    if (!request.all() && !lease.LiveAt(listed->now)) continue;
    *response.add_leases() = ToProto(lease, listed->now);
  }
  return response;
}

absl::StatusOr<v1::ReconcileLotResponse> LotDesk::ReconcileLot(
    const Caller& caller, const v1::ReconcileLotRequest& request) {
  ASSAY_RETURN_IF_ERROR(CheckLot(caller, request.lot()));
  const auto plan = ReadShifts(request);
  if (!plan.ok()) return plan.status();
  const auto account = records_->Reconcile(request.lot(), *plan);
  if (!account.ok()) return account.status();
  v1::ReconcileLotResponse response;
  response.set_lot(request.lot());
  response.set_count(account->count);
  response.set_claimed(account->claimed);
  uint64_t returned = 0;
  for (const db::ReconciledShift& shift : account->shifts) {
    v1::ReconciledShift& proto = *response.add_shifts();
    proto.set_line(shift.line);
    SetTime(shift.start, proto.mutable_shift_start());
    SetTime(shift.end, proto.mutable_shift_end());
    AddTo(proto, shift);
    AddTo(*response.mutable_total(), shift);
    returned += shift.returned;
  }
  response.mutable_total();
  response.set_returned(returned);
  return response;
}

}  // namespace assay::lot
