// Checkpointer: saves the states of a training behind its back, durably, and keeps of them what the rules say.
//
//   auto checkpointer = holdall::Checkpointer::open("runs/bert", {.rules = {.last = 3}});
//   (*checkpointer)->save(state, {.step = 1000, .epoch = 3, .metrics = {{"loss", 0.25}}});   // returns after the copy
//   (*checkpointer)->close();                                                                  // waits; tells what failed
//
// save() copies the tensors into memory that is used again and again (io/image.h) and returns; a thread writes the copy, with
// checksums, whole or not at all, notes it in the journal and removes what the rules let go. Readers need no Checkpointer.
// Thread-safety: one thread at a time calls; the writer is its own. Ownership: owns the lease of the folder, the writer and the
// memory; it refers to the tensors of a model only while save() runs. In a child process it does nothing.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "holdall/checkpoint/folder.h"
#include "holdall/ops/convert.h"

namespace holdall {

struct CheckpointerOptions {
  std::string name = "checkpoint_epoch{epoch}_step{step}.pt";  // see CheckpointName; its extension chooses the format
  Rules rules = {};
  // What a save does while as many as `in_flight` are not on disk: wait for one, do nothing, or take the place of one that has
  // not been begun (then in_flight is 2 or more).
  enum class Busy : std::uint8_t { kWait, kSkip, kReplace } busy = Busy::kWait;
  std::uint32_t in_flight = 1;
  // Bytes of memory for copies; what does not fit is written from the live tensors while save() waits. 0: as much as it takes.
  std::uint64_t memory = 0;
  bool durable = true;
  unsigned threads = 0;  // of the writer; 0: chosen by the machine and the size
  System* system = nullptr;
};

struct CheckpointEvent {
  enum class Kind : std::uint8_t { kSaved, kSkipped, kReplaced, kFailed, kRemoved, kHeld };
  Kind kind = Kind::kSaved;
  Checkpoint checkpoint;
  double waited = 0;   // seconds that save() took
  double written = 0;  // seconds that the writer took
  std::optional<Error> error = std::nullopt;
};
// "saved", "skipped", "replaced", "failed", "removed", "held" (it was to go, and somebody has it open)
std::string_view name(CheckpointEvent::Kind kind) noexcept;

class Checkpointer {
 public:
  // Makes the folder where there is none, takes its lease, sweeps what dead writers left. Errors: invalid argument for options
  // that contradict each other or a name that says no format; conflict where another run has the folder; io.
  static Result<std::unique_ptr<Checkpointer>> open(const std::string& folder, CheckpointerOptions options);
  // close(), whose error is then lost.
  virtual ~Checkpointer() = default;

  // The stamp that a model saved next with this label is to have in its metadata (kStampKey); save() adds it where it is not
  // there, which costs a copy of the model's tree.
  virtual std::string stamp(const CheckpointLabel& label) = 0;
  enum class Outcome : std::uint8_t { kQueued, kWritten, kSkipped };
  // Errors: the failure of an earlier save that has not been told yet, and then nothing is saved; those of plan_model(), loss,
  // already exists (what has the name is not Holdall's), out of memory, and with kWritten those of execute().
  virtual Result<Outcome> save(const Model& model, const CheckpointLabel& label, const SaveOptions& options = {}) = 0;
  // Has the memory for states like this one at hand, touched, before the first save; done by the writer.
  virtual Status prepare(const Model& model) = 0;
  // A failure of the writer that has not been told yet; it is told once.
  virtual Status check() = 0;
  // Waits until all is on disk. Errors: as check().
  virtual Status wait() = 0;
  // The same for at most this long: whether all is on disk, or, with kRoom, whether a save would find room at once. Tells no
  // failure.
  enum class Until : std::uint8_t { kDone, kRoom };
  virtual bool wait_for(std::chrono::milliseconds time, Until until) = 0;
  // wait(), and gives the lease back. Nothing can be saved afterwards.
  virtual Status close() = 0;
  // Removes what the rules let go, now.
  virtual Result<Pruning> prune() = 0;

  // What happened since the last call.
  virtual std::vector<CheckpointEvent> events() = 0;
  // Bytes of memory that hold copies, or are ready to.
  virtual std::uint64_t memory() const = 0;
  virtual const std::string& folder() const noexcept = 0;
  // The name in the folder of what was saved last.
  virtual const std::string& last_name() const noexcept = 0;
};

}  // namespace holdall
