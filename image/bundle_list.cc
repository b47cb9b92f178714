#include "image/bundle_list.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/refusal.h"

namespace assay::image {
namespace {

constexpr size_t kDigestText = 64;
constexpr std::string_view kGap = "  ";
constexpr size_t kMaxLine = kDigestText + kGap.size() + kMaxBundleName;

absl::Status Malformed(uint64_t line, absl::string_view rule) {
  return RefuseField(Reason::FIELD_MALFORMED, "list", "", absl::StrCat("line ", line, ": ", rule));
}

bool IsNamePart(std::string_view part) {
  return !part.empty() && part[0] != '.' && std::all_of(part.begin(), part.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
  });
}

}  // namespace

std::string BundleListHead(std::string_view lot) {
  return "# assay bundle 1 of lot " + std::string(lot) + "\n";
}

std::string BundleListLine(const Sha256Digest& digest, std::string_view name) {
  return ToHex(digest) + std::string(kGap) + std::string(name) + "\n";
}

bool IsBundleName(std::string_view name) {
  if (name.size() > kMaxBundleName) return false;
  while (true) {
    const size_t slash = name.find('/');
    if (!IsNamePart(name.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    name.remove_prefix(slash + 1);
  }
}

absl::Status BundleListReader::TakeLine(std::string_view line) {
  ++lines_;
  if (lines_ == 1) {
    const std::string head = BundleListHead(lot_);
    if (line == std::string_view(head).substr(0, head.size() - 1)) return absl::OkStatus();
    return Malformed(lines_, absl::StrCat("must be \"", absl::StripAsciiWhitespace(head), "\""));
  }
  const absl::string_view rule = "must be a SHA-256 in lower-case hex, two blanks and a name";
  if (line.size() <= kDigestText + kGap.size() || line.substr(kDigestText, kGap.size()) != kGap) {
    return Malformed(lines_, rule);
  }
  const std::string_view text = line.substr(0, kDigestText);
  const auto bytes = FromHex(text);
  if (!bytes.ok() || ToHex(*bytes) != text) return Malformed(lines_, rule);
  const std::string_view name = line.substr(kDigestText + kGap.size());
  if (!IsBundleName(name)) {
    return Malformed(lines_, "a name is 1 to 240 of [A-Za-z0-9._-], in parts divided by '/'");
  }
  if (name <= last_name_) return Malformed(lines_, "the names must be sorted, each once");
  last_name_ = name;
  ++members_;
  if (on_member_) {
    Sha256Digest digest{};
    std::copy(bytes->begin(), bytes->end(), digest.begin());
    on_member_(name, digest);
  }
  return absl::OkStatus();
}

absl::Status BundleListReader::Feed(std::string_view piece) {
  while (!piece.empty()) {
    const size_t end = piece.find('\n');
    rest_ += piece.substr(0, std::min(end, kMaxLine + 1));
    if (rest_.size() > kMaxLine) return Malformed(lines_ + 1, "is too long");
    if (end == std::string_view::npos) return absl::OkStatus();
    ASSAY_RETURN_IF_ERROR(TakeLine(rest_));
    rest_.clear();
    piece.remove_prefix(end + 1);
  }
  return absl::OkStatus();
}

absl::Status BundleListReader::End() const {
  if (!rest_.empty()) return Malformed(lines_ + 1, "is cut off");
  if (members_ == 0) return Malformed(lines_ + 1, "there is no member");
  return absl::OkStatus();
}

}  // namespace assay::image
