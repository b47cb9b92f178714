#include "server/revoke/verification.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "assay/v1/catalog.pb.h"
#include "base/refusal.h"
#include "server/access/unit.h"
#include "server/lot/act.h"

namespace assay::revoke {
namespace {

using matter::AttestationResult;

// More than any device sends; what the specification allows is the check's to judge.
constexpr int kMaxEvidenceSize = 4096;
constexpr size_t kIdSize = 16;

google::protobuf::Timestamp Stamp(absl::Time time) {
  google::protobuf::Timestamp stamp;
  const int64_t micros = absl::ToUnixMicros(time);
  stamp.set_seconds(micros / 1'000'000);
  stamp.set_nanos(static_cast<int32_t>(micros % 1'000'000) * 1000);
  return stamp;
}

absl::Status Gone(const std::string& id) {
  return RefuseField(Reason::VERIFICATION_UNKNOWN, "verification_id", id,
                     "no such verification, or its time is over: begin a new one");
}

absl::Status CheckFields(const v1::VerifyDeviceRequest& request) {
  for (const auto& [field, value] :
       {std::pair{"verification_id", &request.verification_id()},
        std::pair{"device_id", &request.device_id()},
        std::pair{"attestation_elements", &request.attestation_elements()},
        std::pair{"signature", &request.signature()}, std::pair{"dac", &request.dac()},
        std::pair{"pai", &request.pai()}}) {
    if (value->empty()) {
      return RefuseField(Reason::FIELD_REQUIRED, field, "", "the device's answer is needed whole");
    }
    if (value->size() > kMaxEvidenceSize) {
      return RefuseField(Reason::FIELD_TOO_LONG, field, absl::StrCat(value->size(), " bytes"),
                         "at most 4096 bytes");
    }
  }
  return absl::OkStatus();
}

// What was issued to the unit: the bytes its answer must hold.
struct Issued {
  Bytes dac;
  Bytes pai;  // empty where the DAC came with the request
  std::string declaration;
};

// Those findings a commissioner cannot have: it does not know what was issued.
void CompareWithIssued(const v1::VerifyDeviceRequest& request, const Issued& issued,
                       matter::Findings& findings) {
  const auto differs = [&](AttestationResult result, const char* field, const char* rule) {
    findings.push_back({result, field, rule, true});
  };
  if (!std::ranges::equal(AsBytes(request.dac()), issued.dac)) {
    differs(AttestationResult::kDacArgumentInvalid, "dac.issued",
            "byte for byte the DAC that was issued to this device");
  }
  if (!issued.pai.empty() && !std::ranges::equal(AsBytes(request.pai()), issued.pai)) {
    differs(AttestationResult::kPaiArgumentInvalid, "pai.issued",
            "byte for byte the PAI that issued its DAC");
  }
  const auto elements = matter::DecodeAttestationElements(AsBytes(request.attestation_elements()));
  if (!elements.ok()) return;  // found already
  if (!std::ranges::equal(elements->certification_declaration, AsBytes(issued.declaration))) {
    differs(AttestationResult::kCdInvalidFormat, "cd.issued",
            "byte for byte the declaration the lot was opened with");
  }
}

// The answer's firmware information against what the line expects; connectedhomeip's 400 and 401.
std::optional<matter::Finding> CompareFirmware(const v1::VerifyDeviceRequest& request) {
  if (request.firmware_information().empty()) return std::nullopt;
  const auto elements = matter::DecodeAttestationElements(AsBytes(request.attestation_elements()));
  if (!elements.ok()) return std::nullopt;
  if (!elements->firmware_information) {
    return matter::Finding{AttestationResult::kFirmwareInformationMissing,
                           "elements.firmware_information", "present", false};
  }
  if (!std::ranges::equal(*elements->firmware_information,
                          AsBytes(request.firmware_information()))) {
    return matter::Finding{AttestationResult::kFirmwareInformationMismatch,
                           "elements.firmware_information", "what the line expects", false};
  }
  return std::nullopt;
}

// What stands against the unit, in the form commissioners look it up in.
std::optional<matter::RevocationSet> SetOf(const db::Standing& standing, const Issued& issued) {
  std::vector<matter::RevocationEntry> entries;
  const auto add = [&](ByteView der) {
    const auto certificate = matter::Certificate::Parse(der);
    if (!certificate.ok()) return;
    matter::RevocationEntry entry;
    entry.issuer_name = ToBytes(certificate->issuer());
    entry.issuer_key_id = ToBytes(certificate->authority_key_id());
    entry.serials.insert(certificate->SerialText());
    entries.push_back(std::move(entry));
  };
  if (standing.device_revoked) add(issued.dac);
  if (standing.pai_revoked) add(issued.pai);
  if (entries.empty()) return std::nullopt;
  return matter::RevocationSet::Make(std::move(entries));
}

v1::VerifyDeviceResponse ResponseOf(const std::string& device_id,
                                    const matter::AttestationOutcome& outcome, absl::Time at) {
  v1::VerifyDeviceResponse response;
  response.set_device_id(device_id);
  response.set_passed(outcome.findings.empty() && outcome.result == AttestationResult::kSuccess);
  response.set_result(static_cast<uint32_t>(outcome.result));
  response.set_result_name(std::string(matter::AttestationResultName(outcome.result)));
  for (const matter::Finding& finding : outcome.findings) {
    v1::AttestationFinding& out = *response.add_findings();
    out.set_result(static_cast<uint32_t>(finding.result));
    out.set_result_name(std::string(matter::AttestationResultName(finding.result)));
    out.set_field(finding.field);
    out.set_rule(finding.rule);
    out.set_strict(finding.strict);
  }
  *response.mutable_verified_at() = Stamp(at);
  return response;
}

// A line learns nothing of the units of others, not even the names of their lots: to it there is no
// such device.
absl::Status CheckMayKnow(const access::Caller& caller, const db::ManifestRow& row) {
  if (access::CheckUnit(caller, row).ok()) return absl::OkStatus();
  return RefuseField(Reason::DEVICE_UNKNOWN, "device_id", row.device_id, "no such device");
}

// The answer that was given, when `evidence` is what it was given to.
absl::StatusOr<v1::VerifyDeviceResponse> GivenBefore(const db::Verification& ended,
                                                     const Sha256Digest& evidence) {
  if (ended.evidence != evidence) {
    return RefuseField(Reason::REQUEST_CONFLICT, "verification_id", ended.id,
                       "its nonce was used with other evidence: begin a new verification");
  }
  v1::VerifyDeviceResponse response;
  if (!response.ParseFromString(std::string(AsText(ended.answer)))) {
    return Refuse(Reason::INTERNAL, "a recorded verification cannot be read");
  }
  return response;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Verification>> Verification::Make(
    std::shared_ptr<db::Store> store, std::shared_ptr<db::RevocationStore> revocations,
    Random& random, const Clock& clock, VerificationOptions options) {
  std::unique_ptr<Verification> made(new Verification(std::move(store), std::move(revocations),
                                                      random, clock, std::move(options)));
  for (const Bytes& der : made->options_.trusted_paas) {
    const auto paa = matter::Certificate::Parse(der);
    if (!paa.ok()) return Within("trust.paas", paa.status());
    ASSAY_RETURN_IF_ERROR(Within("trust.paas", made->paas_.Add(*paa)));
  }
  return made;
}

absl::StatusOr<db::ManifestRow> Verification::FindUnit(
    const access::Caller& caller, const v1::BeginVerificationRequest& request) {
  std::string device_id = request.device_id();
  if (device_id.empty()) {
    if (request.lot().empty() || request.ticket().empty()) {
      const char* field = !request.lot().empty()      ? "ticket"
                          : !request.ticket().empty() ? "lot"
                                                      : "device_id";
      return RefuseField(Reason::FIELD_REQUIRED, field, "", "a device id, or lot and ticket");
    }
    const auto lot = store_->FindLot(request.lot());
    if (HasReason(lot.status(), Reason::LOT_UNKNOWN)) {
      // A line that is granted only certain lots learns nothing of others.
      ASSAY_RETURN_IF_ERROR(caller.CheckLot("", request.lot()));
    }
    if (!lot.ok()) return lot.status();
    ASSAY_RETURN_IF_ERROR(caller.CheckLot(lot->factory, lot->name));
    const db::TicketKey key{lot->id, request.ticket()};
    const auto view = std::move(store_->FindTickets({&key, 1})[0]);
    if (!view.ok()) return view.status();
    if (view->device_id.empty()) {
      return RefuseField(Reason::TICKET_UNKNOWN, "ticket", request.ticket(),
                         "no identity was sealed for it");
    }
    device_id = view->device_id;
  } else if (!request.lot().empty() || !request.ticket().empty()) {
    return RefuseField(Reason::FIELDS_CONTRADICT, "device_id", device_id,
                       "a device id, or lot and ticket");
  }
  const auto row = store_->FindDevice(device_id);
  if (!row.ok()) return row.status();
  ASSAY_RETURN_IF_ERROR(CheckMayKnow(caller, *row));
  if (row->dac.empty()) {
    return RefuseField(Reason::FIELD_NOT_ALLOWED, "device_id", device_id,
                       "the device was issued no DAC");
  }
  return row;
}

absl::StatusOr<v1::BeginVerificationResponse> Verification::Begin(
    const access::Caller& caller, const v1::BeginVerificationRequest& request) {
  const auto row = FindUnit(caller, request);
  if (!row.ok()) return row.status();
  db::Verification begun;
  begun.id = ToHex(random_.Draw(kIdSize));
  begun.device_id = row->device_id;
  begun.line = caller.line;
  begun.actor = caller.uri;
  begun.nonce = random_.Draw(matter::kAttestationNonceSize);
  begun.challenge = random_.Draw(matter::kAttestationChallengeSize);
  const auto kept = revocations_->BeginVerification(begun, options_.lifetime);
  if (!kept.ok()) return kept.status();
  v1::BeginVerificationResponse response;
  response.set_verification_id(kept->id);
  response.set_device_id(kept->device_id);
  response.set_nonce(ToText(kept->nonce));
  response.set_challenge(ToText(kept->challenge));
  *response.mutable_expires_at() = Stamp(kept->expires_at);
  return response;
}

absl::StatusOr<v1::VerifyDeviceResponse> Verification::Judge(
    const db::Verification& begun, const db::ManifestRow& row,
    const v1::VerifyDeviceRequest& request) {
  // The declaration lies in the factory image, which a module gets in the lot that completes it.
  const auto lot = store_->FindLot(row.stages.empty() ? row.lot : row.stages.back().lot);
  if (!lot.ok()) return lot.status();
  v1::ProductSpec spec;
  if (!spec.ParseFromArray(lot->spec.data(), static_cast<int>(lot->spec.size()))) {
    return Refuse(Reason::INTERNAL, "the lot's product cannot be read");
  }
  Issued issued{row.dac, {}, spec.certification_declaration()};
  if (!row.pai.empty()) {
    const auto pai = store_->FindPai(row.pai);
    if (!pai.ok() && !HasReason(pai.status(), Reason::PAI_UNKNOWN)) return pai.status();
    if (pai.ok()) issued.pai = pai->certificate;
  }
  const auto standing = revocations_->FindStanding(row.device_id);
  if (!standing.ok()) return standing.status();
  const auto revoked = SetOf(*standing, issued);

  matter::AttestationInputs inputs;
  inputs.elements = AsBytes(request.attestation_elements());
  inputs.challenge = begun.challenge;
  inputs.signature = AsBytes(request.signature());
  inputs.nonce = begun.nonce;
  inputs.pai = AsBytes(request.pai());
  inputs.dac = AsBytes(request.dac());
  inputs.vendor_id = row.vendor_id;
  inputs.product_id = row.product_id;
  inputs.paas = &paas_;
  inputs.cd_trust = {&options_.cd_signers, !options_.production};
  inputs.revocations = revoked ? &*revoked : nullptr;
  inputs.now = clock_.Now();
  matter::AttestationOutcome outcome = matter::VerifyAttestation(inputs);
  if (const auto finding = CompareFirmware(request)) {
    if (outcome.result == AttestationResult::kSuccess) outcome.result = finding->result;
    outcome.findings.push_back(*finding);
  }
  CompareWithIssued(request, issued, outcome.findings);
  return ResponseOf(row.device_id, outcome, inputs.now);
}

absl::StatusOr<v1::VerifyDeviceResponse> Verification::Finish(
    const access::Caller& caller, const v1::VerifyDeviceRequest& request) {
  ASSAY_RETURN_IF_ERROR(CheckFields(request));
  const auto row = store_->FindDevice(request.device_id());
  if (!row.ok()) return row.status();
  ASSAY_RETURN_IF_ERROR(CheckMayKnow(caller, *row));
  const Sha256Digest evidence = Sha256(AsBytes(lot::Deterministic(request)));

  auto begun = revocations_->FindVerification(request.verification_id());
  if (!begun.ok()) return begun.status();
  if (!begun->has_value()) return Gone(request.verification_id());
  if ((*begun)->device_id != request.device_id()) {
    return RefuseField(Reason::FIELDS_CONTRADICT, "verification_id", request.verification_id(),
                       "it was begun for another device");
  }
  if ((*begun)->evidence) return GivenBefore(**begun, evidence);
  if ((*begun)->expired) return Gone(request.verification_id());

  const auto response = Judge(**begun, *row, request);
  if (!response.ok()) return response.status();
  db::Verification ended = **begun;
  ended.line = caller.line;
  ended.actor = caller.uri;
  ended.evidence = evidence;
  ended.result = static_cast<int>(response->result());
  ended.passed = response->passed();
  ended.answer = ToBytes(AsBytes(response->SerializeAsString()));
  const auto written = revocations_->EndVerification(ended);
  if (!written.ok()) return written.status();
  if (*written) return response;
  // Another call ended it between our look and our word, or its time ran out.
  begun = revocations_->FindVerification(request.verification_id());
  if (!begun.ok()) return begun.status();
  if (!begun->has_value() || !(*begun)->evidence) return Gone(request.verification_id());
  return GivenBefore(**begun, evidence);
}

}  // namespace assay::revoke
