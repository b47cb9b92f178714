// Where the server is and who this client is to it: one small YAML file.
//
//   server: localhost:7443
//   server_name: assayd          # the name in the server's certificate, where the address has
//   another ca: tls/ca.pem factory: demo                # for lots that `assay mfg-tool` opens by
//   itself identities:
//     line:     {certificate: tls/line.pem, key: tls/line.key}
//     operator: {certificate: tls/operator.pem, key: tls/operator.key}
//     auditor:  {certificate: tls/auditor.pem, key: tls/auditor.key}
//
// Paths are relative to the file. Unknown keys and missing ones are refused with their path.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace assay::client {

struct Identity {
  std::string certificate_file;  // PEM, with intermediates
  std::string key_file;          // PEM
};

struct Profile {
  std::string path;
  std::string server;
  std::string server_name;
  std::string ca_file;
  std::string factory;
  std::map<std::string, Identity> identities;  // by role: "line", "operator", "auditor"

  // FIELD_REQUIRED naming the profile's key where the role is not there.
  absl::StatusOr<Identity> IdentityOf(const std::string& role) const;
};

absl::StatusOr<Profile> ParseProfile(std::string_view yaml, const std::string& path);

// `given` where not empty; else $ASSAY_PROFILE, ./var/client.yaml, ~/.config/assay/client.yaml, the
// first that is there. The refusal names all places looked at.
absl::StatusOr<Profile> FindProfile(const std::string& given);

}  // namespace assay::client
