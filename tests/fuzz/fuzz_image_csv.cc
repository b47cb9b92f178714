// The csv and mcsv readers. The part before the first NUL is the schema, the rest are the values.
#include <string_view>

#include "image/csv.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace assay::image;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const size_t split = text.find('\0');
  const std::string_view values = split == std::string_view::npos ? text : text.substr(split + 1);
  const auto no_file = [](std::string_view) -> absl::StatusOr<assay::Bytes> {
    return assay::Bytes();
  };
  (void)ReadPartitionCsv(text, "p.csv", no_file).status();
  const auto schema = ReadCsvSchema(text.substr(0, split), "s.csv");
  if (schema.ok()) (void)ReadCsvUnits(*schema, values, "v.csv", no_file).status();
  (void)ReadCsv(text, "c.csv").status();
  return 0;
}
