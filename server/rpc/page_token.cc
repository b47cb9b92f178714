#include "server/rpc/page_token.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "absl/strings/escaping.h"
#include "base/bytes.h"
#include "base/refusal.h"

namespace assay::rpc {
namespace {

constexpr size_t kRowBytes = 8, kCodeBytes = 16;

absl::Status Invalid() {
  return RefuseField(Reason::PAGE_TOKEN_INVALID, "page_token", "",
                     "must be the next_page_token of the same query by the same caller");
}

}  // namespace

Bytes PageTokens::Code(std::string_view query, ByteView row) const {
  const Sha256Digest digest = Sha256(AsBytes(query));
  Bytes text(digest.begin(), digest.end());
  Append(text, row);
  Bytes code(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()), text.data(), text.size(),
       code.data(), &size);
  code.resize(kCodeBytes);
  return code;
}

std::string PageTokens::Make(std::string_view query, int64_t after_row) const {
  Bytes token;
  AppendLe64(token, static_cast<uint64_t>(after_row));
  const Bytes code = Code(query, token);
  Append(token, code);
  return absl::WebSafeBase64Escape(
      absl::string_view(reinterpret_cast<const char*>(token.data()), token.size()));
}

absl::StatusOr<int64_t> PageTokens::Read(std::string_view query, std::string_view token) const {
  if (token.empty()) return 0;
  std::string raw;
  if (token.size() > 64 ||
      !absl::WebSafeBase64Unescape(absl::string_view(token.data(), token.size()), &raw) ||
      raw.size() != kRowBytes + kCodeBytes) {
    return Invalid();
  }
  const ByteView bytes = AsBytes(raw);
  const Bytes code = Code(query, bytes.first(kRowBytes));
  if (!EqualInConstantTime(code, bytes.subspan(kRowBytes))) return Invalid();
  uint64_t row = 0;
  for (size_t i = kRowBytes; i-- > 0;) row = row << 8 | bytes[i];
  return static_cast<int64_t>(row);
}

}  // namespace assay::rpc
