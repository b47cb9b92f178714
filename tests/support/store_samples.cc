#include "tests/support/store_samples.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace assay::test_support {
namespace {

std::atomic<int64_t> last{0};

Bytes Repeat(const Sha256Digest& seed, size_t size) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(seed[i % seed.size()] + i / 32);
  return bytes;
}

}  // namespace

db::Act SampleAct(const std::string& kind, const std::string& subject) {
  db::Act act;
  act.request_id = absl::StrCat("request-", ++last);
  act.actor = "spiffe://assay.test/operator/ada";
  act.kind = kind;
  act.subject = subject;
  act.digest = Sha256(AsBytes(kind + subject));
  act.detail = absl::StrCat("{\"kind\":\"", kind, "\",\"subject\":\"", subject, "\"}");
  return act;
}

db::Product SampleProduct(const std::string& name) {
  db::Product product;
  product.name = name;
  product.vendor_id = 0xFFF1;
  product.product_id = 0x8001;
  product.spec = {1, 2, 3};
  product.spec_json = "{\"vendorId\":65521}";
  return product;
}

db::Lot SampleLot(const std::string& name, uint64_t count) {
  db::Lot lot;
  lot.name = name;
  lot.product = "lamp";
  lot.product_revision = 1;
  lot.spec = {1, 2, 3};
  lot.vendor_id = 0xFFF1;
  lot.product_id = 0x8001;
  lot.factory = "shenzhen-1";
  lot.count = count;
  lot.retention = std::chrono::hours(24);
  lot.wrapped_key = Bytes(40, 0x5A);
  return lot;
}

db::Intent SampleIntent(int64_t lot_id, const std::string& ticket) {
  const std::string unique = absl::StrCat(ticket, "/", ++last);
  const Sha256Digest seed = Sha256(AsBytes(unique));
  db::Intent intent;
  intent.lot_id = lot_id;
  intent.ticket = ticket;
  intent.line = "line-1";
  intent.actor = "spiffe://assay.test/line/1";
  intent.request_digest = Sha256(AsBytes("request of " + ticket));
  intent.device_id = ToHex(ByteView(seed).first(16));
  intent.serial_number = absl::StrCat("SN", last.load(), "-", ToHex(ByteView(seed).first(4)));
  intent.dac_serial = ToBytes(ByteView(seed).first(16));
  intent.public_key_sha256 = Sha256(AsBytes("key " + unique));
  intent.tbs_sha256 = Sha256(AsBytes("tbs " + unique));
  intent.pai = "pai-fff1";
  return intent;
}

db::Seal SampleSeal(int64_t attempt_id, const db::Intent& intent, size_t sealed_size) {
  const Sha256Digest seed = Sha256(AsBytes(intent.device_id));
  db::Seal seal;
  seal.attempt_id = attempt_id;
  seal.lot_id = intent.lot_id;
  seal.row.discriminator = static_cast<uint16_t>(ReadLe16(seed.data()) & 0xFFF);
  seal.row.dac = Repeat(seed, 443);
  seal.row.dac_sha256 = Sha256(seal.row.dac);
  seal.row.image_sha256 = Sha256(AsBytes("image " + intent.device_id));
  seal.row.image_signature = Repeat(seal.row.image_sha256, 900);
  seal.row.codes = Repeat(seed, 80);
  seal.sealed = Repeat(seed, sealed_size);
  seal.ledger_entry =
      absl::StrCat("{\"device\":\"", intent.device_id, "\",\"kind\":\"device.seal\"}");
  return seal;
}

int64_t OpenSampleLot(db::Store& store, const std::string& name, uint64_t count,
                      std::chrono::seconds retention) {
  const auto product = store.ApplyProduct(SampleAct("product.apply", "lamp"), SampleProduct());
  db::Lot lot = SampleLot(name, count);
  lot.retention = retention;
  const auto opened = store.OpenLot(SampleAct("lot.open", name), lot);
  if (!product.ok() || !opened.ok()) {
    std::fprintf(stderr, "cannot open a lot: %s %s\n", product.status().ToString().c_str(),
                 opened.status().ToString().c_str());
    std::abort();
  }
  return opened->id;
}

}  // namespace assay::test_support
