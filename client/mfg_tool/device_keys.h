// What an issued device's images hold, read out of them with our own readers: the keys mfg_tool
// lists in its csv files, and the DAC key for its internal/ files.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "assay/v1/catalog.pb.h"
#include "assay/v1/types.pb.h"
#include "base/secret.h"

namespace assay::client {

// One line of mfg_tool's generator csv. Blobs that mfg_tool keeps in files (type "file") have their
// bytes in `content` and get their path when the tree is written.
struct DeviceKey {
  std::string name_space;
  std::string key;
  std::string type;      // "data" or "file"
  std::string encoding;  // "u32", "string", "hex2bin", "binary" ...
  std::string value;
  Bytes content;
};

struct DeviceContent {
  std::vector<DeviceKey> keys;  // of the factory image, in its order
  SecretBytes dac_key;          // 32 bytes; empty without attestation or where the device holds it
  Bytes dac_public_key;         // 65 bytes
};

// Opens an encrypted factory image with the keys that came with it. ROLE_MISSING where they were
// withheld, IMAGE_MALFORMED where an image cannot be read.
absl::StatusOr<DeviceContent> ReadDeviceContent(const v1::Identity& identity,
                                                const v1::ProductSpec& spec);

}  // namespace assay::client
