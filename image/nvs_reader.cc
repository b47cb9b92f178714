#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/refusal.h"
#include "image/nvs.h"
#include "image/nvs_layout.h"

namespace assay::image {
namespace {

bool AllErased(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0xFF; });
}

template <typename Integer>
Integer LoadInteger(const uint8_t* at) {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(Integer); ++i) value |= uint64_t{at[i]} << (8 * i);
  return static_cast<Integer>(value);
}

// Width in bytes; 0 for what is no integer.
size_t IntegerWidth(uint8_t type) {
  const uint8_t width = type & 0x0F;
  const bool integer = (type & 0xE0) == 0 && (width == 1 || width == 2 || width == 4 || width == 8);
  return integer ? width : 0;
}

NvsValue LoadIntegerValue(uint8_t type, const uint8_t* at) {
  switch (type) {
    case kNvsU8:
      return at[0];
    case kNvsI8:
      return static_cast<int8_t>(at[0]);
    case kNvsU16:
      return LoadInteger<uint16_t>(at);
    case kNvsI16:
      return LoadInteger<int16_t>(at);
    case kNvsU32:
      return LoadInteger<uint32_t>(at);
    case kNvsI32:
      return LoadInteger<int32_t>(at);
    case kNvsU64:
      return LoadInteger<uint64_t>(at);
    default:
      return LoadInteger<int64_t>(at);
  }
}

struct Chunk {
  Bytes bytes;
  bool claimed = false;
  size_t record = 0;
};
struct BlobIndex {
  uint32_t size = 0;
  uint8_t count = 0;
  uint8_t start = 0;
  size_t record = 0;
};
using KeyName = std::pair<uint8_t, std::string>;  // namespace index, key

class Reader {
 public:
  explicit Reader(ByteView image) : image_(image) {}

  NvsReading Read() {
    ReadPages();
    // Pages are read in the order they were written; a device moves them about in flash.
    std::vector<size_t> order;
    for (size_t i = 0; i < out_.pages.size(); ++i) {
      if (out_.pages[i].in_use()) order.push_back(i);
    }
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return out_.pages[a].sequence < out_.pages[b].sequence;
    });
    for (const size_t page : order) ReadEntries(page);
    if (order.empty()) out_.faults.push_back("no page is in use");
    NameRecords();
    JoinBlobs();
    CollectEntries();
    for (const NvsRecord& record : out_.records) {
      if (!record.fault.empty()) {
        out_.faults.push_back(
            absl::StrCat("page ", record.page, " slot ", record.slot, ": ", record.fault));
      }
    }
    return std::move(out_);
  }

 private:
  void ReadPages() {
    std::set<uint32_t> sequences;
    for (size_t i = 0; i < image_.size() / kNvsPageSize; ++i) {
      const uint8_t* at = image_.data() + i * kNvsPageSize;
      NvsPage page;
      page.state = ReadLe32(at);
      page.sequence = ReadLe32(at + 4);
      page.version = at[8];
      page.header_crc_ok = ReadLe32(at + kNvsPageCrcAt) == EspCrc32({at + 4, kNvsPageCrcAt - 4});
      for (size_t slot = 0; slot < kNvsEntriesAPage; ++slot) {
        const NvsSlotState state = NvsSlotStateAt(at, slot);
        page.written += state == NvsSlotState::kWritten;
        page.erased += state == NvsSlotState::kErased;
      }
      const std::string where = absl::StrCat("page ", i, ": ");
      if (!page.in_use()) {
        if (!AllErased({at, kNvsPageSize}))
          out_.faults.push_back(where + "marked unused but not erased");
      } else {
        if (page.state != kNvsPageActive && page.state != kNvsPageFull &&
            page.state != kNvsPageFreeing) {
          out_.faults.push_back(absl::StrFormat("%sunknown state 0x%08X", where, page.state));
        }
        if (!page.header_crc_ok) out_.faults.push_back(where + "wrong header CRC");
        if (page.version != static_cast<uint8_t>(NvsVersion::kV1) &&
            page.version != static_cast<uint8_t>(NvsVersion::kV2)) {
          out_.faults.push_back(absl::StrFormat("%sunknown version 0x%02X", where, page.version));
        }
        if (!sequences.insert(page.sequence).second) {
          out_.faults.push_back(where + "another page has the same sequence number");
        }
      }
      out_.pages.push_back(page);
    }
  }

  void ReadEntries(size_t page) {
    const uint8_t* base = image_.data() + page * kNvsPageSize;
    for (size_t slot = 0; slot < kNvsEntriesAPage;) {
      switch (NvsSlotStateAt(base, slot)) {
        case NvsSlotState::kErased:
          ++slot;
          continue;
        case NvsSlotState::kFree:
          if (!AllErased({base + NvsEntryAt(slot), kNvsEntrySize})) {
            AddSlotFault(page, slot, "marked free but not erased");
          }
          ++slot;
          continue;
        case NvsSlotState::kBroken:
          AddSlotFault(page, slot, "its state bits have no meaning");
          ++slot;
          continue;
        case NvsSlotState::kWritten:
          break;
      }
      slot += ReadRecord(base, page, slot);
    }
  }

  void AddSlotFault(size_t page, size_t slot, absl::string_view text) {
    out_.faults.push_back(absl::StrCat("page ", page, " slot ", slot, ": ", text));
  }

  // Slots to go on by.
  size_t ReadRecord(const uint8_t* base, size_t page, size_t slot) {
    const uint8_t* at = base + NvsEntryAt(slot);
    NvsRecord record;
    record.page = page;
    record.slot = slot;
    record.namespace_index = at[0];
    record.type = at[1];
    record.chunk = at[3];
    const uLong crc = crc32(crc32(0xFFFFFFFF, at, 4), at + 8, 24);
    record.header_crc_ok = ReadLe32(at + 4) == static_cast<uint32_t>(crc);
    NvsValue value = uint8_t{0};
    if (!record.header_crc_ok) {
      record.fault = "wrong entry CRC";
    } else {
      record.span = at[2];
      record.fault = CheckShape(base, record);
      if (record.fault.empty()) record.fault = ReadValue(base, record, value);
    }
    const size_t step = record.fault.empty() || !record.body_crc_ok ? record.span : 1;
    out_.records.push_back(std::move(record));
    values_.push_back(std::move(value));
    return std::max<size_t>(step, 1);
  }

  static std::string CheckShape(const uint8_t* base, NvsRecord& record) {
    const uint8_t* at = base + NvsEntryAt(record.slot);
    if (record.span == 0 || record.slot + record.span > kNvsEntriesAPage)
      return "its span leaves the page";
    for (size_t i = 1; i < record.span; ++i) {
      if (NvsSlotStateAt(base, record.slot + i) != NvsSlotState::kWritten)
        return "its span holds unwritten slots";
    }
    const auto* key = reinterpret_cast<const char*>(at + 8);
    const size_t length = strnlen(key, 16);
    if (length == 0 || length > kNvsMaxKey) return "its key is empty or not ended";
    if (std::any_of(key + length, key + 16, [](char c) { return c != 0; }))
      return "bytes follow its key";
    record.key.assign(key, length);
    return "";
  }

  std::string ReadValue(const uint8_t* base, NvsRecord& record, NvsValue& value) {
    const uint8_t* data = base + NvsEntryAt(record.slot) + 24;
    if (const size_t width = IntegerWidth(record.type); width > 0) {
      if (record.span != 1) return "an integer spans one slot";
      if (!AllErased({data + width, 8 - width})) return "bytes follow its integer";
      value = LoadIntegerValue(record.type, data);
      return "";
    }
    switch (record.type) {
      case kNvsBlobIndex:
        if (record.span != 1) return "a blob index spans one slot";
        return "";
      case kNvsString:
      case kNvsBlobV1:
      case kNvsBlobChunk:
        return ReadBody(data, record, value);
      default:
        return absl::StrFormat("unknown type 0x%02X", record.type);
    }
  }

  std::string ReadBody(const uint8_t* data, NvsRecord& record, NvsValue& value) {
    const size_t size = ReadLe16(data);
    if (record.span != 1 + NvsSlotsFor(size)) return "its length and its span disagree";
    const ByteView body(data + 8, size);
    record.body_crc_ok = ReadLe32(data + 4) == EspCrc32(body);
    if (!record.body_crc_ok) return "wrong CRC of its bytes";
    if (!AllErased({data + 8 + size, (record.span - 1) * kNvsEntrySize - size}))
      return "bytes follow its value";
    if (record.type == kNvsString) {
      if (size == 0 || body.back() != 0) return "a string without its NUL";
      if (std::find(body.begin(), body.end() - 1, 0) != body.end() - 1)
        return "a NUL within a string";
      value = ToText(body.first(size - 1));
    } else {
      value = ToBytes(body);
    }
    return "";
  }

  void NameRecords() {
    std::map<uint8_t, std::string> names;
    for (size_t i = 0; i < out_.records.size(); ++i) {
      NvsRecord& record = out_.records[i];
      if (!record.fault.empty() || record.namespace_index != 0) continue;
      const auto* index = std::get_if<uint8_t>(&values_[i]);
      if (record.type != kNvsU8 || index == nullptr || *index == 0 || *index == 0xFF) {
        record.fault = "not a namespace entry";
      } else if (!names.emplace(*index, record.key).second) {
        record.fault = "a second namespace of this index";
      }
    }
    for (NvsRecord& record : out_.records) {
      if (!record.fault.empty() || record.namespace_index == 0) continue;
      const auto found = names.find(record.namespace_index);
      if (found == names.end()) {
        record.fault = absl::StrCat("no namespace has the index ", int{record.namespace_index});
      } else {
        record.name_space = found->second;
      }
    }
  }

  void JoinBlobs() {
    std::map<std::pair<KeyName, uint8_t>, Chunk> chunks;
    std::map<KeyName, BlobIndex> indexes;
    for (size_t i = 0; i < out_.records.size(); ++i) {
      NvsRecord& record = out_.records[i];
      if (!record.fault.empty()) continue;
      const KeyName name{record.namespace_index, record.key};
      if (record.type == kNvsBlobChunk) {
        const bool fresh = chunks
                               .emplace(std::pair{name, record.chunk},
                                        Chunk{std::get<Bytes>(values_[i]), false, i})
                               .second;
        if (!fresh) record.fault = "a second chunk of this number";
      } else if (record.type == kNvsBlobIndex) {
        const uint8_t* data =
            image_.data() + record.page * kNvsPageSize + NvsEntryAt(record.slot) + 24;
        if (!indexes.emplace(name, BlobIndex{ReadLe32(data), data[4], data[5], i}).second) {
          record.fault = "a second index of this blob";
        }
      }
    }
    for (const auto& [name, index] : indexes) JoinBlob(name, index, chunks);
    for (auto& [name, chunk] : chunks) {
      if (!chunk.claimed) out_.records[chunk.record].fault = "a chunk no blob index names";
      WipeBytes(chunk.bytes);
    }
  }

  void JoinBlob(const KeyName& name, const BlobIndex& index,
                std::map<std::pair<KeyName, uint8_t>, Chunk>& chunks) {
    std::vector<Chunk*> parts;
    size_t size = 0;
    for (size_t i = 0; i < index.count; ++i) {
      const auto found = chunks.find({name, static_cast<uint8_t>(index.start + i)});
      if (found == chunks.end()) {
        out_.records[index.record].fault =
            absl::StrCat("chunk ", index.start + i, " of the blob is missing");
        return;
      }
      parts.push_back(&found->second);
      size += found->second.bytes.size();
    }
    if (parts.empty() || size != index.size) {
      out_.records[index.record].fault = "the blob's length and its chunks disagree";
      return;
    }
    Bytes whole;
    whole.reserve(size);
    for (Chunk* part : parts) {
      part->claimed = true;
      Append(whole, part->bytes);
      blob_part_.insert(part->record);
    }
    blob_part_.erase(parts.front()->record);
    values_[parts.front()->record] = std::move(whole);
  }

  void CollectEntries() {
    std::set<KeyName> seen;
    for (size_t i = 0; i < out_.records.size(); ++i) {
      NvsRecord& record = out_.records[i];
      if (!record.fault.empty() || record.namespace_index == 0) continue;
      if (record.type == kNvsBlobIndex || blob_part_.contains(i)) continue;
      if (!seen.emplace(record.namespace_index, record.key).second) {
        record.fault = "the key stands twice in its namespace";
        continue;
      }
      out_.entries.emplace_back(record.name_space, record.key, std::move(values_[i]));
    }
  }

  ByteView image_;
  NvsReading out_;
  std::vector<NvsValue> values_;  // beside out_.records
  std::set<size_t> blob_part_;    // records whose bytes went into an earlier record's blob
};

}  // namespace

absl::StatusOr<NvsReading> ReadNvs(ByteView image) {
  if (image.empty() || image.size() % kNvsPageSize != 0) {
    return RefuseField(Reason::IMAGE_MALFORMED, "nvs", absl::StrCat(image.size(), " bytes"),
                       "an NVS image is a multiple of 4096 bytes");
  }
  return Reader(image).Read();
}

absl::StatusOr<std::vector<NvsEntry>> ParseNvs(ByteView image) {
  auto reading = ReadNvs(image);
  if (!reading.ok()) return reading.status();
  if (!reading->faults.empty()) {
    const size_t wrong =
        std::count_if(reading->records.begin(), reading->records.end(),
                      [](const NvsRecord& record) { return !record.header_crc_ok; });
    const bool all_wrong = wrong > 0 && reading->entries.empty();
    return Refuse(
        Reason::IMAGE_MALFORMED,
        absl::StrCat("nvs: ", reading->faults.front(), " (", reading->faults.size(), " faults",
                     all_wrong ? "; encrypted, or opened with the wrong keys" : "", ")"));
  }
  return std::move(reading->entries);
}

}  // namespace assay::image
