#include "client/spec_texts.h"

#include "base/refusal.h"
#include "image/factory_keys.h"

namespace assay::client {

absl::Status ReadFixedLabel(std::string_view text, v1::FixedLabel& label) {
  const auto parsed = image::ParseFixedLabel(text);
  if (!parsed.ok()) return parsed.status();
  label.set_endpoint(parsed->endpoint);
  label.set_label(parsed->label);
  label.set_value(parsed->value);
  return absl::OkStatus();
}

absl::Status ReadSupportedMode(std::string_view text, v1::SupportedMode& mode) {
  const auto parsed = image::ParseSupportedMode(text);
  if (!parsed.ok()) return parsed.status();
  if (parsed->label.empty() || parsed->label.size() > 64) {
    return RefuseField(Reason::FIELD_MALFORMED, "supported_modes",
                       absl::string_view(text.data(), text.size()),
                       "a mode is <mode>/<label>/<endpoint>, its label 1 to 64 bytes");
  }
  mode.set_endpoint(parsed->endpoint);
  mode.set_mode(parsed->mode);
  mode.set_label(parsed->label);
  for (const image::SemanticTag& tag : parsed->tags) {
    v1::SemanticTag* const added = mode.add_tags();
    added->set_value(tag.value);
    added->set_manufacturer_code(tag.manufacturer_code);
  }
  return absl::OkStatus();
}

}  // namespace assay::client
