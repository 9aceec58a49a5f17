// Any pickle as an inert tree; the arrays of NumPy in it are tensors. See README.md.
#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/codec/pickle.h"
#include "holdall/formats/format.h"
#include "holdall/formats/pickle/pickle_plan.h"
#include "holdall/objects/interpret.h"
#include "holdall/objects/judge.h"

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

Match match(Peek& peek) {
  if (peek.is_folder()) return Match::kNo;
  const auto head = peek.head();
  if (head.empty()) return Match::kNo;
  const auto byte = [&](std::size_t i) { return std::to_integer<unsigned char>(head[i]); };
  if (byte(0) == 0x80) {
    const bool known = head.size() > 2 && byte(1) <= kHighestPickleProtocol && is_pickle_opcode(byte(2));
    return known ? Match::kLikely : Match::kNo;
  }
  if (!is_pickle_opcode(byte(0))) return Match::kNo;
  Arena arena;
  PickleOptions options;
  options.limits = peek.limits();
  options.limits.opcodes = kGuessOpcodes;
  options.limits.value_bytes = kGuessBytes;
  const PickleProgram program = run_pickle(arena, peek.bundle().main(), 0, options);
  const bool goes_on = program.error && program.error->code() == Code::kLimit && program.opcodes >= kConvincing;
  const bool whole = !program.error && (program.end == peek.size() || program.opcodes >= kConvincing);
  // A call is what a scanner must see, even where the rest is broken.
  return whole || goes_on || !program.calls.empty() ? Match::kMaybe : Match::kNo;
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

Result<Contents> contents(const Bundle& bundle, const Limits& limits, ModelBuilder& builder) {
  const SourceRef& source = bundle.main();
  const std::string file = file_name(bundle);
  Contents found;
  InterpretOptions options;
  options.limits = limits;
  options.add = [&](Tensor tensor) { return builder.add(std::move(tensor), file); };
  const auto keep = [&](Arena& arena, NodeId first, const PickleProgram& program) -> Status {
    if (program.error) return found.roots.empty() ? Status(*program.error) : Status();
    auto done = interpret(arena, first, program.root, options);
    if (!done) return std::move(done).error().in(source->name());
    found.roots.push_back(program.root);
    found.protocol = std::max(found.protocol, program.protocol);
    for (const PickleOddity& oddity : program.oddities) {
      if (builder.warnings.size() < kMostWarnings) builder.warnings.push_back(text("@ {}: {}", oddity.offset, oddity.what));
    }
    return {};
  };
  HOLDALL_ASSIGN(found.end, each_pickle(source, limits, [&]() -> Arena& { return *builder.arena; }, keep));
  return found;
}

std::string trailing(const SourceRef& source, std::uint64_t end) {
  return text("{} bytes behind the end of the pickle at {} are no pickle", source->size() - end, end);
}

Result<Model> read(const Bundle& bundle, const Context& context) {
  const SourceRef& source = bundle.main();
  ModelBuilder builder;
  HOLDALL_ASSIGN(Contents found, contents(bundle, context.limits, builder));
  std::string detail = text("protocol {}", found.protocol);
  if (found.roots.size() == 1) {
    builder.tree = found.roots.front();
  } else {
    detail += text(", {} pickles", found.roots.size());
    builder.warnings.push_back(text("{} pickles stand one behind another; pickle.load reads the first", found.roots.size()));
    builder.tree = builder.arena->list(std::move(found.roots));
  }
  if (found.end < source->size()) builder.warnings.push_back(trailing(source, found.end));
  builder.origin = {"pickle", std::move(detail), bundle.path(), {file_name(bundle)}, source->size()};
  return std::move(builder).named_by_tree();
}

// A pickle holds no checksum: it is whole when its program runs to its end and nothing stands behind it.
Status verify(const Bundle& bundle, const Context& context, Faults& faults) {
  const SourceRef& source = bundle.main();
  ModelBuilder builder;
  HOLDALL_ASSIGN(const Contents found, contents(bundle, context.limits, builder));
  if (found.end < source->size()) faults.list.push_back({source->name(), found.end, trailing(source, found.end)});
  return {};
}

Status acts(const Bundle& bundle, const Context& context, Findings& findings) {
  const SourceRef& source = bundle.main();
  std::unique_ptr<Arena> arena;
  const auto fresh = [&]() -> Arena& { return *(arena = std::make_unique<Arena>()); };
  std::uint64_t failed_at = UINT64_MAX;
  const auto use = [&](Arena& values, NodeId, const PickleProgram& program) -> Status {
    judge(values, program, source->name(), findings);
    if (program.error) failed_at = program.end;
    return {};
  };
  HOLDALL_ASSIGN(const std::uint64_t end, each_pickle(source, context.limits, fresh, use));
  if (end < source->size() && failed_at == UINT64_MAX) {
    findings.push_back({Verdict::kUnreadable, "pickle-trailing", text("{}@{}", source->name(), end), trailing(source, end)});
  }
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
