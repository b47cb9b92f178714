#include "matter/tlv.h"

#include "base/refusal.h"
#include "matter/utf8.h"

namespace assay::matter {
namespace {

constexpr int kMaxDepth = 16;
// Element types of the control octet's low five bits (spec A.7.1).
constexpr uint8_t kTypeSigned = 0x00;
constexpr uint8_t kTypeUnsigned = 0x04;
constexpr uint8_t kTypeFalse = 0x08;
constexpr uint8_t kTypeTrue = 0x09;
constexpr uint8_t kTypeFloat32 = 0x0A;
constexpr uint8_t kTypeFloat64 = 0x0B;
constexpr uint8_t kTypeUtf8 = 0x0C;
constexpr uint8_t kTypeBytes = 0x10;
constexpr uint8_t kTypeNull = 0x14;
constexpr uint8_t kTypeStructure = 0x15;
constexpr uint8_t kTypeList = 0x17;
constexpr uint8_t kTypeEnd = 0x18;

absl::Status Malformed(absl::string_view rule) {
  return RefuseField(Reason::FIELD_MALFORMED, "tlv", "", rule);
}

// log2 of the fewest octets that hold the number.
uint8_t UnsignedWidth(uint64_t value) {
  return value <= UINT8_MAX ? 0 : value <= UINT16_MAX ? 1 : value <= UINT32_MAX ? 2 : 3;
}

uint8_t SignedWidth(int64_t value) {
  if (value >= INT8_MIN && value <= INT8_MAX) return 0;
  if (value >= INT16_MIN && value <= INT16_MAX) return 1;
  return value >= INT32_MIN && value <= INT32_MAX ? 2 : 3;
}

void AppendLe(Bytes& out, uint64_t value, size_t size) {
  for (size_t i = 0; i < size; ++i) out.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

int64_t SignExtend(uint64_t value, size_t size) {
  const size_t shift = 64 - 8 * size;
  return static_cast<int64_t>(value << shift) >> shift;
}

}  // namespace

void TlvWriter::PutControl(uint8_t element_type, TlvTag tag) {
  const bool wide = tag.number > UINT16_MAX;
  switch (tag.kind) {
    case TlvTag::Kind::kAnonymous:
      out_.push_back(element_type);
      return;
    case TlvTag::Kind::kContext:
      out_.push_back(0x20 | element_type);
      out_.push_back(static_cast<uint8_t>(tag.number));
      return;
    case TlvTag::Kind::kCommon:
      out_.push_back((wide ? 0x60 : 0x40) | element_type);
      break;
    case TlvTag::Kind::kImplicit:
      out_.push_back((wide ? 0xA0 : 0x80) | element_type);
      break;
    case TlvTag::Kind::kFullyQualified:
      out_.push_back((wide ? 0xE0 : 0xC0) | element_type);
      AppendLe16(out_, tag.vendor);
      AppendLe16(out_, tag.profile);
      break;
  }
  AppendLe(out_, tag.number, wide ? 4 : 2);
}

void TlvWriter::PutSized(uint8_t base_type, TlvTag tag, ByteView bytes) {
  const uint8_t width = UnsignedWidth(bytes.size());
  PutControl(base_type | width, tag);
  AppendLe(out_, bytes.size(), size_t{1} << width);
  Append(out_, bytes);
}

void TlvWriter::PutUnsigned(TlvTag tag, uint64_t value) {
  const uint8_t width = UnsignedWidth(value);
  PutControl(kTypeUnsigned | width, tag);
  AppendLe(out_, value, size_t{1} << width);
}

void TlvWriter::PutSigned(TlvTag tag, int64_t value) {
  const uint8_t width = SignedWidth(value);
  PutControl(kTypeSigned | width, tag);
  AppendLe(out_, static_cast<uint64_t>(value), size_t{1} << width);
}

void TlvWriter::PutBoolean(TlvTag tag, bool value) {
  PutControl(value ? kTypeTrue : kTypeFalse, tag);
}
void TlvWriter::PutNull(TlvTag tag) { PutControl(kTypeNull, tag); }
void TlvWriter::PutUtf8(TlvTag tag, std::string_view text) {
  PutSized(kTypeUtf8, tag, AsBytes(text));
}
void TlvWriter::PutBytes(TlvTag tag, ByteView bytes) { PutSized(kTypeBytes, tag, bytes); }
void TlvWriter::StartStructure(TlvTag tag) { PutControl(kTypeStructure, tag); }
void TlvWriter::StartArray(TlvTag tag) { PutControl(kTypeStructure + 1, tag); }
void TlvWriter::StartList(TlvTag tag) { PutControl(kTypeList, tag); }
void TlvWriter::EndContainer() { out_.push_back(kTypeEnd); }

Bytes TlvWriter::Take() {
  Bytes taken;
  taken.swap(out_);
  return taken;
}

absl::StatusOr<uint64_t> TlvReader::ReadLittleEndian(size_t size) {
  if (input_.size() - offset_ < size) return Malformed("an element ends within itself");
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) value |= uint64_t{input_[offset_ + i]} << (8 * i);
  offset_ += size;
  return value;
}

absl::StatusOr<TlvTag> TlvReader::ReadTag(uint8_t control) {
  // Octets of vendor and profile, then of the number, by the control octet's high three bits.
  static constexpr struct {
    TlvTag::Kind kind;
    uint8_t qualifier;
    uint8_t number;
  } kForms[] = {{TlvTag::Kind::kAnonymous, 0, 0},      {TlvTag::Kind::kContext, 0, 1},
                {TlvTag::Kind::kCommon, 0, 2},         {TlvTag::Kind::kCommon, 0, 4},
                {TlvTag::Kind::kImplicit, 0, 2},       {TlvTag::Kind::kImplicit, 0, 4},
                {TlvTag::Kind::kFullyQualified, 4, 2}, {TlvTag::Kind::kFullyQualified, 4, 4}};
  const auto& form = kForms[control >> 5];
  TlvTag tag;
  tag.kind = form.kind;
  absl::StatusOr<uint64_t> qualifier = ReadLittleEndian(form.qualifier);
  if (!qualifier.ok()) return qualifier.status();
  tag.vendor = static_cast<uint16_t>(*qualifier);
  tag.profile = static_cast<uint16_t>(*qualifier >> 16);
  absl::StatusOr<uint64_t> number = ReadLittleEndian(form.number);
  if (!number.ok()) return number.status();
  tag.number = static_cast<uint32_t>(*number);
  return tag;
}

absl::StatusOr<std::optional<TlvElement>> TlvReader::ReadElement() {
  absl::StatusOr<uint64_t> control = ReadLittleEndian(1);
  if (!control.ok()) return control.status();
  const uint8_t type = *control & 0x1F;
  if (type > kTypeEnd) return Malformed("a reserved element type");
  if (type == kTypeEnd) {
    if (*control != kTypeEnd || depth_ == 0) return Malformed("a stray end of container");
    return std::optional<TlvElement>();
  }
  absl::StatusOr<TlvTag> tag = ReadTag(static_cast<uint8_t>(*control));
  if (!tag.ok()) return tag.status();
  TlvElement element;
  element.tag = *tag;
  const size_t size = size_t{1} << (type & 3);
  if (type < kTypeFalse || type == kTypeFloat32 || type == kTypeFloat64) {
    const bool is_float = type >= kTypeFloat32;
    const size_t octets = is_float ? (type == kTypeFloat32 ? 4 : 8) : size;
    absl::StatusOr<uint64_t> number = ReadLittleEndian(octets);
    if (!number.ok()) return number.status();
    element.type = is_float               ? TlvType::kFloat
                   : type < kTypeUnsigned ? TlvType::kSigned
                                          : TlvType::kUnsigned;
    element.number = element.type == TlvType::kSigned
                         ? static_cast<uint64_t>(SignExtend(*number, octets))
                         : *number;
  } else if (type == kTypeFalse || type == kTypeTrue) {
    element.type = TlvType::kBoolean;
    element.number = type == kTypeTrue ? 1 : 0;
  } else if (type < kTypeNull) {
    absl::StatusOr<uint64_t> length = ReadLittleEndian(size);
    if (!length.ok()) return length.status();
    if (*length > input_.size() - offset_) return Malformed("a length past the end");
    element.type = type < kTypeBytes ? TlvType::kUtf8 : TlvType::kBytes;
    element.bytes = input_.subspan(offset_, *length);
    offset_ += *length;
    if (element.type == TlvType::kUtf8 && !IsUtf8(AsText(element.bytes))) {
      return Malformed("text that is not UTF-8");
    }
  } else if (type >= kTypeStructure) {
    element.type = type == kTypeStructure ? TlvType::kStructure
                   : type == kTypeList    ? TlvType::kList
                                          : TlvType::kArray;
  }
  return std::optional<TlvElement>(element);
}

absl::StatusOr<std::optional<TlvElement>> TlvReader::Next() {
  if (at_container_) ASSAY_RETURN_IF_ERROR(SkipContainer());
  if (at_end_ || (depth_ == 0 && offset_ == input_.size())) return std::optional<TlvElement>();
  absl::StatusOr<std::optional<TlvElement>> element = ReadElement();
  if (!element.ok()) return element.status();
  if (!element->has_value()) {
    at_end_ = true;
  } else {
    at_container_ = (*element)->IsContainer();
  }
  return element;
}

absl::Status TlvReader::SkipContainer() {
  ASSAY_RETURN_IF_ERROR(Enter());
  return Exit();
}

absl::Status TlvReader::Enter() {
  if (!at_container_) return Malformed("no container to enter");
  if (depth_ == kMaxDepth) return Malformed("nesting deeper than 16");
  ++depth_;
  at_container_ = false;
  return absl::OkStatus();
}

absl::Status TlvReader::Exit() {
  if (depth_ == 0) return Malformed("no container to leave");
  while (!at_end_) ASSAY_RETURN_IF_ERROR(Next().status());
  --depth_;
  at_end_ = false;
  return absl::OkStatus();
}

absl::Status TlvReader::Finish() const {
  if (depth_ != 0 || at_container_) return Malformed("a container is not ended");
  return offset_ == input_.size() ? absl::OkStatus() : Malformed("bytes follow the last element");
}

}  // namespace assay::matter
