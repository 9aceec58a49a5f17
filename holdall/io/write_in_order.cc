#include "holdall/io/write_in_order.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/io/late.h"
#include "holdall/io/layout.h"

namespace holdall {
namespace {

constexpr std::size_t kBuffer = 1u << 20;

// Gathers bytes and writes them in large pieces.
class Appender {
 public:
  static Result<Appender> make(const WriteTarget& target) {
    HOLDALL_ASSIGN(Buffer buffer, Buffer::allocate(kBuffer));
    return Appender(target, std::move(buffer));
  }

  std::uint64_t position() const noexcept { return written_ + used_; }

  // The room left in the buffer, never empty; fill a front part of it, then call took().
  Result<std::span<std::byte>> room() {
    if (used_ == buffer_.size()) HOLDALL_TRY(flush());
    return buffer_.span().subspan(used_);
  }
  void took(std::size_t size) noexcept { used_ += size; }

  Status append(std::span<const std::byte> data) {
    while (!data.empty()) {
      HOLDALL_ASSIGN(const auto to, room());
      const auto piece = data.first(std::min(data.size(), to.size()));
      std::memcpy(to.data(), piece.data(), piece.size());
      took(piece.size());
      data = data.subspan(piece.size());
    }
    return {};
  }

  Status fill(std::byte filler, std::uint64_t size) {
    while (size > 0) {
      HOLDALL_ASSIGN(const auto to, room());
      const auto piece = to.first(static_cast<std::size_t>(std::min<std::uint64_t>(size, to.size())));
      std::fill(piece.begin(), piece.end(), filler);
      took(piece.size());
      size -= piece.size();
    }
    return {};
  }

  Status flush() {
    if (used_ == 0) return {};
    if (Status status = target_.system.write_at(target_.handle, written_, buffer_.span().first(used_)); !status) {
      return std::move(status).error().in(target_.place);
    }
    written_ += used_;
    const std::size_t size = std::exchange(used_, 0);
    return target_.progress.add(size);
  }

 private:
  Appender(const WriteTarget& target, Buffer buffer) : target_(target), buffer_(std::move(buffer)) {}

  WriteTarget target_;
  Buffer buffer_;
  std::uint64_t written_ = 0;
  std::size_t used_ = 0;
};

class OrderedWriter {
 public:
  OrderedWriter(const PlannedFile& file, const WriteTarget& target, Appender out)
      : file_(file), target_(target), out_(std::move(out)), late_(file), written_(file.parts.size()) {}

  Status run() {
    for (PartId id = 0; id < file_.parts.size(); ++id) HOLDALL_TRY(write(id));
    HOLDALL_TRY(out_.flush());
    return late_.write_rest(target_, written_);
  }

 private:
  Status write(PartId id) {
    const Part& part = file_.parts[id];
    HOLDALL_ASSIGN(const auto size, part_size(part, out_.position()));
    Written& written = written_[id];
    written.offset = out_.position();
    written.size = size.value_or(0);
    PartCheck check(part);
    if (const auto* literal = std::get_if<Part::Literal>(&part.content)) {
      check.update(literal->bytes);
      HOLDALL_TRY(out_.append(literal->bytes));
    } else if (const auto* data = std::get_if<Part::Data>(&part.content)) {
      HOLDALL_TRY(copy(data->blob, check));
    } else if (const auto* stream = std::get_if<Part::Stream>(&part.content)) {
      HOLDALL_TRY(stream->make([&](std::span<const std::byte> bytes) {
        check.update(bytes);
        return out_.append(bytes);
      }));
      written.size = out_.position() - written.offset;
    } else if (const auto* align = std::get_if<Part::Align>(&part.content)) {
      HOLDALL_TRY(out_.fill(align->filler, *size));
    } else {
      return write_late(id);
    }
    HOLDALL_TRY(check.finish(written));
    late_.done(id);
    return {};
  }

  Status copy(const Blob& blob, PartCheck& check) {
    for (std::uint64_t at = 0; at < blob.size();) {
      HOLDALL_ASSIGN(const auto room, out_.room());
      const auto to = room.first(static_cast<std::size_t>(std::min<std::uint64_t>(blob.size() - at, room.size())));
      HOLDALL_TRY(blob.read_at(at, to));
      check.update(to);
      out_.took(to.size());
      at += to.size();
    }
    return {};
  }

  // Made at once when all it needs is done; else its place is left for the end.
  Status write_late(PartId id) {
    if (!late_.ready(id)) return out_.fill(std::byte{0}, written_[id].size);
    HOLDALL_ASSIGN(Buffer buffer, Buffer::allocate(written_[id].size));
    HOLDALL_TRY(make_late(file_, id, written_, buffer.span()));
    late_.done(id);
    return out_.append(buffer.span());
  }

  const PlannedFile& file_;
  WriteTarget target_;
  Appender out_;
  LateParts late_;
  std::vector<Written> written_;
};

}  // namespace

Status write_in_order(const PlannedFile& file, const WriteTarget& target) {
  HOLDALL_ASSIGN(Appender out, Appender::make(target));
  return OrderedWriter(file, target, std::move(out)).run();
}

}  // namespace holdall
