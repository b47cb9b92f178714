#include <openssl/evp.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "assay/store/v1/sealed.pb.h"
#include "base/refusal.h"
#include "base/zstd/zstd_dictionary.h"
#include "fsck/device_check.h"
#include "fsck/token_check.h"
#include "image/cms.h"
#include "image/inspect.h"
#include "matter/manual_code.h"
#include "matter/onboarding.h"
#include "matter/spake2p.h"

namespace assay::fsck {
namespace {

constexpr size_t kNonce = 12, kTag = 16;

// AES-256-GCM, nonce || ciphertext || tag, as docs/security.md has it.
absl::StatusOr<SecretBytes> Open(const SecretBytes& key, ByteView sealed, std::string_view bound) {
  if (sealed.size() < kNonce + kTag) return Refuse(Reason::INTERNAL, "is too short");
  const size_t size = sealed.size() - kNonce - kTag;
  SecretBytes plain(size);
  Bytes tag = ToBytes(sealed.last(kTag));
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(
      EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  int written = 0;
  const bool opened =
      EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.data(), sealed.data()) ==
          1 &&
      EVP_DecryptUpdate(context.get(), nullptr, &written, AsBytes(bound).data(),
                        static_cast<int>(bound.size())) == 1 &&
      EVP_DecryptUpdate(context.get(), plain.data(), &written, sealed.data() + kNonce,
                        static_cast<int>(size)) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTag, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(context.get(), plain.data() + written, &written) == 1;
  if (!opened) return Refuse(Reason::INTERNAL, "does not open: it was altered or moved");
  return plain;
}

// A compact identity: a zero byte, the number of a dictionary, and a zstd frame, as
// docs/architecture.md has it.
constexpr size_t kHead = 9;
constexpr size_t kMostMessage = size_t{32} << 20;

// The dictionaries of lots, each read and opened once.
class Dictionaries {
 public:
  explicit Dictionaries(Session& session) : session_(session) {}

  absl::StatusOr<const ZstdDictionary*> Find(int64_t lot_id, const SecretBytes& key,
                                             uint64_t number) {
    auto& found = found_[{lot_id, number}];
    if (found != nullptr) return found.get();
    static const Statement kFind = {"fsck_dictionary",
                                    "SELECT dictionary FROM lot_dictionaries WHERE lot_id = "
                                    "$1::bigint AND number = $2::bigint"};
    const Rows rows = session_.Run(kFind, Params().Int(lot_id).Int(static_cast<int64_t>(number)));
    if (rows.empty()) return Refuse(Reason::INTERNAL, "names a dictionary its lot does not have");
    auto content = Open(key, rows.Blob(0, 0), absl::StrCat("assay dictionary|", number));
    if (!content.ok()) return Refuse(Reason::INTERNAL, "has a dictionary that does not open");
    found = std::make_unique<const ZstdDictionary>(ToBytes(content->view()));
    return found.get();
  }

 private:
  Session& session_;
  std::map<std::pair<int64_t, uint64_t>, std::unique_ptr<const ZstdDictionary>> found_;
};

// The message of a sealed identity, whichever its form.
absl::StatusOr<SecretBytes> MessageIn(SecretBytes form, int64_t lot_id, const SecretBytes& key,
                                      Dictionaries& dictionaries) {
  if (form.empty() || form.data()[0] != 0) return form;
  if (form.size() <= kHead) return Refuse(Reason::INTERNAL, "is cut short");
  uint64_t number = 0;
  for (const uint8_t byte : form.view().subspan(1, kHead - 1)) number = number << 8 | byte;
  const auto dictionary = dictionaries.Find(lot_id, key, number);
  if (!dictionary.ok()) return dictionary.status();
  auto message = (*dictionary)->Decompress(form.view().subspan(kHead), kMostMessage);
  if (!message.ok()) return Refuse(Reason::INTERNAL, "does not fit its dictionary");
  return message;
}

void Wipe(v1::Identity& identity) {
  for (v1::ImageFile& image : *identity.mutable_images()) WipeText(*image.mutable_content());
  WipeText(*identity.mutable_spake2p_verifier());
  WipeText(*identity.mutable_codes()->mutable_qr_code());
  WipeText(*identity.mutable_codes()->mutable_manual_code());
  identity.mutable_codes()->set_passcode(0);
}

// One sealed identity and its codes against the row.
class SealedChecker {
 public:
  SealedChecker(Session& session, const Facts& facts, Findings& findings, SealedCounts& counts)
      : facts_(facts), findings_(findings), counts_(counts), dictionaries_(session) {}

  void Check(const DeviceRow& row, int64_t discriminator, ByteView codes, ByteView sealed,
             const SecretBytes& key, bool compute_verifier) {
    device_ = row.unit_id();
    auto plain = Open(key, sealed, absl::StrCat("assay identity|", row.unit_id()));
    if (plain.ok()) plain = MessageIn(*std::move(plain), row.lot_id, key, dictionaries_);
    store::v1::SealedIdentity stored;
    if (!plain.ok() || !stored.ParseFromArray(plain->data(), static_cast<int>(plain->size()))) {
      Add(Fault::SEAL_OPEN, plain.ok()
                                ? "the sealed identity cannot be read"
                                : absl::StrCat("the sealed identity ", plain.status().message()));
      return;
    }
    ++counts_.opened;
    v1::Identity& identity = *stored.mutable_identity();
    Same("device id", identity.device_id() == row.unit_id());
    Same("ticket", identity.ticket() == row.ticket);
    Same("serial number", identity.serial_number() == row.serial_number);
    // A completed module's is in the module's own row.
    Same("certificate",
         row.module_attempt != 0 || std::ranges::equal(AsBytes(identity.dac()), row.dac));
    Same("discriminator", identity.codes().discriminator() == static_cast<uint32_t>(discriminator));
    CheckImages(stored, row);
    CheckRowCodes(row, codes, key, identity.codes());
    CheckCodes(identity);
    if (compute_verifier) CheckVerifier(identity);
    Wipe(identity);
  }

 private:
  void Add(Fault fault, std::string what) {
    findings_.Add(fault, absl::StrCat("device ", device_), std::move(what));
  }
  void Same(const char* what, bool same) {
    if (!same) {
      Add(Fault::SEAL_CONTENT, absl::StrCat("the sealed ", what, " is not the recorded one"));
    }
  }

  void CheckImages(store::v1::SealedIdentity& stored, const DeviceRow& row) {
    v1::Identity& identity = *stored.mutable_identity();
    for (int i = 0; i < identity.images_size(); ++i) {
      v1::ImageFile& image = *identity.mutable_images(i);
      if (i < stored.image_sizes_size()) {
        image.mutable_content()->resize(stored.image_sizes(i), '\xFF');
      }
      const Sha256Digest digest = Sha256(AsBytes(image.content()));
      if (!std::ranges::equal(digest, AsBytes(image.sha256())) ||
          (i == 0 && digest != row.image_sha256)) {
        Add(Fault::SEAL_CONTENT,
            absl::StrCat("image ", image.name(), " is not the one its digest was taken of"));
        continue;
      }
      if (!image::VerifyDetachedCmsDigest(AsBytes(image.signature()), digest,
                                          AsBytes(identity.image_certificate()))
               .ok()) {
        Add(Fault::SEAL_CONTENT,
            absl::StrCat("the signature of image ", image.name(), " is not over it"));
      }
      ++counts_.images;
      CheckInside(image, identity);
    }
  }

  void CheckInside(const v1::ImageFile& image, const v1::Identity& identity) {
    if (image.name() == "esp_secure_cert" && !identity.dac().empty() &&
        image.content().find(identity.dac()) == std::string::npos) {
      Add(Fault::SEAL_CONTENT, "the certificate is not in the image");
    }
    if (image.name() != "factory") return;
    ByteView keys;
    for (const v1::ImageFile& other : identity.images()) {
      if (other.name() == "nvs_keys") keys = AsBytes(other.content());
    }
    const auto inspected = image::InspectImage(AsBytes(image.content()), {keys, false});
    if (!inspected.ok() || !inspected->sound()) {
      // An image encrypted under an eFuse key opens only with that.
      if (keys.empty() && identity.images_size() > 1) return;
      Add(Fault::SEAL_CONTENT, "the factory image is damaged");
      return;
    }
    for (const image::InspectedItem& item : inspected->items) {
      if (item.name.ends_with("/discriminator")) {
        Same("discriminator in the image",
             item.value == absl::StrCat(identity.codes().discriminator()));
      } else if (item.name.ends_with("/serial-num")) {
        Same("serial number in the image", item.value == identity.serial_number());
      }
    }
  }

  void CheckRowCodes(const DeviceRow& row, ByteView codes, const SecretBytes& key,
                     const v1::OnboardingCodes& expected) {
    auto plain = Open(key, codes, absl::StrCat("assay codes|", row.unit_id()));
    v1::OnboardingCodes stored;
    if (!plain.ok() || !stored.ParseFromArray(plain->data(), static_cast<int>(plain->size()))) {
      Add(Fault::SEAL_OPEN, "the record of codes does not open");
      return;
    }
    Same("record of codes", stored.passcode() == expected.passcode() &&
                                stored.qr_code() == expected.qr_code() &&
                                stored.manual_code() == expected.manual_code());
  }

  // The QR text and the manual code say the same as the numbers.
  void CheckCodes(const v1::Identity& identity) {
    const v1::OnboardingCodes& codes = identity.codes();
    if (codes.qr_code().empty()) return;
    const auto payload = matter::ParseQr(codes.qr_code());
    Same("QR code", payload.ok() && payload->passcode == codes.passcode() &&
                        payload->discriminator == codes.discriminator());
    const auto manual = matter::ReadManualCode(codes.manual_code());
    Same("manual code", manual.ok() && manual->passcode == codes.passcode() &&
                            manual->short_discriminator == codes.discriminator() >> 8);
  }

  void CheckVerifier(const v1::Identity& identity) {
    if (identity.spake2p_verifier().empty() || identity.codes().passcode() == 0) return;
    matter::Spake2pParameters parameters;
    parameters.iterations = identity.spake2p_iterations();
    parameters.salt = ToBytes(AsBytes(identity.spake2p_salt()));
    const auto verifier = matter::ComputeVerifier(identity.codes().passcode(), parameters);
    ++counts_.verifiers;
    Same("verifier", verifier.ok() && std::ranges::equal(verifier->view(),
                                                         AsBytes(identity.spake2p_verifier())));
  }

  const Facts& facts_;
  Findings& findings_;
  SealedCounts& counts_;
  Dictionaries dictionaries_;
  std::string device_;
};

}  // namespace

absl::Status CheckSealed(Session& session, const Facts& facts, const LotKeys& keys, uint64_t most,
                         uint64_t verifiers, Findings& findings, SealedCounts& counts) {
  static const Statement kCount = {"fsck_sealed_count", "SELECT count(*) FROM sealed_identities"};
  const auto total = static_cast<uint64_t>(session.Run(kCount).Int(0, 0));
  // Every n-th, by the low digits of the attempt's number.
  const uint64_t step = most == 0 || total <= most ? 1 : (total + most - 1) / most;
  const Statement sealed_rows = {
      "fsck_sealed",
      absl::StrCat("SELECT ", kDeviceSelect.substr(7, kDeviceSelect.find(" FROM ") - 7),
                   ", d.discriminator, d.codes, s.sealed",
                   kDeviceSelect.substr(kDeviceSelect.find(" FROM ")),
                   "WHERE s.attempt_id > $1::bigint AND s.attempt_id % $2::bigint = 0 "
                   "ORDER BY s.attempt_id LIMIT 64")};
  SealedChecker checker(session, facts, findings, counts);
  int64_t after = -1;
  while (true) {
    const Rows rows = session.Run(sealed_rows, Params().Int(after).Int(static_cast<int64_t>(step)));
    if (rows.empty()) return absl::OkStatus();
    for (int i = 0; i < rows.size(); ++i) {
      DeviceRow row = RowAt(rows, i);
      after = row.attempt_id;
      if (row.module_attempt != 0) {
        static const Statement kModule = {"fsck_module_id",
                                          "SELECT device_id FROM attempts WHERE id = $1::bigint"};
        const Rows module = session.Run(kModule, Params().Int(row.module_attempt));
        if (!module.empty()) row.module_device_id = module.Text(0, 0);
      }
      const auto key = keys.find(row.lot_id);
      if (key == keys.end()) continue;  // told with the token
      checker.Check(row, rows.Int(i, 24), rows.Blob(i, 25), rows.Blob(i, 26), key->second,
                    most == 0 || counts.verifiers < verifiers);
    }
  }
}

}  // namespace assay::fsck
