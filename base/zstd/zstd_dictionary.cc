#include "base/zstd/zstd_dictionary.h"

// Contexts in memory of our own, so that it can be wiped.
#define ZSTD_STATIC_LINKING_ONLY
#include <string.h>
#include <zstd.h>

#include <array>
#include <vector>

#include "base/refusal.h"

namespace assay {
namespace {

// Small tables: an identity and its dictionary are some 5 KB each, and all of a context is wiped
// after each frame.
constexpr int kHashLog = 12;
// Log of the longest plain text a context is for; a longer one goes by the last, which then finds
// less.
constexpr std::array<int, 3> kWindowLogs = {14, 17, 20};

ZSTD_compressionParameters Parameters(int window_log) {
  return {.windowLog = static_cast<unsigned>(window_log),
          .chainLog = ZSTD_CHAINLOG_MIN,
          .hashLog = kHashLog,
          .searchLog = ZSTD_SEARCHLOG_MIN,
          .minMatch = 5,
          .targetLength = 1,
          .strategy = ZSTD_fast};
}

// Memory a context of zstd lives in. Making a context asks the processor what it can, which takes
// 9 us on a virtual machine; so a new one's bytes are kept, and to put them back is to wipe it.
class Workspace {
 public:
  explicit Workspace(size_t size) : words_((size + 7) / 8) {}
  // What a new context consists of, once it is made and set; the rest is zero.
  void Keep() {
    size_t end = size();
    while (end > 0 && bytes()[end - 1] == 0) --end;
    fresh_.assign(bytes(), bytes() + end);
  }
  void Renew() {
    explicit_bzero(bytes() + fresh_.size(), size() - fresh_.size());
    memcpy(bytes(), fresh_.data(), fresh_.size());
  }
  uint8_t* bytes() { return reinterpret_cast<uint8_t*>(words_.data()); }
  size_t size() const { return words_.size() * 8; }

 private:
  std::vector<uint64_t> words_;
  Bytes fresh_;
};

// Made anew after each use, so that nothing is left to wipe when its thread ends.
template <typename Context>
struct Kept {
  explicit Kept(size_t size) : space(size) {}
  struct Renewed {
    Kept& kept;
    ~Renewed() { kept.space.Renew(); }
  };
  Workspace space;
  Context* context = nullptr;
};

using Compressor = Kept<ZSTD_CCtx>;
using Decompressor = Kept<ZSTD_DCtx>;

std::unique_ptr<Compressor> MakeCompressor(int window_log) {
  const ZSTD_compressionParameters parameters = Parameters(window_log);
  auto made = std::make_unique<Compressor>(ZSTD_estimateCCtxSize_usingCParams(parameters));
  made->context = ZSTD_initStaticCCtx(made->space.bytes(), made->space.size());
  if (made->context == nullptr) return made;
  for (const auto& [name, value] :
       {std::pair(ZSTD_c_windowLog, window_log),
        {ZSTD_c_hashLog, kHashLog},
        {ZSTD_c_chainLog, static_cast<int>(parameters.chainLog)},
        {ZSTD_c_searchLog, static_cast<int>(parameters.searchLog)},
        {ZSTD_c_minMatch, static_cast<int>(parameters.minMatch)},
        {ZSTD_c_targetLength, static_cast<int>(parameters.targetLength)},
        {ZSTD_c_strategy, static_cast<int>(parameters.strategy)},
        {ZSTD_c_contentSizeFlag, 1},
        {ZSTD_c_checksumFlag, 1}}) {
    ZSTD_CCtx_setParameter(made->context, name, value);
  }
  made->space.Keep();
  return made;
}

Compressor& CompressorFor(size_t size) {
  thread_local std::array<std::unique_ptr<Compressor>, kWindowLogs.size()> kept;
  size_t i = 0;
  while (i + 1 < kWindowLogs.size() && size > size_t{1} << kWindowLogs[i]) ++i;
  if (kept[i] == nullptr) kept[i] = MakeCompressor(kWindowLogs[i]);
  return *kept[i];
}

std::unique_ptr<Decompressor> MakeDecompressor() {
  auto made = std::make_unique<Decompressor>(ZSTD_estimateDCtxSize());
  made->context = ZSTD_initStaticDCtx(made->space.bytes(), made->space.size());
  made->space.Keep();
  return made;
}

Decompressor& ThreadDecompressor() {
  thread_local const std::unique_ptr<Decompressor> kept = MakeDecompressor();
  return *kept;
}

}  // namespace

struct ZstdDictionary::ForWriting {
  explicit ForWriting(ByteView common)
      : tables(ZSTD_createCDict_advanced(common.data(), common.size(), ZSTD_dlm_byRef,
                                         ZSTD_dct_rawContent, Parameters(kWindowLogs[0]),
                                         ZSTD_defaultCMem)) {}
  ~ForWriting() { ZSTD_freeCDict(tables); }
  ForWriting(const ForWriting&) = delete;
  ForWriting& operator=(const ForWriting&) = delete;

  ZSTD_CDict* const tables;
};

ZstdDictionary::ZstdDictionary(Bytes common) : common_(std::move(common)) {}
ZstdDictionary::~ZstdDictionary() = default;

const ZstdDictionary::ForWriting& ZstdDictionary::Tables() const {
  std::call_once(made_, [this] { tables_ = std::make_unique<ForWriting>(common_); });
  return *tables_;
}

SecretBytes ZstdDictionary::Compress(ByteView plain) const {
  Compressor& with = CompressorFor(plain.size());
  const ForWriting& dictionary = Tables();
  if (with.context == nullptr || dictionary.tables == nullptr) return {};
  const Compressor::Renewed renewed{with};
  SecretBytes frame(ZSTD_compressBound(plain.size()));
  if (ZSTD_isError(ZSTD_CCtx_refCDict(with.context, dictionary.tables)) != 0) return {};
  const size_t size =
      ZSTD_compress2(with.context, frame.data(), frame.size(), plain.data(), plain.size());
  if (ZSTD_isError(size) != 0) return {};
  return SecretBytes::CopyOf(frame.view().first(size));
}

absl::StatusOr<SecretBytes> ZstdDictionary::Decompress(ByteView frame, size_t most) const {
  const unsigned long long size = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR || size > most) {
    return Refuse(Reason::INTERNAL, "a compressed record says no size that can be right");
  }
  Decompressor& with = ThreadDecompressor();
  if (with.context == nullptr) return Refuse(Reason::INTERNAL, "zstd cannot be used");
  const Decompressor::Renewed renewed{with};
  SecretBytes plain(size);
  if (ZSTD_decompress_usingDict(with.context, plain.data(), plain.size(), frame.data(),
                                frame.size(), common_.data(), common_.size()) != size) {
    return Refuse(Reason::INTERNAL, "a compressed record is damaged, or of another dictionary");
  }
  return plain;
}

}  // namespace assay
