#include "holdall/formats/held_programs.h"

#include <array>
#include <set>
#include <span>
#include <string_view>

#include "holdall/base/text.h"
#include "holdall/codec/pickle.h"
#include "holdall/formats/encoded.h"
#include "holdall/formats/program_check.h"
#include "holdall/objects/interpretation.h"

namespace holdall {
namespace {

constexpr std::size_t kHead = 4, kSmallest = 12;

enum class Held : std::uint8_t { kData, kPickle, kArchive };

Held kind_of(std::string_view head) noexcept {
  constexpr char kProtocol = '\x80';
  if (head.starts_with("PK\x03\x04")) return Held::kArchive;
  const bool has_protocol = head.size() == kHead && head[0] == kProtocol && head[1] >= 0 && head[1] <= 5;
  return has_protocol ? Held::kPickle : Held::kData;
}

// The text of bytes as protocols 0 to 2 spell them, _codecs.encode(text, "latin1"), where they begin as what is looked for.
NodeId spelled(Value object) {
  const Value args = object.of(object.as_object().args);
  if (!args.is(ValueKind::kTuple) || args.size() != 2 || !args.item(0).is(ValueKind::kString)) return kNoNode;
  const std::string_view text = args.item(0).as_string();
  return text.starts_with("\u0080") || text.starts_with("PK\x03\x04") ? args.item(0).id() : kNoNode;
}

// It acts though it breaks off; a whole one may hold another.
bool is_program(const SourceRef& source, const Limits& limits) {
  Arena arena;
  const PickleProgram program = run_pickle(arena, source, 0, {.limits = limits});
  return !program.imports.empty() || !program.error || may_go_on(program);
}

void judge_kind(Held kind, const SourceRef& part, const Context& context, Findings& findings) {
  const auto not_looked_at = [&](const Error& error) {
    findings.push_back({Verdict::kUnreadable, Rule::kNotUnderstood, part->name(), error.to_string()});
  };
  if (Status spent = context.unfold(part->size()); !spent) return not_looked_at(spent.error());
  if (kind == Held::kPickle && !is_program(part, context.limits)) return;
  Findings own;
  const Bundle file = Bundle::of(part);
  const Status judged = kind == Held::kPickle ? context.acts_as("pickle", file, own) : context.acts(file, own);
  if (!judged && judged.error().code() == Code::kLimit) not_looked_at(judged.error());
  for (Finding& finding : own) {
    // Faults of data are none of the model's; what was not looked at within is told.
    const bool is_told = finding.severity != Verdict::kUnreadable || finding.rule == Rule::kNotUnderstood;
    if (is_told && !is_no_import(finding)) findings.push_back(std::move(finding));
  }
}

}  // namespace

void judge_held(const SourceRef& part, const Context& context, Findings& findings) {
  std::array<std::byte, kHead> head{};
  if (part->size() < kSmallest || !part->read_at(0, head)) return;
  const Held kind = kind_of(as_text(head));
  if (kind != Held::kData) judge_kind(kind, part, context, findings);
}

void judge_held(const Blob& bytes, const std::string& where, const Context& context, Findings& findings) {
  if (bytes.size() < kSmallest) return;
  if (const auto part = slice_source(bytes.source(), bytes.offset(), bytes.size(), where + "!bytes"))
    judge_held(*part, context, findings);
}

void judge_held(const Arena& arena, const std::string& where, const Context& context, Findings& findings) {
  std::set<NodeId> seen;  // texts, which any number of objects may be made of
  for (NodeId node = 0; node < arena.size(); ++node) {
    const Value value = arena.at(node);
    if (value.is(ValueKind::kObject)) {
      const NodeId text = spelled(value);
      if (text == kNoNode || !seen.insert(text).second) continue;
      if (const auto bytes = bytes_of(value)) judge_held(*bytes, where, context, findings);
    } else if (value.is(ValueKind::kString)) {
      judge_maybe_encoded(value.as_string(), where, context, findings);
    } else if (value.is(ValueKind::kBytes) && value.bytes_size() >= kSmallest) {
      if (value.bytes_resident() && kind_of(value.as_bytes().substr(0, kHead)) == Held::kData) continue;
      judge_held(value.as_blob(), where, context, findings);
    }
  }
}

}  // namespace holdall
