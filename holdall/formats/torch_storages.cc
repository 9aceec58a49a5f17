#include "holdall/formats/torch_storages.h"

#include "holdall/base/checked.h"
#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"
#include "holdall/objects/torch_types.h"

namespace holdall {

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

const ZipMember* storage_record(const TorchArchive& archive, std::string_view folder, Value id, StorageId& said) {
  auto read = read_storage_id(id);
  if (!read) return nullptr;
  said = *std::move(read);
  return archive.zip().find(text("{}/{}/{}", archive.prefix(), folder, said.key));
}

void StorageSizes::check(const ZipMember& member, std::uint64_t claimed) {
  const auto place = static_cast<std::size_t>(&member - archive_.zip().members().data());
  if (seen_[place]) return;
  seen_[place] = true;
  if (member.size <= claimed) return;
  faults_.push_back(corrupt(text("{} bytes, the pickle claims {}", member.size, claimed))
                        .in(archive_.zip().source()->name() + "!" + std::string(member.name)));
}

void StorageSizes::report(Faults& faults) const {
  for (const Error& fault : faults_) faults.add(fault);
}

Result<std::uint32_t> StorageTable::known(const StorageId& id) {
  const auto hash_of = [&](std::uint32_t i) { return keyed_hash(key_of(known_[i])); };
  const std::uint64_t hash = keyed_hash(id.key);
  const std::uint32_t found = by_key_.find(hash, [&](std::uint32_t i) { return key_of(known_[i]) == id.key; });
  if (found != HashIndex::kNone) return found;
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
  const auto added = static_cast<std::uint32_t>(known_.size());
  const auto storage = static_cast<std::uint32_t>(pool_.size());
  pool_.add(std::move(data));
  known_.push_back({id.elements, keys_.size(), static_cast<std::uint32_t>(id.key.size()), storage, id.dtype, id.untyped});
  keys_.append(id.key);
  by_key_.add(hash, added, hash_of);
  return added;
}

// The storage with the bytes of every `unit` reversed.
Result<StorageRef> StorageTable::swapped(std::uint32_t known, std::size_t unit) {
  StorageRef as_it_is = pool_.at(known_[known].storage);
  const Blob& data = as_it_is->data;
  if (unit == 1 || data.size() < unit) return as_it_is;
  StorageRef& storage = swapped_[{known, unit}];
  if (storage == nullptr) {
    const std::uint64_t whole = data.size() / unit * unit;
    HOLDALL_ASSIGN(SourceRef part, slice_source(data.source(), data.offset(), whole, data.name()));
    HOLDALL_ASSIGN(SourceRef reversed, byte_swapped_source(std::move(part), unit));
    storage = pool_.add(Blob(std::move(reversed)));
  }
  return storage;
}

Result<TypedStorage> StorageTable::resolve(Value id, std::optional<DType> element) {
  HOLDALL_ASSIGN(const StorageId asked, read_storage_id(id));
  HOLDALL_ASSIGN(const std::uint32_t place, known(asked));
  const Known& entry = known_[place];
  const DType dtype = entry.untyped && element ? *element : entry.dtype;
  HOLDALL_ASSIGN(StorageRef storage, swapped(place, order_ == ByteOrder::kLittle ? 1 : unit_bytes(dtype)));
  TypedStorage result{std::move(storage), entry.dtype, entry.untyped, 0, entry.elements, asked.key};
  if (asked.view) {
    const auto [offset, size] = *asked.view;
    if (!fits(offset, size, entry.elements)) {
      return corrupt(
          text("storage '{}' has {} elements, a view of it claims [{}, +{})", asked.key, entry.elements, offset, size));
    }
    result.offset = offset;
    result.elements = size;
  }
  return result;
}

}  // namespace holdall
