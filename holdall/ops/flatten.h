// Flatten: a value tree as a list of places and what stands there, for comparing two. A leaf takes the same few bytes however
// long its path and its value are; both are put into words only when they are asked for.
//
// Thread-safety: immutable once made. Ownership: refers to the arena of its tree, which must outlive it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "holdall/base/hash_index.h"
#include "holdall/core/model.h"

namespace holdall {

enum class Detail : std::uint8_t {
  kAll,
  kPlain,  // only plain values under their keys: no kinds of containers, no state of dicts (torch's _metadata), no flags of
           // tensors
};

class FlatTree {
 public:
  // Tensors show as their flags alone: which tensors there are, their names say. Containers met again inside themselves are
  // {"$ref":true}. Does not recurse.
  FlatTree(Value root, Detail detail);

  std::size_t size() const noexcept { return leaves_.size(); }
  // A JSON pointer: "/optimizer_state_dict/param_groups/0/lr"; keys of more than 200 characters are cut.
  std::string path(std::size_t leaf) const;
  // JSON; the kind of container where that is what stands there; of long texts and bytes their SHA-256.
  std::string value(std::size_t leaf) const;
  // The leaf of `other` that stands at the path of leaf i.
  std::optional<std::size_t> counterpart(std::size_t i, const FlatTree& other) const;
  // What stands there, where several leaves may be one and the same; kNoNode for what is only said of a node.
  NodeId node(std::size_t leaf) const noexcept { return leaves_[leaf].what == What::kScalar ? leaves_[leaf].node : kNoNode; }
  // Whether leaf i and leaf j of `other` have the same value.
  bool has_value_of(std::size_t i, const FlatTree& other, std::size_t j) const;

 private:
  friend class Flattening;
  enum class Word : std::uint8_t { kKey, kNumber, kCallee, kNew, kArgs, kKwargs, kState, kAttributes, kParameter, kGradient };
  enum class What : std::uint8_t { kScalar, kKind, kReference, kTrue, kFalse };
  // A path is a linked list that shares its beginnings.
  struct Step {
    std::uint32_t parent;
    std::uint32_t component;  // a key's node, or a number
    Word word;
    std::uint64_t hash;  // of the path up to here
  };
  struct Leaf {
    std::uint32_t step;
    NodeId node;
    What what;
  };
  static constexpr std::uint32_t kRoot = UINT32_MAX;

  std::uint64_t hash_at(std::uint32_t step) const noexcept { return step == kRoot ? 0 : steps_[step].hash; }
  std::string component(const Step& step) const;
  bool is_same_path(std::uint32_t step, const FlatTree& other, std::uint32_t theirs) const;

  const Arena* arena_ = nullptr;
  std::vector<Step> steps_;
  std::vector<Leaf> leaves_;
  HashIndex by_path_;  // of leaves_; of several at one path the first
};

// Whether a tree says no more than the names of the model's tensors do.
bool is_names_only(const Model& model);

}  // namespace holdall
