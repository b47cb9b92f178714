#include "client/command/label_command.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/refusal.h"
#include "client/files.h"
#include "image/csv.h"
#include "image/label.h"

namespace assay::client {
namespace {

struct LabelOptions {
  std::string manifest;
  std::string product_name;
  std::string out;  // .pdf, or .svg for pages <name>-1.svg ...
  // The sheet, in millimetres; empty: A4 with 3 x 8 labels.
  std::string page, grid, margin, label, gap, qr;
};

// "210x297", "7,13": two numbers; nothing is changed where the text is empty.
absl::Status ReadPair(const char* flag, const std::string& text, char divider, double& first,
                      double& second) {
  if (text.empty()) return absl::OkStatus();
  const std::vector<std::string> parts = absl::StrSplit(text, divider);
  if (parts.size() == 2 && absl::SimpleAtod(parts[0], &first) &&
      absl::SimpleAtod(parts[1], &second)) {
    return absl::OkStatus();
  }
  return RefuseField(Reason::FIELD_MALFORMED, flag, text,
                     absl::StrCat("must be two numbers divided by '", std::string(1, divider),
                                  "', in millimetres"));
}

absl::StatusOr<image::LabelSheet> SheetOf(const LabelOptions& options) {
  image::LabelSheet sheet;
  const std::string page = options.page == "a4"       ? ""
                           : options.page == "letter" ? "215.9x279.4"
                                                      : options.page;
  ASSAY_RETURN_IF_ERROR(ReadPair("--page", page, 'x', sheet.page_width, sheet.page_height));
  double columns = sheet.columns, rows = sheet.rows;
  ASSAY_RETURN_IF_ERROR(ReadPair("--grid", options.grid, 'x', columns, rows));
  if (!(columns >= 1 && columns <= 100 && rows >= 1 && rows <= 100)) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "--grid", options.grid,
                       "1 to 100 columns and rows");
  }
  sheet.columns = static_cast<int>(columns);
  sheet.rows = static_cast<int>(rows);
  ASSAY_RETURN_IF_ERROR(
      ReadPair("--margin", options.margin, ',', sheet.margin_left, sheet.margin_top));
  ASSAY_RETURN_IF_ERROR(
      ReadPair("--label", options.label, 'x', sheet.label_width, sheet.label_height));
  ASSAY_RETURN_IF_ERROR(ReadPair("--gap", options.gap, ',', sheet.gap_x, sheet.gap_y));
  if (!options.qr.empty() && !absl::SimpleAtod(options.qr, &sheet.qr_side)) {
    return RefuseField(Reason::FIELD_MALFORMED, "--qr", options.qr, "must be millimetres");
  }
  return sheet;
}

// The manifest's rows that have codes.
absl::StatusOr<std::vector<image::LabelUnit>> UnitsOf(const LabelOptions& options) {
  const auto text = ReadTextFile(options.manifest);
  if (!text.ok()) return Within("--manifest", text.status());
  const auto records = image::ReadCsv(*text, options.manifest);
  if (!records.ok()) return records.status();
  std::map<std::string, size_t> columns;
  if (!records->empty()) {
    for (size_t i = 0; i < records->front().cells.size(); ++i) {
      columns.emplace(records->front().cells[i].text, i);
    }
  }
  const auto cell = [&](const image::CsvRecord& record, const char* name) -> std::string {
    const auto column = columns.find(name);
    if (column == columns.end() || column->second >= record.cells.size()) return "";
    return record.cells[column->second].text;
  };
  std::vector<image::LabelUnit> units;
  for (size_t i = 1; i < records->size(); ++i) {
    const image::CsvRecord& record = (*records)[i];
    image::LabelUnit unit;
    unit.product_name =
        options.product_name.empty() ? cell(record, "product") : options.product_name;
    unit.serial_number = cell(record, "serial_number");
    unit.qr_text = cell(record, "qrcode");
    unit.manual_code = cell(record, "manualcode");
    if (!unit.qr_text.empty()) units.push_back(std::move(unit));
  }
  if (units.empty()) {
    return RefuseField(Reason::FIELD_REQUIRED, options.manifest, "", "has no row with a QR code");
  }
  return units;
}

absl::Status MakeLabels(Context& context, const LabelOptions& options) {
  const bool as_svg = absl::EndsWith(options.out, ".svg");
  if (!as_svg && !absl::EndsWith(options.out, ".pdf")) {
    return RefuseField(Reason::FIELD_MALFORMED, "--out", options.out, "must end with .pdf or .svg");
  }
  const auto sheet = SheetOf(options);
  if (!sheet.ok()) return sheet.status();
  const auto units = UnitsOf(options);
  if (!units.ok()) return units.status();
  if (as_svg) {
    const auto pages = image::RenderLabelSvgPages(*units, *sheet);
    if (!pages.ok()) return pages.status();
    const std::string stem = options.out.substr(0, options.out.size() - 4);
    for (size_t i = 0; i < pages->size(); ++i) {
      ASSAY_RETURN_IF_ERROR(
          ReplaceFile(absl::StrCat(stem, "-", i + 1, ".svg"), AsBytes((*pages)[i]), kPrivateFile));
    }
    context.Remark(absl::StrCat(
        units->size(), " labels in ", stem, "-1.svg",
        pages->size() > 1 ? absl::StrCat(" to ", stem, "-", pages->size(), ".svg") : ""));
    return absl::OkStatus();
  }
  const auto pdf = image::RenderLabelPdf(*units, *sheet);
  if (!pdf.ok()) return pdf.status();
  ASSAY_RETURN_IF_ERROR(ReplaceFile(options.out, *pdf, kPrivateFile));
  context.Remark(absl::StrCat(units->size(), " labels in ", options.out));
  return absl::OkStatus();
}

}  // namespace

void AddLabelCommand(CLI::App& root,
                     const std::function<void(std::function<absl::Status(Context&)>)>& choose) {
  auto labels = std::make_shared<LabelOptions>();
  CLI::App* const app = root.add_subcommand("labels", "a label sheet from a manifest");
  app->fallthrough();
  app->callback([choose, labels] {
    choose([labels](Context& context) { return MakeLabels(context, *labels); });
  });
  app->add_option("--manifest", labels->manifest, "manifest.csv, or an audit export with codes")
      ->required();
  app->add_option("--product-name", labels->product_name, "(default: the product's record name)");
  app->add_option("--out", labels->out, "labels.pdf, or .svg for pages")->required();
  app->add_option("--page", labels->page, "WIDTHxHEIGHT in mm, a4 or letter (default a4)");
  app->add_option("--grid", labels->grid, "COLUMNSxROWS (default 3x8)");
  app->add_option("--margin", labels->margin, "LEFT,TOP in mm (default 7,13)");
  app->add_option("--label", labels->label, "WIDTHxHEIGHT in mm (default 64x33.5)");
  app->add_option("--gap", labels->gap, "between labels, X,Y in mm (default 2,0.3)");
  app->add_option("--qr", labels->qr, "the code's side in mm, with its margin (default 24)");
  app->footer(
      "A label bears the product's name, QR code, manual code and serial number.\n"
      "  assay labels --manifest devices/manifest.csv --product-name Lamp --out labels.pdf\n"
      "  assay labels --manifest devices/manifest.csv --grid 2x7 --label 99x38 --gap 2.5,0 "
      "--margin 4,15 --out labels.svg");
}

}  // namespace assay::client
