// Pages of listings: how large one may be, and the tokens that say where a listing goes on, bound
// to the query and the caller that began it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/secret.h"

namespace assay::rpc {

// FIELD_OUT_OF_RANGE above 1000; 0 means the listing's usual size.
absl::Status CheckPageSize(uint32_t page_size);

// Tokens name a row, not an offset, so rows added meanwhile neither repeat nor hide any. They hold
// no secret; the code (HMAC-SHA-256, cut to 16 bytes) keeps a token from being used with another
// query by mistake. Replicas with the same key understand each other's. Thread-safe.
class PageTokens {
 public:
  // `key` of any length above 16 bytes.
  explicit PageTokens(SecretBytes key) : key_(std::move(key)) {}

  // `query` is the canonical text of everything but the page size and the token.
  std::string Make(std::string_view query, int64_t after_row) const;
  // 0 for an empty token; PAGE_TOKEN_INVALID for one that is not of this query.
  absl::StatusOr<int64_t> Read(std::string_view query, std::string_view token) const;
  // The same for listings in the order of names: empty for an empty token.
  std::string MakeAfter(std::string_view query, std::string_view name) const;
  absl::StatusOr<std::string> ReadAfter(std::string_view query, std::string_view token) const;

 private:
  Bytes Code(std::string_view query, ByteView place) const;
  SecretBytes key_;
};

}  // namespace assay::rpc
