#include "holdall/codec/decoded.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"

namespace holdall {
namespace {

constexpr std::size_t kMostParked = 8;
constexpr std::size_t kSkipBytes = 65'536;

class DecodedSource final : public Source {
 public:
  DecodedSource(Decoding decoding, std::uint64_t size, std::string name, std::shared_ptr<DecoderPool> pool)
      : decoding_(std::move(decoding)),
        size_(size),
        name_(std::move(name)),
        pool_(std::move(pool)),
        owner_(next_decoder_owner()) {}

  std::uint64_t size() const noexcept override { return size_; }
  const std::string& name() const noexcept override { return name_; }
  bool random_access() const noexcept override { return false; }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (!fits(offset, out.size(), size_)) {
      return corrupt(text("{} bytes are needed, the end is at {}", out.size(), size_)).at(offset).in(name_);
    }
    if (out.empty() && size_ != 0) return {};
    auto status = decoding_.whole && offset + out.size() == size_ && out.size() >= size_ - size_ / 2
                      ? read_whole(offset, out)
                      : read_in_order(offset, out);
    if (!status) return std::move(status).error().in(name_);
    return {};
  }

 private:
  // All, or all but a small part in front (a header that was read before).
  Status read_whole(std::uint64_t offset, std::span<std::byte> out) const {
    if (offset == 0) return decoding_.whole(out);
    HOLDALL_ASSIGN(Buffer buffer, Buffer::allocate(size_));
    HOLDALL_TRY(decoding_.whole(buffer.span()));
    std::copy_n(buffer.data() + offset, out.size(), out.begin());
    return {};
  }

  Status read_in_order(std::uint64_t offset, std::span<std::byte> out) const {
    DecoderPool::Parked state = pool_->take(owner_, offset);
    if (!state.decoder) {
      HOLDALL_ASSIGN(state.decoder, decoding_.start());
    }
    HOLDALL_TRY(skip_to(state, offset));
    HOLDALL_TRY(pull_all(state, out));
    if (state.position == size_) {
      std::byte more{};
      HOLDALL_ASSIGN(const std::size_t surplus, state.decoder->pull({&more, 1}));
      if (surplus != 0) return corrupt(text("the data decodes to more than the {} bytes that were declared", size_));
      return {};
    }
    pool_->park(std::move(state));
    return {};
  }

  Status skip_to(DecoderPool::Parked& state, std::uint64_t offset) const {
    if (state.position == offset) return {};
    std::vector<std::byte> scratch(static_cast<std::size_t>(std::min<std::uint64_t>(offset - state.position, kSkipBytes)));
    while (state.position < offset) {
      const std::uint64_t part = std::min<std::uint64_t>(offset - state.position, scratch.size());
      HOLDALL_TRY(pull_all(state, std::span(scratch).first(static_cast<std::size_t>(part))));
    }
    return {};
  }

  Status pull_all(DecoderPool::Parked& state, std::span<std::byte> out) const {
    if (out.empty()) return {};
    HOLDALL_ASSIGN(const std::size_t got, state.decoder->pull(out));
    state.position += got;
    if (got == out.size()) return {};
    return corrupt(text("the data decodes to {} bytes, {} were declared", state.position, size_));
  }

  Decoding decoding_;
  std::uint64_t size_;
  std::string name_;
  std::shared_ptr<DecoderPool> pool_;
  std::uint64_t owner_;
};

}  // namespace

std::uint64_t next_decoder_owner() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

DecoderPool::Parked DecoderPool::take(std::uint64_t owner, std::uint64_t offset) {
  const std::lock_guard lock(mutex_);
  auto best = parked_.end();
  for (auto it = parked_.begin(); it != parked_.end(); ++it) {
    if (it->owner != owner || it->position > offset) continue;
    if (best == parked_.end() || it->position > best->position) best = it;
  }
  if (best == parked_.end()) return {owner, 0, nullptr};
  Parked found = std::move(*best);
  parked_.erase(best);
  return found;
}

void DecoderPool::park(Parked parked) {
  const std::lock_guard lock(mutex_);
  if (parked_.size() == kMostParked) parked_.erase(parked_.begin());
  parked_.push_back(std::move(parked));
}

SourceRef decoded_source(Decoding decoding, std::uint64_t size, std::string name, std::shared_ptr<DecoderPool> pool) {
  return std::make_shared<DecodedSource>(std::move(decoding), size, std::move(name), std::move(pool));
}

}  // namespace holdall
