// Dicts within dicts, made as paths ask for them: "a/b/c" is what stands under "c" in the dict under "b" in that under "a".
//
// Thread-safety: belongs to one thread. Ownership: refers to the arena.
#pragma once

#include <cstdint>
#include <string_view>

#include "holdall/base/keyed_hash.h"
#include "holdall/core/value.h"

namespace holdall {

class ValueGroups {
 public:
  explicit ValueGroups(Arena& arena) : arena_(arena), root_(arena.dict()) {}
  NodeId root() const noexcept { return root_; }

  // The dict at a path; that of "" is the root.
  NodeId at(std::string_view path);
  // A tensor at a path.
  void add(std::string_view path, std::uint32_t tensor);

 private:
  Arena& arena_;
  NodeId root_;
  TextMap<NodeId> known_;
};

}  // namespace holdall
