// What a line of mfg_tool's flags asks of Assay: a product, and for each device the values the
// caller gives.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "assay/v1/catalog.pb.h"
#include "assay/v1/issuance.pb.h"
#include "client/mfg_tool/options.h"

namespace assay::client {

struct MfgToolPlan {
  v1::ProductSpec spec;                   // with values_from_line
  std::vector<v1::DeviceValues> devices;  // one a device, at least one
  std::vector<v1::GivenDac> given_dacs;   // none, or one a device
  std::string pai_certificate;  // DER of -c, empty without: the PAI to be used is the one with this
                                // certificate
  bool make_pai = false;        // --paa: a PAI for this run, under the sandbox's PAA
  std::string pai_common_name;
  std::string outdir;
  std::string declaration_path;  // as given with -cd
  bool write_nvs = true;
  bool write_secure_cert = true;
};

// Reads the files the flags name. Every refusal names the flag; those Assay
// answers differently (-k, --port, --password) are FIELD_NOT_ALLOWED
// with the way to go instead.
absl::StatusOr<MfgToolPlan> PlanMfgTool(const MfgToolOptions& options);

// Adds the DACs of --dac-cert, of which a folder or csv says how many devices there are. They are
// held against the ids of `spec` (the plan's, or the lot's) and against `now`; each refusal names
// file and row.
absl::Status TakeGivenDacs(const MfgToolOptions& options, const v1::ProductSpec& spec,
                           absl::Time now, MfgToolPlan& plan);

// FIELDS_CONTRADICT naming the first flag given whose value is not the lot's, with the lot's value
// in the rule. Extra keys of a csv must be keys of the lot's product.
absl::Status CheckAgainstLot(const MfgToolOptions& options, const MfgToolPlan& plan,
                             const v1::ProductSpec& lot_spec);

}  // namespace assay::client
