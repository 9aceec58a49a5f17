// Any pickle as an inert tree; the arrays of NumPy in it are tensors. See README.md.
#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/codec/pickle.h"
#include "holdall/formats/format.h"
#include "holdall/formats/held_models.h"
#include "holdall/formats/pickle/pickle_plan.h"
#include "holdall/formats/program_check.h"
#include "holdall/objects/globals.h"
#include "holdall/objects/interpret.h"
#include "holdall/objects/stray.h"
#include "holdall/objects/torch_types.h"

namespace holdall {
namespace pickle {
namespace {

// A file may hold several pickles one behind another, as repeated pickle.dump calls leave them; more than these are not looked
// at.
constexpr std::size_t kMostPickles = 10'000;

constexpr std::size_t kMostWarnings = 100;

// What match() spends on a file that begins with no protocol.
constexpr std::uint64_t kGuessOpcodes = 20'000;
constexpr std::uint64_t kGuessBytes = 8u << 20;
// So many opcodes make no sense by chance, whatever follows them.
constexpr std::uint64_t kConvincing = 8;

// What a file without a protocol is: its pickles are run one behind another, until something makes sense for longer than text
// does by chance. A call is what a scanner must see, even where the rest is broken, and so is an import with more than a word
// behind it. What is too large to be told is one until it is read whole.
Match guess(Peek& peek) {
  PickleOptions options;
  options.limits = peek.limits();
  options.limits.value_bytes = kGuessBytes;
  options.limits.opcodes = kGuessOpcodes;
  for (std::uint64_t at = 0, opcodes = 0; at < peek.size();) {
    Arena arena;
    const PickleProgram program = run_pickle(arena, peek.bundle().main(), at, options);
    opcodes += program.opcodes;
    if (program.is_read_otherwise) return Match::kMaybe;
    if (program.error && program.error->code() == Code::kLimit)
      return program.opcodes >= kGuessOpcodes ? Match::kLikely : Match::kMaybe;
    if (!program.calls.empty() || (!program.error && (opcodes >= kConvincing || !program.imports.empty())))
      return Match::kMaybe;
    if (program.error) return program.cut_short && !program.imports.empty() && program.opcodes > 2 ? Match::kMaybe : Match::kNo;
    at = program.end;
  }
  return Match::kMaybe;
}

Match match(Peek& peek) {
  if (peek.is_folder()) return Match::kNo;
  const auto head = peek.head();
  if (head.empty()) return Match::kNo;
  const auto byte = [&](std::size_t i) { return std::to_integer<unsigned char>(head[i]); };
  if (byte(0) == 0x80) {
    const bool known = head.size() > 2 && byte(1) <= kHighestPickleProtocol && is_pickle_opcode(byte(2));
    return known ? Match::kLikely : Match::kNo;
  }
  // 'P' is an opcode, too: a persistent id, which Python's own unpickler refuses.
  if (!is_pickle_opcode(byte(0)) || as_text(head).starts_with("PK\x03\x04")) return Match::kNo;
  return guess(peek);
}

std::string file_name(const Bundle& bundle) {
  if (!bundle.names().empty()) return bundle.names().front();
  const std::string& path = bundle.path();
  return path.substr(path.rfind('/') + 1);
}

// Runs the pickles of a file, each in the arena that `arena_of` gives, and hands them to `use`; ends behind the last or with
// the first that fails, which is handed over too.
using Use = std::function<Status(Arena& arena, NodeId first, const PickleProgram& program)>;
Result<std::uint64_t> each_pickle(const SourceRef& source, const Limits& limits, const std::function<Arena&()>& arena_of,
                                  const Use& use) {
  PickleOptions options;
  options.limits = limits;
  std::uint64_t at = 0;
  for (std::size_t count = 0; count < kMostPickles && (at < source->size() || count == 0); ++count) {
    Arena& arena = arena_of();
    const auto first = static_cast<NodeId>(arena.size());
    const PickleProgram program = run_pickle(arena, source, at, options);
    HOLDALL_TRY(use(arena, first, program));
    if (program.error) break;
    at = program.end;
  }
  return at;
}

struct Contents {
  std::vector<NodeId> roots;
  int protocol = 0;
  std::uint64_t end = 0;  // behind the last pickle
};

// The storage that a torch file holds and nothing else.
std::optional<TypedStorage> storage_of(const Model& model) {
  const Value object = model.tree();
  if (!object.is(ValueKind::kObject) || model.tensors().size() != 1) return std::nullopt;
  const Value callee = object.of(object.as_object().callee);
  const Value args = object.of(object.as_object().args);
  const bool is_storage =
      callee.is(ValueKind::kGlobal) && builder_of(callee.global_module(), callee.global_name()) == Builder::kStorageClass;
  if (!is_storage || args.size() != 1 || !args.item(0).is(ValueKind::kTensor)) return std::nullopt;
  const Tensor& all = model.tensors().front().tensor;
  return TypedStorage{all.storage(), all.dtype(), is_untyped_storage(callee.global_name()), all.layout().offset,
                      all.elements()};
}

// Opens the torch file that Python's pickle puts into bytes for every tensor. What it cannot read stays an object, with a
// warning.
std::optional<TypedStorage> load_storage(const Blob& bytes, const Context& context, std::vector<std::string>& warnings) {
  const auto refuse = [&](const Error& error) -> std::optional<TypedStorage> {
    if (warnings.size() < kMostWarnings)
      warnings.push_back(text("a torch file within the pickle is not read: {}", error.to_string()));
    return std::nullopt;
  };
  auto file = slice_source(bytes.source(), bytes.offset(), bytes.size(), bytes.name() + "!bytes");
  if (!file) return refuse(file.error());
  const auto model = context.open(Bundle::of(std::move(*file)));
  if (!model) return refuse(model.error());
  auto storage = storage_of(*model);
  return storage ? storage : refuse(corrupt("it holds no storage").in(model->origin().path));
}

Result<Contents> contents(const Bundle& bundle, const Context& context, ModelBuilder& builder) {
  const SourceRef& source = bundle.main();
  const std::string file = file_name(bundle);
  Contents found;
  InterpretOptions options;
  options.limits = context.limits;
  options.add = [&](Tensor tensor) { return builder.add(std::move(tensor), file); };
  options.load = [&](const Blob& bytes) { return load_storage(bytes, context, builder.warnings); };
  const auto keep = [&](Arena& arena, NodeId first, const PickleProgram& program) -> Status {
    if (program.error) return found.roots.empty() ? Status(*program.error) : Status();
    auto done = interpret(arena, first, program.root, options);
    if (!done) return std::move(done).error().in(source->name());
    open_held_models(builder, first, context, file);
    found.roots.push_back(program.root);
    found.protocol = std::max(found.protocol, program.protocol);
    for (const PickleOddity& oddity : program.oddities) {
      if (builder.warnings.size() < kMostWarnings) builder.warnings.push_back(text("@ {}: {}", oddity.offset, oddity.what));
    }
    return {};
  };
  HOLDALL_ASSIGN(found.end, each_pickle(source, context.limits, [&]() -> Arena& { return *builder.arena; }, keep));
  return found;
}

std::string trailing(const SourceRef& source, std::uint64_t end) {
  return text("{} bytes behind the end of the pickle at {} are no pickle", source->size() - end, end);
}

Result<Model> read(const Bundle& bundle, const Context& context) {
  const SourceRef& source = bundle.main();
  ModelBuilder builder;
  HOLDALL_ASSIGN(Contents found, contents(bundle, context, builder));
  std::string detail = text("protocol {}", found.protocol);
  if (found.roots.size() == 1) {
    builder.tree = found.roots.front();
  } else {
    detail += text(", {} pickles", found.roots.size());
    builder.warnings.push_back(text("{} pickles stand one behind another; pickle.load reads the first", found.roots.size()));
    builder.tree = builder.arena->list(std::move(found.roots));
  }
  if (found.end < source->size()) {
    builder.warnings.push_back(trailing(source, found.end));
    builder.left_out.push_back(trailing(source, found.end));
  }
  builder.origin = {"pickle", std::move(detail), bundle.path(), {file_name(bundle)}, source->size()};
  return std::move(builder).named_by_tree();
}

// A pickle holds no checksum: it is whole when its program runs to its end and nothing stands behind it.
Status verify(const Bundle& bundle, const Context& context, Faults& faults) {
  const SourceRef& source = bundle.main();
  ModelBuilder builder;
  HOLDALL_ASSIGN(const Contents found, contents(bundle, context, builder));
  if (found.end < source->size()) faults.list.push_back({source->name(), found.end, trailing(source, found.end)});
  return {};
}

Status acts(const Bundle& bundle, const Context& context, Findings& findings) {
  const SourceRef& source = bundle.main();
  Limits limits = context.limits;
  limits.depth = UINT32_MAX;  // Python's has none, and nothing that judges recurses
  std::unique_ptr<Arena> arena;
  const auto fresh = [&]() -> Arena& { return *(arena = std::make_unique<Arena>()); };
  std::size_t pickles = 0;
  bool failed = false;
  const auto use = [&](Arena& values, NodeId, const PickleProgram& program) -> Status {
    ++pickles;
    failed = program.error.has_value();
    judge_program(values, program, source, context, findings);
    return {};
  };
  HOLDALL_ASSIGN(const std::uint64_t end, each_pickle(source, limits, fresh, use));
  if (end == source->size() || (failed && pickles == 1)) return {};
  // What stands behind whole pickles may begin anywhere.
  findings.push_back({Verdict::kUnreadable, Rule::kPickleTrailing, text("{}@{}", source->name(), end), trailing(source, end)});
  judge_stray(source, end, context.limits, findings);
  return {};
}

constexpr std::string_view kExtensions[] = {".pkl", ".pickle"};

}  // namespace
}  // namespace pickle

extern const Format k_pickle_format;
constinit const Format k_pickle_format = {
    .id = "pickle",
    .title = ".pkl .pickle: every protocol, as inert trees; NumPy arrays in them are tensors",
    .extensions = pickle::kExtensions,
    .folder = false,
    .match = pickle::match,
    .read = pickle::read,
    .verify = pickle::verify,
    .acts = pickle::acts,
    .plan = pickle::plan,
};

}  // namespace holdall
