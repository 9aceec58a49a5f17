// What loading and running an archive of torch.jit.save does.
//
// torch.jit.load reads the pickles by a machine of its own in C++ (torch/csrc/jit/serialization/unpickler.cpp), which imports
// nothing of Python's: a global is a class of the archive, of torch.classes, or one of a few names. What else a pickle names is
// refused there and judged by what it would be to any other reader.
#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "holdall/base/text.h"
#include "holdall/codec/json.h"
#include "holdall/codec/pickle.h"
#include "holdall/formats/torch_extra_files.h"
#include "holdall/formats/torch_operators.h"
#include "holdall/formats/torch_storages.h"
#include "holdall/formats/torchscript/code_scan.h"
#include "holdall/formats/torchscript/packed_convolutions.h"
#include "holdall/formats/torchscript/script_archive.h"
#include "holdall/formats/torchscript/script_values.h"
#include "holdall/objects/globals.h"
#include "holdall/objects/interpret.h"
#include "holdall/objects/stray.h"
#include "holdall/objects/torch_types.h"

namespace holdall::torchscript {

namespace {

constexpr std::string_view kNativeClasses = "__torch__.torch.classes.";
// A file of source; torch prints some hundred bytes a module.
constexpr std::uint64_t kLongestSource = 16u << 20;

class Judging {
 public:
  Judging(const TorchArchive& archive, const Context& context, Findings& findings)
      : archive_(archive), context_(context), findings_(findings), is_storage_(archive.zip().members().size()) {}

  Status run() {
    const auto& members = archive_.zip().members();
    if (archive_.has(kModelJson)) HOLDALL_TRY(module_json());
    for (const ZipMember& member : members) {
      const std::string_view record = archive_.record_of(member.name);
      if (record.empty() || record.ends_with('/')) continue;
      HOLDALL_ASSIGN(const Blob blob, archive_.zip().blob(member));
      if (record.ends_with(".py")) HOLDALL_TRY(code(blob));
      if (is_pickle_record(record)) HOLDALL_TRY(pickle(record, blob));
    }
    for (std::size_t i = 0; i < members.size(); ++i) {
      const std::string_view record = archive_.record_of(members[i].name);
      const bool is_read = record.ends_with(".py") || is_pickle_record(record) || TorchArchive::is_frame(record) ||
                           record == kModelJson || record.starts_with("tensors/");
      if (is_read || is_storage_[i] || members[i].size == 0 || members[i].name.ends_with('/')) continue;
      HOLDALL_ASSIGN(const Blob blob, archive_.zip().blob(members[i]));
      HOLDALL_TRY(judge_record(blob, context_, findings_));
    }
    return {};
  }

 private:
  // Anybody may call a file so: what is no module of torch's is something else's, and what that does is not known here.
  Status module_json() {
    HOLDALL_ASSIGN(const Blob blob, archive_.record(kModelJson));
    HOLDALL_ASSIGN(const Bytes text, blob.read(context_.limits.header_bytes));
    Arena arena;
    const auto root = parse_json(arena, text.text(), {.depth = context_.limits.depth});
    if (root && arena.at(*root).is(ValueKind::kDict) && arena.at(*root).find("mainModule").is(ValueKind::kDict)) return {};
    findings_.push_back(
        {Verdict::kUnreadable, Rule::kScriptUnreadable, blob.name(), "this is no description of a TorchScript module"});
    return {};
  }

  Status code(const Blob& blob) {
    auto source = blob.read(std::min(context_.limits.header_bytes, kLongestSource));
    if (source) {
      scan_code(source->text(), blob.name(), findings_);
    } else {
      findings_.push_back({Verdict::kUnreadable, Rule::kScriptUnreadable, blob.name(), source.error().message()});
    }
    return {};
  }

  Status pickle(std::string_view record, const Blob& blob) {
    HOLDALL_ASSIGN(const SourceRef source, slice_source(blob.source(), blob.offset(), blob.size(), blob.name()));
    Arena arena;
    const PickleProgram program = run_pickle(arena, source, 0, {.limits = context_.limits});
    for (const PickleImport& import : program.imports) imported(arena.at(import.global), import, blob.name());
    const std::string_view folder = record.substr(0, record.rfind('.'));
    for (const PickleCall& call : program.calls) {
      if (call.kind == PickleCallKind::kExtension) {
        add(Verdict::kMalicious, Rule::kPickleExtension, blob.name(), call.offset, "looks up a copyreg extension code");
      }
      if (call.kind == PickleCallKind::kPersistent) mark_storage(folder, persistent_id(arena.at(call.object)));
    }
    HOLDALL_TRY(judge_packed_convolutions(arena, program, archive_, folder, blob.name(), findings_));
    if (record == kBytecode) operators(arena, program, blob.name());
    if (program.error) {
      add(Verdict::kUnreadable, Rule::kPickleUnreadable, blob.name(), program.error->offset().value_or(program.end),
          program.error->message());
      judge_stray(source, program.end, context_.limits, findings_);
    } else if (program.end != source->size()) {
      add(Verdict::kUnreadable, Rule::kTrailingBytes, blob.name(), program.end,
          text("{} bytes stand behind the pickle", source->size() - program.end));
      judge_stray(source, program.end, context_.limits, findings_);
    }
    return {};
  }

  void imported(Value global, const PickleImport& import, const std::string& where) {
    if (!global.is(ValueKind::kGlobal)) return;
    const std::string_view module = global.global_module(), name = global.global_name();
    if (import.computed) {
      add(Verdict::kMalicious, Rule::kPickleComputedImport, where, import.offset,
          text("imports {}.{} by a name that the program computes", module, name));
    }
    if (module == "torch.jit._pickle" || global.is_global("__main__", "TensorID") || global.is_global("__main__", "IntList"))
      return;
    if (module == "torch" && torch_storage_dtype(name) != nullptr) return;
    if (is_script_class(module)) {
      const std::string full = text("{}.{}", module, name);
      if (!full.starts_with(kNativeClasses)) return;
      const std::string library =
          full.substr(kNativeClasses.size(), full.find('.', kNativeClasses.size()) - kNativeClasses.size());
      if (is_torch_library(library)) return;
      return add(Verdict::kCode, Rule::kScriptLibrary, where, import.offset,
                 text("makes a torch.classes.{}, native code of another library", full.substr(kNativeClasses.size())),
                 full.substr(kNativeClasses.size()));
    }
    const Verdict verdict = verdict_of_global(module, name);
    if (verdict == Verdict::kInert) return;
    add(verdict, Rule::kPickleGlobal, where, import.offset,
        text("imports {}.{}, which torch.jit.load refuses and Python's unpickler would take", module, name),
        text("{}.{}", module, name));
  }

  void mark_storage(std::string_view folder, Value id) {
    StorageId said;
    const ZipMember* member = storage_record(archive_, folder, id, said);
    // Bytecode shares the storages of the constants.
    if (member == nullptr) member = storage_record(archive_, kConstants, id, said);
    if (member != nullptr) is_storage_[static_cast<std::size_t>(member - archive_.zip().members().data())] = true;
  }

  // ("operators", (("aten::add", "Tensor"), …)), wherever in the bytecode.
  void operators(const Arena& arena, const PickleProgram& program, const std::string& where) {
    if (program.root == kNoNode) return;
    std::vector<bool> seen(arena.size());
    for (NodeId node = 0; node < arena.size(); ++node) {
      const Value pair = arena.at(node);
      if (!pair.is(ValueKind::kTuple) || pair.size() != 2 || !pair.item(0).is(ValueKind::kString) ||
          pair.item(0).as_string() != "operators" || !pair.item(1).is(ValueKind::kTuple)) {
        continue;
      }
      if (seen[pair.item(1).id()]) continue;
      seen[pair.item(1).id()] = true;
      for (std::size_t i = 0; i < pair.item(1).size(); ++i) {
        const Value op = pair.item(1).item(i);
        if (op.is(ValueKind::kTuple) && op.size() > 0 && op.item(0).is(ValueKind::kString)) {
          if (told_.insert(text("{} {}", where, op.item(0).as_string())).second)
            scan_operator(op.item(0).as_string(), where, findings_);
        }
      }
    }
  }

  // The same thing once a record, however often it is there.
  void add(Verdict severity, Rule rule, const std::string& where, std::uint64_t offset, std::string what,
           std::string subject = {}) {
    if (!told_.insert(text("{} {} {}", where, name(rule), what)).second) return;
    findings_.push_back({severity, rule, text("{}@{}", where, offset), std::move(what), std::move(subject)});
  }

  const TorchArchive& archive_;
  const Context& context_;
  Findings& findings_;
  std::vector<bool> is_storage_;
  std::set<std::string> told_;
};

}  // namespace

Status judge_module(const TorchArchive& archive, const Context& context, Findings& findings) {
  return Judging(archive, context, findings).run();
}

}  // namespace holdall::torchscript
