#include "tlog/merkle.h"

#include <openssl/sha.h>

#include <bit>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"

namespace assay::tlog {
namespace {

absl::Status BadProof(absl::string_view why) { return Refuse(Reason::PROOF_INVALID, why); }

bool IsOdd(uint64_t number) { return (number & 1) == 1; }

}  // namespace

Hash LeafHash(ByteView entry) {
  static constexpr uint8_t kPrefix = 0;
  Hash hash;
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Update(&context, &kPrefix, 1);
  SHA256_Update(&context, entry.data(), entry.size());
  SHA256_Final(hash.data(), &context);
  return hash;
}

Hash NodeHash(const Hash& left, const Hash& right) {
  static constexpr uint8_t kPrefix = 1;
  Hash hash;
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Update(&context, &kPrefix, 1);
  SHA256_Update(&context, left.data(), left.size());
  SHA256_Update(&context, right.data(), right.size());
  SHA256_Final(hash.data(), &context);
  return hash;
}

const Hash& EmptyRoot() {
  static const Hash empty = Sha256({});
  return empty;
}

uint64_t SplitOf(uint64_t size) { return std::bit_floor(size - 1); }

Hash RootOf(std::span<const Hash> hashes) {
  if (hashes.empty()) return EmptyRoot();
  if (hashes.size() == 1) return hashes[0];
  const size_t split = SplitOf(hashes.size());
  return NodeHash(RootOf(hashes.first(split)), RootOf(hashes.subspan(split)));
}

absl::Status VerifyInclusion(const Hash& leaf, uint64_t index, uint64_t size, const Hash& root,
                             const Path& path) {
  if (index >= size) {
    return BadProof(absl::StrCat("entry ", index, " is not in a tree of ", size, " entries"));
  }
  uint64_t at = index, last = size - 1;
  Hash hash = leaf;
  for (const Hash& sibling : path) {
    if (last == 0) return BadProof("the proof is too long for the signed size");
    if (IsOdd(at) || at == last) {
      hash = NodeHash(sibling, hash);
      while (!IsOdd(at) && at != 0) {
        at >>= 1;
        last >>= 1;
      }
    } else {
      hash = NodeHash(hash, sibling);
    }
    at >>= 1;
    last >>= 1;
  }
  if (last != 0) return BadProof("the proof is too short for the signed size");
  if (hash != root) return BadProof("the proof does not lead from the entry to the signed root");
  return absl::OkStatus();
}

absl::Status VerifyConsistency(uint64_t old_size, const Hash& old_root, uint64_t new_size,
                               const Hash& new_root, const Path& path) {
  if (old_size > new_size) {
    return BadProof(absl::StrCat("a tree of ", new_size, " entries cannot begin with ", old_size));
  }
  if (old_size == 0 || old_size == new_size) {
    if (!path.empty()) return BadProof("the proof must be empty here");
    if (old_size == 0 && old_root != EmptyRoot()) return BadProof("size 0 has another root");
    if (old_size == new_size && old_root != new_root) {
      return BadProof(absl::StrCat("two roots of size ", old_size, ": the log has forked"));
    }
    return absl::OkStatus();
  }
  Path hashes;
  if (std::has_single_bit(old_size)) hashes.push_back(old_root);
  hashes.insert(hashes.end(), path.begin(), path.end());
  if (path.empty()) return BadProof("the proof is too short");
  uint64_t at = old_size - 1, last = new_size - 1;
  while (IsOdd(at)) {
    at >>= 1;
    last >>= 1;
  }
  Hash old_hash = hashes[0], new_hash = hashes[0];
  for (size_t i = 1; i < hashes.size(); ++i) {
    if (last == 0) return BadProof("the proof is too long");
    if (IsOdd(at) || at == last) {
      old_hash = NodeHash(hashes[i], old_hash);
      new_hash = NodeHash(hashes[i], new_hash);
      while (!IsOdd(at) && at != 0) {
        at >>= 1;
        last >>= 1;
      }
    } else {
      new_hash = NodeHash(new_hash, hashes[i]);
    }
    at >>= 1;
    last >>= 1;
  }
  if (last != 0) return BadProof("the proof is too short");
  if (old_hash != old_root) return BadProof("the proof does not lead to the old root");
  if (new_hash != new_root) return BadProof("the proof does not lead to the new root");
  return absl::OkStatus();
}

}  // namespace assay::tlog
