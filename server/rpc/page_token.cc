#include "server/rpc/page_token.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/refusal.h"

namespace assay::rpc {
namespace {

constexpr uint32_t kLargestPage = 1000;
constexpr size_t kRowBytes = 8, kCodeBytes = 16;
constexpr size_t kLongestToken = 512;

absl::Status Invalid() {
  return RefuseField(Reason::PAGE_TOKEN_INVALID, "page_token", "",
                     "must be the next_page_token of the same query by the same caller");
}

}  // namespace

absl::Status CheckPageSize(uint32_t page_size) {
  if (page_size <= kLargestPage) return absl::OkStatus();
  return RefuseField(Reason::FIELD_OUT_OF_RANGE, "page_size", absl::StrCat(page_size),
                     absl::StrCat("must be 1 to ", kLargestPage));
}

Bytes PageTokens::Code(std::string_view query, ByteView place) const {
  const Sha256Digest digest = Sha256(AsBytes(query));
  Bytes text(digest.begin(), digest.end());
  Append(text, place);
  Bytes code(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()), text.data(), text.size(),
       code.data(), &size);
  code.resize(kCodeBytes);
  return code;
}

std::string PageTokens::Make(std::string_view query, int64_t after_row) const {
  Bytes row;
  AppendLe64(row, static_cast<uint64_t>(after_row));
  return MakeAfter(query, AsText(row));
}

std::string PageTokens::MakeAfter(std::string_view query, std::string_view name) const {
  Bytes token = ToBytes(AsBytes(name));
  const Bytes code = Code(query, token);
  Append(token, code);
  const std::string_view text = AsText(token);
  return absl::WebSafeBase64Escape(absl::string_view(text.data(), text.size()));
}

absl::StatusOr<int64_t> PageTokens::Read(std::string_view query, std::string_view token) const {
  if (token.empty()) return 0;
  const auto place = ReadAfter(query, token);
  if (!place.ok()) return place.status();
  if (place->size() != kRowBytes) return Invalid();
  const ByteView bytes = AsBytes(*place);
  uint64_t row = 0;
  for (size_t i = kRowBytes; i-- > 0;) row = row << 8 | bytes[i];
  return static_cast<int64_t>(row);
}

absl::StatusOr<std::string> PageTokens::ReadAfter(std::string_view query,
                                                  std::string_view token) const {
  if (token.empty()) return std::string();
  std::string raw;
  if (token.size() > kLongestToken ||
      !absl::WebSafeBase64Unescape(absl::string_view(token.data(), token.size()), &raw) ||
      raw.size() < kCodeBytes) {
    return Invalid();
  }
  const size_t size = raw.size() - kCodeBytes;
  const ByteView bytes = AsBytes(raw);
  if (!EqualInConstantTime(Code(query, bytes.first(size)), bytes.subspan(size))) return Invalid();
  raw.resize(size);
  return raw;
}

}  // namespace assay::rpc
