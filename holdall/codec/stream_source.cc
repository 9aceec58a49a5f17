#include "holdall/codec/stream_source.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <utility>

#include "holdall/base/text.h"

namespace holdall {
namespace {

constexpr std::uint64_t kBlockBytes = 262'144;
constexpr std::size_t kMostBlocks = 8;

class StreamSource final : public Source {
 public:
  explicit StreamSource(StreamDecoding decoding)
      : decoding_(std::move(decoding)), owner_(next_decoder_owner()), size_(decoding_.most) {
    pool_.park({owner_, decoding_.head.size(), std::move(decoding_.decoder)});
  }

  std::uint64_t size() const noexcept override { return size_; }
  const std::string& name() const noexcept override { return decoding_.name; }
  bool random_access() const noexcept override { return false; }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    HOLDALL_ASSIGN(const std::size_t got, read_up_to(offset, out));
    if (got == out.size()) return {};
    return corrupt(text("{} bytes are needed, the end is at {}", out.size(), size())).at(offset).in(name());
  }

  // Whole blocks that are not kept go straight to the reader, so that a decoder always stops between blocks.
  Result<std::size_t> read_up_to(std::uint64_t offset, std::span<std::byte> out) const override {
    const std::lock_guard lock(mutex_);
    std::size_t done = 0;
    while (done < out.size()) {
      const auto rest = out.subspan(done);
      HOLDALL_ASSIGN(const std::size_t got, read_some(offset + done, rest));
      done += got;
      if (got == 0) break;
    }
    return done;
  }

  Status find_end() const override {
    const std::lock_guard lock(mutex_);
    if (ended_) return {};
    std::vector<std::byte> scratch(kBlockBytes);
    while (!ended_) {
      DecoderPool::Parked state = pool_.take(owner_, UINT64_MAX);
      HOLDALL_TRY(pull(state, scratch));
      if (state.decoder) pool_.park(std::move(state));
    }
    return {};
  }

 private:
  struct Block {
    std::uint64_t number = 0;
    std::vector<std::byte> bytes;
  };

  // At least one byte, unless the end is at `offset` or before it.
  Result<std::size_t> read_some(std::uint64_t offset, std::span<std::byte> out) const {
    if (offset < decoding_.head.size()) return copy(decoding_.head, offset, out);
    if (offset >= size_) return std::size_t{0};
    const std::uint64_t number = offset / kBlockBytes;
    const std::uint64_t within = offset % kBlockBytes;
    const std::uint64_t whole = out.size() / kBlockBytes * kBlockBytes;
    const Block* kept = find(number);
    if (kept == nullptr && within == 0 && whole > 0) return decode(offset, out.first(static_cast<std::size_t>(whole)));
    if (kept == nullptr) {
      HOLDALL_ASSIGN(kept, load(number));
    }
    return copy(kept->bytes, within, out);
  }

  static std::size_t copy(const std::vector<std::byte>& from, std::uint64_t at, std::span<std::byte> out) {
    const auto begin = static_cast<std::size_t>(std::min<std::uint64_t>(at, from.size()));
    const std::size_t part = std::min(out.size(), from.size() - begin);
    std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(begin), part, out.begin());
    return part;
  }

  const Block* find(std::uint64_t number) const {
    for (const Block& block : blocks_)
      if (block.number == number) return &block;
    return nullptr;
  }

  Result<const Block*> load(std::uint64_t number) const {
    Block block{number, std::vector<std::byte>(kBlockBytes)};
    HOLDALL_ASSIGN(const std::size_t got, decode(number * kBlockBytes, block.bytes));
    block.bytes.resize(got);
    if (blocks_.size() == kMostBlocks) blocks_.erase(blocks_.begin());
    blocks_.push_back(std::move(block));
    return &blocks_.back();
  }

  // As many bytes from `offset`, where a block begins, as there are.
  Result<std::size_t> decode(std::uint64_t offset, std::span<std::byte> out) const {
    DecoderPool::Parked state = pool_.take(owner_, offset);
    std::vector<std::byte> scratch;
    while (state.position < offset) {
      scratch.resize(static_cast<std::size_t>(std::min(kBlockBytes, offset - state.position)));
      HOLDALL_TRY(pull(state, scratch));
      if (!state.decoder) return std::size_t{0};
    }
    HOLDALL_ASSIGN(const std::size_t got, pull(state, out));
    if (state.decoder) pool_.park(std::move(state));
    return got;
  }

  // What comes next; the decoder goes at the end.
  Result<std::size_t> pull(DecoderPool::Parked& state, std::span<std::byte> out) const {
    if (!state.decoder) state.decoder = decoding_.start();
    auto got = state.decoder->pull(out);
    if (!got) return std::move(got).error().in(name());
    state.position += *got;
    if (state.position > decoding_.most) return decoding_.too_much(state.position).in(name());
    if (*got < out.size()) {
      size_ = state.position;
      ended_ = true;
      state.decoder = nullptr;
    }
    return *got;
  }

  StreamDecoding decoding_;
  std::uint64_t owner_;
  mutable DecoderPool pool_;
  mutable std::atomic<std::uint64_t> size_;
  mutable std::mutex mutex_;  // guards what follows
  mutable bool ended_ = false;
  mutable std::vector<Block> blocks_;  // the oldest first
};

}  // namespace

SourceRef stream_source(StreamDecoding decoding) { return std::make_shared<StreamSource>(std::move(decoding)); }

}  // namespace holdall
