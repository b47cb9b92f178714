// PostgreSQL's binary format: parameters written, results read. libpqxx 6.4 sends text only, which
// doubles every bytea and parses every array; the issuing path sends arrays of a batch's columns
// instead.
#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "base/bytes.h"
#include "db/storable.h"

namespace assay::pg {

using db::Storable;

// Parameters of one statement, in order. Not thread-safe.
class Params {
 public:
  Params& Int(int64_t value);  // bigint
  Params& Text(std::string_view value);
  Params& Blob(ByteView value);  // bytea
  // NULL where the value is empty.
  Params& TextOrNull(std::string_view value);
  Params& Null();
  Params& Ints(std::span<const int64_t> values);            // bigint[]
  Params& Texts(std::span<const std::string_view> values);  // text[]
  Params& Blobs(std::span<const ByteView> values);          // bytea[]
  // NULL elements where a value is empty.
  Params& TextsOrNull(std::span<const std::string_view> values);
  Params& BlobsOrNull(std::span<const ByteView> values);

  int size() const { return static_cast<int>(values_.size()); }
  const std::vector<std::string>& values() const { return values_; }
  const std::vector<bool>& nulls() const { return nulls_; }

 private:
  Params& Add(std::string value, bool null = false);
  Params& AddArray(uint32_t type, std::span<const std::string_view> values, bool empty_is_null);

  std::vector<std::string> values_;
  std::vector<bool> nulls_;
};

// A result in binary format. A column is read as what the statement selects; the getters check
// sizes and throw std::logic_error when statement and code disagree. NULL reads as 0, empty or the
// beginning of time.
class Rows {
 public:
  explicit Rows(PGresult* result) : result_(result, &PQclear) {}

  int size() const { return PQntuples(result_.get()); }
  PGresult* raw() const { return result_.get(); }
  bool empty() const { return size() == 0; }
  // Rows an INSERT, UPDATE or DELETE touched.
  int affected() const;
  bool IsNull(int row, int column) const { return PQgetisnull(result_.get(), row, column) != 0; }
  int64_t Int(int row, int column) const;  // smallint, int, bigint
  bool Bool(int row, int column) const;
  std::string Text(int row, int column) const { return std::string(Raw(row, column)); }
  Bytes Blob(int row, int column) const { return ToBytes(AsBytes(Raw(row, column))); }
  Sha256Digest Digest(int row, int column) const;  // all zero for NULL
  absl::Time Time(int row, int column) const;      // timestamptz

 private:
  std::string_view Raw(int row, int column) const {
    return {PQgetvalue(result_.get(), row, column),
            static_cast<size_t>(PQgetlength(result_.get(), row, column))};
  }

  std::unique_ptr<PGresult, void (*)(PGresult*)> result_;
};

}  // namespace assay::pg
