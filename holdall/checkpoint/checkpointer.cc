#include "holdall/checkpoint/checkpointer.h"

#include <algorithm>
#include <random>
#include <system_error>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/checkpoint/checkpoint_name.h"
#include "holdall/checkpoint/mend.h"
#include "holdall/checkpoint/writer.h"
#include "holdall/io/publish.h"
#include "holdall/ops/edit.h"

namespace holdall {
namespace {

using Clock = std::chrono::steady_clock;

std::string random_run() {
  std::random_device device;
  return text("{:08x}{:08x}{:08x}{:08x}", device(), device(), device(), device());
}

Status make_folders(System& system, const std::string& path, bool durable) {
  for (std::size_t slash = path.find('/', 1); true; slash = path.find('/', slash + 1)) {
    const std::string folder = path.substr(0, slash);
    HOLDALL_ASSIGN(const System::Kind kind, system.kind(folder));
    if (kind == System::Kind::kMissing) {
      Status made = system.make_folder(folder);
      // Another run may have made it meanwhile.
      if (!made && system.kind(folder).value_or(System::Kind::kMissing) != System::Kind::kFolder) return made;
      if (durable) HOLDALL_TRY(sync_parent(system, folder));
    } else if (kind == System::Kind::kFile) {
      return Error(Code::kAlreadyExists, "a file stands where the folder of checkpoints is to be").in(folder);
    }
    if (slash == std::string::npos) return {};
  }
}

Status check_options(const CheckpointerOptions& options) {
  HOLDALL_TRY(options.rules.check());
  HOLDALL_TRY(CheckpointName::parse(options.name));
  if (options.in_flight == 0) return invalid_argument("0 saves in flight: none could ever be made");
  if (options.busy == CheckpointerOptions::Busy::kReplace && options.in_flight < 2)
    return invalid_argument("a save can replace one that waits only where 2 or more may be in flight");
  for (const BestRule& rule : options.rules.best)
    if (rule.metric == "step" || rule.metric == "epoch")
      return invalid_argument(text("the best by {}, which is no metric: the last are the best by it", rule.metric));
  return {};
}

// ".pt"; empty for a name that has none.
std::string extension_of(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  const bool extended = dot != std::string::npos && name.find('}', dot) == std::string::npos;
  return extended ? name.substr(dot) : "";
}

// A format by the name's extension; a name without one is for folders, whose format each save names.
Status check_format(const std::string& name) {
  if (!extension_of(name).empty()) HOLDALL_TRY(format_to_write(name, {}, Model()));
  return {};
}

Result<Model> with_stamp(const Model& model, const std::string& stamp) {
  HOLDALL_ASSIGN(Model copy, edit_model(model, Edits::none(model)));
  return ModelBuilder::amended(std::move(copy), "", [&](ModelBuilder& own) {
    if (own.metadata == kNoNode) own.metadata = own.arena->dict();
    own.arena->set_item(own.metadata, kStampKey, own.arena->string(stamp));
  });
}

class Saver final : public Checkpointer {
 public:
  Saver(std::string folder, CheckpointerOptions options, CheckpointName name)
      : folder_(std::move(folder)),
        options_(std::move(options)),
        system_(options_.system != nullptr ? *options_.system : System::local()),
        name_(std::move(name)),
        process_(System::local().process()) {}

  ~Saver() override {
    // In a child process neither the thread nor the lock is there: what stands for them is left alone.
    if (is_child()) {
      static_cast<void>(writer_.release());
    } else if (writer_ != nullptr) {
      static_cast<void>(writer_->close());
    }
  }

  Status start() {
    HOLDALL_TRY(make_folders(system_, folder_, options_.durable));
    HOLDALL_ASSIGN(Lease lease, Lease::take(system_, folder_));
    // In containers the next process often has the number of the one that was killed.
    sweep_folder(system_, folder_, lease.previous_owner());
    HOLDALL_ASSIGN(const CheckpointFolder contents, CheckpointFolder::read(folder_, system_));
    run_ = contents.journal().run;
    sequence_ = contents.journal().last_sequence;
    for (const Checkpoint& checkpoint : contents.all()) sequence_ = std::max(sequence_, checkpoint.sequence);
    if (run_.empty() && contents.latest() != nullptr) run_ = contents.latest()->run;
    if (run_.empty()) run_ = random_run();
    const Status mended = mend_journal(system_, contents, run_, options_.rules, options_.durable);
    if (!mended && !is_lack_of_room(mended.error())) return mended;
    try {
      writer_ =
          std::make_unique<CheckpointWriter>(system_, folder_, run_, options_, std::move(lease),
                                             mended ? CheckpointWriter::Journal::kMended : CheckpointWriter::Journal::kToMend);
    } catch (const std::system_error& error) {
      return io_error("cannot start the thread that writes checkpoints", error.code().value()).in(folder_);
    }
    return {};
  }

  std::string stamp(const CheckpointLabel& label) override {
    next_ = Checkpoint();
    next_.label = label;
    next_.run = run_;
    next_.sequence = sequence_ + 1;
    next_.time = system_.now();
    return stamp_of(next_);
  }

  Result<Outcome> save(const Model& model, const CheckpointLabel& label, const SaveOptions& options) override {
    try {
      return save_planned(model, label, options);
    } catch (const std::bad_alloc&) {
      return Error(Code::kOutOfMemory, "no memory left to plan a checkpoint").in(folder_);
    }
  }

  Status prepare(const Model& model) override {
    HOLDALL_TRY(usable());
    // The name has no say in the size, and its metrics are not known yet.
    HOLDALL_ASSIGN(const Plan plan, plan_model(model, text("{}/.prepared{}", folder_, extension_of(options_.name))));
    HOLDALL_ASSIGN(const std::uint64_t bytes, Images::needed(plan));
    // Room for what grows a little from one save to the next.
    writer_->prepare(bytes + (1u << 20));
    return {};
  }

  Status check() override { return is_child() ? Status() : writer_->check(); }
  Status wait() override { return is_child() ? Status() : writer_->wait(); }
  bool wait_for(std::chrono::milliseconds time, Until until) override { return is_child() || writer_->wait_for(time, until); }
  Status close() override { return is_child() ? Status() : writer_->close(); }
  Result<Pruning> prune() override {
    HOLDALL_TRY(usable());
    return writer_->prune();
  }
  std::vector<CheckpointEvent> events() override { return is_child() ? std::vector<CheckpointEvent>() : writer_->events(); }
  std::uint64_t memory() const override { return is_child() ? 0 : writer_->memory(); }
  const std::string& folder() const noexcept override { return folder_; }
  const std::string& last_name() const noexcept override { return last_name_; }

 private:
  Result<Outcome> save_planned(const Model& model, const CheckpointLabel& label, const SaveOptions& options) {
    const auto begin = Clock::now();
    HOLDALL_TRY(usable());
    HOLDALL_TRY(writer_->check());
    Checkpoint checkpoint;
    const auto given = model.metadata().find_string(kStampKey);
    const bool stamped = given && read_stamp(*given, checkpoint) && checkpoint.run == run_ &&
                         checkpoint.sequence == sequence_ + 1 && checkpoint.label.step == label.step;
    std::string stamp_text = stamped ? std::string(*given) : stamp(label);
    if (!stamped) checkpoint = next_;
    checkpoint.label = label;
    HOLDALL_ASSIGN(checkpoint.name, name_.of(label));
    const std::string path = text("{}/{}", folder_, checkpoint.name);
    last_name_ = checkpoint.name;
    HOLDALL_TRY(refuse_foreign(checkpoint.name));
    HOLDALL_ASSIGN(const Format* format, format_to_write(path, options.to, model));
    std::optional<Model> marked;
    if (!format->folder && !stamped) {
      HOLDALL_ASSIGN(marked, with_stamp(model, stamp_text));
    }
    SaveOptions as_before = options;
    HOLDALL_TRY(let_go(path, as_before));
    HOLDALL_ASSIGN(Plan plan, plan_model(marked ? *marked : model, path, as_before));
    if (!plan.losses.empty() && options.losses == SaveOptions::Losses::kRefuse)
      return loss_error(plan.losses, format->id).in(path);
    if (plan.folder) {
      PlannedFile& mark = plan.files.emplace_back();
      mark.name = kStampFile;
      mark.add(Bytes::adopt(std::move(stamp_text)));
    }
    CheckpointJob job;
    job.plan = std::move(plan);
    job.checkpoint = std::move(checkpoint);
    return put(std::move(job), begin);
  }

  bool is_child() const { return System::local().process() != process_; }

  Status usable() const {
    if (is_child()) return invalid_argument("a child process cannot save to its parent's checkpoints").in(folder_);
    if (writer_->is_closed()) return invalid_argument("this checkpointer has been closed").in(folder_);
    return {};
  }

  // What an earlier save of this step left in its folder may go.
  Status let_go(const std::string& path, SaveOptions& options) {
    HOLDALL_ASSIGN(const System::Kind kind, system_.kind(path));
    if (kind != System::Kind::kFolder) return {};
    HOLDALL_ASSIGN(const auto names, system_.list(path));
    options.may_go.insert(options.may_go.end(), names.begin(), names.end());
    return {};
  }

  Status refuse_foreign(const std::string& name) {
    HOLDALL_ASSIGN(const System::Kind kind, system_.kind(text("{}/{}", folder_, name)));
    if (kind == System::Kind::kMissing) return {};
    HOLDALL_ASSIGN(const CheckpointFolder contents, CheckpointFolder::read(folder_, system_));
    const Checkpoint* const there = contents.find(name);
    if (there == nullptr) return {};
    if (there->sequence != 0 && there->state != Checkpoint::State::kFuture) return {};
    return Error(Code::kAlreadyExists,
                 text("what has this name is not known to be a checkpoint of this Holdall's ({}), and stays", there->why))
        .in(text("{}/{}", folder_, name));
  }

  // Behind the back of the caller where there is memory for a copy, else before its eyes.
  Result<Outcome> put(CheckpointJob job, Clock::time_point begin) {
    const auto waited = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
    const auto bytes = Images::needed(job.plan);
    const bool fits = bytes && (options_.memory == 0 || *bytes <= options_.memory);
    if (fits) {
      HOLDALL_ASSIGN(std::unique_ptr<Images> images, writer_->images_for(*bytes, job.checkpoint));
      if (images == nullptr) return Outcome::kSkipped;
      Status taken = copy(job.plan, *images);
      if (taken) {
        ++sequence_;
        job.images = std::move(images);
        job.waited = waited();
        writer_->enqueue(std::move(job));
        return Outcome::kQueued;
      }
      writer_->give_back(std::move(images));
      if (taken.error().code() != Code::kOutOfMemory) return std::move(taken).error();
    }
    ++sequence_;  // whatever comes of it: what fails last may be in its place all the same
    HOLDALL_TRY(writer_->write_now(std::move(job)));
    return Outcome::kWritten;
  }

  // The memory goes back to the writer whatever happens.
  static Status copy(Plan& plan, Images& images) {
    try {
      return images.take(plan);
    } catch (const std::bad_alloc&) {
      return Error(Code::kOutOfMemory, "no memory left for a copy");
    }
  }

  const std::string folder_;
  const CheckpointerOptions options_;
  System& system_;
  const CheckpointName name_;
  const std::int64_t process_;
  std::string run_;
  std::uint64_t sequence_ = 0;  // of the last save
  std::string last_name_;
  Checkpoint next_;  // what the last stamp says
  std::unique_ptr<CheckpointWriter> writer_;
};

}  // namespace

std::string_view name(CheckpointEvent::Kind kind) noexcept {
  switch (kind) {
    case CheckpointEvent::Kind::kSaved:
      return "saved";
    case CheckpointEvent::Kind::kSkipped:
      return "skipped";
    case CheckpointEvent::Kind::kReplaced:
      return "replaced";
    case CheckpointEvent::Kind::kFailed:
      return "failed";
    case CheckpointEvent::Kind::kRemoved:
      return "removed";
    case CheckpointEvent::Kind::kHeld:
      return "held";
  }
  return "";
}

Result<std::unique_ptr<Checkpointer>> Checkpointer::open(const std::string& folder, CheckpointerOptions options) {
  HOLDALL_TRY(check_options(options));
  HOLDALL_TRY(check_format(options.name));
  HOLDALL_ASSIGN(CheckpointName name, CheckpointName::parse(options.name));
  std::string trimmed = folder;
  while (trimmed.size() > 1 && trimmed.ends_with('/')) trimmed.pop_back();
  if (trimmed.empty()) return invalid_argument("a folder of checkpoints without a name");
  try {
    auto saver = std::make_unique<Saver>(std::move(trimmed), std::move(options), std::move(name));
    HOLDALL_TRY(saver->start());
    return std::unique_ptr<Checkpointer>(std::move(saver));
  } catch (const std::bad_alloc&) {
    return Error(Code::kOutOfMemory, "no memory left to open the folder of checkpoints").in(folder);
  }
}

}  // namespace holdall
