// What torch.export.load runs of an archive, and what calling the program then does.
#include <algorithm>
#include <memory>
#include <vector>

#include "holdall/base/text.h"
#include "holdall/formats/program_check.h"
#include "holdall/formats/torch_export/exported.h"
#include "holdall/formats/torch_export/expression.h"
#include "holdall/formats/torch_export/tree_spec.h"
#include "holdall/formats/torch_extra_files.h"
#include "holdall/formats/torch_operators.h"
#include "holdall/objects/globals.h"

namespace holdall::torch_export {

namespace {

constexpr std::string_view kTorch = "pytorch";  // whose loader torch.load is
constexpr std::string_view kPickle = "pickle";

// Names that a target of Python's module operator must not have: they call or look up what they are given.
bool is_caller(std::string_view name) { return name == "call" || name == "methodcaller" || name == "attrgetter"; }

class Judging {
 public:
  Judging(const std::string& where, Findings& findings) : where_(where), findings_(findings) {}

  void program(const Arena& arena, Value root) {
    for (NodeId node = 0; node < arena.size(); ++node) {
      const Value value = arena.at(node);
      if (!value.is(ValueKind::kDict)) continue;
      if (const auto size = value.find_string("expr_str")) expression(*size);
      if (const auto target = value.find_string("target"); target && value.find("inputs")) this->target(*target);
      if (const auto target = value.find_string("as_operator")) this->target(*target);
      for (const std::string_view tree : {"in_spec", "out_spec"})
        if (const auto spec = value.find_string(tree)) judge_tree_spec(*spec, where_, findings_);
    }
    const Value ranges = root.find("range_constraints");
    for (std::size_t i = 0; ranges.is(ValueKind::kDict) && i < ranges.size(); ++i) expression(ranges.key(i).as_string());
    const Value guards = root.find("guards_code");
    for (std::size_t i = 0; guards.is(ValueKind::kList) && i < guards.size(); ++i) {
      if (!guards.item(i).is(ValueKind::kString)) continue;
      if (const auto foreign = foreign_in_guard(guards.item(i).as_string())) {
        add(Verdict::kCode, Rule::kExportGuard,
            text("a guard has {}; guards become Python when the program is called", *foreign));
      }
    }
  }

 private:
  void expression(std::string_view size) {
    if (const auto foreign = foreign_in_size(size)) {
      add(Verdict::kMalicious, Rule::kExportExpression,
          text("a size has {}, which torch.export.load has sympy evaluate as Python", *foreign));
    }
  }

  // "torch.ops.aten.add.Tensor", "_operator.add", "math.sqrt", "#extension…": looked up attribute by attribute.
  void target(std::string_view name) {
    if (name.starts_with('#')) return add(Verdict::kCode, Rule::kExportTarget, text("calls an extension's operator {}", name));
    if (name.starts_with("_operator")) {
      const std::string_view member = name.substr(name.rfind('.') + 1);
      if (is_caller(member)) add(Verdict::kMalicious, Rule::kExportTarget, text("calls {}", name));
      return;
    }
    if (!name.starts_with("torch")) return;
    constexpr std::string_view kOps = "torch.ops.";
    if (name.starts_with(kOps)) return op(name.substr(kOps.size()));
    if (name.starts_with("torch.sym_") || name.starts_with("torch._sym_")) return;
    const std::size_t dot = name.rfind('.');
    if (dot == std::string_view::npos) return;
    const Verdict verdict = verdict_of_global(name.substr(0, dot), name.substr(dot + 1));
    if (verdict != Verdict::kInert)
      add(verdict, Rule::kExportTarget, text("looks up {} and calls it", name), std::string(name));
  }

  void op(std::string_view name) {
    const std::string_view library = name.substr(0, name.find('.'));
    const std::string_view rest = name.substr(std::min(name.size(), library.size() + 1));
    if (library == "higher_order") return;
    if (!is_torch_library(library)) {
      return add(Verdict::kCode, Rule::kScriptLibrary, text("calls torch.ops.{}, native code of another library", name),
                 std::string(name));
    }
    const std::string_view called = rest.substr(0, rest.find('.'));
    if (library == "aten" && is_unchecked(called)) {
      add(Verdict::kMalicious, Rule::kScriptLibrary, text("calls torch.ops.{}, {}", name, kUnchecked), std::string(name));
    } else if (library == "aten" && file_use(called) != FileUse::kNone) {
      add(Verdict::kCode, Rule::kScriptFile, text("calls torch.ops.{}, which uses files", name));
    }
  }

  void add(Verdict severity, Rule rule, std::string what, std::string subject = {}) {
    constexpr std::size_t kMost = 100;
    if (found_ >= kMost) return;
    ++found_;
    findings_.push_back({severity, rule, where_, std::move(what), std::move(subject)});
  }

  const std::string& where_;
  Findings& findings_;
  std::size_t found_ = 0;
};

bool is_config(std::string_view record) { return record.ends_with(".json"); }

// Bytes of a tensor, which may begin as a pickle does: that they are none is as it should be.
Status judge_raw(const Blob& blob, const Context& context, Findings& findings) {
  Findings own;
  HOLDALL_TRY(judge_record(blob, context, own));
  for (Finding& finding : own)
    if (!is_no_pickle(finding)) findings.push_back(std::move(finding));
  return {};
}

// A record of data/: raw bytes, or a file of its own.
Status judge_data(std::string_view record, const Blob& blob, const Context& context, Findings& findings) {
  HOLDALL_ASSIGN(const SourceRef part, slice_source(blob.source(), blob.offset(), blob.size(), blob.name()));
  const Bundle file = Bundle::of(part);
  const std::string_view name = record.substr(record.rfind('/') + 1);
  if (record.starts_with("data/aotinductor/")) {
    if (!is_config(record)) {
      const std::string_view native = native_code(blob);
      findings.push_back({Verdict::kCode, Rule::kNativeCode, blob.name(),
                          text("{}: what AOTInductor compiled, which runs when the program is called",
                               native.empty() ? std::string_view("code") : native)});
    }
    return {};
  }
  // torch.load takes what is no archive for a row of pickles; raw weights begin as they please.
  if (record.ends_with(".pt")) return context.acts_as(kTorch, file, findings);
  if (name.starts_with("opaque_obj_")) return context.acts_as(kPickle, file, findings);
  return judge_raw(blob, context, findings);
}

}  // namespace

void judge_exported(Value program, const std::string& where, Findings& findings) {
  Judging(where, findings).program(program.arena(), program);
}

namespace {

// Records that configs say are pickled, which torch.load opens whatever they look like.
Result<std::vector<std::string>> pickled(const Package& package, const Context& context) {
  std::vector<std::string> records;
  for (const std::string& model : package.models()) {
    const auto add = [&](const std::string& config) -> Status {
      if (config.empty()) return {};
      HOLDALL_ASSIGN(const Blob blob, package.record(config));
      HOLDALL_ASSIGN(const std::vector<Payload> payloads, read_payloads(blob, context.limits));
      const std::string folder = config.substr(0, config.rfind('/') + 1);
      for (const Payload& payload : payloads) {
        const bool is_object = payload.path.starts_with("custom_obj_") || payload.path.starts_with("opaque_obj_");
        if (payload.is_pickled && !is_object) records.push_back(folder + payload.path);
      }
      return {};
    };
    HOLDALL_TRY(add(weights_config(package, model)));
    HOLDALL_TRY(add(constants_config(package, model)));
  }
  for (const std::string& model : compiled_models(package)) {
    HOLDALL_ASSIGN(const Blob config, package.record(compiled_config(model)));
    HOLDALL_ASSIGN(const std::vector<CompiledWeight> weights, read_compiled_weights(config, context.limits));
    for (const CompiledWeight& weight : weights) records.push_back(text("data/weights/{}", weight.path));
  }
  std::sort(records.begin(), records.end());
  return records;
}

}  // namespace

Status judge_package(const Package& package, const Context& context, Findings& findings) {
  for (const std::string& model : package.models()) {
    Arena arena;
    HOLDALL_ASSIGN(const NodeId root, read_program(package, model, arena, context.limits));
    judge_exported(arena.at(root), text("{}!{}", package.zip().source()->name(), package.program_of(model)), findings);
  }
  HOLDALL_ASSIGN(const std::vector<std::string> loaded, pickled(package, context));
  for (const ZipMember& member : package.zip().members()) {
    const std::string_view record = package.record_of(member.name);
    const bool is_frame = TorchArchive::is_frame(record) || record == "archive_format" || record == "archive_version";
    if (member.size == 0 || member.name.ends_with('/') || is_frame || record.starts_with("models/") || record == kProgram)
      continue;
    HOLDALL_ASSIGN(const Blob blob, package.zip().blob(member));
    if (std::binary_search(loaded.begin(), loaded.end(), record)) {
      HOLDALL_ASSIGN(SourceRef part, slice_source(blob.source(), blob.offset(), blob.size(), blob.name()));
      HOLDALL_TRY(context.acts_as(kTorch, Bundle::of(std::move(part)), findings));
    } else if (record.starts_with("data/") || record.ends_with(".pt")) {
      HOLDALL_TRY(judge_data(record, blob, context, findings));
    } else {
      HOLDALL_TRY(judge_record(blob, context, findings));
    }
  }
  return {};
}

}  // namespace holdall::torch_export
