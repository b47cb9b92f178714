#include "matter/revocation_set.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/refusal.h"

namespace assay::matter {
namespace {

using Json = nlohmann::ordered_json;

absl::Status Malformed(const std::string& field, absl::string_view rule) {
  return RefuseField(Reason::FIELD_MALFORMED, "revocation_set" + field, "", rule);
}

std::string SerialText(ByteView serial) {
  while (serial.size() > 1 && serial[0] == 0) serial = serial.subspan(1);
  return ToUpperHex(serial);
}

absl::StatusOr<std::string> TextOf(const Json& object, const std::string& at, const char* key) {
  const auto member = object.find(key);
  if (member == object.end() || !member->is_string()) {
    return Malformed(at + "." + key, "a text");
  }
  return member->get<std::string>();
}

absl::StatusOr<Bytes> Base64Of(const Json& object, const std::string& at, const char* key) {
  absl::StatusOr<std::string> text = TextOf(object, at, key);
  if (!text.ok()) return text.status();
  absl::StatusOr<Bytes> bytes = FromBase64(*text);
  if (!bytes.ok()) return Malformed(at + "." + key, "base64");
  return bytes;
}

absl::Status ReadSerials(const Json& object, const std::string& at,
                         std::set<std::string>& serials) {
  const auto list = object.find("revoked_serial_numbers");
  if (list == object.end() || !list->is_array()) {
    return Malformed(at + ".revoked_serial_numbers", "a list");
  }
  for (const Json& entry : *list) {
    absl::StatusOr<Bytes> serial =
        entry.is_string() ? FromHex(entry.get<std::string>()) : absl::StatusOr<Bytes>(Bytes());
    if (!serial.ok() || serial->empty()) {
      return Malformed(at + ".revoked_serial_numbers", "hexadecimal texts of even length");
    }
    serials.insert(SerialText(*serial));
  }
  return absl::OkStatus();
}

// The authority whose certificates are revoked is the delegator where there is one, the signer
// otherwise; an entry that names another one would revoke nothing, or the wrong devices.
absl::Status CheckAuthority(const RevocationEntry& entry, const std::string& at) {
  if (!Certificate::Parse(entry.crl_signer).ok()) {
    return Malformed(at + ".crl_signer_cert", "a certificate");
  }
  absl::StatusOr<Certificate> authority =
      Certificate::Parse(entry.crl_signer_delegator.value_or(entry.crl_signer));
  if (!authority.ok()) return Malformed(at + ".crl_signer_delegator", "a certificate");
  if (!std::ranges::equal(authority->subject(), entry.issuer_name) ||
      !std::ranges::equal(authority->subject_key_id(), entry.issuer_key_id)) {
    return Malformed(at + ".issuer_name", "name and key id of the CRL signer or its delegator");
  }
  return absl::OkStatus();
}

absl::StatusOr<RevocationEntry> ReadEntry(const Json& object, const std::string& at) {
  if (!object.is_object()) return Malformed(at, "an object");
  RevocationEntry entry;
  absl::StatusOr<std::string> type = TextOf(object, at, "type");
  if (!type.ok()) return type.status();
  if (*type != "revocation_set") return Malformed(at + ".type", "revocation_set");
  absl::StatusOr<std::string> key_id = TextOf(object, at, "issuer_subject_key_id");
  if (!key_id.ok()) return key_id.status();
  absl::StatusOr<Bytes> key_id_bytes = FromHex(*key_id);
  if (!key_id_bytes.ok() || key_id_bytes->size() != KeyId{}.size()) {
    return Malformed(at + ".issuer_subject_key_id", "40 hexadecimal digits");
  }
  entry.issuer_key_id = *std::move(key_id_bytes);
  absl::StatusOr<Bytes> name = Base64Of(object, at, "issuer_name");
  if (!name.ok()) return name.status();
  entry.issuer_name = *std::move(name);
  absl::StatusOr<Bytes> signer = Base64Of(object, at, "crl_signer_cert");
  if (!signer.ok()) return signer.status();
  entry.crl_signer = *std::move(signer);
  if (object.contains("crl_signer_delegator")) {
    absl::StatusOr<Bytes> delegator = Base64Of(object, at, "crl_signer_delegator");
    if (!delegator.ok()) return delegator.status();
    entry.crl_signer_delegator = *std::move(delegator);
  }
  ASSAY_RETURN_IF_ERROR(ReadSerials(object, at, entry.serials));
  ASSAY_RETURN_IF_ERROR(CheckAuthority(entry, at));
  return entry;
}

}  // namespace

absl::StatusOr<RevocationSet> RevocationSet::Parse(std::string_view json) {
  const Json list = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (list.is_discarded() || !list.is_array()) return Malformed("", "a JSON list");
  std::vector<RevocationEntry> entries;
  for (size_t i = 0; i < list.size(); ++i) {
    absl::StatusOr<RevocationEntry> entry = ReadEntry(list[i], "[" + std::to_string(i) + "]");
    if (!entry.ok()) return entry.status();
    entries.push_back(*std::move(entry));
  }
  return Make(std::move(entries));
}

RevocationSet RevocationSet::Make(std::vector<RevocationEntry> entries) {
  RevocationSet set;
  set.entries_ = std::move(entries);
  for (size_t i = 0; i < set.entries_.size(); ++i) {
    set.by_issuer_.emplace(std::pair(set.entries_[i].issuer_name, set.entries_[i].issuer_key_id),
                           i);
  }
  return set;
}

std::string RevocationSet::ToJson() const {
  Json list = Json::array();
  for (const RevocationEntry& entry : entries_) {
    Json object;
    object["type"] = "revocation_set";
    object["issuer_subject_key_id"] = ToUpperHex(entry.issuer_key_id);
    object["issuer_name"] = ToBase64(entry.issuer_name);
    object["revoked_serial_numbers"] = entry.serials;
    object["crl_signer_cert"] = ToBase64(entry.crl_signer);
    if (entry.crl_signer_delegator.has_value()) {
      object["crl_signer_delegator"] = ToBase64(*entry.crl_signer_delegator);
    }
    list.push_back(std::move(object));
  }
  return list.dump(4) + "\n";
}

bool RevocationSet::IsRevoked(const Certificate& certificate) const {
  const auto [begin, end] = by_issuer_.equal_range(
      std::pair(ToBytes(certificate.issuer()), ToBytes(certificate.authority_key_id())));
  return std::any_of(begin, end, [&](const auto& found) {
    return entries_[found.second].serials.contains(certificate.SerialText());
  });
}

AttestationResult RevocationSet::Check(const Certificate& dac, const Certificate& pai) const {
  const bool dac_revoked = IsRevoked(dac);
  const bool pai_revoked = IsRevoked(pai);
  if (dac_revoked && pai_revoked) return AttestationResult::kPaiAndDacRevoked;
  if (dac_revoked) return AttestationResult::kDacRevoked;
  return pai_revoked ? AttestationResult::kPaiRevoked : AttestationResult::kSuccess;
}

absl::StatusOr<RevocationEntry> RevocationEntryOf(const Crl& crl, const Certificate& signer,
                                                  const Certificate* delegator) {
  ASSAY_RETURN_IF_ERROR(CheckCrlSigner(crl, signer));
  if (delegator != nullptr) ASSAY_RETURN_IF_ERROR(CheckDelegatedCrlSigner(signer, *delegator));
  const Certificate& authority = delegator != nullptr ? *delegator : signer;
  RevocationEntry entry;
  entry.issuer_name = ToBytes(authority.subject());
  entry.issuer_key_id = ToBytes(authority.subject_key_id());
  entry.crl_signer = ToBytes(signer.der());
  if (delegator != nullptr) entry.crl_signer_delegator = ToBytes(delegator->der());
  for (const RevokedEntry& revoked : crl.fields.entries) {
    if (revoked.certificate_issuer.empty() || revoked.certificate_issuer == entry.issuer_name) {
      entry.serials.insert(SerialText(revoked.serial));
    }
  }
  return entry;
}

}  // namespace assay::matter
