#include "client/text_record.h"

#include "base/refusal.h"
#include "client/files.h"
#include "nlohmann/json.hpp"

namespace assay::client {

absl::Status WriteRecord(const std::string& path, const TextRecord& record) {
  return ReplaceFile(path, AsBytes(nlohmann::json(record).dump(2) + "\n"), kPrivateFile);
}

absl::StatusOr<TextRecord> ReadRecord(const std::string& path) {
  auto text = ReadTextFile(path);
  if (!text.ok()) return text.status();
  const auto json = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  const absl::Status malformed =
      RefuseField(Reason::FIELD_MALFORMED, path, "", "is not an object of texts");
  if (!json.is_object()) return malformed;
  TextRecord record;
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string()) return malformed;
    record.emplace(key, value.get<std::string>());
  }
  return record;
}

}  // namespace assay::client
