#include "holdall/io/joined.h"

#include <algorithm>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"

namespace holdall {
namespace {

class JoinedSource final : public Source {
 public:
  JoinedSource(std::vector<Blob> pieces, std::string name) : name_(std::move(name)) {
    for (Blob& piece : pieces) {
      if (piece.size() == 0) continue;
      begins_.push_back(size_);
      size_ += piece.size();
      pieces_.push_back(std::move(piece));
    }
  }

  std::uint64_t size() const noexcept override { return size_; }
  const std::string& name() const noexcept override { return name_; }
  bool random_access() const noexcept override {
    return std::all_of(pieces_.begin(), pieces_.end(), [](const Blob& piece) { return piece.source()->random_access(); });
  }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (!fits(offset, out.size(), size_)) {
      return corrupt(text("{} bytes are needed, the end is at {}", out.size(), size_)).at(offset).in(name_);
    }
    auto i = static_cast<std::size_t>(std::upper_bound(begins_.begin(), begins_.end(), offset) - begins_.begin());
    for (; !out.empty(); ++i) {
      const Blob& piece = pieces_[i - 1];
      const std::uint64_t inside = offset - begins_[i - 1];
      const auto part = out.first(static_cast<std::size_t>(std::min<std::uint64_t>(piece.size() - inside, out.size())));
      HOLDALL_TRY(piece.read_at(inside, part));
      out = out.subspan(part.size());
      offset += part.size();
    }
    return {};
  }

 private:
  std::vector<Blob> pieces_;
  std::vector<std::uint64_t> begins_;  // of each piece
  std::uint64_t size_ = 0;
  std::string name_;
};

}  // namespace

SourceRef joined_source(std::vector<Blob> pieces, std::string name) {
  return std::make_shared<JoinedSource>(std::move(pieces), std::move(name));
}

}  // namespace holdall
