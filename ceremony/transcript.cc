#include "ceremony/transcript.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "matter/certificate.h"
#include "matter/ecdsa.h"
#include "matter/name.h"

namespace assay::ceremony {
namespace {

using nlohmann::json;

constexpr int kFormat = 1;
constexpr char kSignatures[] = "signatures";
// SubjectPublicKeyInfo of a P-256 key, before its 65 bytes.
constexpr uint8_t kSpkiHead[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};

std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

std::string NameOf(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

json PolicyJson(const WrittenPolicy& policy) {
  json out = json::object();
  for (const auto& [name, value] : policy) out[name] = value;
  return out;
}

json KeyJson(const KeyRecord& record) {
  json out = {{"label", record.key.label},
              {"use", UseName(record.plan.use)},
              {"id", ToHex(record.key.id)},
              {"origin", record.made ? "made in this ceremony" : "in the token before"}};
  json attributes = json::object();
  for (const Attribute& attribute : AttributesOf(record.key)) {
    attributes[std::string(attribute.name)] =
        attribute.value ? json(*attribute.value) : json("not told by the token");
  }
  out["attributes"] = std::move(attributes);
  if (!record.key.public_point) {
    out["key"] = "AES-256";
    return out;
  }
  Bytes spki(std::begin(kSpkiHead), std::end(kSpkiHead));
  Append(spki, *record.key.public_point);
  out["key"] = "P-256";
  out["public_key"] = matter::ToPem("PUBLIC KEY", spki);
  out["public_key_sha256"] = ToHex(Sha256(*record.key.public_point));
  out["key_id"] = ToUpperHex(matter::KeyIdOf(*record.key.public_point));
  if (record.plan.use == KeyUse::kPai) {
    out["vendor_id"] = matter::IdToText(record.plan.vendor_id);
    if (record.plan.product_id) out["product_id"] = matter::IdToText(*record.plan.product_id);
    out["request"] = {{"file", NameOf(record.plan.csr_file)},
                      {"sha256", ToHex(Sha256(record.csr))}};
  }
  if (!record.certificate.empty()) {
    out["certificate"] = {{"file", NameOf(record.plan.certificate_file)},
                          {"sha256", ToHex(Sha256(record.certificate))}};
  }
  return out;
}

absl::Status Malformed(absl::string_view field) {
  return RefuseField(Reason::FIELD_MALFORMED, field, "", "this is no transcript of a ceremony");
}

std::string TextAt(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// A transcript is four levels deep; what is deeper would only try our stack.
json ParseShallow(std::string_view text) {
  constexpr int kDeepest = 8;
  bool deep = false;
  const auto watch = [&deep](int depth, json::parse_event_t, json&) {
    deep = deep || depth > kDeepest;
    return !deep;
  };
  json parsed = json::parse(text, watch, false);
  return deep ? json() : parsed;
}

bool IsTextsOnly(const json& object) {
  return object.is_object() &&
         std::ranges::all_of(object, [](const json& member) { return member.is_string(); });
}

// What people are shown of it is there and is text.
absl::Status CheckShape(const json& content) {
  for (const char* name : {"ceremony", "token"}) {
    const auto part = content.find(name);
    if (part == content.end() || !IsTextsOnly(*part)) return Malformed(name);
  }
  const auto people = content.find("operators");
  if (people == content.end() || !people->is_array() ||
      !std::ranges::all_of(*people, &IsTextsOnly)) {
    return Malformed("operators");
  }
  return absl::OkStatus();
}

absl::StatusOr<Bytes> PointOf(const json& key) {
  const auto spki = matter::FromPem("PUBLIC KEY", TextAt(key, "public_key"));
  if (!spki.ok() || spki->size() != std::size(kSpkiHead) + matter::kP256PointSize ||
      !std::equal(std::begin(kSpkiHead), std::end(kSpkiHead), spki->begin())) {
    return Malformed("keys.public_key");
  }
  return Bytes(spki->begin() + std::size(kSpkiHead), spki->end());
}

absl::StatusOr<TranscriptKey> ReadKey(const json& key) {
  TranscriptKey out{TextAt(key, "label"), TextAt(key, "use"), TextAt(key, "origin"), {}, ""};
  if (out.label.empty()) return Malformed("keys.label");
  if (out.use == UseName(KeyUse::kWrapping)) return out;
  auto point = PointOf(key);
  if (!point.ok()) return point.status();
  out.public_key = *std::move(point);
  out.fingerprint = ToHex(Sha256(out.public_key));
  if (out.fingerprint != TextAt(key, "public_key_sha256")) {
    return RefuseField(Reason::NOTE_UNTRUSTED, absl::StrCat("keys.", out.label), "",
                       "the fingerprint must be the public key's");
  }
  return out;
}

absl::Status CheckSignature(const TranscriptKey& key, const json& signatures,
                            const std::string& message) {
  const std::string field = absl::StrCat("signatures.", key.label);
  for (const json& signature : signatures) {
    if (!signature.is_object() || TextAt(signature, "label") != key.label) continue;
    const auto der = FromBase64(TextAt(signature, "signature"));
    if (!der.ok()) return Within(field, der.status());
    const auto raw = matter::SignatureFromDer(*der);
    const auto verifier = matter::SignatureVerifier::Make(key.public_key);
    if (raw.ok() && verifier.ok() && verifier->VerifyMessage(AsBytes(message), *raw)) {
      return absl::OkStatus();
    }
    return RefuseField(Reason::NOTE_UNTRUSTED, field, "",
                       "the signature must be by this key over this transcript");
  }
  return RefuseField(Reason::NOTE_UNTRUSTED, field, "", "this key has not signed the transcript");
}

}  // namespace

json ComposeTranscript(const Story& story) {
  const Plan& plan = *story.plan;
  json operators = json::array(), keys = json::array();
  for (const Confirmation& person : story.operators) {
    operators.push_back(
        {{"name", person.name}, {"confirmed", person.how}, {"at", TimeText(person.at)}});
  }
  for (const KeyRecord& record : story.keys) keys.push_back(KeyJson(record));
  return {{"assay_ceremony_transcript", kFormat},
          {"ceremony",
           {{"file", NameOf(plan.path)},
            {"sha256", ToHex(plan.digest)},
            {"mode", plan.production ? "production" : "sandbox"}}},
          {"software", story.software},
          {"started_at", TimeText(story.started_at)},
          {"finished_at", TimeText(story.finished_at)},
          {"operators", std::move(operators)},
          {"token",
           {{"label", story.token.label},
            {"serial", story.token.serial},
            {"manufacturer", story.token.manufacturer},
            {"model", story.token.model},
            {"firmware", story.token.firmware},
            {"hardware", story.token.hardware},
            {"module", story.token.module}}},
          {"policy",
           {{"signing", PolicyJson(plan.signing_policy)},
            {"wrapping", PolicyJson(plan.wrapping_policy)}}},
          {"keys", std::move(keys)}};
}

std::string SignedBytes(const json& transcript) {
  json body = transcript;
  body.erase(kSignatures);
  return body.dump();
}

std::string RenderTranscript(const json& transcript) { return transcript.dump(2) + "\n"; }

absl::StatusOr<CheckedTranscript> CheckTranscript(std::string_view text) {
  CheckedTranscript checked;
  checked.content = ParseShallow(text);
  const json& content = checked.content;
  if (!content.is_object() || content.value("assay_ceremony_transcript", json()) != kFormat) {
    return Malformed("transcript");
  }
  // A member given twice would be read one way by a person and another way by a program.
  if (RenderTranscript(content) != text) {
    return RefuseField(Reason::NOTE_UNTRUSTED, "transcript", "",
                       "the file must be as the ceremony wrote it, byte for byte");
  }
  ASSAY_RETURN_IF_ERROR(CheckShape(content));
  const auto keys = content.find("keys"), signatures = content.find(kSignatures);
  if (keys == content.end() || !keys->is_array()) return Malformed("keys");
  if (signatures == content.end() || !signatures->is_array()) return Malformed(kSignatures);
  const std::string message = SignedBytes(content);
  size_t signers = 0;
  std::set<std::string> labels;
  for (const json& entry : *keys) {
    if (!entry.is_object()) return Malformed("keys");
    auto key = ReadKey(entry);
    if (!key.ok()) return key.status();
    if (!labels.insert(key->label).second) return Malformed("keys.label");
    if (!key->public_key.empty()) {
      ASSAY_RETURN_IF_ERROR(CheckSignature(*key, *signatures, message));
      ++signers;
    }
    checked.keys.push_back(*std::move(key));
  }
  if (signers == 0 || signers != signatures->size()) {
    return RefuseField(Reason::NOTE_UNTRUSTED, kSignatures, "",
                       "there must be one signature by each signing key, and no other");
  }
  if (const auto ceremony = content.find("ceremony"); ceremony != content.end()) {
    checked.ceremony_sha256 = TextAt(*ceremony, "sha256");
  }
  if (const auto people = content.find("operators"); people != content.end()) {
    for (const json& person : *people) checked.operators.push_back(TextAt(person, "name"));
  }
  return checked;
}

}  // namespace assay::ceremony
