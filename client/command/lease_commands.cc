#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "assay/v1/lot.grpc.pb.h"
#include "base/refusal.h"
#include "client/command/commands.h"
#include "client/files.h"
#include "client/show.h"
#include "image/csv.h"

namespace assay::client {
namespace {

using Lots = v1::LotService::Stub;

std::string Time(const google::protobuf::Timestamp& stamp, const absl::TimeZone& zone) {
  return absl::FormatTime("%Y-%m-%d %H:%M", absl::FromUnixSeconds(stamp.seconds()), zone);
}

// "30m", "8h", "2d" as seconds.
absl::StatusOr<int64_t> ReadLasting(const std::string& text) {
  const absl::Status malformed =
      RefuseField(Reason::FIELD_MALFORMED, "--for", text, "must be a number and s, m, h or d");
  int64_t number = 0;
  if (text.size() < 2 || !absl::SimpleAtoi(text.substr(0, text.size() - 1), &number) ||
      number < 1 || number > 1'000'000) {
    return malformed;
  }
  switch (text.back()) {
    case 's':
      return number;
    case 'm':
      return number * 60;
    case 'h':
      return number * 3600;
    case 'd':
      return number * 86400;
    default:
      return malformed;
  }
}

// "HH:MM" as minutes.
absl::StatusOr<int> ReadClock(const char* flag, const std::string& text) {
  int hours = 0, minutes = 0;
  const size_t colon = text.find(':');
  if (colon == std::string::npos || text.size() - colon != 3 || colon < 1 || colon > 2 ||
      text.find_first_not_of("0123456789:") != std::string::npos ||
      !absl::SimpleAtoi(text.substr(0, colon), &hours) ||
      !absl::SimpleAtoi(text.substr(colon + 1), &minutes) || hours > 23 || minutes > 59) {
    return RefuseField(Reason::FIELD_MALFORMED, flag, text, "must be HH:MM");
  }
  return hours * 60 + minutes;
}

absl::StatusOr<int> ReadOffset(const std::string& text) {
  if (text.empty()) return 0;
  const bool west = text[0] == '-';
  if (text[0] != '+' && !west) {
    return RefuseField(Reason::FIELD_MALFORMED, "--utc-offset", text,
                       "must begin with + or -, as +08:00");
  }
  const auto minutes = ReadClock("--utc-offset", text.substr(1));
  if (!minutes.ok()) return minutes;
  return west ? -*minutes : *minutes;
}

std::vector<std::string> LeaseRow(const v1::LotLease& lease) {
  const auto* state = v1::LeaseState_descriptor()->FindValueByNumber(lease.state());
  return {lease.id(),
          lease.line(),
          absl::StrCat(lease.count()),
          absl::StrCat(lease.used()),
          state == nullptr ? "" : EnumWord(*state),
          Time(lease.expires_at(), absl::UTCTimeZone()),
          lease.granted_by()};
}

const std::vector<std::string>& LeaseHead() {
  static const auto* const kHead = new std::vector<std::string>{
      "lease", "line", "count", "used", "state", "ends (UTC)", "granted by"};
  return *kHead;
}

const std::vector<std::string>& AccountHead() {
  static const auto* const kHead =
      new std::vector<std::string>{"line",     "shift",   "until",   "issued", "confirmed",
                                   "scrapped", "missing", "revoked", "voided", "open"};
  return *kHead;
}

std::vector<std::string> AccountRow(const v1::ReconciledShift& shift, const absl::TimeZone& zone) {
  const bool total = !shift.has_shift_start();
  return {total ? "total" : shift.line(),
          total ? "" : Time(shift.shift_start(), zone),
          total ? "" : Time(shift.shift_end(), zone),
          absl::StrCat(shift.issued()),
          absl::StrCat(shift.confirmed()),
          absl::StrCat(shift.scrapped()),
          absl::StrCat(shift.missing()),
          absl::StrCat(shift.revoked()),
          absl::StrCat(shift.voided()),
          absl::StrCat(shift.open())};
}

std::string CsvLine(const std::vector<std::string>& cells) {
  return absl::StrJoin(cells, ",",
                       [](std::string* out, const std::string& cell) {
                         absl::StrAppend(out, image::CsvQuote(cell));
                       }) +
         "\n";
}

template <typename Request, typename Response>
absl::StatusOr<Response> Ask(const Context& context, const std::string& role,
                             grpc::Status (Lots::*method)(grpc::ClientContext*, const Request&,
                                                          Response*),
                             const Request& request) {
  const auto connection = context.Connect(role);
  if (!connection.ok()) return connection.status();
  const auto stub = v1::LotService::NewStub((*connection)->channel());
  return (*connection)->Call(*stub, method, request);
}

absl::Status ShowLease(Context& context, const absl::StatusOr<v1::LotLease>& lease) {
  if (!lease.ok()) return lease.status();
  if (context.json()) {
    context.PrintMessage(*lease);
  } else {
    context.Print(RenderTable(LeaseHead(), {LeaseRow(*lease)}));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status GrantLease(Context& context, const LeaseOptions& options) {
  const auto lasts = ReadLasting(options.lasts);
  if (!lasts.ok()) return lasts.status();
  v1::GrantLeaseRequest request;
  request.set_request_id(NewRequestId());
  request.set_lot(options.lot);
  request.set_line(options.line);
  request.set_count(options.count);
  request.mutable_lasts()->set_seconds(*lasts);
  return ShowLease(context, Ask(context, "operator", &Lots::GrantLease, request));
}

absl::Status ReleaseLease(Context& context, const LeaseOptions& options) {
  v1::ReleaseLeaseRequest request;
  request.set_request_id(NewRequestId());
  request.set_lot(options.lot);
  request.set_id(options.id);
  return ShowLease(context, Ask(context, "operator", &Lots::ReleaseLease, request));
}

absl::Status ListLeases(Context& context, const LeaseOptions& options) {
  v1::ListLeasesRequest request;
  request.set_lot(options.lot);
  request.set_all(options.all);
  const auto answer = Ask(context, "operator", &Lots::ListLeases, request);
  if (!answer.ok()) return answer.status();
  if (context.json()) {
    context.PrintMessage(*answer);
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  for (const v1::LotLease& lease : answer->leases()) rows.push_back(LeaseRow(lease));
  context.Print(RenderTable(LeaseHead(), rows));
  return absl::OkStatus();
}

absl::Status ReconcileLot(Context& context, const ReconcileOptions& options) {
  v1::ReconcileLotRequest request;
  request.set_lot(options.lot);
  for (const std::string& shift : options.shifts) {
    const auto minutes = ReadClock("--shifts", shift);
    if (!minutes.ok()) return minutes.status();
    request.add_shift_starts(static_cast<uint32_t>(*minutes));
  }
  const auto offset = ReadOffset(options.offset);
  if (!offset.ok()) return offset.status();
  request.set_utc_offset_minutes(*offset);
  const auto answer = Ask(context, "operator", &Lots::ReconcileLot, request);
  if (!answer.ok()) return answer.status();
  const absl::TimeZone zone = absl::FixedTimeZone(*offset * 60);
  std::vector<std::vector<std::string>> rows;
  for (const v1::ReconciledShift& shift : answer->shifts()) rows.push_back(AccountRow(shift, zone));
  if (!options.csv.empty()) {
    std::string text = CsvLine(AccountHead());
    for (const auto& row : rows) text += CsvLine(row);
    ASSAY_RETURN_IF_ERROR(ReplaceFile(options.csv, AsBytes(text), kPublicFile));
    context.Remark(
        absl::StrCat(rows.size(), rows.size() == 1 ? " line in " : " lines in ", options.csv));
  }
  if (context.json()) {
    context.PrintMessage(*answer);
    return absl::OkStatus();
  }
  rows.push_back(AccountRow(answer->total(), zone));
  context.Print(RenderTable(AccountHead(), rows));
  context.Print(
      absl::StrFormat("lot %s: count %d, claimed %d, places of scrapped units free again %d\n",
                      answer->lot(), answer->count(), answer->claimed(), answer->returned()));
  return absl::OkStatus();
}

}  // namespace assay::client
