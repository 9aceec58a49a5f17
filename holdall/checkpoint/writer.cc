#include "holdall/checkpoint/writer.h"

#include <sys/resource.h>

#include <algorithm>
#include <new>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/io/layout.h"

namespace holdall {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// The frame of a single file that is in memory (Checkpoint::frame); empty for others. To be taken once it is written.
std::string frame_in_memory(const Plan& plan) {
  if (plan.folder || plan.files.size() != 1 || plan.files.front().image.empty()) return {};
  const PlannedFile& file = plan.files.front();
  const auto layout = place_parts(file);
  if (!layout) return {};
  Xxh3 hash;
  for (PartId id = 0; id < file.parts.size(); ++id) {
    if (std::holds_alternative<Part::Data>(file.parts[id].content)) continue;
    hash.update(file.image.subspan(layout->written[id].offset, layout->written[id].size));
  }
  return to_hex(hash.finish());
}

std::uint64_t bytes_of(const Plan& plan) {
  std::uint64_t bytes = 0;
  for (const PlannedFile& file : plan.files) bytes += file.size().value_or(0);
  return bytes;
}

}  // namespace

CheckpointWriter::CheckpointWriter(System& system, std::string folder, const CheckpointerOptions& options, Lease lease)
    : system_(system), folder_(std::move(folder)), options_(options), lease_(std::move(lease)), thread_([this] { run(); }) {}

void CheckpointWriter::run() {
  // What is computed for the training goes first; threads started from here are as patient. A refusal changes nothing.
  static_cast<void>(::setpriority(PRIO_PROCESS, 0, ::getpriority(PRIO_PROCESS, 0) + kPatience));
  std::unique_lock lock(mutex_);
  while (true) {
    const auto ready = [&] { return closing_ || !queue_.empty() || to_touch_ != 0; };
    if (!changed_.wait_for(lock, std::chrono::nanoseconds(Lease::kRenewal), ready)) {
      lock.unlock();
      static_cast<void>(lease_.renew());
      lock.lock();
      continue;
    }
    if (queue_.empty()) {
      if (closing_) return;
      touch(lock);
      continue;
    }
    CheckpointJob job = std::move(queue_.front());
    queue_.pop_front();
    writing_ = true;
    written_bytes_ = job.images != nullptr ? job.images->bytes() : 0;
    lock.unlock();
    const auto begin = Clock::now();
    Status status = write(job);
    static_cast<void>(lease_.renew());
    settle(std::move(job), std::move(status), since(begin));
    lock.lock();
    writing_ = false;
    written_bytes_ = 0;
    changed_.notify_all();
  }
}

void CheckpointWriter::touch(std::unique_lock<std::mutex>& lock) {
  const std::uint64_t bytes = std::exchange(to_touch_, 0);
  if (images_ != 0 || (options_.memory != 0 && bytes > options_.memory)) return;
  ++images_;
  touching_ = true;
  lock.unlock();
  auto images = std::make_unique<Images>();
  static_cast<void>(images->prepare(bytes));  // a save tells what is wrong
  lock.lock();
  touching_ = false;
  free_.push_back(std::move(images));
  changed_.notify_all();
}

Status CheckpointWriter::write(CheckpointJob& job) {
  const std::string path = text("{}/{}", folder_, job.checkpoint.name);
  try {
    ExecuteOptions execute_options;
    execute_options.durable = options_.durable;
    execute_options.replace = true;  // the name was looked at when it was given
    execute_options.threads = options_.threads;
    execute_options.system = &system_;
    HOLDALL_TRY(execute(job.plan, path, execute_options));
    job.checkpoint.bytes = bytes_of(job.plan);
    job.checkpoint.frame = frame_in_memory(job.plan);
    return note(job.checkpoint);
  } catch (const std::bad_alloc&) {
    return Error(Code::kOutOfMemory, "no memory left to write a checkpoint").in(path);
  }
}

Status CheckpointWriter::note(const Checkpoint& checkpoint) {
  return append_journal(system_, folder_, saved_line(checkpoint), options_.durable);
}

void CheckpointWriter::settle(CheckpointJob job, Status status, double seconds) {
  std::vector<CheckpointEvent> events;
  CheckpointEvent event;
  event.kind = status ? CheckpointEvent::Kind::kSaved : CheckpointEvent::Kind::kFailed;
  event.checkpoint = std::move(job.checkpoint);
  event.waited = job.waited;
  event.written = seconds;
  if (!status) event.error = status.error();
  {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
    if (job.images != nullptr) free_.push_back(std::move(job.images));
    if (!status && !failure_) failure_ = std::move(status).error();
  }
  if (!status || options_.rules.keep_all()) return;
  auto pruned = prune_now();
  const std::lock_guard lock(mutex_);
  if (!pruned && !failure_) failure_ = std::move(pruned).error();
  if (pruned && !pruned->failures.empty() && !failure_) failure_ = pruned->failures.front();
}

// What was removed is noted so that the journal does not grow for ever; nothing depends on it.
Result<Pruning> CheckpointWriter::prune_now() {
  const std::lock_guard one(pruning_);
  try {
    HOLDALL_ASSIGN(const CheckpointFolder contents, CheckpointFolder::read(folder_, system_));
    HOLDALL_ASSIGN(Pruning pruning, holdall::prune(system_, contents, options_.rules, false));
    std::string lines;
    for (const std::string& name : pruning.removed) lines += removed_line(name);
    if (!lines.empty()) HOLDALL_TRY(append_journal(system_, folder_, lines, false));
    const std::lock_guard lock(mutex_);
    for (const auto kind : {CheckpointEvent::Kind::kRemoved, CheckpointEvent::Kind::kHeld}) {
      for (const std::string& name : kind == CheckpointEvent::Kind::kRemoved ? pruning.removed : pruning.held) {
        CheckpointEvent event;
        event.kind = kind;
        if (const Checkpoint* checkpoint = contents.find(name)) event.checkpoint = *checkpoint;
        events_.push_back(std::move(event));
      }
    }
    pruning.fates.clear();  // they refer to the folder as it was
    return pruning;
  } catch (const std::bad_alloc&) {
    return Error(Code::kOutOfMemory, "no memory left to look through the folder").in(folder_);
  }
}

Result<std::unique_ptr<Images>> CheckpointWriter::images_for(std::uint64_t bytes, const Checkpoint& checkpoint) {
  std::unique_lock lock(mutex_);
  const auto room = [&] {
    return !free_.empty() || images_ == 0 || options_.memory == 0 || (images_ + 1) * bytes <= options_.memory;
  };
  const auto free = [&] { return !touching_ && taken() < options_.in_flight && room(); };
  if (taken() >= options_.in_flight) {
    CheckpointEvent event;
    if (options_.busy == CheckpointerOptions::Busy::kSkip) {
      event.kind = CheckpointEvent::Kind::kSkipped;
      event.checkpoint = checkpoint;
      events_.push_back(std::move(event));
      return std::unique_ptr<Images>();
    }
    if (options_.busy == CheckpointerOptions::Busy::kReplace && !queue_.empty()) {
      event.kind = CheckpointEvent::Kind::kReplaced;
      event.checkpoint = std::move(queue_.back().checkpoint);
      events_.push_back(std::move(event));
      if (queue_.back().images != nullptr) free_.push_back(std::move(queue_.back().images));
      queue_.pop_back();
    }
  }
  changed_.wait(lock, free);
  // The largest that is free fits best.
  const auto larger = [](const auto& a, const auto& b) { return a->bytes() < b->bytes(); };
  const auto best = std::max_element(free_.begin(), free_.end(), larger);
  if (best == free_.end()) {
    ++images_;
    return std::make_unique<Images>();
  }
  std::unique_ptr<Images> images = std::move(*best);
  free_.erase(best);
  return images;
}

void CheckpointWriter::give_back(std::unique_ptr<Images> images) {
  const std::lock_guard lock(mutex_);
  free_.push_back(std::move(images));
  changed_.notify_all();
}

void CheckpointWriter::enqueue(CheckpointJob job) {
  const std::lock_guard lock(mutex_);
  queue_.push_back(std::move(job));
  changed_.notify_all();
}

Status CheckpointWriter::write_now(CheckpointJob job) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return queue_.empty() && !writing_; });
  lock.unlock();
  const auto begin = Clock::now();
  Status status = write(job);
  if (!status) return status;
  job.waited = since(begin);
  settle(std::move(job), {}, since(begin));
  return {};
}

void CheckpointWriter::prepare(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  to_touch_ = bytes;
  changed_.notify_all();
}

void CheckpointWriter::add(CheckpointEvent event) {
  const std::lock_guard lock(mutex_);
  events_.push_back(std::move(event));
}

Status CheckpointWriter::check() {
  const std::lock_guard lock(mutex_);
  if (!failure_) return {};
  Error failure = std::move(*failure_);
  failure_.reset();
  return failure;
}

Status CheckpointWriter::wait() {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return queue_.empty() && !writing_; });
  }
  return check();
}

bool CheckpointWriter::wait_for(std::chrono::milliseconds time, Checkpointer::Until until) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, time, [&] {
    return until == Checkpointer::Until::kDone ? taken() == 0 : !touching_ && taken() < options_.in_flight;
  });
}

Status CheckpointWriter::close() {
  if (is_closed()) return {};
  Status status = wait();
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    changed_.notify_all();
  }
  thread_.join();
  lease_.release();
  free_.clear();
  return status;
}

Result<Pruning> CheckpointWriter::prune() {
  HOLDALL_TRY(wait());
  return prune_now();
}

std::vector<CheckpointEvent> CheckpointWriter::events() {
  const std::lock_guard lock(mutex_);
  return std::exchange(events_, {});
}

std::uint64_t CheckpointWriter::memory() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t bytes = written_bytes_;
  for (const auto& images : free_) bytes += images->bytes();
  for (const CheckpointJob& job : queue_) bytes += job.images != nullptr ? job.images->bytes() : 0;
  return bytes;
}

bool CheckpointWriter::is_closed() const {
  const std::lock_guard lock(mutex_);
  return closing_;
}

}  // namespace holdall
