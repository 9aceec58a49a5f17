#include "holdall/io/bytes.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"

namespace holdall {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kLine = 64;  // of the cache
constexpr std::uint64_t kHugePage = 2u << 20;
constexpr std::uint64_t kMapFrom = 1u << 20;

// Large buffers are mappings of their own: they start zeroed, may take huge pages and go back to the system at once.
std::byte* map_pages(std::uint64_t size, Buffer::Pages pages) {
  void* place = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (place == MAP_FAILED) return nullptr;
  if (pages == Buffer::Pages::kHuge && size >= 2 * kHugePage) ::madvise(place, size, MADV_HUGEPAGE);
  return static_cast<std::byte*>(place);
}

void release(std::byte* data, std::size_t size) {
  if (data == nullptr) return;
  if (size >= kMapFrom) {
    ::munmap(data, *checked_align(size, kPage));
  } else {
    std::free(data);
  }
}

}  // namespace

Bytes Bytes::copy(std::string_view text) { return adopt(std::string(text)); }
Bytes Bytes::copy(std::span<const std::byte> data) { return adopt(std::string(as_text(data))); }

Bytes Bytes::adopt(std::string text) {
  auto owner = std::make_shared<const std::string>(std::move(text));
  const auto view = as_bytes(*owner);
  return share(std::move(owner), view);
}

Bytes Bytes::adopt(std::vector<std::byte> data) {
  auto owner = std::make_shared<const std::vector<std::byte>>(std::move(data));
  const std::span<const std::byte> view(*owner);
  return share(std::move(owner), view);
}

Bytes Bytes::share(std::shared_ptr<const void> owner, std::span<const std::byte> view) {
  Bytes bytes;
  bytes.owner_ = std::move(owner);
  bytes.view_ = view;
  return bytes;
}

Buffer::~Buffer() { release(data_, size_); }

Buffer::Buffer(Buffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this != &other) {
    release(data_, size_);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

Result<Buffer> Buffer::allocate(std::uint64_t size, Pages pages) {
  Buffer buffer;
  if (size == 0) return buffer;
  const std::uint64_t boundary = size < kPage ? kLine : kPage;
  const auto whole = checked_align(size, boundary);
  if (whole && *whole <= static_cast<std::uint64_t>(PTRDIFF_MAX)) {
    buffer.data_ = size >= kMapFrom ? map_pages(*whole, pages) : static_cast<std::byte*>(std::aligned_alloc(boundary, *whole));
  }
  if (buffer.data_ == nullptr) {
    return Error(Code::kOutOfMemory, text("{} bytes of memory cannot be had", size));
  }
  buffer.size_ = static_cast<std::size_t>(size);
  if (size < kMapFrom) std::fill_n(buffer.data_, buffer.size_, std::byte{0});
  return buffer;
}

Bytes Buffer::into_bytes() && {
  const std::span<const std::byte> view(data_, size_);
  auto owner = std::make_shared<Buffer>(std::move(*this));
  return Bytes::share(std::move(owner), view);
}

}  // namespace holdall
