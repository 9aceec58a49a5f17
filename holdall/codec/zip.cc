#include "holdall/codec/zip.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <new>
#include <numeric>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/codec/inflate.h"
#include "holdall/codec/zip_directory.h"

namespace holdall {
namespace {

using zip::kFull32;

// Members smaller than this are decoded in one go when they are wanted whole.
constexpr std::uint64_t kWholeBytes = 16 * 1'048'576;
constexpr std::size_t kLongWindow = 262'144;
constexpr std::size_t kShortWindow = 768;

std::uint16_t u16(std::span<const std::byte> record, std::size_t at) { return load_le<std::uint16_t>(record.data() + at); }
std::uint32_t u32(std::span<const std::byte> record, std::size_t at) { return load_le<std::uint32_t>(record.data() + at); }
std::uint64_t u64(std::span<const std::byte> record, std::size_t at) { return load_le<std::uint64_t>(record.data() + at); }

// A piece of the source that moves on: headers of small members that lie close together come with one read.
class Window {
 public:
  Window(const Source& source, std::uint64_t end) : source_(source), end_(end) {
    if (const auto resident = source.resident()) {
      bytes_ = *resident;
      whole_ = true;
    }
  }

  // [offset, offset + size), read together with what follows up to `ahead` bytes. Precondition: offset <= end.
  Result<std::span<const std::byte>> view(std::uint64_t offset, std::size_t size, std::size_t ahead) {
    if (!fits(offset, size, end_)) {
      return corrupt(text("{} bytes are needed, the directory begins at {}", size, end_)).at(offset);
    }
    if (!whole_ && (offset < offset_ || !fits(offset - offset_, size, bytes_.size()))) {
      HOLDALL_ASSIGN(bytes_, read_range(source_, offset, std::min<std::uint64_t>(std::max(size, ahead), end_ - offset)));
      offset_ = offset;
    }
    return bytes_.span().subspan(static_cast<std::size_t>(offset - offset_), size);
  }

 private:
  const Source& source_;
  std::uint64_t end_;
  Bytes bytes_;
  std::uint64_t offset_ = 0;
  bool whole_ = false;
};

// Walks the local headers in the order in which they lie in the file and proves that headers, payloads and descriptors tile
// everything before the directory.
class LocalWalk {
 public:
  LocalWalk(const Source& source, std::vector<ZipMember>& members, std::uint64_t end)
      : members_(members), end_(end), window_(source, end), order_(members.size()) {
    std::iota(order_.begin(), order_.end(), 0u);
    const auto by_offset = [&](std::uint32_t a, std::uint32_t b) {
      return members[a].header_offset < members[b].header_offset;
    };
    if (!std::is_sorted(order_.begin(), order_.end(), by_offset)) std::sort(order_.begin(), order_.end(), by_offset);
  }

  Status run(ZipArchive::Before before) {
    std::uint64_t position = before == ZipArchive::Before::kAnything ? begin_of(0) : 0;
    for (std::size_t i = 0; i < order_.size(); ++i) {
      ZipMember& member = members_[order_[i]];
      if (member.header_offset > end_) {
        return fault(member, text("it is said to begin at {}, the directory begins at {}", member.header_offset, end_));
      }
      if (member.header_offset != position) return gap(i, position);
      auto end = check(i, member);
      if (!end) return std::move(end).error().at(member.header_offset).with(text("member '{}'", member.name));
      position = *end;
    }
    if (position != end_) {
      return corrupt(text("{} bytes between the last member and the directory belong to no member", end_ - position))
          .at(position);
    }
    return {};
  }

 private:
  static Error fault(const ZipMember& member, std::string what) {
    return corrupt(std::move(what)).at(member.header_offset).with(text("member '{}'", member.name));
  }

  Error gap(std::size_t i, std::uint64_t position) const {
    const ZipMember& member = members_[order_[i]];
    if (i == 0) return corrupt(text("{} bytes stand before the first member", member.header_offset)).at(0);
    if (member.header_offset < position) {
      return fault(member, text("it begins at {}, within '{}', which ends at {}", member.header_offset,
                                members_[order_[i - 1]].name, position));
    }
    return corrupt(text("{} bytes before member '{}' belong to no member", member.header_offset - position, member.name))
        .at(position);
  }

  std::uint64_t begin_of(std::size_t i) const { return i < order_.size() ? members_[order_[i]].header_offset : end_; }

  // How far to read ahead at member i: far when the next members' headers are near.
  std::size_t ahead(std::size_t i) const {
    const std::uint64_t later = begin_of(std::min(i + 4, order_.size()));
    return i < order_.size() && later - std::min(later, begin_of(i)) < kLongWindow / 4 ? kLongWindow : kShortWindow;
  }

  // Checks one member and returns where its last byte ends.
  Result<std::uint64_t> check(std::size_t i, ZipMember& member) {
    const std::uint64_t begin = member.header_offset;
    HOLDALL_ASSIGN(auto header, window_.view(begin, zip::kLocalBytes, ahead(i)));
    if (u32(header, 0) != zip::kLocalSignature) return corrupt("there is no local header where the directory says");
    const std::size_t name_size = u16(header, 26);
    const std::size_t extra_size = u16(header, 28);
    HOLDALL_ASSIGN(header, window_.view(begin, zip::kLocalBytes + name_size + extra_size, ahead(i)));
    member.data_offset = begin + header.size();
    HOLDALL_TRY(check_header(member, header, name_size));
    if (!fits(member.data_offset, member.stored_size, end_)) {
      return corrupt(text("its {} bytes pass the directory, which begins at {}", member.stored_size, end_))
          .at(member.data_offset);
    }
    const std::uint64_t data_end = member.data_offset + member.stored_size;
    if ((member.flags & zip::kFlagDescriptor) == 0) return data_end;
    HOLDALL_ASSIGN(const std::uint64_t size, check_descriptor(i, member, data_end));
    return data_end + size;
  }

  static Status check_header(const ZipMember& member, std::span<const std::byte> header, std::size_t name_size) {
    const std::uint16_t flags = u16(header, 6);
    if ((flags & zip::kFlagsThatMatter) != (member.flags & zip::kFlagsThatMatter)) {
      return corrupt(text("its flags are {:#06x} in the local header, {:#06x} in the directory", flags, member.flags));
    }
    if (u16(header, 8) != member.method) {
      return corrupt(text("its method is {} in the local header, {} in the directory", u16(header, 8), member.method));
    }
    const auto raw_name = header.subspan(zip::kLocalBytes, name_size);
    const auto name = zip::decode_name(raw_name, flags);
    if (!name || *name != member.name) return corrupt("its name differs in the local header");
    const auto extra = header.subspan(zip::kLocalBytes + name_size);
    HOLDALL_ASSIGN(const auto unicode, zip::find_extra(extra, zip::kExtraUnicodePath));
    if (unicode && (unicode->size() < 5 || as_text(unicode->subspan(5)) != member.name)) {
      return corrupt("its Unicode Path field tells another name");
    }
    return check_numbers(member, header, extra);
  }

  // CRC and sizes. Behind a descriptor flag they may be left 0; where they are given they must be right.
  static Status check_numbers(const ZipMember& member, std::span<const std::byte> header, std::span<const std::byte> extra) {
    const bool later = (member.flags & zip::kFlagDescriptor) != 0;
    const auto agrees = [later](std::uint64_t local, std::uint64_t central) {
      return local == central || (later && local == 0);
    };
    if (!agrees(u32(header, 14), member.crc32)) {
      return corrupt(text("its CRC-32 is {:08x} in the local header, {:08x} in the directory", u32(header, 14), member.crc32));
    }
    const std::array<std::uint32_t, 2> plain = {u32(header, 22), u32(header, 18)};
    const std::array<std::uint64_t, 3> central = {member.size, member.stored_size, member.header_offset};
    HOLDALL_ASSIGN(const auto field, zip::find_extra(extra, zip::kExtraZip64));
    if (field) {
      // Sizes in this order, then (torch's writer) the header's offset; a field of one number holds that offset alone.
      if (field->size() % 8 != 0 || field->size() > 24) return corrupt(text("its ZIP64 field has {} bytes", field->size()));
      const std::size_t count = field->size() / 8;
      for (std::size_t i = 0; i < count; ++i) {
        if (!agrees(u64(*field, i * 8), central[count == 1 ? 2 : i])) {
          return corrupt("its ZIP64 field in the local header disagrees with the directory");
        }
      }
    }
    for (std::size_t i = 0; i < plain.size(); ++i) {
      const bool in_field = plain[i] == kFull32 && field && field->size() >= 16;
      if (!in_field && !agrees(plain[i], central[i])) {
        return corrupt(text("its size is {} in the local header, {} in the directory", plain[i], central[i]));
      }
    }
    return {};
  }

  // The descriptor behind the payload: with or without signature, 32 or 64 bits a size; it must reach up to the next header.
  Result<std::uint64_t> check_descriptor(std::size_t i, const ZipMember& member, std::uint64_t at) {
    const std::uint64_t size = begin_of(i + 1) - std::min(begin_of(i + 1), at);
    const bool known = size == 12 || size == 16 || size == 20 || size == 24;
    if (!known) return corrupt(text("{} bytes stand where its data descriptor must be", size)).at(at);
    const std::size_t ahead_bytes = i + 1 < order_.size() ? ahead(i + 1) : kShortWindow;
    HOLDALL_ASSIGN(auto descriptor, window_.view(at, static_cast<std::size_t>(size), ahead_bytes));
    bool right = true;
    if (size == 16 || size == 24) {
      right = u32(descriptor, 0) == zip::kDescriptorSignature;
      descriptor = descriptor.subspan(4);
    }
    const bool wide = descriptor.size() == 20;
    right = right && u32(descriptor, 0) == member.crc32;
    right = right && (wide ? u64(descriptor, 4) : u32(descriptor, 4)) == member.stored_size;
    right = right && (wide ? u64(descriptor, 12) : u32(descriptor, 8)) == member.size;
    if (!right) return corrupt("its data descriptor disagrees with the directory").at(at);
    return size;
  }

  std::vector<ZipMember>& members_;
  std::uint64_t end_;
  Window window_;
  std::vector<std::uint32_t> order_;
};

// The payload of a stored member, whose name is put together when it is first asked for: an archive may have millions.
class StoredMember final : public Source {
 public:
  // Precondition: `member` is one of the archive's.
  StoredMember(std::shared_ptr<const ZipArchive> archive, const ZipMember& member)
      : archive_(std::move(archive)), member_(member) {}
  ~StoredMember() override { delete name_.load(); }

  std::uint64_t size() const noexcept override { return member_.size; }
  bool random_access() const noexcept override { return whole().random_access(); }
  std::optional<Location> locate(std::uint64_t offset) const override { return whole().locate(member_.data_offset + offset); }
  int descriptor(std::uint64_t offset, std::uint64_t* at) const noexcept override {
    return whole().descriptor(member_.data_offset + offset, at);
  }

  const std::string& name() const noexcept override {
    if (const std::string* known = name_.load()) return *known;
    try {
      auto made = std::make_unique<const std::string>(whole().name() + "!" + member_.name);
      const std::string* known = nullptr;
      return name_.compare_exchange_strong(known, made.get()) ? *made.release() : *known;
    } catch (const std::bad_alloc&) {
      return whole().name();
    }
  }

  std::optional<Bytes> resident() const override {
    const auto all = whole().resident();
    if (!all) return std::nullopt;
    return all->slice(static_cast<std::size_t>(member_.data_offset), static_cast<std::size_t>(member_.size));
  }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (!fits(offset, out.size(), member_.size)) {
      return corrupt(text("{} bytes are needed, the end is at {}", out.size(), member_.size)).at(offset).in(name());
    }
    return whole().read_at(member_.data_offset + offset, out);
  }

 private:
  const Source& whole() const noexcept { return *archive_->source(); }

  std::shared_ptr<const ZipArchive> archive_;
  const ZipMember& member_;
  mutable std::atomic<const std::string*> name_ = nullptr;
};

}  // namespace

Result<std::shared_ptr<const ZipArchive>> ZipArchive::open(SourceRef source, const Limits& limits, Before before) {
  auto archive = std::make_shared<ZipArchive>();
  const auto fill = [&]() -> Status {
    HOLDALL_ASSIGN(zip::Tail tail, zip::read_tail(*source, limits));
    {
      HOLDALL_ASSIGN(const Bytes directory, read_range(*source, tail.offset, tail.size));
      HOLDALL_ASSIGN(archive->members_, zip::read_entries(directory, tail));
    }
    HOLDALL_TRY(LocalWalk(*source, archive->members_, tail.offset).run(before));
    const auto& members = archive->members_;
    const auto hash_of = [&](std::uint32_t i) { return keyed_hash(members[i].name); };
    bool any_crc = false, any_bytes = false;
    for (std::uint32_t i = 0; i < members.size(); ++i) {
      const ZipMember& member = members[i];
      if (archive->find(member.name) != nullptr) {
        return corrupt(text("two members have the name '{}'", member.name)).at(member.header_offset);
      }
      archive->by_name_.add(hash_of(i), i, hash_of);
      any_crc = any_crc || member.crc32 != 0;
      any_bytes = any_bytes || member.size != 0;
    }
    archive->has_checksums_ = any_crc || !any_bytes;
    archive->comment_ = std::move(tail.comment);
    return {};
  };
  if (auto status = fill(); !status) return std::move(status).error().in(source->name());
  archive->source_ = std::move(source);
  archive->limits_ = limits;
  archive->decoders_ = std::make_shared<DecoderPool>();
  return std::shared_ptr<const ZipArchive>(std::move(archive));
}

Result<std::shared_ptr<const ZipArchive>> ZipArchive::open(const Bundle& bundle, const Limits& limits) {
  static constexpr char kWhose = 0;
  auto known = std::static_pointer_cast<const ZipArchive>(bundle.kept(&kWhose));
  if (known != nullptr && known->limits_ == limits) return known;
  HOLDALL_ASSIGN(auto archive, open(bundle.main(), limits));
  bundle.keep(&kWhose, archive);
  return archive;
}

const ZipMember* ZipArchive::find(std::string_view name) const noexcept {
  const std::uint32_t found = by_name_.find(keyed_hash(name), [&](std::uint32_t i) { return members_[i].name == name; });
  return found == HashIndex::kNone ? nullptr : &members_[found];
}

Result<Blob> ZipArchive::blob(std::string_view name) const {
  const ZipMember* member = find(name);
  if (member == nullptr) return not_found(text("the archive has no member '{}'", name)).in(source_->name());
  return blob(*member);
}

Result<Blob> ZipArchive::blob(const ZipMember& member) const {
  const auto crc = has_checksums_ ? std::optional(member.crc32) : std::nullopt;
  if (member.method == 0) {
    return Blob(std::make_shared<StoredMember>(shared_from_this(), member), crc);
  }
  std::string name = source_->name() + "!" + member.name;
  if (member.size > limits_.expansion_floor && member.size / limits_.expansion > member.stored_size) {
    return over_limit(text("{} bytes would become {}, {} times as many are allowed", member.stored_size, member.size,
                           limits_.expansion))
        .at(member.data_offset)
        .in(name);
  }
  Decoding decoding;
  decoding.start = [source = source_, at = member.data_offset,
                    size = member.stored_size]() -> Result<std::unique_ptr<Decoder>> {
    return inflate_decoder(source, at, size, DeflateWrap::kNone);
  };
  // A stream may be longer than what it says; one that is much longer is decoded piece by piece.
  if (member.size < kWholeBytes && member.stored_size <= member.size + 65'536) {
    decoding.whole = [source = source_, at = member.data_offset,
                      size = member.stored_size](std::span<std::byte> out) -> Status {
      HOLDALL_ASSIGN(const Bytes encoded, read_range(*source, at, size));
      return inflate_whole(encoded, out);
    };
  }
  return Blob(decoded_source(std::move(decoding), member.size, std::move(name), decoders_), crc);
}

}  // namespace holdall
