#include "holdall/io/system_source.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "holdall/base/text.h"

namespace holdall {
namespace {

class SystemSource final : public Source {
 public:
  SystemSource(System& system, System::Handle handle, std::uint64_t size, std::string name)
      : system_(system), handle_(handle), size_(size), name_(std::move(name)) {}
  ~SystemSource() override { static_cast<void>(system_.close(handle_)); }

  std::uint64_t size() const noexcept override { return size_; }
  const std::string& name() const noexcept override { return name_; }
  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (offset > size_ || out.size() > size_ - offset)
      return corrupt(text("{} bytes are wanted; {} remain", out.size(), size_ - std::min(offset, size_))).in(name_).at(offset);
    if (Status read = system_.read_at(handle_, offset, out); !read) return std::move(read).error().in(name_);
    return {};
  }

 private:
  System& system_;
  System::Handle handle_;
  std::uint64_t size_;
  std::string name_;
};

}  // namespace

Result<SourceRef> system_source(System& system, const std::string& path) {
  if (&system == &System::local()) return open_file(path);
  HOLDALL_ASSIGN(const System::Handle handle, system.open(path, System::Open::kRead));
  auto size = system.size(handle);
  if (!size) {
    static_cast<void>(system.close(handle));
    return std::move(size).error().in(path);
  }
  return std::make_shared<SystemSource>(system, handle, *size, path);
}

}  // namespace holdall
