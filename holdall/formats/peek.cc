#include <algorithm>
#include <array>
#include <cstring>

#include "holdall/base/endian.h"
#include "holdall/codec/compress.h"
#include "holdall/codec/tar.h"
#include "holdall/codec/zip.h"
#include "holdall/formats/format.h"

namespace holdall {
namespace {

constexpr std::size_t kEnd = 4096;

bool starts_with(std::span<const std::byte> data, std::string_view magic) noexcept {
  return data.size() >= magic.size() && std::memcmp(data.data(), magic.data(), magic.size()) == 0;
}

// The first member's name by its local header, for an archive whose directory is damaged: enough to tell whose it was, so that
// its own format says what is wrong with it. Layout: APPNOTE 4.3.7.
std::vector<std::string_view> first_member(std::span<const std::byte> head) {
  if (head.size() < 30 || !starts_with(head, "PK\x03\x04")) return {};
  const std::size_t length = load_le<std::uint16_t>(head.data() + 26);
  if (length == 0 || length > head.size() - 30) return {};
  return {as_text(head.subspan(30, length))};
}

}  // namespace

Peek::Peek(const Bundle& bundle, const Limits& limits) : bundle_(bundle), limits_(limits) {}

std::uint64_t Peek::size() const noexcept { return is_folder() ? 0 : bundle_.main()->size(); }

std::span<const std::byte> Peek::head() {
  if (head_read_ || is_folder()) return head_;
  head_read_ = true;
  std::vector<std::byte> bytes(static_cast<std::size_t>(std::min<std::uint64_t>(size(), kEnd)));
  if (Status read = bundle_.main()->read_at(0, bytes); !read) {
    failure_ = std::move(read).error();
    return head_;
  }
  head_ = std::move(bytes);
  return head_;
}

std::span<const std::byte> Peek::tail() {
  if (tail_read_ || is_folder()) return tail_;
  tail_read_ = true;
  if (size() <= kEnd) {
    const auto whole = head();
    tail_.assign(whole.begin(), whole.end());
    return tail_;
  }
  // Reading the end of what must be decoded from the start would cost all of it.
  if (!bundle_.main()->random_access()) return tail_;
  std::vector<std::byte> bytes(kEnd);
  if (Status read = bundle_.main()->read_at(size() - kEnd, bytes); !read) {
    failure_ = std::move(read).error();
    return tail_;
  }
  tail_ = std::move(bytes);
  return tail_;
}

std::span<const std::string_view> Peek::zip_members() {
  if (zip_read_ || is_folder()) return members_;
  zip_read_ = true;
  const bool at_head = starts_with(head(), "PK\x03\x04") || starts_with(head(), "PK\x05\x06");
  constexpr std::string_view kEndRecord = "PK\x05\x06";
  if (!at_head && as_text(tail()).find(kEndRecord) == std::string_view::npos) return members_;
  auto archive = ZipArchive::open(bundle_, limits_);
  if (archive) {
    archive_ = *std::move(archive);
    members_.reserve(archive_->members().size());
    for (const ZipMember& member : archive_->members()) members_.push_back(member.name);
  } else if (at_head) {
    failure_ = std::move(archive).error();
    members_ = first_member(head());
  }
  return members_;
}

const std::vector<std::string>& Peek::tar_members() {
  if (tar_read_ || is_folder()) return tar_members_;
  tar_read_ = true;
  if (!looks_like_tar(head())) return tar_members_;
  std::optional<Error> fault;
  const TarArchive archive = TarArchive::up_to_fault(bundle_.main(), limits_, fault);
  for (const TarMember& member : archive.members())
    if (!member.is_folder) tar_members_.push_back(member.name);
  if (fault) failure_ = std::move(fault);
  return tar_members_;
}

std::span<const std::byte> Peek::inflated_head() {
  if (inflated_read_ || is_folder()) return inflated_;
  inflated_read_ = true;
  const auto plain = head();
  // A stream that does not decode, if only because it is none, is judged by its plain bytes.
  if (const Compression compression = detect_compression(plain); compression != Compression::kNone) {
    if (auto decoded = decompressed_head(bundle_.main(), compression, kEnd)) {
      inflated_ = *std::move(decoded);
      return inflated_;
    }
  }
  inflated_.assign(plain.begin(), plain.end());
  return inflated_;
}

}  // namespace holdall
