#include "server/issue/prove.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "image/cms.h"
#include "image/erased_flash.h"
#include "matter/lint.h"
#include "matter/onboarding.h"
#include "matter/tbs.h"
#include "server/issue/image_delegate.h"
#include "server/lot/act.h"
#include "server/lot/lot_key.h"

namespace assay::issue {
namespace {

google::protobuf::Timestamp Timestamp(absl::Time time) {
  google::protobuf::Timestamp stamp;
  stamp.set_seconds(absl::ToUnixSeconds(time));
  return stamp;
}

std::string Text(ByteView bytes) { return ToText(bytes); }

image::FactoryContent ContentOf(const Work& work) {
  image::FactoryContent content = work.plan->common.Clone();
  if (lot::HoldsCommissioning(work.plan->spec)) {
    content.discriminator = work.discriminator;
  } else {
    content.iteration_count.reset();
  }
  content.salt = work.salt;
  content.verifier = ToBytes(work.verifier.view());
  content.rotating_id = work.rotating_id;
  content.serial_number = work.serial_number;
  content.dac = work.dac;
  content.dac_key = work.device_key.Clone();
  content.dac_public_key = work.public_key;
  content.pai = work.pai;
  content.extra = work.extra;
  return content;
}

// A device makes its own passcode where it is dynamic: discriminator and verifier are then its own
// business too, but salt and iteration count stay, as the vendor's tool has it.
absl::Status BuildImages(Work& work, Random& random) {
  image::FactoryContent content = ContentOf(work);
  ASSAY_RETURN_IF_ERROR(image::AbsorbKnownKeys(content));
  auto images = image::BuildProvenImage(content, work.plan->image_options, work.device_id, random);
  if (!images.ok()) return images.status();
  work.images = *std::move(images);
  // Once: they are signed, the signatures are checked, and the manifest tells them.
  work.image_digests.clear();
  for (const image::ImageFile& file : work.images) {
    work.image_digests.push_back(Sha256(file.bytes.view()));
  }
  return absl::OkStatus();
}

// The contract's names of the files, by kind.
std::string ContractName(image::ImageFileKind kind) {
  switch (kind) {
    case image::ImageFileKind::kNvs:
      return "factory";
    case image::ImageFileKind::kNvsKeys:
      return "nvs_keys";
    case image::ImageFileKind::kSecureCert:
      return "esp_secure_cert";
    case image::ImageFileKind::kHmacEfuseKey:
      return "hmac_efuse_key";
    case image::ImageFileKind::kEcdsaEfuseKey:
      return "efuse_key";
  }
  return "";
}

void FillImages(const Work& work, const std::vector<Bytes>& signatures,
                store::v1::SealedIdentity& sealed) {
  for (size_t i = 0; i < work.images.size(); ++i) {
    const image::ImageFile& file = work.images[i];
    const ByteView content = file.bytes.view();
    v1::ImageFile& out = *sealed.mutable_identity()->add_images();
    out.set_name(ContractName(file.kind));
    out.set_partition_label(file.partition_label);
    out.set_content(Text(content.first(image::SizeWithoutErasedFlash(content))));
    out.set_sha256(Text(work.image_digests[i]));
    out.set_signature(Text(signatures[i]));
    out.set_secret(file.key_material || !work.device_key.empty());
    sealed.add_image_sizes(content.size());
    if (file.key_material) sealed.add_key_images(static_cast<uint32_t>(i));
  }
}

// JSON text of a name. Nearly all are plain; what is not goes the general way, which also mends
// what is not UTF-8.
void AppendJsonText(std::string& out, std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
  });
  if (!plain) {
    out += nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return;
  }
  out.push_back('"');
  out.append(text);
  out.push_back('"');
}

}  // namespace

std::string LedgerEntry(const Work& work, const db::ManifestRow& row, absl::Time at) {
  // A module's completion tells of the certificate the unit has.
  const db::ManifestRow& certified = work.module ? *work.module : row;
  std::string entry;
  entry.reserve(768);
  const auto add = [&entry](std::string_view key, std::string_view value) {
    entry.push_back(entry.empty() ? '{' : ',');
    AppendJsonText(entry, key);
    entry.push_back(':');
    AppendJsonText(entry, value);
  };
  // In the order of the keys: the same entry is the same text.
  add("actor", work.caller.uri);
  add("at", absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", at, absl::UTCTimeZone()));
  if (work.module) add("completes_module_of_lot", work.module->lot);
  add("dac_serial", ToUpperHex(certified.dac_serial));
  add("dac_sha256", ToHex(certified.dac_sha256));
  add("device", work.device_id);
  add("factory", work.plan->lot.factory);
  add("image_sha256", ToHex(row.image_sha256));
  add("kind", "issue");
  add("line", work.caller.line);
  add("lot", work.plan->lot.name);
  add("pai", certified.pai);
  add("product", work.plan->lot.product);
  add("public_key_sha256", ToHex(certified.public_key_sha256));
  add("serial_number", work.serial_number);
  add("ticket", work.request.ticket());
  entry.push_back('}');
  return entry;
}

namespace {

db::ManifestRow RowOf(const Work& work, const store::v1::SealedIdentity& sealed, Random& random) {
  db::ManifestRow row;
  row.device_id = work.device_id;
  row.serial_number = work.serial_number;
  row.dac_serial = work.dac_serial;
  row.dac = work.dac;
  if (!work.dac.empty()) {
    row.dac_sha256 = Sha256(work.dac);
    row.public_key_sha256 = Sha256(work.public_key);
  }
  // So that looks at the rows alone, too, tell whose certificate the unit has.
  if (work.module) row.dac_sha256 = work.module->dac_sha256;
  row.pai = work.pai_name;
  row.discriminator = work.discriminator;
  if (sealed.identity().images_size() > 0) {
    const ByteView digest = AsBytes(sealed.identity().images(0).sha256());
    std::copy(digest.begin(), digest.end(), row.image_sha256.begin());
    row.image_signature = ToBytes(AsBytes(sealed.identity().images(0).signature()));
  }
  std::string codes = sealed.identity().codes().SerializeAsString();
  row.codes =
      lot::SealUnder(*work.plan->key, AsBytes(codes), lot::CodesPurpose(work.device_id), random);
  WipeText(codes);
  return row;
}

}  // namespace

void FillIdentity(const Work& work, absl::Time at, v1::Identity& identity) {
  identity.set_device_id(work.device_id);
  identity.set_ticket(work.request.ticket());
  identity.set_lot(work.plan->lot.name);
  identity.set_product(work.plan->lot.product);
  identity.set_serial_number(work.serial_number);
  identity.set_dac(Text(work.dac));
  identity.set_pai(Text(work.pai));
  identity.set_certification_declaration(work.plan->spec.certification_declaration());
  identity.set_dac_serial(Text(work.module ? work.module->dac_serial : work.dac_serial));
  identity.mutable_codes()->set_discriminator(work.discriminator);
  identity.mutable_codes()->set_passcode(work.passcode);
  identity.mutable_codes()->set_qr_code(work.qr_code);
  identity.mutable_codes()->set_manual_code(work.manual_code);
  if (lot::HoldsCommissioning(work.plan->spec)) {
    identity.set_spake2p_iterations(lot::IterationsOf(work.plan->spec));
  }
  identity.set_spake2p_salt(Text(work.salt));
  identity.set_spake2p_verifier(Text(work.verifier.view()));
  identity.set_rotating_id(Text(work.rotating_id));
  *identity.mutable_sealed_at() = Timestamp(at);
}

std::vector<absl::Status> ProveDacs(const std::vector<WorkPtr>& batch) {
  std::vector<absl::Status> proved(batch.size());
  std::vector<matter::SignatureCheck> checks;
  std::vector<size_t> checked;  // whose they are
  const auto refuse = [&proved](size_t i, absl::string_view why) {
    proved[i] =
        Refuse(Reason::HSM_BAD_SIGNATURE, absl::StrCat("the certificate was not released: ", why));
  };
  for (size_t i = 0; i < batch.size(); ++i) {
    Work& work = *batch[i];
    if (work.tbs.empty()) continue;
    work.dac = matter::AssembleCertificate(work.tbs, work.dac_signature);
    auto check = matter::ReadIssuedDac(work.dac, work.tbs, work.plan->pai->verifier);
    if (!check.ok()) {
      refuse(i, check.status().message());
      continue;
    }
    checks.push_back(*std::move(check));
    checked.push_back(i);
  }
  matter::VerifyAll(checks);
  for (size_t k = 0; k < checks.size(); ++k) {
    if (!checks[k].right) refuse(checked[k], "its signature is wrong under the PAI's key");
  }
  return proved;
}

absl::Status ProveImages(Work& work, Random& random) {
  if (!work.qr_code.empty()) {
    ASSAY_RETURN_IF_ERROR(matter::CheckCodes(work.payload, work.qr_code, work.manual_code));
  }
  return BuildImages(work, random);
}

absl::Status WrapSignatures(Work& work, const image::DetachedCmsTemplate& cms) {
  std::vector<Bytes> signatures;
  for (const auto& signature : work.image_signatures) {
    auto wrapped = cms.Fill(*signature);
    if (!wrapped.ok()) return wrapped.status();
    signatures.push_back(*std::move(wrapped));
  }
  FillImages(work, signatures, work.sealed);
  return absl::OkStatus();
}

std::vector<absl::Status> ProveImageSignatures(const std::vector<WorkPtr>& batch,
                                               const ImageKey& image_key) {
  std::vector<absl::Status> proved(batch.size());
  std::vector<matter::SignatureCheck> checks;
  std::vector<size_t> checked;
  for (size_t i = 0; i < batch.size(); ++i) {
    const Work& work = *batch[i];
    const ImageDelegate* delegate = work.delegate.get();
    for (size_t image = 0; image < work.images.size(); ++image) {
      const auto& signature = work.image_signatures[image];
      if (!signature.ok()) {
        proved[i] = signature.status();
        break;
      }
      checks.push_back({delegate != nullptr ? &delegate->verifier() : &image_key.verifier,
                        work.image_digests[image], *signature});
      checked.push_back(i);
    }
  }
  matter::VerifyAll(checks);
  for (size_t k = 0; k < checks.size(); ++k) {
    if (checks[k].right || !proved[checked[k]].ok()) continue;
    proved[checked[k]] =
        Refuse(Reason::HSM_BAD_SIGNATURE, "an image's signature is wrong; nothing was released");
  }
  for (size_t i = 0; i < batch.size(); ++i) {
    if (!proved[i].ok()) continue;
    Work& work = *batch[i];
    proved[i] =
        WrapSignatures(work, work.delegate != nullptr ? work.delegate->cms() : image_key.cms);
    work.sealed.mutable_identity()->set_image_certificate(Text(image_key.cms.certificate()));
  }
  return proved;
}

db::Seal MakeSeal(Work& work, Random& random, const Clock& clock) {
  const absl::Time now = absl::FromUnixSeconds(absl::ToUnixSeconds(clock.Now()));
  FillIdentity(work, now, *work.sealed.mutable_identity());
  db::Seal seal;
  seal.attempt_id = work.attempt_id;
  seal.lot_id = work.plan->lot.id;
  seal.row = RowOf(work, work.sealed, random);
  seal.row.sealed_at = now;
  std::string plain = lot::Deterministic(work.sealed);
  const SecretBytes compact =
      work.dictionary != nullptr ? CompactForm(AsBytes(plain), *work.dictionary) : SecretBytes();
  seal.sealed = lot::SealUnder(*work.plan->key, compact.empty() ? AsBytes(plain) : compact.view(),
                               lot::IdentityPurpose(work.device_id), random);
  WipeText(plain);
  seal.ledger_entry = LedgerEntry(work, seal.row, now);
  return seal;
}

absl::StatusOr<store::v1::SealedIdentity> OpenSealed(const db::TicketView& view, int64_t lot_id,
                                                     const SecretBytes& lot_key,
                                                     LotDictionaries& dictionaries) {
  auto plain = lot::OpenUnder(lot_key, view.sealed, lot::IdentityPurpose(view.device_id));
  if (!plain.ok()) return plain.status();
  const auto number = DictionaryNumberIn(plain->view());
  if (!number.ok()) return number.status();
  if (*number) {
    const auto dictionary = dictionaries.Find(lot_id, lot_key, **number);
    if (!dictionary.ok()) return dictionary.status();
    plain = MessageIn(plain->view(), **dictionary);
    if (!plain.ok()) return plain.status();
  }
  store::v1::SealedIdentity sealed;
  if (!sealed.ParseFromArray(plain->data(), static_cast<int>(plain->size()))) {
    return Refuse(Reason::INTERNAL, "a sealed identity cannot be read");
  }
  return sealed;
}

v1::IssueResponse Answer(store::v1::SealedIdentity sealed, const access::Caller& caller,
                         bool sealed_before) {
  v1::IssueResponse response;
  response.set_sealed_before(sealed_before);
  v1::Identity& identity = *response.mutable_identity();
  identity = std::move(*sealed.mutable_identity());
  for (int i = 0; i < identity.images_size() && i < sealed.image_sizes_size(); ++i) {
    v1::ImageFile& file = *identity.mutable_images(i);
    file.set_size(sealed.image_sizes(i));
    if (!caller.takes_short_images) {
      image::RestoreErasedFlash(*file.mutable_content(), file.size());
    }
  }
  if (!caller.Has(access::Role::kKeys)) {
    for (const uint32_t i : sealed.key_images()) {
      v1::ImageFile& file = *identity.mutable_images(static_cast<int>(i));
      WipeText(*file.mutable_content());
      file.set_withheld(true);
    }
  }
  return response;
}

}  // namespace assay::issue
