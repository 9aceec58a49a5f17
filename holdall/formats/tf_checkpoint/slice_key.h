// Slices of partitioned variables, and the keys that they have in a table: TensorFlow's ordered code.
//
//   key := number 0, name, number of dimensions, then a signed start and length a dimension (length -1: all of it)
//   number := byte n, n bytes, highest first        signed := 1 to 10 bytes; the first bits say how many (see .cc)
//   text := bytes, 00 as 00 ff, ff as ff 00; then 00 01
// Specification: tensorflow/core/util/saved_tensor_slice_util.cc, tensorflow/core/lib/strings/ordered_code.cc.
//
// Thread-safety: value types. Ownership: values own their texts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "holdall/codec/protobuf.h"
#include "holdall/core/shape.h"

namespace holdall::tf_checkpoint {

struct Extent {
  std::int64_t start = 0;
  std::int64_t length = -1;  // -1: the whole dimension
};
using Slice = std::vector<Extent>;

// A TensorSliceProto: extent = 1 { start = 1, length = 2 }. Errors: corrupt; limit for more dimensions than kMaxRank.
Result<Slice> read_slice(ProtoReader message);
std::string slice_key(std::string_view tensor, const Slice& slice);
// Starts and lengths within `shape`. Errors: corrupt where the slice has other dimensions or leaves it.
struct Box {
  Shape start, size;
};
Result<Box> box_of(const Slice& slice, const Shape& shape);

}  // namespace holdall::tf_checkpoint
