// Runs a fuzz target over saved inputs without the fuzzing engine: its corpus and every crash ever found.
//
// Usage: <unit>_fuzz_replay PATH… ; a path is an input or a folder of inputs (a folder that is missing holds none). Each input
// is also given cut at a few lengths, which costs little and finds reads past the end. Prints "N inputs replayed".
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

// Files under `path`, sorted, so that a failure repeats.
std::vector<std::filesystem::path> inputs_under(const std::filesystem::path& path) {
  std::vector<std::filesystem::path> found;
  if (std::filesystem::is_regular_file(path)) found.push_back(path);
  if (std::filesystem::is_directory(path)) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
      if (entry.is_regular_file()) found.push_back(entry.path());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

// The copy is exactly as long as the input, so that a sanitizer sees the first byte read past it.
void run(const std::vector<std::uint8_t>& input, std::size_t size) {
  const std::vector<std::uint8_t> exact(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(size));
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

}  // namespace

int main(int count, char** arguments) {
  std::size_t replayed = 0;
  for (int i = 1; i < count; ++i) {
    for (const auto& path : inputs_under(arguments[i])) {
      std::ifstream file(path, std::ios::binary);
      const std::vector<std::uint8_t> input((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
      if (file.bad()) {
        std::fprintf(stderr, "%s: cannot be read\n", path.c_str());
        return 2;
      }
      std::fprintf(stderr, "%s\n", path.c_str());
      run(input, input.size());
      if (!input.empty()) run(input, input.size() - 1);
      run(input, input.size() / 2);
      ++replayed;
    }
  }
  run({}, 0);
  std::printf("%zu inputs replayed\n", replayed);
  return 0;
}
