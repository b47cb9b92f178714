// TLS certificates for tests: a CA of one's own, and leaves good and bad.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

namespace assay::test_support {

struct TlsIdentity {
  std::string certificate;  // PEM
  std::string key;          // PEM
};

struct LeafOptions {
  std::vector<std::string> uris = {};  // URI names
  std::string dns = {};                // DNS name, for servers
  int begins_in_seconds = -60;
  int ends_in_seconds = 3600;
};

// Keys are P-256. Not thread-safe.
class TestPki {
 public:
  TestPki();
  ~TestPki();

  const std::string& ca() const { return ca_pem_; }
  TlsIdentity Leaf(const LeafOptions& options) const;
  TlsIdentity Client(const std::string& uri) const { return Leaf({.uris = {uri}}); }
  TlsIdentity Server() const { return Leaf({.dns = "localhost"}); }

 private:
  EVP_PKEY* key_ = nullptr;
  X509* certificate_ = nullptr;
  std::string ca_pem_;
};

// Mode 0600.
void WritePrivateFile(const std::string& path, const std::string& content);

}  // namespace assay::test_support
