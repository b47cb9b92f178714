#include <algorithm>
#include <charconv>
#include <functional>
#include <limits>
#include <span>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/refusal.h"
#include "image/factory_keys.h"
#include "image/factory_known.h"
#include "image/text.h"

namespace assay::image {
namespace {

// Takes known keys out of a list of entries one by one; what nobody took is the maker's own.
class EntryTaker {
 public:
  EntryTaker(const std::vector<NvsEntry>& entries, Reason reason)
      : entries_(entries), reason_(reason) {
    by_key_.reserve(entries.size());
    for (const NvsEntry& entry : entries) {
      if (entry.name_space == kFactoryNamespace) by_key_.push_back({entry.key, &entry});
    }
    // Of a key that stands twice the first counts.
    std::stable_sort(by_key_.begin(), by_key_.end(),
                     [](const Key& a, const Key& b) { return a.key < b.key; });
    by_key_.erase(std::unique(by_key_.begin(), by_key_.end(),
                              [](const Key& a, const Key& b) { return a.key == b.key; }),
                  by_key_.end());
  }

  const absl::Status& status() const { return status_; }
  void Fail(absl::string_view key, absl::string_view rule) {
    if (status_.ok())
      status_ = RefuseField(reason_, absl::StrCat(Text(kFactoryNamespace), "/", key), "", rule);
  }

  template <typename Value>
  const Value* Take(std::string_view key) {
    Key* const found = Find(key);
    if (found == nullptr) return nullptr;
    const auto* value = std::get_if<Value>(&found->entry->value);
    if (value == nullptr) {
      Fail(Text(key), absl::StrCat("the device does not find this key as ",
                                   Text(NvsTypeName(found->entry->value))));
    }
    found->taken = true;
    return value;
  }

  template <typename Integer>
  std::optional<Integer> TakeNumber(std::string_view key) {
    const auto* value = Take<uint32_t>(key);
    if (value == nullptr) return std::nullopt;
    if (*value > std::numeric_limits<Integer>::max()) {
      Fail(Text(key), absl::StrCat("must be at most ", std::numeric_limits<Integer>::max()));
      return std::nullopt;
    }
    return static_cast<Integer>(*value);
  }
  std::string TakeText(std::string_view key) {
    const auto* value = Take<std::string>(key);
    return value == nullptr ? std::string() : *value;
  }
  Bytes TakeBlob(std::string_view key) {
    const auto* value = Take<Bytes>(key);
    return value == nullptr ? Bytes() : *value;
  }
  Bytes TakeBase64(std::string_view key) {
    const auto* value = Take<std::string>(key);
    if (value == nullptr) return {};
    auto bytes = FromBase64(*value);
    if (!bytes.ok()) {
      Fail(Text(key), "not base64");
      return {};
    }
    return *std::move(bytes);
  }
  // An item a list's count promises.
  std::string TakeItem(std::string_view key) {
    if (Find(key) == nullptr) Fail(Text(key), "the list's count promises this key");
    return TakeText(key);
  }
  template <typename Integer>
  Integer TakeNumberItem(std::string_view key) {
    if (Find(key) == nullptr) Fail(Text(key), "the list's count promises this key");
    return TakeNumber<Integer>(key).value_or(0);
  }

  // Endpoints of "<prefix><endpoint in hex>", in image order.
  std::vector<uint16_t> Endpoints(absl::string_view prefix) {
    std::vector<uint16_t> endpoints;
    for (const NvsEntry& entry : entries_) {
      if (entry.name_space != kFactoryNamespace || !absl::StartsWith(entry.key, prefix)) continue;
      const std::string digits = entry.key.substr(prefix.size());
      uint16_t endpoint = 0;
      const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), endpoint, 16);
      // The device asks for the canonical spelling only.
      if (end.ec != std::errc() || absl::StrFormat("%x", endpoint) != digits) {
        Fail(entry.key, "not an endpoint in lower-case hex");
        continue;
      }
      endpoints.push_back(endpoint);
    }
    return endpoints;
  }

  std::vector<NvsEntry> Rest() {
    std::vector<NvsEntry> rest;
    for (const NvsEntry& entry : entries_) {
      const bool ours = entry.name_space == kFactoryNamespace;
      if (ours && Find(entry.key) == nullptr) continue;
      if (ours && KnownKeyType(entry.key))
        Fail(entry.key, "belongs to a list whose count does not reach it");
      rest.push_back(entry);
    }
    return rest;
  }

 private:
  struct Key {
    std::string_view key;  // the entry's
    const NvsEntry* entry = nullptr;
    bool taken = false;
  };

  // Null where there is none any more.
  Key* Find(std::string_view key) {
    const auto found = std::lower_bound(by_key_.begin(), by_key_.end(), key,
                                        [](const Key& a, std::string_view b) { return a.key < b; });
    return found == by_key_.end() || found->key != key || found->taken ? nullptr : &*found;
  }

  const std::vector<NvsEntry>& entries_;
  Reason reason_;
  absl::Status status_;
  std::vector<Key> by_key_;  // sorted
};

constexpr uint32_t kLongestList = 0x1000;  // more keys than the largest image could name

uint32_t TakeCount(EntryTaker& taker, std::string_view key) {
  const uint32_t count = taker.TakeNumber<uint32_t>(key).value_or(0);
  if (count <= kLongestList) return count;
  taker.Fail(Text(key), "the count is out of range");
  return 0;
}

void TakeLists(EntryTaker& taker, FactoryContent& content) {
  const uint32_t locales = TakeCount(taker, "locale-sz");
  for (uint32_t i = 0; i < locales && taker.status().ok(); ++i) {
    content.locales.push_back(taker.TakeItem(absl::StrFormat("locale/%x", i)));
  }
  for (const uint16_t endpoint : taker.Endpoints("fl-sz/")) {
    const uint32_t count = TakeCount(taker, absl::StrFormat("fl-sz/%x", endpoint));
    for (uint32_t i = 0; i < count && taker.status().ok(); ++i) {
      const std::string at = absl::StrFormat("%x/%x", endpoint, i);
      FixedLabel label{endpoint, taker.TakeItem("fl-k/" + at), taker.TakeItem("fl-v/" + at)};
      content.fixed_labels.push_back(std::move(label));
    }
  }
  for (const uint16_t endpoint : taker.Endpoints("sm-sz/")) {
    const uint32_t count = TakeCount(taker, absl::StrFormat("sm-sz/%x", endpoint));
    for (uint32_t i = 0; i < count && taker.status().ok(); ++i) {
      const std::string at = absl::StrFormat("%x/%x", endpoint, i);
      SupportedMode mode{endpoint,
                         taker.TakeItem("sm-label/" + at),
                         taker.TakeNumberItem<uint8_t>("sm-mode/" + at),
                         {}};
      const uint32_t tags = TakeCount(taker, "sm-st-sz/" + at);
      for (uint32_t j = 0; j < tags && taker.status().ok(); ++j) {
        const std::string tag_at = absl::StrFormat("%s/%x", at, j);
        mode.tags.push_back({taker.TakeNumberItem<uint16_t>("st-v/" + tag_at),
                             taker.TakeNumberItem<uint16_t>("st-mfg/" + tag_at)});
      }
      content.supported_modes.push_back(std::move(mode));
    }
  }
}

absl::StatusOr<FactoryContent> TakeAll(const std::vector<NvsEntry>& entries, Reason reason) {
  EntryTaker taker(entries, reason);
  FactoryContent content;
  content.discriminator = taker.TakeNumber<uint16_t>("discriminator");
  content.iteration_count = taker.TakeNumber<uint32_t>("iteration-count");
  content.salt = taker.TakeBase64("salt");
  content.verifier = taker.TakeBase64("verifier");
  content.vendor_id = taker.TakeNumber<uint16_t>("vendor-id").value_or(0);
  content.product_id = taker.TakeNumber<uint16_t>("product-id").value_or(0);
  content.vendor_name = taker.TakeText("vendor-name");
  content.product_name = taker.TakeText("product-name");
  content.hardware_version = taker.TakeNumber<uint16_t>("hardware-ver");
  content.hardware_version_string = taker.TakeText("hw-ver-str");
  content.manufacturing_date = taker.TakeText("mfg-date");
  content.rotating_id = taker.TakeBlob("rd-id-uid");
  content.finish = taker.TakeNumber<uint8_t>("product-finish");
  content.color = taker.TakeNumber<uint8_t>("product-color");
  content.part_number = taker.TakeText("part-number");
  content.serial_number = taker.TakeText("serial-num");
  content.dac = taker.TakeBlob("dac-cert");
  content.dac_key = SecretBytes(taker.TakeBlob("dac-key"));
  content.dac_public_key = taker.TakeBlob("dac-pub-key");
  content.pai = taker.TakeBlob("pai-cert");
  content.certification_declaration = taker.TakeBlob("cert-dclrn");
  content.calendar_types = taker.TakeNumber<uint32_t>("cal-types");
  content.product_label = taker.TakeText("product-label");
  content.product_url = taker.TakeText("product-url");
  TakeLists(taker, content);
  content.extra = taker.Rest();
  ASSAY_RETURN_IF_ERROR(taker.status());
  return content;
}

// Everything the content says, wherever it is placed, in an order of its own.
std::vector<NvsEntry> Statement(const FactoryContent& content) {
  FactoryContent all = content.Clone();
  all.placement = {};
  std::vector<NvsEntry> entries = ToNvsEntries(all);
  std::sort(entries.begin(), entries.end(), [](const NvsEntry& a, const NvsEntry& b) {
    return std::tie(a.name_space, a.key) < std::tie(b.name_space, b.key);
  });
  return entries;
}

absl::Status Differs(const NvsEntry& entry, absl::string_view how) {
  return RefuseField(Reason::VERIFY_FAILED, absl::StrCat(entry.name_space, "/", entry.key), "",
                     how);
}

}  // namespace

absl::StatusOr<FactoryContent> FromNvsEntries(const std::vector<NvsEntry>& entries) {
  return TakeAll(entries, Reason::IMAGE_MALFORMED);
}

absl::Status AbsorbKnownKeys(FactoryContent& content) {
  const bool any =
      std::any_of(content.extra.begin(), content.extra.end(), [](const NvsEntry& entry) {
        return entry.name_space == kFactoryNamespace && KnownKeyType(entry.key);
      });
  if (!any) return absl::OkStatus();
  const Placement placement = content.placement;
  content.placement = {};
  auto absorbed = TakeAll(ToNvsEntries(content), Reason::FIELD_MALFORMED);
  content.placement = placement;
  if (!absorbed.ok()) return absorbed.status();
  content = *std::move(absorbed);
  content.placement = placement;
  return absl::OkStatus();
}

namespace {

// Field by field; false also where the same is said in another way, which the slow comparison
// settles.
bool SaysTheSame(const FactoryContent& a, const FactoryContent& b) {
  const auto fields = [](const FactoryContent& c) {
    return std::tie(c.discriminator, c.iteration_count, c.salt, c.verifier, c.vendor_id,
                    c.product_id, c.vendor_name, c.product_name, c.hardware_version,
                    c.hardware_version_string, c.manufacturing_date, c.rotating_id, c.finish,
                    c.color, c.part_number, c.serial_number, c.dac, c.dac_public_key, c.pai,
                    c.certification_declaration, c.calendar_types, c.locales, c.fixed_labels,
                    c.supported_modes, c.product_label, c.product_url, c.extra, c.placement);
  };
  return fields(a) == fields(b) && EqualInConstantTime(a.dac_key.view(), b.dac_key.view());
}

}  // namespace

absl::Status CompareFactoryContent(const FactoryContent& expected, const FactoryContent& found) {
  if (SaysTheSame(expected, found)) return absl::OkStatus();
  if (expected.placement != found.placement) {
    return RefuseField(Reason::VERIFY_FAILED, "placement", "",
                       "values lie in another partition than asked for");
  }
  const std::vector<NvsEntry> want = Statement(expected);
  const std::vector<NvsEntry> have = Statement(found);
  size_t i = 0;
  for (; i < want.size() && i < have.size(); ++i) {
    const auto left = std::tie(want[i].name_space, want[i].key);
    const auto right = std::tie(have[i].name_space, have[i].key);
    if (left < right) return Differs(want[i], "is missing in the image");
    if (right < left) return Differs(have[i], "is in the image though it was not asked for");
    if (want[i].value != have[i].value) return Differs(want[i], "differs in the image");
  }
  if (i < want.size()) return Differs(want[i], "is missing in the image");
  if (i < have.size()) return Differs(have[i], "is in the image though it was not asked for");
  return absl::OkStatus();
}

}  // namespace assay::image
