#include "image/label.h"

#include <zlib.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/refusal.h"
#include "image/qr.h"
#include "matter/utf8.h"

namespace assay::image {
namespace {

constexpr double kPadding = 2;             // millimetres between the label's parts
constexpr double kMeanLetterWidth = 0.58;  // of Helvetica's capitals and digits, in font sizes
constexpr size_t kShortCodeSize = 13;      // "3497-011-2332"
constexpr double kPointsAMillimetre = 72 / 25.4;

struct TextLine {
  double x = 0, baseline = 0, size = 0;  // millimetres from the page's upper left corner
  bool bold = false;
  std::string text;
};
struct PlacedLabel {
  double qr_x = 0, qr_y = 0, module = 0;  // millimetres; module is a side
  QrMatrix matrix{0};
  std::vector<TextLine> lines;
};

absl::Status CheckSheet(const LabelSheet& sheet) {
  const auto refuse = [](absl::string_view field, absl::string_view rule) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, absl::StrCat("label_sheet.", field), "", rule);
  };
  if (sheet.columns < 1 || sheet.rows < 1 || sheet.columns > 100 || sheet.rows > 100) {
    return refuse("columns", "1 to 100 columns and rows");
  }
  if (sheet.margin_left < 0 || sheet.margin_top < 0 || sheet.gap_x < 0 || sheet.gap_y < 0) {
    return refuse("margin_left", "margins and gaps must not be negative");
  }
  const double width =
      sheet.margin_left + sheet.columns * sheet.label_width + (sheet.columns - 1) * sheet.gap_x;
  const double height =
      sheet.margin_top + sheet.rows * sheet.label_height + (sheet.rows - 1) * sheet.gap_y;
  if (!(width <= sheet.page_width)) return refuse("label_width", "the columns leave the page");
  if (!(height <= sheet.page_height)) return refuse("label_height", "the rows leave the page");
  if (!(sheet.qr_side >= 10)) return refuse("qr_side", "at least 10 mm, or cameras cannot read it");
  if (sheet.qr_side > sheet.label_height || sheet.qr_side + 20 > sheet.label_width) {
    return refuse("qr_side", "the code does not fit its label beside 20 mm of text");
  }
  return absl::OkStatus();
}

// Shrinks until the text fits.
TextLine Line(double x, double baseline, double width, double size, bool bold,
              const std::string& text) {
  const double letters = std::max<double>(1, static_cast<double>(text.size()));
  return {x, baseline, std::min(size, width / (kMeanLetterWidth * letters)), bold, text};
}

absl::StatusOr<PlacedLabel> Place(const LabelUnit& unit, const LabelSheet& sheet, size_t place) {
  for (const std::string* text : {&unit.product_name, &unit.serial_number, &unit.manual_code}) {
    if (!matter::IsUtf8(*text) || std::any_of(text->begin(), text->end(), [](char c) {
          return static_cast<uint8_t>(c) < 0x20 || c == 0x7F;
        })) {
      return RefuseField(Reason::FIELD_MALFORMED, "label", "",
                         "texts are UTF-8 without control characters");
    }
  }
  auto matrix = EncodeQr(unit.qr_text);
  if (!matrix.ok()) return matrix.status();
  const auto column = static_cast<double>(place % static_cast<size_t>(sheet.columns));
  const auto row = static_cast<double>(place / static_cast<size_t>(sheet.columns));
  const double x = sheet.margin_left + column * (sheet.label_width + sheet.gap_x);
  const double y = sheet.margin_top + row * (sheet.label_height + sheet.gap_y);
  PlacedLabel label;
  label.module = sheet.qr_side / (matrix->size() + 2 * kQrQuietZone);
  label.qr_x = x + label.module * kQrQuietZone;
  label.qr_y = y + (sheet.label_height - sheet.qr_side) / 2 + label.module * kQrQuietZone;
  label.matrix = *std::move(matrix);
  const double text_x = x + sheet.qr_side + kPadding;
  const double width = sheet.label_width - sheet.qr_side - 2 * kPadding;
  const double middle = y + sheet.label_height / 2;
  // Of a code of 21 digits the second half gets a line of its own, else nobody could read it.
  const bool is_long = unit.manual_code.size() > kShortCodeSize;
  const size_t cut = is_long ? kShortCodeSize : unit.manual_code.size();
  const double up = is_long ? 2.2 : 0;
  label.lines = {Line(text_x, middle - 5 - up, width, 3.6, true, unit.product_name),
                 Line(text_x, middle + 1 - up, width, 4.2, false, unit.manual_code.substr(0, cut)),
                 Line(text_x, middle + 5.4 - up, width, 4.2, false,
                      is_long ? unit.manual_code.substr(cut + 1) : ""),
                 Line(text_x, middle + 6 + up, width, 2.6, false,
                      unit.serial_number.empty() ? "" : "S/N " + unit.serial_number)};
  std::erase_if(label.lines, [](const TextLine& line) { return line.text.empty(); });
  return label;
}

// Calls `draw(x, y, width)` for each run of dark modules; millimetres.
void ForEachRun(const PlacedLabel& label, const std::function<void(double, double, double)>& draw) {
  const QrMatrix& matrix = label.matrix;
  for (int row = 0; row < matrix.size(); ++row) {
    for (int column = 0; column < matrix.size();) {
      int end = column;
      while (end < matrix.size() && matrix.Dark(end, row)) ++end;
      if (end > column) {
        draw(label.qr_x + column * label.module, label.qr_y + row * label.module,
             (end - column) * label.module);
      }
      column = end + 1;
    }
  }
}

std::string XmlText(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

using Pages = std::vector<std::vector<PlacedLabel>>;

absl::StatusOr<Pages> PlaceAll(const std::vector<LabelUnit>& units, const LabelSheet& sheet) {
  ASSAY_RETURN_IF_ERROR(CheckSheet(sheet));
  const auto a_page = static_cast<size_t>(sheet.columns * sheet.rows);
  Pages pages;
  for (size_t i = 0; i < units.size(); ++i) {
    if (i % a_page == 0) pages.emplace_back();
    auto label = Place(units[i], sheet, i % a_page);
    if (!label.ok()) return Within(absl::StrCat("units[", i, "]"), label.status());
    pages.back().push_back(*std::move(label));
  }
  return pages;
}

std::string SvgPage(const std::vector<PlacedLabel>& labels, const LabelSheet& sheet) {
  std::string out = absl::StrFormat(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" "
      "version=\"1.1\" "
      "width=\"%gmm\" height=\"%gmm\" viewBox=\"0 0 %g %g\" font-family=\"Helvetica, Arial, "
      "sans-serif\">\n",
      sheet.page_width, sheet.page_height, sheet.page_width, sheet.page_height);
  for (const PlacedLabel& label : labels) {
    absl::StrAppend(&out, "<path shape-rendering=\"crispEdges\" d=\"");
    ForEachRun(label, [&](double x, double y, double width) {
      absl::StrAppendFormat(&out, "M%.3f %.3fh%.3fv%.3fh-%.3fz", x, y, width, label.module, width);
    });
    absl::StrAppend(&out, "\"/>\n");
    for (const TextLine& line : label.lines) {
      absl::StrAppendFormat(&out, "<text x=\"%.3f\" y=\"%.3f\" font-size=\"%.3f\"%s>%s</text>\n",
                            line.x, line.baseline, line.size,
                            line.bold ? " font-weight=\"bold\"" : "", XmlText(line.text));
    }
  }
  out += "</svg>\n";
  return out;
}

// Latin-1 in PDF's string form; nothing for text outside it.
std::optional<std::string> PdfText(const std::string& text) {
  std::string out = "(";
  for (size_t i = 0; i < text.size(); ++i) {
    auto byte = static_cast<uint8_t>(text[i]);
    if (byte >= 0x80) {
      if (byte != 0xC2 && byte != 0xC3) return std::nullopt;
      byte = static_cast<uint8_t>((byte & 3) << 6 | (static_cast<uint8_t>(text[++i]) & 0x3F));
      if (byte < 0xA0) return std::nullopt;
    }
    if (byte == '(' || byte == ')' || byte == '\\') out += '\\';
    out += static_cast<char>(byte);
  }
  return out + ")";
}

absl::StatusOr<std::string> PdfPage(const std::vector<PlacedLabel>& labels,
                                    const LabelSheet& sheet) {
  const auto up = [&](double y) { return (sheet.page_height - y) * kPointsAMillimetre; };
  std::string out;
  for (const PlacedLabel& label : labels) {
    ForEachRun(label, [&](double x, double y, double width) {
      absl::StrAppendFormat(&out, "%.3f %.3f %.3f %.3f re\n", x * kPointsAMillimetre,
                            up(y + label.module), width * kPointsAMillimetre,
                            label.module * kPointsAMillimetre);
    });
    absl::StrAppend(&out, "f\n");
    for (const TextLine& line : label.lines) {
      const auto text = PdfText(line.text);
      if (!text) {
        return RefuseField(Reason::FIELD_MALFORMED, "label", line.text,
                           "the PDF's built-in font has Latin-1 letters only; use SVG");
      }
      absl::StrAppendFormat(&out, "BT /%s %.3f Tf %.3f %.3f Td %s Tj ET\n", line.bold ? "B" : "R",
                            line.size * kPointsAMillimetre, line.x * kPointsAMillimetre,
                            up(line.baseline), *text);
    }
  }
  return out;
}

// Numbered objects and the table of where they begin.
class PdfWriter {
 public:
  PdfWriter() : out_("%PDF-1.4\n%\xE2\xE3\xCF\xD3\n") {}

  void Object(size_t number, absl::string_view body) {
    if (offsets_.size() <= number) offsets_.resize(number + 1);
    offsets_[number] = out_.size();
    absl::StrAppend(&out_, number, " 0 obj\n", body, "\nendobj\n");
  }
  void Stream(size_t number, const std::string& content) {
    uLongf size = compressBound(content.size());
    std::string packed(size, '\0');
    compress2(reinterpret_cast<Bytef*>(packed.data()), &size,
              reinterpret_cast<const Bytef*>(content.data()), content.size(), Z_BEST_SPEED);
    packed.resize(size);
    Object(number, absl::StrCat("<< /Filter /FlateDecode /Length ", size, " >>\nstream\n", packed,
                                "\nendstream"));
  }
  Bytes Finish() {
    const size_t table = out_.size();
    absl::StrAppend(&out_, "xref\n0 ", offsets_.size(), "\n0000000000 65535 f \n");
    for (size_t i = 1; i < offsets_.size(); ++i)
      absl::StrAppendFormat(&out_, "%010d 00000 n \n", offsets_[i]);
    absl::StrAppend(&out_, "trailer\n<< /Size ", offsets_.size(), " /Root 1 0 R >>\nstartxref\n",
                    table, "\n%%EOF\n");
    return ToBytes(AsBytes(out_));
  }

 private:
  std::string out_;
  std::vector<size_t> offsets_ = {0};
};

}  // namespace

absl::StatusOr<std::vector<std::string>> RenderLabelSvgPages(const std::vector<LabelUnit>& units,
                                                             const LabelSheet& sheet) {
  const auto pages = PlaceAll(units, sheet);
  if (!pages.ok()) return pages.status();
  std::vector<std::string> result;
  for (const auto& page : *pages) result.push_back(SvgPage(page, sheet));
  return result;
}

absl::StatusOr<Bytes> RenderLabelPdf(const std::vector<LabelUnit>& units, const LabelSheet& sheet) {
  auto pages = PlaceAll(units, sheet);
  if (!pages.ok()) return pages.status();
  if (pages->empty()) pages->emplace_back();  // a PDF has at least one page
  constexpr size_t kCatalog = 1, kTree = 2, kRegular = 3, kBold = 4, kFirstPage = 5;
  PdfWriter pdf;
  pdf.Object(kCatalog, "<< /Type /Catalog /Pages 2 0 R >>");
  std::string kids;
  for (size_t i = 0; i < pages->size(); ++i) absl::StrAppend(&kids, kFirstPage + 2 * i, " 0 R ");
  pdf.Object(kTree,
             absl::StrCat("<< /Type /Pages /Count ", pages->size(), " /Kids [ ", kids, "] >>"));
  for (const auto& [number, font] :
       {std::pair{kRegular, "Helvetica"}, std::pair{kBold, "Helvetica-Bold"}}) {
    pdf.Object(number, absl::StrCat("<< /Type /Font /Subtype /Type1 /BaseFont /", font,
                                    " /Encoding /WinAnsiEncoding >>"));
  }
  for (size_t i = 0; i < pages->size(); ++i) {
    const size_t number = kFirstPage + 2 * i;
    pdf.Object(
        number,
        absl::StrFormat("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %.3f %.3f] /Contents %d 0 R "
                        "/Resources << /Font << /R 3 0 R /B 4 0 R >> >> >>",
                        sheet.page_width * kPointsAMillimetre,
                        sheet.page_height * kPointsAMillimetre, number + 1));
    const auto content = PdfPage((*pages)[i], sheet);
    if (!content.ok()) return content.status();
    pdf.Stream(number + 1, *content);
  }
  return pdf.Finish();
}

}  // namespace assay::image
