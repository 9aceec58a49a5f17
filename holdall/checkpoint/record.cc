#include "holdall/checkpoint/record.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "holdall/base/text.h"

namespace holdall {
namespace {

using Token = JsonReader::Token;

constexpr std::int64_t kVersion = 1;
// More than any run can reach: numbers can always be counted on from.
constexpr std::int64_t kMostSequence = std::int64_t{1} << 62;

Result<std::string> text_of(const JsonReader::Item& item) {
  if (item.token != Token::kString) return corrupt("no text where one belongs").at(item.offset);
  return std::string(item.text);
}

Result<double> number_of(JsonReader& reader, const JsonReader::Item& item) {
  if (item.token == Token::kInteger || item.token == Token::kFloat) {
    double value = 0;
    const auto read = std::from_chars(item.text.data(), item.text.data() + item.text.size(), value);
    if (read.ec == std::errc::result_out_of_range) return std::copysign(HUGE_VAL, item.text.starts_with('-') ? -1.0 : 1.0);
    if (read.ec != std::errc()) return corrupt("no number where one belongs").at(item.offset);
    return value;
  }
  // As JsonWriter::number() spells what JSON has no number for.
  if (item.token != Token::kBeginObject) return corrupt("no number where one belongs").at(item.offset);
  HOLDALL_TRY(reader.next());
  HOLDALL_ASSIGN(const auto spelled, reader.next());
  const std::string_view said = spelled.text;
  const double value = said == "inf" ? HUGE_VAL : said == "-inf" ? -HUGE_VAL : std::numeric_limits<double>::quiet_NaN();
  HOLDALL_ASSIGN(const auto end, reader.next());
  if (spelled.token != Token::kString || end.token != Token::kEndObject) return corrupt("no number").at(item.offset);
  return value;
}

Status read_metrics(JsonReader& reader, CheckpointLabel& label) {
  HOLDALL_ASSIGN(const auto begin, reader.next());
  if (begin.token != Token::kBeginObject) return corrupt("the metrics are no object").at(begin.offset);
  label.metrics.clear();
  while (true) {
    HOLDALL_ASSIGN(const auto key, reader.next());
    if (key.token == Token::kEndObject) return {};
    std::string metric(key.text);
    HOLDALL_ASSIGN(const auto item, reader.next());
    HOLDALL_ASSIGN(const double value, number_of(reader, item));
    label.metrics.emplace_back(std::move(metric), value);
  }
}

}  // namespace

std::optional<double> Checkpoint::metric(std::string_view wanted) const noexcept {
  for (const auto& [metric, value] : label.metrics)
    if (metric == wanted && !std::isnan(value)) return value;
  return std::nullopt;
}

std::string_view name(Checkpoint::State state) noexcept {
  switch (state) {
    case Checkpoint::State::kComplete:
      return "complete";
    case Checkpoint::State::kDamaged:
      return "damaged";
    case Checkpoint::State::kFuture:
      return "future";
    case Checkpoint::State::kForeign:
      return "foreign";
  }
  return "";
}

Result<std::int64_t> integer_of(const JsonReader::Item& item) {
  std::int64_t value = 0;
  const char* const end = item.text.data() + item.text.size();
  if (item.token == Token::kInteger) {
    const auto read = std::from_chars(item.text.data(), end, value);
    if (read.ec == std::errc() && read.ptr == end) return value;
  }
  return corrupt("no integer of 64 bits where one belongs").at(item.offset);
}

void write_facts(JsonWriter& writer, const Checkpoint& checkpoint) {
  writer.key("run").string(checkpoint.run);
  writer.key("sequence").unsigned_integer(checkpoint.sequence);
  writer.key("step").integer(checkpoint.label.step);
  writer.key("epoch");
  checkpoint.label.epoch ? writer.integer(*checkpoint.label.epoch) : writer.null();
  writer.key("metrics").begin_object();
  for (const auto& [metric, value] : checkpoint.label.metrics) writer.key(metric).number(value);
  writer.end_object();
  writer.key("time").integer(checkpoint.time);
}

Result<bool> read_fact(JsonReader& reader, std::string_view key, Checkpoint& into) {
  if (key == "metrics") {
    HOLDALL_TRY(read_metrics(reader, into.label));
    return true;
  }
  const bool known = key == "run" || key == "sequence" || key == "step" || key == "epoch" || key == "time";
  if (!known) return false;
  const char first = key.front();
  const bool is_step = key == "step";
  HOLDALL_ASSIGN(const auto item, reader.next());
  if (first == 'r') {
    HOLDALL_ASSIGN(into.run, text_of(item));
  } else if (first == 'e' && item.token == Token::kNull) {
    into.label.epoch.reset();
  } else {
    HOLDALL_ASSIGN(const std::int64_t value, integer_of(item));
    if (first == 'e') into.label.epoch = value;
    if (first == 't') into.time = value;
    if (is_step) into.label.step = value;
    if (first != 's' || is_step) return true;
    if (value < 0 || value > kMostSequence) return corrupt(text("no save has the number {}", value)).at(item.offset);
    into.sequence = static_cast<std::uint64_t>(value);
  }
  return true;
}

std::string stamp_of(const Checkpoint& checkpoint) {
  JsonWriter writer;
  writer.begin_object().key("version").integer(kVersion);
  write_facts(writer, checkpoint);
  writer.end_object();
  return std::move(writer).take();
}

Status read_stamp(std::string_view stamp, Checkpoint& into) {
  JsonReader reader(stamp);
  HOLDALL_ASSIGN(const auto begin, reader.next());
  if (begin.token != Token::kBeginObject) return corrupt("a checkpoint's stamp is no object");
  bool versioned = false;
  bool stepped = false;
  while (true) {
    HOLDALL_ASSIGN(const auto key, reader.next());
    if (key.token == Token::kEndObject) break;
    const std::string member(key.text);
    if (member == "version") {
      HOLDALL_ASSIGN(const auto item, reader.next());
      HOLDALL_ASSIGN(const std::int64_t version, integer_of(item));
      versioned = version >= 1;
      if (version > kVersion) {
        into.state = Checkpoint::State::kFuture;
        into.why = text("its stamp has version {}; this Holdall knows {}", version, kVersion);
      }
      continue;
    }
    auto known = read_fact(reader, member, into);
    // What a later version says in another way is not this one's to judge.
    if (!known && into.state == Checkpoint::State::kFuture) return {};
    if (!known) return std::move(known).error();
    if (!*known) {
      HOLDALL_ASSIGN(const auto item, reader.next());
      HOLDALL_TRY(reader.skip(item));
    }
    stepped = stepped || member == "step";
  }
  HOLDALL_TRY(reader.next());
  if (!versioned || (!stepped && into.state != Checkpoint::State::kFuture))
    return corrupt("a checkpoint's stamp names no version or no step");
  return {};
}

void write_checkpoint(JsonWriter& writer, const Checkpoint& checkpoint, std::string_view folder) {
  writer.begin_object();
  write_members(writer, checkpoint, folder);
  writer.end_object();
}

void write_members(JsonWriter& writer, const Checkpoint& checkpoint, std::string_view folder) {
  const bool stamped = checkpoint.sequence != 0;
  writer.key("step");
  stamped ? writer.integer(checkpoint.label.step) : writer.null();
  writer.key("epoch");
  stamped&& checkpoint.label.epoch ? writer.integer(*checkpoint.label.epoch) : writer.null();
  writer.key("metrics").begin_object();
  for (const auto& [metric, value] : checkpoint.label.metrics) writer.key(metric).number(value);
  writer.end_object();
  writer.key("bytes").unsigned_integer(checkpoint.bytes);
  writer.key("path").string(text("{}{}{}", folder, folder.ends_with('/') ? "" : "/", checkpoint.name));
  writer.key("state").string(name(checkpoint.state)).key("time");
  stamped ? writer.number(static_cast<double>(checkpoint.time) / 1e9) : writer.null();
  if (!checkpoint.why.empty()) writer.key("why").string(checkpoint.why);
}

}  // namespace holdall
