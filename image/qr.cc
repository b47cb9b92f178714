#include "image/qr.h"

#include <png.h>
#include <qrencode.h>

#include <cstdlib>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "image/qr_mask.h"
#include "image/text.h"

namespace assay::image {
namespace {

constexpr int kSmallestVersion = 2;
constexpr unsigned char kFunctionModule = 0x80;  // libqrencode: no data, never masked

struct CodeFree {
  void operator()(QRcode* code) const { QRcode_free(code); }
};
struct InputFree {
  void operator()(QRinput* input) const { QRinput_free(input); }
};

bool DarkWithQuietZone(const QrMatrix& matrix, int column, int row) {
  return column >= 0 && row >= 0 && column < matrix.size() && row < matrix.size() &&
         matrix.Dark(column, row);
}

void AppendPng(png_structp png, png_bytep bytes, png_size_t size) {
  auto* out = static_cast<Bytes*>(png_get_io_ptr(png));
  out->insert(out->end(), bytes, bytes + size);
}
void FlushNothing(png_structp) {}

}  // namespace

absl::StatusOr<QrMatrix> EncodeQr(std::string_view text) {
  static constexpr std::string_view kAlphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
  if (text.empty() || text.find_first_not_of(kAlphanumeric) != std::string_view::npos) {
    return RefuseField(Reason::FIELD_MALFORMED, "qr", Text(text),
                       "QR's alphanumeric characters only, at least one");
  }
  std::unique_ptr<QRinput, InputFree> input(QRinput_new2(kSmallestVersion, QR_ECLEVEL_M));
  std::unique_ptr<QRcode, CodeFree> code;
  if (input && QRinput_append(input.get(), QR_MODE_AN, static_cast<int>(text.size()),
                              reinterpret_cast<const unsigned char*>(text.data())) == 0) {
    code.reset(QRcode_encodeInput(input.get()));
  }
  if (!code) {
    return RefuseField(Reason::FIELD_TOO_LONG, "qr", absl::StrCat(text.size(), " characters"),
                       "longer than the largest QR code holds");
  }
  QrMatrix matrix(code->width);
  std::vector<bool> maskable(static_cast<size_t>(code->width) * code->width);
  for (int row = 0; row < code->width; ++row) {
    for (int column = 0; column < code->width; ++column) {
      const unsigned char module = code->data[row * code->width + column];
      matrix.Set(column, row, (module & 1) != 0);
      maskable[static_cast<size_t>(row) * code->width + column] = (module & kFunctionModule) == 0;
    }
  }
  ChooseReferenceMask(matrix, maskable);
  return matrix;
}

Bytes RenderQrPng(const QrMatrix& matrix, int scale, int quiet_zone) {
  const int modules = matrix.size() + 2 * quiet_zone;
  const int side = modules * scale;
  Bytes out;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop header = png == nullptr ? nullptr : png_create_info_struct(png);
  if (header == nullptr) std::abort();  // out of memory
  png_set_write_fn(png, &out, AppendPng, FlushNothing);
  png_set_IHDR(png, header, static_cast<png_uint_32>(side), static_cast<png_uint_32>(side), 1,
               PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  png_set_filter(png, 0, PNG_FILTER_NONE);
  png_write_info(png, header);
  Bytes line(static_cast<size_t>(side + 7) / 8);
  for (int y = 0; y < side; ++y) {
    std::fill(line.begin(), line.end(), 0);
    for (int x = 0; x < side; ++x) {
      if (!DarkWithQuietZone(matrix, x / scale - quiet_zone, y / scale - quiet_zone)) {
        line[static_cast<size_t>(x) / 8] |= static_cast<uint8_t>(0x80 >> (x % 8));
      }
    }
    png_write_row(png, line.data());
  }
  png_write_end(png, nullptr);
  png_destroy_write_struct(&png, &header);
  return out;
}

std::string RenderQrSvg(const QrMatrix& matrix, int quiet_zone) {
  const int side = matrix.size() + 2 * quiet_zone;
  std::string path;
  for (int row = 0; row < matrix.size(); ++row) {
    for (int column = 0; column < matrix.size();) {
      int end = column;
      while (end < matrix.size() && matrix.Dark(end, row)) ++end;
      if (end > column) {
        absl::StrAppend(&path, "M", column + quiet_zone, " ", row + quiet_zone, "h", end - column,
                        "v1h-", end - column, "z");
      }
      column = end + 1;
    }
  }
  return absl::StrCat(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" "
      "version=\"1.1\" viewBox=\"0 0 ",
      side, " ", side, "\" shape-rendering=\"crispEdges\"><rect width=\"", side, "\" height=\"",
      side, "\" fill=\"#fff\"/><path d=\"", path, "\"/></svg>\n");
}

std::string RenderQrText(const QrMatrix& matrix, int quiet_zone) {
  std::string text;
  for (int row = -quiet_zone; row < matrix.size() + quiet_zone; row += 2) {
    for (int column = -quiet_zone; column < matrix.size() + quiet_zone; ++column) {
      const bool upper = !DarkWithQuietZone(matrix, column, row);
      const bool lower =
          row + 1 < matrix.size() + quiet_zone && !DarkWithQuietZone(matrix, column, row + 1);
      text += upper && lower ? "\u2588" : upper ? "\u2580" : lower ? "\u2584" : " ";
    }
    text += '\n';
  }
  return text;
}

}  // namespace assay::image
