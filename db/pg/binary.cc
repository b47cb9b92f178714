#include "db/pg/binary.h"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

namespace assay::pg {
namespace {

// pg_type.dat
constexpr uint32_t kByteaOid = 17;
constexpr uint32_t kInt8Oid = 20;
constexpr uint32_t kTextOid = 25;
constexpr int64_t kPostgresEpoch = 946684800;  // 2000-01-01 UTC in Unix seconds

void AppendBe32(std::string& out, uint32_t value) {
  const char bytes[] = {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
                        static_cast<char>(value >> 8), static_cast<char>(value)};
  out.append(bytes, sizeof bytes);
}

std::string Be64(int64_t value) {
  std::string out;
  AppendBe32(out, static_cast<uint32_t>(static_cast<uint64_t>(value) >> 32));
  AppendBe32(out, static_cast<uint32_t>(value));
  return out;
}

int64_t ReadSigned(std::string_view bytes) {
  if (bytes.size() != 2 && bytes.size() != 4 && bytes.size() != 8) {
    throw std::logic_error("a column is not an integer");
  }
  uint64_t value = (bytes[0] & 0x80) != 0 ? ~uint64_t{0} : 0;
  for (const char byte : bytes) value = value << 8 | static_cast<uint8_t>(byte);
  return static_cast<int64_t>(value);
}

std::vector<std::string_view> Views(std::span<const ByteView> values) {
  std::vector<std::string_view> views;
  views.reserve(values.size());
  for (const ByteView value : values) views.push_back(AsText(value));
  return views;
}

}  // namespace

Params& Params::Add(std::string value, bool null) {
  values_.push_back(std::move(value));
  nulls_.push_back(null);
  return *this;
}

Params& Params::Int(int64_t value) { return Add(Be64(value)); }
Params& Params::Text(std::string_view value) { return Add(std::string(value)); }
Params& Params::Blob(ByteView value) { return Add(ToText(value)); }
Params& Params::TextOrNull(std::string_view value) {
  return Add(std::string(value), value.empty());
}
Params& Params::Null() { return Add("", true); }

// array_recv: dimensions, null flag, element type, then length and lower bound, then each element's
// size and bytes.
Params& Params::AddArray(uint32_t type, std::span<const std::string_view> values,
                         bool empty_is_null) {
  std::string out;
  size_t size = 20;
  for (const std::string_view value : values) size += 4 + value.size();
  out.reserve(size);
  AppendBe32(out, values.empty() ? 0 : 1);
  AppendBe32(out, empty_is_null ? 1 : 0);
  AppendBe32(out, type);
  if (!values.empty()) {
    AppendBe32(out, static_cast<uint32_t>(values.size()));
    AppendBe32(out, 1);
  }
  for (const std::string_view value : values) {
    if (empty_is_null && value.empty()) {
      AppendBe32(out, ~uint32_t{0});
    } else {
      AppendBe32(out, static_cast<uint32_t>(value.size()));
      out.append(value);
    }
  }
  return Add(std::move(out));
}

Params& Params::Ints(std::span<const int64_t> values) {
  std::vector<std::string> bytes;
  bytes.reserve(values.size());
  for (const int64_t value : values) bytes.push_back(Be64(value));
  const std::vector<std::string_view> views(bytes.begin(), bytes.end());
  return AddArray(kInt8Oid, views, false);
}

Params& Params::Texts(std::span<const std::string_view> values) {
  return AddArray(kTextOid, values, false);
}
Params& Params::TextsOrNull(std::span<const std::string_view> values) {
  return AddArray(kTextOid, values, true);
}
Params& Params::Blobs(std::span<const ByteView> values) {
  return AddArray(kByteaOid, Views(values), false);
}
Params& Params::BlobsOrNull(std::span<const ByteView> values) {
  return AddArray(kByteaOid, Views(values), true);
}

int Rows::affected() const { return std::atoi(PQcmdTuples(result_.get())); }

int64_t Rows::Int(int row, int column) const {
  return IsNull(row, column) ? 0 : ReadSigned(Raw(row, column));
}

bool Rows::Bool(int row, int column) const {
  const std::string_view raw = Raw(row, column);
  return raw.size() == 1 && raw[0] != 0;
}

Sha256Digest Rows::Digest(int row, int column) const {
  Sha256Digest digest{};
  if (IsNull(row, column)) return digest;
  const std::string_view raw = Raw(row, column);
  if (raw.size() != digest.size()) throw std::logic_error("a column is not a SHA-256 digest");
  std::copy(raw.begin(), raw.end(), digest.begin());
  return digest;
}

absl::Time Rows::Time(int row, int column) const {
  if (IsNull(row, column)) return absl::UnixEpoch();
  return absl::FromUnixSeconds(kPostgresEpoch) + absl::Microseconds(ReadSigned(Raw(row, column)));
}

}  // namespace assay::pg
