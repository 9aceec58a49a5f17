#include "holdall/ops/update.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <span>
#include <vector>

#include "holdall/base/text.h"
#include "holdall/core/cast.h"
#include "holdall/core/quantize.h"
#include "holdall/ops/edit.h"
#include "holdall/ops/json_members.h"

namespace holdall {
namespace {

// What else the graph's tensors are called: attribute paths first, then full names; none that two of them have.
std::map<std::string, std::string, std::less<>> aliases_of(const Model& graph) {
  std::map<std::string, std::string, std::less<>> aliases;
  const Value variables = graph.metadata().find("variables");
  for (const std::string_view kind : {"path", "full_name"}) {
    for (std::size_t i = 0; variables.is(ValueKind::kDict) && i < variables.size(); ++i) {
      const auto alias = variables.mapped(i).find_string(kind);
      if (!alias || !variables.key(i).is(ValueKind::kString) || graph.find(*alias) != nullptr) continue;
      const auto [place, is_new] = aliases.emplace(*alias, variables.key(i).as_string());
      if (!is_new && kind == "path") place->second.clear();
    }
  }
  return aliases;
}

// Both tensors' numbers, pair by pair, until `look` says false. Precondition: equal shapes.
template <class Look>
Status for_each_pair(const Tensor& one, const Tensor& other, const Look& look) {
  constexpr std::size_t kTile = 1u << 16;
  HOLDALL_ASSIGN(const Tensor first, cast(one, DType::kFloat64));
  HOLDALL_ASSIGN(const Tensor second, cast(other, DType::kFloat64));
  HOLDALL_ASSIGN(const Blob left, first.data());
  HOLDALL_ASSIGN(const Blob right, second.data());
  std::vector<double> a(kTile), b(kTile);
  for (std::uint64_t at = 0; at < left.size(); at += kTile * sizeof(double)) {
    const auto some = static_cast<std::size_t>(std::min<std::uint64_t>(kTile, (left.size() - at) / sizeof(double)));
    HOLDALL_TRY(left.read_at(at, std::as_writable_bytes(std::span(a).first(some))));
    HOLDALL_TRY(right.read_at(at, std::as_writable_bytes(std::span(b).first(some))));
    for (std::size_t i = 0; i < some; ++i)
      if (!look(a[i], b[i])) return {};
  }
  return {};
}

bool is_whole(DType dtype) {
  const DTypeKind kind = info(dtype).kind;
  return kind == DTypeKind::kSigned || kind == DTypeKind::kUnsigned;
}

// How many numbers lie so far beyond what a tensor's scales reach that they became the nearest end.
Result<std::uint64_t> count_cut_off(const Tensor& reals, const Tensor& made) {
  HOLDALL_ASSIGN(const Tensor floats, cast(made.quantization()->scales, DType::kFloat32));
  HOLDALL_ASSIGN(const std::vector<float> scales, floats.read<float>());
  const double step = scales.empty() ? 0 : static_cast<double>(*std::max_element(scales.begin(), scales.end()));
  HOLDALL_ASSIGN(const Tensor again, dequantize(made));
  std::uint64_t count = 0;
  HOLDALL_TRY(for_each_pair(reals, again, [&](double before, double after) {
    if (std::abs(before - after) > step) ++count;
    return true;
  }));
  return count;
}

// A tensor of the weights as the graph's `own` is: equal dtypes as they are, with their own scales if they have any.
// `cut_off`: how many of its numbers its scales, which stay, do not reach.
Result<Tensor> as_own(const Tensor& given, const Tensor& own, std::uint64_t& cut_off) {
  if (given.dtype() == own.dtype()) return given;
  HOLDALL_ASSIGN(const Tensor reals, real_numbers(given));
  const bool is_quantized = own.quantization() != nullptr && info(reals.dtype()).kind == DTypeKind::kFloat;
  if (is_quantized) {
    HOLDALL_ASSIGN(Tensor quantized, quantize(reals, own));
    if (own.quantization()->renewal != Quantization::Renewal::kKept) return quantized;
    HOLDALL_ASSIGN(cut_off, count_cut_off(reals, quantized));
    return quantized;
  }
  HOLDALL_ASSIGN(Tensor made, cast(reals, own.dtype()));
  if (info(reals.dtype()).kind != DTypeKind::kFloat || !is_whole(own.dtype())) return made;
  bool is_same = true;
  HOLDALL_TRY(for_each_pair(reals, made, [&](double before, double after) { return is_same = before == after; }));
  if (is_same) return made;
  return Error(Code::kLoss, text("the graph has {} here, without scales, which does not hold the given {}", name(own.dtype()),
                                 name(given.dtype())));
}

// Weights that lines of a names file leave out, as those do that match writes of what it did not find. Integers, counters and
// positions, are not trained.
void warn_of_left_out(const Model& weights, const std::vector<std::string>& left_out, std::vector<std::string>& warnings) {
  constexpr std::size_t kShown = 4;
  std::size_t count = 0;
  std::string names;
  for (const std::string& name : left_out) {
    const NamedTensor* const entry = weights.find(name);
    if (entry == nullptr || info(entry->tensor.dtype()).kind != DTypeKind::kFloat) continue;
    if (++count <= kShown) names += (names.empty() ? "" : ", ") + name;
  }
  if (count == 0) return;
  warnings.push_back(
      text("the names leave out {} of the weights ({}{}): where the graph has them in another form, it keeps the old ones",
           count, names, count > kShown ? ", …" : ""));
}

// Scales of what flows between a graph's operators, which its weights do not tell.
void warn_of_calibration(const Model& graph, std::vector<std::string>& warnings) {
  const auto count = graph.metadata().find_int("calibrated_tensors");
  if (!count || *count <= 0) return;
  warnings.push_back(
      text("the scales of {} tensors between operators were measured with the old weights and stay: values that new "
           "ones push beyond them are cut off; convert the model anew where they do",
           *count));
}

// Scales that follow those of a tensor which has new ones: `factor` times those, float32. Nothing where they do not follow.
Result<std::optional<Tensor>> followed(const Model& graph, const Edits& edits, const Quantization& own) {
  const NamedTensor* const followed = graph.find(own.follows.str());
  if (own.renewal != Quantization::Renewal::kFollows || followed == nullptr) return std::optional<Tensor>();
  const Tensor& now = edits.tensors[static_cast<std::size_t>(followed - graph.tensors().data())];
  const auto& scales = now.quantization();
  const bool is_new = scales != nullptr && scales != followed->tensor.quantization();
  if (!is_new || scales->scales.elements() != own.scales.elements()) return std::optional<Tensor>();
  HOLDALL_ASSIGN(const Tensor floats, cast(scales->scales, DType::kFloat32));
  HOLDALL_ASSIGN(std::vector<float> values, floats.read<float>());
  for (float& value : values) value *= own.factor;
  Bytes bytes = Bytes::copy(std::as_bytes(std::span(values)));
  HOLDALL_ASSIGN(Tensor made, Tensor::dense(DType::kFloat32, {values.size()}, Blob::memory(std::move(bytes), "scales")));
  return std::optional(std::move(made));
}

// Gives the tensors whose scales follow new ones theirs: their real numbers stay, or are the given ones.
Status follow(const Model& graph, const std::map<std::size_t, Tensor>& given, Edits& edits) {
  for (std::size_t i = 0; i < graph.tensors().size(); ++i) {
    const Tensor& own = graph.tensors()[i].tensor;
    if (own.quantization() == nullptr) continue;
    HOLDALL_ASSIGN(const auto scales, followed(graph, edits, *own.quantization()));
    if (!scales) continue;
    const auto found = given.find(i);
    const Tensor& values = found == given.end() ? own : found->second;
    if (found != given.end() && values.dtype() == own.dtype()) continue;
    HOLDALL_ASSIGN(const Tensor reals, real_numbers(values));
    HOLDALL_ASSIGN(edits.tensors[i], quantize(reals, own, scales));
  }
  return {};
}

}  // namespace

Result<Updated> update_model(const Model& graph, const Model& weights) {
  std::vector<FitEntry> entries;
  for (const NamedTensor& entry : graph.tensors()) entries.push_back({entry.name, entry.tensor.shape(), entry.tensor.dtype()});
  const auto aliases = aliases_of(graph);
  FitOptions options;
  options.renamer = [&](const std::string& name) {
    if (graph.find(name) != nullptr) return name;
    const auto alias = aliases.find(name);
    return alias == aliases.end() || alias->second.empty() ? name : alias->second;
  };
  HOLDALL_ASSIGN(Fit found, fit(weights, entries, options));
  Edits edits = Edits::none(graph);
  std::map<std::size_t, Tensor> given;
  std::vector<std::string> warnings;
  for (const Fit::Pair& pair : found.pairs) {
    const NamedTensor& weight = weights.tensors()[pair.tensor];
    std::uint64_t cut_off = 0;
    Result<Tensor> made = as_own(weight.tensor, graph.tensors()[pair.entry].tensor, cut_off);
    if (!made) return std::move(made).error().with(text("tensor '{}'", weight.name));
    if (cut_off != 0)
      warnings.push_back(
          text("{} numbers of '{}' lie beyond its scales, which other operators know and which stay: they are cut off", cut_off,
               weight.name));
    edits.tensors[pair.entry] = std::move(*made);
    given.emplace(pair.entry, weight.tensor);
  }
  HOLDALL_TRY(follow(graph, given, edits));
  HOLDALL_ASSIGN(Model model, edit_model(graph, std::move(edits)));
  Updated updated{std::move(model), std::move(found.report), std::move(warnings)};
  if (!given.empty()) warn_of_calibration(graph, updated.warnings);
  return updated;
}

Result<UpdateReport> update_file(const std::string& graph, const std::string& weights, const std::string& output,
                                 const UpdateOptions& options) {
  HOLDALL_ASSIGN(const Model own, open_model(graph, options.open));
  HOLDALL_ASSIGN(Model given, open_model(weights, options.open));
  std::vector<std::string> renamed, warnings;
  if (!options.names.empty()) {
    std::vector<std::string> left_out;
    HOLDALL_ASSIGN(Model kept, with_names(given, options.names, renamed, &left_out));
    warn_of_left_out(given, left_out, warnings);
    given = std::move(kept);
  }
  HOLDALL_ASSIGN(Updated updated, update_model(own, given));
  warnings.insert(warnings.end(), updated.warnings.begin(), updated.warnings.end());
  UpdateReport report{graph, weights, output, own.origin().format, false, std::move(updated.report), std::move(warnings)};
  if (!report.fit.unexpected.empty() || !report.fit.mismatched.empty()) return report;
  SaveOptions save = options.save;
  save.to = report.format;
  HOLDALL_TRY(refuse_own_input(given, output));
  HOLDALL_TRY(save_model(updated.model, output, save));
  report.written = true;
  return report;
}

void write_update(JsonWriter& writer, const UpdateReport& report) {
  writer.begin_object().key("graph").string(report.graph).key("weights").string(report.weights);
  writer.key("output").string(report.output).key("format").string(report.format).key("written").boolean(report.written);
  write_strings(writer, "loaded", report.fit.loaded);
  write_strings(writer, "missing", report.fit.missing);
  write_strings(writer, "unexpected", report.fit.unexpected);
  writer.key("mismatched").begin_array();
  for (const auto& each : report.fit.mismatched) {
    writer.begin_object().key("name").string(each.name);
    write_sizes(writer, "file", each.file);
    write_sizes(writer, "graph", each.module);
    writer.end_object();
  }
  writer.end_array().key("cast").begin_array();
  for (const auto& each : report.fit.cast) {
    writer.begin_object().key("name").string(each.name).key("from").string(each.from).key("to").string(each.to).end_object();
  }
  writer.end_array().key("renamed").begin_array();
  for (const auto& each : report.fit.renamed) {
    writer.begin_object().key("name").string(each.name).key("found_as").string(each.found_as).end_object();
  }
  writer.end_array();
  write_strings(writer, "warnings", report.warnings);
  writer.end_object();
}

}  // namespace holdall
