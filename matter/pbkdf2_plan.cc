#include "matter/pbkdf2_plan.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstring>

namespace assay::matter {
namespace {

constexpr size_t kHashSize = 32;
constexpr size_t kHashBlock = 64;

void KeepState(uint32_t* out, const SHA256_CTX& context) {
  for (int i = 0; i < 8; ++i) out[i] = context.h[i];
}

// HMAC's two hash states after the padded key: they are the same for all blocks of a job.
struct Pads {
  SHA256_CTX inner;
  SHA256_CTX outer;
};

void MakePads(ByteView password, Pads& pads) {
  std::array<uint8_t, kHashBlock> key{};
  if (password.size() > kHashBlock) {
    SHA256(password.data(), password.size(), key.data());
  } else if (!password.empty()) {
    std::memcpy(key.data(), password.data(), password.size());
  }
  for (uint8_t& byte : key) byte ^= 0x36;
  SHA256_Init(&pads.inner);
  SHA256_Update(&pads.inner, key.data(), key.size());
  for (uint8_t& byte : key) byte ^= 0x36 ^ 0x5C;
  SHA256_Init(&pads.outer);
  SHA256_Update(&pads.outer, key.data(), key.size());
  OPENSSL_cleanse(key.data(), key.size());
}

// Blocks of all jobs in order, dealt to lanes as lanes come free.
class Lanes {
 public:
  Lanes(const Pbkdf2Plan& plan, Pbkdf2Feed& feed) : plan_(plan), feed_(feed) {}
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;
  ~Lanes() {
    OPENSSL_cleanse(slots_.data(), sizeof slots_);
    OPENSSL_cleanse(&pads_, sizeof pads_);
  }

  void Run() {
    const int width = std::max(plan_.wide_width, plan_.narrow_width);
    for (;;) {
      while (active_ < width && DealBlock(slots_[active_])) ++active_;
      if (active_ == 0) return;
      Iterate();
      Retire();
      feed_.StepEnded();
    }
  }

 private:
  // A job not all of whose blocks are done.
  struct Open {
    const Pbkdf2Job* job = nullptr;
    size_t blocks = 0;  // still to be done
  };
  struct Slot {
    Pbkdf2Lane lane;
    uint32_t left;  // iterations still to do
    std::span<uint8_t> out;
    Open* of;
  };

  // The job whose next block is to be dealt; false when none waits.
  bool TakeJob() {
    while (dealt_ == nullptr || offset_ >= dealt_->job->key.size()) {
      dealt_ = nullptr;
      const Pbkdf2Job* next = feed_.Next();
      if (next == nullptr) return false;
      if (next->key.empty()) {
        feed_.Ended(*next);
        continue;
      }
      dealt_ = &*std::find_if(open_.begin(), open_.end(),
                              [](const Open& open) { return open.job == nullptr; });
      *dealt_ = {next, (next->key.size() + kHashSize - 1) / kHashSize};
      offset_ = 0;
      MakePads(next->password, pads_);
    }
    return true;
  }

  // The next block's U1 into `slot`; false when none is left.
  bool DealBlock(Slot& slot) {
    if (!TakeJob()) return false;
    const Pbkdf2Job& job = *dealt_->job;
    const uint32_t index = static_cast<uint32_t>(offset_ / kHashSize) + 1;
    const uint8_t big_endian[4] = {static_cast<uint8_t>(index >> 24),
                                   static_cast<uint8_t>(index >> 16),
                                   static_cast<uint8_t>(index >> 8), static_cast<uint8_t>(index)};
    std::array<uint8_t, kHashSize> digest;
    SHA256_CTX context = pads_.inner;
    SHA256_Update(&context, job.salt.data(), job.salt.size());
    SHA256_Update(&context, big_endian, sizeof big_endian);
    SHA256_Final(digest.data(), &context);
    context = pads_.outer;
    SHA256_Update(&context, digest.data(), digest.size());
    SHA256_Final(digest.data(), &context);
    KeepState(slot.lane.u, context);
    KeepState(slot.lane.t, context);
    KeepState(slot.lane.inner, pads_.inner);
    KeepState(slot.lane.outer, pads_.outer);
    slot.left = std::max<uint32_t>(job.iterations, 1) - 1;
    slot.out = job.key.subspan(offset_, std::min(kHashSize, job.key.size() - offset_));
    slot.of = dealt_;
    offset_ += kHashSize;
    OPENSSL_cleanse(&context, sizeof context);
    OPENSSL_cleanse(digest.data(), digest.size());
    return true;
  }

  // As many steps as the lane nearest its end has left, so that no lane ever runs too far; fewer
  // where that is long, so that a job that comes meanwhile finds the free lanes.
  void Iterate() {
    uint32_t steps = kPbkdf2StepsAtOnce;
    std::array<Pbkdf2Lane*, kAvx512Width> lanes;
    for (int i = 0; i < active_; ++i) {
      lanes[i] = &slots_[i].lane;
      steps = std::min(steps, slots_[i].left);
    }
    if (steps == 0) return;
    if (plan_.wide_from > 0 && active_ >= plan_.wide_from) {
      plan_.wide(lanes.data(), active_, steps);
    } else {
      // Evenly parted: two and two hide more latency than three and one.
      const int parts = (active_ + plan_.narrow_width - 1) / plan_.narrow_width;
      for (int part = 0, at = 0; part < parts; ++part) {
        const int count = (active_ - at + parts - part - 1) / (parts - part);
        plan_.narrow(lanes.data() + at, count, steps);
        at += count;
      }
    }
    for (int i = 0; i < active_; ++i) slots_[i].left -= steps;
  }

  void Retire() {
    int kept = 0;
    for (int i = 0; i < active_; ++i) {
      Slot& slot = slots_[i];
      if (slot.left > 0) {
        if (kept != i) slots_[kept] = slot;
        ++kept;
        continue;
      }
      for (size_t byte = 0; byte < slot.out.size(); ++byte) {
        slot.out[byte] = static_cast<uint8_t>(slot.lane.t[byte / 4] >> (24 - 8 * (byte % 4)));
      }
      EndBlock(*slot.of);
    }
    OPENSSL_cleanse(slots_.data() + kept, sizeof(Slot) * (active_ - kept));
    active_ = kept;
  }

  void EndBlock(Open& open) {
    if (--open.blocks > 0) return;
    const Pbkdf2Job* const ended = open.job;
    open.job = nullptr;
    if (dealt_ == &open) dealt_ = nullptr;
    feed_.Ended(*ended);
  }

  const Pbkdf2Plan plan_;
  Pbkdf2Feed& feed_;
  // Each lane may hold another job's block, and one job may have no block in a lane yet.
  std::array<Open, kAvx512Width + 1> open_;
  Open* dealt_ = nullptr;
  size_t offset_ = 0;
  Pads pads_;
  std::array<Slot, kAvx512Width> slots_;
  int active_ = 0;
};

// The kernels keep states in registers and spill some of them to the stack below their caller.
__attribute__((noinline)) void WipeStackBelow() {
  std::array<uint8_t, 8192> room;
  OPENSSL_cleanse(room.data(), room.size());
}

}  // namespace

int LanesWorthWide(std::vector<double> costs) {
  std::erase_if(costs, [](double cost) { return !std::isfinite(cost) || cost <= 0; });
  if (costs.empty()) return kAvx512Width / 2;
  const auto middle = costs.begin() + static_cast<std::ptrdiff_t>(costs.size() / 2);
  std::nth_element(costs.begin(), middle, costs.end());
  return static_cast<int>(std::clamp(*middle + 0.5, 3.0, double{kAvx512Width}));
}

void RunPlan(const Pbkdf2Plan& plan, Pbkdf2Feed& feed) {
  { Lanes(plan, feed).Run(); }
  WipeStackBelow();
}

}  // namespace assay::matter
