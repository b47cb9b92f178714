#include "fsck/reentry.h"

#include <openssl/evp.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "assay/v1/catalog.pb.h"
#include "base/random.h"
#include "base/refusal.h"
#include "fsck/agreement.h"
#include "fsck/ledger_check.h"
#include "fsck/reentry_statements.h"
#include "matter/certificate.h"

namespace assay::fsck {
namespace {

using nlohmann::json;
using namespace reentry;  // the statements; NOLINT(google-build-using-namespace)

constexpr Sha256Digest kNothing{};

std::string TextIn(const json& entry, const char* name) {
  const auto found = entry.find(name);
  return found != entry.end() && found->is_string() ? found->get<std::string>() : "";
}

Bytes HexIn(const json& entry, const char* name) {
  const auto bytes = FromHex(TextIn(entry, name));
  return bytes.ok() ? *bytes : Bytes();
}

Bytes WithoutZeros(ByteView serial) {
  while (serial.size() > 1 && serial[0] == 0) serial = serial.subspan(1);
  return ToBytes(serial);
}

Params& BlobOrNull(Params& params, const Bytes& bytes) {
  return bytes.empty() || bytes == ToBytes(kNothing) ? params.Null() : params.Blob(bytes);
}

absl::Status Contradicts(const std::string& what) {
  return Refuse(Reason::FIELDS_CONTRADICT, what);
}

// AES-256-GCM as the lot's key is used everywhere: nonce || ciphertext || tag.
Bytes SealUnder(const SecretBytes& key, ByteView plain, const std::string& bound) {
  SystemRandom random;
  Bytes out(12 + plain.size() + 16);
  random.Fill({out.data(), 12});
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(
      EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  int written = 0;
  const bool sealed =
      EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.data(), out.data()) == 1 &&
      EVP_EncryptUpdate(context.get(), nullptr, &written, AsBytes(bound).data(),
                        static_cast<int>(bound.size())) == 1 &&
      EVP_EncryptUpdate(context.get(), out.data() + 12, &written, plain.data(),
                        static_cast<int>(plain.size())) == 1 &&
      EVP_EncryptFinal_ex(context.get(), out.data() + 12 + written, &written) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, 16,
                          out.data() + 12 + plain.size()) == 1;
  return sealed ? out : Bytes();
}

std::string WrapPurpose(const std::string& lot) { return absl::StrCat("assay lot key|", lot); }

}  // namespace

absl::StatusOr<ToldEntry> ReadLeaf(const std::string& leaf) {
  constexpr std::string_view kHead = "{\"at\":\"", kMiddle = "\",\"entry\":";
  constexpr size_t kTime = 27, kBody = kHead.size() + kTime + kMiddle.size();
  const bool formed = leaf.starts_with(kHead) && leaf.size() > kBody &&
                      leaf.compare(kHead.size() + kTime, kMiddle.size(), kMiddle) == 0;
  if (!formed) {
    return Refuse(Reason::FIELD_MALFORMED,
                  "is no entry, or one so long that only its digest is in the copy");
  }
  ToldEntry entry;
  std::string why;
  if (!absl::ParseTime(absl::RFC3339_full, leaf.substr(kHead.size(), kTime), &entry.at, &why)) {
    return Refuse(Reason::FIELD_MALFORMED, "its time cannot be read");
  }
  entry.body = leaf.substr(kBody, leaf.size() - kBody - 1);
  const json parsed = json::parse(entry.body, nullptr, false);
  if (!parsed.is_object() || LeafOf(entry.body, entry.at) != leaf) {
    return Refuse(Reason::FIELD_MALFORMED, "is not canonical");
  }
  entry.kind = TextIn(parsed, "kind");
  entry.device = TextIn(parsed, "device");
  if (entry.device.size() > 64) entry.device.clear();
  return entry;
}

absl::Status Reentry::Enter(const ToldEntry& entry) {
  const json parsed = json::parse(entry.body);
  const std::string& kind = entry.kind;
  if (kind == "issue") return EnterIssue(entry);
  if (kind == "device.confirm") return EnterConfirm(entry);
  if (kind == "device.revoke") return EnterRevocation(entry);
  if (kind == "pai.revoke") return EnterPaiRevocation(entry);
  if (kind == "crl.sign") {
    const std::string issuer = TextIn(parsed, "issuer");
    session_.Run(kIssuer, Params().Text(issuer));
    session_.Run(kCrlNumber, Params().Text(issuer).Int(parsed.value("number", int64_t{0})));
    return absl::OkStatus();
  }
  if (kind == "lot.close") {
    session_.Run(kCloseLot, Params().Text(TextIn(parsed, "subject")));
    return absl::OkStatus();
  }
  if (kind == "lot.revoke") {
    session_.Run(kCloseLot, Params().Text(TextIn(parsed, "lot")));
    session_.Run(kRevokeLot, Params()
                                 .Text(TextIn(parsed, "lot"))
                                 .Int(parsed.value("reason", 0))
                                 .Text(TextIn(parsed, "actor")));
    return absl::OkStatus();
  }
  if (kind == "pai.retire") {
    session_.Run(kPaiState, Params().Text(TextIn(parsed, "pai")).Int(2));
    return absl::OkStatus();
  }
  ++report_.ledger_only[kind];
  return absl::OkStatus();
}

FolderDevice* Reentry::FolderOf(const std::string& device, const std::string& lot,
                                const std::string& ticket) {
  const auto found = survivors_.devices.find(device);
  if (found == survivors_.devices.end()) return nullptr;
  for (FolderDevice& one : found->second) {
    if (one.lot == lot && one.ticket == ticket) return &one;
  }
  return nullptr;
}

absl::Status Reentry::MakeLot(const std::string& name, const std::string& product,
                              const std::string& factory, FolderDevice* device) {
  if (token_ == nullptr) {
    return Contradicts(absl::StrCat("lot ", name,
                                    " was opened after the backup and needs a key of its own: "
                                    "run without --no-token"));
  }
  Rows known = session_.Run(kProduct, Params().Text(product));
  if (known.empty()) {
    v1::ProductSpec spec;
    if (device != nullptr) {
      const auto dac = matter::Certificate::Parse(device->dac);
      if (dac.ok() && dac->subject_ids().ok()) {
        spec.set_vendor_id(dac->subject_ids()->vid.value_or(0));
        spec.set_product_id(dac->subject_ids()->pid.value_or(0));
      }
    }
    session_.Run(kMakeProduct, Params()
                                   .Text(product)
                                   .Int(spec.vendor_id())
                                   .Int(spec.product_id())
                                   .Blob(AsBytes(spec.SerializeAsString())));
    report_.remarks.push_back(absl::StrCat("product ", product,
                                           " was registered after the backup: entered with its "
                                           "ids only; apply its specification again"));
    known = session_.Run(kProduct, Params().Text(product));
  }
  SystemRandom random;
  const SecretBytes key = random.DrawSecret(32);
  const auto wrapped =
      token_->Encrypt(settings_.keys.wrapping, key.view(), AsBytes(WrapPurpose(name)));
  if (!wrapped.ok()) return Within("hsm", wrapped.status());
  session_.Run(kMakeLot, Params()
                             .Text(name)
                             .Text(product)
                             .Int(known.Int(0, 3))
                             .Blob(known.Blob(0, 0))
                             .Int(known.Int(0, 1))
                             .Int(known.Int(0, 2))
                             .Text(factory)
                             .Blob(*wrapped));
  report_.remarks.push_back(absl::StrCat("lot ", name,
                                         " was opened after the backup: entered closed, its count "
                                         "what was issued; open a new lot for more"));
  return absl::OkStatus();
}

absl::StatusOr<Reentry::LotState*> Reentry::LotOf(const std::string& name,
                                                  const std::string& product,
                                                  const std::string& factory,
                                                  FolderDevice* device) {
  const auto known = lots_.find(name);
  if (known != lots_.end()) return &known->second;
  Rows rows = session_.Run(kLot, Params().Text(name));
  if (rows.empty()) {
    ASSAY_RETURN_IF_ERROR(MakeLot(name, product, factory, device));
    rows = session_.Run(kLot, Params().Text(name));
  }
  LotState lot;
  lot.id = rows.Int(0, 0);
  lot.name = name;
  lot.next = rows.Int(0, 1) + 1;
  if (token_ != nullptr) {
    auto key =
        token_->Decrypt(settings_.keys.wrapping, rows.Blob(0, 2), AsBytes(WrapPurpose(name)));
    if (!key.ok()) return Within(absl::StrCat("lot ", name), key.status());
    lot.key = *std::move(key);
  }
  return &lots_.emplace(name, std::move(lot)).first->second;
}

Bytes Reentry::SealedCodes(const LotState& lot, const std::string& device,
                           const FolderDevice* folder) {
  if (lot.key.empty()) return {};
  v1::OnboardingCodes codes;
  if (folder != nullptr) {
    codes.set_discriminator(folder->discriminator);
    codes.set_passcode(folder->passcode);
    codes.set_qr_code(folder->qr_code);
    codes.set_manual_code(folder->manual_code);
  }
  std::string plain = codes.SerializeAsString();
  Bytes sealed = SealUnder(lot.key, AsBytes(plain), absl::StrCat("assay codes|", device));
  WipeText(plain);
  return sealed;
}

absl::Status Reentry::EnterIssue(const ToldEntry& told) {
  const json entry = json::parse(told.body);
  IssueRecord record;
  ReadIssue(told.body, record);
  const std::string &device = record[0], &ticket = record[1], &lot_name = record[2];
  FolderDevice* folder = FolderOf(device, lot_name, ticket);
  if (folder != nullptr) folder->taken = true;
  if (folder != nullptr && !folder->dac.empty() && ToHex(Sha256(folder->dac)) != record[9]) {
    report_.remarks.push_back(absl::StrCat(
        folder->path, ": the certificate is not the one the ledger tells of; left out"));
    folder = nullptr;
  }
  const auto found = LotOf(lot_name, record[3], record[4], folder);
  if (!found.ok()) return found.status();
  LotState& lot = **found;

  int64_t module_attempt = 0;
  if (entry.contains("completes_module_of_lot")) {
    const Rows module = session_.Run(kModule, Params().Text(device));
    if (module.empty()) return Contradicts(absl::StrCat("module ", device, " is not there"));
    module_attempt = module.Int(0, 0);
  }
  // The backup may hold the intent, or one of an attempt that died since.
  bool counted = false;
  int64_t attempt = 0;
  const Rows live = session_.Run(kLive, Params().Int(lot.id).Text(ticket));
  if (!live.empty()) {
    counted = true;
    session_.Run(kCloseIntent, Params().Int(live.Int(0, 0)));
    if (live.Text(0, 1) == device && ToUpperHex(live.Blob(0, 2)) == record[8]) {
      attempt = live.Int(0, 0);
    } else {
      session_.Run(kVoid, Params().Int(live.Int(0, 0)));
    }
  }
  Bytes dac_issuer, tbs = ToBytes(kNothing);
  if (folder != nullptr && !folder->dac.empty() && module_attempt == 0) {
    const auto dac = matter::Certificate::Parse(folder->dac);
    if (dac.ok() && record[11].empty()) dac_issuer = ToBytes(dac->issuer());
    if (dac.ok() && !record[11].empty()) tbs = ToBytes(Sha256(dac->tbs()));
  }
  if (attempt == 0) {
    Params params;
    params.Int(lot.id).Text(ticket).Text(record[5]).Text(record[6]).Blob(kNothing);
    params.Text(module_attempt == 0 ? device
                                    : absl::StrCat(device.substr(0, 40), "-", told.body.size(), "-",
                                                   absl::ToUnixMicros(told.at)));
    params.TextOrNull(record[7]);
    BlobOrNull(params, module_attempt == 0 ? HexIn(entry, "dac_serial") : Bytes());
    BlobOrNull(params, module_attempt == 0 ? HexIn(entry, "public_key_sha256") : Bytes());
    params.Blob(tbs).Text(module_attempt == 0 ? record[11] : "");
    if (dac_issuer.empty()) {
      params.Null();
    } else {
      params.Blob(dac_issuer);
    }
    params.Int(module_attempt).Int(absl::ToUnixMicros(told.at));
    attempt = session_.Run(kAttempt, params).Int(0, 0);
  }
  const int64_t row = (lot.id << 32) + lot.next++;
  Bytes dac_sha256 = module_attempt == 0 ? HexIn(entry, "dac_sha256") : Bytes(32);
  dac_sha256.resize(32);
  Bytes image_sha256 = HexIn(entry, "image_sha256");
  image_sha256.resize(32);
  const bool whole = folder != nullptr && (!folder->dac.empty() || module_attempt != 0 ||
                                           dac_sha256 == ToBytes(kNothing));
  session_.Run(kDevice, Params()
                            .Int(row)
                            .Int(attempt)
                            .Int(folder == nullptr ? 0 : folder->discriminator)
                            .Blob(dac_sha256)
                            .Blob(whole && module_attempt == 0 ? ByteView(folder->dac) : ByteView())
                            .Blob(image_sha256)
                            .Blob(whole ? ByteView(folder->image_signature) : ByteView())
                            .Blob(SealedCodes(lot, device, folder))
                            .Int(absl::ToUnixMicros(told.at)));
  session_.Run(kMark, Params().Int(row).Text(whole ? "folder" : "ledger"));
  if (!counted) session_.Run(kClaimed, Params().Int(lot.id).Int(1));
  session_.Run(kSealed, Params().Int(lot.id));
  ++report_.devices;
  if (whole) ++report_.from_folders;
  return absl::OkStatus();
}

absl::Status Reentry::EnterConfirm(const ToldEntry& told) {
  const json entry = json::parse(told.body);
  const Rows row =
      session_.Run(kFindRow, Params().Text(TextIn(entry, "lot")).Text(TextIn(entry, "ticket")));
  if (row.empty()) {
    return Contradicts(absl::StrCat("device ", told.device, " is confirmed, but not there"));
  }
  const bool scrapped = TextIn(entry, "outcome") == "scrapped";
  const bool returned = scrapped && entry.value("returned", false);
  const Rows written = session_.Run(kOutcome, Params()
                                                  .Int(row.Int(0, 0))
                                                  .Int(scrapped ? 3 : 2)
                                                  .Text(TextIn(entry, "actor"))
                                                  .Int(absl::ToUnixMicros(told.at))
                                                  .Int(returned ? 1 : 0));
  session_.Run(kWipe, Params().Int(row.Int(0, 2)).Int(row.Int(0, 1)));
  if (written.empty()) return absl::OkStatus();
  session_.Run(kCount, Params().Int(row.Int(0, 2)).Int(scrapped ? 0 : 1).Int(scrapped ? 1 : 0));
  if (returned) session_.Run(kReturned, Params().Int(row.Int(0, 2)));
  ++report_.confirmed;
  return absl::OkStatus();
}

void Reentry::AddRevocation(const std::string& issuer, ByteView serial, const std::string& subject,
                            int reason, const std::string& actor, absl::Time at) {
  session_.Run(kIssuer, Params().Text(issuer));
  const Rows added = session_.Run(kRevocation, Params()
                                                   .Text(issuer)
                                                   .Blob(WithoutZeros(serial))
                                                   .Text(subject)
                                                   .Int(reason)
                                                   .Text(actor)
                                                   .Int(absl::ToUnixMicros(at)));
  if (added.affected() == 1) session_.Run(kIssuerCount, Params().Text(issuer));
}

absl::Status Reentry::EnterRevocation(const ToldEntry& told) {
  const json entry = json::parse(told.body);
  const Rows rows = session_.Run(kUnit, Params().Text(told.device));
  if (rows.empty()) {
    return Contradicts(absl::StrCat("device ", told.device, " is revoked, but not there"));
  }
  const std::string actor = TextIn(entry, "actor");
  for (int i = 0; i < rows.size(); ++i) {
    session_.Run(kRevokeRow,
                 Params().Int(rows.Int(i, 0)).Text(actor).Int(absl::ToUnixMicros(told.at)));
    session_.Run(kWipe, Params().Int(rows.Int(i, 2)).Int(rows.Int(i, 1)));
    if (rows.IsNull(i, 3) || rows.Text(i, 4).empty()) continue;
    AddRevocation(rows.Text(i, 4), rows.Blob(i, 3), told.device, entry.value("reason", 0), actor,
                  told.at);
  }
  ++report_.revoked;
  return absl::OkStatus();
}

absl::Status Reentry::EnterPaiRevocation(const ToldEntry& told) {
  const json entry = json::parse(told.body);
  const std::string pai = TextIn(entry, "pai");
  session_.Run(kPaiState, Params().Text(pai).Int(2));
  const std::string paa = absl::AsciiStrToLower(TextIn(entry, "paa_key_id"));
  AddRevocation(absl::StrCat("@", paa), HexIn(entry, "serial"), pai, entry.value("reason", 0),
                TextIn(entry, "actor"), told.at);
  return absl::OkStatus();
}

}  // namespace assay::fsck
