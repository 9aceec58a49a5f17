#include "holdall/io/file_read.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "holdall/base/text.h"
#include "holdall/io/fresh_pages.h"

namespace holdall {
namespace {

constexpr std::uint64_t kBlock = 4096;
constexpr std::size_t kScratch = 4u << 20;

// Reads blocks until `needed` bytes are there; the file may end within the last block.
bool read_blocks(int descriptor, std::uint64_t at, std::span<std::byte> blocks, std::size_t needed) {
  std::size_t done = 0;
  while (done < needed) {
    const ssize_t got = ::pread(descriptor, blocks.data() + done, blocks.size() - done, static_cast<off_t>(at + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    done += static_cast<std::size_t>(got);
    if (done < needed && done % kBlock != 0) return false;
  }
  return true;
}

}  // namespace

FileReader::~FileReader() {
  if (direct_ >= 0) ::close(direct_);
}

// The same file again, whatever has happened to its name.
int FileReader::direct() const {
  std::call_once(opened_,
                 [this] { direct_ = ::open(text("/proc/self/fd/{}", descriptor_).c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC); });
  return direct_;
}

std::size_t FileReader::read_cached(std::uint64_t at, std::span<std::byte> out) const {
  std::size_t done = 0;
  while (done < out.size()) {
    const iovec place = {out.data() + done, out.size() - done};
    const ssize_t got = ::preadv2(descriptor_, &place, 1, static_cast<off_t>(at + done), RWF_NOWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

bool FileReader::read_direct(std::uint64_t at, std::span<std::byte> out, Buffer& scratch) const {
  const int descriptor = direct();
  if (descriptor < 0) return false;
  // A disk is asked once for memory that lies together. Ordinary pages do not: they cost many small requests, and a copy out of
  // huge ones is cheaper.
  const bool in_place =
      fresh_pages() == Buffer::Pages::kHuge && reinterpret_cast<std::uintptr_t>(out.data()) % kBlock == at % kBlock;
  while (!out.empty()) {
    const std::uint64_t skip = at % kBlock;
    std::size_t size = 0;
    if (in_place && skip == 0 && out.size() >= kBlock) {
      size = out.size() / kBlock * kBlock;
      if (!read_blocks(descriptor, at, out.first(size), size)) return false;
    } else {
      if (scratch.size() == 0) {
        auto allocated = Buffer::allocate(kScratch, Buffer::Pages::kHuge);
        if (!allocated) return false;
        scratch = std::move(*allocated);
      }
      // The block that is cut when all else fits in place, else as much as the scratch holds.
      const std::size_t most = in_place ? kBlock : scratch.size();
      size = static_cast<std::size_t>(std::min<std::uint64_t>(most - skip, out.size()));
      const auto blocks = scratch.span().first(static_cast<std::size_t>((skip + size + kBlock - 1) / kBlock * kBlock));
      if (!read_blocks(descriptor, at - skip, blocks, static_cast<std::size_t>(skip) + size)) return false;
      std::memcpy(out.data(), blocks.data() + skip, size);
    }
    at += size;
    out = out.subspan(size);
  }
  return true;
}

}  // namespace holdall
