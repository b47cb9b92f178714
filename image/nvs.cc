#include "image/nvs.h"

#include <array>
#include <cstring>
#include <map>
#include <memory_resource>
#include <set>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "image/nvs_layout.h"

namespace assay::image {
namespace {

// Lays entries out page by page. Past its limit it only counts, so that a refusal can say what is
// missing.
class PageWriter {
 public:
  PageWriter(size_t page_limit, NvsVersion version)
      : image_(Bytes(page_limit * kNvsPageSize, 0xFF)), page_limit_(page_limit), version_(version) {
    StartPage();
  }

  void WriteInteger(uint8_t name_space, uint8_t type, std::string_view key, uint64_t value,
                    size_t width) {
    if (used_ == kNvsEntriesAPage) NextPage();
    uint8_t data[8];
    std::memset(data, 0xFF, sizeof data);
    for (size_t i = 0; i < width; ++i) data[i] = static_cast<uint8_t>(value >> (8 * i));
    WriteHeader(name_space, type, 1, 0xFF, key, data);
  }

  // Strings (their NUL within `body`) and blobs of version 1. A body that would end in the very
  // last slot moves to the next page as well: so the generator does it, and bytes must be equal.
  void WriteWhole(uint8_t name_space, uint8_t type, std::string_view key, ByteView body) {
    const size_t span = 1 + NvsSlotsFor(body.size());
    if (used_ + span >= kNvsEntriesAPage) NextPage();
    WriteBody(name_space, type, 0xFF, key, body);
  }

  void WriteSpread(uint8_t name_space, std::string_view key, ByteView blob) {
    if (used_ == kNvsEntriesAPage) NextPage();
    ByteView rest = blob;
    uint8_t chunks = 0;
    do {
      const size_t room = (kNvsEntriesAPage - 1 - used_) * kNvsEntrySize;
      const size_t size = std::min(room, rest.size());
      WriteBody(name_space, kNvsBlobChunk, chunks++, key, rest.first(size));
      rest = rest.subspan(size);
      if (!rest.empty() || room - size < kNvsEntrySize) NextPage();
    } while (!rest.empty());
    uint8_t data[8] = {static_cast<uint8_t>(blob.size()),
                       static_cast<uint8_t>(blob.size() >> 8),
                       static_cast<uint8_t>(blob.size() >> 16),
                       static_cast<uint8_t>(blob.size() >> 24),
                       chunks,
                       0,
                       0xFF,
                       0xFF};
    WriteHeader(name_space, kNvsBlobIndex, 1, 0xFF, key, data);
  }

  size_t pages() const { return page_ + 1; }
  SecretBytes Take() { return std::move(image_); }

 private:
  uint8_t* Page() { return page_ < page_limit_ ? image_.data() + page_ * kNvsPageSize : nullptr; }

  void StartPage() {
    used_ = 0;
    uint8_t* page = Page();
    if (page == nullptr) return;
    page[0] = kNvsPageActive & 0xFF;
    for (size_t i = 0; i < 4; ++i) page[4 + i] = static_cast<uint8_t>(page_ >> (8 * i));
    page[8] = static_cast<uint8_t>(version_);
    PutLe32(page + kNvsPageCrcAt, EspCrc32({page + 4, kNvsPageCrcAt - 4}));
  }

  void NextPage() {
    if (uint8_t* page = Page()) page[0] = kNvsPageFull & 0xFF;
    ++page_;
    StartPage();
  }

  void WriteBody(uint8_t name_space, uint8_t type, uint8_t chunk, std::string_view key,
                 ByteView body) {
    uint8_t data[8] = {static_cast<uint8_t>(body.size()),
                       static_cast<uint8_t>(body.size() >> 8),
                       0xFF,
                       0xFF,
                       0,
                       0,
                       0,
                       0};
    PutLe32(data + 4, EspCrc32(body));
    const size_t slots = NvsSlotsFor(body.size());
    WriteHeader(name_space, type, static_cast<uint8_t>(1 + slots), chunk, key, data);
    if (uint8_t* page = Page(); page != nullptr && !body.empty()) {
      std::memcpy(page + NvsEntryAt(used_), body.data(), body.size());
      for (size_t slot = used_; slot < used_ + slots; ++slot) MarkWritten(page, slot);
    }
    used_ += slots;
  }

  void WriteHeader(uint8_t name_space, uint8_t type, uint8_t span, uint8_t chunk,
                   std::string_view key, const uint8_t data[8]) {
    if (uint8_t* page = Page()) {
      uint8_t* at = page + NvsEntryAt(used_);
      at[0] = name_space;
      at[1] = type;
      at[2] = span;
      at[3] = chunk;
      std::memset(at + 8, 0, 16);
      std::memcpy(at + 8, key.data(), key.size());
      std::memcpy(at + 24, data, 8);
      PutLe32(at + 4, NvsEntryCrc(at));
      MarkWritten(page, used_);
    }
    ++used_;
  }

  static void MarkWritten(uint8_t* page, size_t slot) {
    page[kNvsPageHeaderSize + slot / 4] &= static_cast<uint8_t>(~(1 << (2 * (slot % 4))));
  }
  static void PutLe32(uint8_t* at, uint32_t value) {
    for (size_t i = 0; i < 4; ++i) at[i] = static_cast<uint8_t>(value >> (8 * i));
  }

  SecretBytes image_;
  size_t page_limit_;
  NvsVersion version_;
  size_t page_ = 0;
  size_t used_ = 0;  // slots of the current page
};

std::string NameOf(const NvsEntry& entry) { return absl::StrCat(entry.name_space, "/", entry.key); }

absl::Status CheckName(absl::string_view field, absl::string_view name, absl::string_view what) {
  if (name.empty()) {
    return RefuseField(Reason::FIELD_REQUIRED, field, "", absl::StrCat(what, " must not be empty"));
  }
  if (name.size() > kNvsMaxKey) {
    return RefuseField(Reason::FIELD_TOO_LONG, field, name,
                       absl::StrCat(what, " holds at most 15 bytes, this one has ", name.size()));
  }
  if (name.find('\0') != absl::string_view::npos) {
    return RefuseField(Reason::FIELD_MALFORMED, field, "", absl::StrCat(what, " holds a NUL"));
  }
  return absl::OkStatus();
}

absl::Status CheckTooLong(const NvsEntry& entry, size_t size, size_t limit,
                          absl::string_view what) {
  if (size <= limit) return absl::OkStatus();
  return RefuseField(Reason::FIELD_TOO_LONG, NameOf(entry), "",
                     absl::StrCat(what, " holds at most ", limit, " bytes, this one has ", size));
}

absl::Status CheckEntry(const NvsEntry& entry, NvsVersion version) {
  ASSAY_RETURN_IF_ERROR(CheckName("namespace", entry.name_space, "a namespace name"));
  ASSAY_RETURN_IF_ERROR(CheckName(NameOf(entry), entry.key, "a key"));
  if (const auto* text = std::get_if<std::string>(&entry.value)) {
    if (text->find('\0') != std::string::npos) {
      return RefuseField(Reason::FIELD_MALFORMED, NameOf(entry), "", "a string holds a NUL");
    }
    return CheckTooLong(entry, text->size(), kNvsMaxString, "a string");
  }
  if (const auto* blob = std::get_if<Bytes>(&entry.value)) {
    return version == NvsVersion::kV1
               ? CheckTooLong(entry, blob->size(), kNvsMaxBlobV1, "a version 1 blob")
               : CheckTooLong(entry, blob->size(), kNvsMaxBlobV2, "a blob");
  }
  return absl::OkStatus();
}

uint8_t TypeCodeOf(const NvsValue& value) {
  static constexpr uint8_t kCodes[] = {kNvsU8,  kNvsI8,  kNvsU16, kNvsI16,    kNvsU32,
                                       kNvsI32, kNvsU64, kNvsI64, kNvsString, kNvsBlobChunk};
  return kCodes[value.index()];
}

void WriteEntry(PageWriter& writer, uint8_t name_space, const NvsEntry& entry, NvsVersion version) {
  std::visit(
      [&](const auto& value) {
        using Value = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<Value, std::string>) {
          writer.WriteWhole(name_space, kNvsString, entry.key,
                            {reinterpret_cast<const uint8_t*>(value.c_str()), value.size() + 1});
        } else if constexpr (std::is_same_v<Value, Bytes>) {
          if (version == NvsVersion::kV1) {
            writer.WriteWhole(name_space, kNvsBlobV1, entry.key, value);
          } else {
            writer.WriteSpread(name_space, entry.key, value);
          }
        } else {
          writer.WriteInteger(name_space, TypeCodeOf(entry.value), entry.key,
                              static_cast<uint64_t>(value), sizeof value);
        }
      },
      entry.value);
}

absl::Status WriteAll(PageWriter& writer, const std::vector<NvsEntry>& entries,
                      NvsVersion version) {
  // A usual image's names fit here; beyond it more is allocated.
  std::array<std::byte, 4096> room;
  std::pmr::monotonic_buffer_resource names(room.data(), room.size());
  std::pmr::map<std::string_view, uint8_t> namespaces(&names);
  std::pmr::set<std::pair<uint8_t, std::string_view>> seen(&names);
  for (const NvsEntry& entry : entries) {
    ASSAY_RETURN_IF_ERROR(CheckEntry(entry, version));
    auto found = namespaces.find(entry.name_space);
    if (found == namespaces.end()) {
      if (namespaces.size() == kNvsMaxNamespaces) {
        return RefuseField(Reason::FIELD_OUT_OF_RANGE, "namespace", entry.name_space,
                           "an image holds at most 254 namespaces");
      }
      const auto index = static_cast<uint8_t>(namespaces.size() + 1);
      found = namespaces.emplace(entry.name_space, index).first;
      writer.WriteInteger(0, kNvsU8, entry.name_space, index, 1);
    }
    if (!seen.emplace(found->second, entry.key).second) {
      return RefuseField(Reason::FIELDS_CONTRADICT, NameOf(entry), "",
                         "the key stands twice in its namespace");
    }
    WriteEntry(writer, found->second, entry, version);
  }
  return absl::OkStatus();
}

// Two pages fit a read-only image; more take a writable one, which keeps a page to spare.
size_t PartitionFor(size_t pages) { return (pages <= 2 ? pages : pages + 1) * kNvsPageSize; }

}  // namespace

std::string_view NvsTypeName(const NvsValue& value) {
  static constexpr std::string_view kNames[] = {"u8",  "i8",  "u16", "i16",    "u32",
                                                "i32", "u64", "i64", "string", "blob"};
  return kNames[value.index()];
}

void NvsEntry::Wipe() {
  if (auto* text = std::get_if<std::string>(&value)) {
    WipeText(*text);
  } else if (auto* blob = std::get_if<Bytes>(&value)) {
    WipeBytes(*blob);
  }
  value = uint8_t{0};
}

absl::StatusOr<SecretBytes> BuildNvs(const std::vector<NvsEntry>& entries,
                                     const NvsOptions& options) {
  if (options.size == 0 || options.size % kNvsPageSize != 0) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "image.size", absl::StrCat(options.size),
                       "an NVS partition is a multiple of 4096 bytes and at least 4096");
  }
  if (options.size > (size_t{64} << 20)) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "image.size", absl::StrCat(options.size),
                       "an NVS partition is at most 64 MiB");
  }
  const size_t pages = options.size / kNvsPageSize;
  const bool writable = options.size >= kNvsSmallestWritable;
  PageWriter writer(pages, options.version);
  ASSAY_RETURN_IF_ERROR(WriteAll(writer, entries, options.version));
  if (writer.pages() > (writable ? pages - 1 : pages)) {
    const size_t needed = PartitionFor(writer.pages());
    return RefuseField(Reason::IMAGE_TOO_SMALL, "image.size", absl::StrCat(options.size),
                       absl::StrCat("the content needs ", needed, " bytes of partition, ",
                                    needed - options.size, " more than there are"));
  }
  SecretBytes image = writer.Take();
  if (writable) return image;
  return SecretBytes::CopyOf(image.view().first(writer.pages() * kNvsPageSize));
}

absl::StatusOr<size_t> NvsBytesNeeded(const std::vector<NvsEntry>& entries, NvsVersion version) {
  PageWriter writer(0, version);
  ASSAY_RETURN_IF_ERROR(WriteAll(writer, entries, version));
  return PartitionFor(writer.pages());
}

}  // namespace assay::image
