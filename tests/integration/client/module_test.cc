// Pre-provisioned modules: certificates in one lot, the factory image in a later one, one unit.
#include "assay/v1/authority.grpc.pb.h"
#include "image/secure_cert.h"
#include "tests/integration/client/client_fixture.h"

namespace assay::integration {
namespace {

class ModuleTest : public ClientTest {
 protected:
  v1::ProductSpec ModuleSpec(bool csr = false) {
    auto spec = office_.Light();
    if (csr) spec.mutable_dac()->set_attestation(v1::ATTESTATION_CSR);
    spec.mutable_image()->set_no_factory_image(true);
    spec.mutable_image()->mutable_secure_cert()->set_attestation(true);
    return spec;
  }
  v1::ProductSpec FinalSpec() {
    auto spec = office_.Light();
    spec.mutable_dac()->set_attestation(v1::ATTESTATION_NONE);
    return spec;
  }
  // The unit as the auditor sees it.
  v1::ManifestRow Show(const std::string& device_id) {
    const auto stub = v1::AuditService::NewStub(office_.ChannelAs(kAuditor));
    v1::GetDeviceRequest request;
    request.set_device_id(device_id);
    v1::ManifestRow row;
    const auto status = stub->GetDevice(Context().get(), request, &row);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return row;
  }
  v1::IssueResponse IssueModule(const std::string& lot, const std::string& ticket) {
    v1::IssueResponse response;
    const auto status = office_.Issue(Office::Request(lot, ticket), &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  grpc::Status Complete(const std::string& lot, const std::string& ticket,
                        const std::string& module, v1::IssueResponse* response,
                        const std::string& as = kLine) {
    v1::IssueRequest request = Office::Request(lot, ticket);
    request.mutable_module()->set_common_name(module);
    return office_.Issue(request, response, as);
  }
};

TEST_F(ModuleTest, TheManifestOfTheFirstLotNamesTheModulesOfTheSecond) {
  office_.OpenLot("mod-a", ModuleSpec(), 3);
  office_.OpenLot("fin-a", FinalSpec(), 3);
  ASSERT_EQ(Run("issue --lot mod-a -n 3 --out " + Path("modules")), kOk) << said_;
  EXPECT_EQ(said_.find("MT:"), std::string::npos);
  ASSERT_EQ(Run("issue --lot fin-a --modules " + Path("modules/manifest.csv") + " --out " +
                Path("units")),
            kOk)
      << said_;
  const auto made = image::ReadCsv(*ReadTextFile(Path("modules/manifest.csv")), "manifest");
  const auto done = image::ReadCsv(*ReadTextFile(Path("units/manifest.csv")), "manifest");
  ASSERT_TRUE(made.ok() && done.ok());
  ASSERT_EQ(done->size(), 4u);
  std::map<std::string, std::string> serial_of;  // DAC serial by device
  for (size_t i = 1; i < made->size(); ++i) {
    serial_of[(*made)[i].cells[1].text] = (*made)[i].cells[7].text;
    EXPECT_EQ((*made)[i].cells[11].text, "") << "a module without verifier has no codes";
  }
  for (size_t i = 1; i < done->size(); ++i) {
    const std::string device = (*done)[i].cells[1].text;
    EXPECT_EQ((*done)[i].cells[7].text, serial_of.at(device));
    EXPECT_NE((*done)[i].cells[11].text, "");
    const std::string folder = Path("units/" + device);
    const auto entries = image::ParseNvs(*ReadFile(folder + "/factory.bin"));
    ASSERT_TRUE(entries.ok()) << entries.status();
    EXPECT_TRUE(Find<std::string>(*entries, "verifier"));
    EXPECT_FALSE(Find<Bytes>(*entries, "dac-cert"));
    const v1::ManifestRow unit = Show(device);
    EXPECT_EQ(unit.lot(), "mod-a");
    ASSERT_EQ(unit.stages_size(), 1);
    EXPECT_EQ(unit.stages(0).lot(), "fin-a");
    EXPECT_EQ(unit.stages(0).device_id(), device);
    EXPECT_EQ(unit.stages(0).serial_number(), unit.serial_number());
    EXPECT_EQ(unit.stages(0).dac_serial(), unit.dac_serial());
    EXPECT_NE(unit.stages(0).image_sha256(), unit.image_sha256());
  }
  // Run again, there is nothing to do and nothing twice.
  ASSERT_EQ(Run("issue --lot fin-a --modules " + Path("modules/manifest.csv") + " --out " +
                Path("units")),
            kOk)
      << said_;
  EXPECT_EQ(office_.LotNow("fin-a").sealed(), 3u);
}

TEST_F(ModuleTest, AModuleIsFoundByTheSerialNumberOfItsCertificateAndARetryIsTheSame) {
  office_.OpenLot("mod-b", ModuleSpec(), 1);
  office_.OpenLot("fin-b", FinalSpec(), 2);
  const auto module = IssueModule("mod-b", "m1");
  ASSERT_EQ(module.identity().images_size(), 1);
  EXPECT_EQ(module.identity().images(0).name(), "esp_secure_cert");
  EXPECT_EQ(module.identity().codes().qr_code(), "");
  v1::IssueRequest request = Office::Request("fin-b", "p1");
  request.mutable_module()->set_dac_serial(module.identity().dac_serial());
  v1::IssueResponse first, second;
  ASSERT_TRUE(office_.Issue(request, &first).ok());
  ASSERT_TRUE(office_.Issue(request, &second).ok());
  EXPECT_TRUE(second.sealed_before());
  EXPECT_EQ(first.identity().SerializeAsString(), second.identity().SerializeAsString());
  EXPECT_EQ(first.identity().device_id(), module.identity().device_id());
  EXPECT_EQ(first.identity().dac_serial(), module.identity().dac_serial());
  v1::IssueResponse none;
  EXPECT_EQ(ReasonIn(Complete("fin-b", "p2", module.identity().device_id(), &none)),
            "MODULE_COMPLETED");
  EXPECT_EQ(office_.LotNow("fin-b").claimed(), 1u) << "a refusal costs no quota";
}

TEST_F(ModuleTest, WhatCannotBeCompletedIsRefusedByName) {
  office_.OpenLot("mod-c", ModuleSpec(), 5);
  office_.OpenLot("fin-c", FinalSpec(), 5);
  v1::IssueResponse none;
  EXPECT_EQ(ReasonIn(Complete("fin-c", "p1", "nobody", &none)), "DEVICE_UNKNOWN");
  EXPECT_EQ(Run("issue --lot mod-c --modules " + Path("x.csv") + " --out " + Path("x")), kRefused);
  EXPECT_THAT(said_, HasSubstr("--modules"));

  auto other = FinalSpec();
  other.set_product_id(0x8001);
  other.set_certification_declaration(office_.Declaration(0xFFF1, 0x8001));
  office_.OpenLot("fin-c-other", other, 5);
  const std::string module = IssueModule("mod-c", "m1").identity().device_id();
  const auto mismatch = Complete("fin-c-other", "p1", module, &none);
  EXPECT_EQ(ReasonIn(mismatch), "MODULE_UNFIT");
  EXPECT_THAT(MetadataIn(mismatch, "rule"), HasSubstr("0x8001"));

  office_.OpenLot("whole-c", office_.Light(), 1);
  const std::string whole = IssueModule("whole-c", "w1").identity().device_id();
  EXPECT_EQ(ReasonIn(Complete("fin-c", "p2", whole, &none)), "MODULE_UNFIT");

  v1::IssueRequest wrong = Office::Request("whole-c", "w2");
  wrong.mutable_module()->set_common_name(module);
  EXPECT_EQ(ReasonIn(office_.Issue(wrong, &none)), "FIELD_NOT_ALLOWED");

  ASSERT_EQ(Run("confirm --lot mod-c --ticket m1 --outcome scrapped"), kOk) << said_;
  EXPECT_EQ(ReasonIn(Complete("fin-c", "p3", module, &none)), "MODULE_UNFIT");
  EXPECT_EQ(office_.LotNow("fin-c").claimed(), 0u);
}

TEST_F(ModuleTest, AnotherFactorysModuleIsAsUnknownAsOneThatIsNotThere) {
  office_.OpenLot("mod-south", ModuleSpec(), 1, "south");
  office_.OpenLot("fin-north", FinalSpec(), 1);
  v1::IssueResponse module, none;
  ASSERT_TRUE(office_.Issue(Office::Request("mod-south", "m1"), &module, kSouthLine).ok());
  const auto foreign = Complete("fin-north", "p1", module.identity().device_id(), &none);
  const auto missing = Complete("fin-north", "p1", "nobody", &none);
  EXPECT_EQ(ReasonIn(foreign), "DEVICE_UNKNOWN");
  EXPECT_EQ(ReasonIn(missing), "DEVICE_UNKNOWN");
  EXPECT_EQ(MetadataIn(foreign, "rule"), MetadataIn(missing, "rule"));
}

TEST_F(ModuleTest, TheUnitIsScrappedAsAWhole) {
  office_.OpenLot("mod-d", ModuleSpec(), 1);
  office_.OpenLot("fin-d", FinalSpec(), 1);
  const std::string module = IssueModule("mod-d", "m1").identity().device_id();
  v1::IssueResponse done;
  ASSERT_TRUE(Complete("fin-d", "p1", module, &done).ok());
  ASSERT_EQ(Run("confirm --lot fin-d --ticket p1 --outcome scrapped"), kOk) << said_;
  const v1::ManifestRow unit = Show(module);
  EXPECT_EQ(unit.state(), v1::DEVICE_STATE_SCRAPPED);
  ASSERT_EQ(unit.stages_size(), 1);
  EXPECT_EQ(unit.stages(0).state(), v1::DEVICE_STATE_SCRAPPED);
}

TEST_F(ModuleTest, RevokingTheLotThatCompletedItRevokesTheModulesCertificate) {
  office_.OpenLot("mod-e", ModuleSpec(), 2);
  office_.OpenLot("fin-e", FinalSpec(), 1);
  const std::string module = IssueModule("mod-e", "m1").identity().device_id();
  const std::string apart = IssueModule("mod-e", "m2").identity().device_id();
  v1::IssueResponse done;
  ASSERT_TRUE(Complete("fin-e", "p1", module, &done).ok());
  const auto stub = v1::AuthorityService::NewStub(office_.ChannelAs(kOperator));
  v1::RevokeLotRequest request;
  request.set_request_id(office_.NextId());
  request.set_name("fin-e");
  request.set_reason(v1::REVOCATION_REASON_KEY_COMPROMISE);
  v1::RevokeResponse revoked;
  const auto status = stub->RevokeLot(Context().get(), request, &revoked);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(revoked.revoked(), 1u);
  const v1::ManifestRow unit = Show(module);
  EXPECT_EQ(unit.state(), v1::DEVICE_STATE_REVOKED);
  EXPECT_EQ(unit.stages(0).state(), v1::DEVICE_STATE_REVOKED);
  EXPECT_EQ(Show(apart).state(), v1::DEVICE_STATE_SEALED);
}

TEST_F(ModuleTest, AModuleThatMadeItsOwnKeyIsCompletedLikeAnyOther) {
  office_.OpenLot("mod-f", ModuleSpec(true), 1);
  office_.OpenLot("fin-f", FinalSpec(), 1);
  fs::create_directory(folder_ / "csr");
  Put("csr/unit1.csr", Office::Csr());
  ASSERT_EQ(Run("issue --lot mod-f --csr " + Path("csr") + " --out " + Path("modules")), kOk)
      << said_;
  const auto entries = image::ParseSecureCert(*ReadFile(Path("modules/unit1/esp_secure_cert.bin")));
  ASSERT_TRUE(entries.ok()) << entries.status();
  EXPECT_EQ(image::FindEntry(*entries, image::SecureCertType::kPrivateKey), nullptr);
  EXPECT_NE(image::FindEntry(*entries, image::SecureCertType::kDeviceCertificate), nullptr);
  ASSERT_EQ(Run("issue --lot fin-f --modules " + Path("modules/manifest.csv") + " --out " +
                Path("units") + " --show-qr"),
            kOk)
      << said_;
  EXPECT_THAT(printed_, HasSubstr("MT:"));
}

TEST_F(ModuleTest, WithTheVerifierInTheSecureCertTheCodesBelongToTheModule) {
  auto spec = ModuleSpec(true);
  spec.mutable_rotating_id()->set_enabled(true);
  spec.mutable_image()->mutable_secure_cert()->set_commissioning(true);
  spec.mutable_image()->mutable_secure_cert()->set_rotating_id(true);
  office_.OpenLot("mod-g", spec, 1);
  office_.OpenLot("fin-g", FinalSpec(), 1);
  v1::IssueRequest request = Office::Request("mod-g", "m1");
  request.set_csr(Office::Csr());
  v1::IssueResponse module, none;
  ASSERT_TRUE(office_.Issue(request, &module).ok());
  EXPECT_NE(module.identity().codes().qr_code(), "");
  const auto entries = image::ParseSecureCert(AsBytes(module.identity().images(0).content()));
  ASSERT_TRUE(entries.ok()) << entries.status();
  EXPECT_EQ(image::FindEntry(*entries, image::SecureCertType::kPrivateKey), nullptr);
  EXPECT_EQ(ReasonIn(Complete("fin-g", "p1", module.identity().device_id(), &none)),
            "MODULE_UNFIT");
}

}  // namespace
}  // namespace assay::integration
