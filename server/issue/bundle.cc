#include "server/issue/bundle.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "image/cms.h"
#include "matter/certificate.h"
#include "matter/ecdsa.h"
#include "server/issue/prove.h"
#include "server/issue/wipe.h"

namespace assay::issue {
namespace {

bool LeftOut(int state) {
  return state == static_cast<int>(db::DeviceState::kScrapped) ||
         state == static_cast<int>(db::DeviceState::kRevoked);
}

absl::Status CheckLine(const access::Caller& caller, const db::ManifestRow& row) {
  if (row.line == caller.line || caller.Has(access::Role::kOperator)) return absl::OkStatus();
  return RefuseField(Reason::TICKET_OF_ANOTHER_LINE, "ticket", row.ticket,
                     absl::StrCat("was issued by another line; a bundle of several lines' units is "
                                  "made by a caller with the roles line and operator"));
}

absl::Status CheckThere(const db::ManifestRow& row, const db::TicketView& view) {
  if (view.state == db::TicketView::State::kSealed) return absl::OkStatus();
  return RefuseField(
      Reason::IDENTITY_WIPED, "ticket", row.ticket,
      absl::StrCat("its image was wiped after the unit was confirmed or the lot's retention ended; "
                   "bundle a lot before its units are confirmed"));
}

}  // namespace

Bundler::Bundler(std::shared_ptr<db::Store> store, std::shared_ptr<db::LedgerStore> ledger,
                 std::shared_ptr<lot::LotKeys> keys, std::shared_ptr<hsm::SignerPool> signers,
                 const Clock& clock, BundleOptions options)
    : store_(std::move(store)),
      dictionaries_(std::make_unique<LotDictionaries>(store_)),
      ledger_(std::move(ledger)),
      keys_(std::move(keys)),
      signers_(std::move(signers)),
      clock_(clock),
      options_(std::move(options)) {}

absl::StatusOr<db::Lot> Bundler::FindLot(const access::Caller& caller,
                                         const std::string& name) const {
  auto lot = store_->FindLot(name);
  if (HasReason(lot.status(), Reason::LOT_UNKNOWN)) {
    ASSAY_RETURN_IF_ERROR(caller.CheckLot("", name));
  }
  if (!lot.ok()) return lot.status();
  ASSAY_RETURN_IF_ERROR(caller.CheckLot(lot->factory, lot->name));
  return lot;
}

absl::StatusOr<Bundler::Page> Bundler::ReadPage(const access::Caller& caller, const db::Lot& lot,
                                                int64_t after_row, int limit) const {
  ASSAY_RETURN_IF_ERROR(caller.CheckRole(access::Role::kLine));
  Page page;
  page.last_row = after_row;
  db::DeviceFilter filter;
  filter.lot = lot.name;
  const auto rows = store_->ListDevices(filter, after_row, limit);
  if (!rows.ok()) return rows.status();
  if (rows->empty()) return page;
  page.more = rows->size() == static_cast<size_t>(limit);
  page.last_row = rows->back().row;
  const auto key = keys_->Unwrap(lot);
  if (!key.ok()) return key.status();
  std::vector<db::TicketKey> tickets;
  std::vector<const db::ManifestRow*> wanted;
  for (const db::ManifestRow& row : *rows) {
    if (LeftOut(row.state)) continue;
    ASSAY_RETURN_IF_ERROR(CheckLine(caller, row));
    tickets.push_back({lot.id, row.ticket});
    wanted.push_back(&row);
  }
  const auto views = store_->FindTickets(tickets);
  for (size_t i = 0; i < views.size(); ++i) {
    if (!views[i].ok()) return views[i].status();
    ASSAY_RETURN_IF_ERROR(CheckThere(*wanted[i], *views[i]));
    auto sealed = OpenSealed(*views[i], lot.id, **key, *dictionaries_);
    if (!sealed.ok()) return sealed.status();
    page.units.push_back(std::move(*Answer(*sealed, caller, true).mutable_identity()));
    WipeIdentity(*sealed->mutable_identity());
  }
  return page;
}

absl::StatusOr<v1::SignBundleResponse> Bundler::Sign(const access::Caller& caller,
                                                     const std::string& lot,
                                                     const Sha256Digest& list, uint64_t members,
                                                     Deadline deadline) {
  const auto found = FindLot(caller, lot);
  if (!found.ok()) return found.status();
  const auto signer = matter::Certificate::Parse(options_.image_certificate);
  if (!signer.ok()) return Within("hsm.image_certificate", signer.status());
  const nlohmann::json entry = {
      {"kind", kBundleEntry},
      {"at", absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", clock_.Now(), absl::UTCTimeZone())},
      {"actor", caller.uri},
      {"lot", found->name},
      {"factory", found->factory},
      {"list_sha256", ToHex(list)},
      {"members", members}};
  const std::string body = entry.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  ASSAY_RETURN_IF_ERROR(ledger_->AddEntries(kBundleEntry, {&body, 1}));
  const auto signature = signers_->SignAndWait(options_.image_key, list, deadline);
  if (!signature.ok()) return signature.status();
  auto cms = image::AssembleDetachedCms(options_.image_certificate, *signature);
  if (!cms.ok()) return cms.status();
  const absl::Status verified =
      image::VerifyDetachedCmsDigest(*cms, list, options_.image_certificate);
  if (!verified.ok()) {
    return Refuse(Reason::HSM_BAD_SIGNATURE, "the bundle's signature is wrong; nothing left");
  }
  v1::SignBundleResponse response;
  response.set_signature(ToText(*cms));
  response.set_certificate(ToText(options_.image_certificate));
  response.set_list_sha256(ToText(list));
  response.set_members(members);
  return response;
}

}  // namespace assay::issue
