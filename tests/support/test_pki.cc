#include "tests/support/test_pki.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <iostream>

namespace assay::test_support {
namespace {

void Insist(bool good, const char* what) {
  if (good) return;
  std::cerr << "test PKI: " << what << "\n";
  std::abort();
}

template <class Write>
std::string Pem(Write write) {
  BIO* bio = BIO_new(BIO_s_mem());
  Insist(write(bio) == 1, "cannot write PEM");
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  std::string pem(text, static_cast<size_t>(size));
  BIO_free(bio);
  return pem;
}

void AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  Insist(extension != nullptr, value.c_str());
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

X509* NewCertificate(const char* name, EVP_PKEY* key, int begins, int ends) {
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  unsigned char serial[8];
  RAND_bytes(serial, sizeof(serial));
  serial[0] &= 0x7f;
  BIGNUM* number = BN_bin2bn(serial, sizeof(serial), nullptr);
  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
  BN_free(number);
  X509_gmtime_adj(X509_getm_notBefore(certificate), begins);
  X509_gmtime_adj(X509_getm_notAfter(certificate), ends);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
  X509_set_pubkey(certificate, key);
  return certificate;
}

}  // namespace

TestPki::TestPki() : key_(EVP_EC_gen("P-256")) {
  Insist(key_ != nullptr, "cannot make a key");
  certificate_ = NewCertificate("Assay test CA", key_, -3600, 7 * 24 * 3600);
  X509_set_issuer_name(certificate_, X509_get_subject_name(certificate_));
  AddExtension(certificate_, certificate_, NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(certificate_, certificate_, NID_key_usage, "critical,keyCertSign,cRLSign");
  AddExtension(certificate_, certificate_, NID_subject_key_identifier, "hash");
  Insist(X509_sign(certificate_, key_, EVP_sha256()) > 0, "cannot sign");
  ca_pem_ = Pem([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate_); });
}

TestPki::~TestPki() {
  X509_free(certificate_);
  EVP_PKEY_free(key_);
}

TlsIdentity TestPki::Leaf(const LeafOptions& options) const {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* leaf = NewCertificate("leaf", key, options.begins_in_seconds, options.ends_in_seconds);
  X509_set_issuer_name(leaf, X509_get_subject_name(certificate_));
  std::string names = options.dns.empty() ? "" : "DNS:" + options.dns;
  for (const std::string& uri : options.uris) names += (names.empty() ? "URI:" : ",URI:") + uri;
  if (!names.empty()) AddExtension(leaf, certificate_, NID_subject_alt_name, names);
  AddExtension(leaf, certificate_, NID_ext_key_usage, "serverAuth,clientAuth");
  AddExtension(leaf, certificate_, NID_authority_key_identifier, "keyid");
  Insist(X509_sign(leaf, key_, EVP_sha256()) > 0, "cannot sign");
  TlsIdentity identity{
      Pem([&](BIO* bio) { return PEM_write_bio_X509(bio, leaf); }), Pem([&](BIO* bio) {
        return PEM_write_bio_PKCS8PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
      })};
  X509_free(leaf);
  EVP_PKEY_free(key);
  return identity;
}

void WritePrivateFile(const std::string& path, const std::string& content) {
  const mode_t before = umask(0077);
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << content;
  file.close();
  umask(before);
  Insist(chmod(path.c_str(), 0600) == 0, path.c_str());
}

}  // namespace assay::test_support
