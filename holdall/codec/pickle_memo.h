// PickleMemo: the memo of a pickle machine. Keys are dense in what picklers write; a far key costs one hash entry, not the room
// up to it.
//
// Thread-safety: one thread. Ownership: holds indices only.
#pragma once

#include <cstdint>
#include <vector>

#include "holdall/base/keyed_hash.h"
#include "holdall/core/value.h"

namespace holdall {

class PickleMemo {
 public:
  std::uint64_t size() const noexcept { return count_; }
  std::uint64_t memory() const noexcept { return dense_.capacity() * sizeof(NodeId) + far_.size() * 48; }

  NodeId get(std::uint64_t key) const noexcept {
    if (key < dense_.size()) return dense_[key];
    const auto found = far_.find(key);
    return found == far_.end() ? kNoNode : found->second;
  }

  // Stands for a value that was forgotten (PickleOptions::settle).
  static constexpr NodeId kForgotten = kNoNode - 1;

  void put(std::uint64_t key, NodeId node) {
    if (key < dense_.size() || key <= 2 * count_ + kFirst) {
      if (key >= dense_.size()) grow(key);
      count_ += dense_[key] == kNoNode ? 1 : 0;
      dense_[key] = node;
    } else {
      count_ += far_.insert_or_assign(key, node).second ? 1 : 0;
    }
  }

 private:
  static constexpr std::uint64_t kFirst = 256;

  void grow(std::uint64_t key) {
    const std::uint64_t before = dense_.size();
    dense_.resize(key + key / 2 + kFirst, kNoNode);
    if (far_.empty()) return;
    // Far keys that lie within the dense part now must be found there.
    for (auto it = far_.begin(); it != far_.end();) {
      if (it->first >= before && it->first < dense_.size()) {
        dense_[it->first] = it->second;
        it = far_.erase(it);
      } else {
        ++it;
      }
    }
  }

  std::vector<NodeId> dense_;
  NumberMap<NodeId> far_;
  std::uint64_t count_ = 0;
};

}  // namespace holdall
