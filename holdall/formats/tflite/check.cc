// What verify holds a graph to beyond what reading does.
#include <algorithm>
#include <cmath>
#include <span>

#include "holdall/base/text.h"
#include "holdall/formats/fault_findings.h"
#include "holdall/formats/tflite/tflite.h"

namespace holdall::tflite {
namespace {

// Where an operator's inputs that may be left out (-1) begin: at `first`. Others have none.
struct Optional {
  Builtin op;
  std::size_t first;
};
constexpr Optional kOptional[] = {{Builtin::CONV_2D, 2},
                                  {Builtin::DEPTHWISE_CONV_2D, 2},
                                  {Builtin::FULLY_CONNECTED, 2},
                                  {Builtin::CONV_3D, 2},
                                  {Builtin::CONV_3D_TRANSPOSE, 3},
                                  {Builtin::TRANSPOSE_CONV, 3},
                                  {Builtin::SVDF, 3},
                                  {Builtin::LSTM, 1},
                                  {Builtin::UNIDIRECTIONAL_SEQUENCE_LSTM, 1},
                                  {Builtin::BIDIRECTIONAL_SEQUENCE_LSTM, 1},
                                  {Builtin::UNIDIRECTIONAL_SEQUENCE_RNN, 1},
                                  {Builtin::BIDIRECTIONAL_SEQUENCE_RNN, 1},
                                  {Builtin::STABLEHLO_COMPOSITE, 0},
                                  {Builtin::CUSTOM, 0}};

class Check {
 public:
  Check(const Graph& graph, Faults& faults) : graph_(graph), faults_(faults) {}

  void run() {
    if (graph_.misaligned) add(*graph_.misaligned, "this does not stand at a multiple of its size");
    if (graph_.subgraphs.empty()) add(std::nullopt, "there is no subgraph");
    if (!graph_.buffers.empty() && graph_.buffers.front().data)
      add(graph_.buffers.front().place, "buffer 0, which means none, has data");
    check_beyond();
    for (const SubgraphRecord& subgraph : graph_.subgraphs) {
      for (const TensorRecord& tensor : subgraph.tensors) check_tensor(subgraph, tensor);
      check_inputs(subgraph);
      for (const OperatorRecord& op : subgraph.operators) check_operator(subgraph, op);
    }
    for (const NamedBuffer& each : graph_.metadata)
      if (each.buffer >= graph_.buffers.size())
        add(std::nullopt, text("the metadata '{}' are in buffer {} of {}", each.name, each.buffer, graph_.buffers.size()));
    for (const SignatureRecord& each : graph_.signatures) check_signature(each);
    for (const OperatorCode& each : graph_.codes)
      if (each.is_custom() && each.custom.empty()) add(std::nullopt, "a custom operator has no name");
    check_options();
  }

 private:
  void add(std::optional<std::uint64_t> offset, std::string what) {
    if (faults_.list.size() < kMostFaults) faults_.list.push_back({graph_.file.name(), offset, std::move(what)});
  }

  // Buffers behind the flatbuffer: one may be told of twice, two may not lie in one another.
  void check_beyond() {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
    for (const BufferRecord& each : graph_.buffers) {
      if (!each.is_beyond) continue;
      if (!each.data)
        add(each.place, text("a buffer of {} bytes at {}, the file ends at {}", each.size, each.offset, graph_.file.size()));
      if (each.size != 0 && each.data) ranges.emplace_back(each.offset, each.offset + each.size);
    }
    std::sort(ranges.begin(), ranges.end());
    ranges.erase(std::unique(ranges.begin(), ranges.end()), ranges.end());
    for (std::size_t i = 1; i < ranges.size(); ++i)
      if (ranges[i].first < ranges[i - 1].second)
        add(ranges[i].first, text("a buffer begins here, within one that ends at {}", ranges[i - 1].second));
  }

  void check_tensor(const SubgraphRecord& subgraph, const TensorRecord& tensor) {
    if (tensor_type(tensor.type) == nullptr)
      add(tensor.place, text("tensor '{}' is of type {}, which there is not", tensor.name, tensor.type));
    if (tensor.is_variable && has_data(graph_, tensor))
      add(tensor.place, text("tensor '{}' is a variable and has data", tensor.name));
    if (tensor.external_buffer != 0 && tensor.buffer != 0 && tensor.buffer < graph_.buffers.size() &&
        graph_.buffers[tensor.buffer].data)
      add(tensor.place, text("tensor '{}' has data in the file and beside it", tensor.name));
    if (std::any_of(tensor.shape.begin(), tensor.shape.end(), [](std::int32_t size) { return size < -1; }))
      add(tensor.place, text("tensor '{}' has a negative size", tensor.name));
    if (tensor.quantization) check_quantization_of(subgraph, tensor);
  }

  // The caller writes where an input's bytes are.
  void check_inputs(const SubgraphRecord& subgraph) {
    for (const std::int32_t each : subgraph.inputs) {
      if (each < 0 || has_data(graph_, subgraph.tensors[static_cast<std::size_t>(each)]))
        add(std::nullopt,
            text("tensor {}, an input of subgraph '{}', is {}", each, subgraph.name, each < 0 ? "none" : "constant"));
    }
  }

  // Operators use their inputs without asking whether they are there.
  void check_operator(const SubgraphRecord& subgraph, const OperatorRecord& op) {
    const OperatorCode& code = graph_.codes[op.code];
    const auto known =
        std::find_if(std::begin(kOptional), std::end(kOptional), [&](const Optional& row) { return code.is(row.op); });
    const auto end =
        op.inputs.begin() +
        static_cast<std::ptrdiff_t>(known == std::end(kOptional) ? op.inputs.size() : std::min(known->first, op.inputs.size()));
    if (std::find(op.inputs.begin(), end, -1) != end) add(op.place, text("an operator {} lacks an input", code.name()));
    for (const std::int32_t each : op.outputs)
      if (each >= 0 && has_data(graph_, subgraph.tensors[static_cast<std::size_t>(each)]))
        add(op.place, text("an operator {} writes to tensor {}, which is constant", code.name(), each));
    if (!code.is(Builtin::DEQUANTIZE) || op.inputs.empty() || op.outputs.empty() || op.inputs[0] < 0 || op.outputs[0] < 0)
      return;
    const TensorRecord& from = subgraph.tensors[static_cast<std::size_t>(op.inputs[0])];
    const TensorRecord& to = subgraph.tensors[static_cast<std::size_t>(op.outputs[0])];
    if (has_data(graph_, from) && from.shape != to.shape)
      add(op.place, text("tensor '{}' is dequantised to another shape", from.name));
  }

  void check_quantization_of(const SubgraphRecord& subgraph, const TensorRecord& tensor) {
    const QuantizationRecord& record = *tensor.quantization;
    const auto fault = [&](std::string what) { add(tensor.place, text("tensor '{}' {}", tensor.name, what)); };
    if (record.details != Details::kNone) {
      const auto count = static_cast<std::int32_t>(subgraph.tensors.size());
      if (record.details != Details::kCustom && (record.scales < 0 || record.scales >= count || record.zero_points >= count))
        fault(text("has its scales in tensor {} of {}", record.scales, count));
      return;
    }
    if (record.scale.empty()) return;
    if (record.zero_point.size() != record.scale.size())
      fault(text("has {} scales and {} zero points", record.scale.size(), record.zero_point.size()));
    const auto axis = static_cast<std::size_t>(std::max(record.axis, 0));
    const bool is_one = record.scale.size() == 1;
    if (record.axis < 0 || (!tensor.shape.empty() && axis >= tensor.shape.size()))
      fault(text("is quantised along dimension {} of {}", record.axis, tensor.shape.size()));
    else if (!is_one && !tensor.shape.empty() && static_cast<std::int64_t>(record.scale.size()) != tensor.shape[axis])
      fault(text("has {} scales along a dimension of {}", record.scale.size(), tensor.shape[axis]));
    if (std::any_of(record.scale.begin(), record.scale.end(), [](float each) { return !std::isfinite(each) || each < 0; }))
      fault("has a scale that is negative or not finite");
    // XNNPACK takes no others and the interpreter does not survive that; of 16 bits the converter writes them for what is all
    // 0.
    const TensorType* const type = tensor_type(tensor.type);
    const bool is_byte = type != nullptr && (type->dtype == DType::kInt8 || type->dtype == DType::kUInt8);
    if (is_one && is_byte && !has_data(graph_, tensor) && !std::isnormal(record.scale.front()))
      fault(text("has the scale {}, by which nothing can be divided", record.scale.front()));
  }

  void check_signature(const SignatureRecord& signature) {
    if (signature.subgraph >= graph_.subgraphs.size()) {
      add(std::nullopt,
          text("signature '{}' is of subgraph {} of {}", signature.key, signature.subgraph, graph_.subgraphs.size()));
      return;
    }
    const std::size_t count = graph_.subgraphs[signature.subgraph].tensors.size();
    for (const auto* list : {&signature.inputs, &signature.outputs})
      for (const auto& each : *list)
        if (each.tensor >= count)
          add(std::nullopt, text("'{}' of signature '{}' is tensor {} of {}", each.name, signature.key, each.tensor, count));
  }

  void check_options() {
    for (const SubgraphRecord& subgraph : graph_.subgraphs)
      for (const OperatorRecord& op : subgraph.operators)
        if (op.options_offset > 1 &&
            (op.options_offset > graph_.file.size() || op.options_size > graph_.file.size() - op.options_offset))
          add(op.place,
              text("options of {} bytes at {}, the file ends at {}", op.options_size, op.options_offset, graph_.file.size()));
  }

  const Graph& graph_;
  Faults& faults_;
};

}  // namespace

void check_graph(const Graph& graph, Faults& faults) { Check(graph, faults).run(); }

}  // namespace holdall::tflite
