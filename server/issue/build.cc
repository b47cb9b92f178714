#include "server/issue/build.h"

#include <openssl/crypto.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/refusal.h"
#include "matter/csr.h"
#include "matter/lint.h"
#include "matter/passcode.h"
#include "matter/rotating_id.h"
#include "matter/spake2p.h"
#include "matter/test_credentials.h"
#include "server/issue/device_key.h"
#include "server/issue/extra_values.h"
#include "server/issue/given_dac.h"
#include "server/lot/act.h"

namespace assay::issue {
namespace {

using matter::SdkDefaults;

SdkDefaults DefaultsFor(bool production) {
  return production ? SdkDefaults::kExcluded : SdkDefaults::kAllowed;
}

absl::Status NotAllowed(absl::string_view field, absl::string_view rule) {
  return RefuseField(Reason::FIELD_NOT_ALLOWED, field, "", rule);
}

bool HasLineValues(const v1::DeviceValues& values) {
  return values.has_passcode() || values.has_discriminator() || !values.salt().empty() ||
         !values.verifier().empty() || !values.rotating_id().empty() || values.extra_size() > 0;
}

absl::Status CheckModuleField(const v1::IssueRequest& request, v1::Attestation attestation) {
  if (!request.has_module()) return absl::OkStatus();
  if (attestation != v1::ATTESTATION_NONE) {
    return NotAllowed("module",
                      "the product's devices get a certificate in this lot; only one whose "
                      "attestation is none completes modules of another");
  }
  const v1::ModuleRef& module = request.module();
  if (module.dac_serial().empty() && module.common_name().empty()) {
    return RefuseField(Reason::FIELD_REQUIRED, "module", "",
                       "give the serial number or the common name of the module's DAC");
  }
  if (module.dac_serial().size() > 20) {
    return RefuseField(Reason::FIELD_TOO_LONG, "module.dac_serial", "", "must be 1 to 20 bytes");
  }
  if (module.common_name().size() > 64) {
    return RefuseField(Reason::FIELD_TOO_LONG, "module.common_name", "", "must be 1 to 64 bytes");
  }
  return absl::OkStatus();
}

absl::Status CheckAttestationFields(const v1::IssueRequest& request, v1::Attestation attestation) {
  const bool csr = attestation == v1::ATTESTATION_CSR;
  if (csr && request.csr().empty()) {
    return RefuseField(Reason::FIELD_REQUIRED, "csr", "",
                       "the product's devices make their own keys");
  }
  if (!csr && !request.csr().empty()) {
    return NotAllowed("csr", "the product's attestation is not CSR");
  }
  const bool given = attestation == v1::ATTESTATION_GIVEN;
  if (given && request.given_dac().certificate().empty()) {
    return RefuseField(Reason::FIELD_REQUIRED, "given_dac.certificate", "",
                       "the product's certificates are made elsewhere");
  }
  if (!given && request.has_given_dac()) {
    return NotAllowed("given_dac", "the product's attestation is not GIVEN");
  }
  return CheckModuleField(request, attestation);
}

absl::Status CheckValues(const v1::DeviceValues& values, const v1::ProductSpec& spec,
                         bool production) {
  const SdkDefaults defaults = DefaultsFor(production);
  if (!spec.values_from_line() && HasLineValues(values)) {
    return NotAllowed("values",
                      "the product does not take values from the line (values_from_line)");
  }
  if (values.serial_number().size() > matter::kMaxSerialNumberSize) {
    return RefuseField(Reason::FIELD_TOO_LONG, "values.serial_number", "", "must be 1 to 32 bytes");
  }
  // It is printed on labels and stands in manifests, a line a unit.
  if (std::any_of(values.serial_number().begin(), values.serial_number().end(),
                  [](unsigned char c) { return c < 0x20 || c == 0x7F; })) {
    return RefuseField(Reason::FIELD_MALFORMED, "values.serial_number", values.serial_number(),
                       "must not hold control characters");
  }
  if (values.has_passcode()) {
    ASSAY_RETURN_IF_ERROR(matter::CheckPasscode(values.passcode(), "values.passcode", defaults));
  }
  if (values.has_discriminator()) {
    ASSAY_RETURN_IF_ERROR(
        matter::CheckDiscriminator(values.discriminator(), "values.discriminator", defaults));
  }
  if (!lot::HoldsCommissioning(spec) &&
      (values.has_passcode() || values.has_discriminator() || !values.salt().empty())) {
    return NotAllowed("values",
                      "the product's images hold no commissioning data: they come with the "
                      "factory image, from the lot that completes the module");
  }
  if (spec.dynamic_passcode() && (values.has_passcode() || !values.verifier().empty())) {
    return RefuseField(Reason::FIELDS_CONTRADICT, "values.passcode", "",
                       "the product's devices make their own passcodes (dynamic_passcode)");
  }
  if (!values.salt().empty()) {
    ASSAY_RETURN_IF_ERROR(matter::CheckParameters(
        {lot::IterationsOf(spec), ToBytes(AsBytes(values.salt()))}, "values."));
  }
  if (!values.verifier().empty() && (values.salt().empty() || !values.has_passcode())) {
    return RefuseField(Reason::FIELDS_CONTRADICT, "values.verifier", "",
                       "comes together with the salt and the passcode it was made from");
  }
  if (!values.rotating_id().empty()) {
    if (!lot::HoldsRotatingId(spec)) {
      return NotAllowed("values.rotating_id", "the product's images hold no rotating id");
    }
    ASSAY_RETURN_IF_ERROR(
        matter::CheckUniqueId(AsBytes(values.rotating_id()), "values.rotating_id"));
    if (const size_t length = lot::RotatingIdLengthOf(spec);
        values.rotating_id().size() != length) {
      return RefuseField(Reason::FIELD_OUT_OF_RANGE, "values.rotating_id",
                         absl::StrCat(values.rotating_id().size(), " bytes"),
                         absl::StrCat("must be ", length, " bytes"));
    }
  }
  return absl::OkStatus();
}

std::string DrawDeviceId(Random& random, absl::Time now) {
  Bytes bytes = DrawInOrderOfTime(random, 16, now);
  bytes[6] = static_cast<uint8_t>((bytes[6] & 0x0F) | 0x70);  // RFC 9562 5.7: version 7
  bytes[8] = static_cast<uint8_t>((bytes[8] & 0x3F) | 0x80);
  const std::string hex = ToHex(bytes);
  return absl::StrCat(hex.substr(0, 8), "-", hex.substr(8, 4), "-", hex.substr(12, 4), "-",
                      hex.substr(16, 4), "-", hex.substr(20));
}

absl::Status MakeCodes(Work& work) {
  if (!lot::HasPasscode(work.plan->spec)) return absl::OkStatus();
  work.payload = work.plan->payload;
  work.payload.discriminator = work.discriminator;
  work.payload.passcode = work.passcode;
  auto qr = matter::EncodeQr(work.payload);
  if (!qr.ok()) return qr.status();
  auto manual = matter::EncodeManualCode(work.payload);
  if (!manual.ok()) return manual.status();
  work.qr_code = *std::move(qr);
  work.manual_code = *std::move(manual);
  return absl::OkStatus();
}

absl::Status TakeKey(Work& work, Reserve* reserve) {
  if (work.plan->spec.dac().attestation() == v1::ATTESTATION_CSR) {
    const auto csr = matter::ParseCsr(AsBytes(work.request.csr()));
    if (!csr.ok()) return csr.status();
    work.public_key.assign(csr->public_key.begin(), csr->public_key.end());
    return absl::OkStatus();
  }
  std::optional<DeviceKey> key;
  if (reserve != nullptr) key = reserve->TakeKey();
  if (!key) {
    auto made = MakeDeviceKey();
    if (!made.ok()) return made.status();
    key = *std::move(made);
  }
  work.public_key.assign(key->point.begin(), key->point.end());
  work.device_key = std::move(key->scalar);
  return absl::OkStatus();
}

// Passcode, salt and verifier that were made ahead, where the line gives none of them.
bool TakeReady(Work& work, Reserve& reserve) {
  const v1::DeviceValues& values = work.request.values();
  const v1::ProductSpec& spec = work.plan->spec;
  if (!lot::HasPasscode(spec) || values.has_passcode() || !values.salt().empty() ||
      !values.verifier().empty()) {
    return false;
  }
  auto ready = reserve.TakeVerifier({lot::IterationsOf(spec), lot::SaltLengthOf(spec)});
  if (!ready) return false;
  work.passcode = ready->passcode;
  OPENSSL_cleanse(&ready->passcode, sizeof ready->passcode);
  work.salt = std::move(ready->salt);
  work.verifier = std::move(ready->verifier);
  return true;
}

// Step 3: passcode and salt, with their verifier where it is there already. Values that were
// another unit's are drawn anew, not taken.
void DrawPasscodeAndSalt(Work& work, Random& random, Reserve* reserve) {
  const v1::ProductSpec& spec = work.plan->spec;
  const v1::DeviceValues& values = work.request.values();
  work.passcode = 0;
  work.verifier = SecretBytes();
  if (reserve != nullptr && work.draws == 0 && TakeReady(work, *reserve)) return;
  if (lot::HasPasscode(spec)) {
    work.passcode = values.has_passcode() ? values.passcode() : matter::DrawPasscode(random);
  }
  if (lot::HoldsCommissioning(spec)) {
    work.salt = values.salt().empty() ? matter::DrawSalt(random, lot::SaltLengthOf(spec))
                                      : ToBytes(AsBytes(values.salt()));
  }
}

// Step 4: TBS bytes from the template, then read again by the linter, which knows nothing of the
// template.
absl::Status BuildDac(Work& work, Random& random, const Clock& clock, Reserve* reserve) {
  const lot::LotPlan& plan = *work.plan;
  ASSAY_RETURN_IF_ERROR(TakeKey(work, reserve));
  const lot::IssuingPai& pai = *plan.pai;
  const matter::Certificate* paa = pai.paa ? &*pai.paa : nullptr;
  const absl::Time now = clock.Now();
  // A clock a little ahead of a commissioner's must not make a fresh DAC "not yet valid".
  auto not_before = matter::ChooseDacNotBefore(now, absl::Minutes(5), pai.certificate, paa);
  if (!not_before.ok()) return not_before.status();
  absl::Duration allowed_skew = absl::Minutes(10);
  if (plan.spec.dac().has_valid_from()) {
    const absl::Time from = absl::FromUnixSeconds(plan.spec.dac().valid_from().seconds());
    not_before = std::max(from, pai.certificate.validity().not_before);
    allowed_skew = absl::InfiniteDuration();
  }
  work.dac_serial = matter::DrawDacSerial(random);
  auto tbs = plan.dac->Fill({work.dac_serial, work.device_id, *not_before, work.public_key});
  if (!tbs.ok()) return tbs.status();
  matter::DacLintContext lint;
  lint.pai = &pai.certificate;
  lint.paa = paa;
  lint.cd = plan.cd ? &*plan.cd : nullptr;
  lint.vid = plan.dac_ids.vendor_id;
  lint.pid = plan.dac_ids.product_id;
  lint.basic_info_vid = static_cast<uint16_t>(plan.spec.vendor_id());
  lint.basic_info_pid = static_cast<uint16_t>(plan.spec.product_id());
  lint.public_key = work.public_key;
  lint.serial = work.dac_serial;
  lint.now = now;
  lint.clock_skew = allowed_skew;
  ASSAY_RETURN_IF_ERROR(matter::LintDac(*tbs, lint));
  work.tbs = *std::move(tbs);
  work.pai_name = pai.name;
  work.pai = ToBytes(pai.certificate.der());
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckTicketForm(const std::string& ticket) {
  const absl::string_view rule = "must be 1 to 128 of [A-Za-z0-9._:-]";
  if (ticket.empty()) return RefuseField(Reason::FIELD_REQUIRED, "ticket", "", rule);
  const bool plain = std::all_of(ticket.begin(), ticket.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == ':' || c == '-';
  });
  if (ticket.size() > 128) return RefuseField(Reason::FIELD_TOO_LONG, "ticket", ticket, rule);
  if (!plain) return RefuseField(Reason::FIELD_MALFORMED, "ticket", ticket, rule);
  return absl::OkStatus();
}

absl::Status CheckForm(const v1::IssueRequest& request) {
  ASSAY_RETURN_IF_ERROR(CheckTicketForm(request.ticket()));
  ASSAY_RETURN_IF_ERROR(lot::CheckName("lot", request.lot()));
  if (request.csr().size() > matter::kMaxCsrSize) {
    return RefuseField(Reason::CSR_TOO_LARGE, "csr", absl::StrCat(request.csr().size(), " bytes"),
                       absl::StrCat("must be at most ", matter::kMaxCsrSize, " bytes"));
  }
  return absl::OkStatus();
}

namespace {

// A database may hold lots and PAIs from when it was a sandbox's; no new one passes the desks.
absl::Status CheckForProduction(const lot::LotPlan& plan) {
  if (matter::IsTestVendor(static_cast<uint16_t>(plan.lot.vendor_id))) {
    return RefuseField(Reason::TEST_CREDENTIAL, "lot", plan.lot.name,
                       "its product is of a test vendor (FFF1 to FFF4), for which production does "
                       "not issue");
  }
  if (plan.pai && plan.pai->paa && matter::IsTestAuthorityKey(plan.pai->paa->public_key())) {
    return RefuseField(Reason::TEST_CREDENTIAL, "lot", plan.lot.name,
                       "its PAI is of a PAA whose private key is published, under which production "
                       "does not issue");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckAgainstPlan(const v1::IssueRequest& request, const lot::LotPlan& plan,
                              bool production) {
  if (production) ASSAY_RETURN_IF_ERROR(CheckForProduction(plan));
  ASSAY_RETURN_IF_ERROR(CheckAttestationFields(request, plan.spec.dac().attestation()));
  return CheckValues(request.values(), plan.spec, production);
}

absl::Status Claim(Work& work, Random& random, const Clock& clock, bool production,
                   Reserve* reserve) {
  const v1::ProductSpec& spec = work.plan->spec;
  const v1::DeviceValues& values = work.request.values();
  const SdkDefaults defaults = DefaultsFor(production);
  const absl::Time now = clock.Now();
  work.attempt_name = DrawDeviceId(random, now);
  work.device_id = work.module ? work.module->device_id : work.attempt_name;
  work.serial_number = values.serial_number();
  if (work.serial_number.empty() && work.module) work.serial_number = work.module->serial_number;
  if (work.serial_number.empty()) work.serial_number = ToHex(DrawInOrderOfTime(random, 16, now));
  const bool holds = lot::HoldsCommissioning(spec);
  work.discriminator = 0;
  if (holds) {
    work.discriminator = values.has_discriminator() ? static_cast<uint16_t>(values.discriminator())
                                                    : matter::DrawDiscriminator(random);
  }
  DrawPasscodeAndSalt(work, random, reserve);
  if (lot::HasPasscode(spec)) {
    ASSAY_RETURN_IF_ERROR(matter::CheckPasscode(work.passcode, "values.passcode", defaults));
  }
  if (lot::HoldsRotatingId(spec)) {
    work.rotating_id = values.rotating_id().empty() ? random.Draw(lot::RotatingIdLengthOf(spec))
                                                    : ToBytes(AsBytes(values.rotating_id()));
  }
  return FillExtraValues(work);
}

absl::Status Build(Work& work, Random& random, const Clock& clock, Reserve* reserve) {
  ASSAY_RETURN_IF_ERROR(MakeCodes(work));
  switch (work.plan->spec.dac().attestation()) {
    case v1::ATTESTATION_SERVER_KEY:
    case v1::ATTESTATION_CSR:
      return BuildDac(work, random, clock, reserve);
    case v1::ATTESTATION_GIVEN:
      return TakeGivenDac(work, clock);
    default:
      return absl::OkStatus();
  }
}

bool NeedsVerifier(const Work& work) {
  return lot::HasPasscode(work.plan->spec) && work.verifier.empty();
}

matter::VerifierJob VerifierJobOf(const Work& work) {
  matter::VerifierJob job;
  job.passcode = work.passcode;
  job.parameters = {lot::IterationsOf(work.plan->spec), work.salt};
  return job;
}

absl::Status TakeVerifier(Work& work, matter::VerifierJob& job) {
  ASSAY_RETURN_IF_ERROR(job.status);
  const std::string& given = work.request.values().verifier();
  if (!given.empty() && !EqualInConstantTime(AsBytes(given), job.verifier.view())) {
    return RefuseField(Reason::VERIFIER_MISMATCH, "values.verifier", "",
                       "must be the one of this passcode, salt and iteration count");
  }
  work.verifier = std::move(job.verifier);
  return absl::OkStatus();
}

}  // namespace assay::issue
