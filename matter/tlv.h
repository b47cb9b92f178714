// Matter TLV (spec appendix A): writer and strict reader. Not thread-safe; cheap to make.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"

namespace assay::matter {

struct TlvTag {
  enum class Kind : uint8_t { kAnonymous, kContext, kCommon, kImplicit, kFullyQualified };
  Kind kind = Kind::kAnonymous;
  uint16_t vendor = 0;   // fully qualified only
  uint16_t profile = 0;  // fully qualified only
  uint32_t number = 0;   // context: 0..255
  static TlvTag Anonymous() { return {}; }
  static TlvTag Context(uint8_t number) { return {Kind::kContext, 0, 0, number}; }
  static TlvTag FullyQualified(uint16_t vendor, uint16_t profile, uint32_t number) {
    return {Kind::kFullyQualified, vendor, profile, number};
  }
  bool IsContext(uint8_t wanted) const { return kind == Kind::kContext && number == wanted; }
  friend bool operator==(const TlvTag&, const TlvTag&) = default;
};

enum class TlvType : uint8_t {
  kSigned,
  kUnsigned,
  kBoolean,
  kFloat,
  kUtf8,
  kBytes,
  kNull,
  kStructure,
  kArray,
  kList
};

// Numbers are written in the fewest octets, lengths likewise. Tags are the caller's duty.
class TlvWriter {
 public:
  void PutUnsigned(TlvTag tag, uint64_t value);
  void PutSigned(TlvTag tag, int64_t value);
  void PutBoolean(TlvTag tag, bool value);
  void PutNull(TlvTag tag);
  void PutUtf8(TlvTag tag, std::string_view text);
  void PutBytes(TlvTag tag, ByteView bytes);
  void StartStructure(TlvTag tag);
  void StartArray(TlvTag tag);
  void StartList(TlvTag tag);
  void EndContainer();
  // The bytes so far; the writer is empty afterwards.
  Bytes Take();

 private:
  void PutControl(uint8_t element_type, TlvTag tag);
  void PutSized(uint8_t base_type, TlvTag tag, ByteView bytes);
  Bytes out_;
};

struct TlvElement {
  TlvTag tag;
  TlvType type = TlvType::kNull;
  uint64_t number =
      0;           // kUnsigned, kBoolean; the two's complement for kSigned; raw bits for kFloat
  ByteView bytes;  // kUtf8, kBytes
  int64_t AsSigned() const { return static_cast<int64_t>(number); }
  bool IsContainer() const { return type >= TlvType::kStructure; }
};

// Reads one level at a time. FIELD_MALFORMED for reserved types, lengths past the end, text that is
// not UTF-8, a missing or surplus end of container, nesting deeper than 16.
class TlvReader {
 public:
  explicit TlvReader(ByteView input) : input_(input) {}

  // The next element of this level, or nothing at its end. A container not entered is skipped by
  // the next call.
  absl::StatusOr<std::optional<TlvElement>> Next();
  // Into the container Next() just returned.
  absl::Status Enter();
  // To the end of the entered container, skipping what is left in it.
  absl::Status Exit();
  // Refuses unless every container is left and no byte remains.
  absl::Status Finish() const;
  // Offset of the next unread byte.
  size_t offset() const { return offset_; }

 private:
  absl::StatusOr<uint64_t> ReadLittleEndian(size_t size);
  absl::StatusOr<TlvTag> ReadTag(uint8_t control);
  absl::StatusOr<std::optional<TlvElement>> ReadElement();
  absl::Status SkipContainer();

  ByteView input_;
  size_t offset_ = 0;
  int depth_ = 0;
  bool at_container_ = false;  // Next() returned a container that was not entered yet
  bool at_end_ = false;        // the end of the current container was read
};

}  // namespace assay::matter
