#include "holdall/io/kept.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "holdall/base/checked.h"

namespace holdall {
namespace {

class KeptSource final : public Source {
 public:
  KeptSource(Bytes kept, Blob blob) : kept_(std::move(kept)), blob_(std::move(blob)) {}

  std::uint64_t size() const noexcept override { return blob_.size(); }
  const std::string& name() const noexcept override { return blob_.source()->name(); }
  bool random_access() const noexcept override { return blob_.source()->random_access(); }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    {
      const std::lock_guard lock(mutex_);
      if (kept_ && fits(offset, out.size(), size())) {
        std::copy_n(kept_->data() + offset, out.size(), out.data());
        return {};
      }
    }
    return blob_.read_at(offset, out);
  }

  std::optional<Bytes> give_up() const override {
    const std::lock_guard lock(mutex_);
    return std::exchange(kept_, std::nullopt);
  }

 private:
  mutable std::mutex mutex_;
  mutable std::optional<Bytes> kept_;
  Blob blob_;
};

}  // namespace

SourceRef kept_source(Bytes kept, Blob blob) { return std::make_shared<KeptSource>(std::move(kept), std::move(blob)); }

}  // namespace holdall
