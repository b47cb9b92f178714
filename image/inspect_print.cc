// An inspection as text for people and as JSON for programs.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "image/inspect.h"

namespace assay::image {
namespace {

std::string Crcs(const InspectedItem& item) {
  return absl::StrCat(item.crcs_right, "/", item.crcs);
}

}  // namespace

std::string InspectionText(const Inspection& inspection) {
  std::string out = inspection.summary + "\n";
  for (size_t i = 0; i < inspection.pages.size(); ++i) {
    const InspectedPage& page = inspection.pages[i];
    absl::StrAppend(&out, "page ", i, " ", page.state);
    if (page.in_use) {
      absl::StrAppend(&out, ", header CRC ", page.header_crc_ok ? "ok" : "BAD", ", ", page.written,
                      " slots written, ", page.erased, " erased");
    }
    absl::StrAppend(&out, "\n");
  }
  size_t where = 5, name = 4, type = 4;
  for (const InspectedItem& item : inspection.items) {
    where = std::max(where, item.where.size());
    name = std::max(name, item.name.size());
    type = std::max(type, item.type.size());
  }
  absl::StrAppendFormat(&out, "%-4s %-4s %-*s  %-*s  %-*s  %5s  %s\n", "", "CRCs",
                        static_cast<int>(where), "where", static_cast<int>(name), "name",
                        static_cast<int>(type), "type", "bytes", "value");
  for (const InspectedItem& item : inspection.items) {
    absl::StrAppendFormat(&out, "%-4s %-4s %-*s  %-*s  %-*s  %5d  %s\n", item.sound ? "ok" : "BAD",
                          Crcs(item), static_cast<int>(where), item.where, static_cast<int>(name),
                          item.name, static_cast<int>(type), item.type, item.size, item.value);
  }
  for (const std::string& fault : inspection.faults) absl::StrAppend(&out, "FAULT ", fault, "\n");
  absl::StrAppend(&out, inspection.sound() ? "sound\n" : "NOT SOUND\n");
  return out;
}

std::string InspectionJson(const Inspection& inspection) {
  nlohmann::ordered_json json;
  json["kind"] = InspectedKindName(inspection.kind);
  json["summary"] = inspection.summary;
  json["sound"] = inspection.sound();
  json["faults"] = inspection.faults;
  if (!inspection.pages.empty()) json["pages"] = nlohmann::ordered_json::array();
  for (const InspectedPage& page : inspection.pages) {
    nlohmann::ordered_json row;
    row["state"] = page.state;
    if (page.in_use) {
      row["header_crc"] = page.header_crc_ok;
      row["written"] = page.written;
      row["erased"] = page.erased;
    }
    json["pages"].push_back(std::move(row));
  }
  json["entries"] = nlohmann::ordered_json::array();
  for (const InspectedItem& item : inspection.items) {
    nlohmann::ordered_json row;
    row["where"] = item.where;
    row["name"] = item.name;
    row["type"] = item.type;
    row["size"] = item.size;
    row["value"] = item.value;
    row["secret"] = item.secret;
    row["sound"] = item.sound;
    row["crcs"] = item.crcs;
    row["crcs_right"] = item.crcs_right;
    if (!item.digest.empty()) row["sha256_prefix"] = item.digest;
    json["entries"].push_back(std::move(row));
  }
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace assay::image
