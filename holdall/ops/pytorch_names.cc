#include "holdall/ops/pytorch_names.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <optional>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/ops/arrange.h"

namespace holdall {
namespace {

enum class Writer : std::uint8_t { kTransformers, kGoogleBert, kOpenAiGpt2 };
enum class Change : std::uint8_t { kNone, kTransposed, kSqueezed, kLeftOut };

struct Rule {
  Writer source;
  std::string_view pattern, name;
  Change change;
};

constexpr std::array kRules = {
#define HOLDALL_NAME(source, pattern, name, change) Rule{Writer::source, pattern, name, Change::change},
#include "holdall/ops/pytorch_names.inc"
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

std::optional<Writer> source_of(const Model& model) {
  const auto has = [&](std::string_view name) { return model.find(name) != nullptr; };
  if (has("model/wte") && has("model/wpe")) return Writer::kOpenAiGpt2;
  if (has("bert/embeddings/word_embeddings")) return Writer::kGoogleBert;
  const auto is_keras = [](const NamedTensor& entry) {
    return entry.name.ends_with(":0") && std::count(entry.name.begin(), entry.name.end(), '/') >= 2;
  };
  const auto& tensors = model.tensors();
  if (!tensors.empty() && std::all_of(tensors.begin(), tensors.end(), is_keras)) return Writer::kTransformers;
  return std::nullopt;
}

Result<Tensor> changed(const Tensor& tensor, Change change) {
  std::vector<std::uint64_t> axes(tensor.shape().size());
  std::iota(axes.begin(), axes.end(), std::uint64_t{0});
  const std::vector<std::uint64_t> as_they_are = axes;
  if (change == Change::kTransposed && axes.size() == 4) {
    axes = {3, 2, 0, 1};
  } else if (change == Change::kTransposed) {
    std::reverse(axes.begin(), axes.end());
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

const Rule* rule_for(Writer source, std::string_view name, Runs& runs) {
  const auto rule = std::find_if(kRules.begin(), kRules.end(),
                                 [&](const Rule& r) { return r.source == source && fits(r.pattern, name, runs); });
  return rule == kRules.end() ? nullptr : &*rule;
}

}  // namespace

Result<Model> with_pytorch_names(const Model& model, std::vector<std::string>& renamed) {
  const std::optional<Writer> source = source_of(model);
  if (!source) {
    return unsupported("the names are not those of transformers' TensorFlow models, Google's BERT or OpenAI's GPT-2")
        .in(model.origin().path);
  }
  ModelBuilder builder(model.arena().clone());
  // What Keras notes beside its weights is about that file: its groups and their names.
  if (source != Writer::kTransformers) builder.metadata = model.metadata().id();
  builder.config = model.config() ? model.config().id() : kNoNode;
  builder.side_files = model.side_files();
  builder.origin = model.origin();
  builder.origin.framework = "pt";
  builder.warnings = model.warnings();
  builder.left_out = model.left_out();
  std::vector<std::string> names;
  std::map<std::string, const NamedTensor*> taken;
  std::size_t left_out = 0;
  for (const NamedTensor& entry : model.tensors()) {
    Runs runs;
    const std::string plain = source == Writer::kTransformers ? of_transformers(entry.name) : entry.name;
    const Rule* rule = rule_for(*source, plain, runs);
    if (rule == nullptr)
      return unsupported(text("no rule says what '{}' is called in PyTorch", entry.name)).in(model.origin().path);
    if (rule->change == Change::kLeftOut) {
      ++left_out;
      continue;
    }
    std::string name = filled(rule->name, runs);
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
  if (left_out != 0)
    builder.warnings.push_back(text("{} tensors of the optimizer are left out: they have no names in PyTorch", left_out));
  return std::move(builder).named(std::move(names));
}

}  // namespace holdall
