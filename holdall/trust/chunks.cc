#include "holdall/trust/chunks.h"

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "holdall/base/printable.h"
#include "holdall/base/text.h"
#include "holdall/codec/pickle.h"
#include "holdall/objects/judge_arguments.h"
#include "holdall/trust/contents.h"

namespace holdall {
namespace {

constexpr std::string_view kIndex = ".metadata";

struct Chunk {
  std::string file;  // relative to the index
  std::int64_t offset = 0, length = 0;

  auto operator<=>(const Chunk&) const = default;
};

struct Index {
  std::set<Chunk> chunks;
  bool has_unknown = false;  // what torch would take for one and that is none here
};

std::optional<Chunk> chunk_of(Value file, Value offset, Value length) {
  if (!file.is(ValueKind::kString) || !offset.is(ValueKind::kInt) || !length.is(ValueKind::kInt)) return std::nullopt;
  return Chunk{std::string(file.as_string()), offset.as_int(), length.as_int()};
}

// The three of an _StorageInfo, by its arguments or its attributes, whatever class has them.
std::optional<Chunk> chunk_of(Value value) {
  if (!value.is(ValueKind::kObject)) return std::nullopt;
  const Value args = value.of(value.as_object().args), state = value.of(value.as_object().state);
  const bool has_state = value.as_object().state != kNoNode;
  if (has_state && !state.is(ValueKind::kDict)) return std::nullopt;
  if (has_state) return chunk_of(state.find("relative_path"), state.find("offset"), state.find("length"));
  return args.is(ValueKind::kTuple) && args.size() >= 3 ? chunk_of(args.item(0), args.item(1), args.item(2)) : std::nullopt;
}

bool is_storage_info(Value value) {
  const Value made = made_class(value);
  return made && made.global_name() == "_StorageInfo";
}

// What the index says wherever it says it: an _StorageInfo, a dict of its attributes, an entry of the dict "storage_data".
Index index_of(const Arena& arena) {
  Index index;
  const auto add = [&](std::optional<Chunk> chunk) {
    if (chunk) {
      index.chunks.insert(std::move(*chunk));
    } else {
      index.has_unknown = true;
    }
  };
  for (NodeId node = 0; node < arena.size(); ++node) {
    const Value value = arena.at(node);
    if (is_storage_info(value)) add(chunk_of(value));
    if (!value.is(ValueKind::kDict)) continue;
    for (std::size_t i = 0; i < value.size(); ++i) {
      const Value key = value.key(i), mapped = value.mapped(i);
      const std::string_view name = key.is(ValueKind::kString) ? key.as_string() : std::string_view();
      if (name == "relative_path") add(chunk_of(mapped, value.find("offset"), value.find("length")));
      if (name != "storage_data" || mapped.is(ValueKind::kNull)) continue;
      if (!mapped.is(ValueKind::kDict)) index.has_unknown = true;
      for (std::size_t j = 0; mapped.is(ValueKind::kDict) && j < mapped.size(); ++j) add(chunk_of(mapped.mapped(j)));
    }
  }
  return index;
}

void judge_chunk(const Tree& folder, const std::string& index, const Chunk& chunk, const Context& context, const Policy& policy,
                 Findings& findings) {
  const std::string where = folder.prefix + index;
  const auto add = [&](Verdict verdict, Rule rule, std::string what) {
    findings.push_back({verdict, rule, where, std::move(what)});
  };
  if (!is_contained(chunk.file)) {
    return add(Verdict::kMalicious, Rule::kChunkPath, text("it has torch open '{}'", printable(chunk.file)));
  }
  const std::string name = index.substr(0, index.size() - kIndex.size()) + chunk.file;
  const auto file = folder.open(name);
  const auto size = file ? (*file)->size() : 0;
  const auto offset = static_cast<std::uint64_t>(chunk.offset), length = static_cast<std::uint64_t>(chunk.length);
  if (!file) return add(Verdict::kUnreadable, Rule::kShard, text("a chunk cannot be opened: {}", file.error().to_string()));
  if (chunk.offset < 0 || chunk.length < 0 || offset > size || length > size - offset) {
    return add(Verdict::kUnreadable, Rule::kShard,
               text("a chunk of {} bytes from {} on is not in '{}', which has {}", chunk.length, chunk.offset, name, size));
  }
  const auto source = slice_source(*file, offset, length, text("{}@{}", (*file)->name(), offset));
  // What is compressed is decoded from its beginning to the chunk, for each of them.
  const std::uint64_t decoded = Blob(*file).locate() ? 0 : offset;
  if (Status status = context.unfold(decoded + length); !status || !source) {
    return add(Verdict::kUnreadable, Rule::kNotUnderstood, status ? source.error().to_string() : status.error().to_string());
  }
  Findings own;
  judge_contents(Bundle::of(*source), context, policy, own);
  for (Finding& finding : own) finding.file = folder.prefix + name;
  findings.insert(findings.end(), own.begin(), own.end());
}

}  // namespace

std::vector<std::string> chunk_indexes(const Tree& folder) {
  std::vector<std::string> found;
  for (const std::string& name : folder.names)
    if (name == kIndex || name.ends_with("/.metadata")) found.push_back(name);
  return found;
}

void judge_chunks(const Tree& folder, std::span<const std::string> indexes, const Context& context, const Policy& policy,
                  Findings& findings) {
  for (const std::string& index : indexes) {
    const auto source = folder.open(index);
    if (!source) continue;  // which is said of the file
    Arena arena;
    (void)run_pickle(arena, *source, 0, {.limits = context.limits});  // what it does itself is said of the file, too
    const Index found = index_of(arena);
    if (found.has_unknown) {
      findings.push_back(
          {Verdict::kUnreadable, Rule::kShard, folder.prefix + index, "it says of a chunk where it is in no plain way"});
    }
    for (const Chunk& chunk : found.chunks) judge_chunk(folder, index, chunk, context, policy, findings);
  }
}

}  // namespace holdall
