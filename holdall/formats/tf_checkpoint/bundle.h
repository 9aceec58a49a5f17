// A V2 checkpoint opened: its index and its data files, and the tensors in them.
//
// Thread-safety: value types. Ownership: shares the sources.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "holdall/core/model.h"
#include "holdall/formats/tf_checkpoint/bundle_index.h"
#include "holdall/formats/tf_checkpoint/location.h"

namespace holdall::tf_checkpoint {

struct DataFile {
  SourceRef source;  // null: no entry lies in it
  SharedText name;
};

struct OpenedBundle {
  SortedTable table;
  Index index;
  std::vector<DataFile> files;  // by shard
};

// Opens the index's data files: those named after it, or, where it has another name, those without a prefix.
// Errors: not found (names the file), corrupt, unsupported, limit, io.
Result<OpenedBundle> open_bundle(const Located& located, SortedTable table, const Limits& limits);

// The bytes of an entry without slices, with their CRC-32C. Errors: corrupt where they do not lie in their file.
Result<Blob> entry_bytes(const OpenedBundle& bundle, const Entry& entry);
// Errors: corrupt (sizes that do not fit, slices that do not tile the tensor), unsupported, limit; all name the tensor.
Result<Tensor> entry_tensor(const OpenedBundle& bundle, const Entry& entry, const Limits& limits);

}  // namespace holdall::tf_checkpoint
