// joblib's files: a pickle with the arrays of NumPy standing raw behind their wrappers, compressed or not. See README.md.
#include <algorithm>
#include <utility>
#include <vector>

#include "holdall/base/printable.h"
#include "holdall/base/text.h"
#include "holdall/codec/compress.h"
#include "holdall/codec/pickle.h"
#include "holdall/formats/format.h"
#include "holdall/formats/held_models.h"
#include "holdall/formats/joblib/joblib_arrays.h"
#include "holdall/formats/joblib/joblib_plan.h"
#include "holdall/formats/joblib/joblib_stream.h"
#include "holdall/formats/program_check.h"
#include "holdall/io/kept.h"
#include "holdall/objects/globals.h"
#include "holdall/objects/interpret.h"
#include "holdall/objects/interpretation.h"
#include "holdall/objects/stray.h"

namespace holdall {
namespace joblib {
namespace {

constexpr std::string_view kMark = "joblib.numpy_pickle";
constexpr std::size_t kMostWarnings = 100;

// What match() spends on a plain pickle to learn whether a wrapper stands behind its first 4096 bytes. A longer one is run to
// its end where the name of a wrapper's module is found in it.
constexpr std::uint64_t kGuessOpcodes = 1'000'000;
constexpr std::uint64_t kGuessBytes = 64u << 20;

bool begins_pickle(std::span<const std::byte> head) {
  const auto byte = [&](std::size_t i) { return std::to_integer<unsigned char>(head[i]); };
  return head.size() > 2 && byte(0) == 0x80 && byte(1) <= kHighestPickleProtocol && is_pickle_opcode(byte(2));
}

// An archive with such a file in it is none, though 'P' is an opcode, too.
bool holds_mark(std::span<const std::byte> head) {
  return as_text(head).find(kMark) != std::string_view::npos && !as_text(head).starts_with("PK\x03\x04") &&
         is_pickle_opcode(std::to_integer<unsigned char>(head[0]));
}

bool mentions_wrappers(const Source& source) {
  constexpr std::uint64_t kTile = 1u << 20;
  std::vector<std::byte> tile(static_cast<std::size_t>(std::min(source.size(), kTile)));
  for (std::uint64_t offset = 0; offset + tile.size() <= source.size();) {
    if (!source.read_at(offset, tile)) return false;
    if (as_text(std::span(tile)).find(kMark) != std::string_view::npos) return true;
    if (offset + tile.size() == source.size()) return false;
    offset = std::min(offset + tile.size() - (kMark.size() - 1), source.size() - tile.size());
  }
  return false;
}

// Whether text of these bytes may name a wrapper's module: as it is, or with the escapes that two opcodes read.
bool may_name_wrappers(std::span<const std::byte> bytes) {
  const std::string_view text = as_text(bytes);
  return text.find(kMark) != std::string_view::npos || text.find('\\') != std::string_view::npos;
}

// Whether running a pickle, as far as the limits let it, builds a wrapper; and whether it was the limits that ended it.
struct Wrapped {
  bool found = false;
  bool is_cut = false;
};
Wrapped run_to_wrapper(const SourceRef& source, const Limits& limits) {
  Arena arena;
  bool found = false;
  PickleOptions options;
  options.limits = limits;
  options.after_build = [&](NodeId object, std::uint64_t) -> Result<std::uint64_t> {
    found = wrapper_of(arena.at(object)) != Wrapper::kNone;
    if (found) return invalid_argument("that is enough");
    return std::uint64_t{0};
  };
  const PickleProgram program = run_pickle(arena, source, 0, options);
  return {found, program.error && program.error->code() == Code::kLimit};
}

bool holds_wrapper(const SourceRef& source, const Limits& limits) {
  Limits few = limits;
  few.opcodes = std::min(limits.opcodes, kGuessOpcodes);
  few.value_bytes = std::min(limits.value_bytes, kGuessBytes);
  const Wrapped head = run_to_wrapper(source, few);
  return head.found || (head.is_cut && mentions_wrappers(*source) && run_to_wrapper(source, limits).found);
}

Match match(Peek& peek) {
  if (peek.is_folder()) return Match::kNo;
  const auto head = peek.head();
  if (looks_like_zfile(head)) return Match::kCertain;
  if (detect_compression(head) != Compression::kNone) {
    const auto inflated = peek.inflated_head();
    if (holds_mark(inflated)) return Match::kCertain;
    return begins_pickle(inflated) ? Match::kLikely : Match::kNo;
  }
  if (holds_mark(head)) return Match::kCertain;
  if (!begins_pickle(head)) return Match::kNo;
  const SourceRef& file = peek.bundle().main();
  if (const auto whole = file->resident(); whole && !may_name_wrappers(*whole)) return Match::kNo;
  return holds_wrapper(file, peek.limits()) ? Match::kCertain : Match::kNo;
}

std::string file_name(const Bundle& bundle) {
  if (!bundle.names().empty()) return bundle.names().front();
  const std::string& path = bundle.path();
  return path.substr(path.rfind('/') + 1);
}

// Decodes what lies behind the pickle, so that all of the stream is known to be whole. Where it is not, that is why the pickle
// in it is none.
Status find_end(const Source& stream, const PickleProgram& program) {
  if (program.error && program.error->code() != Code::kCorrupt) return {};
  return stream.find_end();
}

// One file on its way to a model.
class Reading {
 public:
  Reading(const Bundle& bundle, const Context& context, ModelBuilder& builder)
      : bundle_(bundle), context_(context), builder_(builder), file_(file_name(bundle)) {}

  Status run() {
    HOLDALL_ASSIGN(stream_, open_stream(bundle_.main(), context_.limits));
    Arena& arena = *builder_.arena;
    Arrays arrays(arena, stream_.bytes, context_.limits,
                  context_.wanted == Context::Wanted::kAll ? Arrays::Passing::kKeep : Arrays::Passing::kPassOver);
    PickleOptions options;
    options.limits = context_.limits;
    options.after_build = [&](NodeId object, std::uint64_t offset) { return arrays.behind(object, offset); };
    const auto first = static_cast<NodeId>(arena.size());
    const PickleProgram program = run_pickle(arena, stream_.bytes, 0, options);
    HOLDALL_TRY(find_end(*stream_.bytes, program));
    if (program.error) return *program.error;
    for (const Inline& array : arrays.inlined()) HOLDALL_TRY(take(array));
    for (const Beside& array : arrays.beside()) HOLDALL_TRY(take(array));
    InterpretOptions how;
    how.limits = context_.limits;
    how.add = [&](Tensor tensor) { return builder_.add(std::move(tensor), file_); };
    if (auto done = interpret(arena, first, program.root, how); !done) return std::move(done).error().in(file_);
    open_held_models(builder_, first, context_, file_);
    for (const Objects& array : arrays.objects()) arena.replace(array.object, array.root);
    for (const PickleOddity& oddity : program.oddities) {
      // joblib writes opcodes of protocols ahead of the one that it declares.
      if (oddity.kind != PickleOddity::Kind::kProtocol) warn(text("@ {}: {}", oddity.offset, oddity.what));
    }
    builder_.tree = program.root;
    protocol = program.protocol;
    end = program.end;
    return {};
  }

  const Stream& stream() const noexcept { return stream_; }
  std::string trailing() const {
    return text("{} bytes behind the end of the pickle at {} are no pickle", stream_.bytes->size() - end, end);
  }
  bool has_trailing() const { return end < stream_.bytes->size(); }

  int protocol = 0;
  std::uint64_t end = 0;
  std::vector<std::string> files;  // beside the one that was opened

 private:
  void warn(std::string what) {
    if (builder_.warnings.size() < kMostWarnings) builder_.warnings.push_back(std::move(what));
  }

  // A subclass (numpy.matrix) is an object of its class around the tensor.
  void put(NodeId object, Value subclass, Tensor tensor, const std::string& file) {
    Arena& arena = *builder_.arena;
    const NodeId made = arena.tensor({.index = builder_.add(std::move(tensor), file)});
    const bool is_plain =
        !subclass.is(ValueKind::kGlobal) || subclass.is_global("numpy", "ndarray") || subclass.global_name() == "memmap";
    if (is_plain) return arena.replace(object, made);
    ObjectParts parts;
    parts.callee = subclass.id();
    parts.args = arena.tuple({made});
    arena.replace(object, arena.object(std::move(parts)));
  }

  Status take(const Inline& array) {
    HOLDALL_ASSIGN(Blob data, Blob(stream_.bytes).slice(array.offset, array.bytes));
    if (array.kept) data = Blob(kept_source(*array.kept, std::move(data)));
    HOLDALL_ASSIGN(Tensor tensor, numpy_tensor(array.dtype, array.shape, array.order, std::move(data)));
    put(array.object, builder_.arena->at(array.subclass), std::move(tensor), file_);
    return {};
  }

  Status take(const Beside& array) {
    if (std::find(files.begin(), files.end(), array.file) == files.end()) files.push_back(array.file);
    const Value wrapper = builder_.arena->at(array.object);
    const Value state = wrapper.of(wrapper.as_object().state);
    if (array.kind == Wrapper::kBesideCompressed) return take_compressed(array, state);
    HOLDALL_ASSIGN(const Bundle part, bundle_.part(array.file));
    HOLDALL_ASSIGN(const Model model, context_.open(part));
    if (model.tensors().size() != 1 || !model.tree().is(ValueKind::kTensor)) {
      warn(text("{} holds no plain array; the wrapper of it stays an object", array.file));
      return {};
    }
    put(array.object, state.find("subclass"), model.tensors().front().tensor, array.file);
    return {};
  }

  // The arguments of _reconstruct, the state of an array without its bytes, and a ZF file of those.
  Status take_compressed(const Beside& array, Value state) {
    const Value parts = state.find("state");
    const Value init = state.find("init_args");
    if (!parts.is(ValueKind::kTuple) || parts.size() < 3 || !init.is(ValueKind::kTuple) || init.size() == 0) {
      return corrupt("the wrapper of a compressed array has no state").in(stream_.bytes->name());
    }
    const std::size_t at = parts.size() - 3;
    const auto sizes = integers(parts.item(at));
    if (!sizes || std::any_of(sizes->begin(), sizes->end(), [](std::int64_t size) { return size < 0; })) {
      return corrupt("the shape of a compressed array is no tuple of sizes").in(stream_.bytes->name());
    }
    const Value fortran = parts.item(at + 2);
    const bool is_fortran =
        (fortran.is(ValueKind::kBool) && fortran.as_bool()) || (fortran.is(ValueKind::kInt) && fortran.as_int() != 0);
    HOLDALL_ASSIGN(const NpyDType dtype, numpy_dtype(parts.item(at + 1)));
    HOLDALL_ASSIGN(const SourceRef file, bundle_.open_part(array.file));
    HOLDALL_ASSIGN(Stream data, open_stream(file, context_.limits));
    HOLDALL_TRY(data.bytes->find_end());
    HOLDALL_ASSIGN(Tensor tensor, numpy_tensor(dtype, Shape(sizes->begin(), sizes->end()),
                                               is_fortran ? NumpyOrder::kFortran : NumpyOrder::kC, Blob(data.bytes)));
    put(array.object, init.item(0), std::move(tensor), array.file);
    return {};
  }

  const Bundle& bundle_;
  const Context& context_;
  ModelBuilder& builder_;
  std::string file_;
  Stream stream_;
};

Result<Model> read(const Bundle& bundle, const Context& context) {
  ModelBuilder builder;
  Reading reading(bundle, context, builder);
  HOLDALL_TRY(reading.run());
  if (reading.has_trailing()) {
    builder.warnings.push_back(reading.trailing());
    builder.left_out.push_back(reading.trailing());
  }
  std::string detail = text("protocol {}", reading.protocol);
  if (!reading.stream().compression.empty()) detail += ", " + reading.stream().compression;
  std::vector<std::string> files = {file_name(bundle)};
  files.insert(files.end(), reading.files.begin(), reading.files.end());
  builder.origin = {"joblib", std::move(detail), bundle.path(), std::move(files), bundle.main()->size()};
  return std::move(builder).named_by_tree();
}

// Opening decodes all of a compressed stream, and so compares its checksum; arrays have none of their own.
Status verify(const Bundle& bundle, const Context& context, Faults& faults) {
  ModelBuilder builder;
  Reading reading(bundle, context, builder);
  HOLDALL_TRY(reading.run());
  if (reading.has_trailing()) faults.list.push_back({bundle.main()->name(), reading.end, reading.trailing()});
  return {};
}

// joblib.load reads a file beside this one by numpy.load(allow_pickle=True), wherever its name leads.
void judge_beside(const Beside& array, const Bundle& bundle, const Context& context, Findings& findings) {
  const std::string where = text("{}@{}", bundle.main()->name(), array.at);
  if (!is_contained(array.file)) {
    findings.push_back({Verdict::kMalicious, Rule::kJoblibPath, where, text("loads '{}', which lies elsewhere", array.file)});
    return;
  }
  const auto part = bundle.part(array.file);
  if (!part) {
    findings.push_back({Verdict::kUnreadable, Rule::kJoblibMissing, where, part.error().to_string()});
    return;
  }
  if (array.kind == Wrapper::kBesideCompressed) return;  // raw bytes alone
  if (const Status judged = context.acts(*part, findings); !judged)
    findings.push_back({Verdict::kUnreadable, Rule::kNotUnderstood, where, judged.error().to_string()});
}

// The wrappers are what joblib is made of: known to the last byte here, and arrays to whom they are given. A class of them that
// the program hands to a call is none of it.
void forget_wrappers(Arena& arena, const Arrays& arrays, PickleProgram& program) {
  for (const Inline& array : arrays.inlined()) arena.replace(array.object, arena.tensor({}));
  for (const Beside& array : arrays.beside()) arena.replace(array.object, arena.tensor({}));
  for (const Objects& array : arrays.objects()) arena.replace(array.object, array.root);
  PlainVector<PickleImport> others;
  for (const PickleImport& import : program.imports) {
    if (!is_wrapper_class(arena.at(import.global)) || import.computed || program.passed.contains(import.global)) {
      others.push_back(import);
    }
  }
  program.imports = std::move(others);
}

struct Range {
  std::uint64_t begin = 0, end = 0;
};

// pickle.load() and others pass over no raw array, but run it as opcodes: what they import there. Where arrays are arrays they
// end at one of its first bytes.
void judge_raw(const SourceRef& stream, const std::vector<Range>& raw, const Limits& limits, Findings& findings) {
  if (raw.empty()) return;
  Arena arena;
  const PickleProgram program = run_pickle(arena, stream, 0, {.limits = limits, .shorten_integers = true});
  for (const PickleImport& import : program.imports) {
    const auto range = std::upper_bound(raw.begin(), raw.end(), import.offset,
                                        [](std::uint64_t at, const Range& one) { return at < one.end; });
    const Value global = arena.at(import.global);
    const Verdict verdict =
        import.computed ? Verdict::kMalicious : verdict_of_global(global.global_module(), global.global_name());
    if (range == raw.end() || import.offset < range->begin || verdict == Verdict::kInert) continue;
    std::string name = printable(text("{}.{}", global.global_module(), global.global_name()));
    findings.push_back({verdict, Rule::kPickleGlobal, text("{}@{}", stream->name(), import.offset),
                        text("other loaders run an array's bytes, which import {}", name), name});
    return;
  }
}

Status acts(const Bundle& bundle, const Context& context, Findings& findings) {
  HOLDALL_ASSIGN(const Stream stream, open_stream(bundle.main(), context.limits));
  Limits limits = context.limits;
  limits.depth = UINT32_MAX;  // Python's has none, and nothing that judges recurses
  Arena arena;
  Arrays arrays(arena, stream.bytes, limits);
  std::vector<Range> raw;
  bool is_raw = true;
  arrays.nested = [&](const PickleProgram& program) {
    is_raw = false;
    judge_program(arena, program, stream.bytes, context, findings);
  };
  PickleOptions options;
  options.limits = limits;
  options.after_build = [&](NodeId object, std::uint64_t offset) {
    is_raw = true;
    auto passed = arrays.behind(object, offset);
    if (passed && *passed > 0 && is_raw) raw.push_back({offset, offset + *passed});
    return passed;
  };
  PickleProgram program = run_pickle(arena, stream.bytes, 0, options);
  judge_raw(stream.bytes, raw, limits, findings);
  HOLDALL_TRY(find_end(*stream.bytes, program));
  forget_wrappers(arena, arrays, program);
  judge_program(arena, program, stream.bytes, context, findings);
  for (const Beside& array : arrays.beside()) judge_beside(array, bundle, context, findings);
  if (program.error || program.end == stream.bytes->size()) return {};
  findings.push_back({Verdict::kUnreadable, Rule::kPickleTrailing, text("{}@{}", stream.bytes->name(), program.end),
                      text("{} bytes behind the end of the pickle are no pickle", stream.bytes->size() - program.end)});
  judge_stray(stream.bytes, program.end, context.limits, findings);
  return {};
}

constexpr std::string_view kExtensions[] = {".joblib"};

}  // namespace
}  // namespace joblib

extern const Format k_joblib_format;
constinit const Format k_joblib_format = {
    .id = "joblib",
    .title = ".joblib .pkl: plain, zlib, gzip, bz2, lzma, xz, lz4; arrays of objects as inert trees",
    .extensions = joblib::kExtensions,
    .folder = false,
    .match = joblib::match,
    .read = joblib::read,
    .verify = joblib::verify,
    .acts = joblib::acts,
    .plan = joblib::plan,
};

}  // namespace holdall
