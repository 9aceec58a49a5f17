#include "holdall/formats/onnx/value_decoder.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/codec/decoded.h"

namespace holdall::onnx {
namespace {

constexpr std::size_t kTile = 64u << 10;
constexpr std::uint64_t kMostText = 1u << 30;

class ValueDecoder final : public Decoder {
 public:
  ValueDecoder(Blob message, std::uint32_t number, Spelling spelling)
      : message_(std::move(message)), number_(number), spelling_(spelling) {}

  Result<std::size_t> pull(std::span<std::byte> out) override {
    std::size_t done = 0;
    while (done < out.size()) {
      if (used_ == ready_.size()) {
        ready_.clear();
        used_ = 0;
        HOLDALL_TRY(refill());
        if (ready_.empty()) return done;
      }
      const std::size_t some = std::min(out.size() - done, ready_.size() - used_);
      std::copy_n(as_bytes(ready_).begin() + static_cast<std::ptrdiff_t>(used_), some,
                  out.begin() + static_cast<std::ptrdiff_t>(done));
      used_ += some;
      done += some;
    }
    return done;
  }

 private:
  // Some more bytes; none at the end.
  Status refill() {
    while (ready_.size() < kTile) {
      if (packed_ && !packed_->at_end()) {
        HOLDALL_TRY(take_packed());
        continue;
      }
      packed_.reset();
      HOLDALL_ASSIGN(const auto field, message_.next());
      if (!field) return end();
      if (field->number == number_) HOLDALL_TRY(begin(*field));
    }
    return {};
  }

  Status begin(const ProtoField& field) {
    if (spelling_.kind == Spelling::Kind::kText) {
      if (field.wire != ProtoWire::kBytes) return message_.fault(text("field {} holds no text", number_));
      HOLDALL_ASSIGN(const Bytes value, message_.bytes(field, kMostText));
      append(value.size(), 8);
      ready_ += value.text();
      return {};
    }
    if (field.wire != ProtoWire::kBytes) {
      put(field.value);
      return {};
    }
    HOLDALL_ASSIGN(packed_, message_.message(field));
    fixed_at_ = 0;
    return {};
  }

  Status take_packed() {
    if (spelling_.kind != Spelling::Kind::kFixed) {
      while (!packed_->at_end() && ready_.size() < kTile) {
        HOLDALL_ASSIGN(const std::uint64_t value, packed_->packed_varint());
        put(value);
      }
      return {};
    }
    const Blob& whole = packed_->whole();
    const auto some = static_cast<std::size_t>(std::min<std::uint64_t>(kTile, whole.size() - fixed_at_));
    const std::size_t before = ready_.size();
    ready_.resize(before + some);
    HOLDALL_TRY(whole.read_at(fixed_at_, std::as_writable_bytes(std::span(ready_).subspan(before))));
    fixed_at_ += some;
    if (fixed_at_ == whole.size()) packed_.reset();
    return {};
  }

  void put(std::uint64_t value) {
    if (spelling_.kind != Spelling::Kind::kSixBits) return append(value, spelling_.width);
    bits_ |= (value & 0x3f) << pending_;
    pending_ += 6;
    for (; pending_ >= 8; pending_ -= 8, bits_ >>= 8) ready_ += static_cast<char>(bits_);
  }

  void append(std::uint64_t value, unsigned width) {
    std::array<char, 8> raw;
    store_le(raw.data(), value);
    ready_.append(raw.data(), width);
  }

  Status end() {
    if (pending_ > 0) ready_ += static_cast<char>(bits_);
    pending_ = 0;
    return {};
  }

  ProtoReader message_;
  std::uint32_t number_;
  Spelling spelling_;
  std::optional<ProtoReader> packed_;
  std::uint64_t fixed_at_ = 0;  // in packed_
  std::string ready_;
  std::size_t used_ = 0;
  std::uint64_t bits_ = 0;
  unsigned pending_ = 0;
};

// All decoders of a process: what reads many small tensors one by one parks none that is of use.
std::shared_ptr<DecoderPool> pool() {
  static const auto shared = std::make_shared<DecoderPool>();
  return shared;
}

}  // namespace

SourceRef spelled_out(Blob message, std::uint32_t number, Spelling spelling, std::uint64_t size) {
  const std::string name = message.name();
  Decoding decoding;
  decoding.start = [message = std::move(message), number, spelling]() -> Result<std::unique_ptr<Decoder>> {
    return std::unique_ptr<Decoder>(std::make_unique<ValueDecoder>(message, number, spelling));
  };
  return decoded_source(std::move(decoding), size, name, pool());
}

}  // namespace holdall::onnx
