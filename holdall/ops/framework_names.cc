#include "holdall/ops/framework_names.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/core/beside.h"
#include "holdall/ops/arrange.h"
#include "holdall/ops/keras_names.h"

namespace holdall {
namespace {

enum class Writer : std::uint8_t {
  kTransformers,
  kGoogleBert,
  kOpenAiGpt2,
  kFlax,
  kPyTorch,
  kToTensorFlow,
  kGpt2ToTensorFlow,
  kT5ToTensorFlow
};
enum class Change : std::uint8_t { kNone, kTransposed, kTransposedBack, kSqueezed, kUnsqueezed, kStatistic, kLeftOut };

struct Rule {
  Writer source;
  std::string_view pattern;
  std::size_t rank;
  std::string_view name;
  Change change;
};

constexpr std::array kRules = {
#define HOLDALL_NAME(source, pattern, rank, name, change) Rule{Writer::source, pattern, rank, name, Change::change},
#include "holdall/ops/framework_names.inc"
#undef HOLDALL_NAME
};

using Runs = std::vector<std::string_view>;

// Whether a name fits a pattern, and what its wildcards stand for.
bool fits(std::string_view pattern, std::string_view name, Runs& runs) {
  const std::size_t plain = std::min(pattern.find('*'), pattern.size());
  if (name.substr(0, plain) != pattern.substr(0, plain)) return false;
  pattern.remove_prefix(plain);
  name.remove_prefix(plain);
  if (pattern.empty()) return name.empty();
  const bool any = pattern.starts_with("**");
  const std::string_view rest = pattern.substr(any ? 2 : 1);
  const std::size_t most = any ? name.size() : std::min(name.find('/'), name.size());
  for (std::size_t size = most + 1; size-- > 1;) {
    runs.push_back(name.substr(0, size));
    if (fits(rest, name.substr(size), runs)) return true;
    runs.pop_back();
  }
  return false;
}

// Whose rules are asked, one after another, and what they are asked about.
struct Translation {
  std::vector<Writer> sources;
  std::string prefix = {};       // before every name
  std::string_view number = {};  // between a word and a number behind it, where these make one component
  std::string_view framework = "pt";
  std::string model = {};  // the model's own name, after that of the layer's group: "bert/MODEL/bert/…:0"
  bool is_of(Writer source) const { return sources.front() == source; }
};

std::string filled(std::string_view name, const Runs& runs) {
  std::string result;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '$') {
      result += runs[static_cast<std::size_t>(name[++i] - '1')];
    } else {
      result += name[i];
    }
  }
  return result;
}

// "layer/0/output" as "layer_._0/output".
std::string with_numbers(const std::string& name, std::string_view joint) {
  std::string result;
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    const std::string_view component = std::string_view(name).substr(begin, end - begin);
    const bool is_number = component.find_first_not_of("0123456789") == std::string_view::npos;
    if (begin != 0) result += is_number ? joint : "/";
    result += component;
    begin = end + 1;
  }
  return result;
}

// What a rule gave as the name is spelled in the framework.
std::string spelled(const Translation& translation, std::string name) {
  if (translation.framework == "tf") {
    name = with_numbers(name, translation.number);
    return text("{}/{}/{}:0", std::string_view(name).substr(0, name.find('/')), translation.model, name);
  }
  std::replace(name.begin(), name.end(), '/', '.');
  return name;
}

// "bert/tf_bert_model/bert/encoder/layer_._0/output/dense/kernel:0" as "bert/encoder/layer/0/output/dense/kernel": without the
// group of the layer and the name of the model; "a___b" is b.
std::string of_transformers(std::string_view name) {
  name.remove_suffix(2);
  for (int component = 0; component < 2; ++component) name.remove_prefix(std::min(name.find('/') + 1, name.size()));
  std::string result;
  while (!name.empty()) {
    const std::size_t end = std::min(name.find('/'), name.size());
    std::string_view component = name.substr(0, end);
    name.remove_prefix(std::min(end + 1, name.size()));
    if (const std::size_t at = component.find("___"); at != std::string_view::npos) component.remove_prefix(at + 3);
    for (std::size_t at = component.find("_._"); at != std::string_view::npos; at = component.find("_._")) {
      result += std::string(component.substr(0, at)) + "/";
      component.remove_prefix(at + 3);
    }
    if (!component.empty()) result += std::string(component) + (name.empty() ? "" : "/");
  }
  return result;
}

// "params.encoder.layer.0.kernel" as "encoder/layer/0/kernel".
std::string of_flax(std::string_view name) {
  for (const std::string_view collection : {"params.", "batch_stats."}) {
    if (!name.starts_with(collection)) continue;
    name.remove_prefix(collection.size());
    break;
  }
  std::string result(name);
  std::replace(result.begin(), result.end(), '.', '/');
  return result;
}

std::string plain_name(const Translation& translation, const std::string& name) {
  switch (translation.sources.front()) {
    case Writer::kTransformers:
      return of_transformers(name);
    case Writer::kGoogleBert:
    case Writer::kOpenAiGpt2:
      return name;
    default:
      return translation.prefix + of_flax(name);
  }
}

bool any_ends_with(const Model& model, std::initializer_list<std::string_view> endings) {
  return std::any_of(model.tensors().begin(), model.tensors().end(), [&](const NamedTensor& entry) {
    return std::any_of(endings.begin(), endings.end(), [&](std::string_view ending) { return entry.name.ends_with(ending); });
  });
}

std::optional<Writer> source_of(const Model& model) {
  const auto has = [&](std::string_view name) { return model.find(name) != nullptr; };
  if (has("model/wte") && has("model/wpe")) return Writer::kOpenAiGpt2;
  if (has("bert/embeddings/word_embeddings")) return Writer::kGoogleBert;
  const auto is_keras = [](const NamedTensor& entry) {
    return entry.name.ends_with(":0") && std::count(entry.name.begin(), entry.name.end(), '/') >= 2;
  };
  const auto& tensors = model.tensors();
  if (!tensors.empty() && std::all_of(tensors.begin(), tensors.end(), is_keras)) return Writer::kTransformers;
  const bool is_flax = any_ends_with(model, {".kernel", ".embedding", ".scale"}) && !any_ends_with(model, {"/kernel", ":0"});
  return is_flax ? std::optional(Writer::kFlax) : std::nullopt;
}

Result<Tensor> changed(const Tensor& tensor, Change change) {
  std::vector<std::uint64_t> axes(tensor.shape().size());
  std::iota(axes.begin(), axes.end(), std::uint64_t{0});
  const std::vector<std::uint64_t> as_they_are = axes;
  if (change == Change::kTransposed && axes.size() > 1) {
    // [space…, in, out] to [out, in, space…].
    std::rotate(axes.begin(), axes.end() - 2, axes.end());
    std::swap(axes[0], axes[1]);
  } else if (change == Change::kTransposedBack && axes.size() > 1) {
    std::swap(axes[0], axes[1]);
    std::rotate(axes.begin(), axes.begin() + 2, axes.end());
  } else if (change == Change::kSqueezed) {
    while (axes.size() > 1 && tensor.shape()[static_cast<std::size_t>(axes.front())] == 1) axes.erase(axes.begin());
  } else if (change == Change::kUnsqueezed) {
    Shape shape = {1};
    for (const std::uint64_t size : tensor.shape()) shape.push_back(size);
    return arranged(tensor, {{{Arrangement::Step::Kind::kShape, std::move(shape)}}});
  }
  return axes == as_they_are ? tensor : with_axes(tensor, axes);
}

// Keras writes a layer that several share once for each.
Result<bool> are_equal(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) return false;
  HOLDALL_ASSIGN(const Digest digest, a.digest());
  HOLDALL_ASSIGN(const Digest other, b.digest());
  return digest == other;
}

const Rule* rule_for(const std::vector<Writer>& sources, std::string_view name, std::size_t rank, Runs& runs) {
  for (const Writer source : sources) {
    const auto rule = std::find_if(kRules.begin(), kRules.end(), [&](const Rule& r) {
      return r.source == source && (r.rank == 0 || r.rank == rank) && fits(r.pattern, name, runs);
    });
    if (rule != kRules.end()) return &*rule;
  }
  return nullptr;
}

// The container's metadata but for what says whose tensors they are, which is others' now.
NodeId metadata_of(Arena& arena, const Model& model) {
  if (!model.metadata().find("format")) return model.metadata().id();
  const NodeId kept = arena.dict();
  for (std::size_t i = 0; i < model.metadata().size(); ++i) {
    const Value key = model.metadata().key(i);
    if (!key.is(ValueKind::kString) || key.as_string() != "format")
      arena.set_item(kept, key.id(), model.metadata().mapped(i).id());
  }
  return kept;
}

// What Keras notes beside its weights is about that file: its groups and their names.
ModelBuilder beside_translated(const Model& model, const Translation& translation) {
  ModelBuilder builder = beside(model);
  builder.metadata = translation.is_of(Writer::kTransformers) ? kNoNode : metadata_of(*builder.arena, model);
  builder.origin.framework = translation.framework;
  return builder;
}

// Where a tensor lies: tied weights are one, whether a file says so by an index or by a storage.
using Elements = std::tuple<const Storage*, std::uint64_t, Shape, std::vector<std::int64_t>>;
Elements elements_of(const Tensor& tensor) {
  return {tensor.storage().get(), tensor.layout().offset, tensor.shape(), tensor.strides()};
}

std::string warning_of(std::size_t left_out, std::string_view framework) {
  if (framework == "pt") return text("{} tensors of the optimizer are left out: they have no names in PyTorch", left_out);
  return text("{} tensors are left out: {} computes them", left_out, framework == "tf" ? "TensorFlow" : "Flax");
}

Result<Model> by_rules(const Model& model, const Translation& translation, std::vector<std::string>& renamed) {
  ModelBuilder builder = beside_translated(model, translation);
  const bool is_of_pytorch = translation.framework != "pt";
  const bool has_collections = translation.is_of(Writer::kPyTorch) && any_ends_with(model, {".running_mean"});
  std::vector<std::string> names;
  std::map<std::string, const NamedTensor*> taken;
  std::set<Elements> seen;
  std::size_t left_out = 0;
  for (const NamedTensor& entry : model.tensors()) {
    Runs runs;
    const std::string plain = plain_name(translation, entry.name);
    const Rule* rule = rule_for(translation.sources, plain, entry.tensor.shape().size(), runs);
    if (rule == nullptr) return unsupported(text("no rule says what '{}' is called there", entry.name)).in(model.origin().path);
    left_out += rule->change == Change::kLeftOut ? 1 : 0;
    if (rule->change == Change::kLeftOut || (is_of_pytorch && !seen.insert(elements_of(entry.tensor)).second)) continue;
    std::string name = spelled(translation, filled(rule->name, runs));
    if (has_collections) name = (rule->change == Change::kStatistic ? "batch_stats." : "params.") + name;
    const auto [before, is_new] = taken.emplace(name, &entry);
    if (!is_new) {
      HOLDALL_ASSIGN(const bool same, are_equal(before->second->tensor, entry.tensor));
      if (same) continue;
      return invalid_argument(text("'{}' and a tensor before it would both be called '{}'", entry.name, name))
          .in(model.origin().path);
    }
    Result<Tensor> tensor = changed(entry.tensor, rule->change);
    if (!tensor) return std::move(tensor).error().with(text("tensor '{}'", entry.name));
    builder.add(std::move(*tensor), entry.file);
    renamed.push_back(text("{}={}", entry.name, name));
    names.push_back(std::move(name));
  }
  if (left_out != 0) builder.warnings.push_back(warning_of(left_out, translation.framework));
  return std::move(builder).named(std::move(names));
}

// What transformers' TensorFlow classes have of a family.
struct Family {
  std::string_view base;              // the name of the layer that all heads share; empty: there is none
  std::string_view mark;              // what some name begins with
  std::string_view bare = {};         // what some name of the base model alone begins with
  std::string_view number = "_._";    // before a number
  std::optional<Writer> rules = {};   // of its own
  std::string_view model_types = {};  // of the config, where a base model's names are several families'
};
constexpr std::array kFamilies = {
    Family{"bert", "bert.", "embeddings.word_embeddings.", "_._", {}, " bert "},
    Family{"roberta", "roberta.", "embeddings.word_embeddings.", "_._", {}, " roberta xlm-roberta camembert "},
    Family{"distilbert", "distilbert.", "transformer.layer.0.attention.q_lin."},
    Family{"transformer", "transformer.wte.", "wte.", "_._", Writer::kGpt2ToTensorFlow},
    Family{"", "encoder.block.0.layer.0.SelfAttention.", {}, "_._", Writer::kT5ToTensorFlow},
    Family{"vit", "vit.", "embeddings.cls_token"},
    Family{"resnet", "resnet.", "embedder.embedder.", "."},
};

bool any_begins_with(const Model& model, std::string_view beginning) {
  return !beginning.empty() && std::any_of(model.tensors().begin(), model.tensors().end(),
                                           [&](const NamedTensor& entry) { return entry.name.starts_with(beginning); });
}

// "TFBertForQuestionAnswering" as "tf_bert_for_question_answering": what Keras calls a model of that class. Loaders pass over
// it.
std::string keras_name(std::string_view architecture) {
  const std::string name = "TF" + std::string(architecture);
  const auto is_lower = [&](std::size_t i) { return name[i] >= 'a' && name[i] <= 'z'; };
  const auto is_upper = [&](std::size_t i) { return name[i] >= 'A' && name[i] <= 'Z'; };
  std::string result;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool begins_word = is_upper(i) && i > 0 && (is_lower(i - 1) || (i + 1 < name.size() && is_lower(i + 1)));
    if (begins_word) result += '_';
    result += static_cast<char>(is_upper(i) ? name[i] - 'A' + 'a' : name[i]);
  }
  return result;
}

}  // namespace

Result<Model> with_pytorch_names(const Model& model, std::vector<std::string>& renamed) {
  if (is_of_keras(model)) return keras_with_pytorch_names(model, renamed);
  if (const std::optional<Writer> source = source_of(model)) return by_rules(model, {{*source}}, renamed);
  return unsupported("the names are not those of Flax, transformers' TensorFlow models, Google's BERT or OpenAI's GPT-2")
      .in(model.origin().path);
}

Result<Model> with_flax_names(const Model& model, std::vector<std::string>& renamed) {
  if (any_ends_with(model, {".weight"})) {
    Translation translation{{Writer::kPyTorch}};
    translation.framework = "flax";
    return by_rules(model, translation, renamed);
  }
  return unsupported("the names are not those of PyTorch: none ends in '.weight'").in(model.origin().path);
}

Result<Model> with_tensorflow_names(const Model& model, std::vector<std::string>& renamed) {
  const std::string type = text(" {} ", model.config().find_string("model_type").value_or(""));
  const auto is_bare = [&](const Family& family) {
    return any_begins_with(model, family.bare) &&
           (family.model_types.empty() || family.model_types.find(type) != std::string::npos);
  };
  auto family =
      std::find_if(kFamilies.begin(), kFamilies.end(), [&](const Family& f) { return any_begins_with(model, f.mark); });
  const bool has_base = family != kFamilies.end();
  if (!has_base) family = std::find_if(kFamilies.begin(), kFamilies.end(), is_bare);
  if (family == kFamilies.end()) {
    const bool is_unclear = any_begins_with(model, kFamilies.front().bare);
    return unsupported(is_unclear
                           ? "whose names they are, BERT's or RoBERTa's, only a config.json beside them could say"
                           : "the names are not those of BERT, RoBERTa, DistilBERT, GPT-2, T5, ViT or ResNet in PyTorch, "
                             "which transformers has in TensorFlow")
        .in(model.origin().path);
  }
  Translation translation;
  if (family->rules) translation.sources.push_back(*family->rules);
  translation.sources.push_back(Writer::kToTensorFlow);
  if (!has_base) translation.prefix = std::string(family->base) + "/";
  translation.number = family->number;
  translation.framework = "tf";
  const Value architectures = model.config().find("architectures");
  const bool is_named =
      architectures.is(ValueKind::kList) && architectures.size() > 0 && architectures.item(0).is(ValueKind::kString);
  translation.model = is_named ? keras_name(architectures.item(0).as_string()) : "tf_model";
  return by_rules(model, translation, renamed);
}

}  // namespace holdall
