// Model: an ordered set of named tensors plus one tree of plain values, whatever format they came from.
//
// Thread-safety: immutable. Ownership: owns its arena; tensors share their storages.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "holdall/base/hash_index.h"
#include "holdall/base/shared_text.h"
#include "holdall/core/tensor.h"
#include "holdall/core/value.h"

namespace holdall {

// A tensor under one of its names. A tensor that the tree holds twice has two entries with the same `index`.
struct NamedTensor {
  std::string name;  // its path of keys joined with '.', made unique with "@2", or the format's own
  Tensor tensor;
  std::uint32_t index = 0;  // TensorNode::index
  SharedText file;          // the file of the bundle that holds its bytes, relative to the model's path
};

// Where a model came from.
struct Origin {
  std::string format;              // id of the format row
  std::string detail;              // "zip, pickle protocol 2, torch >= 2.1"
  std::string path;                // as the user gave it
  std::vector<std::string> files;  // every file read, relative to the path
  std::uint64_t bytes = 0;         // of those files
  std::string framework = {};      // whose tensors they are, as safetensors' "format" says it: "pt"; empty: nobody's
};

class Model {
 public:
  Model() : arena_(std::make_shared<Arena>()) {}

  const std::vector<NamedTensor>& tensors() const noexcept { return tensors_; }
  // Whether the names are paths in the tree, else they are flat ones that the format keeps itself.
  bool is_named_by_tree() const noexcept { return named_by_tree_; }
  const NamedTensor* find(std::string_view name) const noexcept;
  // Errors: not found, with the nearest names.
  Result<Tensor> tensor(std::string_view name) const;
  // The tensor that stands at a place of the tree: model.tensor(model.tree().find("loss")). Looks through the list. Errors: not
  // found, where `place` is no tensor of this model's tree.
  Result<Tensor> tensor(Value place) const;
  // Elements of all distinct tensors.
  std::uint64_t parameters() const noexcept;
  // The first entry whose tensor shares memory with tensors()[i] and stands before it, or nullptr.
  const NamedTensor* shares_with(std::size_t i) const noexcept;

  const Arena& arena() const noexcept { return *arena_; }
  // A tree that says no more than the tensors' names do (bare safetensors) is a flat dict of tensors.
  Value tree() const noexcept { return arena_->at(tree_); }
  // The container's own key-value metadata: a dict.
  Value metadata() const noexcept { return arena_->at(metadata_); }
  // config.json of a folder, the architecture of a Keras file; no value where there is none.
  Value config() const noexcept { return config_ == kNoNode ? Value() : arena_->at(config_); }
  const std::map<std::string, Blob>& side_files() const noexcept { return side_files_; }
  const Origin& origin() const noexcept { return origin_; }
  const std::vector<std::string>& warnings() const noexcept { return warnings_; }
  // What the file holds and the model does not (bytes behind a pickle): losses, wherever the model is written.
  const std::vector<std::string>& left_out() const noexcept { return left_out_; }

 private:
  friend class ModelBuilder;
  std::shared_ptr<Arena> arena_;
  std::vector<NamedTensor> tensors_;
  HashIndex by_name_;
  std::vector<std::uint32_t> shares_;  // by entry: index of the first entry with the same storage, or its own
  NodeId tree_ = 0;
  NodeId metadata_ = 0;
  NodeId config_ = kNoNode;
  std::map<std::string, Blob> side_files_;
  Origin origin_;
  std::vector<std::string> warnings_;
  std::vector<std::string> left_out_;
  bool named_by_tree_ = false;
};

// What a format fills in. Distinct tensors are added first and get an index; the tree refers to them by TensorNode::index.
class ModelBuilder {
 public:
  explicit ModelBuilder(std::shared_ptr<Arena> values = std::make_shared<Arena>()) : arena(std::move(values)) {}

  std::uint32_t add(Tensor tensor, SharedText file = {});
  // Room for as many tensors, so that their list need not move.
  void reserve(std::size_t tensors) { entries_.reserve(tensors); }
  // Names every tensor of the tree by its path of keys (surface.md, "tensor name"); a tensor that the tree does not reach is
  // left out. Components are transparent (add nothing) for an object's state, and for the keys _parameters, _buffers and
  // _modules of a torch module's state, so that names are those of state_dict().
  Result<Model> named_by_tree() &&;
  // Keeps the format's own flat names, in order: names[i] names distinct tensor i. `tree` must have been set, or is made a dict
  // of the tensors under their names. Errors: corrupt for a name met twice.
  Result<Model> named(std::vector<std::string> names) &&;
  // The same for tensors that have their names already, instead of those added; their indices become their places.
  Result<Model> with_named(std::vector<NamedTensor> tensors) &&;
  // The same tensors under the same names, in files below `folder` ("" or "name/"), with what `amend` makes of the rest: it
  // finds the model's arena, tree, metadata and so on in the builder and may add to them. Precondition: no copy of `model` is
  // in use.
  static Model amended(Model model, std::string_view folder, const std::function<void(ModelBuilder&)>& amend);

  // The named tensors, within amended().
  const std::vector<NamedTensor>& entries() const noexcept { return entries_; }

  std::shared_ptr<Arena> arena;
  NodeId tree = kNoNode;
  NodeId metadata = kNoNode;
  NodeId config = kNoNode;
  std::map<std::string, Blob> side_files;
  Origin origin;
  std::vector<std::string> warnings;
  std::vector<std::string> left_out;

 private:
  Model finish();
  // Distinct tensors still without names; then the entries.
  std::vector<NamedTensor> entries_;
  HashIndex by_name_;
  bool named_by_tree_ = false;
};

// Up to three of `names` within a small edit distance of `name`, nearest first: for "did you mean".
std::vector<std::string> nearest_names(std::string_view name, const std::vector<std::string>& names);

}  // namespace holdall
