// Runs a fuzz target over its seeds and over repeatable mutations of them: what libFuzzer does,
// without its search.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size);

namespace {

using Seed = std::vector<uint8_t>;
constexpr int kRoundsASeed = 20000;

Seed Load(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return Seed(std::istreambuf_iterator<char>(file), {});
}

void Mutate(Seed& seed, std::mt19937& random) {
  for (unsigned left = random() % 8 + 1; left > 0 && !seed.empty(); --left) {
    const size_t at = random() % seed.size();
    switch (random() % 5) {
      case 0:
        seed[at] ^= static_cast<uint8_t>(1u << random() % 8);
        break;
      case 1:
        seed[at] = static_cast<uint8_t>(random());
        break;
      case 2:
        seed.resize(at);
        break;
      case 3:
        seed.insert(seed.begin() + static_cast<std::ptrdiff_t>(at), static_cast<uint8_t>(random()));
        break;
      default:
        seed[at] = seed[random() % seed.size()];
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fputs("usage: CORPUS_FOLDER\n", stderr), 2;
  std::vector<Seed> seeds = {{}};
  for (const auto& entry : std::filesystem::directory_iterator(argv[1]))
    seeds.push_back(Load(entry.path()));
  if (seeds.size() == 1) return std::fputs("no seeds\n", stderr), 1;
  std::mt19937 random(1);
  size_t runs = 0;
  for (const Seed& seed : seeds) {
    LLVMFuzzerTestOneInput(seed.data(), seed.size());
    for (int round = 0; round < kRoundsASeed; ++round, ++runs) {
      Seed mutated = seed;
      Mutate(mutated, random);
      LLVMFuzzerTestOneInput(mutated.data(), mutated.size());
    }
  }
  std::printf("%zu runs over %zu seeds\n", runs, seeds.size());
  return 0;
}
