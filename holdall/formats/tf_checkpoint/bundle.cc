#include "holdall/formats/tf_checkpoint/bundle.h"

#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/formats/tf_checkpoint/slices.h"
#include "holdall/formats/tf_checkpoint/strings.h"

namespace holdall::tf_checkpoint {
namespace {

Result<DataFile> open_data(const Located& located, std::uint64_t shard, std::uint64_t shards) {
  const Bundle& bundle = located.index;
  const std::string& name = bundle.names().front();
  const std::string expected = data_name(prefix_of(name), shard, shards);
  for (const std::string& candidate :
       {expected, data_name(name, shard, shards), data_name("", shard, shards), data_name("", shard, shards).substr(1)}) {
    if (!bundle.has(candidate)) continue;
    HOLDALL_ASSIGN(SourceRef source, bundle.open_part(candidate));
    return DataFile{std::move(source), SharedText(located.folder + candidate)};
  }
  return not_found(text("the data file '{}' is missing", expected)).in(bundle.path());
}

Result<Tensor> sliced_tensor(const OpenedBundle& bundle, const Entry& entry, const TensorFlowType& type) {
  if (!is_byte_sized(type.dtype)) return unsupported(text("slices of {}", type.name));
  std::vector<Piece> pieces;
  for (const Slice& slice : entry.slices) {
    HOLDALL_ASSIGN(Box box, box_of(slice, entry.shape.sizes));
    const Entry& part = *bundle.index.find(slice_key(entry.key, slice));
    if (part.dtype != entry.dtype) return corrupt(text("a slice is {}", tensorflow_type_name(part.dtype)));
    HOLDALL_ASSIGN(Blob data, entry_bytes(bundle, part));
    pieces.push_back({std::move(box), std::move(data)});
  }
  HOLDALL_ASSIGN(SourceRef whole,
                 assembled(entry.shape.sizes, info(type.dtype).block_bytes, std::move(pieces), bundle.table.source()->name()));
  return tensorflow_tensor(type, entry.shape.sizes, Blob(std::move(whole)), bundle.index.order);
}

Result<Tensor> tensor_of(const OpenedBundle& bundle, const Entry& entry, const Limits& limits) {
  const TensorFlowType* type = tensorflow_type(entry.dtype);
  if (type == nullptr) return unsupported(text("{} is no array", tensorflow_type_name(entry.dtype)));
  if (!entry.shape.is_known) return corrupt(text("its shape {} is not known", entry.shape.text));
  if (!entry.slices.empty()) return sliced_tensor(bundle, entry, *type);
  HOLDALL_ASSIGN(Blob data, entry_bytes(bundle, entry));
  if (type->dtype == DType::kString) {
    return read_strings(entry.shape.sizes, data.without_checks(), data.crc().value, bundle.index.order, limits.header_bytes);
  }
  const bool as_stored =
      is_byte_sized(type->dtype) && (bundle.index.order == ByteOrder::kLittle || info(type->dtype).block_bytes == 1);
  if (!as_stored) data = Blob(checked_source(std::move(data)));
  return tensorflow_tensor(*type, entry.shape.sizes, std::move(data), bundle.index.order);
}

}  // namespace

Result<OpenedBundle> open_bundle(const Located& located, SortedTable table, const Limits& limits) {
  HOLDALL_ASSIGN(Index index, read_index(table, limits));
  std::vector<DataFile> files(static_cast<std::size_t>(index.shards));
  for (const Entry& entry : index.entries) {
    if (!entry.slices.empty() || files[static_cast<std::size_t>(entry.shard)].source) continue;
    HOLDALL_ASSIGN(files[static_cast<std::size_t>(entry.shard)], open_data(located, entry.shard, index.shards));
  }
  return OpenedBundle{std::move(table), std::move(index), std::move(files)};
}

Result<Blob> entry_bytes(const OpenedBundle& bundle, const Entry& entry) {
  const SourceRef& source = bundle.files[static_cast<std::size_t>(entry.shard)].source;
  if (!fits(entry.offset, entry.size, source->size())) {
    return corrupt(text("its {} bytes at {} do not lie within the {} of '{}'", entry.size, entry.offset, source->size(),
                        source->name()))
        .at(entry.at)
        .in(bundle.table.source()->name());
  }
  HOLDALL_ASSIGN(const Blob data, Blob::range(source, entry.offset, entry.size));
  return data.with_crc({Crc::Kind::kCrc32c, unmask_crc32c(entry.crc)});
}

Result<Tensor> entry_tensor(const OpenedBundle& bundle, const Entry& entry, const Limits& limits) {
  auto tensor = tensor_of(bundle, entry, limits);
  if (tensor) return tensor;
  return std::move(tensor).error().with(text("tensor '{}'", entry.key)).at(entry.at).in(bundle.table.source()->name());
}

}  // namespace holdall::tf_checkpoint
