// One device, one folder: what `assay issue` leaves for the flashing station and the label printer.
//   dac.der dac.pem pai.der pai.pem cd.der cd.pem
//   <image>.bin <image>.bin.cms     each image with its detached signature; a withheld one leaves
//   <image>.sha256 codes.csv codes.txt qr.png qr.svg manifest_row.csv                its row of the
//   manifest, so that an interrupted run can be completed
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "assay/v1/catalog.pb.h"
#include "assay/v1/types.pb.h"
#include "base/bytes.h"
#include "base/secret.h"

namespace assay::client {

struct DeviceFile {
  std::string name;
  SecretBytes bytes;
  bool is_private = false;  // mode 0600; others 0644, in a folder that is 0700 anyway
};

// Columns of manifest.csv, and a device's row; both with a line feed.
std::string ManifestHeader();
std::string ManifestRowOf(const v1::Identity& identity, const v1::ProductSpec& spec);

// The files of a device. FIELD_MALFORMED where a QR text cannot be drawn or a name would leave the
// folder.
absl::StatusOr<std::vector<DeviceFile>> DeviceFiles(const v1::Identity& identity,
                                                    const v1::ProductSpec& spec);

// Writes them into `folder`, which is made new with mode 0700; not durable before SyncFileSystem.
absl::Status WriteDeviceFiles(const std::string& folder, const std::vector<DeviceFile>& files);

// A name of the server's used as a file name: letters, digits, '.', '_', '-', not beginning with
// '.'.
absl::Status CheckFileName(const std::string& name);

}  // namespace assay::client
