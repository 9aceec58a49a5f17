#include "cli/input.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>
#include <vector>

#include "holdall/base/text.h"

namespace holdall::cli {
namespace {

constexpr std::size_t kInMemory = 32U << 20U;
constexpr std::size_t kPiece = 1U << 18U;
constexpr const char* kName = "-";

// A descriptor's bytes by position.
class DescriptorSource final : public Source {
 public:
  DescriptorSource(int descriptor, std::uint64_t size) : descriptor_(descriptor), size_(size) {}
  ~DescriptorSource() override {
    if (descriptor_ != STDIN_FILENO) ::close(descriptor_);
  }

  std::uint64_t size() const noexcept override { return size_; }
  const std::string& name() const noexcept override { return name_; }
  int descriptor(std::uint64_t offset, std::uint64_t* at) const noexcept override {
    *at = offset;
    return descriptor_;
  }
  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (offset > size_ || out.size() > size_ - offset) {
      return corrupt(text("{} bytes are needed, {} remain", out.size(), offset > size_ ? 0 : size_ - offset))
          .at(offset)
          .in(name_);
    }
    while (!out.empty()) {
      const ssize_t got = ::pread(descriptor_, out.data(), out.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return io_error("cannot be read", errno).at(offset).in(name_);
      if (got == 0) return corrupt("the file became shorter while it was read").at(offset).in(name_);
      out = out.subspan(static_cast<std::size_t>(got));
      offset += static_cast<std::uint64_t>(got);
    }
    return {};
  }

 private:
  int descriptor_;
  std::uint64_t size_;
  std::string name_ = kName;
};

// At most `out.size()` bytes of standard input; fewer only at its end.
Result<std::size_t> take(std::span<std::byte> out) {
  std::size_t taken = 0;
  while (taken < out.size()) {
    const ssize_t got = ::read(STDIN_FILENO, out.data() + taken, out.size() - taken);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return io_error("standard input cannot be read", errno).in(kName);
    if (got == 0) break;
    taken += static_cast<std::size_t>(got);
  }
  return taken;
}

Status put(int file, std::span<const std::byte> data) {
  while (!data.empty()) {
    const ssize_t written = ::write(file, data.data(), data.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0)
      return io_error("standard input cannot be kept in a temporary file; set TMPDIR to a roomier folder", errno);
    data = data.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Result<int> nameless_file() {
  const char* given = std::getenv("TMPDIR");
  const std::string folder = given != nullptr && *given != '\0' ? given : "/tmp";
  const int file = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file >= 0) return file;
  std::string name = folder + "/holdall-XXXXXX";
  const int named = ::mkstemp(name.data());
  if (named < 0) return io_error("no temporary file can be made", errno).in(folder);
  ::unlink(name.c_str());
  return named;
}

Result<SourceRef> spool(std::vector<std::byte> head) {
  HOLDALL_ASSIGN(const int file, nameless_file());
  auto source = std::make_unique<DescriptorSource>(file, 0);  // closes the file whatever happens
  HOLDALL_TRY(put(file, head));
  std::uint64_t size = head.size();
  head = std::vector<std::byte>(kPiece);
  for (;;) {
    HOLDALL_ASSIGN(const std::size_t got, take(head));
    HOLDALL_TRY(put(file, std::span<const std::byte>(head).first(got)));
    size += got;
    if (got < head.size()) break;
  }
  const int kept = ::dup(file);
  if (kept < 0) return io_error("standard input cannot be kept", errno).in(kName);
  return SourceRef(std::make_shared<DescriptorSource>(kept, size));
}

// Standard input under its own name, wherever its bytes are kept: an offset in it is one in the stream.
class StandardInput final : public Source {
 public:
  explicit StandardInput(SourceRef kept) : kept_(std::move(kept)) {}

  std::uint64_t size() const noexcept override { return kept_->size(); }
  const std::string& name() const noexcept override { return name_; }
  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override { return kept_->read_at(offset, out); }
  std::optional<Location> locate(std::uint64_t offset) const override { return Location{name_, offset}; }
  std::optional<Bytes> resident() const override { return kept_->resident(); }
  int descriptor(std::uint64_t offset, std::uint64_t* at) const noexcept override { return kept_->descriptor(offset, at); }

 private:
  SourceRef kept_;
  std::string name_ = kName;
};

Result<SourceRef> standard_input() {
  struct stat about{};
  if (::isatty(STDIN_FILENO) == 1)
    return invalid_argument("'-' reads standard input, which is a terminal here; pipe a file into it");
  if (::fstat(STDIN_FILENO, &about) == 0 && S_ISREG(about.st_mode) && ::lseek(STDIN_FILENO, 0, SEEK_CUR) == 0) {
    return SourceRef(std::make_shared<DescriptorSource>(STDIN_FILENO, static_cast<std::uint64_t>(about.st_size)));
  }
  std::vector<std::byte> head;
  while (head.size() < kInMemory) {
    const std::size_t before = head.size();
    head.resize(before + kPiece);
    HOLDALL_ASSIGN(const std::size_t got, take(std::span(head).subspan(before)));
    head.resize(before + got);
    if (got < kPiece) return memory_source(Bytes::adopt(std::move(head)), kName);
  }
  return spool(std::move(head));
}

}  // namespace

Result<Bundle> open_input(const std::string& path, const Limits& limits) {
  if (path != kName) return Bundle::open(path, limits);
  HOLDALL_ASSIGN(SourceRef source, standard_input());
  return Bundle::of(std::make_shared<StandardInput>(std::move(source)));
}

Result<TwoModels> open_two(const std::string& a, const std::string& b) {
  if (a == kName && b == kName) return invalid_argument("only one of the two can be standard input");
  HOLDALL_ASSIGN(const Bundle bundle_a, open_input(a));
  HOLDALL_ASSIGN(const Bundle bundle_b, open_input(b));
  HOLDALL_ASSIGN(Model model_a, open_model(bundle_a));
  HOLDALL_ASSIGN(Model model_b, open_model(bundle_b));
  return TwoModels{std::move(model_a), std::move(model_b)};
}

}  // namespace holdall::cli
