#include "holdall/formats/pytorch/storages.h"

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/objects/torch_types.h"

namespace holdall::pytorch {

namespace {

std::optional<std::uint64_t> count_of(Value value) {
  if (!value.is(ValueKind::kInt) || value.as_int() < 0) return std::nullopt;
  return static_cast<std::uint64_t>(value.as_int());
}

// What torch reverses in files of the other byte order: elements, of complex ones the halves.
std::size_t unit_bytes(DType dtype) {
  const DTypeInfo& row = info(dtype);
  if (row.block_elements != 1) return 1;
  return row.kind == DTypeKind::kComplex ? row.block_bytes / 2 : row.block_bytes;
}

std::string_view text_of(Value value) {
  if (value.is(ValueKind::kString)) return value.as_string();
  return value.is(ValueKind::kBytes) ? value.as_bytes() : std::string_view();
}

}  // namespace

std::string key_text(Value key) {
  if (key.is(ValueKind::kInt)) return text("{}", key.as_int());
  if (key.is(ValueKind::kBigInt)) return std::string(key.as_big_int());
  return std::string(text_of(key));
}

Result<StorageId> read_storage_id(Value id) {
  if (!id.is(ValueKind::kTuple) || id.size() < 5 || text_of(id.item(0)) != "storage" || !id.item(1).is(ValueKind::kGlobal)) {
    return corrupt("a persistent id that names no storage");
  }
  StorageId result;
  result.key = key_text(id.item(2));
  const std::string_view storage_class = id.item(1).global_name();
  const auto elements = count_of(id.item(4));
  if (result.key.empty() || !elements) return corrupt("a storage without a key or with a size that is no number");
  result.elements = *elements;
  result.untyped = is_untyped_storage(storage_class);
  if (!result.untyped) {
    const TorchDType* row = torch_storage_dtype(storage_class);
    if (row == nullptr) return unsupported(text("storage class {}.{} is not known", id.item(1).global_module(), storage_class));
    result.dtype = row->dtype;
    result.item_bytes = row->item_bytes;
  }
  if (id.size() > 5 && id.item(5).is(ValueKind::kTuple)) {
    const Value view = id.item(5);
    const auto offset = view.size() == 3 ? count_of(view.item(1)) : std::nullopt;
    const auto size = view.size() == 3 ? count_of(view.item(2)) : std::nullopt;
    if (!offset || !size) return corrupt(text("storage '{}': a view that is not a key, an offset and a size", result.key));
    result.view = {*offset, *size};
  }
  return result;
}

Result<StorageTable::Known*> StorageTable::known(const StorageId& id) {
  const auto found = known_.find(id.key);
  if (found != known_.end()) return &found->second;
  const auto bytes = checked_multiply(id.elements, id.item_bytes);
  if (!bytes) return corrupt(text("storage '{}' claims {} elements of {} bytes", id.key, id.elements, id.item_bytes));
  HOLDALL_ASSIGN(Blob data, find_(id.key, *bytes));
  if (data.size() < *bytes) {
    return corrupt(text("storage '{}' has {} bytes, {} are claimed", id.key, data.size(), *bytes))
        .at(data.offset())
        .in(data.name());
  }
  if (data.size() > *bytes) {
    HOLDALL_ASSIGN(data, data.slice(0, *bytes));
  }
  return &known_.emplace(id.key, Known{id, std::move(data), {}}).first->second;
}

Result<TypedStorage> StorageTable::resolve(Value id, std::optional<DType> element) {
  HOLDALL_ASSIGN(const StorageId asked, read_storage_id(id));
  HOLDALL_ASSIGN(Known* const entry, known(asked));
  const DType dtype = entry->id.untyped && element ? *element : entry->id.dtype;
  const std::size_t unit = order_ == ByteOrder::kLittle ? 1 : unit_bytes(dtype);
  StorageRef& storage = entry->by_unit[unit];
  if (storage == nullptr) {
    Blob data = entry->data;
    if (unit > 1 && data.size() >= unit) {
      const std::uint64_t whole = data.size() / unit * unit;
      HOLDALL_ASSIGN(SourceRef part, slice_source(data.source(), data.offset(), whole, data.name()));
      HOLDALL_ASSIGN(SourceRef swapped, byte_swapped_source(std::move(part), unit));
      data = Blob(std::move(swapped));
    }
    storage = std::make_shared<Storage>(Storage{std::move(data)});
  }
  TypedStorage result{storage, entry->id.dtype, entry->id.untyped, 0, entry->id.elements, asked.key};
  if (asked.view) {
    const auto [offset, size] = *asked.view;
    if (!fits(offset, size, entry->id.elements)) {
      return corrupt(
          text("storage '{}' has {} elements, a view of it claims [{}, +{})", asked.key, entry->id.elements, offset, size));
    }
    result.offset = offset;
    result.elements = size;
  }
  return result;
}

}  // namespace holdall::pytorch
