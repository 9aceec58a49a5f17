#include "holdall/checkpoint/folder.h"

#include <algorithm>
#include <memory>
#include <new>
#include <set>
#include <utility>

#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"
#include "holdall/io/parallel.h"
#include "holdall/io/publish.h"
#include "holdall/io/system_source.h"

namespace holdall {
namespace {

using State = Checkpoint::State;

constexpr std::uint64_t kMostStamp = 1u << 20;
// Entries that a thread looks at in one go.
constexpr std::size_t kEntriesATime = 200;

Checkpoint with_state(Checkpoint checkpoint, State state, std::string why) {
  checkpoint.state = state;
  checkpoint.why = std::move(why);
  return checkpoint;
}

// Bytes of all files in a folder of one level.
Result<std::uint64_t> folder_bytes(System& system, const std::string& path) {
  HOLDALL_ASSIGN(const auto names, system.list(path));
  HOLDALL_ASSIGN(const System::Handle handle, system.open(path, System::Open::kFolder));
  std::uint64_t bytes = 0;
  Status status;
  for (const std::string& name : names) {
    const auto facts = system.facts(handle, name);
    if (!facts && status) status = facts.error();
    if (facts && facts->kind == System::Kind::kFile) bytes += facts->bytes;
  }
  static_cast<void>(system.close(handle));  // nothing was written through it
  if (!status) return std::move(status).error();
  return bytes;
}

// What the journal says of each name, or nullptr.
std::vector<Checkpoint*> said_of(const std::vector<std::string>& names, std::vector<Checkpoint>& journal) {
  TextViewMap<Checkpoint*> known;
  known.reserve(journal.size());
  for (Checkpoint& checkpoint : journal) known.emplace(checkpoint.name, &checkpoint);
  std::vector<Checkpoint*> found;
  found.reserve(names.size());
  for (const std::string& name : names) {
    const auto said = known.find(name);
    found.push_back(said == known.end() ? nullptr : said->second);
  }
  return found;
}

// Whether this is worth being called damaged where it cannot be read: its name is a checkpoint's.
bool is_named_like_a_model(const std::string& name) {
  const Format* const format = format_by_extension(name);
  return format != nullptr && format->plan != nullptr && !format->folder;
}

// The stamp in a file; empty where a model has none.
Result<std::string> stamp_in_file(System& system, const std::string& path) {
  HOLDALL_ASSIGN(const SourceRef source, system_source(system, path));
  HOLDALL_ASSIGN(const Model model, open_model(Bundle::of(source)));
  if (const auto stamp = model.metadata().find_string(kStampKey)) return std::string(*stamp);
  return std::string();
}

Result<std::string> stamp_in_folder(System& system, const std::string& path) {
  auto source = system_source(system, text("{}/{}", path, kStampFile));
  if (!source && source.error().code() == Code::kNotFound) return std::string();
  if (!source) return std::move(source).error();
  HOLDALL_ASSIGN(const Bytes stamp, read_all(**source, kMostStamp));
  return std::string(stamp.text());
}

// Where a blob's bytes lie verbatim in a source, of a file or of memory.
std::optional<std::uint64_t> place_in(const Source& whole, const Blob& blob) {
  if (const auto own = whole.locate(0)) {
    const auto place = blob.locate();
    return place && place->path == own->path ? std::optional(place->offset) : std::nullopt;
  }
  const auto memory = whole.resident();
  const auto part = blob.source()->resident();
  if (!memory || !part || blob.size() == 0) return std::nullopt;
  const auto begin = reinterpret_cast<std::uintptr_t>(memory->data());
  const auto at = reinterpret_cast<std::uintptr_t>(part->data()) + blob.offset();
  return at >= begin && at - begin < memory->size() ? std::optional<std::uint64_t>(at - begin) : std::nullopt;
}

// Bytes of the file ranges that are no tensor's.
Status hash_between(const Source& source, std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges, Xxh3& hash) {
  ranges.emplace_back(source.size(), source.size());
  std::sort(ranges.begin(), ranges.end());
  std::uint64_t at = 0;
  for (const auto& [begin, end] : ranges) {
    while (at < begin) {
      HOLDALL_ASSIGN(const Bytes piece, read_range(source, at, std::min<std::uint64_t>(begin - at, kMostStamp)));
      hash.update(piece);
      at += piece.size();
    }
    at = std::max(at, end);
  }
  return {};
}

}  // namespace

Result<Checkpoint> examine(System& system, const std::string& folder, const std::string& name, const Checkpoint* known) {
  const std::string path = text("{}/{}", folder, name);
  Checkpoint found;
  found.name = name;
  HOLDALL_ASSIGN(const System::Handle handle, system.open(folder, System::Open::kFolder));
  const auto facts = system.facts(handle, name);
  static_cast<void>(system.close(handle));  // nothing was written through it
  if (!facts) return with_state(std::move(found), State::kDamaged, facts.error().to_string());
  const bool is_folder = facts->kind == System::Kind::kFolder;
  found.bytes = is_folder ? folder_bytes(system, path).value_or(0) : facts->bytes;
  if (!is_folder && facts->kind != System::Kind::kFile)
    return with_state(std::move(found), State::kForeign, "no file and no folder");
  auto stamp = is_folder ? stamp_in_folder(system, path) : stamp_in_file(system, path);
  if (!stamp && (stamp.error().code() == Code::kOutOfMemory || stamp.error().code() == Code::kInternal))
    return std::move(stamp).error();
  if (!stamp) {
    const bool ours = known != nullptr || is_folder || is_named_like_a_model(name);
    if (known != nullptr) {
      found.label = known->label;
      found.run = known->run;
      found.sequence = known->sequence;
      found.time = known->time;
    }
    return with_state(std::move(found), ours ? State::kDamaged : State::kForeign, stamp.error().to_string());
  }
  if (stamp->empty()) return with_state(std::move(found), State::kForeign, "it has no stamp of Holdall's");
  if (Status read = read_stamp(*stamp, found); !read)
    return with_state(std::move(found), State::kDamaged, read.error().to_string());
  if (found.sequence == 0) found.sequence = 1;
  if (known != nullptr && known->run == found.run && known->sequence == found.sequence) {
    found.frame = known->frame;
    if (known->bytes != found.bytes && found.is_complete())
      return with_state(std::move(found), State::kDamaged, text("it has {} bytes; {} were written", found.bytes, known->bytes));
  }
  return found;
}

Result<CheckpointFolder> CheckpointFolder::read(const std::string& path, System& system) {
  CheckpointFolder folder;
  folder.path_ = path;
  HOLDALL_ASSIGN(folder.journal_, read_journal(system, path));
  HOLDALL_ASSIGN(std::vector<std::string> names, system.list(path));
  std::erase_if(names, [](const std::string& name) { return name.starts_with('.'); });
  // A line that cannot be read may have been the last word on any of them.
  const bool believed = folder.journal_.bad_lines == 0;
  std::vector<Checkpoint> journal = std::exchange(folder.journal_.saved, {});
  const std::vector<Checkpoint*> saved = said_of(names, journal);
  std::vector<std::unique_ptr<Checkpoint>> examined(names.size());  // those that are not as the journal says
  HOLDALL_ASSIGN(const System::Handle handle, system.open(path, System::Open::kFolder));
  const std::uint64_t pieces = (names.size() + kEntriesATime - 1) / kEntriesATime;
  const Status status = parallel_for(pieces, worker_count(), [&](std::uint64_t piece) -> Status {
    const std::size_t end = std::min<std::size_t>((piece + 1) * kEntriesATime, names.size());
    for (std::size_t i = piece * kEntriesATime; i < end; ++i) {
      const System::Facts facts = system.facts(handle, names[i]).value_or(System::Facts{System::Kind::kOther, 0});
      if (facts.kind == System::Kind::kMissing) continue;  // gone since it was listed
      if (saved[i] != nullptr && believed && facts.kind == System::Kind::kFile && facts.bytes == saved[i]->bytes) {
        saved[i]->noted = true;
      } else {
        HOLDALL_ASSIGN(Checkpoint found, examine(system, path, names[i], saved[i]));
        examined[i] = std::make_unique<Checkpoint>(std::move(found));
      }
    }
    return {};
  });
  static_cast<void>(system.close(handle));  // nothing was written through it
  if (!status) return Status(status).error();
  for (const Checkpoint& said : journal)
    if (!said.noted) folder.journal_.saved.push_back(said);
  folder.all_ = std::move(journal);
  std::erase_if(folder.all_, [](const Checkpoint& said) { return !said.noted; });
  for (const std::unique_ptr<Checkpoint>& found : examined)
    if (found != nullptr) folder.all_.push_back(std::move(*found));
  const auto place = [](const Checkpoint& c) {
    const bool known_step = c.sequence != 0;
    return std::tuple(!known_step, known_step ? c.label.step : 0, c.sequence, std::string_view(c.name));
  };
  const auto before = [&](const Checkpoint& a, const Checkpoint& b) { return place(a) < place(b); };
  // A journal is in order as a rule.
  if (!std::is_sorted(folder.all_.begin(), folder.all_.end(), before))
    std::sort(folder.all_.begin(), folder.all_.end(), before);
  return folder;
}

const Checkpoint* CheckpointFolder::find(std::string_view name) const noexcept {
  const auto found = std::find_if(all_.begin(), all_.end(), [&](const Checkpoint& c) { return c.name == name; });
  return found == all_.end() ? nullptr : &*found;
}

const Checkpoint* CheckpointFolder::at_step(std::int64_t step) const noexcept {
  for (const Checkpoint* checkpoint : newest_first(all_))
    if (checkpoint->label.step == step) return checkpoint;
  return nullptr;
}

const Checkpoint* CheckpointFolder::latest() const noexcept {
  const auto order = newest_first(all_);
  return order.empty() ? nullptr : order.front();
}

const Checkpoint* CheckpointFolder::best(std::string_view metric, BestRule::Mode mode) const noexcept {
  const auto order = best_first(all_, metric, mode);
  return order.empty() ? nullptr : order.front();
}

std::string CheckpointFolder::path_of(const Checkpoint& checkpoint) const {
  return text("{}{}{}", path_, path_.ends_with('/') ? "" : "/", checkpoint.name);
}

Result<std::string> frame_of(const Model& model, const Bundle& bundle) {
  if (bundle.kind() != Bundle::Kind::kFile || model.origin().files.size() > 1) return std::string();
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  std::set<const Storage*> seen;
  for (const NamedTensor& entry : model.tensors()) {
    const StorageRef& storage = entry.tensor.storage();
    if (storage == nullptr || storage->data.size() == 0 || !seen.insert(storage.get()).second) continue;
    const auto place = place_in(*bundle.main(), storage->data);
    if (!place) return std::string();
    ranges.emplace_back(*place, *place + storage->data.size());
  }
  Xxh3 hash;
  HOLDALL_TRY(hash_between(*bundle.main(), std::move(ranges), hash));
  return to_hex(hash.finish());
}

Result<VerifyReport> verify_checkpoint(const std::string& folder, const Checkpoint& checkpoint, const VerifyOptions& options) {
  const std::string path = text("{}/{}", folder, checkpoint.name);
  HOLDALL_ASSIGN(const Bundle bundle, Bundle::open(path, options.open.limits));
  HOLDALL_ASSIGN(VerifyReport report, verify_model(bundle, options));
  HOLDALL_ASSIGN(const Checkpoint found, examine(System::local(), folder, checkpoint.name, &checkpoint));
  const auto fault = [&](std::string what) { report.faults.list.push_back({checkpoint.name, std::nullopt, std::move(what)}); };
  if (!found.is_complete() && report.sound()) fault(found.why);
  if (found.is_complete() && (found.run != checkpoint.run || found.sequence != checkpoint.sequence))
    fault(text("it is another checkpoint than was written: step {}, save {}; the journal says step {}, save {}",
               found.label.step, found.sequence, checkpoint.label.step, checkpoint.sequence));
  if (report.sound() && !checkpoint.frame.empty()) {
    HOLDALL_ASSIGN(const Model model, open_model(bundle, options.open));
    HOLDALL_ASSIGN(const std::string frame, frame_of(model, bundle));
    if (!frame.empty() && frame != checkpoint.frame)
      fault(text("the XXH3-128 of what is no tensor's is {}; the journal says {}", frame, checkpoint.frame));
    if (!frame.empty()) ++report.faults.digests;
  }
  return report;
}

Result<Model> open_newest(const std::string& folder, std::vector<PassedOver>* passed_over) {
  HOLDALL_ASSIGN(const CheckpointFolder contents, CheckpointFolder::read(folder));
  for (const Checkpoint* checkpoint : newest_first(contents.all())) {
    const auto report = verify_checkpoint(folder, *checkpoint);
    // An older one is no answer to what another time might be loaded.
    if (!report && report.error().code() == Code::kOutOfMemory) return report.error();
    std::string why = report ? "" : report.error().to_string();
    if (report && !report->sound()) why = report->faults.list.front().what;
    if (why.empty()) {
      auto model = open_model(contents.path_of(*checkpoint));
      if (model) return model;
      why = model.error().to_string();
    }
    if (passed_over != nullptr) passed_over->push_back({*checkpoint, std::move(why)});
  }
  return not_found("no checkpoint that could be loaded").in(folder);
}

Result<bool> is_held(System& system, const std::string& path) {
  HOLDALL_ASSIGN(const System::Kind kind, system.kind(path));
  if (kind == System::Kind::kFile) return system.in_use(path);
  if (kind != System::Kind::kFolder) return false;
  HOLDALL_ASSIGN(const auto names, system.list(path));
  for (const std::string& name : names) {
    HOLDALL_ASSIGN(const bool held, is_held(system, text("{}/{}", path, name)));
    if (held) return true;
  }
  return false;
}

Result<Pruning> prune(System& system, const CheckpointFolder& folder, const Rules& rules, bool dry_run) {
  HOLDALL_TRY(rules.check());
  Pruning pruning;
  pruning.fates = fates_of(folder.all(), rules, system.now());
  for (const Fate& fate : pruning.fates) {
    if (!fate.goes) continue;
    const std::string path = folder.path_of(*fate.checkpoint);
    const auto held = is_held(system, path);
    if (!held && held.error().code() == Code::kNotFound) continue;  // gone by another hand
    if (held && *held) {
      pruning.held.push_back(fate.checkpoint->name);
      continue;
    }
    Status removed = !held ? Status(held.error()) : dry_run ? Status() : remove_at_once(system, path);
    if (removed) {
      pruning.removed.push_back(fate.checkpoint->name);
    } else {
      pruning.failures.push_back(std::move(removed).error().in(path));
    }
  }
  if (dry_run || pruning.removed.empty()) return pruning;
  if (Status synced = sync_parent(system, folder.path_of(*folder.find(pruning.removed.front()))); !synced)
    pruning.failures.push_back(std::move(synced).error());
  return pruning;
}

}  // namespace holdall
