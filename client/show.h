// Answers for people and for programs: tables, messages as indented text, messages as JSON. Pure,
// thread-safe.
#pragma once

#include <string>
#include <vector>

#include "google/protobuf/message.h"

namespace assay::client {

// Columns padded to their widest cell (in characters of UTF-8), a head and a rule under it. Rows
// shorter than the head are filled.
std::string RenderTable(const std::vector<std::string>& head,
                        const std::vector<std::vector<std::string>>& rows);

// "field: value" lines in field order, nested ones indented; absent fields are left out; blobs as
// hex up to 20 bytes, beyond as size and SHA-256; times in UTC.
std::string MessageText(const google::protobuf::Message& message);

// Indented JSON with the contract's field names; blobs in base64, 64-bit numbers as texts
// (protobuf's own mapping).
std::string MessageJson(const google::protobuf::Message& message);
// The same on one line, for JSON lines.
std::string MessageJsonLine(const google::protobuf::Message& message);

// "never-expires" for LIFETIME_NEVER_EXPIRES and the like: what YAML files and people write.
std::string EnumWord(const google::protobuf::EnumValueDescriptor& value);

}  // namespace assay::client
