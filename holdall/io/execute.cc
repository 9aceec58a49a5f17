#include "holdall/io/execute.h"

#include <algorithm>
#include <new>
#include <set>
#include <string_view>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/io/bundle.h"
#include "holdall/io/layout.h"
#include "holdall/io/parallel.h"
#include "holdall/io/publish.h"
#include "holdall/io/write_in_order.h"
#include "holdall/io/write_progress.h"
#include "holdall/io/write_tiles.h"

namespace holdall {
namespace {

// Larger files take their space before the first byte.
constexpr std::uint64_t kPreallocateFrom = 1u << 20;
// Up to here a file is one tile: more threads would cost more than they bring.
constexpr std::uint64_t kOneTile = 8u << 20;
constexpr std::uint64_t kKernelCopy = 64u << 20;

// Bytes of all files as far as they are known.
std::uint64_t known_bytes(const Plan& plan) {
  std::uint64_t total = 0;
  for (const PlannedFile& file : plan.files) total = checked_add(total, file.size().value_or(0)).value_or(total);
  return total;
}

// Makes every folder below `root`, which will be called `path`, that a file's name passes through; `made` holds those that
// exist.
Status make_folders(System& system, const std::string& root, const std::string& path, std::string_view name,
                    std::set<std::string, std::less<>>& made) {
  for (std::size_t slash = name.find('/'); slash != std::string_view::npos; slash = name.find('/', slash + 1)) {
    const std::string_view folder = name.substr(0, slash);
    if (made.contains(folder)) continue;
    if (Status status = system.make_folder(text("{}/{}", root, folder)); !status)
      return std::move(status).error().about(text("{}/{}", path, folder));
    made.emplace(folder);
  }
  return {};
}

class Execution {
 public:
  Execution(const Plan& plan, const std::string& path, const ExecuteOptions& options)
      : plan_(plan),
        path_(path),
        options_(options),
        system_(options.system != nullptr ? *options.system : System::local()),
        progress_(options.progress, known_bytes(plan)) {}

  Status run() {
    HOLDALL_TRY(check_request());
    const Publication::Options publish = {.durable = options_.durable, .replace = options_.replace};
    const auto kind = plan_.folder ? Publication::Kind::kFolder : Publication::Kind::kFile;
    HOLDALL_ASSIGN(Publication publication, Publication::begin(system_, path_, kind, publish));
    if (plan_.folder) {
      std::set<std::string, std::less<>> made;
      for (const PlannedFile& file : plan_.files) {
        HOLDALL_TRY(make_folders(system_, publication.place(), path_, file.name, made));
        HOLDALL_TRY(write(file, publication.place() + '/' + file.name, path_ + '/' + file.name));
      }
    } else {
      std::vector<Publication> others;
      for (std::size_t i = 1; i < plan_.files.size(); ++i) HOLDALL_TRY(write_beside(plan_.files[i], publish, others));
      HOLDALL_TRY(write(plan_.files.front(), publication.place(), path_));
      HOLDALL_TRY(progress_.finish());
      return commit_all(publication, others);
    }
    HOLDALL_TRY(progress_.finish());
    return publication.commit();
  }

 private:
  Status check_request() const {
    if (options_.tile_bytes % 4096 != 0)
      return invalid_argument(text("tiles of {} bytes are not whole blocks", options_.tile_bytes));
    if (plan_.files.empty() && !plan_.folder) return internal("a plan for a file has none");
    const std::string own = plan_.folder ? "" : path_.substr(folder_of_path().size());
    std::set<std::string_view> names;
    for (const PlannedFile& file : std::span(plan_.files).subspan(plan_.folder ? 0 : 1)) {
      if (!plan_.folder && (file.name == own || file.name.find('/') != std::string::npos))
        return invalid_argument(text("'{}' is no name of a file beside this one", file.name)).in(path_);
      if (!is_contained(file.name)) return invalid_argument(text("'{}' leads out of the folder", file.name)).in(path_);
      if (!names.insert(file.name).second) return invalid_argument(text("'{}' is to be written twice", file.name)).in(path_);
    }
    return {};
  }

  // Up to the last '/', which is in it.
  std::string folder_of_path() const { return path_.substr(0, path_.rfind('/') + 1); }

  Status write_beside(const PlannedFile& file, const Publication::Options& publish, std::vector<Publication>& others) {
    const std::string path = folder_of_path() + file.name;
    HOLDALL_ASSIGN(Publication publication, Publication::begin(system_, path, Publication::Kind::kFile, publish));
    others.push_back(std::move(publication));
    return write(file, others.back().place(), path);
  }

  // The file at the path is never there with others that are not its own.
  static Status commit_all(Publication& first, std::vector<Publication>& others) {
    if (std::any_of(others.begin(), others.end(), [](const Publication& other) { return other.replaces(); }))
      HOLDALL_TRY(first.take_away());
    for (Publication& other : others) HOLDALL_TRY(other.commit());
    return first.commit();
  }

  // `place` is where the bytes go now, `name` what the file will be called.
  Status write(const PlannedFile& file, const std::string& place, const std::string& name) {
    auto handle = system_.open(place, System::Open::kCreateNew);
    if (!handle) return std::move(handle).error().about(name);
    Status status = write_parts(file, place, {system_, *handle, name, progress_});
    if (status && options_.durable) {
      status = system_.sync(*handle);
      if (!status) status = std::move(status).error().in(name);
    }
    Status closed = system_.close(*handle);
    if (status && !closed) status = std::move(closed).error().in(name);
    return status;
  }

  Status write_parts(const PlannedFile& file, const std::string& place, const WriteTarget& target) {
    if (has_stream(file)) return write_in_order(file, target);
    HOLDALL_ASSIGN(Layout layout, place_parts(file));
    if (layout.size >= kPreallocateFrom) {
      if (Status status = system_.preallocate(target.handle, layout.size); !status)
        return std::move(status).error().in(target.place);
    }
    HOLDALL_ASSIGN(const bool copied, copy_in_kernel(file, target));
    if (copied) return {};
    TileOptions tiles;
    tiles.threads = options_.threads != 0 ? options_.threads : disk_worker_count();
    if (options_.tile_bytes != 0) {
      tiles.tile_bytes = options_.tile_bytes;
    } else if (layout.size <= kOneTile) {
      tiles.tile_bytes = kOneTile;
    }
    if (options_.durable && layout.size >= options_.direct_from) {
      auto direct = system_.open(place, System::Open::kDirectWrite);
      if (direct) {
        tiles.direct = *direct;
      } else if (direct.error().code() != Code::kUnsupported) {
        return std::move(direct).error().about(target.place);
      }
    }
    Status status = write_tiles(file, std::move(layout), target, tiles);
    if (tiles.direct < 0) return status;
    Status closed = system_.close(tiles.direct);
    if (status && !closed) return std::move(closed).error().in(target.place);
    return status;
  }

  // A file that is one range of another file, unchecked, is copied without passing through this process where that works.
  Result<bool> copy_in_kernel(const PlannedFile& file, const WriteTarget& target) {
    const auto* data = file.parts.size() == 1 ? std::get_if<Part::Data>(&file.parts.front().content) : nullptr;
    if (data == nullptr || data->blob.size() == 0) return false;
    const Part& part = file.parts.front();
    if (wants_crc32(part) || wants_crc32c(part) || wants_xxh3(part)) return false;
    std::uint64_t from = 0;
    const int source = data->blob.source()->descriptor(data->blob.offset(), &from);
    if (source < 0) return false;
    for (std::uint64_t at = 0; at < data->blob.size();) {
      const std::uint64_t size = std::min(kKernelCopy, data->blob.size() - at);
      auto copied = system_.copy_range(source, from + at, target.handle, at, size);
      if (!copied) return std::move(copied).error().in(target.place);
      if (!*copied) return false;
      at += size;
      HOLDALL_TRY(target.progress.add(size));
    }
    return true;
  }

  const Plan& plan_;
  const std::string& path_;
  const ExecuteOptions& options_;
  System& system_;
  WriteProgress progress_;
};

}  // namespace

Status execute(const Plan& plan, const std::string& path, const ExecuteOptions& options) {
  try {
    return Execution(plan, path, options).run();
  } catch (const std::bad_alloc&) {
    return Error(Code::kOutOfMemory, "no memory left for the list of parts").in(path);
  }
}

}  // namespace holdall
