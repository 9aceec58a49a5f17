// Limits: what a file from a stranger may cost. The defaults are safe for anything people have; raise them by name.
#pragma once

#include <cstdint>

namespace holdall {

struct Limits {
  // Bytes of a header, an index, a JSON document or a pickle program that must be in memory at once.
  std::uint64_t header_bytes = 100'000'000;
  // Tensors, members of an archive, entries of a folder.
  std::uint64_t tensors = 4'000'000;
  std::uint64_t members = 4'000'000;
  // Nesting of values, of archives in archives, of JSON.
  std::uint32_t depth = 1'000;
  std::uint32_t containers = 8;
  // Opcodes of one pickle, slots of its memo.
  std::uint64_t opcodes = 200'000'000;
  std::uint64_t memo = 50'000'000;
  // Bytes of decoded values (strings, lists, objects) of one model, tensors apart.
  std::uint64_t value_bytes = 1'073'741'824;
  // Decoded size over stored size, judged once the decoded size passes `expansion_floor`.
  std::uint64_t expansion = 1'100;
  std::uint64_t expansion_floor = 16'777'216;

  friend bool operator==(const Limits&, const Limits&) = default;
};

}  // namespace holdall
