#include "server/issue/reserve.h"

#include <openssl/crypto.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "matter/passcode.h"
#include "matter/spake2p.h"

namespace assay::issue {
namespace {

// A verifier's slot: passcode, salt, verifier; a key's: scalar, point.
constexpr size_t kSaltAt = sizeof(uint32_t);
constexpr size_t kVerifierAt = kSaltAt + matter::kMaxSaltSize;
constexpr size_t kVerifierSlot = 136;
constexpr size_t kScalarSize = 32, kPointSize = 65;
constexpr size_t kKeySlot = 104;
static_assert(kVerifierAt + matter::kVerifierSize <= kVerifierSlot);
static_assert(kScalarSize + kPointSize <= kKeySlot);
// Beside the slots, their numbers stand in two lists each.
static_assert(kVerifierSlot + kKeySlot + 4 * sizeof(uint32_t) <= Reserve::kBytesAnEntry);

// Kinds asked for are noted without tidying up: that is for idle time.
constexpr size_t kMaxNoted = 4 * Reserve::kMaxKinds;
constexpr int kLockTries = 64;

std::vector<uint32_t> AllSlots(size_t count) {
  std::vector<uint32_t> slots(count);
  for (size_t i = 0; i < count; ++i) slots[i] = static_cast<uint32_t>(count - 1 - i);
  return slots;
}

uint32_t Pop(std::vector<uint32_t>& slots) {
  const uint32_t slot = slots.back();
  slots.pop_back();
  return slot;
}

size_t SizeOf(const ReserveOptions& options) {
  return static_cast<size_t>(std::clamp(options.size, 1, kMaxReserve));
}

}  // namespace

Reserve::Reserve(Random& random, const Clock& clock, ReserveOptions options)
    : random_(random),
      clock_(clock),
      options_(options),
      verifier_pages_(SizeOf(options), kVerifierSlot),
      key_pages_(SizeOf(options), kKeySlot),
      free_slots_(AllSlots(SizeOf(options))),
      free_keys_(AllSlots(SizeOf(options))) {}

Reserve::~Reserve() { Stop(); }

// ---- the thread
// ----------------------------------------------------------------------------------------

void Reserve::Start() {
  thread_ = std::thread([this] { FillThread(); });
}

void Reserve::StopFilling() {
  {
    const std::lock_guard lock(end_mutex_);
    stopping_ = true;
  }
  end_.notify_all();
}

void Reserve::Stop() {
  StopFilling();
  if (thread_.joinable()) thread_.join();
  const std::lock_guard lock(mutex_);
  closed_ = true;
  verifier_pages_.Wipe();
  key_pages_.Wipe();
  stocks_.clear();
  ready_keys_.clear();
}

void Reserve::FillThread() {
  // Of this thread alone; where it is not allowed the work is done at the usual priority.
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), 19);
  int64_t seen = -1;
  std::unique_lock lock(end_mutex_);
  // It looks now and then instead of being woken: waking it is work for whoever ends a ticket.
  while (!end_.wait_for(lock, options_.rest, [this] { return stopping_.load(); })) {
    const int64_t calls = calls_;
    const auto idle = [&] { return under_way_ == 0 && calls_ == calls && !stopping_; };
    const bool rested = calls == seen && idle();
    seen = calls;
    if (!rested) continue;
    lock.unlock();
    while (idle() && FillStep()) {
    }
    lock.lock();
  }
}

// ---- taking
// --------------------------------------------------------------------------------------------

std::unique_lock<std::mutex> Reserve::LockShortly() const {
  std::unique_lock lock(mutex_, std::try_to_lock);
  for (int i = 0; i < kLockTries && !lock.owns_lock(); ++i) {
    std::this_thread::yield();
    lock.try_lock();
  }
  return lock;
}

Reserve::Stock* Reserve::Find(VerifierKind kind) {
  const auto found = std::find_if(stocks_.begin(), stocks_.end(),
                                  [&](const Stock& stock) { return stock.kind == kind; });
  return found == stocks_.end() ? nullptr : &*found;
}

std::optional<ReadyVerifier> Reserve::TakeVerifier(VerifierKind kind) {
  const absl::Time now = clock_.Now();
  const std::unique_lock lock = LockShortly();
  Stock* stock = lock.owns_lock() ? Find(kind) : nullptr;
  if (lock.owns_lock() && stock == nullptr && stocks_.size() < kMaxNoted) {
    stocks_.push_back({kind, now, {}});
  }
  if (stock != nullptr) stock->asked = now;
  if (stock == nullptr || stock->slots.empty()) {
    ++missed_verifiers_;
    return std::nullopt;
  }
  const uint32_t slot = Pop(stock->slots);
  const uint8_t* const at = verifier_pages_.Slot(slot).data();
  ReadyVerifier ready;
  std::copy_n(at, sizeof ready.passcode, reinterpret_cast<uint8_t*>(&ready.passcode));
  ready.salt.assign(at + kSaltAt, at + kSaltAt + kind.salt_length);
  ready.verifier = SecretBytes::CopyOf({at + kVerifierAt, matter::kVerifierSize});
  verifier_pages_.WipeSlot(slot);
  free_slots_.push_back(slot);
  ++counters_.verifiers.taken;
  return ready;
}

std::optional<DeviceKey> Reserve::TakeKey() {
  const absl::Time now = clock_.Now();
  const std::unique_lock lock = LockShortly();
  if (lock.owns_lock()) keys_asked_ = now;
  if (!lock.owns_lock() || ready_keys_.empty()) {
    ++missed_keys_;
    return std::nullopt;
  }
  const uint32_t slot = Pop(ready_keys_);
  const uint8_t* const at = key_pages_.Slot(slot).data();
  DeviceKey key;
  key.scalar = SecretBytes::CopyOf({at, kScalarSize});
  std::copy_n(at + kScalarSize, kPointSize, key.point.begin());
  key_pages_.WipeSlot(slot);
  free_keys_.push_back(slot);
  ++counters_.keys.taken;
  return key;
}

ReserveCounters Reserve::Counters() const {
  const std::lock_guard lock(mutex_);
  ReserveCounters counters = counters_;
  for (const Stock& stock : stocks_) {
    counters.verifiers.ready += static_cast<int64_t>(stock.slots.size());
  }
  counters.keys.ready = static_cast<int64_t>(ready_keys_.size());
  counters.verifiers.missed = missed_verifiers_;
  counters.keys.missed = missed_keys_;
  return counters;
}

// ---- filling
// -------------------------------------------------------------------------------------------

bool Reserve::FillStep() {
  size_t keys = 0;
  std::pair<VerifierKind, size_t> verifiers;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return false;
    Forget();
    keys = ChooseKeys();
    verifiers = ChooseKind();
  }
  // Keys first: a verifier is of no use to an identity that waits for its key all the same, and
  // keys are soon made.
  if (keys > 0) return MakeKeys(keys);
  return verifiers.second > 0 && MakeVerifiers(verifiers.first, verifiers.second);
}

size_t Reserve::Share() const { return SizeOf(options_) / std::max(stocks_.size(), size_t{1}); }

void Reserve::Drop(Stock& stock, size_t left) {
  while (stock.slots.size() > left) {
    const uint32_t slot = Pop(stock.slots);
    verifier_pages_.WipeSlot(slot);
    free_slots_.push_back(slot);
  }
}

// What nobody asked for lately, and the kinds too many.
void Reserve::Forget() {
  const absl::Time oldest = clock_.Now() - absl::FromChrono(options_.keep);
  std::stable_sort(stocks_.begin(), stocks_.end(),
                   [](const Stock& a, const Stock& b) { return a.asked > b.asked; });
  const size_t most = std::min(kMaxKinds, SizeOf(options_));
  while (!stocks_.empty() && (stocks_.size() > most || stocks_.back().asked < oldest)) {
    Drop(stocks_.back(), 0);
    stocks_.pop_back();
  }
  if (keys_asked_ && *keys_asked_ < oldest) {
    keys_asked_.reset();
    for (const uint32_t slot : ready_keys_) {
      key_pages_.WipeSlot(slot);
      free_keys_.push_back(slot);
    }
    ready_keys_.clear();
  }
}

size_t Reserve::ChooseKeys() { return keys_asked_ ? std::min(kKeysAStep, free_keys_.size()) : 0; }

std::pair<VerifierKind, size_t> Reserve::ChooseKind() {
  const size_t share = Share();
  for (const Stock& stock : stocks_) {
    if (stock.slots.size() >= share) continue;
    const size_t lacking = std::min(kVerifiersAStep, share - stock.slots.size());
    for (Stock& other : stocks_) {
      const size_t have = free_slots_.size();
      if (have >= lacking) break;
      const size_t excess = other.slots.size() - std::min(other.slots.size(), share);
      Drop(other, other.slots.size() - std::min(excess, lacking - have));
    }
    return {stock.kind, std::min(lacking, free_slots_.size())};
  }
  return {};
}

bool Reserve::MakeVerifiers(VerifierKind kind, size_t count) {
  std::vector<matter::VerifierJob> jobs(count);
  for (matter::VerifierJob& job : jobs) {
    job.passcode = matter::DrawPasscode(random_);
    job.parameters = {kind.iterations, matter::DrawSalt(random_, kind.salt_length)};
  }
  matter::ComputeVerifiers(jobs);
  size_t kept = 0;
  const std::lock_guard lock(mutex_);
  // Whoever stopped the reserve meanwhile has wiped it.
  Stock* const stock = closed_ ? nullptr : Find(kind);
  for (matter::VerifierJob& job : jobs) {
    if (stock != nullptr && job.status.ok() && !free_slots_.empty()) {
      const uint32_t slot = Pop(free_slots_);
      uint8_t* const at = verifier_pages_.Slot(slot).data();
      std::copy_n(reinterpret_cast<const uint8_t*>(&job.passcode), sizeof job.passcode, at);
      std::copy(job.parameters.salt.begin(), job.parameters.salt.end(), at + kSaltAt);
      std::copy_n(job.verifier.data(), job.verifier.size(), at + kVerifierAt);
      stock->slots.push_back(slot);
      ++kept;
    }
    OPENSSL_cleanse(&job.passcode, sizeof job.passcode);
  }
  counters_.verifiers.made += static_cast<int64_t>(kept);
  return kept > 0;
}

bool Reserve::MakeKeys(size_t count) {
  std::vector<DeviceKey> keys;
  while (keys.size() < count) {
    auto key = MakeDeviceKey();
    if (!key.ok()) break;
    keys.push_back(*std::move(key));
  }
  const std::lock_guard lock(mutex_);
  if (closed_ || keys.size() > free_keys_.size()) return false;
  for (const DeviceKey& key : keys) {
    const uint32_t slot = Pop(free_keys_);
    uint8_t* const at = key_pages_.Slot(slot).data();
    std::copy_n(key.scalar.data(), kScalarSize, at);
    std::copy(key.point.begin(), key.point.end(), at + kScalarSize);
    ready_keys_.push_back(slot);
  }
  counters_.keys.made += static_cast<int64_t>(keys.size());
  return !keys.empty();
}

}  // namespace assay::issue
