// Hashes of what files say (keys of dicts, names of members and tensors, offsets), keyed anew in every process: nobody can make
// a file whose names all fall into one bucket. And the maps and sets that use them; texts are looked up without being copied.
//
// Thread-safety: pure after the first call, which may come from any thread. Hashes must not be stored: they differ between
// runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace holdall {

std::uint64_t keyed_hash(std::string_view text) noexcept;
std::uint64_t keyed_hash(std::uint64_t number) noexcept;

// Not noexcept, so that libstdc++ keeps the hash beside each text instead of computing it again while it walks and grows.
struct KeyedTextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return static_cast<std::size_t>(keyed_hash(text)); }
};
struct KeyedNumberHash {
  std::size_t operator()(std::uint64_t number) const noexcept { return static_cast<std::size_t>(keyed_hash(number)); }
};

template <class T>
using TextMap = std::unordered_map<std::string, T, KeyedTextHash, std::equal_to<>>;
using TextSet = std::unordered_set<std::string, KeyedTextHash, std::equal_to<>>;
// Of texts that outlive the map.
template <class T>
using TextViewMap = std::unordered_map<std::string_view, T, KeyedTextHash, std::equal_to<>>;
template <class T>
using NumberMap = std::unordered_map<std::uint64_t, T, KeyedNumberHash>;

}  // namespace holdall
