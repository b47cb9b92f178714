// mfg_tool's output tree (esp-matter-mfg-tool 1.0.23): the same folders, file names and columns.
// Private files have mode 0600 and the device folders 0700, where the original leaves keys readable
// to everyone; the images' signatures lie in internal/ beside its files.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "assay/v1/catalog.pb.h"
#include "assay/v1/types.pb.h"
#include "client/mfg_tool/device_keys.h"

namespace assay::client {

struct TreeOptions {
  std::string outdir;
  std::string declaration_path;  // for the csv files, as it was given; empty: a copy in staging/
  bool write_nvs = true;
  bool write_secure_cert = true;
  std::string made_pai;  // DER of the PAI made for this run, for staging/; empty: none
  absl::Time now;        // names of cn_dacs-... and summary-..., in local time
};

// Not thread-safe. Devices are added in any order; the csv files list them by index.
class MfgToolTree {
 public:
  // Makes <outdir>/<vid>_<pid> and its staging folder. The lists of an earlier run are left as they
  // are.
  static absl::StatusOr<MfgToolTree> Create(const TreeOptions& options,
                                            const v1::ProductSpec& spec);

  const std::string& folder() const { return folder_; }

  // Writes the device's folder. VERIFY_FAILED and IMAGE_MALFORMED as CheckIdentity and
  // ReadDeviceContent say.
  absl::Status Add(size_t index, const v1::Identity& identity);

  // Writes config.csv, master.csv, pin_disc.csv, cn_dacs-*.csv and summary-*.csv; returns the
  // summary's path.
  absl::StatusOr<std::string> Finish();

 private:
  // What the lists say of a device.
  struct Row {
    std::vector<DeviceKey> keys;  // values are paths for files
    std::string common_name;      // of the DAC; empty without
    std::string dac_pem;
    v1::OnboardingCodes codes;
    uint32_t iterations = 0;
    std::string salt, verifier;  // base64
    std::string rotating_id;     // hex
  };

  MfgToolTree(TreeOptions options, v1::ProductSpec spec)
      : options_(std::move(options)), spec_(std::move(spec)) {}
  absl::Status WriteImages(const std::string& folder, const std::string& name,
                           const v1::Identity& identity) const;
  absl::Status WriteOnboarding(const std::string& folder, const std::string& name,
                               const v1::OnboardingCodes& codes) const;
  absl::Status WriteInternal(const std::string& folder, const v1::Identity& identity,
                             const DeviceContent& content) const;
  // Gives file keys their paths below the device's final folder.
  void SetPaths(const std::string& final_folder, std::vector<DeviceKey>& keys) const;
  std::string PartitionCsv(const std::vector<DeviceKey>& keys) const;
  absl::Status WriteStaging(const std::vector<DeviceKey>& columns) const;
  std::string SummaryCsv(const std::vector<DeviceKey>& columns) const;
  std::string MasterRow(const Row& row, const std::vector<DeviceKey>& columns) const;

  TreeOptions options_;
  v1::ProductSpec spec_;
  std::string folder_;
  std::string declaration_;  // path in the csv files
  std::map<size_t, Row> rows_;
};

}  // namespace assay::client
