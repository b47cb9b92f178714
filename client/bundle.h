// A lot's bundle: an archive of the units' files with a list of their SHA-256 and the list's
// detached signature by the image key.
//   units/<device id>/...    what `assay issue` writes for a unit, without its row
//   manifest.csv             the rows of all units
//   image_certificate.pem
//   SHA256SUMS               every other member, sorted by name
//   SHA256SUMS.cms
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "assay/v1/catalog.pb.h"
#include "assay/v1/types.pb.h"
#include "base/bytes.h"
#include "client/tar.h"

namespace assay::client {

inline constexpr char kBundleListName[] = "SHA256SUMS";
inline constexpr char kBundleSignatureName[] = "SHA256SUMS.cms";

// Not thread-safe.
class BundleWriter {
 public:
  static absl::StatusOr<BundleWriter> Create(const std::string& path, std::string lot);

  // Checks the identity against `spec` first.
  absl::Status AddUnit(const v1::Identity& identity, const v1::ProductSpec& spec);
  // Adds the manifest and the certificate; the list to be signed.
  absl::StatusOr<std::string> Close();
  // Adds list and signature, which must hold under `certificate`, the units' own image certificate.
  absl::Status Finish(const std::string& list, const std::string& signature,
                      const std::string& certificate);
  uint64_t units() const { return units_; }

 private:
  BundleWriter(TarWriter tar, std::string lot) : tar_(std::move(tar)), lot_(std::move(lot)) {}
  absl::Status Add(const std::string& name, ByteView bytes);

  TarWriter tar_;
  std::string lot_;
  std::map<std::string, Sha256Digest> members_;
  std::string manifest_;
  std::string image_certificate_;
  uint64_t units_ = 0;
};

struct BundleFinding {
  std::string member;
  std::string fault;  // "changed", "missing", "added", "twice", "signature"
};
struct BundleVerdict {
  std::string lot;
  uint64_t members = 0;
  uint64_t units = 0;
  std::vector<BundleFinding> findings;  // sorted by member; none: it is what was signed
};

// Checks an archive with nothing but the image certificate (DER). A refusal (BUNDLE_INVALID) where
// the archive cannot be read to its end or its list is not signed by this certificate; else every
// member against the list, and every image against its own signature.
absl::StatusOr<BundleVerdict> VerifyBundle(const std::string& path, ByteView certificate);

}  // namespace assay::client
