#include "holdall/formats/tflite/graph.h"

#include <algorithm>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/codec/flatbuffer.h"

namespace holdall::tflite {
namespace {

Result<IndexVector> read_indices(const FlatTable& dimension, unsigned type_field) {
  HOLDALL_ASSIGN(const std::uint8_t type, dimension.number<std::uint8_t>(type_field));
  HOLDALL_ASSIGN(const auto table, dimension.table(type_field + 1));
  if (!table || type == static_cast<std::uint8_t>(Indices::kNone)) return IndexVector();
  if (type > static_cast<std::uint8_t>(Indices::kUInt8)) return dimension.fault(text("indices of type {}", type));
  constexpr unsigned kWidths[] = {0, 4, 2, 1};
  HOLDALL_ASSIGN(const FlatVector values, table->vector(0, kWidths[type]));
  HOLDALL_ASSIGN(Blob bytes, values.blob());
  return IndexVector{std::move(bytes), kWidths[type]};
}

Result<SparsityRecord> read_sparsity(const FlatTable& table, const Limits& limits) {
  SparsityRecord record;
  HOLDALL_ASSIGN(record.traversal_order, table.numbers<std::int32_t>(SparsityField::kTraversalOrder));
  HOLDALL_ASSIGN(record.block_map, table.numbers<std::int32_t>(SparsityField::kBlockMap));
  HOLDALL_ASSIGN(const FlatVector dimensions, table.vector(SparsityField::kDimensions, 4));
  if (dimensions.size() > limits.depth) return table.fault(text("{} sparse dimensions", dimensions.size()));
  for (std::uint64_t i = 0; i < dimensions.size(); ++i) {
    HOLDALL_ASSIGN(const FlatTable each, dimensions.table(i));
    SparseDimension made;
    HOLDALL_ASSIGN(const std::uint8_t format, each.number<std::uint8_t>(DimensionField::kFormat));
    if (format > 1) return each.fault(text("a dimension of format {}", format));
    made.is_sparse = format == 1;
    HOLDALL_ASSIGN(made.dense_size, each.number<std::int32_t>(DimensionField::kDenseSize));
    HOLDALL_ASSIGN(made.segments, read_indices(each, DimensionField::kSegmentsType));
    HOLDALL_ASSIGN(made.indices, read_indices(each, DimensionField::kIndicesType));
    record.dimensions.push_back(std::move(made));
  }
  return record;
}

Result<QuantizationRecord> read_quantization(const FlatTable& table) {
  QuantizationRecord record;
  HOLDALL_ASSIGN(const FlatVector scale, table.vector(QuantizationField::kScale, sizeof(float)));
  HOLDALL_ASSIGN(const FlatVector zero_point, table.vector(QuantizationField::kZeroPoint, sizeof(std::int64_t)));
  HOLDALL_ASSIGN(record.scale, scale.numbers<float>());
  HOLDALL_ASSIGN(record.zero_point, zero_point.numbers<std::int64_t>());
  HOLDALL_ASSIGN(record.scale_bytes, scale.blob());
  HOLDALL_ASSIGN(record.zero_point_bytes, zero_point.blob());
  HOLDALL_ASSIGN(record.axis, table.number<std::int32_t>(QuantizationField::kAxis));
  HOLDALL_ASSIGN(const std::uint8_t type, table.number<std::uint8_t>(QuantizationField::kDetailsType));
  HOLDALL_ASSIGN(const auto details, table.table(QuantizationField::kDetails));
  if (!details || type == 0) return record;
  if (type > static_cast<std::uint8_t>(Details::kMultiAxis)) return table.fault(text("quantisation of kind {}", type));
  record.details = static_cast<Details>(type);
  if (record.details == Details::kCustom) return record;
  HOLDALL_ASSIGN(record.scales, details->number<std::int32_t>(BlockwiseField::kScales));
  HOLDALL_ASSIGN(record.zero_points, details->number<std::int32_t>(BlockwiseField::kZeroPoints));
  HOLDALL_ASSIGN(record.block, details->number<std::int32_t>(BlockwiseField::kBlock));
  if (record.details == Details::kMultiAxis) {
    HOLDALL_ASSIGN(record.axes, details->numbers<std::int32_t>(BlockwiseField::kAxes));
  }
  return record;
}

class Reader {
 public:
  Reader(Blob file, const Limits& limits) : limits_(limits), flat_(FlatFile::of(std::move(file), limits.header_bytes)) {}

  Result<Graph> run() {
    HOLDALL_ASSIGN(const std::string identifier, flat_->identifier());
    if (identifier != kIdentifier)
      return corrupt(text("the identifier '{}' was expected", kIdentifier)).at(4).in(flat_->whole().name());
    HOLDALL_ASSIGN(const FlatTable model, flat_->root());
    graph_.file = flat_->whole();
    HOLDALL_ASSIGN(graph_.version, model.number<std::uint32_t>(ModelField::kVersion));
    if (graph_.version != kSchemaVersion)
      return unsupported(text("a schema of version {}, {} is read", graph_.version, kSchemaVersion))
          .at(model.place())
          .in(flat_->whole().name());
    HOLDALL_ASSIGN(graph_.description, model.text(ModelField::kDescription));
    HOLDALL_TRY(read_codes(model));
    HOLDALL_TRY(read_subgraphs(model));
    HOLDALL_TRY(read_buffers(model));
    HOLDALL_TRY(read_named_buffers(model));
    HOLDALL_TRY(read_signatures(model));
    HOLDALL_TRY(read_external(model));
    graph_.misaligned = flat_->misaligned();
    return std::move(graph_);
  }

 private:
  // Calls use(table) for each of a vector of tables; counts them.
  template <class Use>
  Status for_each(const FlatTable& table, unsigned field, Use use) {
    HOLDALL_ASSIGN(const FlatVector all, table.vector(field, 4));
    things_ += all.size();
    if (things_ > limits_.tensors)
      return over_limit(text("{} tensors, operators and buffers, {} are allowed", things_, limits_.tensors))
          .in(flat_->whole().name());
    for (std::uint64_t i = 0; i < all.size(); ++i) {
      HOLDALL_ASSIGN(const FlatTable each, all.table(i));
      HOLDALL_TRY(use(each));
    }
    return {};
  }

  Status read_codes(const FlatTable& model) {
    return for_each(model, ModelField::kOperatorCodes, [&](const FlatTable& table) -> Status {
      OperatorCode code;
      HOLDALL_ASSIGN(const std::int8_t old, table.number<std::int8_t>(OperatorCodeField::kDeprecatedBuiltin));
      HOLDALL_ASSIGN(const std::int32_t builtin, table.number<std::int32_t>(OperatorCodeField::kBuiltin));
      code.builtin =
          std::max<std::int32_t>(old, builtin);  // version 3 has the byte alone, which later ones fill as far as it goes
      HOLDALL_ASSIGN(code.custom, table.text(OperatorCodeField::kCustom));
      HOLDALL_ASSIGN(code.version, table.number<std::int32_t>(OperatorCodeField::kVersion, 1));
      graph_.codes.push_back(std::move(code));
      return {};
    });
  }

  Status read_subgraphs(const FlatTable& model) {
    return for_each(model, ModelField::kSubgraphs, [&](const FlatTable& table) -> Status {
      SubgraphRecord subgraph;
      HOLDALL_ASSIGN(subgraph.name, table.text(SubgraphField::kName));
      HOLDALL_ASSIGN(subgraph.inputs, table.numbers<std::int32_t>(SubgraphField::kInputs));
      HOLDALL_ASSIGN(subgraph.outputs, table.numbers<std::int32_t>(SubgraphField::kOutputs));
      HOLDALL_TRY(for_each(table, SubgraphField::kTensors, [&](const FlatTable& each) -> Status {
        HOLDALL_ASSIGN(TensorRecord tensor, read_tensor(each));
        subgraph.tensors.push_back(std::move(tensor));
        return {};
      }));
      HOLDALL_TRY(for_each(table, SubgraphField::kOperators, [&](const FlatTable& each) -> Status {
        HOLDALL_ASSIGN(OperatorRecord made, read_operator(each));
        subgraph.operators.push_back(std::move(made));
        return {};
      }));
      graph_.subgraphs.push_back(std::move(subgraph));
      return {};
    });
  }

  Result<TensorRecord> read_tensor(const FlatTable& table) {
    TensorRecord tensor;
    tensor.place = table.place();
    HOLDALL_ASSIGN(tensor.name, table.text(TensorField::kName));
    HOLDALL_ASSIGN(tensor.type, table.number<std::uint8_t>(TensorField::kType));
    HOLDALL_ASSIGN(tensor.shape, table.numbers<std::int32_t>(TensorField::kShape));
    HOLDALL_ASSIGN(tensor.signature, table.numbers<std::int32_t>(TensorField::kShapeSignature));
    HOLDALL_ASSIGN(tensor.buffer, table.number<std::uint32_t>(TensorField::kBuffer));
    HOLDALL_ASSIGN(tensor.external_buffer, table.number<std::uint32_t>(TensorField::kExternalBuffer));
    HOLDALL_ASSIGN(const std::uint8_t variable, table.number<std::uint8_t>(TensorField::kIsVariable));
    tensor.is_variable = variable != 0;
    HOLDALL_ASSIGN(const auto quantization, table.table(TensorField::kQuantization));
    if (quantization) {
      HOLDALL_ASSIGN(tensor.quantization, read_quantization(*quantization));
    }
    HOLDALL_ASSIGN(const auto sparsity, table.table(TensorField::kSparsity));
    if (sparsity) {
      HOLDALL_ASSIGN(tensor.sparsity, read_sparsity(*sparsity, limits_));
    }
    return tensor;
  }

  static Result<OperatorRecord> read_operator(const FlatTable& table) {
    OperatorRecord made;
    made.place = table.place();
    HOLDALL_ASSIGN(made.code, table.number<std::uint32_t>(OperatorField::kOpcode));
    HOLDALL_ASSIGN(made.inputs, table.numbers<std::int32_t>(OperatorField::kInputs));
    HOLDALL_ASSIGN(made.outputs, table.numbers<std::int32_t>(OperatorField::kOutputs));
    HOLDALL_ASSIGN(made.options_offset, table.number<std::uint64_t>(OperatorField::kLargeOptionsOffset));
    HOLDALL_ASSIGN(made.options_size, table.number<std::uint64_t>(OperatorField::kLargeOptionsSize));
    HOLDALL_ASSIGN(const FlatVector custom, table.vector(OperatorField::kCustomOptions, 1));
    made.custom_options = custom.is_there() ? custom.place() : 0;
    made.custom_size = custom.size();
    return made;
  }

  Status read_buffers(const FlatTable& model) {
    return for_each(model, ModelField::kBuffers, [&](const FlatTable& table) -> Status {
      BufferRecord buffer;
      buffer.place = table.place();
      HOLDALL_ASSIGN(const FlatVector data, table.vector(BufferField::kData, 1));
      HOLDALL_ASSIGN(buffer.offset, table.number<std::uint64_t>(BufferField::kOffset));
      HOLDALL_ASSIGN(buffer.size, table.number<std::uint64_t>(BufferField::kSize));
      // As LiteRT has it: the vector where there is one; an offset of 0 or 1 is a place that was never filled in.
      buffer.is_beyond = !data.is_there() && buffer.offset > 1;
      if (!data.empty()) {
        HOLDALL_ASSIGN(buffer.data, data.blob());
      } else if (buffer.is_beyond && fits(buffer.offset, buffer.size, graph_.file.size())) {
        HOLDALL_ASSIGN(buffer.data, graph_.file.slice(buffer.offset, buffer.size));
      }
      graph_.buffers.push_back(std::move(buffer));
      return {};
    });
  }

  Status read_named_buffers(const FlatTable& model) {
    return for_each(model, ModelField::kMetadata, [&](const FlatTable& table) -> Status {
      NamedBuffer named;
      HOLDALL_ASSIGN(named.name, table.text(MetadataField::kName));
      HOLDALL_ASSIGN(named.buffer, table.number<std::uint32_t>(MetadataField::kBuffer));
      graph_.metadata.push_back(std::move(named));
      return {};
    });
  }

  Status read_tensors(const FlatTable& table, unsigned field, std::vector<SignatureRecord::Tensor>& tensors) {
    return for_each(table, field, [&](const FlatTable& each) -> Status {
      SignatureRecord::Tensor made;
      HOLDALL_ASSIGN(made.name, each.text(TensorMapField::kName));
      HOLDALL_ASSIGN(made.tensor, each.number<std::uint32_t>(TensorMapField::kTensor));
      tensors.push_back(std::move(made));
      return {};
    });
  }

  Status read_signatures(const FlatTable& model) {
    return for_each(model, ModelField::kSignatures, [&](const FlatTable& table) -> Status {
      SignatureRecord signature;
      HOLDALL_ASSIGN(signature.key, table.text(SignatureField::kKey));
      HOLDALL_ASSIGN(signature.subgraph, table.number<std::uint32_t>(SignatureField::kSubgraph));
      HOLDALL_TRY(read_tensors(table, SignatureField::kInputs, signature.inputs));
      HOLDALL_TRY(read_tensors(table, SignatureField::kOutputs, signature.outputs));
      graph_.signatures.push_back(std::move(signature));
      return {};
    });
  }

  Status read_external(const FlatTable& model) {
    HOLDALL_TRY(for_each(model, ModelField::kExternalGroups, [&](const FlatTable& table) -> Status {
      HOLDALL_ASSIGN(std::string name, table.text(0));
      graph_.external_groups.push_back(std::move(name));
      return {};
    }));
    return for_each(model, ModelField::kExternalBuffers, [&](const FlatTable& table) -> Status {
      ExternalBuffer made;
      HOLDALL_ASSIGN(made.id, table.number<std::uint32_t>(ExternalBufferField::kId));
      HOLDALL_ASSIGN(made.group, table.number<std::uint32_t>(ExternalBufferField::kGroup));
      HOLDALL_ASSIGN(made.offset, table.number<std::uint64_t>(ExternalBufferField::kOffset));
      HOLDALL_ASSIGN(made.length, table.number<std::uint64_t>(ExternalBufferField::kLength));
      HOLDALL_ASSIGN(made.packing, table.text(ExternalBufferField::kPacking));
      graph_.external_buffers.push_back(std::move(made));
      return {};
    });
  }

  const Limits& limits_;
  std::shared_ptr<FlatFile> flat_;
  Graph graph_;
  std::uint64_t things_ = 0;
};

}  // namespace

Result<Graph> read_graph(Blob file, const Limits& limits) { return Reader(std::move(file), limits).run(); }

}  // namespace holdall::tflite
