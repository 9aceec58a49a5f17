#include "holdall/formats/tf_checkpoint/v1.h"

#include <cstring>
#include <memory>
#include <mutex>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/formats/tensorflow_tensor.h"
#include "holdall/formats/tf_checkpoint/slices.h"

namespace holdall::tf_checkpoint {
namespace {

constexpr std::uint64_t kMostName = 1u << 20;

struct Meta {
  std::string name;
  TensorFlowShape shape;
  std::uint64_t dtype = 0;
  std::vector<Slice> slices;
};

Result<Meta> read_meta(ProtoReader message) {
  Meta meta;
  while (true) {
    HOLDALL_ASSIGN(const auto field, message.next());
    if (!field) return meta;
    if (field->is_varint(3)) meta.dtype = field->value;
    if (field->is_bytes(1)) {
      HOLDALL_ASSIGN(meta.name, message.text(*field, kMostName));
    }
    if (!field->is_bytes(2) && !field->is_bytes(4)) continue;
    HOLDALL_ASSIGN(ProtoReader part, message.message(*field));
    if (field->number == 2) {
      HOLDALL_ASSIGN(meta.shape, read_tensorflow_shape(std::move(part)));
    } else {
      HOLDALL_ASSIGN(Slice slice, read_slice(std::move(part)));
      meta.slices.push_back(std::move(slice));
    }
  }
}

// The message in a message's field `number`, the last one; all of it where there is none.
Result<std::optional<ProtoReader>> inner(ProtoReader message, std::uint32_t number) {
  std::optional<ProtoReader> found;
  while (true) {
    HOLDALL_ASSIGN(const auto field, message.next());
    if (!field) return found;
    if (!field->is_bytes(number)) continue;
    HOLDALL_ASSIGN(found, message.message(*field));
  }
}

// A table of which the slice that was read last is kept.
class SliceTable {
 public:
  SliceTable(SortedTable table, const Limits& limits) : table_(std::move(table)), limits_(limits) {}
  const std::string& name() const noexcept { return table_.source()->name(); }

  Result<Bytes> elements(const std::string& key, const TensorFlowOutline& outline) const {
    const std::lock_guard lock(mutex_);
    if (key == kept_key_) return kept_;
    HOLDALL_ASSIGN(const Tensor tensor, read(key, outline));
    HOLDALL_ASSIGN(kept_, tensor.read_bytes());
    kept_key_ = key;
    return kept_;
  }

  Result<Tensor> read(const std::string& key, const TensorFlowOutline& outline) const {
    HOLDALL_ASSIGN(auto value, table_.find(key));
    if (!value) return corrupt("a slice has no entry").in(name());
    ProtoReader message(Blob::memory(Bytes::adopt(std::move(*value)), name()));
    HOLDALL_ASSIGN(auto slice, inner(std::move(message), 2));
    if (!slice) return corrupt("an entry holds no slice").in(name());
    HOLDALL_ASSIGN(auto tensor, inner(std::move(*slice), 3));
    if (!tensor) return corrupt("a slice holds no tensor").in(name());
    return read_tensorflow_tensor(std::move(*tensor), outline, limits_);
  }

 private:
  SortedTable table_;
  Limits limits_;
  mutable std::mutex mutex_;
  mutable std::string kept_key_;
  mutable Bytes kept_;
};

class SliceSource final : public Source {
 public:
  SliceSource(std::shared_ptr<const SliceTable> table, std::string key, TensorFlowOutline outline, std::uint64_t size)
      : table_(std::move(table)), key_(std::move(key)), outline_(std::move(outline)), size_(size) {}
  std::uint64_t size() const noexcept override { return size_; }
  const std::string& name() const noexcept override { return table_->name(); }
  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    HOLDALL_ASSIGN(const Bytes bytes, table_->elements(key_, outline_));
    if (!fits(offset, out.size(), bytes.size()))
      return corrupt(text("{} bytes are needed, the end is at {}", out.size(), bytes.size())).at(offset).in(name());
    std::memcpy(out.data(), bytes.data() + offset, out.size());
    return {};
  }

 private:
  std::shared_ptr<const SliceTable> table_;
  std::string key_;
  TensorFlowOutline outline_;
  std::uint64_t size_;
};

Result<Tensor> read_tensor(const std::shared_ptr<const SliceTable>& table, const Meta& meta) {
  const TensorFlowType& type = *tensorflow_type(meta.dtype);
  if (!meta.shape.is_known) return corrupt("its shape is not known");
  if (meta.slices.empty()) return corrupt("it has no slices");
  if (type.dtype == DType::kString) {
    if (meta.slices.size() > 1) return unsupported("texts in slices");
    return table->read(slice_key(meta.name, meta.slices.front()), {meta.dtype, meta.shape.sizes});
  }
  std::vector<Piece> pieces;
  for (const Slice& slice : meta.slices) {
    HOLDALL_ASSIGN(Box box, box_of(slice, meta.shape.sizes));
    HOLDALL_ASSIGN(const std::uint64_t size, dense_bytes(type.dtype, box.size));
    Blob data(std::make_shared<SliceSource>(table, slice_key(meta.name, slice), TensorFlowOutline{meta.dtype, box.size}, size));
    if (meta.slices.size() == 1 && box.size == meta.shape.sizes) {
      HOLDALL_ASSIGN(Tensor tensor, Tensor::dense(type.dtype, meta.shape.sizes, std::move(data)));
      return type.logical.empty() ? tensor : tensor.with_logical(std::string(type.logical));
    }
    pieces.push_back({std::move(box), std::move(data)});
  }
  if (!is_byte_sized(type.dtype)) return unsupported(text("slices of {}", type.name));
  HOLDALL_ASSIGN(SourceRef whole, assembled(meta.shape.sizes, info(type.dtype).block_bytes, std::move(pieces), table->name()));
  return tensorflow_tensor(type, meta.shape.sizes, Blob(std::move(whole)), ByteOrder::kLittle);
}

}  // namespace

Result<std::vector<NamedTensor>> read_v1(const SortedTable& table, const std::string& file, const Limits& limits,
                                         std::vector<std::string>& left_out) {
  HOLDALL_ASSIGN(auto value, table.find(""));
  if (!value) return corrupt("the table has no meta of a checkpoint").in(table.source()->name());
  ProtoReader first(Blob::memory(Bytes::adopt(std::move(*value)), table.source()->name()));
  HOLDALL_ASSIGN(auto metas, inner(std::move(first), 1));
  if (!metas) return corrupt("the table has no meta of a checkpoint").in(table.source()->name());
  const auto slices = std::make_shared<const SliceTable>(table, limits);
  std::vector<NamedTensor> tensors;
  const SharedText name(file);
  while (true) {
    HOLDALL_ASSIGN(const auto field, metas->next());
    if (!field) return tensors;
    if (!field->is_bytes(1)) continue;
    if (tensors.size() == limits.tensors) return over_limit(text("more than the {} tensors allowed", limits.tensors));
    HOLDALL_ASSIGN(ProtoReader part, metas->message(*field));
    HOLDALL_ASSIGN(Meta meta, read_meta(std::move(part)));
    if (tensorflow_type(meta.dtype) == nullptr) {
      left_out.push_back(text("tensor '{}': {} is no array", meta.name, tensorflow_type_name(meta.dtype)));
      continue;
    }
    auto tensor = read_tensor(slices, meta);
    if (!tensor) return std::move(tensor).error().with(text("tensor '{}'", meta.name)).in(table.source()->name());
    tensors.push_back({std::move(meta.name), std::move(*tensor), 0, name});
  }
}

}  // namespace holdall::tf_checkpoint
