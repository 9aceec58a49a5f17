// What the parts of the flax format share: how Flax spells arrays in MessagePack, and trees of them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "holdall/codec/msgpack.h"
#include "holdall/formats/format.h"

namespace holdall::flax {

// Extension types of flax/serialization.py (_MsgpackExtType).
inline constexpr std::int8_t kArray = 1;
inline constexpr std::int8_t kComplex = 2;
inline constexpr std::int8_t kScalar = 3;

// An array above kChunkBytes stands as {"__msgpack_chunked_array__": true, "shape": {"0": n, …}, "chunks": {"0": flat array,
// …}}.
inline constexpr std::string_view kChunkedMark = "__msgpack_chunked_array__";
inline constexpr std::uint64_t kChunkBytes = std::uint64_t{1} << 30;

// Texts longer than this name no dtype.
inline constexpr std::uint64_t kMostDTypeName = 64;
// The names that NumPy and ml_dtypes give to dtypes; an element takes a whole number of bytes in them, int4 one.
std::optional<DType> dtype_of(std::string_view numpy_name) noexcept;
// Empty: they have none.
std::string_view numpy_name(DType dtype) noexcept;

// One file's tree, its tensors added to `builder` as lying in `file`. Chunked arrays are joined.
class Tree {
 public:
  Tree(ModelBuilder& builder, const Limits& limits) : builder_(builder), limits_(limits) {}
  // Errors: corrupt, unsupported, limit.
  Result<NodeId> read(const SourceRef& source, const std::string& file);

 private:
  Result<NodeId> extension(const MsgpackReader& reader, const MsgpackItem& item);
  Result<NodeId> array(MsgpackReader reader, bool is_scalar);
  Status join_chunks(NodeId first);
  Status join(Value chunked);
  Result<NodeId> add(Tensor tensor);

  ModelBuilder& builder_;
  const Limits& limits_;
  SharedText file_;
  std::vector<Tensor> tensors_;  // by TensorNode::index, as far as they were added here
  std::uint32_t first_ = 0;      // index of the first of them
};

// flax_model.msgpack.index.json of transformers: which shard holds which array.
bool looks_like_index(std::span<const std::byte> head);
// The shards' trees merged into one, as the files in `builder.origin` say.
Result<NodeId> read_index(const Bundle& bundle, const Context& context, ModelBuilder& builder);

Result<Plan> plan(const Model& model, const WriteOptions& options);

}  // namespace holdall::flax
