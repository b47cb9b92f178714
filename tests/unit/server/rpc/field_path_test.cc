// A refusal's field in the words of the request it refuses.
#include "server/rpc/field_path.h"

#include <gtest/gtest.h>

#include "assay/v1/audit.pb.h"
#include "assay/v1/authority.pb.h"
#include "assay/v1/catalog.pb.h"
#include "assay/v1/issuance.pb.h"
#include "assay/v1/ledger.pb.h"
#include "base/refusal.h"

namespace assay::rpc {
namespace {

// The contract's files are known to protobuf once a message of each was named.
void KnowTheContract() {
  v1::GetLotRequest::descriptor();
  v1::GetPaiRequest::descriptor();
  v1::GetReceiptsRequest::descriptor();
  v1::ListDevicesRequest::descriptor();
  v1::IssueRequest::descriptor();
}

std::string FieldIn(const char* method, const char* field, const char* rule_told = "a rule") {
  KnowTheContract();
  const absl::Status status =
      InRequestsWords(method, RefuseField(Reason::FIELD_MALFORMED, field, "the value", "a rule"));
  const auto refusal = RefusalOf(status);
  EXPECT_EQ(refusal->value, "the value");
  EXPECT_EQ(refusal->rule, rule_told);
  EXPECT_EQ(status.message(), refusal->field + ": " + rule_told + " (got the value)");
  EXPECT_TRUE(HasReason(status, Reason::FIELD_MALFORMED));
  return refusal->field;
}

TEST(FieldPathTest, APathOfTheRequestStaysAsItIs) {
  EXPECT_EQ(FieldIn("assay.v1.CatalogService/GetLot", "name"), "name");
  EXPECT_EQ(FieldIn("assay.v1.CatalogService/ApplyProduct", "spec.fixed_labels[2].value"),
            "spec.fixed_labels[2].value");
  EXPECT_EQ(FieldIn("assay.v1.AuditService/GetDevice", "by"), "by");
}

TEST(FieldPathTest, WhatAPartCallsOtherwiseIsToldAsTheRequestSaysIt) {
  EXPECT_EQ(FieldIn("assay.v1.CatalogService/GetLot", "lot"), "name");
  EXPECT_EQ(FieldIn("assay.v1.CatalogService/GetProduct", "product"), "name");
  EXPECT_EQ(FieldIn("assay.v1.CatalogService/OpenLot", "product"), "product");
  EXPECT_EQ(FieldIn("assay.v1.AuthorityService/GetPai", "pai"), "name");
  EXPECT_EQ(FieldIn("assay.v1.AuthorityService/GetCrl", "pai"), "issuer");
  EXPECT_EQ(FieldIn("assay.v1.AuthorityService/DelegateCrl", "issuer"), "name");
  EXPECT_EQ(FieldIn("assay.v1.LedgerService/GetReceipts", "lot"), "ticket.lot");
  EXPECT_EQ(FieldIn("assay.v1.AuditService/ListDevices", "lot"), "filter.lot");
  EXPECT_EQ(FieldIn("assay.v1.IssuanceService/Issue", "serial_number"), "values.serial_number");
}

TEST(FieldPathTest, WhatLiesWithinBytesIsToldInTheRule) {
  EXPECT_EQ(
      FieldIn("assay.v1.CatalogService/ApplyProduct",
              "spec.certification_declaration.cd.format_version", "cd.format_version: a rule"),
      "spec.certification_declaration");
}

TEST(FieldPathTest, TheWordForAWholeIsLeftOutWhereTheRequestSaysItInPieces) {
  EXPECT_EQ(FieldIn("assay.v1.AuthorityService/SignSandboxDeclaration", "cd.product_ids"),
            "product_ids");
}

TEST(FieldPathTest, WhatIsNotTheRequestsStaysAsItIs) {
  EXPECT_EQ(FieldIn("assay.v1.CatalogService/GetLot", "caller"), "caller");
  EXPECT_EQ(FieldIn("assay.v1.NoService/NoCall", "lot"), "lot");
  const absl::Status fieldless = Refuse(Reason::OVERLOADED, "too much waits");
  EXPECT_EQ(InRequestsWords("assay.v1.CatalogService/GetLot", fieldless), fieldless);
  EXPECT_TRUE(InRequestsWords("assay.v1.CatalogService/GetLot", absl::OkStatus()).ok());
}

TEST(FieldPathTest, WhenToComeBackIsKept) {
  KnowTheContract();
  const absl::Status status = InRequestsWords(
      "assay.v1.CatalogService/GetLot",
      RefuseField(Reason::RATE_LIMITED, "lot", "l", "waits", std::chrono::milliseconds(70)));
  EXPECT_EQ(RefusalOf(status)->retry_after, std::chrono::milliseconds(70));
}

}  // namespace
}  // namespace assay::rpc
