// The list of what is in a bundle: a line that names the lot, then one a member, as sha256sum reads
// them:
//   # assay bundle 1 of lot <lot>
//   <SHA-256 in lower-case hex>  <name>
// sorted by name. Its one form keeps the key that signs it from signing anything else.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/bytes.h"

namespace assay::image {

inline constexpr size_t kMaxBundleName = 240;

std::string BundleListHead(std::string_view lot);
std::string BundleListLine(const Sha256Digest& digest, std::string_view name);

// 1 to 240 bytes of [A-Za-z0-9._-] in parts divided by '/', none empty or beginning with '.'.
bool IsBundleName(std::string_view name);

// Reads a list in pieces. Not thread-safe. Each refusal is FIELD_MALFORMED for `list`, naming the
// line.
class BundleListReader {
 public:
  using OnMember = std::function<void(std::string_view name, const Sha256Digest& digest)>;

  explicit BundleListReader(std::string lot, OnMember on_member = nullptr)
      : lot_(std::move(lot)), on_member_(std::move(on_member)) {}

  absl::Status Feed(std::string_view piece);
  // After the last piece: refuses an unfinished line and a list without a member.
  absl::Status End() const;
  uint64_t members() const { return members_; }

 private:
  absl::Status TakeLine(std::string_view line);

  std::string lot_;
  OnMember on_member_;
  std::string rest_;  // the line begun
  std::string last_name_;
  uint64_t lines_ = 0;
  uint64_t members_ = 0;
};

}  // namespace assay::image
