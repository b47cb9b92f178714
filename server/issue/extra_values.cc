#include "server/issue/extra_values.h"

#include <map>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "server/lot/extra_keys.h"

namespace assay::issue {
namespace {

std::string FieldOf(const std::string& key) { return absl::StrCat("values.extra.", key); }

// By namespace and key.
using Given = std::map<std::pair<std::string, std::string>, const v1::ExtraValue*>;

absl::Status FindGiven(const v1::DeviceValues& values, Given& given) {
  for (const v1::ExtraValue& value : values.extra()) {
    const auto found = given.find({lot::NamespaceOf(value.namespace_()), value.key()});
    if (found == given.end()) {
      return RefuseField(Reason::FIELD_NOT_ALLOWED, "values.extra",
                         absl::StrCat(lot::NamespaceOf(value.namespace_()), "/", value.key()),
                         "is not among the product's extra keys");
    }
    if (found->second != nullptr) {
      return RefuseField(Reason::FIELDS_CONTRADICT, FieldOf(value.key()), "", "is given twice");
    }
    found->second = &value;
  }
  return absl::OkStatus();
}

bool IsOfContent(Reason reason) {
  return reason == Reason::FIELD_REQUIRED || reason == Reason::FIELD_OUT_OF_RANGE ||
         reason == Reason::FIELD_TOO_LONG || reason == Reason::FIELD_MALFORMED ||
         reason == Reason::FIELDS_CONTRADICT || reason == Reason::IMAGE_TOO_SMALL;
}

}  // namespace

absl::Status FillExtraValues(Work& work) {
  work.extra.clear();
  const auto& keys = work.plan->spec.extra_keys();
  Given given;
  for (const v1::ExtraKey& key : keys) {
    given[{lot::NamespaceOf(key.namespace_()), key.key()}] = nullptr;
  }
  ASSAY_RETURN_IF_ERROR(FindGiven(work.request.values(), given));
  for (const v1::ExtraKey& key : keys) {
    const v1::ExtraValue* const own = given[{lot::NamespaceOf(key.namespace_()), key.key()}];
    // Of products that older releases took, a value or a content will do, whatever the type.
    if (own == nullptr && !key.has_value() && key.content().empty()) {
      return RefuseField(Reason::FIELD_REQUIRED, FieldOf(key.key()), "",
                         "the product has no value of its own for this key");
    }
    if (own != nullptr) {
      ASSAY_RETURN_IF_ERROR(
          lot::CheckExtraForm(key, FieldOf(key.key()), own->value(), AsBytes(own->content())));
    }
    auto entry =
        lot::ExtraEntry(key, FieldOf(key.key()), own != nullptr ? own->value() : key.value(),
                        AsBytes(own != nullptr ? own->content() : key.content()));
    if (!entry.ok()) return entry.status();
    work.extra.push_back(*std::move(entry));
  }
  return absl::OkStatus();
}

absl::Status OfExtraValues(const Work& work, const absl::Status& refused) {
  const auto refusal = RefusalOf(refused);
  if (!refusal || refusal->field.empty() || !IsOfContent(refusal->reason)) return refused;
  for (const image::NvsEntry& entry : work.extra) {
    if (absl::EndsWith(refusal->field, absl::StrCat("/", entry.key))) {
      return RefuseField(refusal->reason, FieldOf(entry.key), "", refusal->rule);
    }
  }
  return RefuseField(refusal->reason, work.extra.empty() ? "values" : "values.extra", "",
                     absl::StrCat(refusal->field, ": ", refusal->rule));
}

}  // namespace assay::issue
