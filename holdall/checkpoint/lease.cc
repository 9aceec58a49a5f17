#include "holdall/checkpoint/lease.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/checkpoint/record.h"

namespace holdall {
namespace {

using Token = JsonReader::Token;

// A lease is short; what is longer is none.
constexpr std::uint64_t kMostBytes = 64u << 10;

struct Holder {
  std::string owner;
  std::string host;
  std::string command;
  std::int64_t process = 0;
  std::int64_t alive = 0;  // nanoseconds since 1970, by the holder's clock

  bool is_there() const noexcept { return !owner.empty(); }
};

Result<Holder> parse(std::string_view document) {
  Holder holder;
  JsonReader reader(document);
  HOLDALL_ASSIGN(const auto begin, reader.next());
  if (begin.token != Token::kBeginObject) return corrupt("a lease is no object");
  while (true) {
    HOLDALL_ASSIGN(const auto key, reader.next());
    if (key.token == Token::kEndObject) return holder;
    const std::string member(key.text);
    HOLDALL_ASSIGN(const auto item, reader.next());
    if (member == "owner") holder.owner = std::string(item.text);
    if (member == "host") holder.host = std::string(item.text);
    if (member == "command") holder.command = std::string(item.text);
    if (member == "process" || member == "alive") {
      HOLDALL_ASSIGN(const std::int64_t number, integer_of(item));
      (member == "alive" ? holder.alive : holder.process) = number;
    }
    HOLDALL_TRY(reader.skip(item));
  }
}

// Who holds the lease, by its file; nobody where it is empty or damaged.
Holder holder_of(System& system, System::Handle handle) {
  const auto size = system.size(handle);
  if (!size || *size == 0 || *size > kMostBytes) return {};
  std::string document(*size, '\0');
  if (!system.read_at(handle, 0, std::as_writable_bytes(std::span(document)))) return {};
  while (!document.empty() && document.back() == '\0') document.pop_back();
  return parse(document).value_or(Holder{});
}

// Closed, and with it any lock let go, unless a lease takes it over.
struct Opened {
  System& system;
  System::Handle handle;
  ~Opened() {
    if (handle >= 0) static_cast<void>(system.close(handle));
  }
};

Error in_use(const Holder& holder, const std::string& folder, std::string_view more = {}) {
  if (!holder.is_there()) return Error(Code::kConflict, "another process saves checkpoints here").in(folder);
  const std::string command = holder.command.empty() ? "" : text(" ({})", holder.command);
  return Error(Code::kConflict,
               text("process {} on host {}{} saves checkpoints here{}", holder.process, holder.host, command, more))
      .in(folder);
}

// "PID-HOST-BOOT" without the PID.
std::string_view machine_of(std::string_view owner) { return owner.substr(std::min(owner.find('-'), owner.size())); }
std::string_view host_of(std::string_view owner) { return owner.substr(0, std::min(owner.rfind('-'), owner.size())); }

// Whether a holder, whose lock is not in the way, is to be believed alive.
std::optional<Error> alive(System& system, const Holder& holder, bool locks, const std::string& folder,
                           const std::string& file) {
  if (!holder.is_there()) return std::nullopt;
  const std::string own = system.owner();
  const bool here = host_of(machine_of(holder.owner)) == host_of(machine_of(own));
  // On this machine a lock that could be had means that nobody held it.
  if (here && locks) return std::nullopt;
  if (here) {
    if (holder.owner == own || system.abandoned(holder.owner, file)) return std::nullopt;
    return in_use(holder, folder);
  }
  const std::int64_t silent = system.now() - holder.alive;
  if (silent > Lease::kLapsed || silent < -Lease::kLapsed) return std::nullopt;
  const std::int64_t wait = (Lease::kLapsed - silent) / 1'000'000'000 + 1;
  return in_use(holder, folder,
                text("; its last sign of life was {} s ago; without another it may be taken over in {} s",
                     std::max<std::int64_t>(silent, 0) / 1'000'000'000, wait));
}

}  // namespace

bool is_lack_of_room(const Error& error) noexcept { return error.system_code() == ENOSPC || error.system_code() == EDQUOT; }

Result<Lease> Lease::take(System& system, const std::string& folder) {
  const std::string path = text("{}/{}", folder, kLeaseFile);
  HOLDALL_ASSIGN(const System::Locked locked, system.open_locked(path));
  if (locked.held == System::Held::kByThisProcess) {
    return Error(Code::kConflict, text("this process ({}) saves checkpoints here already", system.process())).in(folder);
  }
  Opened opened{system, locked.handle};
  Holder holder = holder_of(system, locked.handle);
  if (locked.held == System::Held::kByAnother) return in_use(holder, folder);
  if (auto error = alive(system, holder, locked.held == System::Held::kOurs, folder, path)) return std::move(*error);
  std::string owner = system.owner();
  Lease lease(system, std::exchange(opened.handle, -1), std::move(owner));
  lease.previous_ = std::move(holder.owner);
  // The lock alone keeps others of this machine away, and a full disk is when a run most needs what it has saved.
  const bool needs_words = locked.held != System::Held::kOurs;
  if (Status written = lease.write(); !written && (needs_words || !is_lack_of_room(written.error())))
    return std::move(written).error().in(path);
  return lease;
}

Lease::Lease(System& system, System::Handle handle, std::string owner)
    : system_(&system), handle_(handle), owner_(std::move(owner)), process_(system.process()), since_(system.now()) {}

Lease::Lease(Lease&& other) noexcept
    : system_(other.system_),
      handle_(std::exchange(other.handle_, -1)),
      owner_(std::move(other.owner_)),
      previous_(std::move(other.previous_)),
      process_(other.process_),
      since_(other.since_) {}

Lease::~Lease() { release(); }

Status Lease::renew() { return handle_ < 0 || system_->process() != process_ ? Status() : write(); }

Status Lease::write() {
  JsonWriter writer;
  writer.begin_object().key("owner").string(owner_).key("process").integer(system_->process());
  writer.key("host").string(system_->host()).key("command").string(system_->command());
  writer.key("since").integer(since_).key("alive").integer(system_->now()).end_object();
  // Every number keeps its digits from one sign of life to the next, and so does the file its size.
  HOLDALL_TRY(system_->write_at(handle_, 0, as_bytes(writer.text())));
  HOLDALL_ASSIGN(const std::uint64_t size, system_->size(handle_));
  return size == writer.text().size() ? Status() : system_->truncate(handle_, writer.text().size());
}

void Lease::release() noexcept {
  const System::Handle handle = std::exchange(handle_, -1);
  if (handle < 0 || system_->process() != process_) return;
  static_cast<void>(system_->truncate(handle, 0));
  static_cast<void>(system_->close(handle));
}

}  // namespace holdall
