// A maker of DACs outside Assay: a PAA and a PAI of its own, for what comes with requests.
#pragma once

#include <optional>
#include <string>

#include "absl/time/clock.h"
#include "base/random.h"
#include "matter/certificate.h"
#include "matter/dac_template.h"
#include "matter/tbs.h"
#include "tests/unit/matter/software_key.h"

namespace assay::test_support {

struct MadeDac {
  Bytes der;
  Bytes key;  // the scalar
  std::string Pem() const { return matter::ToPem("CERTIFICATE", der); }
};

class DacMaker {
 public:
  explicit DacMaker(uint16_t vendor_id = 0xFFF1) : vendor_id_(vendor_id) {
    const absl::Time now = absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now()));
    const matter::Validity validity{now - absl::Hours(48), matter::NeverExpires()};
    const auto paa_tbs = matter::EncodePaaTbs({.common_name = "Maker PAA",
                                               .vid = std::nullopt,
                                               .pid = std::nullopt,
                                               .serial = Bytes{1},
                                               .validity = validity,
                                               .public_key = paa_key_.Point()});
    EXPECT_TRUE(paa_tbs.ok()) << paa_tbs.status();
    const auto paa =
        matter::Certificate::Parse(matter::AssembleCertificate(*paa_tbs, paa_key_.Sign(*paa_tbs)));
    EXPECT_TRUE(paa.ok()) << paa.status();
    const auto pai_tbs = matter::EncodePaiTbs({.common_name = "Maker PAI",
                                               .vid = vendor_id_,
                                               .pid = std::nullopt,
                                               .serial = Bytes{2},
                                               .validity = validity,
                                               .public_key = pai_key_.Point()},
                                              *paa);
    EXPECT_TRUE(pai_tbs.ok()) << pai_tbs.status();
    pai_ = matter::AssembleCertificate(*pai_tbs, pai_key_.Sign(*pai_tbs));
  }

  const Bytes& pai() const { return pai_; }
  std::string PaiPem() const { return matter::ToPem("CERTIFICATE", pai_); }

  MadeDac Make(uint16_t product_id, const std::string& common_name = "Maker DAC") {
    MadeDac made;
    made.key = random_.Draw(32);
    made.key[0] = 0x42;  // below the order
    const auto pai = matter::Certificate::Parse(pai_);
    const auto filler = matter::DacTemplate::Make(*pai, vendor_id_, product_id);
    EXPECT_TRUE(filler.ok()) << filler.status();
    const Bytes serial = matter::DrawDacSerial(random_);
    const Bytes point = matter::SoftwareKey::FromScalar(made.key).Point();
    const auto tbs = filler->Fill({serial, common_name, absl::Now() - absl::Hours(1), point});
    EXPECT_TRUE(tbs.ok()) << tbs.status();
    made.der = matter::AssembleCertificate(*tbs, pai_key_.Sign(*tbs));
    return made;
  }

 private:
  uint16_t vendor_id_;
  SystemRandom random_;
  matter::SoftwareKey paa_key_ = matter::SoftwareKey::Fresh();
  matter::SoftwareKey pai_key_ = matter::SoftwareKey::Fresh();
  Bytes pai_;
};

}  // namespace assay::test_support
