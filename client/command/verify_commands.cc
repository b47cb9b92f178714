#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "assay/v1/issuance.grpc.pb.h"
#include "base/refusal.h"
#include "client/certificate_file.h"
#include "client/command/revocation_commands.h"
#include "client/files.h"
#include "client/numbers.h"
#include "client/show.h"
#include "client/text_record.h"
#include "matter/attestation.h"
#include "matter/certificate_format.h"
#include "matter/revocation_set.h"
#include "matter/test_credentials.h"

namespace assay::client {
namespace {

using matter::AttestationOutcome;
using matter::AttestationResult;
using matter::Certificate;

// "@FILE" or hex.
absl::StatusOr<Bytes> BytesFrom(const char* flag, const std::string& text) {
  auto bytes = text.starts_with("@") ? ReadFile(text.substr(1)) : FromHex(text);
  if (!bytes.ok()) return Within(flag, bytes.status());
  return bytes;
}

// What the files hold, read once.
struct Evidence {
  std::optional<Certificate> dac, pai;  // always there where there are no elements
  Bytes dac_der, pai_der;
  matter::PaaTrustStore paas;
  matter::CdSignerSet signers;
  bool allow_test_signer = false;
  std::optional<matter::RevocationSet> revocations;
  Bytes elements, signature, nonce, challenge, cd;
  uint16_t vendor_id = 0, product_id = 0;
  absl::Time now;
};

absl::Status ReadTrust(const VerifyOptions& options, Evidence& evidence) {
  for (const std::string& path : options.paas) {
    const auto paa = ReadCertificateFile("--paa", path);
    if (!paa.ok()) return paa.status();
    ASSAY_RETURN_IF_ERROR(Within("--paa", evidence.paas.Add(*paa)));
  }
  for (const std::string& path : options.cd_signers) {
    const auto signer = ReadCertificateFile("--cd-signer", path);
    if (!signer.ok()) return signer.status();
    // The SDK's own signer, whose private key everybody has, is taken only where it is asked for.
    const bool is_test = matter::IsTestCdSigner(signer->subject_key_id());
    ASSAY_RETURN_IF_ERROR(Within("--cd-signer", evidence.signers.Add(*signer, is_test)));
  }
  evidence.allow_test_signer = options.sdk_test_signer;
  if (!options.revocation_set.empty()) {
    const auto json = ReadTextFile(options.revocation_set);
    if (!json.ok()) return Within("--revocation-set", json.status());
    auto set = matter::RevocationSet::Parse(*json);
    if (!set.ok()) return Within("--revocation-set", set.status());
    evidence.revocations = *std::move(set);
  }
  return absl::OkStatus();
}

// What a device sends may be no certificate at all, and a commissioner has a number for that: with
// elements its bytes are judged as they are.
absl::Status ReadSent(absl::string_view flag, const std::string& path, bool whole,
                      std::optional<Certificate>& certificate, Bytes& der) {
  auto read = ReadCertificateFile(flag, path);
  if (read.ok()) {
    der = ToBytes(read->der());
    certificate = *std::move(read);
    return absl::OkStatus();
  }
  if (!whole || !HasReason(read.status(), Reason::FIELD_MALFORMED)) return read.status();
  auto bytes = ReadFile(path);
  if (!bytes.ok()) return Within(flag, bytes.status());
  der = *std::move(bytes);
  return absl::OkStatus();
}

absl::Status ReadEvidence(const VerifyOptions& options, const Clock& clock, Evidence& evidence) {
  const bool whole = !options.elements.empty();
  ASSAY_RETURN_IF_ERROR(ReadSent("--dac", options.dac, whole, evidence.dac, evidence.dac_der));
  ASSAY_RETURN_IF_ERROR(ReadSent("--pai", options.pai, whole, evidence.pai, evidence.pai_der));
  ASSAY_RETURN_IF_ERROR(ReadTrust(options, evidence));
  for (const auto& [flag, text, bytes] :
       {std::tuple("--signature", &options.signature, &evidence.signature),
        std::tuple("--nonce", &options.nonce, &evidence.nonce),
        std::tuple("--challenge", &options.challenge, &evidence.challenge)}) {
    if (whole == text->empty()) {
      return RefuseField(whole ? Reason::FIELD_REQUIRED : Reason::FIELD_NOT_ALLOWED, flag, "",
                         "goes with --elements");
    }
    if (text->empty()) continue;
    auto read = BytesFrom(flag, *text);
    if (!read.ok()) return read.status();
    *bytes = *std::move(read);
  }
  for (const auto& [flag, path, bytes] :
       {std::tuple("--elements", &options.elements, &evidence.elements),
        std::tuple("--cd", &options.cd, &evidence.cd)}) {
    if (path->empty()) continue;
    auto read = ReadFile(*path);
    if (!read.ok()) return Within(flag, read.status());
    *bytes = *std::move(read);
  }
  const auto ids = evidence.dac && evidence.dac->subject_ids().ok() ? *evidence.dac->subject_ids()
                                                                    : matter::NameIds{};
  evidence.vendor_id =
      static_cast<uint16_t>(options.vendor_id ? options.vendor_id : ids.vid.value_or(0));
  evidence.product_id =
      static_cast<uint16_t>(options.product_id ? options.product_id : ids.pid.value_or(0));
  evidence.now = clock.Now();
  if (!options.at.empty()) {
    const auto at = ParseDate(options.at);
    if (!at) {
      return RefuseField(Reason::FIELD_MALFORMED, "--at", options.at,
                         "must be YYYY-MM-DD[ HH:MM:SS], UTC");
    }
    evidence.now = *at;
  }
  return absl::OkStatus();
}

AttestationOutcome JudgeAnswer(const Evidence& evidence) {
  matter::AttestationInputs inputs;
  inputs.elements = evidence.elements;
  inputs.signature = evidence.signature;
  inputs.nonce = evidence.nonce;
  inputs.challenge = evidence.challenge;
  inputs.dac = evidence.dac_der;
  inputs.pai = evidence.pai_der;
  inputs.vendor_id = evidence.vendor_id;
  inputs.product_id = evidence.product_id;
  inputs.paas = &evidence.paas;
  inputs.cd_trust = {&evidence.signers, evidence.allow_test_signer};
  inputs.revocations = evidence.revocations ? &*evidence.revocations : nullptr;
  inputs.now = evidence.now;
  return matter::VerifyAttestation(inputs);
}

void JudgeDeclaration(const Evidence& evidence, const Certificate* paa,
                      matter::Findings& findings) {
  std::optional<matter::CertificationDeclaration> cd;
  const auto result =
      matter::VerifyCdAsSdk(evidence.cd, {&evidence.signers, evidence.allow_test_signer}, cd);
  if (result != AttestationResult::kSuccess) {
    findings.push_back({result, "cd", "a declaration a commissioner accepts", false});
  }
  if (!cd) return;
  matter::CdSubject subject;
  subject.basic_info_vid = evidence.vendor_id;
  subject.basic_info_pid = evidence.product_id;
  const auto dac = evidence.dac->subject_ids();
  const auto pai = evidence.pai->subject_ids();
  if (dac.ok()) {
    subject.dac_vid = dac->vid.value_or(0);
    subject.dac_pid = dac->pid.value_or(0);
  }
  if (pai.ok()) {
    subject.pai_vid = pai->vid.value_or(0);
    subject.pai_pid = pai->pid;
  }
  if (paa != nullptr && paa->subject_key_id().size() == matter::KeyId{}.size()) {
    std::ranges::copy(paa->subject_key_id(), subject.paa_key_id.emplace().begin());
  }
  for (matter::Finding& finding : matter::MatchCd(*cd, subject)) {
    findings.push_back(std::move(finding));
  }
}

// Without the device's answer: chain, dates, declaration, revocation.
AttestationOutcome JudgeCertificates(const Evidence& evidence) {
  AttestationOutcome outcome;
  matter::Findings& findings = outcome.findings;
  findings = matter::CheckFormat(*evidence.pai, matter::Role::kPai);
  for (auto& finding : matter::CheckFormat(*evidence.dac, matter::Role::kDac)) {
    findings.push_back(std::move(finding));
  }
  const Certificate* const paa = evidence.paas.Find(evidence.pai->authority_key_id());
  if (paa == nullptr) {
    findings.push_back({AttestationResult::kPaaNotFound, "paa",
                        "the PAI's authority key id is that of a trusted PAA", false});
  } else {
    for (auto& finding : matter::CheckChain(paa, &*evidence.pai, &*evidence.dac)) {
      findings.push_back(std::move(finding));
    }
  }
  if (!evidence.dac->validity().Contains(evidence.now)) {
    findings.push_back({AttestationResult::kDacExpired, "dac.validity", "valid now", false});
  }
  if (!evidence.cd.empty()) JudgeDeclaration(evidence, paa, findings);
  if (evidence.revocations) {
    const auto revoked = evidence.revocations->Check(*evidence.dac, *evidence.pai);
    if (revoked != AttestationResult::kSuccess) {
      findings.push_back({revoked, "revocation", "neither DAC nor PAI is revoked", false});
    }
  }
  for (const matter::Finding& finding : findings) {
    if (outcome.result == AttestationResult::kSuccess && !finding.strict) {
      outcome.result = finding.result;
    }
  }
  return outcome;
}

v1::VerifyDeviceResponse MessageOf(const AttestationOutcome& outcome) {
  v1::VerifyDeviceResponse message;
  message.set_passed(outcome.findings.empty());
  message.set_result(static_cast<uint32_t>(outcome.result));
  message.set_result_name(std::string(matter::AttestationResultName(outcome.result)));
  for (const matter::Finding& finding : outcome.findings) {
    v1::AttestationFinding& out = *message.add_findings();
    out.set_result(static_cast<uint32_t>(finding.result));
    out.set_result_name(std::string(matter::AttestationResultName(finding.result)));
    out.set_field(finding.field);
    out.set_rule(finding.rule);
    out.set_strict(finding.strict);
  }
  return message;
}

// What a commissioner would say, and that it is not all where only Assay found fault.
std::string Outcome(const v1::VerifyDeviceResponse& result) {
  std::string said = absl::StrCat(result.result(), " ", result.result_name());
  if (result.passed() || result.result() != 0) return said;
  return absl::StrCat("a commissioner would say ", said, ", but it is not what was issued");
}

absl::Status Tell(Context& context, const v1::VerifyDeviceResponse& result) {
  if (context.json()) {
    context.PrintMessage(result);
  } else {
    context.Print(absl::StrCat(result.passed() ? "passed" : "failed", ": ", Outcome(result), "\n"));
    std::vector<std::vector<std::string>> rows;
    for (const v1::AttestationFinding& finding : result.findings()) {
      rows.push_back({absl::StrCat(finding.result()), finding.result_name(), finding.field(),
                      finding.rule(), finding.strict() ? "Assay's own" : ""});
    }
    if (!rows.empty()) context.Print(RenderTable({"", "result", "what", "must be", ""}, rows));
  }
  if (result.passed()) return absl::OkStatus();
  // No refusal of Assay: asking again would not change it.
  return absl::FailedPreconditionError(absl::StrCat("the device fails: ", Outcome(result)));
}

constexpr char kRecord[] = "/verification.json";

}  // namespace

absl::Status VerifyFiles(Context& context, const VerifyOptions& options) {
  Evidence evidence;
  ASSAY_RETURN_IF_ERROR(ReadEvidence(options, context.clock(), evidence));
  return Tell(context, MessageOf(evidence.elements.empty() ? JudgeCertificates(evidence)
                                                           : JudgeAnswer(evidence)));
}

absl::Status BeginAttest(Context& context, const AttestOptions& options) {
  const auto connection = context.Connect("line");
  if (!connection.ok()) return connection.status();
  const auto stub = v1::IssuanceService::NewStub((*connection)->channel());
  v1::BeginVerificationRequest request;
  request.set_device_id(options.device_id);
  request.set_lot(options.lot);
  request.set_ticket(options.ticket);
  const auto begun =
      (*connection)->Call(*stub, &v1::IssuanceService::Stub::BeginVerification, request);
  if (!begun.ok()) return begun.status();
  ASSAY_RETURN_IF_ERROR(MakeFolder(options.folder));
  ASSAY_RETURN_IF_ERROR(
      ReplaceFile(options.folder + "/nonce.bin", AsBytes(begun->nonce()), kPublicFile));
  ASSAY_RETURN_IF_ERROR(
      ReplaceFile(options.folder + "/challenge.bin", AsBytes(begun->challenge()), kPublicFile));
  ASSAY_RETURN_IF_ERROR(WriteRecord(
      options.folder + kRecord,
      {{"verification_id", begun->verification_id()}, {"device_id", begun->device_id()}}));
  context.PrintMessage(*begun);
  return absl::OkStatus();
}

absl::Status FinishAttest(Context& context, const AttestOptions& options) {
  const auto record = ReadRecord(options.folder + kRecord);
  if (!record.ok()) return Within("--folder", record.status());
  const auto elements = ReadFile(options.elements);
  if (!elements.ok()) return Within("--elements", elements.status());
  const auto signature = BytesFrom("--signature", options.signature);
  if (!signature.ok()) return signature.status();
  const auto dac = ReadCertificateFile("--dac", options.dac);
  if (!dac.ok()) return dac.status();
  const auto pai = ReadCertificateFile("--pai", options.pai);
  if (!pai.ok()) return pai.status();
  v1::VerifyDeviceRequest request;
  for (const auto& [key, text] : *record) {
    if (key == "verification_id") request.set_verification_id(text);
    if (key == "device_id") request.set_device_id(text);
  }
  request.set_attestation_elements(ToText(*elements));
  request.set_signature(ToText(*signature));
  request.set_dac(ToText(dac->der()));
  request.set_pai(ToText(pai->der()));
  if (!options.firmware.empty()) {
    const auto firmware = BytesFrom("--firmware", options.firmware);
    if (!firmware.ok()) return firmware.status();
    request.set_firmware_information(ToText(*firmware));
  }
  const auto connection = context.Connect("line");
  if (!connection.ok()) return connection.status();
  const auto stub = v1::IssuanceService::NewStub((*connection)->channel());
  const auto result = (*connection)->Call(*stub, &v1::IssuanceService::Stub::VerifyDevice, request);
  if (!result.ok()) return result.status();
  return Tell(context, *result);
}

}  // namespace assay::client
