#include "holdall/objects/stray.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "holdall/base/endian.h"
#include "holdall/codec/pickle.h"
#include "holdall/codec/pickle_names.h"
#include "holdall/objects/globals.h"
#include "holdall/objects/judge.h"

namespace holdall {

namespace {

constexpr std::uint64_t kMostSearched = 256u << 20;
// What is looked at at once: places in the tile, with so many bytes before and behind it in view.
constexpr std::uint64_t kTile = 1u << 20;
constexpr std::uint64_t kBehind = 1u << 10;
constexpr std::uint64_t kAhead = 256u << 10;
// What a program that is tried may cost; and all of them together, at most and by the bytes that are searched: an archive may
// have very many parts. Looking for names is counted in bytes looked at, one that is looked up as so many.
constexpr std::uint64_t kOpcodes = 20'000;
constexpr std::uint64_t kAllOpcodes = 20'000'000, kOpcodesAByte = 2, kFewOpcodes = 4 * kOpcodes;
constexpr std::uint64_t kAllBytes = 1u << 30, kBytesAByte = 16, kFewBytes = 1u << 20;
constexpr std::uint64_t kAllSteps = 1u << 30, kStepsAByte = 16, kFewSteps = 1u << 16;
constexpr std::uint64_t kLookUp = 256;
// A program that begins with the mark of INST's arguments begins at most so many marks before it.
constexpr int kMarks = 8;

constexpr std::size_t kLongestName = 128;

bool is_malicious(std::string_view module, std::string_view name) {
  const pickle_names::Name renamed = pickle_names::for_python3({module, name});
  return verdict_of_global(module, name) == Verdict::kMalicious ||
         verdict_of_global(renamed.module, renamed.name) == Verdict::kMalicious;
}

// The line that begins at `at`, where it could be a name that is imported; empty otherwise.
std::string_view name_line(std::string_view data, std::size_t at) {
  const std::size_t end = data.substr(0, std::min(data.size(), at + kLongestName)).find('\n', at);
  if (end == std::string_view::npos) return {};
  const std::string_view line = data.substr(at, end - at);
  const bool good = std::all_of(line.begin(), line.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
  });
  return good ? line : std::string_view();
}

struct Text {
  std::size_t begin = 0;  // of its opcode
  std::string_view value;
};

// The short text (SHORT_BINUNICODE, SHORT_BINSTRING, BINUNICODE) whose opcode, memoised or not, ends at `end`.
std::optional<Text> text_before(std::string_view data, std::size_t end) {
  if (end > 0 && data[end - 1] == '\x94') --end;
  for (std::size_t size = 1; size <= kLongestName && size + 2 <= end; ++size) {
    const std::size_t at = end - size;
    const auto length = static_cast<unsigned char>(data[at - 1]);
    const bool is_short = length == size && (data[at - 2] == '\x8c' || data[at - 2] == 'U');
    if (is_short) return Text{at - 2, data.substr(at, size)};
    if (at >= 5 && data[at - 5] == 'X' && load_le<std::uint32_t>(as_bytes(data.substr(at - 4)).data()) == size) {
      return Text{at - 5, data.substr(at, size)};
    }
  }
  return std::nullopt;
}

class Search {
 public:
  Search(const SourceRef& source, const Limits& limits, Findings& findings) : source_(source), findings_(findings) {
    options_.limits = limits;
    options_.limits.opcodes = std::min(limits.opcodes, kOpcodes);
    options_.limits.value_bytes = std::min<std::uint64_t>(limits.value_bytes, 8u << 20);
    options_.limits.depth = UINT32_MAX;
  }

  void run(std::uint64_t from) {
    const std::uint64_t end = source_->size() - from > kMostSearched ? from + kMostSearched : source_->size();
    all_opcodes_ = std::min(kAllOpcodes, (end - from) * kOpcodesAByte + kFewOpcodes);
    all_bytes_ = std::min(kAllBytes, (end - from) * kBytesAByte + kFewBytes);
    all_steps_ = std::min(kAllSteps, (end - from) * kStepsAByte + kFewSteps);
    // A stream shows its end as it is read: its size shrinks between two windows.
    for (std::uint64_t at = from; at < std::min(end, source_->size()) && !done(); at += kTile) {
      const std::uint64_t base = at - std::min(at - from, kBehind);
      if (!move_window(base, std::min(at + kTile + kAhead, source_->size()))) return;
      const std::string_view data = window_.text();
      const auto first = static_cast<std::size_t>(at - base_);
      const auto last = std::min(static_cast<std::size_t>(std::min(at + kTile, end) - base_), data.size());
      for (std::size_t i = first; i < last && !done(); ++i) consider(data, i);
    }
  }

 private:
  enum class Start : std::uint8_t { kMarked, kUnmarked };

  bool done() const noexcept { return found_ || opcodes_ > all_opcodes_ || bytes_ > all_bytes_ || steps_ > all_steps_; }

  // What both windows hold is not read again: a compressed source would be decoded from its beginning.
  bool move_window(std::uint64_t begin, std::uint64_t end) {
    const std::uint64_t held_to = base_ + window_.size();
    const auto kept = static_cast<std::size_t>(held_to > begin ? held_to - begin : 0);
    std::vector<std::byte> bytes(static_cast<std::size_t>(end - begin));
    if (kept > 0) std::memcpy(bytes.data(), window_.data() + (begin - base_), kept);
    if (!source_->read_at(begin + kept, std::span(bytes).subspan(kept))) return false;
    base_ = begin;
    window_ = Bytes::adopt(std::move(bytes));
    view_ = memory_source(window_, source_->name());
    return true;
  }

  void consider(std::string_view data, std::size_t i) {
    switch (data[i]) {
      case '\x80':
        if (i + 2 < data.size() && data[i + 1] >= 0 && data[i + 1] <= kHighestPickleProtocol &&
            is_pickle_opcode(static_cast<unsigned char>(data[i + 2]))) {
          attempt(i, Start::kMarked);
        }
        return;
      case 'c':
        if (names_malicious(data, i)) attempt(i, Start::kUnmarked);
        return;
      case 'i':
        if (names_malicious(data, i)) instance(data, i);
        return;
      case '\x93':
        if (const auto begin = texts_malicious(data, i)) attempt(*begin, Start::kUnmarked);
        return;
      default:
        return;
    }
  }

  // The operands of GLOBAL and INST.
  bool names_malicious(std::string_view data, std::size_t at) {
    const std::string_view module = name_line(data, at + 1);
    steps_ += module.empty() ? kLongestName : module.size();
    if (module.empty()) return false;
    const std::string_view name = name_line(data, at + 2 + module.size());
    steps_ += kLookUp;
    return !name.empty() && is_malicious(module, name);
  }

  // Those of STACK_GLOBAL, from where they are pushed.
  std::optional<std::size_t> texts_malicious(std::string_view data, std::size_t at) {
    const auto name = text_before(data, at);
    const auto module = name ? text_before(data, name->begin) : std::nullopt;
    steps_ += name ? kLookUp : kLongestName;
    return module && is_malicious(module->value, name->value) ? std::optional(module->begin) : std::nullopt;
  }

  void instance(std::string_view data, std::size_t at) {
    int tried = 0;
    for (std::size_t i = at; i-- > 0 && tried < kMarks && !done();) {
      ++steps_;
      if (data[i] != '(') continue;
      ++tried;
      attempt(i, Start::kUnmarked);
    }
  }

  void attempt(std::size_t at, Start start) {
    Arena arena;
    PickleProgram program = run_pickle(arena, view_, at, options_);
    opcodes_ += program.opcodes;
    bytes_ += program.end - at;
    found_ = start == Start::kMarked ? imports_malicious(arena, program) : calls_malicious(arena, program);
    if (!found_) return;
    for (PickleImport& import : program.imports) import.offset += base_;
    for (PickleCall& call : program.calls) call.offset += base_;
    for (PickleOddity& oddity : program.oddities) oddity.offset += base_;
    Findings all;
    judge(arena, program, source_->name(), all);
    for (Finding& finding : all)
      if (finding.severity == Verdict::kMalicious) findings_.push_back(std::move(finding));
  }

  static bool imports_malicious(const Arena& arena, const PickleProgram& program) {
    return std::any_of(program.imports.begin(), program.imports.end(), [&](const PickleImport& import) {
      return !import.computed && is_malicious_global(arena.at(import.global));
    });
  }

  // Calls it, or changes it.
  static bool calls_malicious(const Arena& arena, const PickleProgram& program) {
    return std::any_of(program.calls.begin(), program.calls.end(), [&](const PickleCall& call) {
      const Value object = arena.at(call.object);
      return is_malicious_global(object.is(ValueKind::kObject) ? object.of(object.as_object().callee) : object);
    });
  }

  static bool is_malicious_global(Value value) {
    return value.is(ValueKind::kGlobal) && verdict_of_global(value.global_module(), value.global_name()) == Verdict::kMalicious;
  }

  const SourceRef& source_;
  Findings& findings_;
  PickleOptions options_;
  Bytes window_;
  SourceRef view_;                                     // of the window
  std::uint64_t base_ = 0;                             // of the view in the source
  std::uint64_t opcodes_ = 0, bytes_ = 0, steps_ = 0;  // spent, of at most:
  std::uint64_t all_opcodes_ = 0, all_bytes_ = 0, all_steps_ = 0;
  bool found_ = false;
};

}  // namespace

void judge_stray(const SourceRef& source, std::uint64_t from, const Limits& limits, Findings& findings) {
  if (from < source->size()) Search(source, limits, findings).run(from);
}

}  // namespace holdall
