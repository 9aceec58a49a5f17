#include "holdall/formats/gguf/header_input.h"

#include <algorithm>

#include "holdall/base/text.h"

namespace holdall::gguf {
namespace {

constexpr std::uint64_t kWindow = 1u << 18;

}  // namespace

Result<std::span<const std::byte>> HeaderInput::take(std::uint64_t size) {
  if (size > remaining()) {
    return corrupt(text("{} bytes are needed, {} remain", size, remaining())).at(position_).in(name());
  }
  if (size > limits_.header_bytes || position_ + size > limits_.header_bytes) {
    return over_limit(text("a header of more than {} bytes", limits_.header_bytes)).at(position_).in(name());
  }
  if (position_ + size > window_at_ + window_.size()) {
    window_.resize(static_cast<std::size_t>(std::min(std::max(size, kWindow), remaining())));
    window_at_ = position_;
    HOLDALL_TRY(source_.read_at(window_at_, window_));
  }
  const auto part =
      std::span(window_).subspan(static_cast<std::size_t>(position_ - window_at_), static_cast<std::size_t>(size));
  position_ += size;
  return part;
}

Result<std::uint64_t> HeaderInput::count() {
  if (wide_) return number<std::uint64_t>();
  HOLDALL_ASSIGN(const std::uint32_t narrow, number<std::uint32_t>());
  return narrow;
}

Result<std::string> HeaderInput::string() {
  HOLDALL_ASSIGN(const std::uint64_t length, count());
  HOLDALL_ASSIGN(const std::span<const std::byte> bytes, take(length));
  return std::string(as_text(bytes));
}

}  // namespace holdall::gguf
