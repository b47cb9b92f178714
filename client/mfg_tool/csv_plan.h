// mfg_tool's --csv and --mcsv as values the line gives: the whole of both files is read and checked
// before anything is issued. serial-num, rd-id-uid, discriminator, passcode, salt and verifier
// become values of the device, so that image, label and records agree; other keys become extra keys
// of the product. Every refusal names file, line and column.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "assay/v1/catalog.pb.h"
#include "assay/v1/issuance.pb.h"

namespace assay::client {

struct CsvPlan {
  std::vector<v1::ExtraKey> extra_keys;
  std::vector<v1::DeviceValues> devices;  // a row each, at least one
  bool has_rotating_id = false;
};

// Reads both files; `file` values are read from the path as it stands, or below the mcsv file's
// folder.
absl::StatusOr<CsvPlan> PlanFromCsv(const std::string& csv_path, const std::string& mcsv_path);
// The same from texts.
absl::StatusOr<CsvPlan> PlanFromCsvTexts(std::string_view csv, const std::string& csv_path,
                                         std::string_view mcsv, const std::string& mcsv_path);

}  // namespace assay::client
