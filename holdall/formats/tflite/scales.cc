#include "holdall/formats/tflite/scales.h"

#include <algorithm>

namespace holdall::tflite {
namespace {

// Operators with weights: which of their inputs are what (-1: none).
struct Weighted {
  Builtin op;
  int input, weights, bias;
};
constexpr Weighted kWeighted[] = {
    {Builtin::CONV_2D, 0, 1, 2},       {Builtin::DEPTHWISE_CONV_2D, 0, 1, 2}, {Builtin::FULLY_CONNECTED, 0, 1, 2},
    {Builtin::CONV_3D, 0, 1, 2},       {Builtin::TRANSPOSE_CONV, 2, 1, 3},    {Builtin::CONV_3D_TRANSPOSE, 2, 1, 3},
    {Builtin::BATCH_MATMUL, 0, 1, -1}, {Builtin::DEQUANTIZE, -1, 0, -1},
};
// Operators that compute in floats with any integer weights whose scale they look up, where their first input is float.
constexpr Builtin kHybrid[] = {Builtin::LSTM, Builtin::UNIDIRECTIONAL_SEQUENCE_LSTM, Builtin::BIDIRECTIONAL_SEQUENCE_LSTM,
                               Builtin::RNN,  Builtin::UNIDIRECTIONAL_SEQUENCE_RNN,  Builtin::BIDIRECTIONAL_SEQUENCE_RNN,
                               Builtin::SVDF};

class Scales {
 public:
  Scales(const Graph& graph, const SubgraphRecord& subgraph)
      : graph_(graph), subgraph_(subgraph), tensors_(subgraph.tensors.size()) {}

  std::vector<Renewal> run() {
    for (const std::int32_t each : subgraph_.inputs) keep(each);
    for (const std::int32_t each : subgraph_.outputs) keep(each);
    for (const OperatorRecord& op : subgraph_.operators) look_at(op);
    for (std::size_t i = 0; i < tensors_.size(); ++i)  // a bias that cannot follow keeps its weights
      if (tensors_[i].is_kept && tensors_[i].weights >= 0) keep(tensors_[i].weights);
    for (const auto& [bias, weights] : others_) {
      keep(bias);
      keep(weights);
    }
    std::vector<Renewal> made(tensors_.size());
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      const Use& use = tensors_[i];
      if (is_own(i)) made[i].kind = Quantization::Renewal::kOwn;
      if (use.is_kept || use.weights < 0 || !is_own(static_cast<std::size_t>(use.weights))) continue;
      made[i] = {Quantization::Renewal::kFollows, static_cast<std::uint32_t>(use.weights), use.factor};
    }
    return made;
  }

 private:
  struct Use {
    bool is_weights = false;
    bool is_kept = false;       // something reads it that knows its scale
    std::int32_t weights = -1;  // of a bias: what it goes with
    float factor = 1;
  };

  bool is_own(std::size_t i) const {
    const auto& quantization = subgraph_.tensors[i].quantization;
    const TensorType* type = tensor_type(subgraph_.tensors[i].type);
    if (!tensors_[i].is_weights || tensors_[i].is_kept || !quantization || type == nullptr) return false;
    if (quantization->details != Details::kNone) return false;
    const bool about_zero = info(type->dtype).kind == DTypeKind::kSigned &&
                            std::all_of(quantization->zero_point.begin(), quantization->zero_point.end(),
                                        [](std::int64_t each) { return each == 0; });
    // With zero points of their own kernels take one for all, of bytes.
    const bool is_shifted = info(type->dtype).block_bytes == 1 && info(type->dtype).block_elements == 1 &&
                            quantization->scale.size() == 1 && quantization->zero_point.size() == 1;
    return about_zero || is_shifted;
  }

  void keep(std::int32_t tensor) {
    if (tensor >= 0) tensors_[static_cast<std::size_t>(tensor)].is_kept = true;
  }
  static std::int32_t input(const OperatorRecord& op, int position) {
    return position < 0 || static_cast<std::size_t>(position) >= op.inputs.size()
               ? -1
               : op.inputs[static_cast<std::size_t>(position)];
  }
  const TensorRecord* tensor(std::int32_t i) const { return i < 0 ? nullptr : &subgraph_.tensors[static_cast<std::size_t>(i)]; }

  void look_at(const OperatorRecord& op) {
    const OperatorCode& code = graph_.codes[op.code];
    const auto found =
        std::find_if(std::begin(kWeighted), std::end(kWeighted), [&](const Weighted& each) { return code.is(each.op); });
    const bool is_hybrid = std::any_of(std::begin(kHybrid), std::end(kHybrid), [&](Builtin each) { return code.is(each); });
    const TensorRecord* const first = tensor(input(op, 0));
    for (std::size_t i = 0; i < op.inputs.size(); ++i) {
      if (op.inputs[i] < 0) continue;
      Use& use = tensors_[static_cast<std::size_t>(op.inputs[i])];
      const bool is_weights = found != std::end(kWeighted)
                                  ? static_cast<int>(i) == found->weights
                                  : is_hybrid && first != nullptr && first->type == kFloatType && i > 0;
      const bool is_bias = found != std::end(kWeighted) && static_cast<int>(i) == found->bias;
      use.is_weights = use.is_weights || is_weights;
      use.is_kept = use.is_kept || !(is_weights || is_bias);
    }
    for (const std::int32_t each : op.outputs) keep(each);
    if (found != std::end(kWeighted)) go_with(op, *found);
  }

  // A bias of integers goes with the weights and the scale of the input.
  void go_with(const OperatorRecord& op, const Weighted& roles) {
    const std::int32_t bias = input(op, roles.bias);
    const std::int32_t weights = input(op, roles.weights);
    const TensorRecord* const values = tensor(bias);
    const TensorType* type = values == nullptr ? nullptr : tensor_type(values->type);
    if (type == nullptr || info(type->dtype).kind != DTypeKind::kSigned || weights < 0) return;
    const TensorRecord* const from = tensor(input(op, roles.input));
    const auto scales = [](const TensorRecord* each) {
      return each == nullptr || !each->quantization ? std::size_t{0} : each->quantization->scale.size();
    };
    Use& use = tensors_[static_cast<std::size_t>(bias)];
    const bool can_follow = scales(from) == 1 && scales(values) != 0 && scales(values) == scales(tensor(weights));
    const float factor = can_follow ? from->quantization->scale.front() : 1;
    const bool is_other = use.weights >= 0 && (use.weights != weights || use.factor != factor);
    if (!can_follow || is_other) {
      others_.emplace_back(bias, weights);
    } else {
      use.weights = weights;
      use.factor = factor;
    }
  }

  const Graph& graph_;
  const SubgraphRecord& subgraph_;
  std::vector<Use> tensors_;
  std::vector<std::pair<std::int32_t, std::int32_t>> others_;  // biases that cannot follow, and their weights
};

}  // namespace

std::vector<Renewal> renewals_of(const Graph& graph, const SubgraphRecord& subgraph) { return Scales(graph, subgraph).run(); }

}  // namespace holdall::tflite
