#include "holdall/ops/framework_names.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/ops/arrange.h"

namespace holdall {
namespace {

enum class Writer : std::uint8_t { kTransformers, kGoogleBert, kOpenAiGpt2, kFlax, kPyTorch };
enum class Change : std::uint8_t { kNone, kTransposed, kTransposedBack, kSqueezed, kStatistic, kLeftOut };

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

std::string filled(std::string_view name, const Runs& runs) {
  std::string result;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '$') {
      result += runs[static_cast<std::size_t>(name[++i] - '1')];
    } else {
      result += name[i];
    }
  }
  std::replace(result.begin(), result.end(), '/', '.');
  return result;
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

std::string plain_name(Writer source, const std::string& name) {
  if (source == Writer::kTransformers) return of_transformers(name);
  return source == Writer::kFlax || source == Writer::kPyTorch ? of_flax(name) : name;
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

const Rule* rule_for(Writer source, std::string_view name, std::size_t rank, Runs& runs) {
  const auto rule = std::find_if(kRules.begin(), kRules.end(), [&](const Rule& r) {
    return r.source == source && (r.rank == 0 || r.rank == rank) && fits(r.pattern, name, runs);
  });
  return rule == kRules.end() ? nullptr : &*rule;
}

// What is beside the tensors. What Keras notes beside its weights is about that file: its groups and their names.
ModelBuilder beside(const Model& model, Writer source) {
  ModelBuilder builder(model.arena().clone());
  if (source != Writer::kTransformers) builder.metadata = model.metadata().id();
  builder.config = model.config() ? model.config().id() : kNoNode;
  builder.side_files = model.side_files();
  builder.origin = model.origin();
  builder.origin.framework = source == Writer::kPyTorch ? "flax" : "pt";
  builder.warnings = model.warnings();
  builder.left_out = model.left_out();
  return builder;
}

std::string warning_of(std::size_t left_out, Writer source) {
  return source == Writer::kPyTorch ? text("{} tensors are left out: Flax computes them", left_out)
                                    : text("{} tensors of the optimizer are left out: they have no names in PyTorch", left_out);
}

Result<Model> by_rules(const Model& model, Writer source, std::vector<std::string>& renamed) {
  ModelBuilder builder = beside(model, source);
  const bool has_collections = source == Writer::kPyTorch && any_ends_with(model, {".running_mean"});
  std::vector<std::string> names;
  std::map<std::string, const NamedTensor*> taken;
  std::set<std::uint32_t> seen;
  std::size_t left_out = 0;
  for (const NamedTensor& entry : model.tensors()) {
    Runs runs;
    const std::string plain = plain_name(source, entry.name);
    const Rule* rule = rule_for(source, plain, entry.tensor.shape().size(), runs);
    if (rule == nullptr) return unsupported(text("no rule says what '{}' is called there", entry.name)).in(model.origin().path);
    left_out += rule->change == Change::kLeftOut ? 1 : 0;
    if (rule->change == Change::kLeftOut || (source == Writer::kPyTorch && !seen.insert(entry.index).second)) continue;
    std::string name = filled(rule->name, runs);
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
  if (left_out != 0) builder.warnings.push_back(warning_of(left_out, source));
  return std::move(builder).named(std::move(names));
}

}  // namespace

Result<Model> with_pytorch_names(const Model& model, std::vector<std::string>& renamed) {
  if (const std::optional<Writer> source = source_of(model)) return by_rules(model, *source, renamed);
  return unsupported("the names are not those of Flax, transformers' TensorFlow models, Google's BERT or OpenAI's GPT-2")
      .in(model.origin().path);
}

Result<Model> with_flax_names(const Model& model, std::vector<std::string>& renamed) {
  if (any_ends_with(model, {".weight"})) return by_rules(model, Writer::kPyTorch, renamed);
  return unsupported("the names are not those of PyTorch: none ends in '.weight'").in(model.origin().path);
}

}  // namespace holdall
