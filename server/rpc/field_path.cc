#include "server/rpc/field_path.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/refusal.h"

namespace assay::rpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// What a part says, and where requests say it; of several, the first that the request has.
struct Synonym {
  std::string_view word;
  std::string_view path;
};
constexpr Synonym kSynonyms[] = {
    {"lot", "name"},
    {"lot", "ticket.lot"},
    {"lot", "filter.lot"},
    {"product", "name"},
    {"pai", "name"},
    {"pai", "issuer"},
    {"issuer", "name"},
    {"name", "issuer"},
    {"public_key", "csr"},
    {"serial_number", "values.serial_number"},
    {"discriminator", "values.discriminator"},
};

struct Path {
  std::string in_request;          // empty: the request has no such field
  std::string within;              // what is left of the path
  const Descriptor* at = nullptr;  // what `in_request` is, null where it is no message
};

// "spec.fixed_labels[2].value" as far as `message` has it.
Path Follow(const Descriptor* message, std::string_view field) {
  const std::vector<std::string> steps =
      absl::StrSplit(absl::string_view(field.data(), field.size()), '.');
  for (size_t i = 0; i < steps.size(); ++i) {
    const std::string name = steps[i].substr(0, steps[i].find('['));
    const FieldDescriptor* found = message == nullptr ? nullptr : message->FindFieldByName(name);
    const bool choice = message != nullptr && message->FindOneofByName(name) != nullptr;
    if (found == nullptr && !choice) {
      return {absl::StrJoin(steps.begin(), steps.begin() + static_cast<long>(i), "."),
              absl::StrJoin(steps.begin() + static_cast<long>(i), steps.end(), "."), message};
    }
    message = found == nullptr ? nullptr : found->message_type();
  }
  return {std::string(field), "", message};
}

Path Find(const Descriptor* request, std::string_view field) {
  Path path = Follow(request, field);
  if (!path.in_request.empty()) {
    if (path.at == nullptr || path.within.empty()) return path;
    // A request within the request: "act.raise_lot.lot".
    Path rest = Find(path.at, path.within);
    if (rest.in_request.empty()) return path;
    rest.in_request = absl::StrCat(path.in_request, ".", rest.in_request);
    return rest;
  }
  const std::string_view word = field.substr(0, field.find('.'));
  for (const Synonym& synonym : kSynonyms) {
    if (synonym.word != word) continue;
    path = Follow(request,
                  absl::StrCat(std::string(synonym.path), std::string(field.substr(word.size()))));
    if (!path.in_request.empty() && path.within.empty()) return path;
  }
  // A part that was given what the request says in pieces ("cd.vendor_id") has a word for the
  // whole.
  if (word.size() < field.size()) return Follow(request, field.substr(word.size() + 1));
  return {};
}

const Descriptor* RequestOf(std::string_view method) {
  std::string name(method);
  std::replace(name.begin(), name.end(), '/', '.');
  const auto* found = google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(name);
  return found == nullptr ? nullptr : found->input_type();
}

}  // namespace

absl::Status InRequestsWords(std::string_view method, const absl::Status& status) {
  auto refusal = RefusalOf(status);
  if (!refusal || refusal->field.empty()) return status;
  const Descriptor* request = RequestOf(method);
  if (request == nullptr) return status;
  const Path path = Find(request, refusal->field);
  if (path.in_request.empty() || path.in_request == refusal->field) return status;
  refusal->field = path.in_request;
  if (!path.within.empty()) refusal->rule = absl::StrCat(path.within, ": ", refusal->rule);
  return Refuse(*refusal);
}

}  // namespace assay::rpc
