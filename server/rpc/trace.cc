#include "server/rpc/trace.h"

#include <algorithm>
#include <cctype>

#include "base/bytes.h"

namespace assay::rpc {
namespace {

bool IsLowerHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsTraceparent(std::string_view text) {
  return text.size() >= 55 && text[2] == '-' && text[35] == '-' && text[52] == '-' &&
         text.substr(0, 2) != "ff" && IsLowerHex(text.substr(0, 2)) &&
         IsLowerHex(text.substr(3, 32)) && IsLowerHex(text.substr(36, 16)) &&
         text.substr(3, 32).find_first_not_of('0') != std::string_view::npos;
}

bool IsRequestId(std::string_view text) {
  return !text.empty() && text.size() <= 64 &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::isalnum(c) || c == '.' || c == '_' || c == '-';
         });
}

}  // namespace

std::string TraceId(std::string_view traceparent, std::string_view request_id, Random& random) {
  if (IsTraceparent(traceparent)) return std::string(traceparent.substr(3, 32));
  if (IsRequestId(request_id)) return std::string(request_id);
  return ToHex(random.Draw(16));
}

}  // namespace assay::rpc
