// Messages of the contract written by hand in YAML: product files and the like. Keys are the
// contract's field names.
//
//   name: light
//   spec:
//     vendor_id: 0xFFF1
//     certification_declaration: cd.der     # blobs are file names, relative to the YAML file
//     commissioning_flow: user-intent       # enums by their word
//     fixed_labels: [0/room/kitchen]        # as mfg_tool writes them, or as maps
//     supported_modes: ['1/Quiet/1']
//     dac: {attestation: server-key, lifetime: never-expires}
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace assay::client {

// Fills `message`. Every refusal names file, line and the key's path: unknown keys, wrong types,
// numbers out of range, words that no enum has, files that cannot be read. Integers in any base
// (0x, 0o).
absl::Status FillFromYaml(std::string_view yaml, const std::string& path,
                          google::protobuf::Message& message);

}  // namespace assay::client
