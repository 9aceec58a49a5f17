// Nodes of an arena whose whole content has been looked at and is good: each is looked at once, whoever asks again.
//
// Thread-safety: one thread. Ownership: none.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "holdall/core/value.h"

namespace holdall {

class CleanNodes {
 public:
  // Looks at a value and at whatever else `look` pushes, without recursion; the first fault that `look` finds. What was looked
  // at until then is no longer known to be good.
  template <class Look>  // std::optional<std::string>(Value value, std::vector<NodeId>& stack)
  std::optional<std::string> walk(Value first, const Look& look) {
    const Arena& arena = first.arena();
    std::vector<NodeId> stack = {first.id()}, seen;
    if (clean_.size() < arena.size()) clean_.resize(arena.size());
    while (!stack.empty()) {
      const NodeId node = stack.back();
      stack.pop_back();
      if (clean_[node]) continue;
      clean_[node] = true;
      seen.push_back(node);
      if (std::optional<std::string> found = look(arena.at(node), stack)) {
        for (const NodeId doubtful : seen) clean_[doubtful] = false;
        return found;
      }
    }
    return {};
  }

 private:
  std::vector<bool> clean_;
};

}  // namespace holdall
