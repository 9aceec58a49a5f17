#include "holdall/formats/tflite/about.h"

#include <algorithm>
#include <map>

#include "holdall/base/text.h"
#include "holdall/core/strided.h"

namespace holdall::tflite {
namespace {

constexpr std::uint64_t kShownBytes = 4096;  // of a buffer in the metadata; of larger ones their size is told

constexpr std::uint64_t kNodeBytes = 32;  // about what a node takes
constexpr std::uint64_t kTypeNodes = 8;   // of a tensor's type and shape, beside its sizes

template <class T>
NodeId integers(Arena& arena, const std::vector<T>& values) {
  const NodeId list = arena.list();
  for (const T each : values) arena.append(list, arena.integer(static_cast<std::int64_t>(each)));
  return list;
}

NodeId shape_node(Arena& arena, const TensorRecord& record) {
  const std::vector<std::int32_t>& shape = record.signature.empty() ? record.shape : record.signature;
  return shape.size() > kMaxRank ? arena.list() : integers(arena, shape);
}

class Describer {
 public:
  Describer(Arena& arena, const Graph& graph, const Constants& constants, const Limits& limits)
      : arena_(arena), graph_(graph), constants_(constants), most_(limits.value_bytes), left_(limits.value_bytes) {}

  Result<NodeId> run() {
    const NodeId about = arena_.dict();
    arena_.set_item(about, "version", arena_.integer(graph_.version));
    if (!graph_.description.empty()) arena_.set_item(about, "description", arena_.string(graph_.description));
    const NodeId subgraphs = arena_.list();
    for (std::size_t s = 0; s < graph_.subgraphs.size(); ++s) arena_.append(subgraphs, subgraph(s));
    arena_.set_item(about, "subgraphs", subgraphs);
    const NodeId signatures = arena_.dict();
    for (const SignatureRecord& each : graph_.signatures) arena_.set_item(signatures, named(each.key), signature(each));
    if (!graph_.signatures.empty()) arena_.set_item(about, "signatures", signatures);
    const NodeId tensors = arena_.dict();
    for (std::size_t s = 0; s < graph_.subgraphs.size(); ++s) {
      for (std::size_t t = 0; t < graph_.subgraphs[s].tensors.size(); ++t) {
        const NodeId facts = tensor(s, t);
        if (arena_.at(facts).size() != 0) arena_.set_item(tensors, named(constants_.names[s][t]), facts);
      }
    }
    arena_.set_item(about, "tensors", tensors);
    if (const std::int64_t count = calibrated(); count != 0)
      arena_.set_item(about, "calibrated_tensors", arena_.integer(count));
    if (is_over_) return over_limit(text("inputs, outputs and names take more than {} bytes", most_)).in(graph_.file.name());
    return about;
  }

 private:
  // What stands in many places costs each time.
  bool spend(std::uint64_t bytes) {
    is_over_ = is_over_ || bytes > left_;
    if (!is_over_) left_ -= bytes;
    return !is_over_;
  }
  NodeId named(std::string_view name) { return spend(name.size()) ? arena_.string(name) : arena_.null(); }

  // Tensors that flow between operators and whose scales were measured with the weights that the model has.
  std::int64_t calibrated() const {
    std::int64_t count = 0;
    for (const SubgraphRecord& subgraph : graph_.subgraphs)
      for (const TensorRecord& each : subgraph.tensors)
        if (!has_data(graph_, each) && each.quantization && !each.quantization->scale.empty()) ++count;
    return count;
  }

  NodeId subgraph(std::size_t s) {
    const SubgraphRecord& record = graph_.subgraphs[s];
    const NodeId about = arena_.dict();
    arena_.set_item(about, "name", named(record.name));
    const auto list = [&](std::string_view key, const std::vector<std::int32_t>& tensors) {
      const NodeId all = arena_.dict();
      for (const std::int32_t each : tensors) {
        if (each < 0) continue;
        const auto t = static_cast<std::size_t>(each);
        arena_.set_item(all, named(constants_.names[s][t]), type_and_shape(record.tensors[t]));
      }
      arena_.set_item(about, key, all);
    };
    list("inputs", record.inputs);
    list("outputs", record.outputs);
    std::map<std::uint32_t, std::int64_t> by_code;
    for (const OperatorRecord& op : record.operators) ++by_code[op.code];
    std::map<std::pair<std::int32_t, std::string_view>, std::int64_t> counts;  // codes differ in versions too
    for (const auto& [code, count] : by_code) {
      const OperatorCode& each = graph_.codes[code];
      counts[{each.builtin, each.is_custom() ? std::string_view(each.custom) : std::string_view()}] += count;
    }
    const NodeId ops = arena_.dict();
    for (const auto& [op, count] : counts)
      arena_.set_item(ops, named(op.second.empty() ? operator_name(op.first) : std::string(op.second)), arena_.integer(count));
    arena_.set_item(about, "operators", ops);
    const NodeId variables = arena_.dict();
    for (std::size_t t = 0; t < record.tensors.size(); ++t)
      if (record.tensors[t].is_variable)
        arena_.set_item(variables, named(constants_.names[s][t]), type_and_shape(record.tensors[t]));
    if (arena_.at(variables).size() != 0) arena_.set_item(about, "variables", variables);
    return about;
  }

  NodeId type_and_shape(const TensorRecord& record) {
    if (!spend(kNodeBytes * (kTypeNodes + record.shape.size()))) return arena_.null();
    const NodeId about = arena_.dict();
    const TensorType* type = tensor_type(record.type);
    arena_.set_item(about, "type", arena_.string(type == nullptr ? text("type {}", record.type) : std::string(type->name)));
    arena_.set_item(about, "shape", shape_node(arena_, record));
    return about;
  }

  NodeId signature(const SignatureRecord& record) {
    const NodeId about = arena_.dict();
    arena_.set_item(about, "subgraph", arena_.integer(record.subgraph));
    const auto list = [&](std::string_view key, const std::vector<SignatureRecord::Tensor>& tensors) {
      const NodeId all = arena_.dict();
      for (const auto& each : tensors) {
        if (record.subgraph >= graph_.subgraphs.size() || each.tensor >= graph_.subgraphs[record.subgraph].tensors.size())
          continue;
        const NodeId facts = type_and_shape(graph_.subgraphs[record.subgraph].tensors[each.tensor]);
        arena_.set_item(facts, "tensor", named(constants_.names[record.subgraph][each.tensor]));
        arena_.set_item(all, named(each.name), facts);
      }
      arena_.set_item(about, key, all);
    };
    list("inputs", record.inputs);
    list("outputs", record.outputs);
    return about;
  }

  NodeId tensor(std::size_t s, std::size_t t) {
    const TensorRecord& record = graph_.subgraphs[s].tensors[t];
    const NodeId about = arena_.dict();
    if (record.quantization && (!record.quantization->scale.empty() || record.quantization->details != Details::kNone))
      arena_.set_item(about, "quantization", quantization(s, *record.quantization));
    if (record.sparsity) {
      const NodeId sparsity = arena_.dict();
      arena_.set_item(sparsity, "traversal_order", integers(arena_, record.sparsity->traversal_order));
      arena_.set_item(sparsity, "block_map", integers(arena_, record.sparsity->block_map));
      arena_.set_item(about, "sparsity", sparsity);
    }
    return about;
  }

  NodeId quantization(std::size_t s, const QuantizationRecord& record) {
    const NodeId about = arena_.dict();
    const auto refer = [&](std::string_view key, std::int32_t t) {
      if (t >= 0 && static_cast<std::size_t>(t) < constants_.names[s].size())
        arena_.set_item(about, key, named(constants_.names[s][static_cast<std::size_t>(t)]));
    };
    if (record.details == Details::kNone) {
      const NodeId scales = arena_.list();
      for (const float each : record.scale) arena_.append(scales, arena_.real(static_cast<double>(each)));
      arena_.set_item(about, "scale", scales);
      arena_.set_item(about, "zero_point", integers(arena_, record.zero_point));
      if (record.scale.size() > 1) arena_.set_item(about, "quantized_dimension", arena_.integer(record.axis));
      return about;
    }
    static constexpr std::string_view kKinds[] = {"", "custom", "blockwise", "multi-axis"};
    arena_.set_item(about, "kind", arena_.string(kKinds[static_cast<std::size_t>(record.details)]));
    refer("scales", record.scales);
    refer("zero_points", record.zero_points);
    if (record.block != 0) arena_.set_item(about, "block_size", arena_.integer(record.block));
    if (!record.axes.empty()) arena_.set_item(about, "quantized_dimensions", integers(arena_, record.axes));
    return about;
  }

  Arena& arena_;
  const Graph& graph_;
  const Constants& constants_;
  std::uint64_t most_, left_;  // bytes
  bool is_over_ = false;
};

}  // namespace

std::optional<Blob> named_buffer(const Graph& graph, std::string_view name) {
  for (const NamedBuffer& each : graph.metadata)
    if (each.name == name && each.buffer < graph.buffers.size()) return graph.buffers[each.buffer].data;
  return std::nullopt;
}

Result<NodeId> describe(Arena& arena, const Graph& graph, const Constants& constants, const Limits& limits,
                        std::vector<std::string>& warnings) {
  HOLDALL_ASSIGN(const NodeId about, Describer(arena, graph, constants, limits).run());
  const NodeId buffers = arena.dict();
  for (const NamedBuffer& each : graph.metadata) {
    if (each.buffer >= graph.buffers.size() || !graph.buffers[each.buffer].data || each.name == kModelMetadata) continue;
    const Blob& data = *graph.buffers[each.buffer].data;
    if (data.size() > kShownBytes) {
      arena.set_item(buffers, each.name, arena.string(text("{} bytes", data.size())));
      continue;
    }
    HOLDALL_ASSIGN(const Bytes bytes, data.read());
    // A version is a text in a field of fixed size.
    std::string_view all = bytes.text();
    all = all.substr(0, all.find_last_not_of('\0') + 1);
    const bool is_text = std::all_of(all.begin(), all.end(), [](char c) { return c >= ' ' && c <= '~'; });
    arena.set_item(buffers, each.name, is_text ? arena.string(all) : arena.bytes(bytes.text()));
  }
  if (arena.at(buffers).size() != 0) arena.set_item(about, "buffers", buffers);
  const auto metadata = named_buffer(graph, kModelMetadata);
  if (!metadata) return about;
  auto model = describe_model(arena, *metadata, limits);
  if (model) {
    arena.set_item(about, "about", *model);
  } else {
    warnings.push_back(text("{} is set aside: {}", kModelMetadata, model.error().message()));
  }
  return about;
}

}  // namespace holdall::tflite
