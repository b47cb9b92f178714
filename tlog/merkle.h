// The Merkle tree of RFC 6962 section 2.1: hashes, paths and their checks. Pure functions,
// thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"

namespace assay::tlog {

using Hash = Sha256Digest;
using Path = std::vector<Hash>;

// No path of a tree that a 64-bit size can name is longer.
inline constexpr size_t kMaxPath = 64;

// SHA-256(0x00 || entry): the entry alone, without any length before it.
Hash LeafHash(ByteView entry);
// SHA-256(0x01 || left || right).
Hash NodeHash(const Hash& left, const Hash& right);
// SHA-256 of nothing: the root of the tree of size 0.
const Hash& EmptyRoot();
// MTH over leaf hashes, or over the roots of equal full subtrees of which the last may be smaller.
Hash RootOf(std::span<const Hash> hashes);
// The largest power of two below `size`, which is 2 or more: where RFC 6962 splits a tree.
uint64_t SplitOf(uint64_t size);

// Section 2.1.1: whether `path` leads from leaf `index` to `root` in the tree of `size` leaves. The
// path does not fix the size (that of 2 in 3 also fits 1 in 2): take it from a signed checkpoint
// only. PROOF_INVALID, saying which of the two, when the length or a hash is wrong.
absl::Status VerifyInclusion(const Hash& leaf, uint64_t index, uint64_t size, const Hash& root,
                             const Path& path);

// Section 2.1.2: whether the tree of `new_size` begins with that of `old_size`. For old size 0 and
// for equal sizes the path is empty, and the roots must be the empty one and equal. PROOF_INVALID.
absl::Status VerifyConsistency(uint64_t old_size, const Hash& old_root, uint64_t new_size,
                               const Hash& new_root, const Path& path);

}  // namespace assay::tlog
