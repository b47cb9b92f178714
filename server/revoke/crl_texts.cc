#include "server/revoke/crl_texts.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "matter/crl.h"
#include "matter/revocation_set.h"

namespace assay::revoke {
namespace {

constexpr size_t kMaxUrlSize = 256;  // of the DCL's record

absl::StatusOr<matter::RevocationEntry> EntryOf(const db::StoredCrl& stored, const Issuer& issuer) {
  const auto crl = matter::ParseCrl(stored.der);
  if (!crl.ok()) return Refuse(Reason::VERIFY_FAILED, crl.status().message());
  const auto signer = matter::Certificate::Parse(stored.signer_certificate);
  if (!signer.ok()) return Refuse(Reason::VERIFY_FAILED, signer.status().message());
  const bool delegated = !std::ranges::equal(signer->der(), issuer.certificate.der());
  if (delegated) {
    const absl::Status fit = matter::CheckDelegatedCrlSigner(*signer, issuer.certificate);
    if (!fit.ok()) return Refuse(Reason::VERIFY_FAILED, fit.message());
  }
  auto entry = matter::RevocationEntryOf(*crl, *signer, delegated ? &issuer.certificate : nullptr);
  if (!entry.ok()) return Refuse(Reason::VERIFY_FAILED, entry.status().message());
  return entry;
}

}  // namespace

absl::StatusOr<std::string> RevocationSetJson(CrlPress& press, db::RevocationStore& revocations,
                                              const Clock& clock) {
  const auto issuers = press.ListIssuers();
  if (!issuers.ok()) return issuers.status();
  std::vector<matter::RevocationEntry> entries;
  for (const Issuer& issuer : *issuers) {
    const auto state = revocations.FindCrlState(issuer.name);
    if (!state.ok()) return state.status();
    for (uint32_t part = 0; part < press.PartsOf(state->entries); ++part) {
      auto crl = press.Find(issuer.name, part);
      if (crl.ok() && crl->next_update <= clock.Now()) {
        ASSAY_RETURN_IF_ERROR(press.Publish(issuer, true));
        crl = press.Find(issuer.name, part);
      }
      if (!crl.ok()) return crl.status();
      auto entry = EntryOf(*crl, issuer);
      if (!entry.ok()) return Within(absl::StrCat(issuer.name, "/", part), entry.status());
      entries.push_back(*std::move(entry));
    }
  }
  return matter::RevocationSet::Make(std::move(entries)).ToJson();
}

absl::StatusOr<std::vector<v1::DistributionPoint>> DistributionPoints(
    CrlPress& press, db::RevocationStore& revocations, const std::string& name) {
  const auto issuer = press.FindIssuer(name);
  if (!issuer.ok()) return issuer.status();
  if (issuer->is_paa) {
    return RefuseField(Reason::FIELD_NOT_ALLOWED, "issuer", name,
                       "a sandbox's PAA is not on the ledger");
  }
  if (press.UrlOf(name, 0).empty() || press.UrlOf(name, 0).size() > kMaxUrlSize) {
    return RefuseField(Reason::FIELD_NOT_ALLOWED, "issuer", name,
                       "a record names the list's URL of at most 256 bytes: set "
                       "revocation.base_url");
  }
  const auto state = revocations.FindCrlState(name);
  if (!state.ok()) return state.status();
  const std::string key_id = ToUpperHex(issuer->certificate.subject_key_id());
  std::vector<v1::DistributionPoint> points;
  for (uint32_t part = 0; part < press.PartsOf(state->entries); ++part) {
    v1::DistributionPoint point;
    std::optional<matter::Certificate> delegate;
    if (state->signer) {
      auto read = matter::Certificate::Parse(state->signer->certificate);
      if (!read.ok()) return Within("crl_signer", read.status());
      delegate = *std::move(read);
      point.set_delegator_pem(issuer->certificate.ToPem());
    }
    point.set_signer_pem((delegate ? *delegate : issuer->certificate).ToPem());
    const std::string label = absl::StrCat(key_id, "-", part);  // unique beside vid and issuer
    nlohmann::ordered_json record = {{"vid", issuer->vendor_id}};
    if (issuer->product_id) record["pid"] = *issuer->product_id;
    record["issuerSubjectKeyID"] = key_id;
    record["isPAA"] = false;
    record["label"] = label;
    record["crlSignerCertificate"] = point.signer_pem();
    if (delegate) record["crlSignerDelegator"] = point.delegator_pem();
    record["dataURL"] = press.UrlOf(name, part);
    record["revocationType"] = 1;
    record["schemaVersion"] = 0;
    point.set_json(record.dump(2));
    point.set_command(absl::StrCat(
        "dcld tx pki add-revocation-point --vid=", issuer->vendor_id,
        issuer->product_id ? absl::StrCat(" --pid=", *issuer->product_id) : "",
        " --issuer-subject-key-id=", key_id, " --is-paa=false --label=", label,
        " --certificate=CRL-SIGNER.pem", delegate ? " --certificate-delegator=DELEGATOR.pem" : "",
        " --data-url=", press.UrlOf(name, part), " --revocation-type=1 --from=ACCOUNT"));
    points.push_back(std::move(point));
  }
  return points;
}

}  // namespace assay::revoke
