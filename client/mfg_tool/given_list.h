// DACs made elsewhere, one or many, from a folder or a CSV: read, matched and checked as a whole
// before anything is issued.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "assay/v1/catalog.pb.h"
#include "assay/v1/issuance.pb.h"

namespace assay::client {

struct GivenUnit {
  std::string origin;  // "dacs/unit-1.pem" or "dacs.csv line 3"
  std::string name;    // the DAC's serial number in upper-case hex; told apart where two issuers
                       // used the same one. Fit for a ticket
  v1::GivenDac dac;    // certificate and PAI in DER, the key as 32 bytes or absent
  std::string serial_number;  // the device's; empty: drawn
};

// What they must fit: vendor and product as the lot's DACs bear them, and be valid at `now`.
struct GivenRules {
  uint16_t vendor_id = 0;
  uint16_t product_id = 0;
  absl::Time now;
};
// The ids of a lot's DACs: the declaration's origin pair where it has one.
GivenRules RulesFor(const v1::ProductSpec& spec, absl::Time now);

// A folder: every *.pem, *.der, *.crt, *.cer and *.key in it and below; which key and which PAI is
// whose is seen from their content, not their names. The same certificate or key as PEM and as DER
// under one name counts once. A CSV: a header with the column `cert`, and as wanted `key`, `pai`
// and `serial-num`; a cell is a path (beside the CSV) or PEM; `pai` may be left to `pai_file`. A
// single certificate file: that one. `pai_file`: the PAI, or more of them, where they are not among
// those.
//
// Refused, naming file and row: what can be read neither as certificate nor key, a key of no
// certificate here, a DAC without its PAI, one that breaks the profile or is of another vendor or
// product or not valid, the same DAC or the same key twice.
absl::StatusOr<std::vector<GivenUnit>> ReadGiven(const std::string& path,
                                                 const std::string& pai_file,
                                                 const GivenRules& rules);

}  // namespace assay::client
