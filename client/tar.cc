#include "client/tar.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/refusal.h"
#include "client/files.h"

namespace assay::client {
namespace {

constexpr size_t kBlock = 512;
constexpr size_t kNameSize = 100, kPrefixAt = 345, kPrefixSize = 155;
constexpr size_t kSizeAt = 124, kSumAt = 148, kTypeAt = 156;
constexpr uint64_t kMaxSize = uint64_t{1} << 33;  // eleven octal digits
using Block = std::array<uint8_t, kBlock>;

void Write(Block& block, size_t at, std::string_view text) {
  std::copy(text.begin(), text.end(), block.begin() + static_cast<ptrdiff_t>(at));
}

// Nothing where the name does not fit.
std::optional<Block> HeaderOf(std::string_view name, uint64_t size) {
  std::string_view prefix;
  if (name.size() > kNameSize) {
    const size_t slash = name.find('/', name.size() - kNameSize - 1);
    if (slash == std::string_view::npos || slash > kPrefixSize) return std::nullopt;
    prefix = name.substr(0, slash);
    name.remove_prefix(slash + 1);
  }
  if (name.empty() || size >= kMaxSize) return std::nullopt;
  Block block{};
  Write(block, 0, name);
  Write(block, 100, "0000600");
  Write(block, 108, "0000000");
  Write(block, 116, "0000000");
  Write(block, kSizeAt, absl::StrFormat("%011o", size));
  Write(block, 136, "00000000000");
  Write(block, kSumAt, "        ");
  block[kTypeAt] = '0';
  Write(block, 257, std::string_view("ustar\00000", 8));
  Write(block, 329, "0000000");
  Write(block, 337, "0000000");
  Write(block, kPrefixAt, prefix);
  const unsigned sum = std::accumulate(block.begin(), block.end(), 0u);
  Write(block, kSumAt, absl::StrFormat("%06o", sum));
  block[kSumAt + 6] = 0;
  return block;
}

std::string TextAt(const Block& block, size_t at, size_t size) {
  const char* const begin = reinterpret_cast<const char*>(block.data()) + at;
  return std::string(begin, ::strnlen(begin, size));
}

size_t Padding(uint64_t size) { return static_cast<size_t>((kBlock - size % kBlock) % kBlock); }

absl::Status SystemFault(const std::string& path, const char* what) {
  return RefuseField(Reason::REQUEST_MALFORMED, path, "",
                     absl::StrCat(what, ": ", std::strerror(errno)));
}

absl::Status Broken(absl::string_view member, absl::string_view rule) {
  return RefuseField(Reason::BUNDLE_INVALID, member, "", rule);
}

constexpr char kCutOff[] = "the archive is cut off here";
constexpr char kNotOurs[] =
    "the archive's next header is not in the form that Assay writes: it was changed";

}  // namespace

absl::StatusOr<TarWriter> TarWriter::Create(const std::string& path) {
  const std::string part = path + ".part";
  ::unlink(part.c_str());
  const int descriptor = ::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0) return SystemFault(path, "cannot be written");
  std::FILE* const file = ::fdopen(descriptor, "wb");
  if (file == nullptr) {
    ::close(descriptor);
    return SystemFault(path, "cannot be written");
  }
  return TarWriter(path, file);
}

TarWriter::~TarWriter() {
  if (file_ != nullptr) ::unlink((path_ + ".part").c_str());
}

absl::Status TarWriter::Put(ByteView bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) == bytes.size())
    return absl::OkStatus();
  return SystemFault(path_, "cannot be written");
}

absl::Status TarWriter::Add(std::string_view name, ByteView bytes) {
  const auto header = HeaderOf(name, bytes.size());
  if (!header) {
    return RefuseField(Reason::FIELD_MALFORMED, "name", std::string(name),
                       "is too long for an archive");
  }
  static constexpr Block kZero{};
  ASSAY_RETURN_IF_ERROR(Put(*header));
  ASSAY_RETURN_IF_ERROR(Put(bytes));
  return Put(ByteView(kZero).first(Padding(bytes.size())));
}

absl::Status TarWriter::Finish() {
  static constexpr Block kZero{};
  ASSAY_RETURN_IF_ERROR(Put(kZero));
  ASSAY_RETURN_IF_ERROR(Put(kZero));
  if (std::fflush(file_.get()) != 0 || ::fsync(::fileno(file_.get())) != 0) {
    return SystemFault(path_, "cannot be written");
  }
  file_.reset();
  return RenamePath(path_ + ".part", path_);
}

absl::StatusOr<TarReader> TarReader::Open(const std::string& path) {
  std::FILE* const file = std::fopen(path.c_str(), "rbe");
  if (file == nullptr) return SystemFault(path, "cannot be read");
  TarReader reader(file);
  struct stat about {};
  if (::fstat(::fileno(file), &about) == 0 && S_ISDIR(about.st_mode)) {
    errno = EISDIR;
    return SystemFault(path, "cannot be read");
  }
  return reader;
}

absl::Status TarReader::End() {
  Block block;
  if (std::fread(block.data(), 1, kBlock, file_.get()) != kBlock) return Broken("", kCutOff);
  if (std::ranges::any_of(block, [](uint8_t byte) { return byte != 0; }))
    return Broken("", kNotOurs);
  if (std::fgetc(file_.get()) != EOF) return Broken("", "there are bytes after the archive's end");
  return absl::OkStatus();
}

absl::Status TarReader::TakeContent(Member& member, bool keep) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> hash(EVP_MD_CTX_new(),
                                                                     EVP_MD_CTX_free);
  EVP_DigestInit_ex(hash.get(), EVP_sha256(), nullptr);
  std::array<uint8_t, 64 * kBlock> piece;
  uint64_t left = member.size;
  while (left > 0) {
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>(left, piece.size()));
    if (std::fread(piece.data(), 1, wanted, file_.get()) != wanted) {
      return Broken(member.name, kCutOff);
    }
    EVP_DigestUpdate(hash.get(), piece.data(), wanted);
    if (keep) member.content.append(reinterpret_cast<const char*>(piece.data()), wanted);
    left -= wanted;
  }
  EVP_DigestFinal_ex(hash.get(), member.sha256.data(), nullptr);
  const size_t padding = Padding(member.size);
  if (std::fread(piece.data(), 1, padding, file_.get()) != padding) {
    return Broken(member.name, kCutOff);
  }
  if (std::any_of(piece.begin(), piece.begin() + static_cast<ptrdiff_t>(padding),
                  [](uint8_t byte) { return byte != 0; })) {
    return Broken(member.name, "the bytes after it were changed");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<TarReader::Member>> TarReader::Next(
    bool (*keep)(std::string_view name)) {
  Block block;
  if (std::fread(block.data(), 1, kBlock, file_.get()) != kBlock) return Broken("", kCutOff);
  if (std::ranges::all_of(block, [](uint8_t byte) { return byte == 0; })) {
    ASSAY_RETURN_IF_ERROR(End());
    return std::nullopt;
  }
  Member member;
  const std::string prefix = TextAt(block, kPrefixAt, kPrefixSize);
  member.name = TextAt(block, 0, kNameSize);
  if (!prefix.empty()) member.name = absl::StrCat(prefix, "/", member.name);
  const std::string size = TextAt(block, kSizeAt, 11);
  for (const char digit : size) {
    if (digit < '0' || digit > '7') return Broken("", kNotOurs);
    member.size = member.size * 8 + static_cast<uint64_t>(digit - '0');
  }
  const auto canonical = HeaderOf(member.name, member.size);
  if (!canonical || *canonical != block) return Broken("", kNotOurs);
  ASSAY_RETURN_IF_ERROR(TakeContent(member, keep(member.name)));
  return member;
}

}  // namespace assay::client
