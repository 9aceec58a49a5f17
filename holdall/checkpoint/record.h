// Checkpoint: what is known of one entry of a checkpoint folder, and the stamp by which Holdall knows its own again.
//
// A checkpoint is a file, or a folder of files, whose metadata holds the key "holdall.checkpoint" (a folder: the file
// holdall_checkpoint.json) with one JSON document, the stamp:
//   {"version":1,"run":"32 hex digits","sequence":7,"step":1000,"epoch":3,"metrics":{"loss":0.25},"time":ns since 1970 UTC}
// `run` names a folder's line of saves, `sequence` counts them: clocks may go back, sequences do not.
// Thread-safety: value types. Ownership: own their texts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdall/base/result.h"
#include "holdall/codec/json.h"

namespace holdall {

// What a training says of a checkpoint.
struct CheckpointLabel {
  std::int64_t step = 0;  // through the whole run
  std::optional<std::int64_t> epoch = std::nullopt;
  std::vector<std::pair<std::string, double>> metrics = {};  // in the order given
};

struct Checkpoint {
  enum class State : std::uint8_t {
    kComplete,
    kDamaged,  // Holdall's or of a model's format, and not to be read, or of another size than it was written with
    kFuture,   // stamped by a later version of Holdall
    kForeign,  // not written as a checkpoint by Holdall
  };

  std::string name;  // in the folder
  State state = State::kComplete;
  std::string why;  // what was found, where the state is not complete
  CheckpointLabel label;
  std::uint64_t bytes = 0;
  std::string run;
  std::uint64_t sequence = 0;  // 0: unknown
  std::int64_t time = 0;       // nanoseconds since 1970 UTC, by the clock of whoever wrote it
  // XXH3-128 of all its bytes that are no tensor's, file after file; they hold the tensors' checksums. Empty: not known.
  std::string frame;
  bool noted = false;  // taken from the folder's journal, which has it as it is

  bool is_complete() const noexcept { return state == State::kComplete; }
  // NaN is no value of a metric. Nothing where it has none.
  std::optional<double> metric(std::string_view name) const noexcept;
};

// "complete", "damaged", "future", "foreign"
std::string_view name(Checkpoint::State state) noexcept;

// Where a stamp stands: the key of a file's metadata, and the file in a folder.
constexpr std::string_view kStampKey = "holdall.checkpoint";
constexpr std::string_view kStampFile = "holdall_checkpoint.json";

std::string stamp_of(const Checkpoint& checkpoint);
// Fills in what a stamp says: run, sequence, time, label, and the state kFuture for a version above 1.
// Errors: corrupt for what is no stamp.
Status read_stamp(std::string_view stamp, Checkpoint& into);

// The members of a stamp, and of a line of the journal, into an open object.
void write_facts(JsonWriter& writer, const Checkpoint& checkpoint);
// One member that `key` has just begun: true when it is one of those, and then it is read. Errors: corrupt.
Result<bool> read_fact(JsonReader& reader, std::string_view key, Checkpoint& into);

// {"step":…,"epoch":…,"metrics":{…},"bytes":…,"path":…,"state":…,"time":…,"why":…}: what `checkpoint ls --json` prints of each;
// time in seconds; null for what is not known.
void write_checkpoint(JsonWriter& writer, const Checkpoint& checkpoint, std::string_view folder);
// The same members, into an open object.
void write_members(JsonWriter& writer, const Checkpoint& checkpoint, std::string_view folder);

// Integers of JSON, checked. Errors: corrupt.
Result<std::int64_t> integer_of(const JsonReader::Item& item);

}  // namespace holdall
