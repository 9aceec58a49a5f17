#include "holdall/formats/joblib/joblib_plan.h"

#include <memory>
#include <unordered_map>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/codec/inflate.h"
#include "holdall/formats/pickled_tree.h"
#include "holdall/objects/numpy_objects.h"

namespace holdall::joblib {
namespace {

constexpr std::uint64_t kAlignment = 16;
// joblib's own for compress=True.
constexpr int kLevel = 3;

class Wrappers {
 public:
  Result<NodeId> wrap(Arena& arena, const Tensor& tensor) {
    HOLDALL_ASSIGN(NumpyItems items, numpy_items(arena, tensor, Limits().value_bytes));
    std::vector<NodeId> sizes;
    for (const std::uint64_t size : tensor.shape()) sizes.push_back(arena.integer(static_cast<std::int64_t>(size)));
    const NodeId state = arena.dict();
    arena.set_item(state, "subclass", arena.global("numpy", "ndarray"));
    arena.set_item(state, "shape", arena.tuple(std::move(sizes)));
    arena.set_item(state, "order", arena.string(items.fortran ? "F" : "C"));
    arena.set_item(state, "dtype", items.dtype);
    arena.set_item(state, "allow_mmap", arena.boolean(true));
    arena.set_item(state, "numpy_array_alignment_bytes", arena.integer(kAlignment));
    ObjectParts parts;
    parts.callee = arena.global("joblib.numpy_pickle", "NumpyArrayWrapper");
    parts.args = arena.tuple({});
    parts.state = state;
    parts.new_object = true;
    const NodeId made = arena.object(std::move(parts));
    data_.emplace(made, std::move(items.data));
    return made;
  }

  // A byte that counts the filler behind it, 1 to 16, then the elements.
  std::vector<PicklePiece> behind(NodeId made, std::uint64_t offset) const {
    const auto data = data_.find(made);
    if (data == data_.end()) return {};
    const auto count = static_cast<std::size_t>(kAlignment - (offset + 1) % kAlignment);
    std::string padding(1, static_cast<char>(count));
    padding.append(count, '\xff');
    return {std::move(padding), data->second};
  }

 private:
  std::unordered_map<NodeId, Blob> data_;
};

Result<PlannedFile> compressed(std::vector<PicklePiece> pieces, std::string name) {
  std::vector<Blob> blobs;
  for (PicklePiece& piece : pieces) {
    if (auto* blob = std::get_if<Blob>(&piece)) {
      blobs.push_back(std::move(*blob));
    } else {
      blobs.push_back(Blob::memory(Bytes::adopt(std::get<std::string>(std::move(piece))), "pickle"));
    }
  }
  PlannedFile file;
  file.name = std::move(name);
  file.add(
      Part::Stream{[blobs = std::move(blobs)](const Sink& sink) { return deflate(blobs, DeflateWrap::kZlib, kLevel, sink); }});
  return file;
}

}  // namespace

Result<Plan> plan(const Model& model, const WriteOptions& options) {
  if (options.shard_bytes != 0) return invalid_argument("a joblib file has no shards");
  if (options.alignment != 0 && options.alignment != kAlignment) {
    return invalid_argument(text("joblib aligns arrays to {} bytes", kAlignment));
  }
  Wrappers wrappers;
  PickledArrays arrays;
  arrays.array = [&](Arena& scratch, const Tensor& tensor) { return wrappers.wrap(scratch, tensor); };
  arrays.behind = [&](NodeId made, std::uint64_t offset) { return wrappers.behind(made, offset); };
  HOLDALL_ASSIGN(PickledTree tree, pickled_tree(model, arrays));
  Plan plan;
  plan.losses = std::move(tree.losses);
  if (options.compress) {
    HOLDALL_ASSIGN(PlannedFile file, compressed(std::move(tree.pieces), options.name));
    plan.files.push_back(std::move(file));
  } else {
    plan.files.push_back(planned_file(std::move(tree.pieces), options.name));
  }
  return plan;
}

}  // namespace holdall::joblib
