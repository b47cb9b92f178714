#include <algorithm>
#include <array>
#include <compare>
#include <cstring>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/refusal.h"
#include "image/nvs.h"
#include "image/nvs_layout.h"

namespace assay::image {
namespace {

// Most of a factory partition is erased flash, so this looks at it as memcmp does and not byte by
// byte: the first is erased, and each equals the one before.
bool AllErased(ByteView bytes) {
  return bytes.empty() ||
         (bytes[0] == 0xFF && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
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

constexpr size_t kUsualRecords = 64;

// A record's name, borrowed from it.
struct Name {
  uint8_t namespace_index = 0;
  std::string_view key;
  auto operator<=>(const Name&) const = default;
};

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
    out_.records.reserve(kUsualRecords);
    bodies_.reserve(kUsualRecords);
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
    record.header_crc_ok = ReadLe32(at + 4) == NvsEntryCrc(at);
    ByteView body;
    if (!record.header_crc_ok) {
      record.fault = "wrong entry CRC";
    } else {
      record.span = at[2];
      record.fault = CheckShape(base, record);
      if (record.fault.empty()) record.fault = ReadValue(base, record, body);
    }
    const size_t step = record.fault.empty() || !record.body_crc_ok ? record.span : 1;
    out_.records.push_back(std::move(record));
    bodies_.push_back(body);
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

  // `body` is what lies in the image: an integer's bytes, a string without its NUL, a blob.
  static std::string ReadValue(const uint8_t* base, NvsRecord& record, ByteView& body) {
    const uint8_t* data = base + NvsEntryAt(record.slot) + 24;
    if (const size_t width = IntegerWidth(record.type); width > 0) {
      if (record.span != 1) return "an integer spans one slot";
      if (!AllErased({data + width, 8 - width})) return "bytes follow its integer";
      body = {data, width};
      return "";
    }
    switch (record.type) {
      case kNvsBlobIndex:
        if (record.span != 1) return "a blob index spans one slot";
        body = {data, 8};
        return "";
      case kNvsString:
      case kNvsBlobV1:
      case kNvsBlobChunk:
        return ReadBody(data, record, body);
      default:
        return absl::StrFormat("unknown type 0x%02X", record.type);
    }
  }

  static std::string ReadBody(const uint8_t* data, NvsRecord& record, ByteView& body) {
    const size_t size = ReadLe16(data);
    if (record.span != 1 + NvsSlotsFor(size)) return "its length and its span disagree";
    const ByteView bytes(data + 8, size);
    record.body_crc_ok = ReadLe32(data + 4) == EspCrc32(bytes);
    if (!record.body_crc_ok) return "wrong CRC of its bytes";
    if (!AllErased({data + 8 + size, (record.span - 1) * kNvsEntrySize - size}))
      return "bytes follow its value";
    body = bytes;
    if (record.type != kNvsString) return "";
    if (size == 0 || bytes.back() != 0) return "a string without its NUL";
    body = bytes.first(size - 1);
    if (std::find(body.begin(), body.end(), 0) != body.end()) return "a NUL within a string";
    return "";
  }

  void NameRecords() {
    std::array<const std::string*, 256> names{};
    for (size_t i = 0; i < out_.records.size(); ++i) {
      NvsRecord& record = out_.records[i];
      if (!record.fault.empty() || record.namespace_index != 0) continue;
      const uint8_t index = record.type == kNvsU8 ? bodies_[i][0] : 0;
      if (index == 0 || index == 0xFF) {
        record.fault = "not a namespace entry";
      } else if (names[index] != nullptr) {
        record.fault = "a second namespace of this index";
      } else {
        names[index] = &record.key;
      }
    }
    for (NvsRecord& record : out_.records) {
      if (!record.fault.empty() || record.namespace_index == 0) continue;
      if (const std::string* name = names[record.namespace_index]) {
        record.name_space = *name;
      } else {
        record.fault = absl::StrCat("no namespace has the index ", int{record.namespace_index});
      }
    }
  }

  Name NameOf(size_t record) const {
    return {out_.records[record].namespace_index, out_.records[record].key};
  }

  // The sound records that `wanted` takes, in the order of what `key_of` says of them; of equal
  // ones the first in the image stays, the others get this fault.
  template <typename Wanted, typename KeyOf>
  std::vector<size_t> SortedRecords(Wanted wanted, KeyOf key_of,
                                    absl::string_view fault_of_second) {
    std::vector<size_t> order;
    order.reserve(out_.records.size());
    for (size_t i = 0; i < out_.records.size(); ++i) {
      if (out_.records[i].fault.empty() && wanted(i)) order.push_back(i);
    }
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return std::pair(key_of(a), a) < std::pair(key_of(b), b);
    });
    size_t kept = 0;
    for (const size_t record : order) {
      if (kept > 0 && key_of(order[kept - 1]) == key_of(record)) {
        out_.records[record].fault = std::string(fault_of_second);
      } else {
        order[kept++] = record;
      }
    }
    order.resize(kept);
    return order;
  }

  std::pair<Name, uint8_t> ChunkOf(size_t record) const {
    return {NameOf(record), out_.records[record].chunk};
  }

  void JoinBlobs() {
    const std::vector<size_t> chunks =
        SortedRecords([this](size_t i) { return out_.records[i].type == kNvsBlobChunk; },
                      [this](size_t i) { return ChunkOf(i); }, "a second chunk of this number");
    const std::vector<size_t> indexes =
        SortedRecords([this](size_t i) { return out_.records[i].type == kNvsBlobIndex; },
                      [this](size_t i) { return NameOf(i); }, "a second index of this blob");
    blobs_.resize(out_.records.size());
    for (const size_t index : indexes) JoinBlob(index, chunks);
    for (const size_t chunk : chunks) {
      if (!blobs_[chunk].claimed) out_.records[chunk].fault = "a chunk no blob index names";
    }
  }

  void JoinBlob(size_t index, const std::vector<size_t>& chunks) {
    const uint8_t* data = bodies_[index].data();
    const uint32_t stated_size = ReadLe32(data);
    const uint8_t count = data[4], start = data[5];
    std::vector<size_t> parts;
    parts.reserve(count);
    size_t size = 0;
    for (size_t i = 0; i < count; ++i) {
      const std::pair wanted(NameOf(index), static_cast<uint8_t>(start + i));
      const auto found =
          std::lower_bound(chunks.begin(), chunks.end(), wanted,
                           [&](size_t chunk, const auto& key) { return ChunkOf(chunk) < key; });
      if (found == chunks.end() || ChunkOf(*found) != wanted) {
        out_.records[index].fault = absl::StrCat("chunk ", start + i, " of the blob is missing");
        return;
      }
      parts.push_back(*found);
      size += bodies_[*found].size();
    }
    if (parts.empty() || size != stated_size) {
      out_.records[index].fault = "the blob's length and its chunks disagree";
      return;
    }
    for (const size_t part : parts) blobs_[part].claimed = true;
    blobs_[parts.front()].parts = std::move(parts);
  }

  NvsValue ValueOf(size_t record) const {
    const ByteView body = bodies_[record];
    const uint8_t type = out_.records[record].type;
    if (type == kNvsString) return ToText(body);
    if (type == kNvsBlobV1) return ToBytes(body);
    if (type != kNvsBlobChunk) return LoadIntegerValue(type, body.data());
    Bytes whole;
    size_t size = 0;
    for (const size_t part : blobs_[record].parts) size += bodies_[part].size();
    whole.reserve(size);
    for (const size_t part : blobs_[record].parts) Append(whole, bodies_[part]);
    return whole;
  }

  void CollectEntries() {
    // A blob stands where its first chunk does.
    const auto stands = [this](size_t i) {
      const NvsRecord& record = out_.records[i];
      return record.namespace_index != 0 && record.type != kNvsBlobIndex &&
             (record.type != kNvsBlobChunk || !blobs_[i].parts.empty());
    };
    SortedRecords(
        stands, [this](size_t i) { return NameOf(i); }, "the key stands twice in its namespace");
    out_.entries.reserve(out_.records.size());
    for (size_t i = 0; i < out_.records.size(); ++i) {
      const NvsRecord& record = out_.records[i];
      if (!record.fault.empty() || !stands(i)) continue;
      out_.entries.emplace_back(record.name_space, record.key, ValueOf(i));
    }
  }

  struct Blob {
    bool claimed = false;       // an index names it
    std::vector<size_t> parts;  // of the first: all chunks, itself before the others
  };

  ByteView image_;
  NvsReading out_;
  std::vector<ByteView> bodies_;  // beside out_.records, within image_
  std::vector<Blob> blobs_;       // beside out_.records
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
