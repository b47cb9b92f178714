#include "db/ledger_store.h"

#include "absl/strings/str_cat.h"

namespace assay::db {

std::string LedgerLeaf(std::string_view body, absl::Time written_at) {
  constexpr size_t kLargest = 60'000;
  std::string leaf = "{\"at\":\"";
  leaf += absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", written_at, absl::UTCTimeZone());
  if (body.size() <= kLargest) {
    leaf += "\",\"entry\":";
    leaf += body;
    leaf += "}";
  } else {
    absl::StrAppend(&leaf, "\",\"entry_sha256\":\"", ToHex(Sha256(AsBytes(body))),
                    "\",\"size\":", body.size(), "}");
  }
  return leaf;
}

std::string DeviceOfEntry(std::string_view body) {
  // In canonical JSON quotes inside of texts are escaped, so this key cannot be part of a value.
  constexpr std::string_view kKey = "\"device\":\"";
  size_t at = body.find(kKey);
  if (at == body.npos || at == 0 || (body[at - 1] != '{' && body[at - 1] != ',')) return "";
  at += kKey.size();
  const size_t end = body.find('"', at);
  if (end == body.npos || end - at > 64) return "";
  return std::string(body.substr(at, end - at));
}

}  // namespace assay::db
