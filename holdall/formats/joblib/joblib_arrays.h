// The arrays of a joblib stream: what stands behind, or beside, the wrappers that its pickle holds in their places.
//
// Layouts: joblib/numpy_pickle.py (NumpyArrayWrapper, since 0.10) and joblib/numpy_pickle_compat.py (NDArrayWrapper and
// ZNDArrayWrapper, before). Thread-safety: one thread. Ownership: refers to the caller's arena and limits; shares the source.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "holdall/codec/npy_dtype.h"
#include "holdall/codec/pickle.h"
#include "holdall/core/shape.h"
#include "holdall/core/tensor.h"
#include "holdall/io/fresh_memory.h"
#include "holdall/objects/numpy_arrays.h"

namespace holdall::joblib {

// What a wrapper object is, by its class.
enum class Wrapper : std::uint8_t { kNone, kInline, kBeside, kBesideCompressed };
Wrapper wrapper_of(Value object) noexcept;
bool is_wrapper_class(Value global) noexcept;

// An array whose bytes follow its wrapper in the stream.
struct Inline {
  NodeId object = kNoNode;
  NpyDType dtype;
  Shape shape;
  NumpyOrder order = NumpyOrder::kC;
  NodeId subclass = kNoNode;
  std::uint64_t offset = 0;  // of the first element
  std::uint64_t bytes = 0;
  std::optional<Bytes> kept;  // they themselves, where they were read in passing
};
// An array of objects: a pickle of its own follows.
struct Objects {
  NodeId object = kNoNode;
  NodeId root = kNoNode;
};
// An array in a file beside this one: an .npy file, or the bytes alone as a ZF file.
struct Beside {
  NodeId object = kNoNode;
  Wrapper kind = Wrapper::kBeside;
  std::string file;
  std::uint64_t at = 0;  // behind the wrapper
};

class Arrays {
 public:
  // What becomes of the bytes of arrays that must be decoded and that are wanted as they stand in the stream.
  enum class Passing : std::uint8_t { kPassOver, kKeep };
  Arrays(Arena& arena, SourceRef stream, const Limits& limits, Passing passing = Passing::kPassOver)
      : arena_(arena), stream_(std::move(stream)), limits_(limits), passing_(passing) {}

  // PickleOptions::after_build: bytes to pass over. Errors: corrupt for a wrapper that joblib has not written, limit; those of
  // the pickle of an array of objects.
  Result<std::uint64_t> behind(NodeId object, std::uint64_t offset);

  // Told of every pickle of an array of objects, before its error ends the run; may be absent.
  std::function<void(const PickleProgram&)> nested;

  const std::vector<Inline>& inlined() const noexcept { return inline_; }
  const std::vector<Objects>& objects() const noexcept { return objects_; }
  const std::vector<Beside>& beside() const noexcept { return beside_; }

 private:
  Result<std::uint64_t> inline_array(NodeId object, Value state, std::uint64_t offset);
  Result<std::uint64_t> object_array(NodeId object, std::uint64_t offset);
  Result<std::uint64_t> padding(Value state, std::uint64_t offset) const;
  Status keep(Inline& array);

  Arena& arena_;
  SourceRef stream_;
  const Limits& limits_;
  Passing passing_;
  FreshMemory memory_;
  std::vector<Inline> inline_;
  std::vector<Objects> objects_;
  std::vector<Beside> beside_;
};

}  // namespace holdall::joblib
