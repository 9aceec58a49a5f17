// interpret(): gives meaning to the objects that a pickle recorded. Tensors of torch and NumPy become tensor nodes, Python's
// built-in containers and numbers become plain values; everything else stays an inert object. Nothing is executed.
//
// What becomes of what:
//   torch's rebuild functions of dense tensors, Parameters, quantized tensors -> tensor nodes; the quantizer, a Parameter's or
//   a
//     tensor's Python state, and a dtype of torch that the dtype table lacks stand in TensorNode::attributes under "quantizer",
//     "state" and "dtype"
//   sparse, nested, meta, wrapper-subclass and device tensors -> objects whose arguments hold their component tensors
//   a tensor subclass -> the object torch._tensor._rebuild_from_type_v2(tensor, class, state)
//   a storage on its own -> an object of its class with one tensor of all its elements as argument
//   numpy arrays -> tensor nodes (object, masked and unreadable ones stay objects), which say so under the attribute "class"
//   where that is asked for; numpy scalars -> numpy.TYPE(value) objects _codecs.encode -> bytes; set, frozenset, complex ->
//   values; OrderedDict and its kin -> objects with pairs
// Thread-safety: one thread an arena. Ownership: tensors share the sources behind the blobs in the arena.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "holdall/base/limits.h"
#include "holdall/codec/pickle.h"
#include "holdall/core/tensor.h"
#include "holdall/core/value.h"

namespace holdall {

// A torch storage as a persistent id names it.
struct TypedStorage {
  StorageRef storage;
  DType dtype = DType::kUInt8;  // of its elements; uint8 for an untyped storage
  bool untyped = false;
  std::uint64_t offset = 0;  // of its first element in `storage`, where it is a view of it
  std::uint64_t elements = 0;
  std::string key = {};  // what the file calls it, for messages
};

struct InterpretOptions {
  Limits limits = {};
  // Takes a distinct tensor and returns its TensorNode::index: ModelBuilder::add.
  std::function<std::uint32_t(Tensor)> add;
  // What a storage's persistent id names. Absent: persistent ids stay objects. An untyped storage is asked for with the dtype
  // that a tensor gives it (for the byte order), if there is one.
  std::function<Result<TypedStorage>(Value id, std::optional<DType> element)> storage = {};
  // The storage in a torch file that a pickle holds as bytes (torch.storage._load_from_bytes: how Python's pickle writes a
  // tensor); empty when the file holds anything else. Absent: such calls stay objects.
  std::function<std::optional<TypedStorage>(const Blob& file)> load = {};
  // Arrays of NumPy are to say so (is_numpy_array()): where the tensors are torch's.
  bool arrays_say_so = false;
};

// Interprets the nodes [first, arena.size()), in the order of their creation, then what `root` still reaches. Errors: corrupt,
// unsupported, limit, naming the object and, where it is one, the tensor's storage.
Status interpret(Arena& arena, NodeId first, NodeId root, const InterpretOptions& options);

// Gives torch's dense tensors their meaning while the pickle machine still runs: its PickleOptions::settle. A file of very many
// small tensors would otherwise have all their arguments in memory at once. interpret() does the rest; both meet the storages
// in the order of the program, so that the first class for a key counts, as it does for torch.
class EarlyTensors {
 public:
  // Refers to both, which must outlive it.
  EarlyTensors(Arena& arena, const InterpretOptions& options) : arena_(arena), options_(options) {}
  // Whether the object is a tensor now that refers to no other node. Errors are left to interpret().
  bool operator()(NodeId object, std::span<const PickleCall> calls);

 private:
  Arena& arena_;
  const InterpretOptions& options_;
  bool stopped_ = false;  // an object has been met whose storage interpret() is to find
};

// The id behind an object that the pickle machine made of a persistent id; false for any other value.
Value persistent_id(Value object) noexcept;

}  // namespace holdall
