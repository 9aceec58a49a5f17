#include "tests/faults/write_paths.h"

#include <cstring>
#include <random>

namespace holdall {
namespace {

std::string noise(std::uint32_t seed, std::size_t size) {
  std::mt19937 random(seed);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

// A header that needs the sum of the payload behind it, filler, the payload, and an account of it all at the end.
PlannedFile weights(const std::string& name, std::uint32_t seed, std::size_t size, std::string& content) {
  const std::string payload = noise(seed, size);
  PlannedFile file;
  file.name = name;
  const auto sum = [](std::span<const Written> parts, std::span<std::byte> out) -> Status {
    store_le(out.data(), parts[2].crc32);
    return {};
  };
  file.add(Part::Late{4, {2}, sum});
  file.align(64, std::byte{'.'});
  file.add(Blob::memory(Bytes::copy(payload), "payload"), {.crc32 = true, .xxh3 = true});
  file.add(Part::Late{4, {2}, sum});
  const std::uint32_t crc = crc32(as_bytes(payload));
  content.assign(reinterpret_cast<const char*>(&crc), 4);
  content.resize(64, '.');
  content += payload;
  content.append(reinterpret_cast<const char*>(&crc), 4);
  return file;
}

WritePath file_path(std::string name, bool replace) {
  WritePath way;
  way.name = std::move(name);
  way.path = "/models/m.pt";
  way.plan.files.push_back(weights("", 1, 11'000, way.fresh[""]));
  if (replace) way.old[""] = noise(9, 7'000);
  way.options = {.threads = 2, .direct_from = UINT64_MAX, .tile_bytes = 4096};
  return way;
}

WritePath folder_path(std::string name, bool replace) {
  WritePath way;
  way.name = std::move(name);
  way.path = "/models/folder";
  way.plan.folder = true;
  way.plan.files.push_back(weights("model-1.safetensors", 2, 5'000, way.fresh["model-1.safetensors"]));
  way.plan.files.push_back(weights("sub/deep/model-2.safetensors", 3, 300, way.fresh["sub/deep/model-2.safetensors"]));
  way.fresh["sub/"];
  way.fresh["sub/deep/"];
  if (replace) way.old = {{"model-1.safetensors", noise(4, 3'000)}, {"old/", ""}, {"old/config.json", "{}"}};
  way.options = {.threads = 1, .direct_from = UINT64_MAX, .tile_bytes = 4096};
  return way;
}

}  // namespace

void WritePath::set_up(SimulatedSystem& system) const {
  system.put("/models/neighbour", "untouched");
  for (const auto& [inside, content] : old) {
    if (!inside.ends_with('/')) system.put(inside.empty() ? path : path + '/' + inside, content);
  }
}

void PrintTo(const WritePath& way, std::ostream* out) { *out << way.name; }

std::string test_name(const WritePath& way) {
  std::string name;
  bool upper = true;
  for (const char c : way.name) {
    const bool letter = c >= 'a' && c <= 'z';
    if (letter) name += static_cast<char>(upper ? c - 'a' + 'A' : c);
    upper = !letter;
  }
  return name;
}

std::vector<WritePath> write_paths() {
  std::vector<WritePath> ways;
  ways.push_back(file_path("a new file", false));
  ways.push_back(file_path("a file replaced", true));
  ways.push_back(file_path("a new file that must not replace", false));
  ways.back().options.replace = false;
  ways.push_back(file_path("a file replaced, direct writes", true));
  ways.back().options.direct_from = 0;
  ways.push_back(file_path("a large file replaced, space reserved", true));
  ways.back().plan.files[0] = weights("", 5, 1'100'000, ways.back().fresh[""]);
  ways.back().options.tile_bytes = 65536;
  ways.push_back(file_path("a file replaced by a stream", true));
  ways.back().plan.files[0].parts.clear();
  ways.back().plan.files[0].add(Part::Stream{[](const Sink& sink) { return sink(as_bytes("of unknown length")); }});
  ways.back().fresh[""] = "of unknown length";
  ways.push_back(folder_path("a new folder", false));
  ways.push_back(folder_path("a folder replaced", true));
  ways.push_back(folder_path("a folder replaced, no exchange", true));
  ways.back().abilities.exchange = false;
  ways.back().may_need_mending = true;
  return ways;
}

}  // namespace holdall
