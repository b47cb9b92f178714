#include "image/factory_keys.h"

#include <algorithm>
#include <map>
#include <span>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/refusal.h"
#include "image/factory_known.h"
#include "image/text.h"

namespace assay::image {
namespace {

constexpr std::string_view kFinishes[] = {"other",    "matte",  "satin",
                                          "polished", "rugged", "fabric"};
constexpr std::string_view kColors[] = {"black",   "navy",   "green", "teal",   "maroon", "purple",
                                        "olive",   "gray",   "blue",  "lime",   "aqua",   "red",
                                        "fuchsia", "yellow", "white", "nickel", "chrome", "brass",
                                        "copper",  "silver", "gold"};
constexpr std::string_view kCalendars[] = {"Buddhist",  "Chinese", "Coptic",  "Ethiopian",
                                           "Gregorian", "Hebrew",  "Indian",  "Islamic",
                                           "Japanese",  "Korean",  "Persian", "Taiwanese"};

struct KnownKey {
  std::string_view key;
  size_t type;
};
constexpr KnownKey kKnownKeys[] = {
    {"discriminator", kNvsIndexU32},   {"iteration-count", kNvsIndexU32},
    {"salt", kNvsIndexString},         {"vendor-id", kNvsIndexU32},
    {"vendor-name", kNvsIndexString},  {"product-id", kNvsIndexU32},
    {"product-name", kNvsIndexString}, {"hardware-ver", kNvsIndexU32},
    {"hw-ver-str", kNvsIndexString},   {"mfg-date", kNvsIndexString},
    {"rd-id-uid", kNvsIndexBlob},      {"product-finish", kNvsIndexU32},
    {"product-color", kNvsIndexU32},   {"part-number", kNvsIndexString},
    {"serial-num", kNvsIndexString},   {"dac-cert", kNvsIndexBlob},
    {"dac-key", kNvsIndexBlob},        {"dac-pub-key", kNvsIndexBlob},
    {"pai-cert", kNvsIndexBlob},       {"verifier", kNvsIndexString},
    {"cert-dclrn", kNvsIndexBlob},     {"cal-types", kNvsIndexU32},
    {"locale-sz", kNvsIndexU32},       {"product-label", kNvsIndexString},
    {"product-url", kNvsIndexString},
};
constexpr KnownKey kKnownLists[] = {
    {"locale/", kNvsIndexString}, {"fl-sz/", kNvsIndexU32},    {"fl-k/", kNvsIndexString},
    {"fl-v/", kNvsIndexString},   {"sm-sz/", kNvsIndexU32},    {"sm-label/", kNvsIndexString},
    {"sm-mode/", kNvsIndexU32},   {"sm-st-sz/", kNvsIndexU32}, {"st-v/", kNvsIndexU32},
    {"st-mfg/", kNvsIndexU32},
};

template <size_t kSize>
std::optional<uint8_t> IndexOf(const std::string_view (&names)[kSize], std::string_view name) {
  for (size_t i = 0; i < kSize; ++i) {
    if (absl::EqualsIgnoreCase(Text(names[i]), Text(name))) return static_cast<uint8_t>(i);
  }
  return std::nullopt;
}

constexpr size_t kUsualEntries = 32;

class EntryList {
 public:
  EntryList() { entries_.reserve(kUsualEntries); }
  void Number(std::string key, uint32_t value) { Add(std::move(key), value, false); }
  void Number(std::string key, const std::optional<uint32_t>& value) {
    if (value) Add(std::move(key), *value, false);
  }
  void Text(std::string key, const std::string& value, bool secret = false) {
    if (!value.empty()) Add(std::move(key), value, secret);
  }
  // A list's items are written though they may be empty.
  void Item(std::string key, const std::string& value) { Add(std::move(key), value, false); }
  void Blob(std::string key, ByteView value, bool secret = false) {
    if (!value.empty()) Add(std::move(key), ToBytes(value), secret);
  }
  // A key that is there keeps its place and takes the new value.
  void PutExtra(const NvsEntry& entry) {
    const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const NvsEntry& other) {
      return other.name_space == entry.name_space && other.key == entry.key;
    });
    if (found == entries_.end()) {
      entries_.push_back(entry);
    } else {
      *found = entry;
    }
  }
  std::vector<NvsEntry> Take() { return std::move(entries_); }

 private:
  void Add(std::string key, NvsValue value, bool secret) {
    entries_.emplace_back(std::string(kFactoryNamespace), std::move(key), std::move(value), secret);
  }
  std::vector<NvsEntry> entries_;
};

// Items by endpoint, endpoints in the order they first come.
template <typename Item>
std::vector<std::vector<const Item*>> ByEndpoint(const std::vector<Item>& items) {
  std::vector<std::vector<const Item*>> groups;
  for (const Item& item : items) {
    auto group = std::find_if(groups.begin(), groups.end(), [&](const auto& candidate) {
      return candidate.front()->endpoint == item.endpoint;
    });
    if (group == groups.end()) group = groups.insert(groups.end(), std::vector<const Item*>());
    group->push_back(&item);
  }
  return groups;
}

void AddLabels(const std::vector<FixedLabel>& labels, EntryList& out) {
  for (const auto& group : ByEndpoint(labels)) {
    const std::string endpoint = absl::StrFormat("%x", group.front()->endpoint);
    out.Number("fl-sz/" + endpoint, static_cast<uint32_t>(group.size()));
    for (size_t i = 0; i < group.size(); ++i) {
      const std::string at = absl::StrFormat("%s/%x", endpoint, i);
      out.Item("fl-k/" + at, group[i]->label);
      out.Item("fl-v/" + at, group[i]->value);
    }
  }
}

void AddModes(const std::vector<SupportedMode>& modes, EntryList& out) {
  for (const auto& group : ByEndpoint(modes)) {
    const std::string endpoint = absl::StrFormat("%x", group.front()->endpoint);
    out.Number("sm-sz/" + endpoint, static_cast<uint32_t>(group.size()));
    for (size_t i = 0; i < group.size(); ++i) {
      const std::string at = absl::StrFormat("%s/%x", endpoint, i);
      out.Item("sm-label/" + at, group[i]->label);
      out.Number("sm-mode/" + at, group[i]->mode);
      out.Number("sm-st-sz/" + at, static_cast<uint32_t>(group[i]->tags.size()));
      for (size_t j = 0; j < group[i]->tags.size(); ++j) {
        const std::string tag_at = absl::StrFormat("%s/%x", at, j);
        out.Number("st-v/" + tag_at, group[i]->tags[j].value);
        out.Number("st-mfg/" + tag_at, group[i]->tags[j].manufacturer_code);
      }
    }
  }
}

// Each namespace in one piece, in the order of first appearance, as mfg_tool writes them.
void SortByNamespace(const std::vector<NvsEntry>& all, std::vector<const NvsEntry*>& entries) {
  const auto first = [&](const std::string& name) {
    return std::find_if(all.begin(), all.end(),
                        [&](const NvsEntry& entry) { return entry.name_space == name; });
  };
  std::stable_sort(entries.begin(), entries.end(), [&](const NvsEntry* a, const NvsEntry* b) {
    return first(a->name_space) < first(b->name_space);
  });
}

std::optional<uint32_t> ParseNumber(absl::string_view text, bool always_hex, uint32_t largest) {
  uint32_t value = 0;
  const bool hex =
      absl::ConsumePrefix(&text, "0x") || absl::ConsumePrefix(&text, "0X") || always_hex;
  if (text.empty() || !std::all_of(text.begin(), text.end(), [hex](char c) {
        return hex ? absl::ascii_isxdigit(c) : absl::ascii_isdigit(c);
      })) {
    return std::nullopt;
  }
  const bool read = hex ? absl::SimpleHexAtoi(text, &value) : absl::SimpleAtoi(text, &value);
  if (!read || value > largest) return std::nullopt;
  return value;
}

absl::StatusOr<SemanticTag> ParseTag(absl::string_view text, absl::string_view whole) {
  const std::vector<std::string> parts = absl::StrSplit(absl::StripAsciiWhitespace(text), '\\');
  if (parts.size() == 2) {
    const auto value = ParseNumber(parts[0], false, 0xFFFF);
    const auto manufacturer = ParseNumber(parts[1], true, 0xFFFF);
    if (value && manufacturer) {
      return SemanticTag{static_cast<uint16_t>(*value), static_cast<uint16_t>(*manufacturer)};
    }
  }
  return RefuseField(Reason::FIELD_MALFORMED, "supported_modes", whole,
                     "a semantic tag is <value>\\<manufacturer code in hex>, both up to 0xFFFF");
}

}  // namespace

std::optional<size_t> KnownKeyType(std::string_view key) {
  for (const KnownKey& known : kKnownKeys) {
    if (known.key == key) return known.type;
  }
  for (const KnownKey& known : kKnownLists) {
    if (absl::StartsWith(Text(key), Text(known.key))) return known.type;
  }
  return std::nullopt;
}

bool IsSecretFactoryKey(std::string_view key) {
  return key == "dac-key" || key == "verifier" || key == "pin-code" || key == "device-key" ||
         key == "rd-id-uid" || key == "passcode";
}

FactoryContent FactoryContent::Clone() const {
  FactoryContent copy;
  copy.discriminator = discriminator;
  copy.iteration_count = iteration_count;
  copy.salt = salt;
  copy.verifier = verifier;
  copy.vendor_id = vendor_id;
  copy.product_id = product_id;
  copy.vendor_name = vendor_name;
  copy.product_name = product_name;
  copy.hardware_version = hardware_version;
  copy.hardware_version_string = hardware_version_string;
  copy.manufacturing_date = manufacturing_date;
  copy.rotating_id = rotating_id;
  copy.finish = finish;
  copy.color = color;
  copy.part_number = part_number;
  copy.serial_number = serial_number;
  copy.dac = dac;
  copy.dac_key = dac_key.Clone();
  copy.dac_public_key = dac_public_key;
  copy.pai = pai;
  copy.certification_declaration = certification_declaration;
  copy.calendar_types = calendar_types;
  copy.locales = locales;
  copy.fixed_labels = fixed_labels;
  copy.supported_modes = supported_modes;
  copy.product_label = product_label;
  copy.product_url = product_url;
  copy.extra = extra;
  copy.placement = placement;
  return copy;
}

std::vector<NvsEntry> ToNvsEntries(const FactoryContent& content) {
  EntryList out;
  const bool commissioning = !content.placement.commissioning_in_secure_cert;
  const bool attestation = !content.placement.attestation_in_secure_cert;
  if (commissioning) {
    out.Number("discriminator", content.discriminator);
    out.Number("iteration-count", content.iteration_count);
    out.Text("salt", ToBase64(content.salt));
  }
  out.Number("vendor-id", content.vendor_id);
  out.Text("vendor-name", content.vendor_name);
  out.Number("product-id", content.product_id);
  out.Text("product-name", content.product_name);
  out.Number("hardware-ver", content.hardware_version);
  out.Text("hw-ver-str", content.hardware_version_string);
  out.Text("mfg-date", content.manufacturing_date);
  if (!content.placement.rotating_id_in_secure_cert) out.Blob("rd-id-uid", content.rotating_id);
  out.Number("product-finish", content.finish);
  out.Number("product-color", content.color);
  out.Text("part-number", content.part_number);
  out.Text("serial-num", content.serial_number);
  if (attestation) {
    out.Blob("dac-cert", content.dac);
    out.Blob("dac-key", content.dac_key.view(), true);
    out.Blob("dac-pub-key", content.dac_public_key);
    out.Blob("pai-cert", content.pai);
  }
  if (commissioning) out.Text("verifier", ToBase64(content.verifier), true);
  out.Blob("cert-dclrn", content.certification_declaration);
  std::vector<const NvsEntry*> elsewhere;
  std::vector<const NvsEntry*> overrides;
  for (const NvsEntry& entry : content.extra) {
    if (entry.name_space != kFactoryNamespace) {
      elsewhere.push_back(&entry);
    } else if (KnownKeyType(entry.key)) {
      overrides.push_back(&entry);
    } else {
      out.PutExtra(entry);
    }
  }
  out.Number("cal-types", content.calendar_types);
  if (!content.locales.empty()) {
    out.Number("locale-sz", static_cast<uint32_t>(content.locales.size()));
    for (size_t i = 0; i < content.locales.size(); ++i) {
      out.Item(absl::StrFormat("locale/%x", i), content.locales[i]);
    }
  }
  AddLabels(content.fixed_labels, out);
  AddModes(content.supported_modes, out);
  out.Text("product-label", content.product_label);
  out.Text("product-url", content.product_url);
  for (const NvsEntry* entry : overrides) out.PutExtra(*entry);
  SortByNamespace(content.extra, elsewhere);
  for (const NvsEntry* entry : elsewhere) out.PutExtra(*entry);
  return out.Take();
}

std::string_view FinishName(uint8_t finish) {
  return finish < std::size(kFinishes) ? kFinishes[finish] : std::string_view();
}
std::optional<uint8_t> FinishOf(std::string_view name) { return IndexOf(kFinishes, name); }
std::string_view ColorName(uint8_t color) {
  return color < std::size(kColors) ? kColors[color] : std::string_view();
}
std::optional<uint8_t> ColorOf(std::string_view name) { return IndexOf(kColors, name); }
std::string_view CalendarName(uint8_t calendar) {
  return calendar < std::size(kCalendars) ? kCalendars[calendar] : std::string_view();
}
std::optional<uint8_t> CalendarOf(std::string_view name) { return IndexOf(kCalendars, name); }

absl::StatusOr<FixedLabel> ParseFixedLabel(std::string_view text) {
  const std::vector<std::string> parts = absl::StrSplit(Text(text), '/');
  if (parts.size() != 3) {
    return RefuseField(Reason::FIELD_MALFORMED, "fixed_labels", Text(text),
                       "a fixed label is <endpoint>/<label>/<value>");
  }
  const auto endpoint = ParseNumber(parts[0], false, 0xFFFE);
  if (!endpoint) {
    return RefuseField(Reason::FIELD_MALFORMED, "fixed_labels", Text(text),
                       "the endpoint is a number up to 65534, in hex with 0x");
  }
  return FixedLabel{static_cast<uint16_t>(*endpoint), parts[1], parts[2]};
}

absl::StatusOr<SupportedMode> ParseSupportedMode(std::string_view text) {
  const std::vector<std::string> parts = absl::StrSplit(Text(text), '/');
  if ((parts.size() != 3 && parts.size() != 4) || parts[1].empty()) {
    return RefuseField(
        Reason::FIELD_MALFORMED, "supported_modes", Text(text),
        "a mode is <mode>/<label>/<endpoint>, or with /<value>\\<mfg>, ... after it");
  }
  const auto mode = ParseNumber(parts[0], false, 0xFF);
  const auto endpoint = ParseNumber(parts[2], false, 0xFFFE);
  if (!mode || !endpoint) {
    return RefuseField(
        Reason::FIELD_MALFORMED, "supported_modes", Text(text),
        "the mode is a number up to 255 and the endpoint one up to 65534, in hex with 0x");
  }
  SupportedMode result{static_cast<uint16_t>(*endpoint), parts[1], static_cast<uint8_t>(*mode), {}};
  if (parts.size() == 3) return result;
  for (const absl::string_view part : absl::StrSplit(parts[3], ',')) {
    auto tag = ParseTag(part, Text(text));
    if (!tag.ok()) return tag.status();
    result.tags.push_back(*tag);
  }
  return result;
}

}  // namespace assay::image
