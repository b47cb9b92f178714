#include "ceremony/plan.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/refusal.h"
#include "base/yaml/yaml_reader.h"
#include "ceremony/labels.h"
#include "matter/name.h"
#include "matter/test_credentials.h"

namespace assay::ceremony {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kHighestVendor = 0xFFF4;

struct UseRule {
  KeyUse use;
  std::string_view name;
  std::string_view label;  // the default; empty: required
  std::string_view common_name;
  bool sandbox_only;
};
constexpr UseRule kUses[] = {
    {KeyUse::kPai, "pai", "", "", false},
    {KeyUse::kImage, "image", kImageKey, "Assay Image Signer", false},
    {KeyUse::kLedger, "ledger", kLedgerKey, "", false},
    {KeyUse::kWrapping, "wrapping", kWrappingKey, "", false},
    {KeyUse::kSandboxPaa, "sandbox-paa", kSandboxPaaKey, "Assay Sandbox PAA", true},
    {KeyUse::kSandboxCd, "sandbox-cd", kSandboxCdKey, "Assay Sandbox CD Signer", true},
};

const UseRule& RuleOf(KeyUse use) {
  for (const UseRule& rule : kUses) {
    if (rule.use == use) return rule;
  }
  return kUses[0];
}

bool HasCertificate(KeyUse use) { return !RuleOf(use).common_name.empty(); }

class PlanReader {
 public:
  PlanReader(const std::string& path, Plan& plan)
      : folder_(fs::absolute(path).parent_path()), plan_(plan) {}

  absl::Status Read(std::string_view yaml) {
    YAML::Node root;
    try {
      root = YAML::Load(std::string(yaml));
    } catch (const YAML::Exception& error) {
      return RefuseField(Reason::FIELD_MALFORMED, plan_.path, "",
                         absl::StrCat("is no YAML: ", error.what()));
    }
    Section top(root, "", problems_);
    ReadTop(top);
    top.Finish();
    if (problems_.empty()) return absl::OkStatus();
    return Refuse(Reason::FIELD_MALFORMED,
                  absl::StrCat(plan_.path, ":\n  ", absl::StrJoin(problems_, "\n  ")));
  }

 private:
  void ReadTop(Section& top) {
    const std::string mode = top.Text("mode");
    if (mode != "production" && mode != "sandbox") {
      if (!mode.empty()) top.Complain("mode", "must be sandbox or production");
    }
    plan_.production = mode == "production";
    Section token = top.Sub("token", true);
    ReadToken(token);
    token.Finish();
    plan_.operators = top.Texts("operators");
    CheckOperators(top);
    Section policy = top.Sub("policy", true);
    ReadPolicy(policy, "signing", hsm::KeyPurpose::kSigning, plan_.signing_policy);
    ReadPolicy(policy, "wrapping", hsm::KeyPurpose::kWrapping, plan_.wrapping_policy);
    policy.Finish();
    plan_.transcript_file = FileOf(top.Text("transcript"));
    for (Section& key : top.List("keys")) {
      ReadKey(key);
      key.Finish();
    }
    CheckKeys(top);
  }

  void ReadToken(Section& token) {
    plan_.token.module = token.Text("module");
    plan_.token.label = token.Text("label", "");
    plan_.token.serial = token.Text("serial", "");
    plan_.token.pin_file = FileOf(token.Text("pin_file", ""));
    plan_.token.pin_env = token.Text("pin_env", "");
    if (plan_.token.label.empty() && plan_.token.serial.empty()) {
      token.Complain("label", "the token's label or its serial number is required");
    }
    if (!plan_.token.pin_file.empty() && !plan_.token.pin_env.empty()) {
      token.Complain("pin_env", "excludes pin_file");
    }
  }

  void CheckOperators(Section& top) {
    std::set<std::string> seen;
    for (std::string& name : plan_.operators) {
      name = std::string(absl::StripAsciiWhitespace(name));
      if (name.empty()) top.Complain("operators", "a name is empty");
      if (!seen.insert(absl::AsciiStrToLower(name)).second) {
        top.Complain("operators", absl::StrCat("\"", name, "\" stands there twice"));
      }
    }
    if (plan_.production && seen.size() < 2) {
      top.Complain("operators", "production needs two different people");
    } else if (seen.empty()) {
      top.Complain("operators", "is required: who is there");
    }
  }

  void ReadPolicy(Section& policy, const std::string& name, hsm::KeyPurpose purpose,
                  WrittenPolicy& out) {
    Section section = policy.Sub(name, true);
    const char* const kind = purpose == hsm::KeyPurpose::kSigning ? "P-256" : "AES-256";
    if (const std::string told = section.Text("key", kind); told != kind) {
      section.Complain("key", absl::StrCat("must be ", kind));
    }
    for (const auto& [attribute, demanded] : HousePolicy(purpose)) {
      const std::string text = section.Text(attribute);
      if (text.empty()) continue;  // complained of
      const bool value = text == "true";
      if (!value && text != "false") {
        section.Complain(attribute, "must be true or false");
      } else if (value != demanded) {
        section.Complain(attribute, absl::StrCat("must be ", demanded ? "true" : "false",
                                                 ": no ceremony makes a key that is laxer"));
      }
      out.emplace(attribute, value);
    }
    section.Finish();
  }

  void ReadKey(Section& section) {
    KeyPlan key;
    const std::string use = section.Text("use");
    const UseRule* rule = nullptr;
    for (const UseRule& known : kUses) {
      if (known.name == use) rule = &known;
    }
    if (rule == nullptr) {
      if (!use.empty()) {
        section.Complain("use", "must be pai, image, ledger, wrapping, sandbox-paa or sandbox-cd");
      }
      return;
    }
    key.use = rule->use;
    if (rule->sandbox_only && plan_.production) {
      section.Complain("use", "a sandbox's key has no place in production");
    }
    key.label = rule->label.empty() ? section.Text("label")
                                    : section.Text("label", std::string(rule->label));
    if (key.label.size() > 128) section.Complain("label", "has at most 128 bytes");
    if (key.use == KeyUse::kPai) {
      ReadPai(section, key);
    } else if (HasCertificate(key.use)) {
      key.common_name = section.Text("common_name", std::string(rule->common_name));
      CheckName(section, key);
      key.certificate_file = FileOf(section.Text("certificate"));
    }
    plan_.keys.push_back(std::move(key));
  }

  void ReadPai(Section& section, KeyPlan& key) {
    key.vendor_id = ReadId(section, "vendor_id", section.Text("vendor_id"), kHighestVendor);
    if (plan_.production && matter::IsTestVendor(key.vendor_id)) {
      section.Complain("vendor_id", "FFF1 to FFF4 are for tests");
    }
    if (section.Has("product_id")) {
      key.product_id = ReadId(section, "product_id", section.Text("product_id"), 0xFFFF);
    }
    key.common_name = section.Text("common_name", "Assay PAI");
    CheckName(section, key);
    key.csr_file = FileOf(section.Text("csr"));
  }

  static uint16_t ReadId(Section& section, const std::string& name, const std::string& text,
                         uint64_t most) {
    uint64_t id = 0;
    const bool hex = absl::StartsWithIgnoreCase(text, "0x");
    const bool read = hex ? absl::SimpleHexAtoi(text, &id) : absl::SimpleAtoi(text, &id);
    if (!text.empty() && (!read || id == 0 || id > most)) {
      section.Complain(name, absl::StrFormat("must be 0x0001 to 0x%04X", most));
      return 0;
    }
    return static_cast<uint16_t>(id);
  }

  static void CheckName(Section& section, const KeyPlan& key) {
    if (const auto fit = matter::CheckCommonName("common_name", key.common_name); !fit.ok()) {
      section.Complain("common_name", RefusalOf(fit)->rule);
    }
  }

  void CheckKeys(Section& top) {
    std::set<std::string> labels, files = {plan_.transcript_file};
    bool signs = false;
    for (const KeyPlan& key : plan_.keys) {
      signs = signs || PurposeOf(key.use) == hsm::KeyPurpose::kSigning;
      if (!key.label.empty() && !labels.insert(key.label).second) {
        top.Complain("keys", absl::StrCat("the label ", key.label, " is given twice"));
      }
      for (const std::string& file : {key.csr_file, key.certificate_file}) {
        if (!file.empty() && !files.insert(file).second) {
          top.Complain("keys", absl::StrCat("the file ", file, " is given twice"));
        }
      }
    }
    if (problems_.empty() && !signs) {
      top.Complain("keys", "at least one signing key: the new keys sign the transcript");
    }
  }

  std::string FileOf(const std::string& name) const {
    return name.empty() ? "" : (folder_ / name).lexically_normal().string();
  }

  const fs::path folder_;
  Plan& plan_;
  Problems problems_;
};

}  // namespace

std::string_view UseName(KeyUse use) { return RuleOf(use).name; }

hsm::KeyPurpose PurposeOf(KeyUse use) {
  return use == KeyUse::kWrapping ? hsm::KeyPurpose::kWrapping : hsm::KeyPurpose::kSigning;
}

absl::StatusOr<Plan> ReadPlan(std::string_view yaml, const std::string& path) {
  Plan plan;
  plan.path = path;
  plan.digest = Sha256(AsBytes(yaml));
  ASSAY_RETURN_IF_ERROR(PlanReader(path, plan).Read(yaml));
  return plan;
}

absl::StatusOr<Plan> LoadPlan(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return RefuseField(Reason::FIELD_REQUIRED, "file", path, "cannot be read");
  return ReadPlan(text.str(), path);
}

}  // namespace assay::ceremony
