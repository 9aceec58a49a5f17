// V1 checkpoints: one table that holds everything.
//
//   ""         SavedTensorSlices { meta = 1 { tensor = 1 { name = 1, shape = 2, type = 3, slice = 4 } } }
//   slice_key  SavedTensorSlices { data = 2 { name = 1, slice = 2, data = 3 (a TensorProto without dtype and shape) } }
// Specification: tensorflow/core/util/saved_tensor_slice.proto.
//
// Thread-safety: free functions. Ownership: results share the table.
#pragma once

#include <vector>

#include "holdall/codec/sstable.h"
#include "holdall/core/model.h"

namespace holdall::tf_checkpoint {

// The tensors, whose blocks are read and checked when they are used (texts: here). What has no place in a model is told in
// `left_out`. Memory, when they are used: that of one slice. Errors: corrupt, unsupported, limit.
Result<std::vector<NamedTensor>> read_v1(const SortedTable& table, const std::string& file, const Limits& limits,
                                         std::vector<std::string>& left_out);

}  // namespace holdall::tf_checkpoint
