#include "ceremony/app/commands.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/log.h"
#include "base/refusal.h"
#include "base/yaml/yaml_reader.h"
#include "ceremony/app/confirm.h"
#include "ceremony/app/key_file.h"
#include "ceremony/ceremony.h"
#include "ceremony/files.h"
#include "ceremony/labels.h"
#include "hsm/pkcs11/pkcs11_token.h"
#include "matter/certificate.h"
#include "matter/csr.h"
#include "matter/name.h"

namespace assay::ceremony {
namespace {

using nlohmann::json;

int Fail(const absl::Status& status) {
  const auto refusal = RefusalOf(status);
  std::cerr << "assay: refused: " << status.message();
  if (refusal) std::cerr << " [" << ReasonName(refusal->reason) << "]";
  std::cerr << "\n";
  return 1;
}

absl::StatusOr<SecretBytes> PinOf(const TokenPlan& plan) {
  if (!plan.pin_file.empty()) return SecretBytes();
  if (plan.pin_env.empty()) return AskPin(plan.label.empty() ? plan.serial : plan.label);
  const char* const pin = std::getenv(plan.pin_env.c_str());
  if (pin != nullptr && *pin != '\0') return SecretBytes::CopyOf(AsBytes(pin));
  return RefuseField(Reason::FIELD_REQUIRED, "token.pin_env", plan.pin_env,
                     "the environment does not have it");
}

absl::StatusOr<std::shared_ptr<hsm::Token>> Open(const TokenPlan& plan) {
  pkcs11::Pkcs11Options options;
  options.module_path = plan.module;
  options.token_label = plan.label;
  options.token_serial = plan.serial;
  options.pin_file = plan.pin_file;
  options.sessions = 2;
  options.on_fault = [](const pkcs11::Pkcs11Fault&) {};  // what matters is in the refusal
  auto pin = PinOf(plan);
  if (!pin.ok()) return pin.status();
  options.pin = *std::move(pin);
  return pkcs11::OpenPkcs11Token(std::move(options));
}

const char* Word(KeyView::State state, bool ahead) {
  switch (state) {
    case KeyView::State::kToBeMade:
      return ahead ? "would be made" : "made";
    case KeyView::State::kTakenUp:
      return ahead ? "made by a run that did not end; would be taken up" : "taken up";
    case KeyView::State::kKept:
      return "in the token before";
    case KeyView::State::kDone:
      return "done before";
  }
  return "";
}

std::string Fingerprint(const KeyView& view) {
  if (!view.key || !view.key->public_point) return "";
  return ToUpperHex(Sha256(*view.key->public_point)).substr(0, 16);
}

json OutcomeJson(const Plan& plan, const Outcome& outcome, bool ahead) {
  json keys = json::array();
  for (const KeyView& view : outcome.keys) {
    json key = {{"label", view.plan.label},
                {"use", UseName(view.plan.use)},
                {"state", Word(view.state, ahead)}};
    if (view.key && view.key->public_point) {
      key["public_key_sha256"] = ToHex(Sha256(*view.key->public_point));
    }
    for (const auto& [name, file] : {std::pair("request", view.plan.csr_file),
                                     std::pair("certificate", view.plan.certificate_file)}) {
      if (!file.empty()) key[name] = file;
    }
    keys.push_back(std::move(key));
  }
  return {{"ceremony_sha256", ToHex(plan.digest)}, {"transcript", plan.transcript_file},
          {"done_before", outcome.done_before},    {"dry_run", ahead},
          {"token", outcome.token.label},          {"keys", std::move(keys)}};
}

void PrintOutcome(std::ostream& out, const Plan& plan, const Outcome& outcome, bool ahead) {
  out << absl::StrFormat("token     %s, serial %s: %s %s, firmware %s\n", outcome.token.label,
                         outcome.token.serial, outcome.token.manufacturer, outcome.token.model,
                         outcome.token.firmware);
  out << absl::StrFormat("file      %s\n          SHA-256 %s\n", plan.path, ToHex(plan.digest));
  out << absl::StrFormat("mode      %s\n\n", plan.production ? "production" : "sandbox");
  size_t width = 5;
  for (const KeyView& view : outcome.keys) width = std::max(width, view.plan.label.size());
  out << absl::StrFormat("%-*s  %-11s  %-16s  %s\n", width, "key", "use", "fingerprint", "");
  for (const KeyView& view : outcome.keys) {
    std::string state = Word(view.state, ahead);
    for (const std::string& file : {view.plan.csr_file, view.plan.certificate_file}) {
      if (!file.empty()) absl::StrAppend(&state, ", ", file);
    }
    out << absl::StrFormat("%-*s  %-11s  %-16s  %s\n", width, view.plan.label,
                           std::string(UseName(view.plan.use)), Fingerprint(view), state);
  }
}

// The key a certificate or a request is for.
absl::StatusOr<Bytes> PointIn(const std::string& path) {
  const auto text = ReadIfThere(path);
  if (!text.ok()) return text.status();
  if (!text->has_value())
    return RefuseField(Reason::FIELD_REQUIRED, "--file", path, "no such file");
  const bool pem = (*text)->find("-----BEGIN ") != std::string::npos;
  const auto certificate =
      pem ? matter::Certificate::ParsePem(**text) : matter::Certificate::Parse(AsBytes(**text));
  if (certificate.ok()) return ToBytes(certificate->public_key());
  const auto der = matter::CsrDerFrom(AsBytes(**text));
  if (der.ok()) {
    if (const auto csr = matter::ParseCsr(*der); csr.ok()) return ToBytes(csr->public_key);
  }
  return RefuseField(Reason::FIELD_MALFORMED, "--file", path,
                     "is neither a certificate nor a request");
}

absl::Status CheckFile(const CheckedTranscript& transcript, const std::string& path) {
  const auto point = PointIn(path);
  if (!point.ok()) return point.status();
  for (const TranscriptKey& key : transcript.keys) {
    if (key.public_key == *point) return absl::OkStatus();
  }
  return RefuseField(Reason::NOTE_UNTRUSTED, "--file", path,
                     "the transcript does not tell of its key");
}

// What of assayd's configuration tells where keys live, and whether this is a sandbox.
absl::StatusOr<TokenPlan> SandboxToken(const std::string& path) {
  const auto text = ReadIfThere(path);
  if (!text.ok()) return text.status();
  if (!text->has_value()) {
    return RefuseField(Reason::FIELD_REQUIRED, "--config", path, "assayd's configuration file");
  }
  YAML::Node root;
  try {
    root = YAML::Load(**text);
  } catch (const YAML::Exception& error) {
    return RefuseField(Reason::FIELD_MALFORMED, "--config", path, error.what());
  }
  Problems problems;
  Section top(root, "", problems);
  if (const std::string mode = top.Text("mode"); mode != "sandbox") {
    return RefuseField(Reason::TEST_CREDENTIAL, "mode", mode,
                       "a key that was in a file is for sandboxes only; production's keys are made "
                       "in the token, by assay ceremony run");
  }
  const std::filesystem::path folder = std::filesystem::absolute(path).parent_path();
  const auto beside = [&folder](const std::string& name) {
    return name.empty() ? "" : (folder / name).lexically_normal().string();
  };
  Section hsm = top.Sub("hsm", true);
  TokenPlan plan;
  plan.module = hsm.Text("module");
  if (plan.module.find('/') != std::string::npos) plan.module = beside(plan.module);
  plan.label = hsm.Text("token_label", "");
  plan.serial = hsm.Text("token_serial", "");
  plan.pin_file = beside(hsm.Text("pin_file", ""));
  plan.pin_env = hsm.Text("pin_env", "");
  if (!problems.empty()) {
    return RefuseField(Reason::FIELD_MALFORMED, "--config", path, problems.front());
  }
  return plan;
}

// Nothing of `wrapped` where the key was in the token already.
struct BroughtIn {
  hsm::KeyDescription key;
  std::optional<bool> wrapped{};
};

absl::StatusOr<BroughtIn> BringIn(hsm::Token& token, const std::string& label,
                                  const FileKey& file) {
  auto there = token.FindKey(label);
  if (HasReason(there.status(), Reason::HSM_KEY_MISSING)) {
    auto key = token.ImportSigningKey(label, file.scalar);
    if (!key.ok()) return key.status();
    return BroughtIn{*key, key->wrapped};
  }
  if (!there.ok()) return there.status();
  if (there->public_point && std::ranges::equal(*there->public_point, file.public_key)) {
    return BroughtIn{*std::move(there)};
  }
  return RefuseField(Reason::HSM_KEY_UNFIT, "--label", label,
                     "another key of the token bears this label");
}

const char* WayIn(std::optional<bool> wrapped) {
  if (!wrapped) return "it was there before, the same key";
  return *wrapped
             ? "it came in wrapped (C_UnwrapKey)"
             : "it came in unwrapped (C_CreateObject): this token does not unwrap private keys";
}

}  // namespace

int RunCommand(const RunArguments& arguments) {
  const auto plan = LoadPlan(arguments.file);
  if (!plan.ok()) return Fail(plan.status());
  const auto token = Open(plan->token);
  if (!token.ok()) return Fail(token.status());
  const auto ahead = LookAhead(*plan, **token);
  if (!ahead.ok()) return Fail(ahead.status());
  const bool ends_here = arguments.dry_run || ahead->done_before;
  std::ostream& shown = ends_here ? std::cout : std::cerr;
  if (ends_here && arguments.json) {
    std::cout << OutcomeJson(*plan, *ahead, arguments.dry_run).dump(2) << "\n";
  } else {
    PrintOutcome(shown, *plan, *ahead, true);
    shown << "\n";
  }
  if (arguments.dry_run) {
    std::cerr << "nothing was changed\n";
    return 0;
  }
  SystemRandom random;
  const SystemClock clock;
  std::vector<Confirmation> operators;
  if (ahead->done_before) {
    for (const std::string& name : plan->operators) operators.push_back({name, "", clock.Now()});
  } else {
    auto asked = AskOperators(*plan, arguments.yes, arguments.operators, clock);
    if (!asked.ok()) return Fail(asked.status());
    operators = *std::move(asked);
  }
  const auto outcome =
      Run(*plan, **token, random, clock, operators, absl::StrCat("assay-ceremony ", ASSAY_VERSION));
  if (!outcome.ok()) return Fail(outcome.status());
  if (outcome->done_before) {
    std::cerr << "done before: the keys are as " << plan->transcript_file << " tells\n";
    return 0;
  }
  if (arguments.json) {
    std::cout << OutcomeJson(*plan, *outcome, false).dump(2) << "\n";
  } else {
    PrintOutcome(std::cout, *plan, *outcome, false);
  }
  std::cerr << "transcript in " << plan->transcript_file << "\n";
  return 0;
}

int VerifyCommand(const VerifyArguments& arguments) {
  const auto text = ReadIfThere(arguments.transcript);
  if (!text.ok()) return Fail(text.status());
  if (!text->has_value()) {
    return Fail(
        RefuseField(Reason::FIELD_REQUIRED, "transcript", arguments.transcript, "no such file"));
  }
  const auto checked = CheckTranscript(**text);
  if (!checked.ok()) return Fail(checked.status());
  for (const std::string& file : arguments.files) {
    if (const auto status = CheckFile(*checked, file); !status.ok()) return Fail(status);
  }
  if (arguments.json) {
    std::cout << checked->content.dump(2) << "\n";
    return 0;
  }
  const json& told = checked->content;
  std::cout << absl::StrFormat(
      "good: signed by each of its signing keys\n\nceremony  %s, SHA-256 %s\n",
      told["ceremony"].value("mode", ""), checked->ceremony_sha256);
  for (const json& person : told["operators"]) {
    std::cout << absl::StrFormat("operator  %s, %s, %s\n", person.value("name", ""),
                                 person.value("confirmed", ""), person.value("at", ""));
  }
  const json& token = told["token"];
  std::cout << absl::StrFormat("token     %s, serial %s: %s %s, firmware %s\n\n",
                               token.value("label", ""), token.value("serial", ""),
                               token.value("manufacturer", ""), token.value("model", ""),
                               token.value("firmware", ""));
  size_t width = 5;
  for (const TranscriptKey& key : checked->keys) width = std::max(width, key.label.size());
  for (const TranscriptKey& key : checked->keys) {
    std::cout << absl::StrFormat("%-*s  %-11s  %-20s  %s\n", width, key.label, key.use, key.origin,
                                 key.fingerprint);
  }
  return 0;
}

int ImportCommand(const ImportArguments& arguments) {
  const auto plan = SandboxToken(arguments.config);
  if (!plan.ok()) return Fail(plan.status());
  const auto file = ReadKeyFile(arguments.key_file);
  if (!file.ok()) return Fail(file.status());
  if (!arguments.certificate_file.empty()) {
    const auto point = PointIn(arguments.certificate_file);
    if (!point.ok()) return Fail(point.status());
    if (*point != file->public_key) {
      return Fail(RefuseField(Reason::PAI_INVALID, "--certificate", arguments.certificate_file,
                              "the certificate must be for the key in the file"));
    }
  }
  const auto token = Open(*plan);
  if (!token.ok()) return Fail(token.status());
  const auto brought = BringIn(**token, arguments.label, *file);
  if (!brought.ok()) return Fail(brought.status());
  const std::string fingerprint = ToHex(Sha256(*brought->key.public_point));
  if (arguments.json) {
    json told = {{"label", brought->key.label}, {"public_key_sha256", fingerprint}};
    if (brought->wrapped) told["wrapped"] = *brought->wrapped;
    std::cout << told.dump(2) << "\n";
  } else {
    std::cout << "key " << brought->key.label << " is in the token, SHA-256 " << fingerprint << "\n"
              << WayIn(brought->wrapped) << "\n";
  }
  std::cerr << "now remove " << arguments.key_file
            << ": who has the file can sign as this PAI (shred -u, and its copies)\n";
  return 0;
}

}  // namespace assay::ceremony
