#include "fsck/p256.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

namespace assay::fsck {
namespace {

__extension__ typedef unsigned __int128 Wide;

// Four limbs, the least significant first; in Montgomery form where a function says so.
struct Number {
  std::array<uint64_t, 4> limb{};
  bool operator==(const Number&) const = default;
  bool IsZero() const { return (limb[0] | limb[1] | limb[2] | limb[3]) == 0; }
};

constexpr Number kPrime = {
    {0xFFFFFFFFFFFFFFFF, 0x00000000FFFFFFFF, 0x0000000000000000, 0xFFFFFFFF00000001}};
constexpr Number kOrder = {
    {0xF3B9CAC2FC632551, 0xBCE6FAADA7179E84, 0xFFFFFFFFFFFFFFFF, 0xFFFFFFFF00000000}};
constexpr uint64_t kOrderInverse = 0xCCD1C8AAEE00BC4F;  // -1 / order mod 2^64

bool Less(const Number& a, const Number& b) {
  for (int i = 3; i >= 0; --i) {
    if (a.limb[i] != b.limb[i]) return a.limb[i] < b.limb[i];
  }
  return false;
}

// a - b mod 2^256.
inline Number Minus(const Number& a, const Number& b) {
  Number out;
  uint64_t borrow = 0;
  for (int i = 0; i < 4; ++i) {
    const Wide value = static_cast<Wide>(a.limb[i]) - b.limb[i] - borrow;
    out.limb[i] = static_cast<uint64_t>(value);
    borrow = static_cast<uint64_t>(value >> 64) & 1;
  }
  return out;
}

// `value` with `top` above it, less than twice `modulus`, brought below it.
inline Number Reduce(const Number& value, uint64_t top, const Number& modulus) {
  Number less;
  uint64_t borrow = 0;
  for (int i = 0; i < 4; ++i) {
    const Wide difference = static_cast<Wide>(value.limb[i]) - modulus.limb[i] - borrow;
    less.limb[i] = static_cast<uint64_t>(difference);
    borrow = static_cast<uint64_t>(difference >> 64) & 1;
  }
  return top >= borrow ? less : value;
}

inline Number AddMod(const Number& a, const Number& b, const Number& modulus) {
  Number sum;
  Wide carry = 0;
  for (int i = 0; i < 4; ++i) {
    carry += static_cast<Wide>(a.limb[i]) + b.limb[i];
    sum.limb[i] = static_cast<uint64_t>(carry);
    carry >>= 64;
  }
  return Reduce(sum, static_cast<uint64_t>(carry), modulus);
}

inline Number SubtractMod(const Number& a, const Number& b, const Number& modulus) {
  Number out;
  uint64_t borrow = 0;
  for (int i = 0; i < 4; ++i) {
    const Wide value = static_cast<Wide>(a.limb[i]) - b.limb[i] - borrow;
    out.limb[i] = static_cast<uint64_t>(value);
    borrow = static_cast<uint64_t>(value >> 64) & 1;
  }
  const uint64_t mask = 0 - borrow;
  Wide carry = 0;
  for (int i = 0; i < 4; ++i) {
    carry += static_cast<Wide>(out.limb[i]) + (modulus.limb[i] & mask);
    out.limb[i] = static_cast<uint64_t>(carry);
    carry >>= 64;
  }
  return out;
}

// Montgomery products a * b / 2^256. The prime's form spares two of three multiplications of each
// step of its reduction: -1/p mod 2^64 is 1, and p's limbs are 2^64-1, 2^32-1, 0, and one more.
struct Field {
  static constexpr const Number& kModulus = kPrime;
  static inline Number Multiply(const Number& a, const Number& b) {
    uint64_t t0 = 0, t1 = 0, t2 = 0, t3 = 0, t4 = 0;
    for (int i = 0; i < 4; ++i) {
      const uint64_t factor = b.limb[i];
      Wide carry = static_cast<Wide>(a.limb[0]) * factor + t0;
      const uint64_t m = static_cast<uint64_t>(carry);
      carry >>= 64;
      carry += static_cast<Wide>(a.limb[1]) * factor + t1;
      const uint64_t s1 = static_cast<uint64_t>(carry);
      carry >>= 64;
      carry += static_cast<Wide>(a.limb[2]) * factor + t2;
      const uint64_t s2 = static_cast<uint64_t>(carry);
      carry >>= 64;
      carry += static_cast<Wide>(a.limb[3]) * factor + t3;
      const uint64_t s3 = static_cast<uint64_t>(carry);
      carry >>= 64;
      carry += t4;
      const uint64_t s4 = static_cast<uint64_t>(carry), s5 = static_cast<uint64_t>(carry >> 64);
      // + m * p, whose lowest limb makes the lowest limb vanish.
      Wide sum = (static_cast<Wide>(m) << 32) + s1;
      t0 = static_cast<uint64_t>(sum);
      sum = (sum >> 64) + s2;
      t1 = static_cast<uint64_t>(sum);
      sum = (sum >> 64) + static_cast<Wide>(m) * 0xFFFFFFFF00000001 + s3;
      t2 = static_cast<uint64_t>(sum);
      sum = (sum >> 64) + s4;
      t3 = static_cast<uint64_t>(sum);
      t4 = static_cast<uint64_t>(sum >> 64) + s5;
    }
    return Reduce({{t0, t1, t2, t3}}, t4, kPrime);
  }
};

struct Scalars {
  static constexpr const Number& kModulus = kOrder;
  static Number Multiply(const Number& a, const Number& b) {
    std::array<uint64_t, 6> t{};
    for (int i = 0; i < 4; ++i) {
      Wide carry = 0;
      for (int k = 0; k < 4; ++k) {
        carry += static_cast<Wide>(a.limb[k]) * b.limb[i] + t[k];
        t[k] = static_cast<uint64_t>(carry);
        carry >>= 64;
      }
      carry += t[4];
      t[4] = static_cast<uint64_t>(carry);
      t[5] = static_cast<uint64_t>(carry >> 64);
      const uint64_t m = t[0] * kOrderInverse;
      carry = (static_cast<Wide>(m) * kOrder.limb[0] + t[0]) >> 64;
      for (int k = 1; k < 4; ++k) {
        carry += static_cast<Wide>(m) * kOrder.limb[k] + t[k];
        t[k - 1] = static_cast<uint64_t>(carry);
        carry >>= 64;
      }
      carry += t[4];
      t[3] = static_cast<uint64_t>(carry);
      t[4] = t[5] + static_cast<uint64_t>(carry >> 64);
    }
    return Reduce({{t[0], t[1], t[2], t[3]}}, t[4], kOrder);
  }
};

// 2^512 mod m, by doubling: what brings a number into Montgomery form.
template <typename Ring>
const Number& Square512() {
  static const Number square = [] {
    Number value = {{1, 0, 0, 0}};
    for (int i = 0; i < 512; ++i) value = AddMod(value, value, Ring::kModulus);
    return value;
  }();
  return square;
}
template <typename Ring>
Number Into(const Number& plain) {
  return Ring::Multiply(plain, Square512<Ring>());
}
template <typename Ring>
Number OutOf(const Number& value) {
  return Ring::Multiply(value, {{1, 0, 0, 0}});
}
// By Fermat: value^(m-2). In Montgomery form.
template <typename Ring>
Number Invert(const Number& value) {
  const Number exponent = Minus(Ring::kModulus, {{2, 0, 0, 0}});
  Number result = Into<Ring>({{1, 0, 0, 0}});
  for (int bit = 255; bit >= 0; --bit) {
    result = Ring::Multiply(result, result);
    if ((exponent.limb[bit / 64] >> (bit % 64) & 1) != 0) result = Ring::Multiply(result, value);
  }
  return result;
}
// Each of `values`, none of them zero, for one inversion and three products each.
template <typename Ring>
void InvertAll(std::span<Number> values, std::vector<Number>& prefix) {
  if (values.empty()) return;
  prefix.resize(values.size());
  prefix[0] = values[0];
  for (size_t i = 1; i < values.size(); ++i) {
    prefix[i] = Ring::Multiply(prefix[i - 1], values[i]);
  }
  Number inverse = Invert<Ring>(prefix.back());
  for (size_t i = values.size() - 1; i > 0; --i) {
    const Number one = Ring::Multiply(inverse, prefix[i - 1]);
    inverse = Ring::Multiply(inverse, values[i]);
    values[i] = one;
  }
  values[0] = inverse;
}

Number FromBigEndian(const uint8_t* bytes) {
  Number number;
  for (int i = 0; i < 4; ++i) {
    uint64_t limb = 0;
    for (int k = 0; k < 8; ++k) limb = limb << 8 | bytes[(3 - i) * 8 + k];
    number.limb[i] = limb;
  }
  return number;
}

struct Point {
  Number x, y;  // Montgomery form, affine
};

// a + b where `inverse` is 1 / (b.x - a.x).
inline Point AddWith(const Point& a, const Point& b, const Number& inverse) {
  const Number slope = Field::Multiply(SubtractMod(b.y, a.y, kPrime), inverse);
  Point sum;
  sum.x = SubtractMod(SubtractMod(Field::Multiply(slope, slope), a.x, kPrime), b.x, kPrime);
  sum.y = SubtractMod(Field::Multiply(slope, SubtractMod(a.x, sum.x, kPrime)), a.y, kPrime);
  return sum;
}

Point Double(const Point& a) {
  // The curve's a is -3: the slope is 3 (x^2 - 1) / 2y.
  const Number one = Into<Field>({{1, 0, 0, 0}});
  const Number base = SubtractMod(Field::Multiply(a.x, a.x), one, kPrime);
  const Number three = AddMod(AddMod(base, base, kPrime), base, kPrime);
  const Number slope = Field::Multiply(three, Invert<Field>(AddMod(a.y, a.y, kPrime)));
  Point sum;
  sum.x = SubtractMod(SubtractMod(Field::Multiply(slope, slope), a.x, kPrime), a.x, kPrime);
  sum.y = SubtractMod(Field::Multiply(slope, SubtractMod(a.x, sum.x, kPrime)), a.y, kPrime);
  return sum;
}

constexpr int kWindows = 32;
constexpr int kDigits = 255;  // 1 to 255; 0 adds nothing

}  // namespace

struct FixedKey::Table {
  // point[w][d - 1] = d * 2^(8 w) * Q.
  std::array<std::array<Point, kDigits>, kWindows> point;
};

namespace {

std::shared_ptr<const FixedKey::Table> MakeTable(ByteView encoded) {
  auto table = std::make_shared<FixedKey::Table>();
  Point base = {Into<Field>(FromBigEndian(encoded.data() + 1)),
                Into<Field>(FromBigEndian(encoded.data() + 33))};
  for (int w = 0; w < kWindows; ++w) {
    table->point[w][0] = base;
    table->point[w][1] = Double(base);
    for (int i = 0; i < 8; ++i) base = Double(base);
  }
  std::vector<Number> differences(kWindows), prefix;
  for (int d = 3; d <= kDigits; ++d) {
    for (int w = 0; w < kWindows; ++w) {
      differences[w] = SubtractMod(table->point[w][0].x, table->point[w][d - 2].x, kPrime);
    }
    InvertAll<Field>(differences, prefix);
    for (int w = 0; w < kWindows; ++w) {
      table->point[w][d - 1] = AddWith(table->point[w][d - 2], table->point[w][0], differences[w]);
    }
  }
  return table;
}

const FixedKey::Table& Generator() {
  static const auto table = [] {
    static constexpr uint8_t kGenerator[65] = {
        0x04, 0x6B, 0x17, 0xD1, 0xF2, 0xE1, 0x2C, 0x42, 0x47, 0xF8, 0xBC, 0xE6, 0xE5,
        0x63, 0xA4, 0x40, 0xF2, 0x77, 0x03, 0x7D, 0x81, 0x2D, 0xEB, 0x33, 0xA0, 0xF4,
        0xA1, 0x39, 0x45, 0xD8, 0x98, 0xC2, 0x96, 0x4F, 0xE3, 0x42, 0xE2, 0xFE, 0x1A,
        0x7F, 0x9B, 0x8E, 0xE7, 0xEB, 0x4A, 0x7C, 0x0F, 0x9E, 0x16, 0x2B, 0xCE, 0x33,
        0x57, 0x6B, 0x31, 0x5E, 0xCE, 0xCB, 0xB6, 0x40, 0x68, 0x37, 0xBF, 0x51, 0xF5};
    return MakeTable(kGenerator);
  }();
  return *table;
}

// One batch on its way through the windows.
class Batch {
 public:
  explicit Batch(std::span<SignatureCheck> checks) : checks_(checks), runs_(checks.size()) {}

  void Run() {
    Prepare();
    for (int w = 0; w < kWindows; ++w) {
      AddWindow([w](const Sum& sum) { return sum.u1[w]; },
                [w](size_t) { return Generator().point[w].data(); });
      AddWindow([w](const Sum& sum) { return sum.u2[w]; },
                [this, w](size_t i) { return checks_[i].key->table().point[w].data(); });
    }
    for (size_t i = 0; i < runs_.size(); ++i) checks_[i].right = Judge(i);
  }

 private:
  struct Sum {
    Point at;
    Number r;
    std::array<uint8_t, kWindows> u1{}, u2{};
    bool ours = false;   // r and s in their range, no odd case met
    bool begun = false;  // `at` is a point, not infinity
  };

  void Prepare() {
    std::vector<Number> inverses;
    std::vector<size_t> places;
    for (size_t i = 0; i < checks_.size(); ++i) {
      const Number r = FromBigEndian(checks_[i].signature.data());
      const Number s = FromBigEndian(checks_[i].signature.data() + 32);
      if (r.IsZero() || s.IsZero() || !Less(r, kOrder) || !Less(s, kOrder)) continue;
      runs_[i].r = r;
      runs_[i].ours = true;
      inverses.push_back(Into<Scalars>(s));
      places.push_back(i);
    }
    InvertAll<Scalars>(inverses, prefix_);
    for (size_t k = 0; k < places.size(); ++k) {
      Sum& sum = runs_[places[k]];
      const Number z = Reduce(FromBigEndian(checks_[places[k]].digest.data()), 0, kOrder);
      // The inverse is in Montgomery form, the other factor is not: the product is plain.
      Split(Scalars::Multiply(z, inverses[k]), sum.u1);
      Split(Scalars::Multiply(sum.r, inverses[k]), sum.u2);
    }
  }

  static void Split(const Number& scalar, std::array<uint8_t, kWindows>& digits) {
    for (int w = 0; w < kWindows; ++w) {
      digits[w] = static_cast<uint8_t>(scalar.limb[w / 8] >> (w % 8 * 8));
    }
  }

  template <typename Digit, typename Row>
  void AddWindow(const Digit& digit_of, const Row& row_of) {
    active_.clear();
    differences_.clear();
    for (size_t i = 0; i < runs_.size(); ++i) {
      Sum& sum = runs_[i];
      const uint8_t digit = digit_of(sum);
      if (!sum.ours || digit == 0) continue;
      const Point& add = row_of(i)[digit - 1];
      if (!sum.begun) {
        sum.at = add;
        sum.begun = true;
        continue;
      }
      const Number difference = SubtractMod(add.x, sum.at.x, kPrime);
      if (difference.IsZero()) {  // the same point or its opposite: OpenSSL's to judge
        sum.ours = false;
        continue;
      }
      active_.push_back({i, &add});
      differences_.push_back(difference);
    }
    InvertAll<Field>(differences_, prefix_);
    for (size_t k = 0; k < active_.size(); ++k) {
      Point& at = runs_[active_[k].place].at;
      at = AddWith(at, *active_[k].add, differences_[k]);
    }
  }

  bool Judge(size_t i) const {
    const Sum& sum = runs_[i];
    const SignatureCheck& check = checks_[i];
    if (sum.ours && sum.begun && Reduce(OutOf<Field>(sum.at.x), 0, kOrder) == sum.r) return true;
    return check.key->verifier().Verify(check.digest, check.signature);
  }

  struct Active {
    size_t place;
    const Point* add;
  };
  std::span<SignatureCheck> checks_;
  std::vector<Sum> runs_;
  std::vector<Active> active_;
  std::vector<Number> differences_, prefix_;
};

}  // namespace

absl::StatusOr<FixedKey> FixedKey::Make(ByteView point) {
  auto verifier = matter::SignatureVerifier::Make(point);
  if (!verifier.ok()) return verifier.status();
  return FixedKey(MakeTable(point), *std::move(verifier));
}

void CheckSignatures(std::span<SignatureCheck> checks) {
  // What fits the caches with one window of both tables.
  constexpr size_t kMost = 1024;
  for (size_t at = 0; at < checks.size(); at += kMost) {
    Batch(checks.subspan(at, std::min(kMost, checks.size() - at))).Run();
  }
}

}  // namespace assay::fsck
