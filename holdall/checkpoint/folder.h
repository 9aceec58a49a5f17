// CheckpointFolder: what is in a folder of checkpoints, by its journal and, where that says nothing, by the files themselves.
//
// A file that the journal names, with the size that it names, is taken to be what was written; every other entry is opened and
// asked for its stamp, and so are all where a line of the journal cannot be read. So files may be copied in, deleted, and the
// journal lost. Names that start with '.' are not looked at.
// Thread-safety: immutable. Ownership: owns its list.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "holdall/checkpoint/journal.h"
#include "holdall/checkpoint/retention.h"
#include "holdall/core/model.h"
#include "holdall/ops/verify.h"

namespace holdall {

class CheckpointFolder {
 public:
  // Errors: not found, denied, io, out of memory. A file that cannot be read is an entry that says so.
  static Result<CheckpointFolder> read(const std::string& path, System& system = System::local());

  const std::string& path() const noexcept { return path_; }
  // Every entry: those of known step by step and sequence, then the others by name.
  const std::vector<Checkpoint>& all() const noexcept { return all_; }
  const Checkpoint* find(std::string_view name) const noexcept;
  // The newest complete one of a step; nullptr where there is none.
  const Checkpoint* at_step(std::int64_t step) const noexcept;
  const Checkpoint* latest() const noexcept;
  // nullptr where no complete one has the metric.
  const Checkpoint* best(std::string_view metric, BestRule::Mode mode) const noexcept;
  // The rules that the last writer kept to.
  Rules rules() const { return parse_rules(journal_.rules); }
  // Without those of its saves that all() has as it says them (`noted`).
  const JournalContents& journal() const noexcept { return journal_; }
  std::string path_of(const Checkpoint& checkpoint) const;

 private:
  std::string path_;
  std::vector<Checkpoint> all_;
  JournalContents journal_;
};

// One entry of a folder by its own stamp. `known`: what the journal says of it, for its size and frame; or nullptr.
// Errors: out of memory, internal; what is wrong with the file is said in the entry.
Result<Checkpoint> examine(System& system, const std::string& folder, const std::string& name, const Checkpoint* known);

// verify_model() of a checkpoint, and whether it is the one that `checkpoint` says: its stamp, its size and its frame.
// Errors: those of verify_model().
Result<VerifyReport> verify_checkpoint(const std::string& folder, const Checkpoint& checkpoint,
                                       const VerifyOptions& options = {});

// XXH3-128, in hex, of the bytes of the model's files that are no tensor's; empty for what is not one plain file, or that
// file's bytes in memory.
Result<std::string> frame_of(const Model& model, const Bundle& bundle);

struct PassedOver {
  Checkpoint checkpoint;
  std::string why;
};
// The newest checkpoint whose checksums hold, opened; `passed_over` is told of newer ones. Errors: not found where there is
// none; those of reading the folder.
Result<Model> open_newest(const std::string& folder, std::vector<PassedOver>* passed_over = nullptr);

struct Pruning {
  std::vector<Fate> fates;           // refer to the folder
  std::vector<std::string> removed;  // names; of a dry run, what would be
  std::vector<std::string> held;     // to go, and open in some process
  std::vector<Error> failures;       // of removals
};
// Removes what the rules let go, as if it were deleted by hand; the folder is synced. A checkpoint that anybody has open stays.
// Errors: those of the rules' check.
Result<Pruning> prune(System& system, const CheckpointFolder& folder, const Rules& rules, bool dry_run);

// Whether a checkpoint is open in any process.
Result<bool> is_held(System& system, const std::string& path);

}  // namespace holdall
