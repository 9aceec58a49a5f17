#include "holdall/checkpoint/writer.h"

#include <sys/resource.h>

#include <algorithm>
#include <new>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/checkpoint/mend.h"

namespace holdall {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// The frame of a single file that is in memory (Checkpoint::frame), which is asked as a reader of the file will be; empty for
// others. To be taken once it is written: only then the image is whole.
std::string frame_in_memory(const Plan& plan) {
  if (plan.folder || plan.files.size() != 1 || plan.files.front().image.empty()) return {};
  const Bundle image = Bundle::of(memory_source(Bytes::share(nullptr, plan.files.front().image), "image"));
  const auto model = open_model(image);
  return model ? frame_of(*model, image).value_or("") : std::string();
}

std::uint64_t bytes_of(const Plan& plan) {
  std::uint64_t bytes = 0;
  for (const PlannedFile& file : plan.files) bytes += file.size().value_or(0);
  return bytes;
}

}  // namespace

CheckpointWriter::CheckpointWriter(System& system, std::string folder, std::string run, const CheckpointerOptions& options,
                                   Lease lease, Journal journal)
    : system_(system),
      folder_(std::move(folder)),
      run_(std::move(run)),
      options_(options),
      lease_(std::move(lease)),
      journal_(journal) {
  free_.reserve(options_.in_flight + 2);  // so that memory is given back without needing any
  thread_ = std::thread([this] { this->run(); });
}

void CheckpointWriter::run() {
  // What is computed for the training goes first; threads started from here are as patient. A refusal changes nothing.
  static_cast<void>(::setpriority(PRIO_PROCESS, 0, ::getpriority(PRIO_PROCESS, 0) + kPatience));
  std::unique_lock lock(mutex_);
  while (true) {
    const auto ready = [&] { return closing_ || !queue_.empty() || to_touch_ != 0; };
    if (!changed_.wait_for(lock, std::chrono::nanoseconds(Lease::kRenewal), ready)) {
      lock.unlock();
      renew();
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
    work(std::move(job));
    lock.lock();
    written_bytes_ = 0;
    writing_ = false;
    changed_.notify_all();
  }
}

void CheckpointWriter::work(CheckpointJob job) {
  try {
    const auto begin = Clock::now();
    Status status = write(job);
    renew();
    settle(std::move(job), std::move(status), since(begin));
  } catch (const std::bad_alloc&) {
    const std::lock_guard lock(mutex_);
    starved_ = true;
  }
}

void CheckpointWriter::touch(std::unique_lock<std::mutex>& lock) {
  const std::uint64_t bytes = std::exchange(to_touch_, 0);
  if (busy_bytes() + free_bytes() != 0 || (options_.memory != 0 && bytes > options_.memory)) return;
  touching_ = true;
  lock.unlock();
  std::unique_ptr<Images> images;
  try {
    images = std::make_unique<Images>();
    static_cast<void>(images->prepare(bytes));  // a save tells what is wrong
  } catch (const std::bad_alloc&) {
    images.reset();
  }
  lock.lock();
  touching_ = false;
  if (images != nullptr) free_.push_back(std::move(images));
  changed_.notify_all();
}

// A sign of life, when it is due: between saves, and while one is written.
void CheckpointWriter::renew() {
  const std::unique_lock lock(renewing_, std::try_to_lock);
  if (!lock.owns_lock() || Clock::now() - renewed_ < std::chrono::nanoseconds(Lease::kRenewal)) return;
  renewed_ = Clock::now();
  try {
    static_cast<void>(lease_.renew());
  } catch (const std::bad_alloc&) {
    // The next one may find memory.
  }
}

Status CheckpointWriter::write(CheckpointJob& job) {
  try {
    const std::string path = text("{}/{}", folder_, job.checkpoint.name);
    Status status = execute_and_note(job, path);
    return status ? Status() : Status(std::move(status).error().in(path));
  } catch (const std::bad_alloc&) {
    return Error(Code::kOutOfMemory, "no memory left to write a checkpoint").in(folder_);
  }
}

Status CheckpointWriter::execute_and_note(CheckpointJob& job, const std::string& path) {
  // Until the new one is noted its file shall speak for itself: it may be as large as the old one, of which the journal speaks.
  HOLDALL_ASSIGN(const System::Kind kind, system_.kind(path));
  if (kind != System::Kind::kMissing)
    HOLDALL_TRY(append_journal(system_, folder_, removed_line(job.checkpoint.name), options_.durable));
  ExecuteOptions options;
  options.durable = options_.durable;
  options.replace = true;  // the name was looked at when it was given
  options.threads = options_.threads;
  options.system = &system_;
  options.progress = [this](std::uint64_t, std::uint64_t) {
    renew();
    return true;
  };
  HOLDALL_TRY(execute(job.plan, path, options));
  job.checkpoint.bytes = bytes_of(job.plan);
  job.checkpoint.frame = frame_in_memory(job.plan);
  HOLDALL_TRY(append_journal(system_, folder_, saved_line(job.checkpoint), options_.durable));
  if (journal_ == Journal::kMended) return {};
  HOLDALL_ASSIGN(const CheckpointFolder contents, CheckpointFolder::read(folder_, system_));
  HOLDALL_TRY(mend_journal(system_, contents, run_, options_.rules, options_.durable));
  journal_ = Journal::kMended;
  return {};
}

// Precondition: mutex_ is locked. The first failure is the one that is told.
void CheckpointWriter::keep(Error failure) {
  if (!failure_) failure_ = std::move(failure);
}

void CheckpointWriter::settle(CheckpointJob job, Status status, double seconds) {
  const bool written = status.has_value();
  {
    const std::lock_guard lock(mutex_);
    written_bytes_ = 0;
    if (job.images != nullptr) free_.push_back(std::move(job.images));
    try {
      CheckpointEvent event;
      event.kind = written ? CheckpointEvent::Kind::kSaved : CheckpointEvent::Kind::kFailed;
      event.checkpoint = std::move(job.checkpoint);
      event.waited = job.waited;
      event.written = seconds;
      if (!written) event.error = status.error();
      events_.push_back(std::move(event));
    } catch (const std::bad_alloc&) {
      // An event less; what failed is told all the same.
    }
    if (!written) keep(std::move(status).error());
  }
  if (!written || options_.rules.keep_all()) return;
  auto pruned = prune_now();
  const std::lock_guard lock(mutex_);
  if (!pruned) {
    keep(std::move(pruned).error());
  } else if (!pruned->failures.empty()) {
    keep(std::move(pruned->failures.front()));
  }
}

// What was removed is noted so that the journal does not grow for ever; nothing depends on it.
Result<Pruning> CheckpointWriter::prune_now() {
  const std::lock_guard one(pruning_);
  try {
    HOLDALL_ASSIGN(const CheckpointFolder contents, CheckpointFolder::read(folder_, system_));
    if (is_worn(contents)) HOLDALL_TRY(mend_journal(system_, contents, run_, options_.rules, options_.durable));
    HOLDALL_ASSIGN(Pruning pruning, holdall::prune(system_, contents, options_.rules, false));
    std::string lines;
    for (const std::string& name : pruning.removed) lines += removed_line(name);
    if (!lines.empty()) HOLDALL_TRY(append_journal(system_, folder_, lines, false));
    const std::lock_guard lock(mutex_);
    held_ = !pruning.held.empty();
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

std::uint64_t CheckpointWriter::busy_bytes() const {
  std::uint64_t bytes = given_bytes_ + written_bytes_;
  for (const CheckpointJob& job : queue_) bytes += job.images != nullptr ? job.images->bytes() : 0;
  return bytes;
}

std::uint64_t CheckpointWriter::free_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& images : free_) bytes += images->bytes();
  return bytes;
}

// The largest that is free fits best; of the others go those for which the bound leaves no room.
std::unique_ptr<Images> CheckpointWriter::images_of(std::uint64_t bytes) {
  std::unique_ptr<Images> images;
  std::sort(free_.begin(), free_.end(), [](const auto& a, const auto& b) { return a->bytes() < b->bytes(); });
  if (free_.empty()) {
    images = std::make_unique<Images>();
  } else {
    images = std::move(free_.back());
    free_.pop_back();
  }
  given_bytes_ = std::max(images->bytes(), bytes);
  while (options_.memory != 0 && !free_.empty() && busy_bytes() + free_bytes() > options_.memory) free_.pop_back();
  return images;
}

Result<std::unique_ptr<Images>> CheckpointWriter::images_for(std::uint64_t bytes, const Checkpoint& checkpoint) {
  std::unique_lock lock(mutex_);
  given_bytes_ = 0;  // of a save that ended without giving back what it was given
  const auto free = [&] {
    const bool room = options_.memory == 0 || busy_bytes() + bytes <= options_.memory;
    return taken() < options_.in_flight && room;
  };
  if (!free()) {
    CheckpointEvent event;
    if (options_.busy == CheckpointerOptions::Busy::kSkip) {
      event.kind = CheckpointEvent::Kind::kSkipped;
      event.checkpoint = checkpoint;
      events_.push_back(std::move(event));
      return std::unique_ptr<Images>();
    }
    if (options_.busy == CheckpointerOptions::Busy::kReplace && !queue_.empty()) {
      event.kind = CheckpointEvent::Kind::kReplaced;
      event.checkpoint = queue_.back().checkpoint;
      events_.push_back(std::move(event));
      if (queue_.back().images != nullptr) free_.push_back(std::move(queue_.back().images));
      queue_.pop_back();
    }
  }
  changed_.wait(lock, [&] { return !touching_ && free(); });
  return images_of(bytes);
}

void CheckpointWriter::give_back(std::unique_ptr<Images> images) {
  const std::lock_guard lock(mutex_);
  given_bytes_ = 0;
  free_.push_back(std::move(images));
  changed_.notify_all();
}

void CheckpointWriter::enqueue(CheckpointJob job) {
  const std::lock_guard lock(mutex_);
  given_bytes_ = 0;
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

Status CheckpointWriter::check() {
  const std::lock_guard lock(mutex_);
  if (std::exchange(starved_, false)) keep(Error(Code::kOutOfMemory, "no memory left behind the training").in(folder_));
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
    std::unique_lock lock(mutex_);
    // Whoever had it open may have gone with the training.
    if (std::exchange(held_, false)) {
      lock.unlock();
      static_cast<void>(prune_now());
      lock.lock();
    }
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
  return busy_bytes() + free_bytes();
}

bool CheckpointWriter::is_closed() const {
  const std::lock_guard lock(mutex_);
  return closing_;
}

}  // namespace holdall
