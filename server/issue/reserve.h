// Verifiers and keys made ahead in idle time, so that an identity asked later costs no PBKDF2 and
// no key generation (docs/performance.md, docs/security.md).
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/secret.h"
#include "base/secret_pages.h"
#include "server/issue/device_key.h"

namespace assay::issue {

// Verifiers of one kind stand in for each other; both numbers are within the limits of
// matter/spake2p.h.
struct VerifierKind {
  uint32_t iterations = 0;
  size_t salt_length = 0;

  bool operator==(const VerifierKind&) const = default;
};

// A passcode as matter::DrawPasscode draws it (the SDK's default never), with the salt and verifier
// that go with it.
struct ReadyVerifier {
  uint32_t passcode = 0;
  Bytes salt;
  SecretBytes verifier;
};

inline constexpr int kMaxReserve = 100'000;

struct ReserveOptions {
  int size = 0;  // verifiers of all kinds together, and as many keys; 1 to kMaxReserve
  // Idle is when nothing was under way for so long.
  std::chrono::milliseconds rest{100};
  // A kind that nobody asked for so long is forgotten: its verifiers are wiped.
  std::chrono::seconds keep{std::chrono::hours(24)};
};

// Of verifiers or of keys.
struct ReserveTally {
  int64_t ready = 0;   // now
  int64_t made = 0;    // ever since the start, as the following
  int64_t taken = 0;   // handed out
  int64_t missed = 0;  // asked for, and none was ready
};
struct ReserveCounters {
  ReserveTally verifiers, keys;
};

// Thread-safe. An entry is handed out once and its place in the reserve wiped at that moment; what
// is left is wiped on Stop. A kind is known from the first time it was asked for, as are keys; the
// kinds share the room alike, and the kMaxKinds asked for last are kept.
class Reserve {
 public:
  static constexpr size_t kMaxKinds = 8;
  static constexpr size_t kVerifiersAStep = 5;  // five devices' three blocks fill fifteen lanes
  static constexpr size_t kKeysAStep = 16;
  // What one verifier and one key take together.
  static constexpr size_t kBytesAnEntry = 256;

  Reserve(Random& random, const Clock& clock, ReserveOptions options);
  // As Stop does.
  ~Reserve();

  // Starts the thread that fills, at the lowest priority. Without it only FillStep fills.
  void Start();
  // No step begins from now on; one under way ends. What is ready can still be taken.
  void StopFilling();
  // Waits for the step under way and wipes everything. Nothing can be taken then.
  void Stop();

  // One of this kind, or nothing; never waits for the thread that fills.
  std::optional<ReadyVerifier> TakeVerifier(VerifierKind kind);
  std::optional<DeviceKey> TakeKey();

  // A call is under way: while one is, nothing is made.
  void Began() {
    ++calls_;
    ++under_way_;
  }
  void Ended() { --under_way_; }

  // Makes a few of what is wanted on the caller's thread, whatever is under way; false where
  // nothing is wanted, or nothing could be made.
  bool FillStep();

  ReserveCounters Counters() const;
  // Where the secrets are, for tests to see that they are wiped.
  ByteView verifier_memory() const { return verifier_pages_.view(); }
  ByteView key_memory() const { return key_pages_.view(); }

 private:
  struct Stock {
    VerifierKind kind;
    absl::Time asked;
    std::vector<uint32_t> slots;
  };

  // The filling thread runs at the lowest priority: put aside with the lock in hand it would hold
  // up tickets. Not owning the lock after a little while means to go without.
  std::unique_lock<std::mutex> LockShortly() const;
  void FillThread();

  // These under the lock.
  Stock* Find(VerifierKind kind);
  size_t Share() const;
  void Forget();
  void Drop(Stock& stock, size_t left);
  // The kind asked for last of those that lack, with room made for it, and how many; none is 0.
  std::pair<VerifierKind, size_t> ChooseKind();
  size_t ChooseKeys();

  bool MakeVerifiers(VerifierKind kind, size_t count);
  bool MakeKeys(size_t count);

  Random& random_;
  const Clock& clock_;
  const ReserveOptions options_;
  std::atomic<int> under_way_{0};
  std::atomic<int64_t> calls_{0};
  std::atomic<bool> stopping_{false};

  mutable std::mutex mutex_;
  bool closed_ = false;
  SecretPages verifier_pages_, key_pages_;
  std::vector<uint32_t> free_slots_, free_keys_, ready_keys_;
  std::vector<Stock> stocks_;
  std::optional<absl::Time> keys_asked_;
  ReserveCounters counters_;
  std::atomic<int64_t> missed_verifiers_{0}, missed_keys_{0};  // also without the lock

  std::mutex end_mutex_;  // of stopping_ becoming true
  std::condition_variable end_;
  std::thread thread_;
};

}  // namespace assay::issue
