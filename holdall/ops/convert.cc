#include "holdall/ops/convert.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <span>

#include "holdall/base/text.h"
#include "holdall/core/blocks.h"
#include "holdall/core/cast.h"
#include "holdall/core/quantize.h"
#include "holdall/ops/compare.h"
#include "holdall/ops/digest.h"
#include "holdall/ops/edit.h"
#include "holdall/ops/framework_names.h"
#include "holdall/ops/glob.h"
#include "holdall/ops/json_members.h"
#include "holdall/ops/pytorch_config.h"

namespace holdall {
namespace {

Status check_options(const ConvertOptions& options) {
  if (options.dtype && info(*options.dtype).kind != DTypeKind::kFloat && !can_encode_blocks(*options.dtype)) {
    return invalid_argument(
        text("tensors are converted to floating-point dtypes, q8_0, q4_0, q4_1, q5_0 and q5_1; {} is none of them",
             name(*options.dtype)));
  }
  return check_rules(options.rename);
}

// Casts each view of a storage once, so that tied tensors stay tied.
class Caster {
 public:
  // `fixed`: tensors that stay as they are, and why.
  Caster(DType to, std::span<const Loss> fixed) : to_(to) {
    for (const Loss& tensor : fixed) fixed_.emplace(tensor.where, tensor.what);
  }

  bool wants(const Tensor& tensor) const {
    if (tensor.quantization() != nullptr) return can_cast(DType::kFloat32, to_);
    const DTypeKind kind = info(tensor.dtype()).kind;
    return tensor.dtype() != to_ && (kind == DTypeKind::kFloat || kind == DTypeKind::kBlock) && can_cast(tensor.dtype(), to_);
  }

  // Why a tensor that it wants stays as it is; empty where it need not.
  std::string keeps(const std::string& name, const Tensor& tensor) const {
    if (const auto why = fixed_.find(name); why != fixed_.end()) return std::string(why->second);
    if (info(to_).kind != DTypeKind::kBlock) return {};
    if (tensor.shape().size() < 2) return "it is no matrix";
    const std::uint64_t block = info(to_).block_elements;
    if (tensor.shape().back() % block == 0) return {};
    return text("its rows of {} elements are not whole blocks of {}", tensor.shape().back(), block);
  }

  Result<Tensor> operator()(const Tensor& tensor) {
    const Key key{tensor.storage().get(),     tensor.dtype(),         tensor.shape(),
                  tensor.strides(),           tensor.layout().offset, tensor.layout().negative,
                  tensor.quantization().get()};
    const auto found = done_.find(key);
    if (found != done_.end()) return found->second;
    HOLDALL_ASSIGN(const Tensor reals, real_numbers(tensor));
    HOLDALL_ASSIGN(Tensor made, cast(reals, to_));
    done_.emplace(key, made);
    return made;
  }

 private:
  using Key = std::tuple<const Storage*, DType, Shape, std::vector<std::int64_t>, std::uint64_t, bool, const Quantization*>;
  DType to_;
  std::map<std::string_view, std::string_view> fixed_;
  std::map<Key, Tensor> done_;
};

// Every --select and --rename must have something to do: what fits nothing is a name mistyped.
Status require_a_match(const Model& model, const ConvertOptions& options) {
  std::vector<std::string> names;
  for (const NamedTensor& entry : model.tensors()) names.push_back(entry.name);
  if (const Status status = require_matches(options.select, names); !status)
    return Error(status.error()).in(model.origin().path);
  for (const auto& [from, to] : options.rename) {
    const std::pair<std::string, std::string> rule(from, to);
    const auto fits = [&](const std::string& name) { return renamed(std::span(&rule, 1), name).has_value(); };
    if (std::any_of(names.begin(), names.end(), fits)) continue;
    const std::vector<std::string> near = nearest_names(from, names);
    return not_found(text("no tensor fits '{}={}'{}", from, to, near.empty() ? "" : text("; did you mean '{}'?", near.front())))
        .in(model.origin().path);
  }
  return {};
}

// The model with the options' selection, names and dtypes but for what is `fixed`; `originals` are the tensors of report.copies
// before they were cast.
Result<Model> edited(Model model, const ConvertOptions& options, std::span<const Loss> fixed, ConvertReport& report,
                     std::vector<NamedTensor>& originals) {
  if (options.select.empty() && options.rename.empty() && !options.dtype) return model;
  HOLDALL_TRY(require_a_match(model, options));
  Edits edits;
  std::optional<Caster> caster;
  if (options.dtype) caster.emplace(*options.dtype, fixed);
  for (const NamedTensor& entry : model.tensors()) {
    edits.tensors.push_back(entry.tensor);
    if (!any_glob_matches(options.select, entry.name)) {
      edits.names.emplace_back();
      continue;
    }
    edits.names.emplace_back(renamed(options.rename, entry.name).value_or(entry.name));
    if (*edits.names.back() != entry.name) report.renamed.push_back(text("{}={}", entry.name, *edits.names.back()));
    if (!caster || !caster->wants(entry.tensor)) continue;
    if (std::string why = caster->keeps(entry.name, entry.tensor); !why.empty()) {
      report.kept.push_back({*edits.names.back(), std::move(why)});
      continue;
    }
    Result<Tensor> made = (*caster)(entry.tensor);
    if (!made) return std::move(made).error().with(text("tensor '{}'", entry.name));
    report.copies.push_back(
        {*edits.names.back(), entry.tensor.dtype(), made->dtype(), entry.tensor.bytes(), made->bytes(), {}, {}, {}});
    originals.push_back(entry);
    HOLDALL_ASSIGN(originals.back().tensor, real_numbers(entry.tensor));
    edits.tensors.back() = std::move(*made);
  }
  return edit_model(model, std::move(edits));
}

// "w" of "w@2", the second path that is named "w"; any other name as it is.
std::string_view without_number(const Model& model, std::string_view name) {
  const std::size_t at = name.rfind('@');
  if (at == std::string_view::npos || at + 1 == name.size()) return name;
  if (name.find_first_not_of("0123456789", at + 1) != std::string_view::npos) return name;
  return model.find(name.substr(0, at)) != nullptr ? name.substr(0, at) : name;
}

// By the tensor's name, the tensor of the result that it was written as, or nullptr: where several paths have one name and some
// were lost, a tree numbers those that remain anew. Names for which nothing changes are not in it.
using Renumbered = std::map<std::string_view, const NamedTensor*>;
Renumbered renumbered(const Model& meant, const Model& got, const std::set<std::string_view>& losing) {
  Renumbered result;
  if (!meant.is_named_by_tree() || !got.is_named_by_tree() || meant.tensors().size() == got.tensors().size()) return result;
  std::map<std::string_view, std::vector<std::string_view>> groups;
  for (const NamedTensor& entry : meant.tensors()) groups[without_number(meant, entry.name)].push_back(entry.name);
  for (const auto& [name, members] : groups) {
    std::vector<const NamedTensor*> there;
    for (std::size_t n = 1; n <= members.size(); ++n) {
      const NamedTensor* found = got.find(n == 1 ? std::string(name) : text("{}@{}", name, n));
      if (found != nullptr) there.push_back(found);
    }
    const auto lost = static_cast<std::size_t>(
        std::count_if(members.begin(), members.end(), [&](std::string_view member) { return losing.contains(member); }));
    if (members.size() == 1 || lost == 0 || there.size() + lost != members.size()) continue;
    std::size_t next = 0;
    for (const std::string_view member : members) result[member] = losing.contains(member) ? nullptr : there[next++];
  }
  return result;
}

// The tensor of the result that `entry` was written as; nullptr where there is none.
const NamedTensor* counterpart(const Model& meant, const NamedTensor& entry, const Model& got, const Renumbered& others) {
  if (const auto known = others.find(entry.name); known != others.end()) return known->second;
  const NamedTensor* other = got.find(entry.name);
  if (other == nullptr && meant.tensors().size() == 1 && got.tensors().size() == 1) other = &got.tensors().front();  // .npy
  return other;
}

// How far what was cast is from what it was.
Status measure_copies(const std::vector<NamedTensor>& originals, const std::vector<const NamedTensor*>& results,
                      const Progress& progress, ConvertReport& report) {
  std::vector<TensorPair> pairs;
  std::vector<std::size_t> places;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < originals.size(); ++i) {
    if (results[i] == nullptr || results[i]->tensor.shape() != originals[i].tensor.shape()) continue;
    pairs.push_back({&originals[i], results[i]});
    places.push_back(i);
    total += originals[i].tensor.bytes() + results[i]->tensor.bytes();
  }
  Meter meter(progress, total);
  HOLDALL_ASSIGN(const auto compared, compare_tensors(pairs, {}, meter));
  for (const auto& [pair, comparison] : compared) {
    LightCopy& copy = report.copies[places[pair]];
    copy.max_abs = comparison.max_abs;
    copy.mean_abs = comparison.mean_abs;
    copy.cosine = comparison.cosine;
  }
  return {};
}

// Reads the result back and compares it with what was meant, tensor by tensor; what was allowed to be lost is passed over.
Status compare_with(const Model& meant, const std::vector<NamedTensor>& originals, const std::string& output,
                    const ConvertOptions& options, ConvertReport& report) {
  OpenOptions open = options.open;
  open.policy.reset();
  open.format = report.to;
  HOLDALL_ASSIGN(const Model got, open_model(output, open));
  std::set<std::string_view> losing;
  for (const Loss& loss : report.losses) losing.insert(loss.where);
  const Renumbered others = renumbered(meant, got, losing);
  std::vector<NamedTensor> mine, theirs;
  std::uint64_t lost = 0;
  for (const NamedTensor& entry : meant.tensors()) {
    const NamedTensor* other = counterpart(meant, entry, got, others);
    const bool may_lose = losing.contains(entry.name);
    const bool is_alike =
        other != nullptr && other->tensor.dtype() == entry.tensor.dtype() && other->tensor.shape() == entry.tensor.shape();
    // Bits kept as another dtype are compared all the same.
    const bool has_bits = may_lose && other != nullptr && other->tensor.bytes() == entry.tensor.bytes();
    if (!is_alike && !has_bits) {
      if (may_lose) ++lost;
      if (!may_lose) report.differing.push_back(entry.name);
      continue;
    }
    mine.push_back(entry);
    theirs.push_back(*other);
  }
  HOLDALL_ASSIGN(const std::vector<Digest> a, digest_tensors(mine, options.progress));
  HOLDALL_ASSIGN(const std::vector<Digest> b, digest_tensors(theirs, options.progress));
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i] != b[i]) report.differing.push_back(mine[i].name);
  report.checked = meant.tensors().size() - lost;
  std::vector<const NamedTensor*> results;
  for (const LightCopy& copy : report.copies) {
    const NamedTensor* entry = meant.find(copy.name);
    results.push_back(entry == nullptr ? nullptr : counterpart(meant, *entry, got, others));
  }
  return measure_copies(originals, results, options.progress, report);
}

// What dequantises, beside each loss of blocks: most containers have no place for them.
void add_hints(const Model& model, std::vector<Loss>& losses) {
  for (Loss& loss : losses) {
    const NamedTensor* entry = model.find(loss.where);
    if (entry == nullptr || info(entry->tensor.dtype()).kind != DTypeKind::kBlock) continue;
    loss.what += "; --dtype float32 makes numbers of it";
  }
}

// The model as the program that the format is for wants it; `fixed` gets what has the dtype that it says.
Result<Model> adapted(Model model, const std::string& output, const ConvertOptions& options, ConvertReport& report,
                      std::vector<Loss>& fixed) {
  HOLDALL_ASSIGN(const Format* format, format_to_write(output, options.save.to, model));
  if (format->adapt == nullptr) return model;
  HOLDALL_ASSIGN(std::optional<Adapted> made, format->adapt(model, {options.dtype, options.open.limits}));
  if (!made) return model;
  report.renamed = std::move(made->renamed);
  report.losses = std::move(made->losses);
  fixed = std::move(made->fixed);
  return std::move(made->model);
}

// The model under the names that the options ask for.
Result<Model> under_names(Model model, const Bundle& input, const std::string& output, const ConvertOptions& options,
                          ConvertReport& report, std::vector<Loss>& fixed) {
  switch (options.names) {
    case ConvertOptions::Names::kAdapted:
      return adapted(std::move(model), output, options, report, fixed);
    case ConvertOptions::Names::kOwn:
      return model;
    case ConvertOptions::Names::kFlax:
      return with_flax_names(model, report.renamed);
    case ConvertOptions::Names::kTensorFlow:
      return with_tensorflow_names(model, report.renamed);
    case ConvertOptions::Names::kLines:
      return with_names(model, options.lines, report.renamed);
    case ConvertOptions::Names::kPyTorch:
      break;
  }
  HOLDALL_ASSIGN(Model named, with_pytorch_names(model, report.renamed));
  HOLDALL_ASSIGN(const Format* to, format_to_write(output, options.save.to, named));
  return to->folder ? with_original_files(std::move(named), input) : std::move(named);
}

void write_copies(JsonWriter& writer, const ConvertReport& report) {
  writer.key("copies").begin_array();
  for (const LightCopy& copy : report.copies) {
    writer.begin_object().key("name").string(copy.name);
    writer.key("from").string(name(copy.from)).key("to").string(name(copy.to));
    writer.key("bytes_in").unsigned_integer(copy.bytes_in).key("bytes_out").unsigned_integer(copy.bytes_out);
    write_optional(writer, "max_abs", copy.max_abs);
    write_optional(writer, "mean_abs", copy.mean_abs);
    write_optional(writer, "cosine", copy.cosine);
    writer.end_object();
  }
  writer.end_array().key("kept").begin_array();
  for (const Loss& kept : report.kept) {
    writer.begin_object().key("name").string(kept.where).key("why").string(kept.what).end_object();
  }
  writer.end_array();
}

// What would be done by the loader of a model's own format: what each finding is about.
std::vector<std::string> acts_of(const Bundle& bundle, const Limits& limits) {
  Findings findings;
  const Result<const Format*> format = detect(bundle, limits);
  // A model that has been read or written is no riddle: what cannot be judged here is for scan to tell.
  if (!format || !(*format)->acts(bundle, Context{.limits = limits}, findings)) return {};
  std::vector<std::string> subjects;
  for (Finding& finding : findings) {
    if (finding.severity != Verdict::kCode && finding.severity != Verdict::kMalicious) continue;
    std::string& subject = finding.subject.empty() ? finding.what : finding.subject;
    if (std::find(subjects.begin(), subjects.end(), subject) == subjects.end()) subjects.push_back(std::move(subject));
  }
  return subjects;
}

std::vector<std::string> disarmed(const Bundle& input, const Bundle& written, const Limits& limits) {
  std::vector<std::string> before = acts_of(input, limits);
  if (before.empty()) return before;
  const std::vector<std::string> after = acts_of(written, limits);
  std::erase_if(before, [&](const std::string& one) { return std::find(after.begin(), after.end(), one) != after.end(); });
  return before;
}

}  // namespace

Status read_names_option(std::string_view given, ConvertOptions& options) {
  using Names = ConvertOptions::Names;
  constexpr std::array kKnown = {std::pair("own", Names::kOwn), std::pair("pytorch", Names::kPyTorch),
                                 std::pair("flax", Names::kFlax), std::pair("tensorflow", Names::kTensorFlow)};
  const auto known = std::find_if(kKnown.begin(), kKnown.end(), [&](const auto& each) { return given == each.first; });
  options.names = known == kKnown.end() ? Names::kLines : known->second;
  if (known != kKnown.end()) return {};
  Result<std::vector<NameLine>> lines = read_names(std::string(given));
  if (!lines)
    return std::move(lines).error().with("names are 'own', 'pytorch', 'flax', 'tensorflow' or a file of lines OLD=NEW");
  options.lines = std::move(*lines);
  return {};
}

Result<ConvertReport> convert_model(const Bundle& input, const std::string& output, const ConvertOptions& options) {
  HOLDALL_TRY(check_options(options));
  ConvertReport report;
  report.input = input.path();
  report.output = output;
  HOLDALL_ASSIGN(Model opened, open_model(input, options.open));
  std::vector<Loss> fixed;
  HOLDALL_ASSIGN(opened, under_names(std::move(opened), input, output, options, report, fixed));
  std::vector<NamedTensor> originals;
  HOLDALL_ASSIGN(const Model model, edited(std::move(opened), options, fixed, report, originals));
  report.from = model.origin().format;
  report.warnings = model.warnings();
  report.tensors = model.tensors().size();
  report.bytes_in = model.origin().bytes;
  HOLDALL_ASSIGN(const Format* format, format_to_write(output, options.save.to, model));
  report.to = format->id;
  {
    HOLDALL_ASSIGN(const Plan plan, plan_model(model, output, options.save));
    report.losses.insert(report.losses.end(), plan.losses.begin(), plan.losses.end());
    add_hints(model, report.losses);
    if (!report.losses.empty() && options.save.losses == SaveOptions::Losses::kRefuse) return report;
    ExecuteOptions run = options.save.execute;
    if (!run.progress) run.progress = options.progress;
    HOLDALL_TRY(execute(plan, output, run));
    report.written = true;
  }
  HOLDALL_ASSIGN(const Bundle written, Bundle::open(output, options.open.limits));
  HOLDALL_ASSIGN(report.bytes_out, written.total_bytes());
  report.disarmed = disarmed(input, written, options.open.limits);
  if (options.check == ConvertOptions::Check::kDigests) HOLDALL_TRY(compare_with(model, originals, output, options, report));
  return report;
}

Result<ConvertReport> convert_model(const std::string& input, const std::string& output, const ConvertOptions& options) {
  HOLDALL_ASSIGN(const Bundle bundle, Bundle::open(input, options.open.limits));
  return convert_model(bundle, output, options);
}

void write_conversion(JsonWriter& writer, const ConvertReport& report) {
  writer.begin_object();
  writer.key("input").string(report.input).key("output").string(report.output);
  writer.key("from").string(report.from).key("to").string(report.to);
  writer.key("written").boolean(report.written);
  writer.key("tensors").unsigned_integer(report.tensors);
  writer.key("bytes_in").unsigned_integer(report.bytes_in).key("bytes_out").unsigned_integer(report.bytes_out);
  writer.key("losses").begin_array();
  for (const Loss& loss : report.losses) {
    writer.begin_object().key("where").string(loss.where).key("what").string(loss.what).end_object();
  }
  writer.end_array();
  writer.key("cast").begin_array();
  for (const LightCopy& copy : report.copies) writer.string(copy.name);
  writer.end_array();
  write_copies(writer, report);
  write_strings(writer, "renamed", report.renamed);
  write_strings(writer, "warnings", report.warnings);
  write_strings(writer, "disarmed", report.disarmed);
  writer.key("checked");
  if (report.checked) {
    writer.unsigned_integer(*report.checked);
  } else {
    writer.null();
  }
  write_strings(writer, "differing", report.differing);
  writer.end_object();
}

}  // namespace holdall
