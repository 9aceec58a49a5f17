#include "holdall/checkpoint/journal.h"

#include <algorithm>
#include <utility>

#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"
#include "holdall/io/execute.h"
#include "holdall/io/parallel.h"

namespace holdall {
namespace {

using Token = JsonReader::Token;

constexpr std::uint64_t kMostBytes = 1u << 30;
constexpr std::size_t kDigits = 16;
// Lines that a thread parses at a time.
constexpr std::size_t kLinesATime = 500;

// As many hex digits of the object's XXH3-128.
std::string digits_of(std::string_view object) {
  std::string hex = to_hex(xxh3_128(as_bytes(object)));
  hex.resize(kDigits);
  return hex;
}

std::string line_of(std::string_view object) { return text("{} {}\n", digits_of(object), object); }

struct Line {
  enum class Kind : std::uint8_t { kBad, kUnknown, kRun, kSaved, kRemoved, kRules };
  Kind kind = Kind::kBad;
  Checkpoint checkpoint;  // kSaved; its name for kRemoved, its run for kRun
  std::string_view object;
};

Line::Kind kind_named(std::string_view name) {
  if (name == "run") return Line::Kind::kRun;
  if (name == "saved") return Line::Kind::kSaved;
  if (name == "removed") return Line::Kind::kRemoved;
  if (name == "rules") return Line::Kind::kRules;
  return Line::Kind::kUnknown;
}

// One member of a line's object behind its key.
Status read_member(JsonReader& reader, const std::string& key, Line& line) {
  HOLDALL_ASSIGN(const bool known, read_fact(reader, key, line.checkpoint));
  if (known) return {};
  HOLDALL_ASSIGN(const auto item, reader.next());
  if (key == "kind") {
    line.kind = kind_named(item.text);
  } else if (key == "name") {
    line.checkpoint.name = std::string(item.text);
  } else if (key == "frame") {
    line.checkpoint.frame = std::string(item.text);
  } else if (key == "bytes") {
    HOLDALL_ASSIGN(const std::int64_t bytes, integer_of(item));
    line.checkpoint.bytes = static_cast<std::uint64_t>(bytes);
  } else {
    HOLDALL_TRY(reader.skip(item));
  }
  return {};
}

Status read_object(std::string_view object, Line& line) {
  JsonReader reader(object);
  HOLDALL_ASSIGN(const auto begin, reader.next());
  if (begin.token != Token::kBeginObject) return corrupt("no object");
  while (true) {
    HOLDALL_ASSIGN(const auto key, reader.next());
    if (key.token == Token::kEndObject) return {};
    const std::string member(key.text);
    HOLDALL_TRY(read_member(reader, member, line));
    if (line.kind == Line::Kind::kRules || line.kind == Line::Kind::kUnknown) return {};  // theirs to read
  }
}

Line parse_line(std::string_view whole) {
  Line line;
  if (whole.size() <= kDigits || whole[kDigits] != ' ') return line;
  line.object = whole.substr(kDigits + 1);
  if (digits_of(line.object) != whole.substr(0, kDigits)) return line;
  if (!read_object(line.object, line)) line.kind = Line::Kind::kBad;
  const bool named = line.kind == Line::Kind::kSaved || line.kind == Line::Kind::kRemoved;
  if (named && (line.checkpoint.name.empty() || line.checkpoint.name.find('/') != std::string::npos))
    line.kind = Line::Kind::kBad;
  return line;
}

std::vector<std::string_view> lines_of(std::string_view journal) {
  std::vector<std::string_view> lines;
  while (!journal.empty()) {
    const std::size_t end = std::min(journal.find('\n'), journal.size());
    if (end != 0) lines.push_back(journal.substr(0, end));
    journal.remove_prefix(std::min(end + 1, journal.size()));
  }
  return lines;
}

// 1 for each line that is the last to speak of its name.
std::vector<char> last_words(const std::vector<Line>& lines) {
  std::vector<char> is_last(lines.size(), 0);
  TextViewMap<std::size_t> last;
  last.reserve(lines.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].checkpoint.name.empty() || lines[i].kind == Line::Kind::kBad) continue;
    const auto [met, is_new] = last.try_emplace(lines[i].checkpoint.name, i);
    if (!is_new) is_last[std::exchange(met->second, i)] = 0;
    is_last[i] = 1;
  }
  return is_last;
}

}  // namespace

JournalContents parse_journal(std::string_view journal) {
  JournalContents contents;
  contents.ends_in_line = journal.empty() || journal.back() == '\n';
  const std::vector<std::string_view> texts = lines_of(journal);
  std::vector<Line> lines(texts.size());
  const std::uint64_t pieces = (texts.size() + kLinesATime - 1) / kLinesATime;
  static_cast<void>(parallel_for(pieces, worker_count(), [&](std::uint64_t piece) -> Status {
    const std::size_t end = std::min<std::size_t>((piece + 1) * kLinesATime, lines.size());
    for (std::size_t i = piece * kLinesATime; i < end; ++i) lines[i] = parse_line(texts[i]);
    return {};
  }));
  const std::vector<char> is_last = last_words(lines);
  contents.saved.reserve(static_cast<std::size_t>(std::count(is_last.begin(), is_last.end(), 1)));
  for (std::size_t i = 0; i < lines.size(); ++i) {
    Line& line = lines[i];
    ++(line.kind == Line::Kind::kBad ? contents.bad_lines : contents.lines);
    if (line.kind == Line::Kind::kRun) contents.run = line.checkpoint.run;
    if (line.kind == Line::Kind::kRules) contents.rules = std::string(line.object);
    if (line.kind != Line::Kind::kSaved) continue;
    contents.last_sequence = std::max(contents.last_sequence, line.checkpoint.sequence);
    if (is_last[i] != 0) contents.saved.push_back(std::move(line.checkpoint));
  }
  return contents;
}

Result<JournalContents> read_journal(System& system, const std::string& folder) {
  const std::string path = text("{}/{}", folder, kJournalFile);
  auto handle = system.open(path, System::Open::kRead);
  if (!handle && handle.error().code() == Code::kNotFound) return JournalContents{};
  if (!handle) return std::move(handle).error();
  auto read = [&]() -> Result<std::string> {
    HOLDALL_ASSIGN(const std::uint64_t size, system.size(*handle));
    if (size > kMostBytes) return over_limit(text("a journal of {} bytes; at most {} are read", size, kMostBytes));
    std::string journal(size, '\0');
    HOLDALL_TRY(system.read_at(*handle, 0, std::as_writable_bytes(std::span(journal))));
    return journal;
  }();
  static_cast<void>(system.close(*handle));
  if (!read) return std::move(read).error().in(path);
  return parse_journal(*read);
}

std::string saved_line(const Checkpoint& checkpoint) {
  JsonWriter writer;
  writer.begin_object().key("kind").string("saved").key("name").string(checkpoint.name);
  writer.key("bytes").unsigned_integer(checkpoint.bytes).key("frame").string(checkpoint.frame);
  write_facts(writer, checkpoint);
  writer.end_object();
  return line_of(writer.text());
}

std::string removed_line(std::string_view name) {
  JsonWriter writer;
  writer.begin_object().key("kind").string("removed").key("name").string(name).end_object();
  return line_of(writer.text());
}

std::string run_line(std::string_view run) {
  JsonWriter writer;
  writer.begin_object().key("kind").string("run").key("version").integer(1).key("run").string(run).end_object();
  return line_of(writer.text());
}

std::string rules_line(std::string_view rules) { return line_of(rules); }

Status append_journal(System& system, const std::string& folder, std::string_view lines, bool durable) {
  const std::string path = text("{}/{}", folder, kJournalFile);
  HOLDALL_ASSIGN(const System::Kind kind, system.kind(path));
  if (kind == System::Kind::kMissing) return replace_journal(system, folder, lines, durable);
  auto handle = system.open(path, System::Open::kReadWrite);
  if (!handle) return std::move(handle).error();
  Status status = [&]() -> Status {
    HOLDALL_ASSIGN(const std::uint64_t size, system.size(*handle));
    std::byte last{'\n'};
    if (size > 0) HOLDALL_TRY(system.read_at(*handle, size - 1, std::span(&last, 1)));
    const std::string behind = (last == std::byte{'\n'} ? "" : "\n") + std::string(lines);
    HOLDALL_TRY(system.write_at(*handle, size, as_bytes(behind)));
    return durable ? system.sync(*handle) : Status();
  }();
  Status closed = system.close(*handle);
  if (status && !closed) status = std::move(closed);
  if (!status) return std::move(status).error().in(path);
  return {};
}

Status replace_journal(System& system, const std::string& folder, std::string_view lines, bool durable) {
  Plan plan;
  plan.files.emplace_back().add(Bytes::copy(lines));
  ExecuteOptions options;
  options.durable = durable;
  options.system = &system;
  return execute(plan, text("{}/{}", folder, kJournalFile), options);
}

}  // namespace holdall
