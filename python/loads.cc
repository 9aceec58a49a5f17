#include "loads.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "errors.h"
#include "holdall/core/cast.h"
#include "holdall/io/map.h"
#include "holdall/io/staged.h"
#include "listener.h"
#include "memory.h"

namespace nb = nanobind;

namespace holdall::python {
namespace {

LoadOptions options_of(bool check, Listener& listener, std::uint64_t total) {
  LoadOptions options;
  options.checks = check ? LoadOptions::Checks::kVerified : LoadOptions::Checks::kIgnored;
  options.loaded = [&listener, total](std::uint64_t bytes) { return listener.counted(bytes, total); };
  return options;
}

std::uint64_t bytes_of(const std::vector<Blob>& blobs) {
  std::uint64_t total = 0;
  for (const Blob& blob : blobs) total += blob.size();
  return total;
}

// Memory of their own for blobs, even for those that are in memory.
Result<std::vector<Bytes>> load_blobs(const std::vector<Blob>& blobs, const std::vector<std::uint64_t>& alignments, bool check,
                                      bool mapped, Listener& listener) {
  const LoadOptions options = options_of(check, listener, bytes_of(blobs));
  std::vector<Bytes> loaded;
  if (mapped) {
    std::vector<MapRequest> requests(blobs.size());
    for (std::size_t i = 0; i < blobs.size(); ++i) requests[i] = {blobs[i], alignments[i]};
    HOLDALL_ASSIGN(loaded, map_all(requests, options));
  } else {
    HOLDALL_ASSIGN(loaded, load_all(blobs, options));
  }
  for (std::size_t i = 0; i < blobs.size(); ++i) {
    if (loaded[i].empty() || !blobs[i].source()->resident()) continue;
    // Shared with the model, which nobody may write into.
    HOLDALL_ASSIGN(Buffer own, Buffer::allocate(loaded[i].size()));
    std::copy(loaded[i].span().begin(), loaded[i].span().end(), own.data());
    loaded[i] = std::move(own).into_bytes();
  }
  return loaded;
}

bool is_block(const Tensor& tensor) { return info(tensor.dtype()).kind == DTypeKind::kBlock; }

// What the elements are in Python: those of GGML's blocks are the numbers that they mean.
DType element_dtype(const Tensor& tensor) { return is_block(tensor) ? DType::kFloat32 : tensor.dtype(); }

Result<Blob> elements_of(const Tensor& tensor) {
  if (!is_block(tensor)) return tensor.data();
  HOLDALL_ASSIGN(const Tensor numbers, cast(tensor, DType::kFloat32));
  return numbers.data();
}

// What a processor wants of the address of an element.
std::uint64_t alignment_of(const Tensor& tensor) {
  const DTypeInfo& row = info(element_dtype(tensor));
  const std::uint64_t size = row.block_elements == 1 ? row.block_bytes : 1;
  return size == 2 || size == 4 || size == 8 ? size : size == 16 ? 8 : 1;
}

nb::list memories_of(std::vector<Bytes> loaded) {
  nb::list memories;
  for (Bytes& bytes : loaded) memories.append(nb::cast(Memory{std::move(bytes)}));
  return memories;
}

Result<std::vector<Blob>> data_of(const OpenedModel& opened, const std::vector<std::size_t>& entries) {
  std::vector<Blob> blobs;
  blobs.reserve(entries.size());
  for (const std::size_t entry : entries) {
    HOLDALL_ASSIGN(Blob data, elements_of(opened.model->tensors().at(entry).tensor));
    blobs.push_back(std::move(data));
  }
  return blobs;
}

// The elements of each entry, dense, in memory of its own.
nb::list load_elements(const OpenedModel& opened, const std::vector<std::size_t>& entries, bool check, bool mapped,
                       nb::handle progress) {
  Listener listener(progress);
  Result<std::vector<Bytes>> loaded = [&]() -> Result<std::vector<Bytes>> {
    const nb::gil_scoped_release released;
    HOLDALL_ASSIGN(const std::vector<Blob> blobs, data_of(opened, entries));
    std::vector<std::uint64_t> alignments;
    alignments.reserve(entries.size());
    for (const std::size_t entry : entries) alignments.push_back(alignment_of(opened.model->tensors().at(entry).tensor));
    return load_blobs(blobs, alignments, check, mapped, listener);
  }();
  listener.finish();
  return memories_of(checked(std::move(loaded)));
}

// Reads what is in memory as far as the system knows, and has checksums of its own; false where that is not so of all.
bool check_cached(const OpenedModel& opened, const std::vector<std::size_t>& entries) {
  return checked([&]() -> Result<bool> {
    const nb::gil_scoped_release released;
    HOLDALL_ASSIGN(const std::vector<Blob> blobs, data_of(opened, entries));
    const auto has_sum = [](const Blob& blob) { return blob.crc32() || blob.xxh3() != nullptr; };
    if (!std::all_of(blobs.begin(), blobs.end(), has_sum) || !are_cached(blobs)) return false;
    HOLDALL_TRY(check_all(blobs));
    return true;
  }());
}

// The elements of each entry into a buffer of its own.
void load_into_buffers(const OpenedModel& opened, const std::vector<std::size_t>& entries, const nb::list& buffers) {
  std::vector<std::unique_ptr<WritableBuffer>> writable;
  for (const nb::handle buffer : buffers) writable.push_back(std::make_unique<WritableBuffer>(buffer));
  const Status status = [&]() -> Status {
    const nb::gil_scoped_release released;
    HOLDALL_ASSIGN(const std::vector<Blob> blobs, data_of(opened, entries));
    if (blobs.size() != writable.size()) return invalid_argument("as many buffers as entries are wanted");
    std::vector<LoadRequest> requests;
    for (std::size_t i = 0; i < blobs.size(); ++i) requests.push_back({blobs[i], writable[i]->span()});
    return load_into(requests);
  }();
  checked(status);
}

// A tensor in one storage of a framework's.
struct Placed {
  std::size_t storage = 0;
  std::optional<std::vector<std::int64_t>> strides = std::nullopt;  // absent: dense, and all of its storage
  std::uint64_t offset = 0;                                         // in elements
};

// The storages of entries, each once, and where each entry lies. Tensors with elements that are to be conjugated, negated or
// unpacked, or decoded from blocks, are made dense and alone.
struct Storages {
  std::vector<Blob> blobs;
  std::vector<std::uint64_t> alignments;
  std::vector<Placed> placed;
};

Result<Storages> storages_of(const OpenedModel& opened, const std::vector<std::size_t>& entries) {
  Storages found;
  std::map<const Storage*, std::size_t> known;
  for (const std::size_t entry : entries) {
    const Tensor& tensor = opened.model->tensors().at(entry).tensor;
    const Tensor::View& view = tensor.layout();
    const bool is_alone =
        tensor.storage() == nullptr || view.conjugate || view.negative || !tensor.logical().empty() || is_block(tensor);
    const bool is_whole = tensor.is_dense() && tensor.storage() != nullptr &&
                          tensor.span_in_storage() == std::pair<std::uint64_t, std::uint64_t>(0, tensor.storage()->data.size());
    std::size_t storage = found.blobs.size();
    if (!is_alone) storage = known.try_emplace(tensor.storage().get(), storage).first->second;
    if (storage == found.blobs.size()) {
      // A whole tensor's own checksum is its storage's.
      HOLDALL_ASSIGN(Blob data, is_alone || is_whole ? elements_of(tensor) : Result<Blob>(tensor.storage()->data));
      found.blobs.push_back(std::move(data));
      found.alignments.push_back(1);
    }
    found.alignments[storage] = std::max(found.alignments[storage], alignment_of(tensor));
    Placed placed = {storage};
    if (!is_alone && !is_whole) {
      placed.strides = tensor.strides();
      placed.offset = view.offset;
    }
    found.placed.push_back(std::move(placed));
  }
  return found;
}

// [(storage, strides or None, offset in elements, dtype, shape)] for the entries.
nb::list places_of(const OpenedModel& opened, const std::vector<std::size_t>& entries, const std::vector<Placed>& placed) {
  nb::list places;
  std::vector<nb::object> dtypes(all_dtypes().size());
  for (std::size_t i = 0; i < placed.size(); ++i) {
    const Placed& place = placed[i];
    const Tensor& tensor = opened.model->tensors().at(entries[i]).tensor;
    nb::object& dtype = dtypes[static_cast<std::size_t>(element_dtype(tensor))];
    if (!dtype.is_valid()) dtype = nb::cast(std::string(name(element_dtype(tensor))));
    nb::object strides = nb::none();
    if (place.strides) {
      nb::list list;
      for (const std::int64_t stride : *place.strides) list.append(stride);
      strides = nb::tuple(list);
    }
    places.append(nb::make_tuple(place.storage, strides, place.offset, dtype, tuple_of(tensor.shape())));
  }
  return places;
}

Storages found_storages(const OpenedModel& opened, const std::vector<std::size_t>& entries) {
  Result<Storages> found = [&] {
    const nb::gil_scoped_release released;
    return storages_of(opened, entries);
  }();
  return checked(std::move(found));
}

nb::tuple load_storages(const OpenedModel& opened, const std::vector<std::size_t>& entries, bool check, bool mapped,
                        nb::handle progress) {
  const Storages found = found_storages(opened, entries);
  Listener listener(progress);
  Result<std::vector<Bytes>> loaded = [&] {
    const nb::gil_scoped_release released;
    return load_blobs(found.blobs, found.alignments, check, mapped, listener);
  }();
  listener.finish();
  return nb::make_tuple(memories_of(checked(std::move(loaded))), places_of(opened, entries, found.placed));
}

// Storages on their way through a buffer of the caller's.
class Staging {
 public:
  Staging(const std::vector<Blob>& blobs, bool check, nb::object progress)
      : progress_(std::move(progress)), listener_(progress_), load_(blobs, options_of(check, listener_, bytes_of(blobs))) {}
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  // [(storage, offset in it, offset in the buffer, bytes)]
  nb::list next(nb::handle buffer) {
    const WritableBuffer into(buffer);
    Result<std::vector<StagedPiece>> pieces = [&] {
      const nb::gil_scoped_release released;
      return load_.next(into.span());
    }();
    listener_.finish();
    nb::list list;
    for (const StagedPiece& piece : checked(std::move(pieces))) {
      list.append(nb::make_tuple(piece.blob, piece.offset, piece.at, piece.size));
    }
    return list;
  }

 private:
  nb::object progress_;
  Listener listener_;
  StagedLoad load_;
};

// (staging, [bytes of each storage], places)
nb::tuple stage(const OpenedModel& opened, const std::vector<std::size_t>& entries, bool check, nb::handle progress) {
  const Storages found = found_storages(opened, entries);
  nb::list sizes;
  for (const Blob& blob : found.blobs) sizes.append(blob.size());
  nb::object staging = nb::cast(new Staging(found.blobs, check, nb::borrow(progress)), nb::rv_policy::take_ownership);
  return nb::make_tuple(staging, sizes, places_of(opened, entries, found.placed));
}

}  // namespace

void bind_loads(nb::module_& module, nb::class_<OpenedModel>& model) {
  nb::class_<Staging>(module, "Staging", "Storages on their way through a buffer of the caller's.")
      .def("next", &Staging::next, nb::arg("buffer"));
  model.def("load_elements", load_elements, nb::arg("entries"), nb::arg("check"), nb::arg("mapped"), nb::arg("progress").none())
      .def("load_storages", load_storages, nb::arg("entries"), nb::arg("check"), nb::arg("mapped"), nb::arg("progress").none())
      .def("check_cached", check_cached, nb::arg("entries"))
      .def("load_into", load_into_buffers, nb::arg("entries"), nb::arg("buffers"))
      .def("stage", stage, nb::arg("entries"), nb::arg("check"), nb::arg("progress").none());
}

}  // namespace holdall::python
