#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "matter/certificate.h"

namespace assay::matter {
namespace {

constexpr size_t kLineLength = 64;

// The next block of `label` at or after `from`, which then points past it; an empty text where
// there is none.
absl::StatusOr<Bytes> NextBlock(const std::string& label, std::string_view text, size_t& from) {
  const std::string begin = absl::StrCat("-----BEGIN ", label, "-----");
  const std::string end = absl::StrCat("-----END ", label, "-----");
  const size_t start = text.find(begin, from);
  const size_t stop = start == std::string_view::npos ? start : text.find(end, start);
  if (stop == std::string_view::npos) {
    return RefuseField(Reason::FIELD_MALFORMED, "pem", "",
                       absl::StrCat("a block of label ", label));
  }
  from = stop + end.size();
  std::string base64;
  for (char c : text.substr(start + begin.size(), stop - start - begin.size())) {
    if (c != '\n' && c != '\r' && c != ' ' && c != '\t') base64.push_back(c);
  }
  absl::StatusOr<Bytes> der = FromBase64(base64);
  if (!der.ok()) {
    return RefuseField(Reason::FIELD_MALFORMED, "pem", "", "base64 between its lines");
  }
  return der;
}

}  // namespace

std::string ToPem(std::string_view label_text, ByteView der) {
  const std::string label(label_text);
  const std::string base64 = ToBase64(der);
  std::string pem = absl::StrCat("-----BEGIN ", label, "-----\n");
  for (size_t at = 0; at < base64.size(); at += kLineLength) {
    absl::StrAppend(&pem, base64.substr(at, kLineLength), "\n");
  }
  absl::StrAppend(&pem, "-----END ", label, "-----\n");
  return pem;
}

absl::StatusOr<Bytes> FromPem(std::string_view label, std::string_view text) {
  size_t from = 0;
  return NextBlock(std::string(label), text, from);
}

absl::StatusOr<std::vector<Certificate>> ParsePemCertificates(std::string_view text) {
  std::vector<Certificate> certificates;
  size_t from = 0;
  do {
    absl::StatusOr<Bytes> der = NextBlock("CERTIFICATE", text, from);
    if (!der.ok()) return der.status();
    absl::StatusOr<Certificate> certificate = Certificate::Parse(*der);
    if (!certificate.ok()) return certificate.status();
    certificates.push_back(*std::move(certificate));
  } while (text.find("-----BEGIN CERTIFICATE-----", from) != std::string_view::npos);
  return certificates;
}

}  // namespace assay::matter
