#include "client/spec_file.h"

#include "assay/v1/catalog.pb.h"
#include "base/refusal.h"
#include "client/files.h"
#include "gtest/gtest.h"
#include "tests/unit/client/test_folder.h"

namespace assay::client {
namespace {

std::string FieldAtFault(const std::string& yaml) {
  v1::ApplyProductRequest request;
  const auto refusal = RefusalOf(FillFromYaml(yaml, "p.yaml", request));
  return refusal ? refusal->field : "";
}

TEST(SpecFileTest, TheExampleIsReadWhole) {
  const std::string path = std::string(ASSAY_SOURCE_DIR) + "/deploy/examples/product.yaml";
  v1::ApplyProductRequest request;
  const auto status = FillFromYaml(*ReadTextFile(path), path, request);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(request.spec().vendor_id(), 0xFFF1u);
  EXPECT_EQ(request.spec().manufacturing_date(), "2022-10-25");
  EXPECT_EQ(request.spec().fixed_labels(1).endpoint(), 1u);
  EXPECT_EQ(request.spec().fixed_labels(1).value(), "kitchen");
  EXPECT_EQ(request.spec().supported_modes(0).label(), "Quiet");
  EXPECT_EQ(request.spec().dac().attestation(), v1::ATTESTATION_SERVER_KEY);
}

TEST(SpecFileTest, BlobsAreFilesBesideTheYaml) {
  const TestFolder folder;
  ASSERT_TRUE(WriteFile(folder / "cd.der", AsBytes("declaration"), 0644).ok());
  v1::ApplyProductRequest request;
  ASSERT_TRUE(
      FillFromYaml("spec: {certification_declaration: cd.der}", folder / "p.yaml", request).ok());
  EXPECT_EQ(request.spec().certification_declaration(), "declaration");
  EXPECT_NE(FieldAtFault("spec: {certification_declaration: none.der}").find("none.der"),
            std::string::npos);
}

TEST(SpecFileTest, WrongKeysValuesAndWordsAreNamedWithLineAndPath) {
  EXPECT_EQ(FieldAtFault("name: x\nspec:\n  vendor: 1\n"), "p.yaml:3: spec.vendor");
  EXPECT_EQ(FieldAtFault("spec:\n  vendor_id: many\n"), "p.yaml:2: spec.vendor_id");
  EXPECT_EQ(FieldAtFault("spec: {dac: {attestation: maybe}}"), "p.yaml:1: spec.dac.attestation");
  EXPECT_EQ(FieldAtFault("spec: {locales: en}"), "p.yaml:1: spec.locales");
  EXPECT_EQ(FieldAtFault("spec: {dynamic_passcode: 7}"), "p.yaml:1: spec.dynamic_passcode");
  EXPECT_EQ(FieldAtFault("spec: {dac: {valid_from: soon}}"), "p.yaml:1: spec.dac.valid_from");
}

}  // namespace
}  // namespace assay::client
