#include "fsck/facts.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "image/cms.h"
#include "matter/certificate_format.h"

namespace assay::fsck {
namespace {

const Statement kLots = {
    "fsck_lots",
    "SELECT l.id, l.name, l.product, l.factory, l.vendor_id, l.product_id, l.spec, "
    "extract(epoch FROM l.retention)::bigint, l.wrapped_key, coalesce(c.capacity, -1), "
    "coalesce(c.claimed, 0), coalesce(r.sealed, -1), coalesce(r.confirmed, 0), "
    "coalesce(r.scrapped, 0) FROM lots l LEFT JOIN lot_claims c ON c.lot_id = l.id "
    "LEFT JOIN lot_results r ON r.lot_id = l.id ORDER BY l.id"};
const Statement kPais = {"fsck_pais",
                         "SELECT name, key_label, public_key, certificate, paa_certificate "
                         "FROM pais ORDER BY name"};
const Statement kNow = {"fsck_now", "SELECT now()"};

void CheckPai(const PaiFacts& pai, ByteView paa_der, Findings& findings) {
  const auto wrong = [&](const std::string& what) {
    findings.Add(Fault::PAI_CERTIFICATE, absl::StrCat("PAI ", pai.name), what);
  };
  const matter::Certificate& certificate = *pai.certificate;
  if (!std::ranges::equal(certificate.public_key(), pai.public_key)) {
    wrong("the certificate is for another key than the row's");
  }
  for (const matter::Finding& broken : matter::CheckFormat(certificate, matter::Role::kPai)) {
    if (!broken.strict) wrong(absl::StrCat(broken.field, ": ", broken.rule));
  }
  const auto paa = matter::Certificate::Parse(paa_der);
  if (!paa.ok()) {
    wrong("the PAA's certificate cannot be read");
  } else if (!std::ranges::equal(certificate.issuer(), paa->subject()) ||
             !certificate.IsSignedBy(*paa)) {
    wrong("the certificate is not signed by the PAA stored beside it");
  }
}

}  // namespace

absl::StatusOr<ImageSigner> ImageSigner::Make(ByteView der) {
  const auto certificate = matter::Certificate::Parse(der);
  if (!certificate.ok()) return certificate.status();
  auto key = FixedKey::Make(certificate->public_key());
  if (!key.ok()) return key.status();
  ImageSigner signer{ToBytes(der), *std::move(key), {}};
  // Both numbers of 32 or 33 octets; shorter ones, one in 128, are taken apart one by one.
  for (const uint8_t r : {0x7F, 0xFF}) {
    for (const uint8_t s : {0x7F, 0xFF}) {
      std::array<uint8_t, 64> raw{};
      raw[0] = r;
      raw[32] = s;
      auto cms = image::AssembleDetachedCms(der, raw);
      if (!cms.ok()) return cms.status();
      const size_t size = cms->size();
      cms->resize(size - matter::SignatureToDer(raw).size());
      signer.prefixes[size] = *std::move(cms);
    }
  }
  return signer;
}

absl::Status ReadFacts(Session& session, Facts& facts, Findings& findings) {
  facts.now = session.Run(kNow).Time(0, 0);
  const Rows lots = session.Run(kLots);
  for (int i = 0; i < lots.size(); ++i) {
    LotFacts lot;
    lot.id = lots.Int(i, 0);
    lot.name = lots.Text(i, 1);
    lot.product = lots.Text(i, 2);
    lot.factory = lots.Text(i, 3);
    lot.vendor_id = static_cast<uint16_t>(lots.Int(i, 4));
    lot.product_id = static_cast<uint16_t>(lots.Int(i, 5));
    if (!lot.spec.ParseFromString(lots.Text(i, 6))) {
      findings.Add(Fault::DEVICE_LOT, absl::StrCat("lot ", lot.name),
                   "its product's specification cannot be read");
    }
    lot.retention = absl::Seconds(lots.Int(i, 7));
    lot.wrapped_key = lots.Blob(i, 8);
    if (lots.Int(i, 9) < 0 || lots.Int(i, 11) < 0) {
      findings.Add(Fault::LOT_COUNTS, absl::StrCat("lot ", lot.name), "its counters are missing");
    }
    lot.capacity = static_cast<uint64_t>(std::max<int64_t>(0, lots.Int(i, 9)));
    lot.claimed = static_cast<uint64_t>(lots.Int(i, 10));
    lot.sealed = static_cast<uint64_t>(std::max<int64_t>(0, lots.Int(i, 11)));
    lot.confirmed = static_cast<uint64_t>(lots.Int(i, 12));
    lot.scrapped = static_cast<uint64_t>(lots.Int(i, 13));
    facts.lots.emplace(lot.id, std::move(lot));
  }
  const Rows pais = session.Run(kPais);
  for (int i = 0; i < pais.size(); ++i) {
    PaiFacts pai;
    pai.name = pais.Text(i, 0);
    pai.key_label = pais.Text(i, 1);
    pai.public_key = pais.Blob(i, 2);
    const Bytes der = pais.Blob(i, 3);
    if (!der.empty()) {
      auto certificate = matter::Certificate::Parse(der);
      if (!certificate.ok()) {
        findings.Add(Fault::PAI_CERTIFICATE, absl::StrCat("PAI ", pai.name),
                     std::string(certificate.status().message()));
      } else {
        pai.certificate = *std::move(certificate);
        CheckPai(pai, pais.Blob(i, 4), findings);
        auto key = FixedKey::Make(pai.certificate->public_key());
        if (key.ok()) pai.key = *std::move(key);
      }
    }
    facts.pais.emplace(pai.name, std::move(pai));
  }
  return absl::OkStatus();
}

}  // namespace assay::fsck
