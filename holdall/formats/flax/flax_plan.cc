// A model as the bytes of flax.serialization.msgpack_serialize().
#include <algorithm>
#include <array>
#include <utility>

#include "holdall/base/endian.h"
#include "holdall/base/text.h"
#include "holdall/base/utf8.h"
#include "holdall/core/numbers.h"
#include "holdall/formats/flax/elements.h"
#include "holdall/formats/flax/flax.h"
#include "holdall/formats/flax/flax_layout.h"
#include "holdall/formats/side_files.h"
#include "holdall/formats/tree_metadata.h"

namespace holdall::flax {
namespace {

// The elements in the form in which NumPy has them.
Result<Blob> elements_of(const Tensor& tensor) {
  HOLDALL_ASSIGN(Blob data, tensor.data());
  if (info(tensor.dtype()).block_elements == 1) return data;
  return Blob(unpacked_source(std::move(data), tensor.dtype()));
}

std::string numpy_name(const Tensor& tensor) {
  const std::string& logical = tensor.logical();
  if (logical.starts_with("datetime64") || logical.starts_with("timedelta64")) return logical;
  return std::string(flax::numpy_name(tensor.dtype()));
}

// The head of an extension that is an array, up to its elements.
void add_array_head(MsgpackWriter& out, std::int8_t type, std::span<const std::uint64_t> shape, std::string_view dtype,
                    std::uint64_t bytes) {
  MsgpackWriter inner;
  inner.array(3).array(shape.size());
  for (const std::uint64_t size : shape) inner.unsigned_integer(size);
  inner.string(dtype).bytes(bytes);
  out.extension(type, inner.text().size() + bytes).raw(inner.text());
}

// A scalar of NumPy, elements and all. Precondition: scalar_dtype(object).
void add_scalar(MsgpackWriter& out, Value object) {
  const DType dtype = *scalar_dtype(object);
  const Value value = object.of(object.as_object().args).item(0);
  std::array<std::byte, 16> packed{};
  const std::span<std::byte> bytes = std::span(packed).first(info(dtype).block_bytes);
  if (value.is(ValueKind::kComplex)) {
    const std::array<double, 2> parts = {value.as_complex().real(), value.as_complex().imag()};
    store_reals(complex_part(dtype), parts, bytes.data());
  } else if (value.is(ValueKind::kFloat)) {
    const double real = value.as_float();
    store_reals(dtype, std::span(&real, 1), bytes.data());
  } else {
    std::int64_t integer = 0;
    if (value.is(ValueKind::kBool)) integer = value.as_bool() ? 1 : 0;
    if (value.is(ValueKind::kInt)) integer = value.as_int();
    if (value.is(ValueKind::kBigInt)) integer = static_cast<std::int64_t>(std::stoull(std::string(value.as_big_int())));
    store_integers(dtype, std::span(&integer, 1), bytes.data());
  }
  add_array_head(out, kScalar, {}, name(dtype), bytes.size());
  out.raw(as_text(bytes));
}

class Planner {
 public:
  Planner(const Model& model, const WriteOptions& options) : model_(model), options_(options) {}

  Result<Plan> run() {
    if (options_.shard_bytes != 0) return invalid_argument("a Flax file has no shards");
    const std::vector<std::uint32_t> storable = find_storable();
    const Layout layout = lay_out(model_, storable, options_);
    is_whole_ = layout.is_whole && layout.entries.empty();
    if (is_whole_) {
      for (std::uint32_t i = 0; i < model_.tensors().size(); ++i) {
        const NamedTensor& entry = model_.tensors()[i];
        if (by_index_.size() <= entry.index) by_index_.resize(entry.index + 1);
        by_index_[entry.index] = i;
      }
    }
    if (layout.is_whole && layout.root.is(ValueKind::kDict) && layout.root.size() == 0) {
      return unsupported("an empty dict is one byte in a Flax file, by which no reader would know it");
    }
    file_.name = options_.name;
    if (!layout.is_whole) {
      HOLDALL_TRY(make_tree(layout.entries));
    }
    HOLDALL_TRY(write(layout.root));
    flush();
    plan_.files.push_back(std::move(file_));
    add_side_files(model_, plan_);
    return std::move(plan_);
  }

 private:
  std::vector<std::uint32_t> find_storable() {
    std::vector<std::uint32_t> storable;
    for (std::uint32_t i = 0; i < model_.tensors().size(); ++i) {
      const NamedTensor& entry = model_.tensors()[i];
      if (flax::numpy_name(entry.tensor.dtype()).empty()) {
        plan_.losses.push_back({entry.name, text("dtype {} has no place in a Flax file", name(entry.tensor.dtype()))});
      } else if (entry.name == kTreeKey || entry.name.find(kChunkedMark) != std::string::npos || !is_utf8(entry.name)) {
        plan_.losses.push_back({entry.name, "a tensor of this name has no place in a Flax file"});
      } else {
        storable.push_back(i);
      }
    }
    return storable;
  }

  Status make_tree(const std::vector<std::uint32_t>& entries) {
    std::vector<StoredAs> stored;
    TreeOptions how;
    how.checksums = options_.checksums;
    how.metadata = model_.metadata().is(ValueKind::kDict) && model_.metadata().size() != 0;
    how.config = !options_.config_beside;
    how.framework = model_.origin().framework;
    for (const std::uint32_t i : entries) {
      const Tensor& tensor = model_.tensors()[i].tensor;
      const bool is_time = numpy_name(tensor) == tensor.logical();
      stored.push_back({i, tensor.dtype(), tensor.shape(), is_time});
      // The checksum of a tensor is that of one part.
      if (tensor.bytes() > kChunkBytes || info(tensor.dtype()).block_elements != 1) how.checksums = false;
    }
    HOLDALL_ASSIGN(tree_, write_tree(model_, stored, how));
    plan_.losses.insert(plan_.losses.end(), tree_.losses.begin(), tree_.losses.end());
    return {};
  }

  // Everything in the order of the tree: what MessagePack writes ahead is a count, so nothing has to be closed.
  Status write(Value root) {
    std::vector<NodeId> left = {root.id()};
    const bool has_tree = !tree_.json.empty();
    while (!left.empty()) {
      const Value value = root.of(left.back());
      left.pop_back();
      if (value.is(ValueKind::kDict)) {
        out_.map(value.size() + (has_tree && value.id() == root.id() ? 1 : 0));
        for (std::size_t i = 2 * value.size(); i-- > 0;) left.push_back(value.item(i).id());
      } else if (value.is(ValueKind::kList)) {
        out_.array(value.size());
        for (std::size_t i = value.size(); i-- > 0;) left.push_back(value.item(i).id());
      } else {
        HOLDALL_TRY(write_plain(value));
      }
    }
    if (has_tree) add_tree();
    return {};
  }

  Status write_plain(Value value) {
    switch (value.kind()) {
      case ValueKind::kNull:
        out_.nil();
        return {};
      case ValueKind::kBool:
        out_.boolean(value.as_bool());
        return {};
      case ValueKind::kInt:
        out_.integer(value.as_int());
        return {};
      case ValueKind::kBigInt:
        out_.unsigned_integer(std::stoull(std::string(value.as_big_int())));
        return {};
      case ValueKind::kFloat:
        out_.real(value.as_float());
        return {};
      case ValueKind::kComplex:
        out_.extension(kComplex, 19).array(2).real(value.as_complex().real()).real(value.as_complex().imag());
        return {};
      case ValueKind::kString:
        out_.string(value.as_string());
        return {};
      case ValueKind::kBytes:
        out_.bytes(value.bytes_size());
        add_bytes(value);
        return {};
      case ValueKind::kTensor: {
        const std::uint32_t index = value.as_tensor().index;
        return write_tensor(is_whole_ ? by_index_[index] : index);
      }
      case ValueKind::kObject:
        if (const auto array = unheld_array(value)) {
          add_array_head(out_, kArray, array->shape, array->dtype, array->elements.bytes_size());
          add_bytes(array->elements);
        } else {
          add_scalar(out_, value);
        }
        return {};
      default:
        return internal(text("a {} has come into a Flax file", name(value.kind())));
    }
  }

  void add_bytes(Value value) {
    if (value.bytes_resident()) {
      out_.raw(value.as_bytes());
    } else {
      add(value.as_blob());
    }
  }

  Status write_tensor(std::uint32_t entry) {
    const Tensor& tensor = model_.tensors()[entry].tensor;
    HOLDALL_ASSIGN(Blob data, elements_of(tensor));
    const std::string dtype = numpy_name(tensor);
    if (data.size() > kChunkBytes) return write_chunks(tensor, dtype, data);
    add_array_head(out_, kArray, tensor.shape(), dtype, data.size());
    const PartId part = add(std::move(data), {false, !tree_.checksums.empty()});
    parts_.push_back(part);
    return {};
  }

  Status write_chunks(const Tensor& tensor, const std::string& dtype, const Blob& data) {
    const std::uint64_t item = std::max<std::uint64_t>(1, data.size() / std::max<std::uint64_t>(1, tensor.elements()));
    const std::uint64_t whole = kChunkBytes / item * item;
    out_.map(3).string(kChunkedMark).boolean(true).string("shape").map(tensor.shape().size());
    for (std::size_t i = 0; i < tensor.shape().size(); ++i) out_.string(std::to_string(i)).unsigned_integer(tensor.shape()[i]);
    out_.string("chunks").map((data.size() + whole - 1) / whole);
    std::uint64_t number = 0;
    for (std::uint64_t offset = 0; offset < data.size(); offset += whole, ++number) {
      HOLDALL_ASSIGN(Blob chunk, data.slice(offset, std::min(whole, data.size() - offset)));
      out_.string(std::to_string(number));
      const std::uint64_t elements = chunk.size() / item;
      add_array_head(out_, kArray, std::span(&elements, 1), dtype, chunk.size());
      add(std::move(chunk));
    }
    return {};
  }

  // Last in the root dict, an array of bytes: whoever makes arrays of all that a file holds can make one of it.
  void add_tree() {
    const std::uint64_t size = tree_.json.size();
    out_.string(kTreeKey);
    add_array_head(out_, kArray, std::span(&size, 1), "uint8", size);
    flush();
    file_.parts.push_back(tree_part(std::move(tree_), parts_));
  }

  void flush() {
    if (!out_.text().empty()) file_.add(Bytes::adopt(out_.take()));
  }
  PartId add(Blob data, Checks checks = {}) {
    flush();
    return file_.add(std::move(data), checks);
  }

  const Model& model_;
  const WriteOptions& options_;
  Plan plan_;
  PlannedFile file_;
  MsgpackWriter out_;
  TreeText tree_;
  bool is_whole_ = false;
  std::vector<std::uint32_t> by_index_;  // where the tree is the model's own: places in tensors()
  std::vector<PartId> parts_;            // of the tensors, in the order of the layout
};

}  // namespace

Result<Plan> plan(const Model& model, const WriteOptions& options) { return Planner(model, options).run(); }

}  // namespace holdall::flax
