#include "holdall/core/joined.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "holdall/base/text.h"

namespace holdall {
namespace {

class JoinedSource final : public Source {
 public:
  explicit JoinedSource(std::vector<Blob> parts) : parts_(std::move(parts)), name_(parts_.front().name()) {
    for (const Blob& part : parts_) size_ += part.size();
  }

  std::uint64_t size() const noexcept override { return size_; }
  const std::string& name() const noexcept override { return name_; }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (offset > size_ || out.size() > size_ - offset) return corrupt("a read passes the end").in(name_).at(offset);
    for (const Blob& part : parts_) {
      if (out.empty()) break;
      if (offset >= part.size()) {
        offset -= part.size();
        continue;
      }
      const auto here = static_cast<std::size_t>(std::min<std::uint64_t>(part.size() - offset, out.size()));
      HOLDALL_TRY(part.read_at(offset, out.first(here)));
      out = out.subspan(here);
      offset = 0;
    }
    return {};
  }

 private:
  std::vector<Blob> parts_;
  std::string name_;
  std::uint64_t size_ = 0;
};

}  // namespace

Result<Tensor> joined(const std::vector<Tensor>& parts) {
  if (parts.empty()) return invalid_argument("there is nothing to join");
  const Tensor& first = parts.front();
  Shape shape = first.shape();
  if (shape.empty() || !is_byte_sized(first.dtype()))
    return invalid_argument("what has no axis, or no whole bytes, is not joined");
  shape[0] = 0;
  std::vector<Blob> blobs;
  for (const Tensor& part : parts) {
    Shape alike = part.shape();
    const bool has_axis = alike.size() == shape.size();
    if (has_axis) alike[0] = first.shape()[0];
    if (!has_axis || alike != first.shape() || part.dtype() != first.dtype()) {
      return invalid_argument(text("{} and {} are not joined", to_string(first.shape()), to_string(part.shape())));
    }
    shape[0] += part.shape()[0];
    HOLDALL_ASSIGN(Blob data, part.data());
    blobs.push_back(std::move(data));
  }
  return Tensor::dense(first.dtype(), std::move(shape), Blob(std::make_shared<const JoinedSource>(std::move(blobs))));
}

}  // namespace holdall
