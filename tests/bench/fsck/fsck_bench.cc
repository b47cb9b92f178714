// How many devices a second and core `assay fsck` checks: N devices (default 20000) with real
// certificates, image signatures and a whole ledger in a database of their own.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "fsck/agreement.h"
#include "fsck/check.h"
#include "fsck/ledger_check.h"
#include "fsck/snapshot.h"
#include "image/cms.h"
#include "matter/dac_template.h"
#include "matter/tbs.h"
#include "tests/support/store_fixture.h"
#include "tests/unit/matter/software_key.h"
#include "tlog/growing_tree.h"

namespace assay::fsck {
namespace {

using matter::SoftwareKey;

struct Authority {
  SoftwareKey paa_key = SoftwareKey::Fresh(), pai_key = SoftwareKey::Fresh(),
              image_key = SoftwareKey::Fresh(), device_key = SoftwareKey::Fresh();
  Bytes paa, pai, image;

  Authority() {
    const matter::Validity validity{absl::FromUnixSeconds(1'700'000'000), matter::NeverExpires()};
    const Bytes paa_point = paa_key.Point(), pai_point = pai_key.Point();
    const Bytes paa_tbs =
        *matter::EncodePaaTbs({"bench PAA", 0xFFF1, {}, {1}, validity, paa_point});
    paa = matter::AssembleCertificate(paa_tbs, paa_key.Sign(paa_tbs));
    const Bytes pai_tbs = *matter::EncodePaiTbs({"bench PAI", 0xFFF1, {}, {2}, validity, pai_point},
                                                *matter::Certificate::Parse(paa));
    pai = matter::AssembleCertificate(pai_tbs, paa_key.Sign(pai_tbs));
    const Bytes image_tbs = *image::EncodeImageSignerTbs(
        {"bench images", image_key.Point(), {3}, validity.not_before, validity.not_after});
    image = *image::AssembleImageSignerCertificate(image_tbs, image_key.Sign(image_tbs));
  }
};

const Statement kLot = {
    "bench_lot",
    "WITH p AS (INSERT INTO products (name, revision, vendor_id, product_id, spec) VALUES ('p', 1, "
    "65521, 32768, $1::bytea)), c AS (INSERT INTO lot_claims (lot_id, open, capacity, claimed) "
    "VALUES (1, true, $2::bigint, $2::bigint)), r AS (INSERT INTO lot_results (lot_id, sealed, "
    "confirmed) VALUES (1, $2::bigint, $2::bigint)) INSERT INTO lots (id, name, product, "
    "product_revision, spec, vendor_id, product_id, factory, retention, wrapped_key) OVERRIDING "
    "SYSTEM VALUE VALUES (1, 'lot', 'p', 1, $1::bytea, 65521, 32768, 'north', interval '1 day', "
    "''::bytea)"};
const Statement kPai = {"bench_pai",
                        "INSERT INTO pais (name, vendor_id, state, key_label, public_key, csr, "
                        "certificate, paa_certificate) VALUES ('pai', 65521, 1, 'k', $1::bytea, "
                        "''::bytea, $2::bytea, $3::bytea)"};
const Statement kAttempt = {
    "bench_attempt",
    "INSERT INTO attempts (lot_id, ticket, line, actor, request_digest, device_id, serial_number, "
    "dac_serial, public_key_sha256, tbs_sha256, pai, instance_id) VALUES (1, $1::text, 'line-1', "
    "'spiffe://bench/line/1', $5::bytea, $2::text, $1::text, $3::bytea, $4::bytea, $5::bytea, "
    "'pai', 'bench') RETURNING id"};
const Statement kDevice = {
    "bench_device",
    "INSERT INTO devices (row, attempt_id, discriminator, dac_sha256, dac, image_sha256, "
    "image_signature, codes) VALUES (4294967296 + $1::bigint, $2::bigint, 1, $3::bytea, $4::bytea, "
    "$5::bytea, $6::bytea, ''::bytea)"};
const Statement kOutcome = {"bench_outcome",
                            "INSERT INTO device_outcomes (row, state, actor, confirmed_at) VALUES "
                            "(4294967296 + $1::bigint, 2, 'a', now())"};
const Statement kEntry = {
    "bench_entry",
    "INSERT INTO ledger_entries (seq, kind, body, device, created_at) VALUES ($1::bigint, "
    "$2::text, $3::text, $4::text, 'epoch'::timestamptz)"};
const Statement kTile = {"bench_tile",
                         "INSERT INTO ledger_tiles VALUES ($1::bigint, $2::bigint, $3::bytea)"};
const Statement kHead = {"bench_head",
                         "UPDATE ledger_head SET size = $1::bigint, root = $2::bytea"};

class Filling {
 public:
  Filling(Session& session, const Authority& authority)
      : session_(session),
        authority_(authority),
        pai_(*matter::Certificate::Parse(authority.pai)),
        template_(*matter::DacTemplate::Make(pai_, 0xFFF1, 0x8000)) {}

  void Run(int count) {
    session_.RunScript("BEGIN; DROP INDEX attempts_public_key");  // one device key for all
    v1::ProductSpec spec;
    spec.mutable_dac()->set_attestation(v1::ATTESTATION_SERVER_KEY);
    const std::string bytes = spec.SerializeAsString();
    session_.Run(kLot, Params().Blob(AsBytes(bytes)).Int(count));
    session_.Run(
        kPai, Params().Blob(authority_.pai_key.Point()).Blob(authority_.pai).Blob(authority_.paa));
    for (int i = 1; i <= count; ++i) AddDevice(i);
    for (const auto& [id, hashes] : tree_.TakeChanged()) {
      session_.Run(
          kTile,
          Params().Int(id.level).Int(static_cast<int64_t>(id.index)).Blob(tlog::BytesOf(hashes)));
    }
    session_.Run(kHead, Params().Int(static_cast<int64_t>(tree_.size())).Blob(tree_.Root()));
    session_.RunScript("COMMIT; ANALYZE");
  }

 private:
  void AddDevice(int i) {
    const std::string id = ToHex(random_.Draw(16)), ticket = absl::StrCat("ticket-", i);
    const Bytes serial = matter::DrawDacSerial(random_), point = authority_.device_key.Point();
    const Bytes tbs = *template_.Fill({serial, id, absl::FromUnixSeconds(1'750'000'000), point});
    const Bytes dac = matter::AssembleCertificate(tbs, authority_.pai_key.Sign(tbs));
    const Sha256Digest image = Sha256(AsBytes(id));
    const Bytes cms =
        *image::AssembleDetachedCms(authority_.image, authority_.image_key.SignDigest(image));
    const int64_t attempt =
        session_
            .Run(kAttempt,
                 Params().Text(ticket).Text(id).Blob(serial).Blob(Sha256(point)).Blob(Sha256(tbs)))
            .Int(0, 0);
    session_.Run(kDevice,
                 Params().Int(i).Int(attempt).Blob(Sha256(dac)).Blob(dac).Blob(image).Blob(cms));
    session_.Run(kOutcome, Params().Int(i));
    AddEntry("device.seal",
             {{"kind", "issue"},
              {"at", "1970-01-01T00:00:00Z"},
              {"device", id},
              {"ticket", ticket},
              {"lot", "lot"},
              {"product", "p"},
              {"factory", "north"},
              {"line", "line-1"},
              {"actor", "spiffe://bench/line/1"},
              {"serial_number", ticket},
              {"dac_serial", ToUpperHex(serial)},
              {"dac_sha256", ToHex(Sha256(dac))},
              {"public_key_sha256", ToHex(Sha256(point))},
              {"pai", "pai"},
              {"image_sha256", ToHex(image)}},
             id);
    AddEntry("device.confirm",
             {{"actor", "a"},
              {"device", id},
              {"kind", "device.confirm"},
              {"lot", "lot"},
              {"outcome", "provisioned"},
              {"ticket", ticket}},
             id);
  }

  void AddEntry(const char* kind, const nlohmann::json& entry, const std::string& device) {
    const std::string body = entry.dump();
    session_.Run(
        kEntry,
        Params().Int(static_cast<int64_t>(tree_.size())).Text(kind).Text(body).Text(device));
    tree_.Append(tlog::LeafHash(AsBytes(LeafOf(body, absl::UnixEpoch()))));
  }

  Session& session_;
  const Authority& authority_;
  const matter::Certificate pai_;
  const matter::DacTemplate template_;
  SystemRandom random_;
  tlog::GrowingTree tree_;
};

int Main(int count) {
  const Authority authority;
  Settings settings;
  settings.database = test_support::NewMigratedDatabase();
  settings.image_certificates = {authority.image};
  const absl::Status filled = Guarded([&] {
    pg::PgOptions options = settings.database;
    options.statement_timeout = options.call_timeout = std::chrono::hours(1);
    Session session(options);
    Filling(session, authority).Run(count);
    return absl::OkStatus();
  });
  if (!filled.ok()) {
    std::fprintf(stderr, "%s\n", std::string(filled.message()).c_str());
    return 2;
  }
  for (const int threads : {1, 2}) {
    Findings findings;
    CheckOptions options;
    options.threads = threads;
    const auto report = CheckEverything(settings, nullptr, options, findings);
    if (!report.ok()) {
      std::fprintf(stderr, "%s\n", std::string(report.status().message()).c_str());
      return 2;
    }
    std::printf(
        "%d threads: %llu devices, %llu certificates, %llu images, %llu entries, %llu "
        "findings: %.2f s, %.2f s of processor, %.0f devices/s and core\n",
        threads, static_cast<unsigned long long>(report->devices),
        static_cast<unsigned long long>(report->dacs),
        static_cast<unsigned long long>(report->images),
        static_cast<unsigned long long>(report->entries),
        static_cast<unsigned long long>(findings.Count()), report->seconds, report->cpu_seconds,
        report->DevicesPerCore());
    for (const Finding& finding : findings.All()) {
      std::printf("  %s %s: %s\n", std::string(FaultName(finding.fault)).c_str(),
                  finding.subject.c_str(), finding.what.c_str());
      break;
    }
  }
  return 0;
}

}  // namespace
}  // namespace assay::fsck

int main(int argc, char** argv) {
  return assay::fsck::Main(argc > 1 ? std::atoi(argv[1]) : 20'000);
}
