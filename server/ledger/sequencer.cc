#include "server/ledger/sequencer.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/refusal.h"
#include "matter/ecdsa.h"
#include "server/ledger/store_reader.h"

namespace assay::ledger {
namespace {

// Ids are given before their transactions commit, so a smaller one may appear after a larger: most
// rounds look this far back, and one round in kFullLook looks at all.
constexpr int64_t kLookBack = 100'000;
constexpr int kFullLook = 40;

absl::Status Forked(absl::string_view what) { return Refuse(Reason::LEDGER_FORKED, what); }

Sha256Digest RootOfHead(const db::LedgerHead& head) {
  return head.size == 0 ? tlog::EmptyRoot() : head.root;
}

}  // namespace

Sequencer::Sequencer(std::shared_ptr<db::LedgerStore> store, std::shared_ptr<hsm::Token> token,
                     std::shared_ptr<hsm::SignerPool> signers, const Clock& clock,
                     SequencerOptions options)
    : store_(std::move(store)),
      token_(std::move(token)),
      signers_(std::move(signers)),
      clock_(clock),
      options_(std::move(options)) {}

Sequencer::~Sequencer() {
  if (!State().leading) return;
  if (const absl::Status ended = store_->EndLease(options_.instance_id); !ended.ok()) {
    LogWarning("ledger_lease_not_ended", {{"message", std::string(ended.message())}});
  }
}

SequencerState Sequencer::State() const {
  std::lock_guard lock(mutex_);
  return state_;
}

absl::StatusOr<tlog::NoteKey> Sequencer::PublicKey() {
  {
    std::lock_guard lock(mutex_);
    if (key_) return *key_;
  }
  const auto found = token_->FindKey(options_.key);
  if (!found.ok()) return found.status();
  if (!found->public_point) {
    return RefuseField(Reason::HSM_KEY_UNFIT, "hsm.keys.ledger", options_.key,
                       "must be a signing key");
  }
  std::string origin = options_.origin;
  if (origin.empty()) {
    const auto unnamed = tlog::NoteKey::OfP256("assay-ledger", *found->public_point);
    if (!unnamed.ok()) return unnamed.status();
    origin = absl::StrCat("assay-ledger/", ToHex(unnamed->id()));
  }
  auto key = tlog::NoteKey::OfP256(origin, *found->public_point);
  if (!key.ok()) return key;
  std::lock_guard lock(mutex_);
  key_ = *key;
  return key;
}

absl::Status Sequencer::MayIssue() const {
  std::lock_guard lock(mutex_);
  if (!state_.fork.ok() || state_.checked) return state_.fork;
  // What keeps it from looking says more than that it has not looked.
  if (!first_look_.ok()) return first_look_;
  return RefuseFor(Reason::LEDGER_PENDING,
                   "this replica has just started and is still checking the ledger",
                   std::chrono::milliseconds(500));
}

void Sequencer::Forget() { tree_.reset(); }

// Of a replica that does not lead: the leader adds meanwhile, so what looks wrong is looked at
// again in the next round, and only what is right counts.
void Sequencer::LookOnce() {
  if (State().checked) return;
  const absl::Status seen = TakeOver();
  if (seen.ok()) Forget();
  std::lock_guard lock(mutex_);
  // Beside a leader at work the ledger may look wrong for a moment.
  first_look_ = HasReason(seen, Reason::LEDGER_FORKED) ? absl::OkStatus() : seen;
}

absl::Status Sequencer::RunOnce() {
  const absl::Status status = Lead();
  if (!status.ok()) Forget();
  const bool forked = HasReason(status, Reason::LEDGER_FORKED);
  // The others are to see it too: each takes the lease in turn, finds the fork, and stops issuing.
  const absl::Status ended = forked ? store_->EndLease(options_.instance_id) : absl::OkStatus();
  std::lock_guard lock(mutex_);
  if (forked) {
    if (ended.ok()) state_.leading = false;
    if (state_.fork.ok()) LogError("ledger_forked", {{"message", std::string(status.message())}});
    state_.fork = status;
  } else if (status.ok() && state_.leading) {
    state_.fork = absl::OkStatus();
  }
  if (!status.ok()) {
    ++state_.failures;
    first_look_ = status;
  }
  state_.lag = oldest_unsigned_ ? std::max(clock_.Now() - *oldest_unsigned_, absl::ZeroDuration())
                                : absl::ZeroDuration();
  return status;
}

absl::Status Sequencer::Lead() {
  const auto now = std::chrono::steady_clock::now();
  const bool leading = State().leading;
  // Half a lease between two attempts, whether to keep it or to get it.
  if (!tree_ || now - lease_taken_ >= options_.lease / 2) {
    if (!leading && lease_taken_ != std::chrono::steady_clock::time_point() &&
        now - lease_taken_ < options_.lease / 2) {
      LookOnce();
      return absl::OkStatus();
    }
    const auto taken = store_->TakeLease(options_.instance_id, options_.lease);
    if (taken.ok()) lease_taken_ = now;
    {
      std::lock_guard lock(mutex_);
      state_.leading = taken.ok() && *taken;
    }
    if (!taken.ok()) return taken.status();
    if (!*taken) {
      Forget();
      LookOnce();
      oldest_unsigned_.reset();
      return absl::OkStatus();
    }
  }
  if (!tree_) ASSAY_RETURN_IF_ERROR(TakeOver());
  // Bounded, so that the lease is looked after under any load.
  for (int i = 0; i < 16; ++i) {
    const auto full = Step();
    if (!full.ok()) return full.status();
    if (!*full) break;
  }
  ASSAY_RETURN_IF_ERROR(Sign());
  return Thin();
}

// Once an hour: a checkpoint a second would be the ledger's largest table.
absl::Status Sequencer::Thin() {
  const auto now = std::chrono::steady_clock::now();
  if (thinned_ != std::chrono::steady_clock::time_point() &&
      now - thinned_ < std::chrono::hours(1)) {
    return absl::OkStatus();
  }
  thinned_ = now;
  return store_->ThinCheckpoints().status();
}

absl::Status Sequencer::TakeOver() {
  const auto head = store_->ReadHead();
  if (!head.ok()) return head.status();
  std::vector<std::vector<tlog::Hash>> edge(tlog::kMaxTileLevel + 1);
  StoreReader reader(store_);
  for (int level = 0; level <= tlog::kMaxTileLevel; ++level) {
    const uint64_t hashes = head->size >> (8 * level);
    const uint64_t width = hashes % tlog::kTileWidth;
    if (width == 0) continue;
    const auto tile = reader.ReadTile({level, hashes / tlog::kTileWidth}, width);
    if (HasReason(tile.status(), Reason::LEDGER_UNKNOWN)) return Forked(tile.status().message());
    if (!tile.ok()) return tile.status();
    edge[static_cast<size_t>(level)] = *tlog::HashesOf(*tile, width);
  }
  auto tree = tlog::GrowingTree::FromEdge(head->size, std::move(edge));
  if (!tree.ok()) return tree.status();
  if (tree->Root() != RootOfHead(*head)) {
    return Forked(absl::StrCat("the tiles do not lead to the root of the head, ", head->size));
  }
  ASSAY_RETURN_IF_ERROR(CheckEdge(*head));
  ASSAY_RETURN_IF_ERROR(CheckSigned(*head));
  tree_ = *std::move(tree);
  head_ = *head;
  placed_up_to_ = 0;
  std::lock_guard lock(mutex_);
  state_.checked = true;
  state_.size = head_.size;
  state_.signed_size = signed_size_;
  return absl::OkStatus();
}

// The entries of the last tile that has any: an edited, moved or missing row there is found at
// once; what lies deeper, by whoever reads the whole log.
absl::Status Sequencer::CheckEdge(const db::LedgerHead& head) {
  if (head.size == 0) return absl::OkStatus();
  const uint64_t index = (head.size - 1) / tlog::kTileWidth;
  const uint64_t width = tlog::WidthOf({0, index}, head.size);
  const auto leaves = store_->ReadLeaves(index * tlog::kTileWidth, static_cast<int>(width));
  if (!leaves.ok()) return leaves.status();
  const auto tile = store_->ReadTile(0, index);
  if (!tile.ok()) return tile.status();
  const auto hashes = tlog::HashesOf(*tile, width);
  if (!hashes.ok()) return Forked(hashes.status().message());
  for (size_t i = 0; i < width; ++i) {
    const uint64_t place = index * tlog::kTileWidth + i;
    if (i >= leaves->size()) return Forked(absl::StrCat("entry ", place, " is missing"));
    if (tlog::LeafHash(AsBytes((*leaves)[i])) != (*hashes)[i]) {
      return Forked(absl::StrCat("entry ", place, " was changed, moved or taken away"));
    }
  }
  return absl::OkStatus();
}

absl::Status Sequencer::CheckSigned(const db::LedgerHead& head) {
  const auto latest = store_->LatestCheckpoint();
  if (!latest.ok()) return latest.status();
  signed_size_ = 0;
  std::vector<tlog::Checkpoint> held;
  if (remembered_) held.push_back(*remembered_);
  if (latest->has_value()) {
    const auto key = PublicKey();
    if (!key.ok()) return key.status();
    const auto opened = tlog::OpenCheckpoint((*latest)->note, *key);
    if (!opened.ok()) {
      return Forked(absl::StrCat("the newest checkpoint: ", opened.status().message()));
    }
    held.push_back(*opened);
    signed_size_ = opened->size;
    std::lock_guard lock(mutex_);
    state_.published_at = (*latest)->published_at;
  }
  StoreReader reader(store_);
  tlog::Prover prover(reader, head.size);
  for (const tlog::Checkpoint& checkpoint : held) {
    if (checkpoint.size > head.size) {
      return Forked(absl::StrCat("the ledger has ", head.size, " entries, but ", checkpoint.size,
                                 " were signed: it was cut back"));
    }
    const auto root = prover.RootAt(checkpoint.size);
    if (HasReason(root.status(), Reason::LEDGER_UNKNOWN)) return Forked(root.status().message());
    if (!root.ok()) return root.status();
    if (*root != checkpoint.root) {
      return Forked(
          absl::StrCat("the first ", checkpoint.size, " entries are not those that were signed"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Sequencer::Step() {
  const int64_t after =
      rounds_++ % kFullLook == 0 ? 0 : std::max<int64_t>(0, placed_up_to_ - kLookBack);
  const auto pending = store_->ReadPending(after, options_.batch);
  if (!pending.ok()) return pending.status();
  if (pending->empty()) return false;
  tlog::GrowingTree grown = *tree_;
  db::LedgerStep step;
  step.from = head_;
  for (const db::PendingEntry& entry : *pending) {
    grown.Append(tlog::LeafHash(AsBytes(db::LedgerLeaf(entry.body, entry.written_at))));
    step.ids.push_back(entry.id);
    step.devices.push_back(db::DeviceOfEntry(entry.body));
  }
  step.to = {grown.size(), grown.Root()};
  for (const auto& [id, hashes] : grown.TakeChanged()) {
    step.tiles.push_back({id.level, id.index, tlog::BytesOf(hashes)});
  }
  // A commit in doubt is a failure here: the next round takes over anew and reads the head.
  ASSAY_RETURN_IF_ERROR(store_->Append(options_.instance_id, step));
  tree_ = std::move(grown);
  head_ = step.to;
  placed_up_to_ = std::max(placed_up_to_, pending->back().id);
  if (!oldest_unsigned_) oldest_unsigned_ = pending->front().written_at;
  std::lock_guard lock(mutex_);
  state_.size = head_.size;
  ++state_.steps;
  return pending->size() == static_cast<size_t>(options_.batch);
}

absl::Status Sequencer::Sign() {
  if (head_.size == signed_size_) return absl::OkStatus();
  const auto key = PublicKey();
  if (!key.ok()) return key.status();
  const tlog::Checkpoint checkpoint{key->name(), head_.size, head_.root, {}};
  const std::string text = tlog::CheckpointText(checkpoint);
  const auto raw =
      signers_->SignAndWait(options_.key, Sha256(AsBytes(text)), Deadline::In(options_.signing));
  if (!raw.ok()) return raw.status();
  const Bytes der = matter::SignatureToDer(*raw);
  if (!key->Verify(text, der)) {
    return Refuse(Reason::HSM_BAD_SIGNATURE, "the checkpoint's signature is wrong; not published");
  }
  const std::string note = tlog::WriteNote({text, {{key->name(), key->id(), der}}});
  ASSAY_RETURN_IF_ERROR(
      store_->Publish(options_.instance_id, {head_.size, head_.root, note, clock_.Now()}));
  signed_size_ = head_.size;
  remembered_ = checkpoint;
  oldest_unsigned_.reset();
  std::lock_guard lock(mutex_);
  state_.signed_size = signed_size_;
  state_.published_at = clock_.Now();
  ++state_.checkpoints;
  return absl::OkStatus();
}

}  // namespace assay::ledger
