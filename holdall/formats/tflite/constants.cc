#include "holdall/formats/tflite/constants.h"

#include <algorithm>
#include <map>
#include <utility>

#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"
#include "holdall/core/cast.h"
#include "holdall/core/quantize.h"
#include "holdall/core/strided.h"
#include "holdall/formats/tflite/scales.h"
#include "holdall/formats/tflite/sparse.h"
#include "holdall/formats/tflite/strings.h"

namespace holdall::tflite {
namespace {

Error fault(const Graph& graph, std::uint64_t place, std::string what) {
  return corrupt(std::move(what)).at(place).in(graph.file.name());
}

constexpr std::size_t kLongestPrefix = 256;  // bytes of a subgraph's name before those of its tensors

// Integers, and floats of a byte; others say what they mean.
bool may_have_scales(DType dtype) noexcept {
  const DTypeInfo& about = info(dtype);
  return about.kind == DTypeKind::kSigned || about.kind == DTypeKind::kUnsigned ||
         (about.kind == DTypeKind::kFloat && about.block_bytes == 1 && about.block_elements == 1);
}

// Names that are not given yet: those of tensors with data first.
class Names {
 public:
  std::string unique(std::string name) {
    std::uint64_t& number = met_.try_emplace(name, 1).first->second;
    std::string made = name;
    while (!taken_.insert(made).second) made = text("{}@{}", name, ++number);
    return made;
  }

 private:
  TextMap<std::uint64_t> met_;
  TextSet taken_;
};

class Builder {
 public:
  Builder(const Graph& graph, const Bundle& bundle, const Limits& limits) : graph_(graph), bundle_(bundle), limits_(limits) {}

  Result<Constants> run() {
    give_names();
    for (const ExternalBuffer& each : graph_.external_buffers) external_.emplace(each.id, &each);
    for (std::uint32_t s = 0; s < graph_.subgraphs.size(); ++s) {
      const SubgraphRecord& subgraph = graph_.subgraphs[s];
      made_.assign(subgraph.tensors.size(), SIZE_MAX);
      for (std::uint32_t t = 0; t < subgraph.tensors.size(); ++t) {
        if (!has_data(graph_, subgraph.tensors[t])) continue;
        auto constant = read(s, t);
        if (!constant) return std::move(constant).error().with(text("tensor '{}'", constants_.names[s][t]));
        made_[t] = constants_.all.size();
        constants_.all.push_back(std::move(*constant));
      }
      add_scales(s);
    }
    return std::move(constants_);
  }

 private:
  void give_names() {
    constants_.names.resize(graph_.subgraphs.size());
    for (std::size_t s = 0; s < graph_.subgraphs.size(); ++s) constants_.names[s].resize(graph_.subgraphs[s].tensors.size());
    Names names;
    for (const bool with_data : {true, false}) {
      for (std::size_t s = 0; s < graph_.subgraphs.size(); ++s) {
        const SubgraphRecord& subgraph = graph_.subgraphs[s];
        const bool is_named = !subgraph.name.empty() && subgraph.name.size() <= kLongestPrefix;
        const std::string prefix = s == 0 ? "" : (is_named ? subgraph.name : text("subgraph_{}", s)) + "/";
        for (std::size_t t = 0; t < subgraph.tensors.size(); ++t) {
          const TensorRecord& record = subgraph.tensors[t];
          if (has_data(graph_, record) != with_data) continue;
          constants_.names[s][t] = names.unique(prefix + (record.name.empty() ? text("tensor_{}", t) : record.name));
        }
      }
    }
  }

  Result<Constant> read(std::uint32_t s, std::uint32_t t) {
    const TensorRecord& record = graph_.subgraphs[s].tensors[t];
    Constant made;
    made.name = constants_.names[s][t];
    made.subgraph = s;
    made.place = t;
    const TensorType* type = tensor_type(record.type);
    if (type == nullptr || type->dtype == DType::kRecord)
      return unsupported(text("data of type {}", type == nullptr ? text("{}", record.type) : std::string(type->name)))
          .at(record.place)
          .in(graph_.file.name());
    HOLDALL_ASSIGN(const Shape shape, shape_of(record, graph_));
    HOLDALL_ASSIGN(const StorageRef storage, storage_of(record, made));
    const Blob& data = storage->data;
    if (record.type == kStringType) {
      HOLDALL_ASSIGN(made.tensor, read_strings(shape, data));
    } else if (record.sparsity) {
      HOLDALL_ASSIGN(made.tensor, read_sparse(type->dtype, shape, data, *record.sparsity, limits_));
    } else {
      if (record.external_buffer == 0) made.bytes = data;
      HOLDALL_ASSIGN(made.tensor, read_plain(type->dtype, shape, storage, made));
    }
    return made;
  }

  Result<Tensor> read_plain(DType dtype, const Shape& shape, const StorageRef& storage, Constant& made) {
    HOLDALL_ASSIGN(const std::uint64_t elements, element_count(shape));
    const std::uint64_t block = info(dtype).block_elements;
    if (elements % block == 0) return Tensor::dense(dtype, shape, storage);
    // The last byte is not full, which no tensor here is: its elements are made bytes.
    const std::uint64_t filled = elements / block * block + block;
    HOLDALL_ASSIGN(const Tensor padded, Tensor::dense(dtype, {filled}, storage));
    HOLDALL_ASSIGN(const Tensor bytes, cast(padded, info(dtype).kind == DTypeKind::kSigned ? DType::kInt8 : DType::kUInt8));
    HOLDALL_ASSIGN(const Blob all, bytes.data());
    HOLDALL_ASSIGN(Blob own, all.slice(0, elements));
    made.is_widened = true;
    return Tensor::dense(bytes.dtype(), shape, std::move(own));
  }

  // One for all tensors of a buffer.
  Result<StorageRef> storage_of(const TensorRecord& record, Constant& made) {
    made.file = own_file_;
    if (record.external_buffer != 0) return external(record, made);
    const auto found = storages_.find(record.buffer);
    if (found != storages_.end()) return pool_.at(found->second);
    storages_.emplace(record.buffer, pool_.size());
    return pool_.add(*graph_.buffers[record.buffer].data);
  }

  Result<StorageRef> external(const TensorRecord& record, Constant& made) {
    const auto found = external_.find(record.external_buffer);
    if (found == external_.end() || found->second->group >= graph_.external_groups.size())
      return fault(graph_, record.place, text("there is no external buffer {}", record.external_buffer));
    const ExternalBuffer& buffer = *found->second;
    if (!buffer.packing.empty())
      return unsupported(text("an external buffer that is packed as '{}'", buffer.packing)).in(graph_.file.name());
    const std::string& name = graph_.external_groups[buffer.group];
    made.file = SharedText(name);
    const auto known = external_storages_.find(buffer.id);
    if (known != external_storages_.end()) return pool_.at(known->second);
    auto opened = parts_.find(name);
    if (opened == parts_.end()) {
      HOLDALL_ASSIGN(SourceRef part, bundle_.open_part(name));
      constants_.files.push_back(name);
      opened = parts_.emplace(name, std::move(part)).first;
    }
    HOLDALL_ASSIGN(Blob data, Blob::range(opened->second, buffer.offset, buffer.length));
    external_storages_.emplace(buffer.id, pool_.size());
    return pool_.add(std::move(data));
  }

  void add_scales(std::uint32_t s) {
    const std::vector<Renewal> renewals = renewals_of(graph_, graph_.subgraphs[s]);
    for (std::uint32_t t = 0; t < made_.size(); ++t) {
      const auto& record = graph_.subgraphs[s].tensors[t].quantization;
      if (made_[t] == SIZE_MAX || !record) continue;
      Constant& constant = constants_.all[made_[t]];
      if (!may_have_scales(constant.tensor.dtype())) continue;
      auto quantization = quantization_of(*record, constant.tensor);
      Status sound = quantization ? Status() : Status(std::move(quantization).error());
      if (sound && *quantization) sound = check_quantization(constant.tensor.dtype(), constant.tensor.shape(), **quantization);
      if (!sound) {
        constants_.warnings.push_back(text("the scales of '{}' are set aside: {}", constant.name, sound.error().message()));
        continue;
      }
      if (!*quantization) continue;
      (*quantization)->renewal = renewals[t].kind;
      (*quantization)->factor = renewals[t].factor;
      if (renewals[t].kind == Quantization::Renewal::kFollows) (*quantization)->follows = followed(s, renewals[t].follows);
      constant.tensor = constant.tensor.with_quantization(std::make_shared<const Quantization>(std::move(**quantization)));
    }
  }

  // One text for all that follow a tensor.
  SharedText followed(std::uint32_t s, std::uint32_t t) {
    const auto [place, is_new] = followed_.try_emplace(std::uint64_t{s} << 32 | t);
    if (is_new) place->second = SharedText(constants_.names[s][t]);
    return place->second;
  }

  // Nothing where there are no scales.
  Result<std::optional<Quantization>> quantization_of(const QuantizationRecord& record, const Tensor& tensor) const {
    std::optional<Quantization> made;
    const Shape& shape = tensor.shape();
    if (record.details == Details::kCustom) return unsupported("they are of a kind of its own");
    if (record.details == Details::kNone) {
      if (record.scale.empty()) return made;
      made.emplace();
      HOLDALL_ASSIGN(made->scales, Tensor::dense(DType::kFloat32, {record.scale.size()}, record.scale_bytes));
      if (!record.zero_point.empty()) {
        HOLDALL_ASSIGN(made->zero_points, Tensor::dense(DType::kInt64, {record.zero_point.size()}, record.zero_point_bytes));
      }
      made->blocks = shape;
      if (record.scale.size() == 1) return made;
      if (record.axis < 0 || static_cast<std::size_t>(record.axis) >= shape.size())
        return corrupt(text("{} scales along dimension {} of {}", record.scale.size(), record.axis, shape.size()));
      made->blocks[static_cast<std::size_t>(record.axis)] = 1;
      return made;
    }
    made.emplace();
    HOLDALL_ASSIGN(made->scales, number_tensor(record.scales));
    if (record.zero_points >= 0) {
      HOLDALL_ASSIGN(made->zero_points, number_tensor(record.zero_points));
    }
    made->blocks = shape;
    const auto block = static_cast<std::uint64_t>(std::max(record.block, 0));
    std::vector<std::int32_t> axes = record.axes;
    if (record.details == Details::kBlockwise) {  // along the last dimension, whatever the record says of one
      for (std::size_t i = 0; i < shape.size(); ++i) axes.push_back(static_cast<std::int32_t>(i));
    }
    for (const std::int32_t axis : axes) {
      if (axis < 0 || static_cast<std::size_t>(axis) >= shape.size())
        return corrupt(text("scales along dimension {} of {}", axis, shape.size()));
      made->blocks[static_cast<std::size_t>(axis)] = axis == axes.back() && block != 0 ? block : 1;
    }
    return made;
  }

  // A tensor of the same subgraph that holds scales or zero points.
  Result<Tensor> number_tensor(std::int32_t which) const {
    if (which < 0 || static_cast<std::size_t>(which) >= made_.size() || made_[static_cast<std::size_t>(which)] == SIZE_MAX)
      return corrupt(text("tensor {}, which would hold them, has no data", which));
    return constants_.all[made_[static_cast<std::size_t>(which)]].tensor;
  }

  const Graph& graph_;
  const Bundle& bundle_;
  const Limits& limits_;
  Constants constants_;
  std::vector<std::size_t> made_;  // by tensor of the subgraph: its place among the constants, SIZE_MAX: none
  StoragePool pool_;
  NumberMap<std::size_t> storages_, external_storages_;  // by buffer
  NumberMap<const ExternalBuffer*> external_;            // by id
  NumberMap<SharedText> followed_;                       // by subgraph and tensor
  std::map<std::string, SourceRef> parts_;
  SharedText own_file_{bundle_.kind() == Bundle::Kind::kFile ? bundle_.names().front() : std::string()};
};

}  // namespace

bool has_data(const Graph& graph, const TensorRecord& record) noexcept {
  if (record.external_buffer != 0) return true;
  return record.buffer != 0 && record.buffer < graph.buffers.size() && graph.buffers[record.buffer].data.has_value();
}

Result<Shape> shape_of(const TensorRecord& record, const Graph& graph) {
  if (record.shape.size() > kMaxRank)
    return over_limit(text("{} dimensions, {} are allowed", record.shape.size(), kMaxRank))
        .at(record.place)
        .in(graph.file.name());
  Shape shape;
  for (const std::int32_t size : record.shape) {
    if (size < 0) return fault(graph, record.place, text("a size of {} in a tensor with data", size));
    shape.push_back(static_cast<std::uint64_t>(size));
  }
  return shape;
}

Status check_indices(const Graph& graph) {
  const auto among = [](std::int32_t i, std::size_t count) {
    return i == -1 || (i >= 0 && static_cast<std::size_t>(i) < count);
  };
  for (const SubgraphRecord& subgraph : graph.subgraphs) {
    const auto check = [&](const std::vector<std::int32_t>& all, std::uint64_t place, std::string_view what) -> Status {
      for (const std::int32_t each : all)
        if (!among(each, subgraph.tensors.size()))
          return fault(graph, place, text("tensor {} of {} as {}", each, subgraph.tensors.size(), what));
      return {};
    };
    HOLDALL_TRY(check(subgraph.inputs, 0, "an input of a subgraph"));
    HOLDALL_TRY(check(subgraph.outputs, 0, "an output of a subgraph"));
    for (const OperatorRecord& op : subgraph.operators) {
      HOLDALL_TRY(check(op.inputs, op.place, "an input of an operator"));
      HOLDALL_TRY(check(op.outputs, op.place, "an output of an operator"));
      if (op.code >= graph.codes.size())
        return fault(graph, op.place, text("operator code {} of {}", op.code, graph.codes.size()));
    }
    for (const TensorRecord& tensor : subgraph.tensors) {
      if (tensor.buffer >= graph.buffers.size() && tensor.buffer != 0)
        return fault(graph, tensor.place, text("buffer {} of {}", tensor.buffer, graph.buffers.size()));
      if (tensor.buffer == 0) continue;
      const BufferRecord& buffer = graph.buffers[tensor.buffer];
      if (buffer.is_beyond && !buffer.data)
        return fault(graph, buffer.place,
                     text("buffer {} is said to have {} bytes at {}, the file ends at {}", tensor.buffer, buffer.size,
                          buffer.offset, graph.file.size()));
    }
  }
  return {};
}

Result<Constants> constants_of(const Graph& graph, const Bundle& bundle, const Limits& limits) {
  return Builder(graph, bundle, limits).run();
}

}  // namespace holdall::tflite
