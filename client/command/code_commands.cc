#include "client/command/code_commands.h"

#include <iostream>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/refusal.h"
#include "client/files.h"
#include "client/numbers.h"
#include "image/qr.h"
#include "matter/onboarding.h"

namespace assay::client {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

void Print(Context& context, const std::vector<Fields>& units) {
  if (context.json()) {
    nlohmann::ordered_json all = nlohmann::ordered_json::array();
    for (const Fields& fields : units) {
      nlohmann::ordered_json one;
      for (const auto& [name, value] : fields) one[name] = value;
      all.push_back(std::move(one));
    }
    context.Print((units.size() == 1 ? all[0] : all).dump(2) + "\n");
    return;
  }
  for (size_t i = 0; i < units.size(); ++i) {
    if (i > 0) context.Print("\n");
    for (const auto& [name, value] : units[i])
      context.Print(absl::StrFormat("%-22s %s\n", name, value));
  }
}

std::string Id(uint16_t id) { return absl::StrFormat("0x%04X", id); }

void AddExtension(const matter::PayloadExtension& extension, Fields& fields) {
  const auto text_of = [](const auto& value) {
    const auto* text = std::get_if<std::string>(&value);
    return text != nullptr ? *text : absl::StrCat(std::get<1>(value));
  };
  if (extension.serial_number)
    fields.emplace_back("serial_number", text_of(*extension.serial_number));
  if (extension.spake2p) {
    fields.emplace_back("iterations", absl::StrCat(extension.spake2p->iterations));
    fields.emplace_back("salt", ToBase64(extension.spake2p->salt));
  }
  if (extension.device_count)
    fields.emplace_back("device_count", absl::StrCat(*extension.device_count));
  if (extension.commissioning_timeout_s) {
    fields.emplace_back("commissioning_timeout", absl::StrCat(*extension.commissioning_timeout_s));
  }
  for (const auto& [tag, value] : extension.vendor)
    fields.emplace_back(absl::StrFormat("vendor_0x%02X", tag), text_of(value));
}

Fields PayloadFields(const matter::SetupPayload& payload) {
  Fields fields = {{"version", absl::StrCat(payload.version)},
                   {"vendor_id", Id(payload.vendor_id)},
                   {"product_id", Id(payload.product_id)},
                   {"flow", absl::StrCat(static_cast<int>(payload.flow))},
                   {"discovery", absl::StrCat(payload.discovery)},
                   {"discriminator", absl::StrCat(payload.discriminator)},
                   {"passcode", absl::StrFormat("%08d", payload.passcode)}};
  AddExtension(payload.extension, fields);
  if (const auto manual = matter::EncodeManualCode(payload); manual.ok())
    fields.emplace_back("manual_code", matter::FormatManualCode(*manual));
  return fields;
}

Fields ManualFields(const matter::ManualCode& code) {
  Fields fields = {{"short_discriminator", absl::StrCat(code.short_discriminator)},
                   {"passcode", absl::StrFormat("%08d", code.passcode)}};
  if (code.is_long) {
    fields.emplace_back("vendor_id", Id(code.vendor_id));
    fields.emplace_back("product_id", Id(code.product_id));
  }
  return fields;
}

bool WantsPicture(const CodesOptions& options) {
  return options.show_qr || !options.png.empty() || !options.svg.empty();
}

absl::Status DrawQr(Context& context, const std::string& text, const CodesOptions& options) {
  if (!WantsPicture(options)) return absl::OkStatus();
  const auto qr = image::EncodeQr(text);
  if (!qr.ok()) return qr.status();
  if (!options.png.empty()) {
    ASSAY_RETURN_IF_ERROR(ReplaceFile(options.png, image::RenderQrPng(*qr), kPrivateFile));
  }
  if (!options.svg.empty()) {
    ASSAY_RETURN_IF_ERROR(ReplaceFile(options.svg, AsBytes(image::RenderQrSvg(*qr)), kPrivateFile));
  }
  // On standard error with --json, so that standard output stays one document.
  if (options.show_qr && context.json()) context.Remark(image::RenderQrText(*qr));
  if (options.show_qr && !context.json()) context.Print("\n" + image::RenderQrText(*qr));
  return absl::OkStatus();
}

// The number of a flag, or `without` where it was not given. `secret` keeps it out of refusals.
template <typename Number>
absl::Status ReadNumber(const char* flag, const std::string& typed, uint64_t most, Number& out,
                        const char* rule, bool secret = false) {
  if (typed.empty()) return absl::OkStatus();
  const auto value = ParseUnsigned(typed);
  if (!value || *value > most) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, flag, secret ? "" : typed, rule);
  }
  out = static_cast<Number>(*value);
  return absl::OkStatus();
}

// "TAG=VALUE" with the tag in any base.
absl::StatusOr<std::pair<uint8_t, std::string>> ReadElement(const char* flag,
                                                            const std::string& typed) {
  const size_t equals = typed.find('=');
  const auto tag =
      equals == std::string::npos ? std::nullopt : ParseUnsigned(typed.substr(0, equals));
  if (!tag || *tag < 0x80 || *tag > 0xFF) {
    return RefuseField(Reason::FIELD_MALFORMED, flag, typed,
                       "must be TAG=VALUE with a tag from 0x80 to 0xFF");
  }
  return std::pair(static_cast<uint8_t>(*tag), typed.substr(equals + 1));
}

absl::Status ReadVendorElements(const CodesOptions& options, matter::PayloadExtension& out) {
  const auto add = [&](const char* flag, uint8_t tag,
                       std::variant<std::string, int32_t> value) -> absl::Status {
    if (out.vendor.emplace(tag, std::move(value)).second) return absl::OkStatus();
    return RefuseField(Reason::FIELDS_CONTRADICT, flag, absl::StrFormat("0x%02X", tag),
                       "is given twice");
  };
  for (const std::string& typed : options.vendor_texts) {
    auto element = ReadElement("--vendor-text", typed);
    if (!element.ok()) return element.status();
    ASSAY_RETURN_IF_ERROR(add("--vendor-text", element->first, std::move(element->second)));
  }
  for (const std::string& typed : options.vendor_numbers) {
    const auto element = ReadElement("--vendor-number", typed);
    if (!element.ok()) return element.status();
    const auto number = ParseSigned(element->second);
    if (!number || *number < std::numeric_limits<int32_t>::min() ||
        *number > std::numeric_limits<int32_t>::max()) {
      return RefuseField(Reason::FIELD_OUT_OF_RANGE, "--vendor-number", typed,
                         "must be a number of 32 bits, signed");
    }
    ASSAY_RETURN_IF_ERROR(add("--vendor-number", element->first, static_cast<int32_t>(*number)));
  }
  return absl::OkStatus();
}

absl::Status ReadExtension(const CodesOptions& options, matter::PayloadExtension& out) {
  if (!options.serial_number.empty()) out.serial_number = options.serial_number;
  if (!options.serial_integer.empty()) {
    if (out.serial_number) {
      return RefuseField(Reason::FIELDS_CONTRADICT, "--serial-integer", options.serial_integer,
                         "stands instead of --serial-number, not beside it");
    }
    uint64_t serial = 0;
    ASSAY_RETURN_IF_ERROR(ReadNumber("--serial-integer", options.serial_integer, UINT64_MAX, serial,
                                     "must be a number of 64 bits"));
    out.serial_number = serial;
  }
  if (options.iterations.empty() != options.salt.empty()) {
    return RefuseField(Reason::FIELDS_CONTRADICT, options.salt.empty() ? "--iterations" : "--salt",
                       "", "--iterations and --salt are given together or not at all");
  }
  if (!options.salt.empty()) {
    out.spake2p.emplace();
    ASSAY_RETURN_IF_ERROR(ReadNumber("--iterations", options.iterations, UINT32_MAX,
                                     out.spake2p->iterations, "must be 1000 to 100000"));
    const auto salt = FromBase64(options.salt);
    if (!salt.ok())
      return RefuseField(Reason::FIELD_MALFORMED, "--salt", options.salt, "must be base64");
    out.spake2p->salt = *salt;
  }
  if (!options.device_count.empty()) {
    ASSAY_RETURN_IF_ERROR(ReadNumber("--device-count", options.device_count, 255,
                                     out.device_count.emplace(), "must be 0 to 255"));
  }
  if (!options.timeout.empty()) {
    ASSAY_RETURN_IF_ERROR(ReadNumber("--timeout", options.timeout, 65535,
                                     out.commissioning_timeout_s.emplace(),
                                     "must be 0 to 65535 seconds"));
  }
  return ReadVendorElements(options, out);
}

absl::StatusOr<matter::SetupPayload> ReadPayload(const CodesOptions& options) {
  matter::SetupPayload payload;
  payload.discovery = matter::discovery::kBle;
  uint8_t flow = 0;
  ASSAY_RETURN_IF_ERROR(ReadNumber("--vendor-id", options.vendor_id, 0xFFFF, payload.vendor_id,
                                   "must be a number of 16 bits"));
  ASSAY_RETURN_IF_ERROR(ReadNumber("--product-id", options.product_id, 0xFFFF, payload.product_id,
                                   "must be a number of 16 bits"));
  ASSAY_RETURN_IF_ERROR(ReadNumber("--flow", options.flow, 2, flow, "must be 0, 1 or 2"));
  ASSAY_RETURN_IF_ERROR(ReadNumber("--discovery", options.discovery, 0xFF, payload.discovery,
                                   "must be the sum of 1 soft AP, 2 BLE, 4 on-network, 8 Wi-Fi "
                                   "PAF, 16 NFC, 32 Thread"));
  ASSAY_RETURN_IF_ERROR(ReadNumber("--discriminator", options.discriminator, 0xFFF,
                                   payload.discriminator, "must be 0 to 4095"));
  ASSAY_RETURN_IF_ERROR(ReadNumber("--passcode", options.passcode, 99999998, payload.passcode,
                                   "must be 1 to 99999998", true));
  payload.flow = static_cast<matter::CommissioningFlow>(flow);
  ASSAY_RETURN_IF_ERROR(ReadExtension(options, payload.extension));
  return payload;
}

absl::Status RunParse(Context& context, const std::string& text, const CodesOptions& options) {
  if (!absl::StrContains(text, "MT:")) {
    if (WantsPicture(options)) {
      return RefuseField(Reason::FIELD_NOT_ALLOWED,
                         options.show_qr       ? "--show-qr"
                         : options.png.empty() ? "--svg"
                                               : "--png",
                         "", "draws a QR text, and this is a manual code");
    }
    const auto code = matter::ParseManualCode(text);
    if (!code.ok()) return code.status();
    Print(context, {ManualFields(*code)});
    return absl::OkStatus();
  }
  const auto payloads = matter::ParseQrs(text);
  if (!payloads.ok()) return payloads.status();
  std::vector<Fields> units;
  for (const matter::SetupPayload& payload : *payloads) units.push_back(PayloadFields(payload));
  Print(context, units);
  return DrawQr(context, text, options);
}

}  // namespace

absl::Status ParseCodes(Context& context, const CodesOptions& options) {
  if (options.text != "-") return RunParse(context, options.text, options);
  std::string line;
  std::getline(std::cin, line);
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
  return RunParse(context, line, options);
}

absl::Status MakeCodes(Context& context, const CodesOptions& options) {
  const auto payload = ReadPayload(options);
  if (!payload.ok()) return payload.status();
  std::vector<matter::SetupPayload> payloads = {*payload};
  for (const std::string& other : options.others) {
    const auto more = matter::ParseQrs(other);
    if (!more.ok()) return Within("--with", more.status());
    payloads.insert(payloads.end(), more->begin(), more->end());
  }
  const auto qr = matter::EncodeQr(payloads);
  if (!qr.ok()) return qr.status();
  const auto manual = matter::EncodeManualCode(*payload);
  if (!manual.ok()) return manual.status();
  Print(context, {{{"qr_code", *qr}, {"manual_code", matter::FormatManualCode(*manual)}}});
  return DrawQr(context, *qr, options);
}

void AddCodeCommands(CLI::App& root,
                     const std::function<void(std::function<absl::Status(Context&)>)>& choose) {
  CLI::App* const group = root.add_subcommand("codes", "QR and manual codes");
  group->require_subcommand(1);
  group->fallthrough();
  const auto leaf = [&](const std::string& name, const std::string& help,
                        absl::Status (*run)(Context&, const CodesOptions&),
                        const std::shared_ptr<CodesOptions>& options) {
    CLI::App* const app = group->add_subcommand(name, help);
    app->fallthrough();
    app->callback([choose, run, options] {
      choose([run, options](Context& context) { return run(context, *options); });
    });
    app->add_option("--png", options->png, "file for the QR code, 1 bit, 6 pixels a module");
    app->add_option("--svg", options->svg, "file for the QR code");
    app->add_flag("--show-qr", options->show_qr, "draw the QR code in the terminal");
    return app;
  };
  auto parse = std::make_shared<CodesOptions>();
  CLI::App* app = leaf("parse", "read a QR text or a manual code", &ParseCodes, parse);
  app->add_option("text", parse->text, "MT:..., 11 or 21 digits, or - for standard input")
      ->required();
  app->footer(
      "Examples:\n  assay codes parse MT:Y.K9042C00KA0648G00\n  assay codes parse 34970112332");

  auto make = std::make_shared<CodesOptions>();
  app = leaf("make", "make both codes", &MakeCodes, make);
  app->add_option("-v,--vendor-id", make->vendor_id, "vendor id")->required();
  app->add_option("-p,--product-id", make->product_id, "product id")->required();
  app->add_option("--passcode", make->passcode, "passcode")->required();
  app->add_option("--discriminator", make->discriminator, "discriminator, 0 to 4095")->required();
  app->add_option("--flow", make->flow,
                  "0 standard, 1 user intent, 2 custom; other than 0 gives 21 digits");
  app->add_option("--discovery", make->discovery,
                  "sum of 1 soft AP, 2 BLE, 4 on-network, 8 Wi-Fi PAF, 16 NFC, 32 Thread "
                  "(default 2)");
  app->add_option("--serial-number", make->serial_number, "in the QR's extension, 1 to 32 bytes");
  app->add_option("--serial-integer", make->serial_integer, "the same as a number");
  app->add_option("--iterations", make->iterations, "PBKDF2 iterations, in the extension");
  app->add_option("--salt", make->salt, "SPAKE2+ salt in base64, in the extension");
  app->add_option("--device-count", make->device_count, "devices in the box, in the extension");
  app->add_option("--timeout", make->timeout, "commissioning timeout in seconds, likewise");
  app->add_option("--vendor-text", make->vendor_texts, "TAG=TEXT, tags 0x80 to 0xFF, likewise");
  app->add_option("--vendor-number", make->vendor_numbers, "TAG=NUMBER, likewise");
  app->add_option("--with", make->others, "MT:... of other units that share this QR code");
  app->footer(
      "Example:\n  assay codes make -v 0xFFF1 -p 0x8000 --passcode 34970113 --discriminator 3840 "
      "--serial-number SN-1 --png qr.png");
}

}  // namespace assay::client
