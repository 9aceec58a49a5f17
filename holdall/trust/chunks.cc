#include "holdall/trust/chunks.h"

#include <set>
#include <string>

#include "holdall/base/printable.h"
#include "holdall/base/text.h"
#include "holdall/codec/pickle.h"
#include "holdall/trust/contents.h"

namespace holdall {
namespace {

constexpr std::string_view kIndex = ".metadata";
struct Chunk {
  std::string file;  // relative to the index
  std::int64_t offset = 0, length = 0;

  auto operator<=>(const Chunk&) const = default;
};

// Wherever the index holds the three of an _StorageInfo, whatever class has them.
std::set<Chunk> chunks_of(const Arena& arena) {
  std::set<Chunk> chunks;
  for (NodeId node = 0; node < arena.size(); ++node) {
    const Value value = arena.at(node);
    if (value.is(ValueKind::kDict)) {
      const auto file = value.find_string("relative_path");
      const auto offset = value.find_int("offset"), length = value.find_int("length");
      if (file && offset && length) chunks.insert({std::string(*file), *offset, *length});
    } else if (value.is(ValueKind::kObject)) {
      const Value callee = value.of(value.as_object().callee), args = value.of(value.as_object().args);
      const bool is_made = callee.is(ValueKind::kGlobal) && callee.global_name() == "_StorageInfo" &&
                           args.is(ValueKind::kTuple) && args.size() >= 3 && args.item(0).is(ValueKind::kString) &&
                           args.item(1).is(ValueKind::kInt) && args.item(2).is(ValueKind::kInt);
      if (is_made) chunks.insert({std::string(args.item(0).as_string()), args.item(1).as_int(), args.item(2).as_int()});
    }
  }
  return chunks;
}

void judge_chunk(const Bundle& folder, const std::string& index, const Chunk& chunk, const Context& context,
                 const Policy& policy, Findings& findings) {
  const std::string where = text("{}/{}", folder.path(), index);
  const auto add = [&](Verdict verdict, Rule rule, std::string what) {
    findings.push_back({verdict, rule, where, std::move(what)});
  };
  if (!is_contained(chunk.file)) {
    return add(Verdict::kMalicious, Rule::kChunkPath, text("it has torch open '{}'", printable(chunk.file)));
  }
  const std::string name = index.substr(0, index.size() - kIndex.size()) + chunk.file;
  const auto file = folder.open_part(name);
  const auto size = file ? (*file)->size() : 0;
  const auto offset = static_cast<std::uint64_t>(chunk.offset), length = static_cast<std::uint64_t>(chunk.length);
  if (!file) return add(Verdict::kUnreadable, Rule::kShard, text("a chunk cannot be opened: {}", file.error().to_string()));
  if (chunk.offset < 0 || chunk.length < 0 || offset > size || length > size - offset) {
    return add(Verdict::kUnreadable, Rule::kShard,
               text("a chunk of {} bytes from {} on is not in '{}', which has {}", chunk.length, chunk.offset, name, size));
  }
  const auto source = slice_source(*file, offset, length, text("{}@{}", (*file)->name(), offset));
  if (Status status = context.unfold(length); !status || !source) {
    return add(Verdict::kUnreadable, Rule::kNotUnderstood, status ? source.error().to_string() : status.error().to_string());
  }
  Findings own;
  judge_contents(Bundle::of(*source), context, policy, own);
  for (Finding& finding : own) finding.file = folder.path() + "/" + name;
  findings.insert(findings.end(), own.begin(), own.end());
}

}  // namespace

std::vector<std::string> chunk_indexes(const Bundle& folder) {
  std::vector<std::string> found;
  for (const std::string& name : folder.names())
    if (name == kIndex || name.ends_with("/.metadata")) found.push_back(name);
  return found;
}

void judge_chunks(const Bundle& folder, std::span<const std::string> indexes, const Context& context, const Policy& policy,
                  Findings& findings) {
  for (const std::string& index : indexes) {
    const auto source = folder.open_part(index);
    if (!source) continue;  // which is said of the file
    Arena arena;
    (void)run_pickle(arena, *source, 0, {.limits = context.limits});  // what it does itself is said of the file, too
    for (const Chunk& chunk : chunks_of(arena)) judge_chunk(folder, index, chunk, context, policy, findings);
  }
}

}  // namespace holdall
