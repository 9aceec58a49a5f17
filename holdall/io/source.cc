#include "holdall/io/source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"

namespace holdall {
namespace {

Error past_end(std::uint64_t offset, std::uint64_t size, std::uint64_t whole, const std::string& name) {
  return corrupt(text("{} bytes are needed, the end is at {}", size, whole)).at(offset).in(name);
}

class FileSource final : public Source {
 public:
  FileSource(int descriptor, std::uint64_t size, std::string path)
      : descriptor_(descriptor), size_(size), path_(std::move(path)) {}
  ~FileSource() override { ::close(descriptor_); }

  std::uint64_t size() const noexcept override { return size_; }
  const std::string& name() const noexcept override { return path_; }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (!fits(offset, out.size(), size_)) return past_end(offset, out.size(), size_, path_);
    std::size_t done = 0;
    while (done < out.size()) {
      const ssize_t got = ::pread(descriptor_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
      if (got > 0) {
        done += static_cast<std::size_t>(got);
      } else if (got == 0) {
        return corrupt(text("the file ends here; it had {} bytes when it was opened", size_)).at(offset + done).in(path_);
      } else if (errno != EINTR) {
        return io_error(text("{} bytes cannot be read", out.size()), errno).at(offset + done).in(path_);
      }
    }
    return {};
  }

  std::optional<Location> locate(std::uint64_t offset) const override { return Location{path_, offset}; }
  int descriptor(std::uint64_t offset, std::uint64_t* at) const noexcept override {
    *at = offset;
    return descriptor_;
  }

 private:
  int descriptor_;
  std::uint64_t size_;
  std::string path_;
};

class MemorySource final : public Source {
 public:
  MemorySource(Bytes bytes, std::string name) : bytes_(std::move(bytes)), name_(std::move(name)) {}

  std::uint64_t size() const noexcept override { return bytes_.size(); }
  const std::string& name() const noexcept override { return name_; }
  std::optional<Bytes> resident() const override { return bytes_; }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (!fits(offset, out.size(), bytes_.size())) return past_end(offset, out.size(), bytes_.size(), name_);
    std::copy_n(bytes_.data() + offset, out.size(), out.data());
    return {};
  }

 private:
  Bytes bytes_;
  std::string name_;
};

class SliceSource final : public Source {
 public:
  SliceSource(SourceRef whole, std::uint64_t offset, std::uint64_t size, std::string name)
      : whole_(std::move(whole)), offset_(offset), size_(size), name_(std::move(name)) {}

  std::uint64_t size() const noexcept override { return size_; }
  const std::string& name() const noexcept override { return name_; }
  bool random_access() const noexcept override { return whole_->random_access(); }
  std::optional<Location> locate(std::uint64_t offset) const override { return whole_->locate(offset_ + offset); }
  int descriptor(std::uint64_t offset, std::uint64_t* at) const noexcept override {
    return whole_->descriptor(offset_ + offset, at);
  }

  std::optional<Bytes> resident() const override {
    const auto whole = whole_->resident();
    if (!whole) return std::nullopt;
    return whole->slice(static_cast<std::size_t>(offset_), static_cast<std::size_t>(size_));
  }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (!fits(offset, out.size(), size_)) return past_end(offset, out.size(), size_, name_);
    return whole_->read_at(offset_ + offset, out);
  }

 private:
  SourceRef whole_;
  std::uint64_t offset_;
  std::uint64_t size_;
  std::string name_;
};

class SwappedSource final : public Source {
 public:
  SwappedSource(SourceRef whole, std::size_t width) : whole_(std::move(whole)), width_(width) {}

  std::uint64_t size() const noexcept override { return whole_->size(); }
  const std::string& name() const noexcept override { return whole_->name(); }
  bool random_access() const noexcept override { return whole_->random_access(); }
  std::uint64_t unit() const noexcept override { return whole_->unit(); }

  // Whole units are swapped in place; a unit that the range cuts is read apart.
  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (!fits(offset, out.size(), size())) return past_end(offset, out.size(), size(), name());
    const std::uint64_t end = offset + out.size();
    while (offset < end) {
      const std::uint64_t inside = offset % width_;
      const std::uint64_t whole = inside == 0 ? (end - offset) / width_ * width_ : 0;
      if (whole > 0) {
        const auto part = out.first(static_cast<std::size_t>(whole));
        HOLDALL_TRY(whole_->read_at(offset, part));
        reverse_units(part, width_);
        out = out.subspan(part.size());
        offset += whole;
        continue;
      }
      std::array<std::byte, 16> unit{};
      HOLDALL_TRY(whole_->read_at(offset - inside, std::span(unit).first(width_)));
      std::reverse(unit.begin(), unit.begin() + static_cast<std::ptrdiff_t>(width_));
      const std::size_t part = static_cast<std::size_t>(std::min(width_ - inside, end - offset));
      std::copy_n(unit.begin() + static_cast<std::ptrdiff_t>(inside), part, out.begin());
      out = out.subspan(part);
      offset += part;
    }
    return {};
  }

 private:
  SourceRef whole_;
  std::size_t width_;
};

}  // namespace

std::optional<Location> Source::locate(std::uint64_t) const { return std::nullopt; }
std::optional<Bytes> Source::resident() const { return std::nullopt; }
Result<std::size_t> Source::read_up_to(std::uint64_t offset, std::span<std::byte> out) const {
  const std::uint64_t whole = size();
  if (offset >= whole) return std::size_t{0};
  const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), whole - offset));
  HOLDALL_TRY(read_at(offset, out.first(part)));
  return part;
}
int Source::descriptor(std::uint64_t, std::uint64_t*) const noexcept { return -1; }

Result<SourceRef> open_file(const std::string& path) {
  int descriptor = -1;
  do {
    descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  } while (descriptor < 0 && errno == EINTR);
  if (descriptor < 0) return io_error("the file cannot be opened", errno).in(path);
  struct stat facts{};
  if (::fstat(descriptor, &facts) != 0) {
    const int code = errno;
    ::close(descriptor);
    return io_error("the file cannot be examined", code).in(path);
  }
  if (!S_ISREG(facts.st_mode)) {
    ::close(descriptor);
    return invalid_argument(S_ISDIR(facts.st_mode) ? "this is a folder, not a file" : "this is not a regular file").in(path);
  }
  return SourceRef(std::make_shared<FileSource>(descriptor, static_cast<std::uint64_t>(facts.st_size), path));
}

SourceRef memory_source(Bytes bytes, std::string name) {
  return std::make_shared<MemorySource>(std::move(bytes), std::move(name));
}

Result<SourceRef> slice_source(SourceRef whole, std::uint64_t offset, std::uint64_t size, std::string name) {
  if (!fits(offset, size, whole->size())) return past_end(offset, size, whole->size(), whole->name());
  return SourceRef(std::make_shared<SliceSource>(std::move(whole), offset, size, std::move(name)));
}

Result<SourceRef> byte_swapped_source(SourceRef whole, std::size_t width) {
  if (width == 1) return whole;
  if (width != 2 && width != 4 && width != 8 && width != 16) {
    return invalid_argument(text("units of {} bytes have no byte order", width));
  }
  if (whole->size() % width != 0) {
    return corrupt(text("{} bytes are not whole units of {}", whole->size(), width)).in(whole->name());
  }
  return SourceRef(std::make_shared<SwappedSource>(std::move(whole), width));
}

bool stands_at(const Source& source, std::uint64_t offset, std::string_view mark) {
  std::array<std::byte, 16> bytes;
  const auto some = std::span(bytes).first(mark.size());
  return offset <= source.size() && source.size() - offset >= mark.size() && source.read_at(offset, some) &&
         as_text(some) == mark;
}

Result<Bytes> read_all(const Source& source, std::uint64_t most) {
  if (source.size() > most) {
    return over_limit(text("{} bytes would have to be in memory, {} are allowed", source.size(), most)).in(source.name());
  }
  return read_range(source, 0, source.size());
}

Result<Bytes> read_range(const Source& source, std::uint64_t offset, std::uint64_t size) {
  if (!fits(offset, size, source.size())) return past_end(offset, size, source.size(), source.name());
  if (const auto resident = source.resident()) {
    return resident->slice(static_cast<std::size_t>(offset), static_cast<std::size_t>(size));
  }
  HOLDALL_ASSIGN(Buffer buffer, Buffer::allocate(size));
  HOLDALL_TRY(source.read_at(offset, buffer.span()));
  return std::move(buffer).into_bytes();
}

}  // namespace holdall
