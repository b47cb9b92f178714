// Disks that are full: PostgreSQL's, with its WAL, and the one assayd's log is on.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "tests/chaos/strikes/site.h"

namespace assay::chaos {
namespace {

using test_support::PostgresCluster;

// A disk of its own in memory: small, and really full when it is.
class SmallDisk {
 public:
  explicit SmallDisk(int megabytes) {
    char pattern[] = "/tmp/assay-disk-XXXXXX";
    folder_ = mkdtemp(pattern);
    mounted_ = mount("tmpfs", folder_.c_str(), "tmpfs", 0,
                     absl::StrCat("size=", megabytes, "m,mode=755").c_str()) == 0;
  }
  ~SmallDisk() {
    if (mounted_) umount2(folder_.c_str(), MNT_DETACH);
    rmdir(folder_.c_str());
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool mounted() const { return mounted_; }
  const std::string& folder() const { return folder_; }
  // To the last byte.
  void Fill() const {
    const int file = open(Ballast().c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    const std::string block(1 << 16, 'x');
    for (size_t size = block.size(); size > 0;) {
      if (write(file, block.data(), size) <= 0) size /= 2;
    }
    close(file);
  }
  void Free() const { unlink(Ballast().c_str()); }

 private:
  std::string Ballast() const { return folder_ + "/ballast"; }

  std::string folder_;
  bool mounted_ = false;
};

// Certificates signed by what was begun and given up: their attempts are voided.
int Voided(const Site& site) {
  return std::atoi(site.Sql("SELECT count(*) FROM attempts WHERE NOT live").c_str());
}

TEST(DiskFull, TheDatabasesDiskFullRefusesAndHealsWithoutALoss) {
  const SmallDisk disk(260);
  if (!disk.mounted()) GTEST_SKIP() << "SKIPPED: only root can mount a small disk";
  auto cluster = PostgresCluster::Start(
      {.durable = true, .settings = {"max_wal_size=64MB"}, .parent = disk.folder()});
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  {
    Site site({.cluster = cluster->get()});
    Shift shift({site.Channel()}, {.lot = kLot});
    ASSERT_TRUE(shift.AwaitEachLine());
    int crashes = 0;
    int64_t seconds = 0;
    for (int round = 0; round < 2 * Rounds(); ++round) {
      disk.Fill();
      const auto filled = std::chrono::steady_clock::now();
      site.CountFault();
      ASSERT_TRUE(shift.AwaitRefusal());
      SleepFor(Hold());
      disk.Free();
      // PostgreSQL gives up when its log cannot be written; who runs it starts it again.
      if (!(*cluster)->Running()) {
        ++crashes;
        ASSERT_TRUE((*cluster)->StartAgain().ok());
      }
      ASSERT_TRUE(shift.AwaitEachLine());
      seconds += std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() -
                                                                  filled)
                     .count() +
                 1;
    }
    const int voided = Voided(site);
    std::cout << "PostgreSQL ended by itself " << crashes << " times; attempts voided " << voided
              << "\n";
    // What was past its intent when the disk was full, and one try a second from then on; the
    // others were refused before anything was signed.
    EXPECT_LE(voided, 2 * Rounds() * 6 + seconds);
    site.Judge("DiskFull", {&shift});
  }
}

TEST(DiskFull, TheDiskOfTheLogFullStopsNobody) {
  const SmallDisk disk(1);
  if (!disk.mounted()) GTEST_SKIP() << "SKIPPED: only root can mount a small disk";
  Site site({.assayd = {.log_folder = disk.folder()}});
  Shift shift({site.Channel()}, {.lot = kLot});
  ASSERT_TRUE(shift.AwaitEachLine());
  disk.Fill();
  site.CountFault();
  // Something to write about.
  site.gate().CutAll();
  ASSERT_TRUE(shift.AwaitEachLine());
  kill(site.assayd().pid(), SIGHUP);
  ASSERT_TRUE(shift.AwaitEachLine());
  site.Judge("DiskFull, the log's", {&shift});
}

}  // namespace
}  // namespace assay::chaos
