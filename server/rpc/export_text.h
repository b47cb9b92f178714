// Rows of the manifest as text, for files: CSV, or a JSON object a line. Pure.
#pragma once

#include <string>

#include "assay/v1/audit.pb.h"

namespace assay::rpc {

// The head of the CSV with its line end. Without `codes` there are no columns for passcode and
// codes.
std::string CsvHead(bool codes);
void AppendCsv(const v1::ManifestRow& row, bool codes, std::string& text);
// The CSV's names and values, numbers as numbers, empty ones left out; the DAC too, in base64.
void AppendJsonLine(const v1::ManifestRow& row, bool codes, std::string& text);

}  // namespace assay::rpc
