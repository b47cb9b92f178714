#include "matter/spake2p.h"

#include <gtest/gtest.h>

#include "base/refusal.h"
#include "matter/passcode.h"
#include "tests/vectors/vectors.h"

namespace assay::matter {
namespace {

constexpr std::string_view kSdkVerifier =
    "uWFwqugDNGiEck/po7KHwwMwwqZgN10XuyBajPGuyzUEV/"
    "iree4lOrao5GuwnlQ65CJzbeUB49s31EH+NEkg0JVI5MGCQGMM"
    "T/SRPFNRODm3wH/MBiehuFc6FJ/NH6Rmzw==";

Spake2pParameters SdkParameters() {
  return {.iterations = 1000, .salt = ToBytes(AsBytes("SPAKE2P Key Salt"))};
}

TEST(Spake2p, TheSdkExampleGivesTheSdkVerifier) {
  const auto verifier = ComputeVerifier(20202021, SdkParameters());
  ASSERT_TRUE(verifier.ok()) << verifier.status();
  EXPECT_EQ(ToBase64(verifier->view()), kSdkVerifier);
}

TEST(Spake2p, AgreesWithTheSdkVectors) {
  const auto vectors = test::LoadVectorJson("matter/spake2p/verifier_kat.json");
  if (!vectors) GTEST_SKIP() << test::kNoVectors;
  std::vector<VerifierJob> jobs;
  for (const auto& row : vectors->at("vectors")) {
    jobs.emplace_back();
    jobs.back().passcode = row["passcode"];
    jobs.back().parameters = {row["iterations"], test::HexOf(row["salt_hex"])};
  }
  ComputeVerifiers(jobs);
  for (size_t i = 0; i < jobs.size(); ++i) {
    const auto& row = vectors->at("vectors")[i];
    ASSERT_TRUE(jobs[i].status.ok()) << jobs[i].status;
    EXPECT_EQ(ToHex(jobs[i].verifier.view()), row["verifier_hex"].get<std::string>());
    EXPECT_EQ(ToBase64(jobs[i].verifier.view()), row["verifier_b64"].get<std::string>());
  }
  for (const auto& size : vectors->at("invalid_salt_lengths")) {
    EXPECT_FALSE(CheckParameters({1000, Bytes(size.get<size_t>())}).ok()) << size;
  }
  for (const auto& size : vectors->at("valid_salt_lengths")) {
    EXPECT_TRUE(CheckParameters({1000, Bytes(size.get<size_t>())}).ok()) << size;
  }
  for (const auto& iterations : vectors->at("invalid_iterations")) {
    EXPECT_FALSE(CheckParameters({iterations, Bytes(16)}).ok()) << iterations;
  }
  for (const auto& iterations : vectors->at("valid_iterations")) {
    EXPECT_TRUE(CheckParameters({iterations, Bytes(16)}).ok()) << iterations;
  }
  for (const auto& passcode : vectors->at("invalid_passcodes")) {
    EXPECT_TRUE(
        HasReason(ComputeVerifier(passcode, SdkParameters()).status(), Reason::PASSCODE_FORBIDDEN));
  }
  for (const auto& passcode : vectors->at("out_of_range")) {
    EXPECT_FALSE(ComputeVerifier(passcode, SdkParameters()).ok());
  }
}

TEST(Spake2p, AgreesWithTheMfgTool) {
  const auto rows = test::LoadVectorCsv("mfg_tool/onboarding/spake2p.csv");
  if (!rows) GTEST_SKIP() << test::kNoVectors;
  std::vector<VerifierJob> jobs;
  for (const auto& row : *rows) {
    jobs.emplace_back();
    jobs.back().passcode = static_cast<uint32_t>(std::stoul(row[0]));
    jobs.back().parameters = {static_cast<uint32_t>(std::stoul(row[1])),
                              FromBase64(row[2]).value()};
  }
  ComputeVerifiers(jobs);
  for (size_t i = 0; i < jobs.size(); ++i) {
    EXPECT_EQ(ToBase64(jobs[i].verifier.view()), (*rows)[i][3]) << jobs[i].status;
  }
}

TEST(Spake2p, OneBadJobDoesNotHarmTheOthers) {
  std::vector<VerifierJob> jobs(4);
  for (VerifierJob& job : jobs) job = {20202021, SdkParameters(), {}, {}};
  jobs[0].passcode = 11111111;
  jobs[2].parameters.salt.resize(15);
  ComputeVerifiers(jobs);
  EXPECT_TRUE(HasReason(jobs[0].status, Reason::PASSCODE_FORBIDDEN));
  EXPECT_TRUE(HasReason(jobs[2].status, Reason::FIELD_OUT_OF_RANGE));
  EXPECT_EQ(RefusalOf(jobs[2].status)->field, "salt");
  EXPECT_TRUE(jobs[0].verifier.empty() && jobs[2].verifier.empty());
  for (size_t good : {1, 3}) EXPECT_EQ(ToBase64(jobs[good].verifier.view()), kSdkVerifier);
}

TEST(Spake2p, ABatchOfNothingIsNothing) { ComputeVerifiers({}); }

TEST(Spake2p, AGivenVerifierMustBelongToThePasscode) {
  const Bytes verifier = FromBase64(kSdkVerifier).value();
  EXPECT_TRUE(CheckVerifier(verifier, 20202021, SdkParameters()).ok());
  EXPECT_TRUE(
      HasReason(CheckVerifier(verifier, 20202022, SdkParameters()), Reason::VERIFIER_MISMATCH));
  Spake2pParameters other = SdkParameters();
  ++other.iterations;
  EXPECT_TRUE(HasReason(CheckVerifier(verifier, 20202021, other), Reason::VERIFIER_MISMATCH));
}

TEST(Spake2p, AGivenVerifierMustHaveTheForm) {
  const Bytes good = FromBase64(kSdkVerifier).value();
  EXPECT_TRUE(CheckVerifierForm(good).ok());
  const auto refuses = [](const Bytes& verifier) {
    return HasReason(CheckVerifierForm(verifier), Reason::FIELD_MALFORMED);
  };
  EXPECT_TRUE(refuses({}));
  EXPECT_TRUE(refuses(Bytes(good.begin(), good.end() - 1)));
  Bytes bad = good;
  bad[96] ^= 1;  // off the curve
  EXPECT_TRUE(refuses(bad));
  bad = good;
  bad[32] = 0x03;  // not uncompressed
  EXPECT_TRUE(refuses(bad));
  bad = good;
  std::fill(bad.begin(), bad.begin() + 32, 0);  // w0 = 0
  EXPECT_TRUE(refuses(bad));
  std::fill(bad.begin(), bad.begin() + 32, 0xFF);  // w0 >= n
  EXPECT_TRUE(refuses(bad));
}

TEST(Spake2p, DrawnSaltsHaveALawfulSizeAndDiffer) {
  SystemRandom random;
  EXPECT_EQ(DrawSalt(random).size(), 32u);
  EXPECT_EQ(DrawSalt(random, 3).size(), kMinSaltSize);
  EXPECT_EQ(DrawSalt(random, 99).size(), kMaxSaltSize);
  EXPECT_NE(DrawSalt(random), DrawSalt(random));
}

}  // namespace
}  // namespace assay::matter
