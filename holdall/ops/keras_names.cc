#include "holdall/ops/keras_names.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/core/beside.h"
#include "holdall/core/cast.h"
#include "holdall/core/joined.h"
#include "holdall/ops/arrange.h"

namespace holdall {
namespace {

struct Kind {
  std::string_view kind, variables;
};
constexpr std::array kKinds = {
#define HOLDALL_KERAS_LAYER(kind, variables) Kind{kind, variables},
#include "holdall/ops/keras_names.inc"
#undef HOLDALL_KERAS_LAYER
};

using Path = std::vector<std::string>;
using Step = Arrangement::Step;

Path split(std::string_view text, char at) {
  Path parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(at, begin), text.size());
    parts.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::string joined_by_dots(const Path& path) {
  std::string result;
  for (const std::string& part : path) result += (result.empty() ? "" : ".") + part;
  return result;
}

// "conv2d_12" as "conv2d".
std::string without_number(const std::string& name) {
  const std::size_t end = name.find_last_not_of("0123456789");
  const bool is_numbered = end != std::string::npos && end + 1 < name.size() && name[end] == '_';
  return is_numbered ? name.substr(0, end) : name;
}

// What one layer keeps, by Keras's names of it.
struct Layer {
  Path path;         // names from the model in
  std::string kind;  // empty: the file does not say it
  std::map<std::string, const NamedTensor*> variables;
  std::vector<const NamedTensor*> numbered;  // variables that the file only counts

  const Tensor* find(const std::string& variable) const {
    const auto found = variables.find(variable);
    return found == variables.end() ? nullptr : &found->second->tensor;
  }
};

bool is_left_out(std::string_view name) {
  constexpr std::string_view kBeginnings[] = {"optimizer/", "optimizer_weights/", "metrics/", "compile_metrics/",
                                              "top_level_model_weights/"};
  return std::any_of(std::begin(kBeginnings), std::end(kBeginnings), [&](std::string_view b) { return name.starts_with(b); }) ||
         name.find("seed_generator") != std::string_view::npos;
}

// Configs of layers by their names, wherever the model's config has them.
std::map<std::string, Value> configs_of(const Model& model) {
  std::map<std::string, Value> configs;
  if (!model.config()) return configs;
  std::vector<Value> todo = {model.config()};
  std::set<NodeId> seen;
  while (!todo.empty()) {
    const Value value = todo.back();
    todo.pop_back();
    if (!seen.insert(value.id()).second) continue;
    if (value.is(ValueKind::kList)) {
      for (std::size_t i = 0; i < value.size(); ++i) todo.push_back(value.item(i));
    } else if (value.is(ValueKind::kDict)) {
      const Value config = value.find("config");
      if (value.find_string("class_name") && config.is(ValueKind::kDict)) {
        if (const auto name = config.find_string("name")) configs.emplace(*name, value);
      }
      for (std::size_t i = 0; i < value.size(); ++i) todo.push_back(value.mapped(i));
    }
  }
  return configs;
}

class Layers {
 public:
  explicit Layers(const Model& model) : names_(model.metadata().find("layer_names")), configs_(configs_of(model)) {
    const bool counts = names_.is(ValueKind::kDict);
    for (const NamedTensor& entry : model.tensors()) {
      if (is_left_out(entry.name)) {
        ++left_out_;
      } else if (counts) {
        add_counted(entry);
      } else {
        add_named(entry);
      }
    }
  }

  std::vector<Layer>& all() noexcept { return layers_; }
  std::size_t left_out() const noexcept { return left_out_; }

  // What the config of the layer says of a setting that is on unless it says otherwise.
  bool is_on(const std::string& layer, std::string_view setting) const {
    const auto found = configs_.find(layer);
    if (found == configs_.end()) return true;
    const Value value = found->second.find("config").find(setting);
    return !value.is(ValueKind::kBool) || value.as_bool();
  }
  std::string class_of(const std::string& layer) const {
    const auto found = configs_.find(layer);
    return found == configs_.end() ? std::string() : std::string(found->second.find_string("class_name").value_or(""));
  }

 private:
  Layer& at(Path path, std::string kind) {
    const auto [place, is_new] = places_.emplace(joined_by_dots(path), layers_.size());
    if (is_new) layers_.push_back({std::move(path), std::move(kind), {}, {}});
    return layers_[place->second];
  }

  // "model_weights/LAYER/LAYER/…/kernel:0"; of models within models "model_weights/MODEL/LAYER/kernel:0".
  void add_named(const NamedTensor& entry) {
    std::string_view name = entry.name;
    if (name.starts_with("model_weights/")) name.remove_prefix(name.find('/') + 1);
    if (name.ends_with(":0")) name.remove_suffix(2);
    Path path = split(name, '/');
    const std::string variable = path.back();
    path.pop_back();
    // The group of the layer, then the variable's own path, which may begin with the model's name.
    if (path.size() > 1 && path[0] == path[1]) {
      path.erase(path.begin());
    } else if (path.size() > 2 && path[0] == path[2]) {
      path.erase(path.begin(), path.begin() + 2);
    }
    const std::string kind = path.empty() ? std::string() : without_number(path.back());
    at(std::move(path), kind).variables.emplace(variable, &entry);
  }

  // "layers/conv2d_3/vars/0": within "layers" the components tell classes, and layer_names the names; else they are attributes.
  void add_counted(const NamedTensor& entry) {
    const Path parts = split(entry.name, '/');
    Path path;
    std::string here, kind;
    for (std::size_t i = 0; i + 2 < parts.size(); ++i) {
      here += (here.empty() ? "" : "/") + parts[i];
      if (parts[i] == "layers") continue;
      const bool is_listed = i > 0 && parts[i - 1] == "layers";
      const std::string own(names_.find_string(here).value_or(parts[i]));
      path.push_back(is_listed ? own : parts[i]);
      kind = without_number(is_listed || is_known(parts[i]) ? parts[i] : own);
    }
    at(std::move(path), kind).numbered.push_back(&entry);
  }

  static bool is_known(const std::string& kind) {
    return std::any_of(kKinds.begin(), kKinds.end(), [&](const Kind& each) { return each.kind == kind; });
  }

  Value names_;
  std::map<std::string, Value> configs_;
  std::map<std::string, std::size_t> places_;
  std::vector<Layer> layers_;
  std::size_t left_out_ = 0;
};

Result<Tensor> reshaped(const Tensor& tensor, Shape shape) {
  return arranged(tensor, {{Step{Step::Kind::kShape, std::move(shape)}}});
}

// [space…, in, out] to [out, in, space…].
Result<Tensor> kernel_of(const Tensor& tensor) {
  std::vector<std::uint64_t> axes(tensor.shape().size());
  std::iota(axes.begin(), axes.end(), std::uint64_t{0});
  if (axes.size() < 2) return tensor;
  std::rotate(axes.begin(), axes.end() - 2, axes.end());
  std::swap(axes[0], axes[1]);
  return with_axes(tensor, axes);
}

// [space…, in, multiplier] to [in * multiplier, 1, space…]: torch's convolution of as many groups.
Result<Tensor> depthwise_of(const Tensor& tensor) {
  std::vector<std::uint64_t> axes(tensor.shape().size());
  std::iota(axes.begin(), axes.end(), std::uint64_t{0});
  if (axes.size() < 3) return unsupported("a depthwise kernel of fewer than 3 axes");
  std::rotate(axes.begin(), axes.end() - 2, axes.end());
  HOLDALL_ASSIGN(const Tensor turned, with_axes(tensor, axes));
  Shape shape = {turned.shape()[0] * turned.shape()[1], 1};
  for (std::size_t i = 2; i < axes.size(); ++i) shape.push_back(turned.shape()[i]);
  return reshaped(turned, std::move(shape));
}

// One number over and over, of another tensor's dtype and shape.
Result<Tensor> filled_like(const Tensor& other, float value) {
  std::string bytes;
  for (std::uint64_t i = 0; i < other.elements(); ++i) bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  HOLDALL_ASSIGN(const Tensor made,
                 Tensor::dense(DType::kFloat32, other.shape(), Blob::memory(Bytes::copy(bytes), "constants")));
  return cast(made, other.dtype());
}

class Translator {
 public:
  Translator(const Model& model, std::vector<std::string>& renamed)
      : model_(model), layers_(model), renamed_(renamed), builder_(beside(model)) {
    builder_.metadata = kNoNode;  // it is about the file: its groups, and what they are called
    builder_.origin.framework = "pt";
  }

  Result<Model> run() {
    for (Layer& layer : layers_.all()) {
      if (Status status = name_variables(layer); !status) return Error(status.error()).in(model_.origin().path);
    }
    for (const Layer& layer : layers_.all()) {
      Status status = is_of_attention(layer) ? Status() : one(layer);
      if (!status) return Error(status.error()).with(text("layer '{}'", joined_by_dots(layer.path))).in(model_.origin().path);
    }
    for (const auto& [owner, parts] : attentions_) {
      if (Status status = attention(owner, parts); !status) {
        return Error(status.error()).with(text("layer '{}'", owner)).in(model_.origin().path);
      }
    }
    return finish();
  }

 private:
  using Attention = std::map<std::string, const Layer*>;

  // Gives variables that are only counted the names that their class has for them.
  Status name_variables(Layer& layer) const {
    if (layer.path.empty()) return unsupported("the model has variables of its own, outside of its layers");
    if (layer.numbered.empty()) return {};
    const auto kind = std::find_if(kKinds.begin(), kKinds.end(), [&](const Kind& each) { return each.kind == layer.kind; });
    Path names = kind == kKinds.end() ? Path() : split(kind->variables, ' ');
    const std::string& own = layer.path.back();
    if (!layers_.is_on(own, "scale")) std::erase(names, "gamma");
    if (!layers_.is_on(own, "center")) std::erase(names, "beta");
    const bool is_short =
        names.size() > layer.numbered.size() && (names.back() != "bias" || names.size() != layer.numbered.size() + 1);
    if (names.size() < layer.numbered.size() || is_short) {
      return unsupported(text("nothing tells what '{}' is; names of a file (--names FILE) can", layer.numbered.front()->name));
    }
    for (const NamedTensor* entry : layer.numbered) {
      const std::string_view digits = std::string_view(entry->name).substr(entry->name.rfind('/') + 1);
      std::size_t number = 0;
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
      const bool is_number = error == std::errc() && end == digits.data() + digits.size();
      if (!is_number || number >= names.size()) return unsupported(text("nothing tells what '{}' is", entry->name));
      layer.variables.emplace(names[number], entry);
    }
    return {};
  }

  // Kernels of three axes under these names are an attention's.
  bool is_of_attention(const Layer& layer) {
    static constexpr std::pair<std::string_view, std::string_view> kParts[] = {
        {"query", "query"},       {"key", "key"},       {"value", "value"},       {"attention_output", "output"},
        {"query_dense", "query"}, {"key_dense", "key"}, {"value_dense", "value"}, {"output_dense", "output"}};
    const Tensor* kernel = layer.find("kernel");
    if (layer.path.size() < 2 || kernel == nullptr || kernel->shape().size() != 3) return false;
    for (const auto& [name, part] : kParts) {
      if (layer.path.back() != name) continue;
      Path owner = layer.path;
      owner.pop_back();
      attentions_[joined_by_dots(owner)].emplace(part, &layer);
      return true;
    }
    return false;
  }

  Status add(const std::string& name, const NamedTensor& from, Result<Tensor> tensor) {
    HOLDALL_TRY(add_made(name, std::move(tensor)));
    renamed_.push_back(text("{}={}", from.name, name));
    return {};
  }
  Status add_made(const std::string& name, Result<Tensor> tensor) {
    if (!tensor) return std::move(tensor).error();
    if (!taken_.insert(name).second) return invalid_argument(text("two tensors would be called '{}'", name));
    builder_.add(std::move(*tensor));
    names_.push_back(name);
    return {};
  }

  Status one(const Layer& layer) {
    if (layer.find("recurrent_kernel") != nullptr) return recurrent(layer);
    const std::string owner = joined_by_dots(layer.path);
    const bool is_separable = layer.find("pointwise_kernel") != nullptr;
    for (const auto& [variable, entry] : layer.variables) {
      const Tensor& tensor = entry->tensor;
      if (variable == "pointwise_kernel") {
        HOLDALL_TRY(add(owner + ".pointwise.weight", *entry, kernel_of(tensor)));
      } else if (variable == "depthwise_kernel" || (variable == "kernel" && is_depthwise(layer))) {
        HOLDALL_TRY(add(owner + (is_separable ? ".depthwise.weight" : ".weight"), *entry, depthwise_of(tensor)));
      } else if (variable == "kernel") {
        if (layer.kind == "einsum_dense") return unsupported("torch.nn has no layer like EinsumDense");
        HOLDALL_TRY(add(owner + ".weight", *entry, kernel_of(tensor)));
      } else if (variable == "bias" && is_separable) {
        HOLDALL_TRY(add(owner + ".pointwise.bias", *entry, tensor));
      } else {
        HOLDALL_TRY(add(owner + "." + plain(variable), *entry, tensor));
      }
    }
    return fill(layer, owner);
  }

  // torch's norms have both weight and bias, or neither: what Keras's lacks is what changes nothing.
  Status fill(const Layer& layer, const std::string& owner) {
    const Tensor* gamma = layer.find("gamma");
    const Tensor* beta = layer.find("beta");
    if ((gamma == nullptr) == (beta == nullptr)) return {};
    return gamma == nullptr ? add_made(owner + ".weight", filled_like(*beta, 1))
                            : add_made(owner + ".bias", filled_like(*gamma, 0));
  }

  static std::string plain(const std::string& variable) {
    static const std::map<std::string, std::string, std::less<>> kNames = {{"gamma", "weight"},
                                                                           {"scale", "weight"},
                                                                           {"embeddings", "weight"},
                                                                           {"beta", "bias"},
                                                                           {"moving_mean", "running_mean"},
                                                                           {"moving_variance", "running_var"}};
    const auto found = kNames.find(variable);
    return found == kNames.end() ? variable : found->second;
  }

  // By the config's class, else by its own default name, else by a bias that only such a kernel has.
  bool is_depthwise(const Layer& layer) const {
    const std::string own = layers_.class_of(layer.path.back());
    if (!own.empty()) return own.starts_with("DepthwiseConv");
    if (layer.kind.starts_with("depthwise_conv")) return true;
    const Tensor* kernel = layer.find("kernel");
    const Tensor* bias = layer.find("bias");
    const Shape& shape = kernel->shape();
    if (bias == nullptr || shape.size() < 3 || bias->shape().size() != 1) return false;
    return shape[shape.size() - 2] > 1 && bias->shape()[0] == shape[shape.size() - 2] * shape.back();
  }

  // Rows of gates in torch's order: a GRU's r, z, n are Keras's z, r, h; an LSTM's order is the same.
  static Result<Tensor> gates(const Tensor& rows, std::uint64_t units, std::uint64_t count) {
    if (count != 3) return rows;
    std::vector<Tensor> parts;
    for (const std::uint64_t gate : {1u, 0u, 2u}) {
      Tensor::View view = rows.layout();
      view.strides = rows.strides();
      view.offset += gate * units * static_cast<std::uint64_t>(view.strides[0]);
      Shape shape = rows.shape();
      shape[0] = units;
      HOLDALL_ASSIGN(Tensor part, Tensor::view(rows.dtype(), std::move(shape), rows.storage(), std::move(view)));
      parts.push_back(std::move(part));
    }
    return joined(parts);
  }

  Status recurrent(const Layer& layer) {
    Path owner = layer.path;
    owner.pop_back();
    if (owner.empty()) return unsupported("a cell that is in no layer");
    std::string suffix = "_l0";
    const bool is_backward = owner.back().starts_with("backward_");
    if (owner.size() > 1 && (is_backward || owner.back().starts_with("forward_"))) {
      if (is_backward) suffix += "_reverse";
      owner.pop_back();
    }
    const std::string name = joined_by_dots(owner);
    const auto kernel = layer.variables.find("kernel"), hidden = layer.variables.find("recurrent_kernel");
    if (kernel == layer.variables.end() || kernel->second->tensor.shape().size() != 2 ||
        hidden->second->tensor.shape().size() != 2) {
      return unsupported("torch.nn has no such recurrent layer");
    }
    const std::uint64_t units = hidden->second->tensor.shape()[0], rows = hidden->second->tensor.shape()[1];
    const std::uint64_t count = units == 0 ? 0 : rows / units;
    if ((count != 1 && count != 3 && count != 4) || rows != units * count || kernel->second->tensor.shape()[1] != rows) {
      return unsupported("torch.nn has no such recurrent layer");
    }
    for (const auto& [entry, what] : {std::pair(kernel->second, "weight_ih"), std::pair(hidden->second, "weight_hh")}) {
      HOLDALL_ASSIGN(const Tensor turned, kernel_of(entry->tensor));
      HOLDALL_TRY(add(name + "." + what + suffix, *entry, gates(turned, units, count)));
    }
    const auto bias = layer.variables.find("bias");
    const bool is_reset_after = count != 3 || layers_.is_on(owner.back(), "reset_after");
    if (!is_reset_after || (count == 3 && bias != layer.variables.end() && bias->second->tensor.shape().size() != 2)) {
      return unsupported("torch's GRU resets after the product with the state, this one (reset_after=False) before");
    }
    return bias == layer.variables.end() ? Status() : biases(name, suffix, *bias->second, units, count);
  }

  Status biases(const std::string& name, const std::string& suffix, const NamedTensor& bias, std::uint64_t units,
                std::uint64_t count) {
    const Tensor& tensor = bias.tensor;
    if (count != 3) {
      HOLDALL_TRY(add(name + ".bias_ih" + suffix, bias, tensor));
      return add_made(name + ".bias_hh" + suffix, filled_like(tensor, 0));
    }
    for (const std::uint64_t row : {0u, 1u}) {
      Tensor::View view = tensor.layout();
      view.strides = {tensor.strides()[1]};
      view.offset += row * static_cast<std::uint64_t>(tensor.strides()[0]);
      HOLDALL_ASSIGN(const Tensor one, Tensor::view(tensor.dtype(), {units * count}, tensor.storage(), std::move(view)));
      HOLDALL_TRY(add(name + (row == 0 ? ".bias_ih" : ".bias_hh") + suffix, bias, gates(one, units, count)));
    }
    return {};
  }

  // [in, heads, width] to [heads * width, in]; of the output [heads, width, out] to [out, heads * width].
  static Result<Tensor> projection(const Tensor& kernel, bool is_output) {
    const Shape& shape = kernel.shape();
    Shape flat = is_output ? Shape{shape[0] * shape[1], shape[2]} : Shape{shape[0], shape[1] * shape[2]};
    HOLDALL_ASSIGN(const Tensor matrix, reshaped(kernel, std::move(flat)));
    return kernel_of(matrix);
  }

  Status attention(const std::string& owner, const Attention& parts) {
    struct Projection {
      const NamedTensor* kernel;
      const NamedTensor* bias;
      Tensor weight, offset;
    };
    std::map<std::string, Projection> all;
    for (const auto& [part, layer] : parts) {
      Projection made{layer->variables.at("kernel"), nullptr, {}, {}};
      HOLDALL_ASSIGN(made.weight, projection(made.kernel->tensor, part == "output"));
      if (const auto bias = layer->variables.find("bias"); bias != layer->variables.end()) {
        made.bias = bias->second;
        HOLDALL_ASSIGN(made.offset, reshaped(made.bias->tensor, {made.bias->tensor.elements()}));
      }
      all.emplace(part, std::move(made));
    }
    // torch keeps three in one where all have the model's width and a bias, or none has.
    const bool is_whole = all.size() == 4;
    const std::uint64_t width = is_whole ? all.at("output").weight.shape()[0] : 0;
    bool is_square = is_whole;
    for (const auto& [part, each] : all) {
      is_square = is_square && each.weight.shape() == Shape{width, width} &&
                  (each.bias != nullptr) == (all.begin()->second.bias != nullptr);
    }
    for (const auto& [part, each] : all) {
      if (is_square && part != "output") continue;
      const std::string name = owner + (is_square ? ".out_proj" : "." + part);
      HOLDALL_TRY(add(name + ".weight", *each.kernel, each.weight));
      if (each.bias != nullptr) HOLDALL_TRY(add(name + ".bias", *each.bias, each.offset));
    }
    if (!is_square) return {};
    std::vector<Tensor> weights, offsets;
    for (const char* part : {"query", "key", "value"}) {
      const Projection& each = all.at(part);
      weights.push_back(each.weight);
      renamed_.push_back(text("{}={}.in_proj_weight", each.kernel->name, owner));
      if (each.bias == nullptr) continue;
      offsets.push_back(each.offset);
      renamed_.push_back(text("{}={}.in_proj_bias", each.bias->name, owner));
    }
    HOLDALL_TRY(add_made(owner + ".in_proj_weight", joined(weights)));
    return offsets.empty() ? Status() : add_made(owner + ".in_proj_bias", joined(offsets));
  }

  Result<Model> finish() {
    if (layers_.left_out() != 0) {
      builder_.warnings.push_back(text(
          "{} tensors of the optimizer, metrics and seeds are left out: they have no names in PyTorch", layers_.left_out()));
    }
    return std::move(builder_).named(std::move(names_));
  }

  const Model& model_;
  Layers layers_;
  std::vector<std::string>& renamed_;
  ModelBuilder builder_;
  std::vector<std::string> names_;
  std::set<std::string> taken_;
  std::map<std::string, Attention> attentions_;
};

}  // namespace

bool is_of_keras(const Model& model) {
  // What Keras notes beside its weights: of paths what layers are called there, or lists of layers.
  const Value names = model.metadata().find("layer_names");
  if (names.is(ValueKind::kDict)) return true;
  if (!names.is(ValueKind::kList) && !model.metadata().find("/model_weights").find("layer_names")) return false;
  // "bert/tf_bert_model/…": transformers' own.
  const auto is_of_transformers = [](const NamedTensor& entry) {
    return entry.name.substr(0, entry.name.rfind('/')).find("/tf") != std::string::npos;
  };
  return model.config().find("class_name") || std::none_of(model.tensors().begin(), model.tensors().end(), is_of_transformers);
}

Result<Model> keras_with_pytorch_names(const Model& model, std::vector<std::string>& renamed) {
  return Translator(model, renamed).run();
}

}  // namespace holdall
