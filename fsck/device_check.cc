#include "fsck/device_check.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "image/cms.h"
#include "matter/certificate_format.h"
#include "matter/certification_declaration.h"

namespace assay::fsck {
namespace {

constexpr Sha256Digest kNothing{};

bool Same(ByteView a, ByteView b) { return std::ranges::equal(a, b); }

// Assayd wipes once a minute; what is this much older is left.
constexpr absl::Duration kWipeGrace = absl::Hours(1);

// The signature inside a detached CMS of this signer; false where the CMS has another form.
bool TakeSignature(const ImageSigner& signer, ByteView cms, matter::RawSignature& raw) {
  const auto prefix = signer.prefixes.find(cms.size());
  if (prefix == signer.prefixes.end() || cms.size() <= prefix->second.size() ||
      !std::equal(prefix->second.begin(), prefix->second.end(), cms.begin())) {
    return false;
  }
  const auto taken = matter::SignatureFromDer(cms.subspan(prefix->second.size()));
  if (!taken.ok()) return false;
  raw = *taken;
  return true;
}

}  // namespace

const std::string kDeviceSelect =
    "SELECT d.row, d.attempt_id, d.dac_sha256, d.dac, d.image_sha256, d.image_signature, "
    "d.sealed_at, a.id IS NOT NULL, a.lot_id, a.ticket, a.line, a.actor, a.device_id, "
    "a.serial_number, a.dac_serial, a.public_key_sha256, a.tbs_sha256, a.pai, "
    "coalesce(a.live, false), coalesce(a.module_attempt, 0), coalesce(x.state, 1), "
    "x.confirmed_at IS NOT NULL, s.attempt_id IS NOT NULL, coalesce(r.source, '') "
    "FROM devices d LEFT JOIN attempts a ON a.id = d.attempt_id "
    "LEFT JOIN device_outcomes x ON x.row = d.row "
    "LEFT JOIN sealed_identities s ON s.lot_id = a.lot_id AND s.attempt_id = a.id "
    "LEFT JOIN recovered_devices r ON r.row = d.row ";

DeviceRow RowAt(const Rows& rows, int i) {
  DeviceRow row;
  row.row = rows.Int(i, 0);
  row.attempt_id = rows.Int(i, 1);
  row.dac_sha256 = rows.Digest(i, 2);
  row.dac = rows.Blob(i, 3);
  row.image_sha256 = rows.Digest(i, 4);
  row.image_signature = rows.Blob(i, 5);
  row.sealed_at = rows.Time(i, 6);
  row.has_attempt = rows.Bool(i, 7);
  row.lot_id = rows.Int(i, 8);
  row.ticket = rows.Text(i, 9);
  row.line = rows.Text(i, 10);
  row.actor = rows.Text(i, 11);
  row.device_id = rows.Text(i, 12);
  row.serial_number = rows.Text(i, 13);
  row.dac_serial = rows.Blob(i, 14);
  row.public_key_sha256 = rows.Digest(i, 15);
  row.tbs_sha256 = rows.Digest(i, 16);
  row.pai = rows.Text(i, 17);
  row.live = rows.Bool(i, 18);
  row.module_attempt = rows.Int(i, 19);
  row.state = rows.Int(i, 20);
  row.confirmed = rows.Bool(i, 21);
  row.is_sealed = rows.Bool(i, 22);
  row.recovered_from = rows.Text(i, 23);
  return row;
}

std::vector<DeviceRow> ReadDevices(Session& session, int64_t after, int64_t last) {
  static const Statement kRange = {
      "fsck_devices",
      kDeviceSelect + "WHERE d.row > $1::bigint AND d.row <= $2::bigint ORDER BY d.row"};
  static const Statement kModules = {
      "fsck_modules",
      "SELECT d.row, m.device_id, m.pai, m.dac_serial, md.dac_sha256, m.public_key_sha256 "
      "FROM devices d JOIN attempts a ON a.id = d.attempt_id "
      "JOIN attempts m ON m.id = a.module_attempt JOIN devices md ON md.attempt_id = m.id "
      "WHERE d.row > $1::bigint AND d.row <= $2::bigint AND a.module_attempt <> 0 "
      "ORDER BY d.row"};
  const Params range = Params().Int(after).Int(last);
  std::vector<DeviceRow> read;
  const Rows rows = session.Run(kRange, range);
  bool modules = false;
  for (int i = 0; i < rows.size(); ++i) {
    read.push_back(RowAt(rows, i));
    modules |= read.back().module_attempt != 0;
  }
  if (!modules) return read;
  const Rows more = session.Run(kModules, range);
  auto at = read.begin();
  for (int i = 0; i < more.size(); ++i) {
    while (at->row != more.Int(i, 0)) ++at;
    at->module_device_id = more.Text(i, 1);
    at->module_pai = more.Text(i, 2);
    at->module_serial = more.Blob(i, 3);
    at->module_dac_sha256 = more.Digest(i, 4);
    at->module_key_sha256 = more.Digest(i, 5);
  }
  return read;
}

IssueRecord RecordOf(const DeviceRow& row, const LotFacts& lot) {
  if (!row.module_device_id.empty()) {
    return {row.module_device_id,
            row.ticket,
            lot.name,
            lot.product,
            lot.factory,
            row.line,
            row.actor,
            row.serial_number,
            ToUpperHex(row.module_serial),
            ToHex(row.module_dac_sha256),
            ToHex(row.module_key_sha256),
            row.module_pai,
            ToHex(row.image_sha256)};
  }
  return {row.device_id,
          row.ticket,
          lot.name,
          lot.product,
          lot.factory,
          row.line,
          row.actor,
          row.serial_number,
          ToUpperHex(row.dac_serial),
          ToHex(row.dac_sha256),
          ToHex(row.public_key_sha256),
          row.pai,
          ToHex(row.image_sha256)};
}

void DeviceChecker::Add(Fault fault, const DeviceRow& row, std::string what) {
  findings_.Add(fault, absl::StrCat("device ", row.device_id), std::move(what));
}

void DeviceChecker::Check(const DeviceRow& row) {
  if (!row.has_attempt) {
    findings_.Add(Fault::DEVICE_ATTEMPT, absl::StrCat("row ", row.row),
                  absl::StrCat("attempt ", row.attempt_id, " is missing"));
    return;
  }
  if (!row.live) Add(Fault::DEVICE_ATTEMPT, row, "its attempt was voided, and yet it is sealed");
  const auto lot = facts_.lots.find(row.lot_id);
  if (lot == facts_.lots.end()) {
    Add(Fault::DEVICE_LOT, row, absl::StrCat("lot number ", row.lot_id, " is missing"));
    return;
  }
  if (row.row >> 32 != row.lot_id) {
    Add(Fault::DEVICE_LOT, row,
        absl::StrCat("its row number ", row.row, " is not one of lot ", lot->second.name));
  }
  issued_.Add(row.unit_id(), DigestOf(RecordOf(row, lot->second)));
  const Sha256Digest name = Sha256(AsBytes(row.unit_id()));
  if (row.confirmed) confirmed_.Add(row.unit_id(), name);
  if (row.state == 4) revoked_.Add(row.unit_id(), name);
  if (row.recovered_from != "ledger") {
    CheckDac(row, lot->second);
    CheckImage(row);
  }
  CheckSeal(row, lot->second);
}

bool DeviceChecker::FitsIds(const LotFacts& lot, const matter::NameIds& ids) {
  auto expected = ids_.find(lot.id);
  if (expected == ids_.end()) {
    matter::NameIds own{lot.vendor_id, lot.product_id};
    // A white label's certificate bears the ids of the original product.
    const auto envelope = matter::ParseCdEnvelope(AsBytes(lot.spec.certification_declaration()));
    if (envelope.ok()) {
      const auto declaration = matter::DecodeCdContent(envelope->content);
      if (declaration.ok() && declaration->dac_origin_vendor_id) {
        own = {*declaration->dac_origin_vendor_id, *declaration->dac_origin_product_id};
      }
    }
    expected = ids_.emplace(lot.id, own).first;
  }
  return ids == expected->second;
}

void DeviceChecker::CheckDac(const DeviceRow& row, const LotFacts& lot) {
  if (row.dac.empty()) {
    if (row.dac_sha256 != kNothing || (lot.HasDac() && row.module_attempt == 0)) {
      Add(Fault::DAC_PARSE, row, "the certificate is missing");
    }
    return;
  }
  if (Sha256(row.dac) != row.dac_sha256) {
    Add(Fault::DAC_DIGEST, row, "the certificate is not the one its digest was taken of");
  }
  const auto dac = matter::Certificate::Parse(row.dac);
  if (!dac.ok()) {
    Add(Fault::DAC_PARSE, row,
        absl::StrCat("the certificate cannot be read: ", dac.status().message()));
    return;
  }
  if (Sha256(dac->public_key()) != row.public_key_sha256) {
    Add(Fault::DAC_FIELDS, row, "the certificate's key is not the attempt's");
  }
  ByteView serial = dac->serial();
  while (serial.size() > 1 && serial[0] == 0) serial = serial.subspan(1);
  ByteView recorded = row.dac_serial;
  while (recorded.size() > 1 && recorded[0] == 0) recorded = recorded.subspan(1);
  if (!Same(serial, recorded)) {
    Add(Fault::DAC_FIELDS, row, "the certificate's serial number is not the attempt's");
  }
  for (const matter::Finding& broken : matter::CheckFormat(*dac, matter::Role::kDac)) {
    if (!broken.strict) {
      Add(Fault::DAC_PROFILE, row, absl::StrCat(broken.field, ": ", broken.rule));
    }
  }
  if (!dac->subject_ids().ok() || !FitsIds(lot, *dac->subject_ids())) {
    Add(Fault::DAC_FIELDS, row, "the certificate is for another vendor or product than the lot");
  }
  if (row.tbs_sha256 == kNothing) {
    ++given_;  // made elsewhere: nothing of ours was signed, and its PAI is not kept
    return;
  }
  CheckIssued(row, lot, *dac);
}

void DeviceChecker::CheckIssued(const DeviceRow& row, const LotFacts&,
                                const matter::Certificate& dac) {
  const Sha256Digest tbs = Sha256(dac.tbs());
  if (tbs != row.tbs_sha256) {
    Add(Fault::DAC_INTENT, row, "what was signed is not what the intent recorded");
  }
  const auto pai = facts_.pais.find(row.pai);
  if (pai == facts_.pais.end() || !pai->second.certificate || !pai->second.key) {
    Add(Fault::DAC_ISSUER, row, absl::StrCat("PAI ", row.pai, " or its certificate is missing"));
    return;
  }
  const matter::Certificate& issuer = *pai->second.certificate;
  if (!Same(dac.issuer(), issuer.subject()) ||
      !Same(dac.authority_key_id(), issuer.subject_key_id())) {
    Add(Fault::DAC_ISSUER, row,
        absl::StrCat("the certificate names another issuer than PAI ", row.pai));
  }
  if (!Same(dac.subject_key_id(), matter::KeyIdOf(dac.public_key()))) {
    Add(Fault::DAC_PROFILE, row, "the certificate's key id is not that of its key");
  }
  if (!matter::WasValidAtIssuance(dac, issuer)) {
    Add(Fault::DAC_PROFILE, row, "the certificate begins outside its PAI's validity");
  }
  const std::string_view subject = AsText(dac.subject());
  if (subject.find(row.device_id) == subject.npos) {
    Add(Fault::DAC_FIELDS, row, "the certificate's common name is not the device's id");
  }
  const auto raw = dac.raw_signature();
  if (!raw.ok()) {
    Add(Fault::DAC_SIGNATURE, row, "the certificate's signature has no right form");
    return;
  }
  ++dacs_;
  checks_.push_back({&*pai->second.key, tbs, *raw, false});
  waiting_.push_back({row.device_id, Fault::DAC_SIGNATURE});
}

void DeviceChecker::CheckImage(const DeviceRow& row) {
  if (facts_.image_signers.empty()) return;
  if (row.image_signature.empty()) {
    if (row.image_sha256 != kNothing && row.recovered_from.empty()) {
      Add(Fault::IMAGE_SIGNATURE, row, "the image's signature is missing");
    }
    return;
  }
  matter::RawSignature raw{};
  for (const ImageSigner& signer : facts_.image_signers) {
    if (!TakeSignature(signer, row.image_signature, raw)) continue;
    ++images_;
    checks_.push_back({&signer.key, row.image_sha256, raw, false});
    waiting_.push_back({row.device_id, Fault::IMAGE_SIGNATURE});
    return;
  }
  // A short number in the signature, or another signer.
  for (const ImageSigner& signer : facts_.image_signers) {
    if (image::VerifyDetachedCmsDigest(row.image_signature, row.image_sha256, signer.certificate)
            .ok()) {
      ++images_;
      return;
    }
  }
  const std::string_view cms = AsText(row.image_signature);
  const bool ours = std::ranges::any_of(facts_.image_signers, [&](const ImageSigner& signer) {
    return cms.find(AsText(signer.certificate)) != cms.npos;
  });
  if (ours) {
    Add(Fault::IMAGE_SIGNATURE, row, "the image's signature is not over its digest");
  } else {
    Add(Fault::IMAGE_SIGNER, row, "the image is signed by a certificate that is not known here");
  }
}

void DeviceChecker::CheckSeal(const DeviceRow& row, const LotFacts& lot) {
  const absl::Time end = row.sealed_at + lot.retention;
  if (row.is_sealed) {
    if (row.state != 1) {
      Add(Fault::SEAL_LEFT, row,
          "the device is confirmed, scrapped or revoked, and its identity is still there");
    } else if (facts_.now > end + kWipeGrace) {
      Add(Fault::SEAL_LEFT, row,
          absl::StrCat("the lot's retention ended at ", absl::FormatTime(end, absl::UTCTimeZone()),
                       ", and its identity is still there"));
    }
  } else if (row.state == 1 && facts_.now < end && row.recovered_from.empty()) {
    Add(Fault::SEAL_MISSING, row, "its sealed identity is gone before confirmation and retention");
  }
}

void DeviceChecker::Flush() {
  CheckSignatures(checks_);
  for (size_t i = 0; i < checks_.size(); ++i) {
    if (checks_[i].right) continue;
    findings_.Add(waiting_[i].fault, absl::StrCat("device ", waiting_[i].device_id),
                  waiting_[i].fault == Fault::DAC_SIGNATURE
                      ? "the certificate is not signed by its PAI's key"
                      : "the image's signature is not over its digest");
  }
  checks_.clear();
  waiting_.clear();
}

}  // namespace assay::fsck
