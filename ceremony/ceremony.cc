#include "ceremony/ceremony.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "ceremony/files.h"
#include "ceremony/journal.h"
#include "ceremony/key_making.h"
#include "hsm/policy.h"
#include "matter/certificate.h"
#include "matter/csr.h"
#include "matter/ecdsa.h"
#include "matter/name.h"

namespace assay::ceremony {
namespace {

using Labels = std::set<std::string, std::less<>>;

std::string JournalFile(const Plan& plan) { return plan.transcript_file + ".journal"; }

absl::Status CheckKey(const Plan& plan, const KeyPlan& key, const hsm::KeyDescription& told) {
  ASSAY_RETURN_IF_ERROR(hsm::CheckKeyPurpose(told, PurposeOf(key.use)));
  return CheckAgainst(plan.PolicyFor(key.use), told);
}

absl::Status CheckAbility(const KeyPlan& key, const hsm::TokenDescription& token) {
  const bool signs = PurposeOf(key.use) == hsm::KeyPurpose::kSigning;
  const std::string& lacks = signs ? token.signing_lacks : token.wrapping_lacks;
  if (lacks.empty()) return absl::OkStatus();
  return RefuseField(
      Reason::HSM_KEY_UNFIT, absl::StrCat("keys.", key.label), "",
      absl::StrCat("the token does not offer ", lacks, ", which a ", std::string(UseName(key.use)),
                   " key needs: leave it out of this file, and make it by a ceremony of its own in "
                   "a token that does, which hsm.failover then names"));
}

absl::StatusOr<KeyView> LookAtKey(const Plan& plan, const KeyPlan& key, const Labels& begun,
                                  const hsm::TokenDescription& described, hsm::Token& token) {
  KeyView view{.plan = key, .state = KeyView::State::kToBeMade, .key = std::nullopt};
  auto told = token.FindKey(key.label);
  if (HasReason(told.status(), Reason::HSM_KEY_MISSING)) {
    ASSAY_RETURN_IF_ERROR(CheckAbility(key, described));
    return view;
  }
  if (!told.ok()) return Within(absl::StrCat("keys.", key.label), told.status());
  if (const auto fit = CheckKey(plan, key, *told); !fit.ok()) {
    return Within(absl::StrCat("keys.", key.label), fit);
  }
  view.key = *std::move(told);
  view.state = begun.contains(key.label) ? KeyView::State::kTakenUp : KeyView::State::kKept;
  if (view.state == KeyView::State::kKept && plan.production) {
    return RefuseField(Reason::HSM_KEY_UNFIT, absl::StrCat("keys.", key.label), "",
                       "a key of this label was in the token before the ceremony, which vouches "
                       "only for keys it makes: choose another label");
  }
  return view;
}

// The transcript there is, if it is this ceremony's.
absl::StatusOr<std::optional<CheckedTranscript>> FindTranscript(const Plan& plan) {
  const auto text = ReadIfThere(plan.transcript_file);
  if (!text.ok()) return text.status();
  if (!text->has_value()) return std::optional<CheckedTranscript>();
  auto checked = CheckTranscript(**text);
  if (!checked.ok()) return Within(plan.transcript_file, checked.status());
  if (checked->ceremony_sha256 != ToHex(plan.digest)) {
    return RefuseField(Reason::FIELDS_CONTRADICT, "transcript", plan.transcript_file,
                       "is of another ceremony, or of this file as it was before: name another "
                       "file for the transcript");
  }
  return std::optional(*std::move(checked));
}

absl::StatusOr<Outcome> CheckDone(const Plan& plan, const CheckedTranscript& transcript,
                                  hsm::Token& token, Outcome outcome) {
  outcome.done_before = true;
  for (const KeyPlan& key : plan.keys) {
    const std::string field = absl::StrCat("keys.", key.label);
    auto told = token.FindKey(key.label);
    if (!told.ok()) return Within(field, told.status());
    if (const auto fit = CheckKey(plan, key, *told); !fit.ok()) return Within(field, fit);
    const auto recorded = std::ranges::find(transcript.keys, key.label, &TranscriptKey::label);
    const bool same =
        recorded != transcript.keys.end() &&
        (!told->public_point || std::ranges::equal(*told->public_point, recorded->public_key));
    if (!same) {
      return RefuseField(Reason::HSM_KEY_UNFIT, field, "",
                         "the token holds another key than the transcript tells of");
    }
    outcome.keys.push_back({key, KeyView::State::kDone, *std::move(told)});
  }
  return outcome;
}

absl::StatusOr<Outcome> Look(const Plan& plan, hsm::Token& token, const Labels& begun) {
  Outcome outcome;
  auto told = token.Describe();
  if (!told.ok()) return Within("token", told.status());
  outcome.token = *std::move(told);
  const auto transcript = FindTranscript(plan);
  if (!transcript.ok()) return transcript.status();
  if (*transcript) return CheckDone(plan, **transcript, token, std::move(outcome));
  for (const KeyPlan& key : plan.keys) {
    auto view = LookAtKey(plan, key, begun, outcome.token, token);
    if (!view.ok()) return view.status();
    outcome.keys.push_back(*std::move(view));
  }
  return outcome;
}

// A file there is stays if it is for this very key.
absl::StatusOr<Bytes> KeepOrWrite(const std::string& path, std::string_view pem_label,
                                  const hsm::KeyDescription& key,
                                  absl::StatusOr<Bytes> (*point_of)(ByteView der),
                                  const std::function<absl::StatusOr<Bytes>()>& make) {
  const auto text = ReadIfThere(path);
  if (!text.ok()) return text.status();
  if (text->has_value()) {
    auto der = matter::FromPem(pem_label, **text);
    const auto point = der.ok() ? point_of(*der) : absl::StatusOr<Bytes>(der.status());
    if (point.ok() && std::ranges::equal(*point, *key.public_point)) return der;
    return RefuseField(Reason::FIELDS_CONTRADICT, absl::StrCat("keys.", key.label), path,
                       "the file is there and is not for this key: move it away");
  }
  auto der = make();
  if (!der.ok()) return der.status();
  ASSAY_RETURN_IF_ERROR(WriteWhole(path, matter::ToPem(pem_label, *der)));
  return der;
}

absl::StatusOr<Bytes> PointOfRequest(ByteView der) {
  const auto csr = matter::ParseCsr(der);
  if (!csr.ok()) return csr.status();
  return ToBytes(csr->public_key);
}

absl::StatusOr<Bytes> PointOfCertificate(ByteView der) {
  const auto certificate = matter::Certificate::Parse(der);
  if (!certificate.ok()) return certificate.status();
  return ToBytes(certificate->public_key());
}

SelfSigned KindOf(KeyUse use) {
  if (use == KeyUse::kSandboxPaa) return SelfSigned::kPaa;
  return use == KeyUse::kImage ? SelfSigned::kImageSigner : SelfSigned::kDeclarationSigner;
}

class Runner {
 public:
  Runner(const Plan& plan, hsm::Token& token, Random& random, const Clock& clock)
      : plan_(plan), token_(token), random_(random), clock_(clock) {}

  absl::StatusOr<KeyRecord> Make(const KeyView& view, Journal& journal) {
    KeyRecord record{.plan = view.plan, .key = {}, .made = true, .csr = {}, .certificate = {}};
    if (view.key) {
      record.key = *view.key;
      record.made = view.state != KeyView::State::kKept;
    } else {
      ASSAY_RETURN_IF_ERROR(journal.Begin(view.plan.label));
      auto key = token_.GenerateKey(view.plan.label, PurposeOf(view.plan.use));
      if (!key.ok()) return Within(absl::StrCat("keys.", view.plan.label), key.status());
      record.key = *std::move(key);
    }
    if (const auto fit = CheckKey(plan_, view.plan, record.key); !fit.ok()) {
      return Within(absl::StrCat("keys.", view.plan.label), fit);
    }
    ASSAY_RETURN_IF_ERROR(WriteFiles(record));
    return record;
  }

  absl::Status Sign(nlohmann::json& transcript, const std::vector<KeyRecord>& keys) {
    const std::string message = SignedBytes(transcript);
    nlohmann::json signatures = nlohmann::json::array();
    for (const KeyRecord& record : keys) {
      if (!record.key.public_point) continue;
      const auto signature = SignChecked(token_, record.key, AsBytes(message));
      if (!signature.ok()) return signature.status();
      signatures.push_back({{"label", record.key.label},
                            {"signature", ToBase64(matter::SignatureToDer(*signature))}});
    }
    transcript["signatures"] = std::move(signatures);
    return absl::OkStatus();
  }

 private:
  absl::Status WriteFiles(KeyRecord& record) {
    const KeyPlan& plan = record.plan;
    if (!plan.csr_file.empty()) {
      auto csr =
          KeepOrWrite(plan.csr_file, "CERTIFICATE REQUEST", record.key, &PointOfRequest, [&] {
            return SignRequest(token_, record.key,
                               matter::EncodeName(matter::MatterName(
                                   plan.common_name, plan.vendor_id, plan.product_id)));
          });
      if (!csr.ok()) return csr.status();
      record.csr = *std::move(csr);
    }
    if (!plan.certificate_file.empty()) {
      auto certificate =
          KeepOrWrite(plan.certificate_file, "CERTIFICATE", record.key, &PointOfCertificate, [&] {
            return SignOwnCertificate(token_, record.key, KindOf(plan.use), plan.common_name,
                                      random_, clock_);
          });
      if (!certificate.ok()) return certificate.status();
      record.certificate = *std::move(certificate);
    }
    return absl::OkStatus();
  }

  const Plan& plan_;
  hsm::Token& token_;
  Random& random_;
  const Clock& clock_;
};

absl::Status CheckPeople(const Plan& plan, const std::vector<Confirmation>& operators) {
  Labels confirmed;
  for (const Confirmation& person : operators) {
    if (std::ranges::find(plan.operators, person.name) == plan.operators.end()) {
      return RefuseField(Reason::SECOND_PERSON_REQUIRED, "operators", person.name,
                         "the ceremony's file does not name this person");
    }
    confirmed.insert(person.name);
  }
  for (const std::string& name : plan.operators) {
    if (confirmed.contains(name)) continue;
    return RefuseField(Reason::SECOND_PERSON_REQUIRED, "operators", name,
                       "every operator the file names must confirm");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Outcome> LookAhead(const Plan& plan, hsm::Token& token) {
  return Look(plan, token, BegunKeys(JournalFile(plan), plan.digest));
}

absl::StatusOr<Outcome> Run(const Plan& plan, hsm::Token& token, Random& random, const Clock& clock,
                            const std::vector<Confirmation>& operators,
                            const std::string& software) {
  ASSAY_RETURN_IF_ERROR(CheckPeople(plan, operators));
  // All is looked at before anything is made: a ceremony that will be refused makes no key.
  auto ahead = LookAhead(plan, token);
  if (!ahead.ok()) return ahead;
  if (ahead->done_before) {
    std::error_code ignored;  // a run killed after its transcript leaves its journal
    std::filesystem::remove(JournalFile(plan), ignored);
    return ahead;
  }
  auto journal = Journal::Open(JournalFile(plan), plan.digest, clock.Now());
  if (!journal.ok()) return journal.status();

  Runner runner(plan, token, random, clock);
  Story story{.plan = &plan,
              .software = software,
              .started_at = journal->started_at(),
              .finished_at = {},
              .operators = operators,
              .token = ahead->token,
              .keys = {}};
  for (KeyView& view : ahead->keys) {
    auto record = runner.Make(view, *journal);
    if (!record.ok()) return record.status();
    view.key = record->key;
    story.keys.push_back(*std::move(record));
  }
  story.finished_at = clock.Now();
  nlohmann::json transcript = ComposeTranscript(story);
  ASSAY_RETURN_IF_ERROR(runner.Sign(transcript, story.keys));
  const std::string text = RenderTranscript(transcript);
  if (const auto checked = CheckTranscript(text); !checked.ok()) return checked.status();
  ASSAY_RETURN_IF_ERROR(WriteWhole(plan.transcript_file, text));
  journal->Remove();
  return ahead;
}

}  // namespace assay::ceremony
