#include "matter/lane_tables.h"

#include <openssl/bn.h>
#include <openssl/obj_mac.h>

#include <algorithm>
#include <array>
#include <vector>

#include "matter/modular_inverse.h"

namespace assay::matter {
namespace {

using Context = std::unique_ptr<BN_CTX, decltype(&BN_CTX_free)>;
using Group = std::unique_ptr<EC_GROUP, decltype(&EC_GROUP_free)>;
using Number = std::unique_ptr<BIGNUM, decltype(&BN_free)>;
using Point = std::unique_ptr<EC_POINT, decltype(&EC_POINT_free)>;
using Reduction = std::unique_ptr<BN_MONT_CTX, decltype(&BN_MONT_CTX_free)>;

constexpr int kFormBits = 260;  // the kernel's numbers are times 2^260

Number NewNumber() { return {BN_new(), BN_free}; }

using Words = std::array<uint64_t, 4>;  // the least significant first

bool ToWords(const BIGNUM* number, Words& words) {
  std::array<uint8_t, 32> bytes;
  if (BN_bn2lebinpad(number, bytes.data(), 32) != 32) return false;
  words.fill(0);
  for (size_t i = 0; i < 32; ++i) words[i / 8] |= uint64_t{bytes[i]} << (8 * (i % 8));
  return true;
}

// ---- tables

// number * 2^260 modulo the field's prime.
bool ToForm(const BIGNUM* number, const BIGNUM* prime, BIGNUM* scratch, BN_CTX* context,
            uint64_t (&out)[4]) {
  Words words;
  if (BN_lshift(scratch, number, kFormBits) != 1 ||
      BN_nnmod(scratch, scratch, prime, context) != 1 || !ToWords(scratch, words)) {
    return false;
  }
  std::copy(words.begin(), words.end(), out);
  return true;
}

// The multiples of a point, as the table has them one after the other.
std::vector<Point> MultiplesOf(const EC_GROUP* group, const EC_POINT* point, BN_CTX* context) {
  std::vector<Point> multiples;
  Point first(EC_POINT_dup(point, group), EC_POINT_free);
  for (int i = 0; i < kDigits; ++i) {
    for (int j = 0; j < kRowPoints; ++j) {
      const EC_POINT* before = j == 0 ? nullptr : multiples.back().get();
      Point next(j == 0 ? EC_POINT_dup(first.get(), group) : EC_POINT_new(group), EC_POINT_free);
      if (next == nullptr ||
          (j > 0 && EC_POINT_add(group, next.get(), before, first.get(), context) != 1)) {
        return {};
      }
      multiples.push_back(std::move(next));
    }
    // The row's last is 2^6 times its first.
    if (EC_POINT_dbl(group, first.get(), multiples.back().get(), context) != 1) return {};
  }
  return multiples;
}

bool FillTable(const EC_POINT* point, PointTable& table) {
  const Group group(EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1), EC_GROUP_free);
  const Context context(BN_CTX_new(), BN_CTX_free);
  const Number x = NewNumber(), y = NewNumber(), scratch = NewNumber();
  if (group == nullptr || context == nullptr || scratch == nullptr || y == nullptr ||
      x == nullptr || EC_POINT_is_at_infinity(group.get(), point) == 1) {
    return false;
  }
  const std::vector<Point> multiples = MultiplesOf(group.get(), point, context.get());
  if (multiples.empty()) return false;
  std::vector<EC_POINT*> all;
  for (const Point& multiple : multiples) all.push_back(multiple.get());
  // One division for all of them.
  if (EC_POINTs_make_affine(group.get(), all.size(), all.data(), context.get()) != 1) return false;
  const BIGNUM* prime = EC_GROUP_get0_field(group.get());
  TablePoint* out = &table.row[0][0];
  for (const EC_POINT* multiple : all) {
    if (EC_POINT_get_affine_coordinates(group.get(), multiple, x.get(), y.get(), context.get()) !=
            1 ||
        !ToForm(x.get(), prime, scratch.get(), context.get(), out->x) ||
        !ToForm(y.get(), prime, scratch.get(), context.get(), out->y)) {
      return false;
    }
    ++out;
  }
  return true;
}

// ---- scalars

// The group's order and what computing modulo it wants, once for the process.
struct Order {
  static const Order& Get() {
    static const Order order;
    return order;
  }
  Order() {
    const Context context(BN_CTX_new(), BN_CTX_free);
    n = EC_GROUP_get0_order(group.get());
    p = EC_GROUP_get0_field(group.get());
    BN_MONT_CTX_set(reduction.get(), n, context.get());
    ModularInverter::Number bytes{};
    BN_bn2binpad(n, bytes.data(), static_cast<int>(bytes.size()));
    inverter = std::make_unique<const ModularInverter>(bytes);
  }

  const Group group{EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1), EC_GROUP_free};
  const Reduction reduction{BN_MONT_CTX_new(), BN_MONT_CTX_free};
  const BIGNUM* n = nullptr;  // the order
  const BIGNUM* p = nullptr;  // the field's prime
  std::unique_ptr<const ModularInverter> inverter;
};

// What a thread's verifications work in; nothing in it is secret.
struct Scratch {
  Scratch() {
    for (auto* numbers : {&r, &s, &before}) {
      for (BIGNUM*& number : *numbers) number = BN_new();
    }
  }
  ~Scratch() {
    for (auto* numbers : {&r, &s, &before}) {
      for (BIGNUM* number : *numbers) BN_free(number);
    }
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  const Context context{BN_CTX_new(), BN_CTX_free};
  std::array<BIGNUM*, kEcdsaLanes> r{}, s{}, before{};
  const Number inverse = NewNumber(), number = NewNumber();
};

bool IsScalar(const BIGNUM* number, const BIGNUM* order) {
  return !BN_is_zero(number) && BN_cmp(number, order) < 0;
}

// Replaces each s by its inverse, in Montgomery's form. One division for all: the inverse of the
// product of all, times the product of the others.
bool InvertAll(Scratch& scratch, size_t count) {
  const Order& order = Order::Get();
  BN_MONT_CTX* const reduction = order.reduction.get();
  BN_CTX* const context = scratch.context.get();
  const auto times = [&](BIGNUM* out, const BIGNUM* a, const BIGNUM* b) {
    return BN_mod_mul_montgomery(out, a, b, reduction, context) == 1;
  };
  for (size_t i = 0; i < count; ++i) {
    if (BN_to_montgomery(scratch.s[i], scratch.s[i], reduction, context) != 1) return false;
    const bool multiplied = i == 0 ? BN_copy(scratch.before[0], scratch.s[0]) != nullptr
                                   : times(scratch.before[i], scratch.before[i - 1], scratch.s[i]);
    if (!multiplied) return false;
  }
  BIGNUM* const inverse = scratch.inverse.get();
  ModularInverter::Number bytes{};
  if (BN_from_montgomery(inverse, scratch.before[count - 1], reduction, context) != 1 ||
      BN_bn2binpad(inverse, bytes.data(), static_cast<int>(bytes.size())) < 0) {
    return false;
  }
  const auto inverted = order.inverter->Invert(bytes);
  if (!inverted || BN_bin2bn(inverted->data(), 32, inverse) == nullptr ||
      BN_to_montgomery(inverse, inverse, reduction, context) != 1) {
    return false;
  }
  for (size_t i = count - 1; i > 0; --i) {
    if (!times(scratch.before[i], inverse, scratch.before[i - 1]) ||
        !times(inverse, inverse, scratch.s[i]) ||
        BN_copy(scratch.s[i], scratch.before[i]) == nullptr) {
      return false;
    }
  }
  return BN_copy(scratch.s[0], inverse) != nullptr;
}

bool ToColumn(const BIGNUM* number, size_t lane, uint64_t (&columns)[4][kEcdsaLanes]) {
  Words words;
  if (!ToWords(number, words)) return false;
  for (size_t i = 0; i < 4; ++i) columns[i][lane] = words[i];
  return true;
}

bool ToDigits(const BIGNUM* scalar, size_t lane, int8_t (&digits)[kDigits][kEcdsaLanes]) {
  Words words;
  if (!ToWords(scalar, words)) return false;
  int carry = 0;
  for (int i = 0; i < kDigits; ++i) {
    const size_t bit = static_cast<size_t>(i) * kDigitBits, word = bit / 64, shift = bit % 64;
    uint64_t bits = words[word] >> shift;
    if (shift > 64 - kDigitBits && word < 3) bits |= words[word + 1] << (64 - shift);
    const int digit = static_cast<int>(bits & ((1 << kDigitBits) - 1)) + carry;
    carry = digit > kRowPoints ? 1 : 0;
    digits[i][lane] = static_cast<int8_t>(digit - (carry << kDigitBits));
  }
  return true;
}

// The lane's part of what the kernel is asked; r and 1/s are in `scratch`.
bool FillLane(Scratch& scratch, const LaneCheck& check, size_t lane, EcdsaLanes& lanes) {
  const Order& order = Order::Get();
  BN_MONT_CTX* const reduction = order.reduction.get();
  BN_CTX* const context = scratch.context.get();
  BIGNUM* const number = scratch.number.get();
  const BIGNUM* r = scratch.r[lane];
  const BIGNUM* w = scratch.s[lane];
  lanes.key[lane] = &check.key->points();
  // The point (e/s) G + (r/s) Q has r for its x, modulo n; the field is a little larger than the
  // group, so that x may be r + n as well.
  return BN_bin2bn(check.digest->data(), static_cast<int>(check.digest->size()), number) !=
             nullptr &&
         BN_nnmod(number, number, order.n, context) == 1 &&
         BN_mod_mul_montgomery(number, number, w, reduction, context) == 1 &&
         ToDigits(number, lane, lanes.base_digits) &&
         BN_mod_mul_montgomery(number, r, w, reduction, context) == 1 &&
         ToDigits(number, lane, lanes.key_digits) && ToColumn(r, lane, lanes.x) &&
         BN_add(number, r, order.n) == 1 &&
         ToColumn(BN_cmp(number, order.p) < 0 ? number : r, lane, lanes.other_x);
}

// ---- the base point

struct Base {
  // Null where memory is short.
  static const Base* Get() {
    static const std::unique_ptr<const Base> base = Make();
    return base.get();
  }
  static std::unique_ptr<const Base> Make() {
    auto base = std::make_unique<Base>();
    const Order& order = Order::Get();
    Words prime;
    if (!FillTable(EC_GROUP_get0_generator(order.group.get()), base->points) ||
        !ToWords(order.p, prime)) {
      return nullptr;
    }
    // The largest multiple in the table: scalars below the order have no digit that takes it.
    base->start = base->end = base->points.row[kDigits - 1][kRowPoints - 1];
    uint64_t borrow = 0;
    for (size_t i = 0; i < 4; ++i) {
      const uint64_t taken = base->start.y[i] + borrow;
      borrow = taken < borrow || prime[i] < taken ? 1 : 0;
      base->end.y[i] = prime[i] - taken;
    }
    return base;
  }

  PointTable points;
  TablePoint start, end;
};

EcdsaVerdicts RunKernel([[maybe_unused]] const EcdsaLanes& lanes) {
#if defined(__x86_64__)
  return CheckLanesIfma(lanes);
#else
  return {0, 0xFF};
#endif
}

}  // namespace

bool LaneTables::Run() {
#if defined(__x86_64__)
  // The compiler's run-time asks the operating system too whether it saves the wide registers.
  return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512ifma") != 0;
#else
  return false;
#endif
}

std::unique_ptr<const LaneTables> LaneTables::Make(const EC_POINT* public_key) {
  std::unique_ptr<LaneTables> tables(new LaneTables());
  if (Base::Get() == nullptr || !FillTable(public_key, tables->points_)) return nullptr;
  return tables;
}

void VerifyLanes(std::span<LaneCheck> checks) {
  thread_local Scratch scratch;
  const Order& order = Order::Get();
  const Base* base = Base::Get();
  for (LaneCheck& check : checks) check.verdict = LaneVerdict::kUnclear;
  if (checks.empty() || checks.size() > kEcdsaLanes || base == nullptr) return;

  std::array<bool, kEcdsaLanes> in_range{};
  for (size_t i = 0; i < checks.size(); ++i) {
    BIGNUM *const r = scratch.r[i], *const s = scratch.s[i];
    if (BN_bin2bn(checks[i].raw.data(), 32, r) == nullptr ||
        BN_bin2bn(checks[i].raw.data() + 32, 32, s) == nullptr) {
      return;
    }
    in_range[i] = IsScalar(r, order.n) && IsScalar(s, order.n);
    // The others' division must not suffer.
    if (!in_range[i] && (BN_one(r) != 1 || BN_one(s) != 1)) return;
  }
  EcdsaLanes lanes{};
  lanes.base = &base->points;
  lanes.start = base->start;
  lanes.end = base->end;
  for (const PointTable*& key : lanes.key) key = &base->points;
  if (!InvertAll(scratch, checks.size())) return;
  for (size_t i = 0; i < checks.size(); ++i) {
    if (!FillLane(scratch, checks[i], i, lanes)) return;
  }
  const EcdsaVerdicts verdicts = RunKernel(lanes);
  for (size_t i = 0; i < checks.size(); ++i) {
    const bool right = (verdicts.right >> i & 1) != 0, unclear = (verdicts.unclear >> i & 1) != 0;
    checks[i].verdict = !in_range[i] ? LaneVerdict::kWrong
                        : unclear    ? LaneVerdict::kUnclear
                        : right      ? LaneVerdict::kRight
                                     : LaneVerdict::kWrong;
  }
}

}  // namespace assay::matter
