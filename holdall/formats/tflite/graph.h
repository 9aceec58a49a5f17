// What a TFLite file says: subgraphs of tensors and operators, buffers, signatures. Bytes of buffers stay on disk.
//
// Thread-safety: immutable once read. Ownership: owns its texts and lists, shares the file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "holdall/base/limits.h"
#include "holdall/formats/tflite/schema.h"
#include "holdall/io/blob.h"

namespace holdall::tflite {

struct QuantizationRecord {
  std::vector<float> scale;
  std::vector<std::int64_t> zero_point;
  Blob scale_bytes, zero_point_bytes;  // where they lie
  std::int32_t axis = 0;
  Details details = Details::kNone;
  // Of kBlockwise and kMultiAxis: tensors of the same subgraph, -1: none; elements of a block, 0: all.
  std::int32_t scales = -1, zero_points = -1, block = 0;
  std::vector<std::int32_t> axes;
};

// Numbers of 1, 2 or 4 bytes.
struct IndexVector {
  Blob bytes;
  unsigned width = 0;  // 0: absent
};
struct SparseDimension {
  bool is_sparse = false;
  std::int32_t dense_size = 0;
  IndexVector segments, indices;
};
struct SparsityRecord {
  std::vector<std::int32_t> traversal_order, block_map;
  std::vector<SparseDimension> dimensions;
};

struct TensorRecord {
  std::string name;
  std::uint8_t type = 0;
  std::vector<std::int32_t> shape;      // -1: unknown
  std::vector<std::int32_t> signature;  // the same with what may change; empty: as shape
  std::uint32_t buffer = 0, external_buffer = 0;
  bool is_variable = false;
  std::optional<QuantizationRecord> quantization;
  std::optional<SparsityRecord> sparsity;
  std::uint64_t place = 0;  // of the table
};

struct OperatorRecord {
  std::uint32_t code = 0;
  std::vector<std::int32_t> inputs, outputs;           // -1: an optional one that is not given
  std::uint64_t options_offset = 0, options_size = 0;  // beyond the flatbuffer
  std::uint64_t custom_options = 0, custom_size = 0;   // in the flatbuffer: of the first byte, in the source
  std::uint64_t place = 0;
};

struct SubgraphRecord {
  std::string name;
  std::vector<TensorRecord> tensors;
  std::vector<std::int32_t> inputs, outputs;
  std::vector<OperatorRecord> operators;
};

struct BufferRecord {
  std::optional<Blob> data;            // nothing where it has none; not there either where it leads out of the file
  bool is_beyond = false;              // behind the flatbuffer, by offset and size
  std::uint64_t offset = 0, size = 0;  // as said, of such a one
  std::uint64_t place = 0;
};

struct OperatorCode {
  std::int32_t builtin = 0;
  std::string custom;
  std::int32_t version = 1;
  bool is(Builtin which) const noexcept { return builtin == static_cast<std::int32_t>(which); }
  bool is_custom() const noexcept { return is(Builtin::CUSTOM); }
  // "ADD"; of one that LiteRT does not have itself, its own name.
  std::string name() const { return is_custom() ? custom : operator_name(builtin); }
};

struct NamedBuffer {
  std::string name;
  std::uint32_t buffer = 0;
};

struct SignatureRecord {
  struct Tensor {
    std::string name;
    std::uint32_t tensor = 0;
  };
  std::string key;
  std::uint32_t subgraph = 0;
  std::vector<Tensor> inputs, outputs;
};

// A buffer in a file of its own.
struct ExternalBuffer {
  std::uint32_t id = 0, group = 0;
  std::uint64_t offset = 0, length = 0;
  std::string packing;
};

struct Graph {
  std::uint32_t version = 0;
  std::string description;
  std::vector<OperatorCode> codes;
  std::vector<SubgraphRecord> subgraphs;
  std::vector<BufferRecord> buffers;
  std::vector<NamedBuffer> metadata;
  std::vector<SignatureRecord> signatures;
  std::vector<std::string> external_groups;
  std::vector<ExternalBuffer> external_buffers;
  std::optional<std::uint64_t> misaligned;  // the first thing that does not stand at a multiple of its size
  Blob file;
};

// Errors: corrupt, unsupported (another version), limit, io.
Result<Graph> read_graph(Blob file, const Limits& limits);

}  // namespace holdall::tflite
