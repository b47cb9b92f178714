// A log in memory with a key of its own, to be told the truth about and lied with.
#pragma once

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/obj_mac.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "matter/ecdsa.h"
#include "tlog/checkpoint.h"
#include "tlog/proof.h"
#include "tlog/receipt.h"

namespace assay::tlog {

#define EXPECT_REFUSED(status, reason) EXPECT_TRUE(HasReason((status), Reason::reason)) << (status)

class TestKey {
 public:
  explicit TestKey(std::string name = "assay.test/ledger") : name_(std::move(name)) {
    EC_KEY_generate_key(key_.get());
  }
  NoteKey Public() const {
    Bytes point(65);
    EC_POINT_point2oct(EC_KEY_get0_group(key_.get()), EC_KEY_get0_public_key(key_.get()),
                       POINT_CONVERSION_UNCOMPRESSED, point.data(), point.size(), nullptr);
    return *NoteKey::OfP256(name_, point);
  }
  NoteSignature Sign(const std::string& text) const {
    const Sha256Digest digest = Sha256(AsBytes(text));
    NoteSignature line{name_, Public().id(), Bytes(80)};
    unsigned size = 0;
    ECDSA_sign(0, digest.data(), static_cast<int>(digest.size()), line.signature.data(), &size,
               key_.get());
    line.signature.resize(size);
    return line;
  }
  std::string SignedNote(const Checkpoint& checkpoint) const {
    const std::string text = CheckpointText(checkpoint);
    return WriteNote({text, {Sign(text)}});
  }

 private:
  std::string name_;
  std::shared_ptr<EC_KEY> key_{EC_KEY_new_by_curve_name(NID_X9_62_prime256v1), EC_KEY_free};
};

// Entry i is "entry <i>". Tests change `entries` and `changed_tiles` at will.
class SmallLog final : public LogReader {
 public:
  explicit SmallLog(uint64_t size) {
    for (uint64_t i = 0; i < size; ++i) {
      entries.push_back(ToBytes(AsBytes(absl::StrCat("entry ", i))));
      leaves.push_back(LeafHash(entries.back()));
    }
  }
  Hash RootAt(uint64_t size) const { return RootOf(std::span(leaves).first(size)); }
  Checkpoint At(uint64_t size) const { return {"assay.test/ledger", size, RootAt(size), {}}; }

  absl::StatusOr<Bytes> ReadTile(TileId tile, uint64_t width) override {
    ++reads;
    if (const auto changed = changed_tiles.find(tile); changed != changed_tiles.end()) {
      return changed->second;
    }
    std::vector<Hash> hashes;
    const uint64_t span = uint64_t{1} << (8 * tile.level);
    for (uint64_t i = tile.index * 256; i < tile.index * 256 + width; ++i) {
      if ((i + 1) * span > leaves.size()) return Refuse(Reason::LEDGER_UNKNOWN, "no such tile");
      hashes.push_back(RootOf(std::span(leaves).subspan(i * span, span)));
    }
    return BytesOf(hashes);
  }
  absl::StatusOr<Bytes> ReadBundle(uint64_t index, uint64_t width) override {
    Bytes bundle;
    for (uint64_t i = index * 256; i < index * 256 + width; ++i) {
      if (i >= entries.size()) return Refuse(Reason::LEDGER_UNKNOWN, "no such entry");
      EXPECT_TRUE(AppendToBundle(bundle, entries[i]).ok());
    }
    return bundle;
  }

  std::vector<Bytes> entries;
  std::vector<Hash> leaves;
  std::map<TileId, Bytes> changed_tiles;
  int reads = 0;
};

}  // namespace assay::tlog
