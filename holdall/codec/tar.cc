#include "holdall/codec/tar.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/base/utf8.h"
#include "holdall/codec/tar_header.h"

namespace holdall {
namespace {

using tar::kBlock;

// Zeros may fill the last record of a tape.
constexpr std::size_t kTile = 65'536;

bool is_zero(std::span<const std::byte> bytes) noexcept {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

// By path: what lies in a folder stands directly behind the folder.
bool path_before(std::string_view a, std::string_view b) noexcept {
  const auto rank = [](char c) { return c == '/' ? 0u : static_cast<unsigned char>(c) + 1u; };
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                      [&](char x, char y) { return rank(x) < rank(y); });
}

// The path that a name says; empty for the archive's own folder. Errors: unsafe for one that leads out of it.
Result<std::string> path_of(std::string_view name) {
  if (!is_utf8(name)) return corrupt("a member's name is no UTF-8");
  if (name.find('\0') != std::string_view::npos) return corrupt("a member's name holds a NUL");
  if (name.find("..\\") != std::string_view::npos) {
    return Error(Code::kUnsafe, text("the name '{}' leads out of the archive's folder on Windows", name));
  }
  if (name.find('\\') != std::string_view::npos) return corrupt(text("the name '{}' holds a backslash", name));
  if (name.starts_with('/')) return Error(Code::kUnsafe, text("the name '{}' is absolute", name));
  std::string path;
  for (std::size_t begin = 0; begin < name.size();) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    const std::string_view part = name.substr(begin, end - begin);
    if (part == "..") return Error(Code::kUnsafe, text("the name '{}' leads out of the archive's folder", name));
    if (!part.empty() && part != ".") {
      if (!path.empty()) path += '/';
      path += part;
    }
    begin = end + 1;
  }
  return path;
}

// Walks the headers from the first to the zeros behind the last and proves that headers, payloads and padding tile the file.
class Walk {
 public:
  Walk(const Source& source, const Limits& limits, std::vector<TarMember>& members)
      : source_(source), limits_(limits), members_(members) {}

  Status run() {
    for (;;) {
      HOLDALL_TRY(next_block());
      if (is_zero(block_)) return end();
      if (Status taken = take(); !taken) return std::move(taken).error().at(position_);
    }
  }

 private:
  // What extended headers have said of the member that follows them.
  struct Pending {
    std::optional<std::uint64_t> at;  // of the first of them
    std::optional<std::string> name;
    std::optional<std::uint64_t> size;
    bool pax = false;
    bool gnu = false;
  };

  // Moves on to the next header, over the padding of what stands before it.
  Status next_block() {
    const auto padding = static_cast<std::size_t>((kBlock - position_ % kBlock) % kBlock);
    const std::uint64_t remain = source_.size() - position_;
    if (remain <= padding) return corrupt("the archive ends without its two blocks of zeros").at(source_.size());
    if (remain < padding + kBlock) {
      return corrupt(text("{} bytes remain, a header has {}", remain - padding, kBlock)).at(position_ + padding);
    }
    const auto bytes = std::span(room_).first(padding + kBlock);
    HOLDALL_TRY(source_.read_at(position_, bytes));
    if (!is_zero(bytes.first(padding))) {
      return corrupt(text("the {} bytes of padding before the next header are not zeros", padding)).at(position_);
    }
    position_ += padding;
    block_ = bytes.subspan(padding);
    return {};
  }

  // The end: two blocks of zeros or more.
  Status end() {
    const std::uint64_t remain = source_.size() - position_;
    if (pending_.at) return corrupt("an extended header tells of no member").at(*pending_.at);
    if (remain < 2 * kBlock) return corrupt("one block of zeros ends the archive, two are needed").at(position_);
    if (remain > limits_.header_bytes) {
      return over_limit(text("{} bytes stand behind the last member, {} are allowed", remain, limits_.header_bytes))
          .at(position_);
    }
    std::vector<std::byte> tile(kTile);
    while (position_ < source_.size()) {
      const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(kTile, source_.size() - position_));
      const auto piece = std::span(tile).first(size);
      HOLDALL_TRY(source_.read_at(position_, piece));
      const auto stray = std::find_if(piece.begin(), piece.end(), [](std::byte b) { return b != std::byte{0}; });
      if (stray != piece.end()) {
        return corrupt("bytes other than zeros stand behind the end of the archive")
            .at(position_ + static_cast<std::uint64_t>(stray - piece.begin()));
      }
      position_ += size;
    }
    return check_paths();
  }

  // One header and what it tells of.
  Status take() {
    HOLDALL_ASSIGN(const tar::Header header, tar::read_header(block_));
    switch (header.type) {
      case tar::kPax:
      case tar::kPaxGlobal:
      case tar::kGnuLongName:
        return take_extension(header);
      case tar::kFile:
      case tar::kOldFile:
      case tar::kFolder:
        return take_member(header);
      default:
        return unsupported(text("member '{}' is {}", header.name, tar::type_name(header.type)));
    }
  }

  Status take_extension(const tar::Header& header) {
    HOLDALL_TRY(spend(header.size));
    HOLDALL_TRY(check_fits(header.size));
    HOLDALL_ASSIGN(const Bytes bytes, read_range(source_, position_ + kBlock, header.size));
    if (header.type == tar::kPaxGlobal) {
      if (pending_.at) return corrupt("a global extended header stands before the member of another");
      HOLDALL_ASSIGN(const tar::Extension global, tar::read_pax(bytes.text()));
      if (global.name || global.size) return corrupt("a global extended header names a path or size for every member");
    } else {
      bool& met = header.type == tar::kPax ? pending_.pax : pending_.gnu;
      if (met) return corrupt("two extended headers of a kind tell of one member");
      met = true;
      HOLDALL_ASSIGN(tar::Extension extension,
                     header.type == tar::kPax ? tar::read_pax(bytes.text()) : tar::read_long_name(bytes.text()));
      if (extension.name && pending_.name) return corrupt("two extended headers name one member");
      if (extension.name) pending_.name = std::move(extension.name);
      if (extension.size) pending_.size = extension.size;
      if (!pending_.at) pending_.at = position_;
    }
    position_ += kBlock + header.size;
    return {};
  }

  Status take_member(const tar::Header& header) {
    const std::string& name = pending_.name ? *pending_.name : header.name;
    HOLDALL_ASSIGN(std::string path, path_of(name));
    if (Status taken = take_named(header, name, std::move(path)); !taken) {
      return std::move(taken).error().with(text("member '{}'", name));
    }
    pending_ = {};
    return {};
  }

  Status take_named(const tar::Header& header, std::string_view name, std::string path) {
    HOLDALL_ASSIGN(const std::uint64_t size, size_of(header));
    TarMember member{std::move(path), size, pending_.at.value_or(position_), position_ + kBlock, header.type == tar::kFolder};
    // Before there was a mark for folders a slash told them; with a mark or a longer name readers differ.
    if (!member.is_folder && name.ends_with('/')) {
      if (header.type != tar::kOldFile || pending_.name) return corrupt("a file whose name ends in a slash");
      member.is_folder = true;
    }
    if (member.is_folder && size != 0) return corrupt(text("a folder of {} bytes", size));
    if (!member.is_folder && member.name.empty()) return corrupt("a file without a name");
    HOLDALL_TRY(check_fits(size));
    HOLDALL_TRY(spend(member.name.size()));
    position_ = member.data_offset + size;
    if (member.name.empty()) return {};  // "./", the folder that was packed
    if (members_.size() >= limits_.members) {
      return over_limit(text("more than the {} members that are allowed", limits_.members)).at(member.header_offset);
    }
    members_.push_back(std::move(member));
    return {};
  }

  // pax tells a size where the header has no room for it, and may repeat one for which it has.
  Result<std::uint64_t> size_of(const tar::Header& header) const {
    if (!pending_.size || *pending_.size == header.size) return header.size;
    if (*pending_.size <= tar::kMostOctal || header.size > tar::kMostOctal) {
      return corrupt(text("its size is {} in the header, {} in the extended header", header.size, *pending_.size));
    }
    return *pending_.size;
  }

  Status check_fits(std::uint64_t size) const {
    const std::uint64_t begin = position_ + kBlock;
    if (fits(begin, size, source_.size())) return {};
    return corrupt(text("{} bytes from {} pass the end of the file at {}", size, begin, source_.size()));
  }

  // Names and extended headers must be in memory.
  Status spend(std::uint64_t bytes) {
    if (bytes <= limits_.header_bytes && spent_ <= limits_.header_bytes - bytes) {
      spent_ += bytes;
      return {};
    }
    return over_limit(text("names and extended headers of more than {} bytes, {} are allowed", spent_, limits_.header_bytes));
  }

  // No path twice, no file as the folder of another.
  Status check_paths() const {
    std::vector<std::uint32_t> order(members_.size());
    std::iota(order.begin(), order.end(), 0u);
    std::sort(order.begin(), order.end(),
              [&](std::uint32_t a, std::uint32_t b) { return path_before(members_[a].name, members_[b].name); });
    for (std::size_t i = 1; i < order.size(); ++i) {
      const TarMember& first = members_[order[i - 1]];
      const TarMember& second = members_[order[i]];
      if (first.name == second.name) {
        return corrupt(text("two members have the name '{}'", first.name))
            .at(std::max(first.header_offset, second.header_offset));
      }
      const bool inside = second.name.size() > first.name.size() && second.name.starts_with(first.name) &&
                          second.name[first.name.size()] == '/';
      if (inside && !first.is_folder) {
        return corrupt(text("the member '{}' lies in '{}', which is a file", second.name, first.name)).at(second.header_offset);
      }
    }
    return {};
  }

  const Source& source_;
  const Limits& limits_;
  std::vector<TarMember>& members_;
  std::uint64_t position_ = 0;
  std::uint64_t spent_ = 0;
  Pending pending_;
  std::array<std::byte, 2 * kBlock> room_;
  std::span<const std::byte> block_;
};

}  // namespace

bool begins_tar(std::span<const std::byte> head) { return head.size() >= kBlock && tar::has_checksum(head.first(kBlock)); }

bool looks_like_tar(std::span<const std::byte> head) {
  return head.size() >= kBlock && (tar::has_mark(head.first(kBlock)) || tar::has_checksum(head.first(kBlock)));
}

TarArchive TarArchive::up_to_fault(SourceRef source, const Limits& limits, std::optional<Error>& fault) {
  TarArchive archive;
  archive.source_ = std::move(source);
  if (Status walked = Walk(*archive.source_, limits, archive.members_).run(); !walked) {
    fault = std::move(walked).error().in(archive.source_->name());
  }
  std::vector<std::uint32_t>& order = archive.by_name_;
  order.resize(archive.members_.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return path_before(archive.members_[a].name, archive.members_[b].name);
  });
  return archive;
}

Result<TarArchive> TarArchive::open(SourceRef source, const Limits& limits) {
  std::optional<Error> fault;
  TarArchive archive = up_to_fault(std::move(source), limits, fault);
  if (fault) return std::move(*fault);
  return archive;
}

const TarMember* TarArchive::find(std::string_view name) const noexcept {
  const auto place = std::lower_bound(by_name_.begin(), by_name_.end(), name, [&](std::uint32_t i, std::string_view wanted) {
    return path_before(members_[i].name, wanted);
  });
  if (place == by_name_.end() || members_[*place].name != name || members_[*place].is_folder) return nullptr;
  return &members_[*place];
}

Result<SourceRef> TarArchive::open_member(const TarMember& member) const {
  return slice_source(source_, member.data_offset, member.size, source_->name() + "!" + member.name);
}

}  // namespace holdall
