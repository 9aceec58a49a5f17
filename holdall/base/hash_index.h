// HashIndex: finds, among things that lie elsewhere in a growing list, the one that equals a key; four bytes a slot and no copy
// of any key.
//
// The caller hashes, with keyed_hash() what files say, and compares: find() is given the key's hash and whether thing i equals
// it, add() how thing i is hashed, for when the table grows. Nothing is taken out. Thread-safety: that of a container.
// Ownership: owns its slots.
#pragma once

#include <cstdint>
#include <vector>

namespace holdall {

class HashIndex {
 public:
  static constexpr std::uint32_t kNone = UINT32_MAX;

  std::size_t size() const noexcept { return size_; }
  std::uint64_t memory() const noexcept { return slots_.size() * sizeof(std::uint32_t); }

  // The thing i for which equals(i), or kNone.
  template <class Equals>
  std::uint32_t find(std::uint64_t hash, const Equals& equals) const {
    if (slots_.empty()) return kNone;
    for (std::size_t slot = place(hash);; slot = (slot + 1) & (slots_.size() - 1)) {
      const std::uint32_t thing = slots_[slot];
      if (thing == kNone || equals(thing)) return thing;
    }
  }

  // Precondition: no thing that equals it is in the table.
  template <class HashOf>
  void add(std::uint64_t hash, std::uint32_t thing, const HashOf& hash_of) {
    if (slots_.empty() || size_ >= slots_.size() / 4 * 3) grow(hash_of);
    put(hash, thing);
    ++size_;
  }

 private:
  // The upper bits of a product depend on all bits of the hash.
  std::size_t place(std::uint64_t hash) const noexcept {
    return static_cast<std::size_t>((hash * 0x9E3779B97F4A7C15u) >> 32) & (slots_.size() - 1);
  }

  void put(std::uint64_t hash, std::uint32_t thing) noexcept {
    std::size_t slot = place(hash);
    while (slots_[slot] != kNone) slot = (slot + 1) & (slots_.size() - 1);
    slots_[slot] = thing;
  }

  template <class HashOf>
  void grow(const HashOf& hash_of) {
    std::vector<std::uint32_t> old(slots_.empty() ? 16 : 2 * slots_.size(), kNone);
    old.swap(slots_);
    for (const std::uint32_t thing : old)
      if (thing != kNone) put(hash_of(thing), thing);
  }

  std::vector<std::uint32_t> slots_;  // a power of two
  std::size_t size_ = 0;
};

}  // namespace holdall
