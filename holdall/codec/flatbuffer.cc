#include "holdall/codec/flatbuffer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"

namespace holdall {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kOffset = 4;      // bytes of an offset, and of a count
constexpr std::uint64_t kVtableHead = 4;  // its own size and that of the table
constexpr std::uint64_t kTableCost = 32;  // what a table counts for of the limit
constexpr std::uint64_t kIdentifier = 4;
constexpr std::uint64_t kSpare = 16u << 20;  // bytes that may be handed out beyond four times the file

}  // namespace

struct FlatFile::Pages {
  std::unordered_map<std::uint64_t, std::unique_ptr<std::array<std::byte, kPage>>, KeyedNumberHash> all;
  std::uint64_t last_at = UINT64_MAX;  // of the page that was read last
  const std::byte* last = nullptr;
};

std::shared_ptr<FlatFile> FlatFile::of(Blob file, std::uint64_t most) {
  const auto four_times = checked_multiply(file.size(), 4);
  const auto bound = four_times ? checked_add(*four_times, kSpare) : std::nullopt;
  std::shared_ptr<FlatFile> made(new FlatFile(std::move(file), bound ? std::min(most, *bound) : most));
  const Blob& whole = made->file_;
  if (whole.source() != nullptr) {
    if (auto resident = whole.source()->resident(); resident && fits(whole.offset(), whole.size(), resident->size()))
      made->resident_ = resident->slice(static_cast<std::size_t>(whole.offset()), static_cast<std::size_t>(whole.size()));
  }
  if (!made->resident_) made->pages_ = std::make_shared<Pages>();
  return made;
}

Error FlatFile::fault(std::string what, std::uint64_t at) const {
  return corrupt(std::move(what)).at(file_.offset() + at).in(file_.name());
}

Status FlatFile::spend(std::uint64_t bytes) {
  const auto sum = checked_add(spent_, bytes);
  if (!sum || *sum > most_)
    return over_limit(text("the tables of the file hold more than {} bytes, what is shared counted each time", most_))
        .in(file_.name());
  spent_ = *sum;
  return {};
}

void FlatFile::expect_aligned(std::uint64_t at, std::uint64_t width) noexcept {
  if (at % width != 0 && !misaligned_) misaligned_ = file_.offset() + at;
}

Status FlatFile::read(std::uint64_t at, std::span<std::byte> out) {
  if (!fits(at, out.size(), file_.size()))
    return fault(text("{} bytes are needed, the file has {}", out.size(), file_.size()), at);
  if (resident_) {
    if (!out.empty()) std::memcpy(out.data(), resident_->data() + at, out.size());
    return {};
  }
  while (!out.empty()) {
    const std::uint64_t begin = at / kPage * kPage;
    if (pages_->last_at != begin) {
      auto& page = pages_->all[begin];
      if (page == nullptr) {
        if (pages_->all.size() * kPage > most_)
          return over_limit(text("the tables of the file lie in more than {} bytes of it", most_)).in(file_.name());
        auto made = std::make_unique<std::array<std::byte, kPage>>();
        const std::uint64_t size = std::min(kPage, file_.size() - begin);
        HOLDALL_TRY(file_.read_at(begin, std::span(*made).first(static_cast<std::size_t>(size))));
        page = std::move(made);
      }
      pages_->last_at = begin;
      pages_->last = page->data();
    }
    const std::size_t size = std::min<std::size_t>(out.size(), static_cast<std::size_t>(begin + kPage - at));
    std::memcpy(out.data(), pages_->last + (at - begin), size);
    out = out.subspan(size);
    at += size;
  }
  return {};
}

Result<std::string> FlatFile::identifier() {
  std::string letters(kIdentifier, '\0');
  if (!fits(kOffset, kIdentifier, file_.size())) return std::string();
  HOLDALL_TRY(read(kOffset, std::as_writable_bytes(std::span(letters))));
  return letters;
}

Result<std::uint64_t> FlatFile::follow(std::uint64_t at) {
  expect_aligned(at, kOffset);
  HOLDALL_ASSIGN(const std::uint32_t offset, load<std::uint32_t>(at));
  if (offset == 0 || !fits(at + offset, kOffset, file_.size()))
    return fault(text("an offset of {} leads nowhere, the file has {} bytes", offset, file_.size()), at);
  return at + offset;
}

Result<FlatTable> FlatFile::root() {
  HOLDALL_ASSIGN(const std::uint64_t at, follow(0));
  return table_at(at);
}

Result<FlatTable> FlatFile::table_at(std::uint64_t at) {
  HOLDALL_TRY(spend(kTableCost));
  expect_aligned(at, kOffset);
  HOLDALL_ASSIGN(const std::int32_t back, load<std::int32_t>(at));
  const std::int64_t vtable = static_cast<std::int64_t>(at) - back;
  if (vtable < 0 || !fits(static_cast<std::uint64_t>(vtable), kVtableHead, file_.size()))
    return fault(text("the table's vtable would be at {}, the file has {} bytes", vtable, file_.size()), at);
  const auto place = static_cast<std::uint64_t>(vtable);
  expect_aligned(place, sizeof(std::uint16_t));
  HOLDALL_ASSIGN(const std::uint16_t own, load<std::uint16_t>(place));
  HOLDALL_ASSIGN(const std::uint16_t bytes, load<std::uint16_t>(place + sizeof(std::uint16_t)));
  if (own < kVtableHead || own % sizeof(std::uint16_t) != 0 || !fits(place, own, file_.size()))
    return fault(text("a vtable of {} bytes", own), place);
  if (bytes < kOffset || !fits(at, bytes, file_.size())) return fault(text("a table of {} bytes", bytes), place);
  return FlatTable(shared_from_this(), at, place, static_cast<std::uint16_t>((own - kVtableHead) / 2), bytes);
}

Result<std::string> FlatFile::text_at(std::uint64_t at) {
  expect_aligned(at, kOffset);
  HOLDALL_ASSIGN(const std::uint32_t size, load<std::uint32_t>(at));
  if (!fits(at + kOffset, std::uint64_t{size} + 1, file_.size()))
    return fault(text("a text of {} bytes, the file has {}", size, file_.size()), at);
  HOLDALL_TRY(spend(size));
  std::string letters(size, '\0');
  HOLDALL_TRY(read(at + kOffset, std::as_writable_bytes(std::span(letters))));
  HOLDALL_ASSIGN(const std::uint8_t end, load<std::uint8_t>(at + kOffset + size));
  if (end != 0) return fault("a text that does not end in NUL", at);
  return letters;
}

std::uint64_t FlatTable::place() const noexcept { return file_->whole().offset() + at_; }

Error FlatTable::fault(std::string what) const { return file_->fault(std::move(what), at_); }

Result<std::uint64_t> FlatTable::find(unsigned field, std::uint64_t width) const {
  if (field >= fields_) return std::uint64_t{0};
  HOLDALL_ASSIGN(const std::uint16_t place, file_->load<std::uint16_t>(vtable_ + kVtableHead + 2 * std::uint64_t{field}));
  if (place == 0) return std::uint64_t{0};
  if (place < kOffset || !fits(place, width, bytes_))
    return file_->fault(holdall::text("field {} stands at byte {} of a table of {}", field, place, bytes_), at_);
  file_->expect_aligned(at_ + place, width);
  return at_ + place;
}

Result<bool> FlatTable::has(unsigned field) const {
  HOLDALL_ASSIGN(const std::uint64_t at, find(field, 1));
  return at != 0;
}

Result<std::optional<std::uint64_t>> FlatTable::place_of(unsigned field, std::uint64_t width) const {
  HOLDALL_ASSIGN(const std::uint64_t at, find(field, width));
  if (at == 0) return std::optional<std::uint64_t>();
  return std::optional(file_->whole().offset() + at);
}

Result<std::optional<FlatTable>> FlatTable::table(unsigned field) const {
  HOLDALL_ASSIGN(const std::uint64_t at, find(field, kOffset));
  if (at == 0) return std::optional<FlatTable>();
  HOLDALL_ASSIGN(const std::uint64_t target, file_->follow(at));
  HOLDALL_ASSIGN(FlatTable made, file_->table_at(target));
  return std::optional(std::move(made));
}

Result<FlatVector> FlatTable::vector(unsigned field, std::uint64_t width) const {
  HOLDALL_ASSIGN(const std::uint64_t at, find(field, kOffset));
  if (at == 0) return FlatVector();
  HOLDALL_ASSIGN(const std::uint64_t target, file_->follow(at));
  file_->expect_aligned(target, kOffset);
  HOLDALL_ASSIGN(const std::uint32_t count, file_->load<std::uint32_t>(target));
  if (!fits(target + kOffset, count * width, file_->whole().size()))
    return file_->fault(holdall::text("a vector of {} times {} bytes, the file has {}", count, width, file_->whole().size()),
                        target);
  if (count != 0) file_->expect_aligned(target + kOffset, width);
  return FlatVector(file_, target + kOffset, count, width);
}

Result<std::string> FlatTable::text(unsigned field) const {
  HOLDALL_ASSIGN(const std::uint64_t at, find(field, kOffset));
  if (at == 0) return std::string();
  HOLDALL_ASSIGN(const std::uint64_t target, file_->follow(at));
  return file_->text_at(target);
}

std::uint64_t FlatVector::place() const noexcept { return file_ == nullptr ? 0 : file_->whole().offset() + at_; }

Result<Blob> FlatVector::blob() const {
  if (file_ == nullptr) return Blob();
  return file_->whole().slice(at_, count_ * width_);
}

Status FlatVector::take(std::span<std::byte> out) const { return file_->read(at_, out); }

Result<FlatTable> FlatVector::table(std::uint64_t i) const {
  HOLDALL_ASSIGN(const std::uint64_t target, file_->follow(at_ + i * kOffset));
  return file_->table_at(target);
}

Result<std::string> FlatVector::text(std::uint64_t i) const {
  HOLDALL_ASSIGN(const std::uint64_t target, file_->follow(at_ + i * kOffset));
  return file_->text_at(target);
}

}  // namespace holdall
