#include <algorithm>
#include <cstring>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"
#include "holdall/base/utf8.h"
#include "holdall/codec/inflate.h"
#include "holdall/codec/zip.h"
#include "holdall/codec/zip_directory.h"
#include "holdall/io/gather.h"

// Records between two payloads (a descriptor, the next local header) and short payloads are gathered in one block, which
// becomes one part: a literal when everything in it is known, else a late part that fills it in.

namespace holdall {
namespace {

using zip::kFull16;
using zip::kFull32;

constexpr std::uint64_t kMostAlignment = 32'768;
constexpr int kLevel = 6;
// Up to this many bytes, a payload is part of the block: a part of its own would take more memory than it holds.
constexpr std::size_t kSmall = 512;
// A block of this size becomes a part before the next member.
constexpr std::size_t kBlock = 65'536;
constexpr std::uint16_t kVersion = 20;    // deflate, folders
constexpr std::uint16_t kVersion64 = 45;  // ZIP64
constexpr std::uint16_t kMadeByUnix = 3 << 8;
constexpr std::size_t kMostZip64 = 28;       // bytes of a ZIP64 field
constexpr std::uint16_t kFirstDay = 0x0021;  // 1980-01-01, the earliest that the format can say: the same bytes every time
constexpr std::uint32_t kPlainFile = 0100644u << 16;
// What torch's writer (miniz) puts in its ZIP64 end record.
constexpr std::uint16_t kDescriptorMadeBy = 0x031e;

template <class T>
void put(std::string& block, T value) {
  char raw[sizeof(T)];
  store_le(raw, value);
  block.append(raw, sizeof raw);
}

std::uint16_t full16(std::uint64_t value) { return static_cast<std::uint16_t>(std::min<std::uint64_t>(value, kFull16)); }
std::uint32_t full32(std::uint64_t value) { return static_cast<std::uint32_t>(std::min<std::uint64_t>(value, kFull32)); }

}  // namespace

Status check_zip_name(std::string_view name) {
  Status status = zip::check_name(name);
  if (!status) return std::move(status).error().as(Code::kInvalidArgument).with(text("member '{}'", name));
  if (name.size() > kFull16) return invalid_argument(text("a member's name of {} bytes is too long", name.size()));
  if (!zip::decode_name(as_bytes(name), zip::kFlagUtf8))
    return invalid_argument(text("member '{}': its name is not UTF-8", name));
  return {};
}

struct ZipPlanner::Facts {
  struct Member {
    std::uint64_t size = 0;
    std::uint64_t head_size = 0;   // bytes of the payload that stand in the block before what is read or made
    PartId block = 0;              // the part that holds the local header
    PartId payload = 0;            // the part that holds the payload, which may be the block
    std::uint32_t in_block = 0;    // where in it the local header stands
    std::uint32_t in_payload = 0;  // where the payload does, behind its head
    std::uint32_t head_crc32 = 0;
    std::uint32_t crc32 = 0;
    // Where the CRC-32 comes from: the plan; the part of the payload; whoever makes the payload, who puts it into crc32.
    enum class Crc : std::uint8_t { kPlan, kPart, kMaker } crc_from = Crc::kPart;

    void know_crc32(std::uint32_t crc) {
      crc32 = crc;
      crc_from = Crc::kPlan;
    }
  };
  std::vector<Member> members;

  std::uint32_t crc32_of(std::size_t index, std::span<const Written> parts) const {
    const Member& member = members[index];
    if (member.crc_from != Member::Crc::kPart) return member.crc32;
    return crc32_join(member.head_crc32, parts[member.payload].crc32, member.size - member.head_size);
  }
};

ZipPlanner::ZipPlanner(PlannedFile& file, Options options)
    : file_(file), options_(options), facts_(std::make_shared<Facts>()) {}

bool ZipPlanner::sizes_are_wide(std::size_t index) const {
  return std::max(entries_[index].size, entries_[index].stored_bound) >= kFull32;
}
bool ZipPlanner::offset_is_wide(std::size_t index) const { return entries_[index].offset_bound >= kFull32; }

// torch's writer puts none behind an empty payload, and its reader counts on that.
bool ZipPlanner::has_descriptor(std::size_t index) const {
  return options_.data_descriptors && (entries_[index].size > 0 || entries_[index].deflated);
}
std::uint16_t ZipPlanner::descriptor_flags(std::size_t index) const {
  return static_cast<std::uint16_t>((has_descriptor(index) ? zip::kFlagDescriptor : 0) | zip::kFlagUtf8);
}

void ZipPlanner::put_crc(std::size_t index) {
  const Facts::Member& member = facts_->members[index];
  if (member.crc_from != Facts::Member::Crc::kPlan) add_fixup(Fixup::Kind::kCrc, index);
  put(block_, member.crc32);
}

void ZipPlanner::put_stored_size(std::size_t index, bool wide) {
  const Entry& entry = entries_[index];
  const std::uint64_t stored = entry.deflated ? 0 : entry.size;
  if (entry.deflated) add_fixup(wide ? Fixup::Kind::kStored64 : Fixup::Kind::kStored32, index);
  if (wide) {
    put(block_, stored);
  } else {
    put(block_, static_cast<std::uint32_t>(stored));
  }
}

// The ZIP64 extra field with these numbers (4.5.3); nothing when there are none.
void ZipPlanner::put_zip64(std::size_t index, bool sizes, bool offset) {
  if (!sizes && !offset) return;
  put(block_, zip::kExtraZip64);
  put(block_, static_cast<std::uint16_t>((sizes ? 16 : 0) + (offset ? 8 : 0)));
  if (sizes) {
    put(block_, entries_[index].size);
    put_stored_size(index, true);
  }
  if (offset) {
    if (!entries_[index].is_placed) add_fixup(Fixup::Kind::kOffset64, index);
    put(block_, entries_[index].offset().value_or(0));
  }
}

Result<std::size_t> ZipPlanner::begin(std::string name, std::uint64_t size, std::uint64_t stored_bound, bool deflated) {
  if (finished_) return internal("the archive is finished");
  const bool power = options_.alignment != 0 && (options_.alignment & (options_.alignment - 1)) == 0;
  if (!power || options_.alignment > kMostAlignment) {
    return invalid_argument(
        text("payloads cannot be aligned to {}: a power of two up to {}", options_.alignment, kMostAlignment));
  }
  HOLDALL_TRY(check_zip_name(name));
  const auto hash_of = [&](std::uint32_t i) { return keyed_hash(entries_[i].name); };
  if (names_.find(keyed_hash(name), [&](std::uint32_t i) { return entries_[i].name == name; }) != HashIndex::kNone) {
    return Error(Code::kAlreadyExists, text("the archive has a member '{}' already", name));
  }
  const auto index = static_cast<std::uint32_t>(entries_.size());
  entries_.push_back({std::move(name), size, stored_bound, bound_, position_.has_value(), deflated});
  names_.add(hash_of(index), index, hash_of);
  facts_->members.push_back({.size = size});
  return index;
}

// APPNOTE 4.3.7. The block grows by the header; position_ and bound_ follow.
void ZipPlanner::write_local_header(std::size_t index) {
  const Entry& entry = entries_[index];
  const bool descriptors = options_.data_descriptors;
  const bool wide = sizes_are_wide(index);
  const std::size_t begin = block_.size();
  facts_->members[index].in_block = static_cast<std::uint32_t>(begin);
  put(block_, zip::kLocalSignature);
  put(block_, descriptors ? std::uint16_t{0} : wide ? kVersion64 : kVersion);
  const std::uint16_t utf8 = is_ascii(entry.name) ? std::uint16_t{0} : zip::kFlagUtf8;
  put(block_, descriptors ? descriptor_flags(index) : utf8);
  put(block_, static_cast<std::uint16_t>(entry.deflated ? 8 : 0));
  put(block_, std::uint16_t{0});
  put(block_, descriptors ? std::uint16_t{0} : kFirstDay);
  if (descriptors) {
    block_.append(12, '\0');
  } else {
    put_crc(index);
    if (wide) {
      put(block_, kFull32);
      put(block_, kFull32);
    } else {
      put_stored_size(index, false);
      put(block_, static_cast<std::uint32_t>(entry.size));
    }
  }
  put(block_, static_cast<std::uint16_t>(entry.name.size()));
  const std::size_t extra_length_at = block_.size();
  put(block_, std::uint16_t{0});
  block_ += entry.name;
  const std::size_t extra_begin = block_.size();
  const std::size_t zip64_begin = block_.size();
  put_zip64(index, wide, descriptors && offset_is_wide(index));
  // torch's writer leaves the stored size to the descriptor here too.
  if (descriptors && wide) store_le(block_.data() + zip64_begin + 12, std::uint64_t{0});
  if (position_ && options_.alignment > 1) {
    const std::uint64_t payload = *position_ + (block_.size() - begin) + 4;
    const auto padding = static_cast<std::uint16_t>((options_.alignment - payload % options_.alignment) % options_.alignment);
    put(block_, zip::kExtraPadding);
    put(block_, padding);
    block_.append(padding, 'Z');
  }
  store_le(block_.data() + extra_length_at, static_cast<std::uint16_t>(block_.size() - extra_begin));
  if (position_) *position_ += block_.size() - begin;
  bound_ += block_.size() - begin;
}

// Behind the payload (4.3.9): 64-bit sizes exactly when the local header has a ZIP64 field, as torch's writer does it.
void ZipPlanner::write_descriptor(std::size_t index) {
  const std::size_t begin = block_.size();
  const bool wide = sizes_are_wide(index) || offset_is_wide(index);
  put(block_, zip::kDescriptorSignature);
  put_crc(index);
  put_stored_size(index, wide);
  if (wide) {
    put(block_, entries_[index].size);
  } else {
    put(block_, static_cast<std::uint32_t>(entries_[index].size));
  }
  if (position_) *position_ += block_.size() - begin;
  bound_ += block_.size() - begin;
}

void ZipPlanner::add_fixup(Fixup::Kind kind, std::size_t index) {
  fixups_.push_back({block_.size(), static_cast<std::uint32_t>(index), kind});
}

// Fills in a number of a block that lies at parts[own].
void ZipPlanner::fill_in(const Fixup& fixup, const Facts& facts, std::span<const Written> parts, PartId own, std::byte* block) {
  std::byte* const to = block + fixup.at;
  const Facts::Member& member = facts.members[fixup.index];
  switch (fixup.kind) {
    case Fixup::Kind::kCrc:
      return store_le(to, facts.crc32_of(fixup.index, parts));
    case Fixup::Kind::kStored32:
      return store_le(to, static_cast<std::uint32_t>(parts[member.payload].size));
    case Fixup::Kind::kStored64:
      return store_le(to, parts[member.payload].size);
    case Fixup::Kind::kOffset32:
      return store_le(to, static_cast<std::uint32_t>(parts[member.block].offset + member.in_block));
    case Fixup::Kind::kOffset64:
      return store_le(to, parts[member.block].offset + member.in_block);
    case Fixup::Kind::kOwn32:
      return store_le(to, static_cast<std::uint32_t>(parts[own].offset + load_le<std::uint32_t>(to)));
    case Fixup::Kind::kOwn64:
      return store_le(to, parts[own].offset + load_le<std::uint64_t>(to));
  }
}

// Reads the short payloads of a block into their places.
Status ZipPlanner::read_payloads(const std::vector<std::pair<std::uint32_t, Blob>>& payloads, Facts& facts,
                                 std::span<std::byte> block) {
  GatheredReads reads;
  const auto place = [&](std::uint32_t index) {
    const Facts::Member& member = facts.members[index];
    return block.subspan(member.in_payload, static_cast<std::size_t>(member.size - member.head_size));
  };
  for (const auto& [index, blob] : payloads) HOLDALL_TRY(reads.add(blob, 0, place(index)));
  HOLDALL_TRY(reads.flush());
  for (const auto& [index, blob] : payloads) {
    HOLDALL_TRY(blob.check(place(index)));
    Facts::Member& member = facts.members[index];
    if (member.crc_from != Facts::Member::Crc::kMaker) continue;
    member.crc32 = crc32_join(member.head_crc32, crc32(place(index)), blob.size());
  }
  return {};
}

// Adds the block as a part. Its memory is no larger than it is; that of the next block is kept.
PartId ZipPlanner::flush_block() {
  std::vector<Fixup> fixups(fixups_.begin(), fixups_.end());
  auto payloads = std::exchange(payloads_, {});
  std::string block = block_.size() <= 2 * kBlock ? std::string(block_) : std::exchange(block_, {});
  block_.clear();
  fixups_.clear();
  if (fixups.empty() && payloads.empty()) return file_.add(Bytes::adopt(std::move(block)));
  Part::Late late;
  late.size = block.size();
  const PartId own = file_.parts.size();
  for (const Fixup& fixup : fixups) {
    const bool payload =
        fixup.kind == Fixup::Kind::kCrc || fixup.kind == Fixup::Kind::kStored32 || fixup.kind == Fixup::Kind::kStored64;
    const PartId need = facts_->members[fixup.index].payload;
    if (payload && need != own && (late.needs.empty() || late.needs.back() != need)) late.needs.push_back(need);
  }
  payloads.shrink_to_fit();
  late.make = [facts = facts_, fixups = std::move(fixups), payloads = std::move(payloads), block = std::move(block), own](
                  std::span<const Written> parts, std::span<std::byte> out) -> Status {
    std::memcpy(out.data(), block.data(), block.size());
    HOLDALL_TRY(read_payloads(payloads, *facts, out));
    for (const Fixup& fixup : fixups) fill_in(fixup, *facts, parts, own, out.data());
    return {};
  };
  return file_.add(std::move(late));
}

void ZipPlanner::end_payload(std::size_t index, PartId payload, std::optional<std::uint64_t> stored) {
  facts_->members[index].payload = payload;
  if (stored) {
    if (position_) *position_ += *stored;
  } else {
    position_.reset();
  }
  bound_ += entries_[index].stored_bound;
  if (has_descriptor(index)) write_descriptor(index);
  if (block_.size() >= kBlock) flush_block();
}

Status ZipPlanner::add(std::string name, Bytes data) {
  if (data.size() <= kSmall) return add_within(std::move(name), {}, Blob::memory(std::move(data), {}));
  const std::uint32_t crc = crc32(data);
  HOLDALL_ASSIGN(const std::size_t index, begin(std::move(name), data.size(), data.size(), false));
  Facts::Member& member = facts_->members[index];
  member.know_crc32(crc);
  member.block = file_.parts.size();
  write_local_header(index);
  flush_block();
  const std::uint64_t size = data.size();
  end_payload(index, file_.add(std::move(data)), size);
  return {};
}

// A payload within the block: at once where it is in memory, else when the block is written.
Status ZipPlanner::add_within(std::string name, const Bytes& head, Blob data) {
  const bool is_here = data.size() == 0 || data.source()->resident();
  Bytes bytes;
  if (is_here) {
    HOLDALL_ASSIGN(bytes, data.read());
  }
  const std::uint64_t size = head.size() + data.size();
  HOLDALL_ASSIGN(const std::size_t index, begin(std::move(name), size, size, false));
  Facts::Member& member = facts_->members[index];
  member.head_size = head.size();
  member.head_crc32 = crc32(head);
  if (is_here) {
    member.know_crc32(crc32(bytes, member.head_crc32));
  } else if (data.crc32()) {
    member.know_crc32(crc32_join(member.head_crc32, *data.crc32(), data.size()));
  } else {
    member.crc_from = Facts::Member::Crc::kMaker;
  }
  member.block = member.payload = file_.parts.size();
  write_local_header(index);
  block_ += head.text();
  member.in_payload = static_cast<std::uint32_t>(block_.size());
  if (is_here) {
    block_ += bytes.text();
  } else {
    block_.append(static_cast<std::size_t>(data.size()), '\0');
    payloads_.emplace_back(static_cast<std::uint32_t>(index), data);
  }
  end_payload(index, member.payload, size);
  return {};
}

Status ZipPlanner::add(std::string name, Blob data) {
  if (data.size() <= kSmall) return add_within(std::move(name), {}, std::move(data));
  return add(std::move(name), Bytes(), std::move(data));
}

Status ZipPlanner::add(std::string name, Bytes head, Blob data) {
  const auto size = checked_add(head.size(), data.size());
  if (!size) return invalid_argument(text("{} bytes are too many for a member", data.size()));
  if (*size <= kSmall) return add_within(std::move(name), head, std::move(data));
  HOLDALL_ASSIGN(const std::size_t index, begin(std::move(name), *size, *size, false));
  Facts::Member& member = facts_->members[index];
  member.head_size = head.size();
  member.head_crc32 = crc32(head);
  const auto data_crc32 = data.size() == 0 ? std::optional<std::uint32_t>(0) : data.crc32();
  if (data_crc32) member.know_crc32(crc32_join(member.head_crc32, *data_crc32, data.size()));
  member.block = file_.parts.size();
  member.payload = member.block + 1;
  write_local_header(index);
  block_ += head.text();
  flush_block();
  const Checks checks = {.crc32 = !data_crc32};
  end_payload(index, file_.add(std::move(data), checks), *size);
  return {};
}

Status ZipPlanner::add_late(std::string name, std::uint64_t size, std::vector<std::size_t> needs,
                            std::function<Status(std::span<const Written> members, std::span<std::byte> out)> make) {
  Part::Late late;
  late.size = size;
  for (const std::size_t need : needs) {
    if (need >= entries_.size()) return internal(text("member {} is needed, there are {}", need, entries_.size()));
    const PartId payload = facts_->members[need].payload;
    if (late.needs.empty() || late.needs.back() != payload) late.needs.push_back(payload);
  }
  HOLDALL_ASSIGN(const std::size_t index, begin(std::move(name), size, size, false));
  Facts::Member& member = facts_->members[index];
  member.block = file_.parts.size();
  member.payload = member.block + 1;
  write_local_header(index);
  flush_block();
  late.make = [facts = facts_, needs = std::move(needs), make = std::move(make), index](std::span<const Written> parts,
                                                                                        std::span<std::byte> out) -> Status {
    std::vector<Written> members(index);
    for (const std::size_t need : needs) {
      const Facts::Member& needed = facts->members[need];
      members[need] = {
          parts[needed.payload].offset + needed.in_payload - needed.head_size, needed.size, facts->crc32_of(need, parts), {}};
    }
    return make(members, out);
  };
  const PartId payload = file_.add(std::move(late));
  file_.parts[payload].checks.crc32 = true;
  end_payload(index, payload, size);
  return {};
}

Status ZipPlanner::add_deflated(std::string name, Bytes head, Blob data) {
  // zlib never needs more than this (deflateBound for the default window and memory).
  const auto size = checked_add(head.size(), data.size());
  const auto bound = size ? checked_add(*size, *size / 1000 + 1024) : std::nullopt;
  if (!bound) return invalid_argument(text("{} bytes are too many for a member", data.size()));
  HOLDALL_ASSIGN(const std::size_t index, begin(std::move(name), *size, *bound, true));
  Facts::Member& member = facts_->members[index];
  member.block = file_.parts.size();
  member.payload = member.block + 1;
  member.crc_from = Facts::Member::Crc::kMaker;
  write_local_header(index);
  flush_block();
  Part::Stream stream;
  std::vector<Blob> plain = {Blob::memory(std::move(head), entries_[index].name), std::move(data)};
  stream.make = [plain = std::move(plain), facts = facts_, index](const Sink& sink) -> Status {
    std::uint32_t sum = 0;
    const auto watch = [&sum](std::span<const std::byte> piece) { sum = crc32(piece, sum); };
    HOLDALL_TRY(deflate(plain, DeflateWrap::kNone, kLevel, sink, watch));
    facts->members[index].crc32 = sum;
    return {};
  };
  end_payload(index, file_.add(std::move(stream)), std::nullopt);
  return {};
}

// APPNOTE 4.3.12.
void ZipPlanner::write_central_header(std::size_t index) {
  const Entry& entry = entries_[index];
  const bool descriptors = options_.data_descriptors;
  const bool wide = sizes_are_wide(index), wide_offset = offset_is_wide(index);
  const std::uint16_t version = wide || wide_offset ? kVersion64 : kVersion;
  put(block_, zip::kCentralSignature);
  put(block_, descriptors ? std::uint16_t{0} : static_cast<std::uint16_t>(kMadeByUnix | version));
  put(block_, descriptors ? std::uint16_t{0} : version);
  const std::uint16_t utf8 = is_ascii(entry.name) ? std::uint16_t{0} : zip::kFlagUtf8;
  put(block_, descriptors ? descriptor_flags(index) : utf8);
  put(block_, static_cast<std::uint16_t>(entry.deflated ? 8 : 0));
  put(block_, std::uint16_t{0});
  put(block_, descriptors ? std::uint16_t{0} : kFirstDay);
  put_crc(index);
  if (wide) {
    put(block_, kFull32);
    put(block_, kFull32);
  } else {
    put_stored_size(index, false);
    put(block_, static_cast<std::uint32_t>(entry.size));
  }
  put(block_, static_cast<std::uint16_t>(entry.name.size()));
  put(block_, static_cast<std::uint16_t>(wide || wide_offset ? 4 + (wide ? 16 : 0) + (wide_offset ? 8 : 0) : 0));
  block_.append(6, '\0');  // comment, disk, internal attributes
  put(block_, descriptors ? 0u : kPlainFile);
  if (!wide_offset && !entry.is_placed) add_fixup(Fixup::Kind::kOffset32, index);
  put(block_, wide_offset ? kFull32 : static_cast<std::uint32_t>(entry.offset().value_or(0)));
  block_ += entry.name;
  put_zip64(index, wide, wide_offset);
}

// APPNOTE 4.3.14 to 4.3.16. `directory_begin` is where the directory begins in the block.
void ZipPlanner::write_end(std::uint64_t directory_begin) {
  const std::uint64_t size = block_.size() - directory_begin;
  const std::uint64_t count = entries_.size();
  const auto put_own = [&](bool wide_field, std::uint64_t in_block) {
    const std::uint64_t known = position_ ? *position_ - directory_begin + in_block : in_block;
    if (!position_) add_fixup(wide_field ? Fixup::Kind::kOwn64 : Fixup::Kind::kOwn32, 0);
    if (wide_field) {
      put(block_, known);
    } else {
      put(block_, static_cast<std::uint32_t>(known));
    }
  };
  const bool wide_offset = bound_ >= kFull32;
  if (options_.data_descriptors || count >= kFull16 || size >= kFull32 || wide_offset) {
    const std::uint64_t record_begin = block_.size();
    put(block_, zip::kEnd64Signature);
    put(block_, static_cast<std::uint64_t>(zip::kEnd64Bytes - 12));
    put(block_, options_.data_descriptors ? kDescriptorMadeBy : static_cast<std::uint16_t>(kMadeByUnix | kVersion64));
    put(block_, kVersion64);
    put(block_, std::uint64_t{0});  // disks
    put(block_, count);
    put(block_, count);
    put(block_, size);
    put_own(true, directory_begin);
    put(block_, zip::kLocator64Signature);
    put(block_, std::uint32_t{0});
    put_own(true, record_begin);
    put(block_, std::uint32_t{1});
  }
  put(block_, zip::kEndSignature);
  put(block_, std::uint32_t{0});  // disks
  put(block_, full16(count));
  put(block_, full16(count));
  put(block_, full32(size));
  if (wide_offset) {
    put(block_, kFull32);
  } else {
    put_own(false, directory_begin);
  }
  put(block_, std::uint16_t{0});  // comment
}

Status ZipPlanner::finish() {
  if (finished_) return internal("the archive is finished");
  finished_ = true;
  const std::uint64_t directory_begin = block_.size();
  std::uint64_t bytes = directory_begin + zip::kEnd64Bytes + zip::kLocator64Bytes + zip::kEndBytes;
  for (const Entry& entry : entries_) bytes += zip::kCentralBytes + entry.name.size() + kMostZip64;
  block_.reserve(static_cast<std::size_t>(bytes));
  for (std::size_t index = 0; index < entries_.size(); ++index) write_central_header(index);
  write_end(directory_begin);
  flush_block();
  entries_ = {};
  names_ = {};
  return {};
}

}  // namespace holdall
