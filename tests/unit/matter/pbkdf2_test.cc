#include "matter/pbkdf2.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <limits>
#include <thread>

#include "base/random.h"
#include "matter/pbkdf2_plan.h"
#include "tests/vectors/vectors.h"

namespace assay::matter {
namespace {

Bytes ByOpenssl(const Pbkdf2Job& job) {
  Bytes key(job.key.size());
  PKCS5_PBKDF2_HMAC(reinterpret_cast<const char*>(job.password.data()),
                    static_cast<int>(job.password.size()), job.salt.data(),
                    static_cast<int>(job.salt.size()), static_cast<int>(job.iterations),
                    EVP_sha256(), static_cast<int>(key.size()), key.data());
  return key;
}

// Jobs with their inputs and outputs kept alive.
struct Batch {
  std::vector<Bytes> passwords, salts, keys;
  std::vector<Pbkdf2Job> jobs;

  void Add(Bytes password, Bytes salt, uint32_t iterations, size_t key_size) {
    passwords.push_back(std::move(password));
    salts.push_back(std::move(salt));
    keys.emplace_back(key_size);
    jobs.push_back({passwords.back(), salts.back(), iterations, keys.back()});
  }
  void ExpectAsOpenssl() const {
    for (size_t i = 0; i < jobs.size(); ++i) {
      EXPECT_EQ(keys[i], ByOpenssl(jobs[i])) << "job " << i << " of " << jobs.size();
    }
  }
};

Batch RandomBatch(Random& random, size_t jobs, uint32_t iterations) {
  Batch batch;
  for (size_t i = 0; i < jobs; ++i)
    batch.Add(random.Draw(4), random.Draw(16 + i % 17), iterations, 80);
  return batch;
}

class EachKernel : public testing::TestWithParam<Pbkdf2Kernel> {
 protected:
  void SetUp() override {
    if (!Runs(GetParam())) GTEST_SKIP() << "SKIPPED: this CPU does not run the kernel";
  }
};

TEST_P(EachKernel, AgreesWithTheSdkVectors) {
  const auto vectors = test::LoadVectorJson("matter/spake2p/pbkdf2_sha256_vectors.json");
  if (!vectors) GTEST_SKIP() << test::kNoVectors;
  for (const auto& row : vectors->at("vectors")) {
    if (row["upstream_result"] != "CHIP_NO_ERROR") continue;
    const Bytes password = test::HexOf(row["password_hex"]), salt = test::HexOf(row["salt_hex"]);
    Bytes key(row["key_len"].get<size_t>());
    const Pbkdf2Job job{password, salt, row["iterations"], key};
    DeriveKeysWith(GetParam(), {&job, 1});
    EXPECT_EQ(key, test::HexOf(row["key_hex"])) << row["tc"];
  }
}

TEST_P(EachKernel, AgreesWithOpensslOnAnyNumberOfJobs) {
  SystemRandom random;
  for (size_t jobs = 0; jobs <= 18; ++jobs) {
    const Batch batch = RandomBatch(random, jobs, 37);
    DeriveKeysWith(GetParam(), batch.jobs);
    batch.ExpectAsOpenssl();
  }
}

TEST_P(EachKernel, AgreesWithOpensslOnOddSizesAndMixedIterations) {
  SystemRandom random;
  Batch batch;
  for (uint32_t i = 0; i < 40; ++i) {
    batch.Add(random.Draw(i * 3), random.Draw(i * 2), 1 + i * 7 % 50, 1 + i * 11 % 130);
  }
  batch.Add(random.Draw(64), random.Draw(8), 2, 32);
  batch.Add(random.Draw(65), random.Draw(200), 1, 33);
  batch.Add({}, {}, 5, 80);
  DeriveKeysWith(GetParam(), batch.jobs);
  batch.ExpectAsOpenssl();
}

// Gives one job a call, and none at every third call, as if the next had not come yet.
class SlowFeed final : public Pbkdf2Feed {
 public:
  explicit SlowFeed(std::span<const Pbkdf2Job> jobs) : jobs_(jobs), ended_(jobs.size()) {}
  const Pbkdf2Job* Next() override {
    if (++calls_ % 3 == 0 && under_way_ > 0) return nullptr;
    if (next_ == jobs_.size()) return nullptr;
    ++under_way_;
    return &jobs_[next_++];
  }
  void Ended(const Pbkdf2Job& job) override {
    --under_way_;
    ++ended_[static_cast<size_t>(&job - jobs_.data())];
    EXPECT_EQ(ToBytes(job.key), ByOpenssl(job)) << "a job ends when its key is whole";
  }
  const std::vector<int>& ended() const { return ended_; }

 private:
  const std::span<const Pbkdf2Job> jobs_;
  std::vector<int> ended_;
  size_t next_ = 0;
  int calls_ = 0, under_way_ = 0;
};

TEST_P(EachKernel, TakesJobsThatComeWhileOthersAreComputedAndEndsEachOnce) {
  Batch batch;
  for (uint32_t i = 0; i < 40; ++i) {
    // Longer and shorter than the steps taken at once, keys of no to four blocks.
    const uint32_t iterations = i % 4 == 0 ? 1 + i : (i % 3 + 1) * (kPbkdf2StepsAtOnce - 1) + i;
    batch.Add(Bytes(i % 5, static_cast<uint8_t>(i)), Bytes(16, static_cast<uint8_t>(i * 3)),
              iterations, (i % 9) * 16);
  }
  SlowFeed feed(batch.jobs);
  DeriveKeysWith(GetParam(), feed);
  EXPECT_EQ(feed.ended(), std::vector<int>(batch.jobs.size(), 1));
}

INSTANTIATE_TEST_SUITE_P(Pbkdf2, EachKernel,
                         testing::Values(Pbkdf2Kernel::kOpenssl, Pbkdf2Kernel::kTransform,
                                         Pbkdf2Kernel::kShaNi, Pbkdf2Kernel::kAvx512),
                         [](const auto& info) {
                           return std::string(Pbkdf2KernelName(info.param));
                         });

TEST(Pbkdf2, TheChosenWayAgreesWithOpensslForEveryBatchSize) {
  SystemRandom random;
  for (size_t jobs : {0, 1, 2, 3, 5, 6, 7, 11, 16, 33}) {
    const Batch batch = RandomBatch(random, jobs, 100);
    DeriveKeys(batch.jobs);
    batch.ExpectAsOpenssl();
  }
}

TEST(Pbkdf2, ThreadsDoNotDisturbEachOther) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      SystemRandom random;
      for (size_t round = 0; round < 20; ++round) {
        const Batch batch = RandomBatch(random, 1 + round % 7, 20);
        DeriveKeys(batch.jobs);
        batch.ExpectAsOpenssl();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Pbkdf2, KernelsAreCalledByTheirNames) {
  for (Pbkdf2Kernel kernel : {Pbkdf2Kernel::kOpenssl, Pbkdf2Kernel::kTransform,
                              Pbkdf2Kernel::kShaNi, Pbkdf2Kernel::kAvx512}) {
    EXPECT_EQ(Pbkdf2KernelOf(Pbkdf2KernelName(kernel)), kernel);
  }
  EXPECT_EQ(Pbkdf2KernelOf("sse2"), std::nullopt);
  EXPECT_TRUE(Runs(Pbkdf2Kernel::kTransform));
}

TEST(Pbkdf2, TheChosenKernelRunsHereAndIsTheForcedOneWhereForced) {
  const char* name = std::getenv("ASSAY_PBKDF2_KERNEL");
  const auto forced = Pbkdf2KernelOf(name == nullptr ? "" : name);
  for (size_t jobs : {1, 2, 3, 64}) {
    EXPECT_TRUE(Runs(ChoosePbkdf2Kernel(jobs)));
    if (forced && Runs(*forced)) {
      EXPECT_EQ(ChoosePbkdf2Kernel(jobs), *forced);
    }
  }
}

TEST(Pbkdf2, WhereTheWideKernelPaysIsTheMiddleOfWhatWasMeasured) {
  EXPECT_EQ(LanesWorthWide({7.1, 6.9, 7.0, 30.0, 7.2}), 7);
  EXPECT_EQ(LanesWorthWide({1.0}), 3);
  EXPECT_EQ(LanesWorthWide({40.0}), kAvx512Width);
}

TEST(Pbkdf2, AMeasurementThatAClockSpoiledDecidesNothing) {
  const double nothing = std::numeric_limits<double>::quiet_NaN();
  const double endless = std::numeric_limits<double>::infinity();
  EXPECT_EQ(LanesWorthWide({nothing, endless, 0.0, -7.0, 8.0}), 8);
  EXPECT_EQ(LanesWorthWide({nothing, nothing, endless}), kAvx512Width / 2);
  EXPECT_EQ(LanesWorthWide({}), kAvx512Width / 2);
}

TEST(Pbkdf2, TheChoiceInWordsNamesTheKernelThatIsChosen) {
  const std::string bulk(Pbkdf2KernelName(ChoosePbkdf2Kernel(64)));
  EXPECT_EQ(Pbkdf2Choice().substr(0, bulk.size()), bulk) << Pbkdf2Choice();
}

}  // namespace
}  // namespace assay::matter
