#include "holdall/codec/stream_decoder.h"

#include <algorithm>
#include <utility>

#include "holdall/base/text.h"

namespace holdall {
namespace {

constexpr std::size_t kInputBytes = 65'536;

}  // namespace

StreamDecoder::StreamDecoder(SourceRef source, std::uint64_t offset, std::uint64_t size, Streams streams, std::string_view what)
    : source_(std::move(source)), next_(offset), end_(offset + size), streams_(streams), what_(what) {}

Result<std::size_t> StreamDecoder::pull(std::span<std::byte> out) {
  std::size_t done = 0;
  while (done < out.size() && !ended_) {
    HOLDALL_TRY(refill());
    if (!started_) HOLDALL_TRY(start());
    started_ = true;
    auto result = step(input_, out.subspan(done), next_ == end_);
    if (!result) return std::move(result).error().at(next_ - input_.size());
    const Step step = *result;
    input_ = input_.subspan(step.used);
    done += step.made;
    const std::uint64_t left = end_ - next_ + input_.size();
    if (step.ended) {
      started_ = false;
      ended_ = left == 0;
      if (left != 0 && streams_ == Streams::kOne) return damaged(text("{} bytes stand behind the {} data", left, what_));
    } else if (step.used == 0 && step.made == 0) {
      return damaged(left == 0 ? text("the {} data ends too early", what_) : text("the {} data is damaged", what_));
    }
  }
  return done;
}

Status StreamDecoder::refill() {
  if (!input_.empty() || next_ == end_) return {};
  if (buffer_.empty()) buffer_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(end_ - next_, kInputBytes)));
  const auto part = std::span(buffer_).first(static_cast<std::size_t>(std::min<std::uint64_t>(end_ - next_, buffer_.size())));
  HOLDALL_TRY(source_->read_at(next_, part));
  next_ += part.size();
  input_ = part;
  return {};
}

Error StreamDecoder::damaged(std::string what) const { return corrupt(std::move(what)).at(next_ - input_.size()); }

}  // namespace holdall
