// ZIP (PKWARE APPNOTE 6.3.10): stored and deflated members, ZIP64, data descriptors, any alignment.
//
// Reading goes by the central directory, checked against every local header and data descriptor when the archive is opened; a
// file that two readers could see differently is refused by name: disagreeing headers, two directories, bytes before the first
// member, between members or behind the end records, encryption, symbolic links, duplicate or escaping names, overlapping
// members.
//
// Thread-safety: a ZipArchive is immutable and may be shared; a ZipPlanner belongs to one thread. Ownership: an archive shares
// its source; a planner writes into a PlannedFile that must outlive it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdall/base/hash_index.h"
#include "holdall/base/keyed_hash.h"
#include "holdall/base/limits.h"
#include "holdall/io/blob.h"
#include "holdall/io/bundle.h"
#include "holdall/io/plan.h"

namespace holdall {

struct ZipMember {
  std::string name;
  std::uint64_t stored_size = 0;
  std::uint64_t size = 0;
  std::uint64_t header_offset = 0;  // of the local header, in the source
  std::uint64_t data_offset = 0;    // of the payload
  std::uint32_t crc32 = 0;
  std::uint16_t method = 0;  // 0 stored, 8 deflated
  std::uint16_t flags = 0;
};

class DecoderPool;

class ZipArchive : public std::enable_shared_from_this<ZipArchive> {
 public:
  // Reads the directory and every local header, no payload. Errors: corrupt, unsupported (encryption, methods), limit.
  // `before`: what may stand before the first member: nothing, or a file of another kind that the archive was put behind, to
  // whose bytes the places in the archive count too.
  enum class Before : std::uint8_t { kNothing, kAnything };
  static Result<std::shared_ptr<const ZipArchive>> open(SourceRef source, const Limits& limits,
                                                        Before before = Before::kNothing);
  // The same for the file of a bundle, which is read once however often it is opened. Precondition: the bundle is a file.
  static Result<std::shared_ptr<const ZipArchive>> open(const Bundle& bundle, const Limits& limits);

  const std::vector<ZipMember>& members() const noexcept { return members_; }  // in the order of the central directory
  const ZipMember* find(std::string_view name) const noexcept;
  // What stands behind the end records; most archives have none.
  const std::string& comment() const noexcept { return comment_; }
  // The decoded bytes, with the stored CRC-32 as the blob's check unless the whole archive was written without CRCs
  // (torch's compute_crc32=False: every CRC is 0). The blob is named "path!member". Errors: not found, limit (expansion).
  Result<Blob> blob(std::string_view name) const;
  Result<Blob> blob(const ZipMember& member) const;
  bool has_checksums() const noexcept { return has_checksums_; }
  const SourceRef& source() const noexcept { return source_; }

 private:
  SourceRef source_;
  Limits limits_;
  std::vector<ZipMember> members_;
  HashIndex by_name_;  // of members_
  std::string comment_;
  std::shared_ptr<DecoderPool> decoders_;
  bool has_checksums_ = true;
};

// Whether a member may have this name: UTF-8 of 1 to 65535 bytes without NUL and backslash that does not lead out of a folder.
// Errors: invalid argument.
Status check_zip_name(std::string_view name);

// Adds the parts of a ZIP archive to a planned file, which must hold nothing else.
class ZipPlanner {
 public:
  struct Options {
    // Payloads start at multiples of it, a power of two up to 32768 (extra field "FB", filled with 'Z', as torch pads). Behind
    // a deflated member, whose size is not known before it is written, payloads are not aligned.
    std::uint64_t alignment = 1;
    // Sizes and CRC behind the payload with flag bits 3 and 11, versions and dates 0 and a ZIP64 end record always: byte for
    // byte as torch's writer lays members out.
    bool data_descriptors = false;
  };
  ZipPlanner(PlannedFile& file, Options options);

  // A stored member; its CRC-32 is computed in passing. Errors: already exists (name), invalid argument (name, alignment).
  Status add(std::string name, Blob data);
  Status add(std::string name, Bytes data);
  // `head` and `data` one behind the other.
  Status add(std::string name, Bytes head, Blob data);
  // A stored member whose bytes come from checksums of members added before; `needs` are their indices among the members, by
  // which `members` is indexed too: offset and size of the payload, CRC-32 of the decoded bytes.
  Status add_late(std::string name, std::uint64_t size, std::vector<std::size_t> needs,
                  std::function<Status(std::span<const Written> members, std::span<std::byte> out)> make);
  // A deflated member (level 6).
  Status add_deflated(std::string name, Blob data) { return add_deflated(std::move(name), Bytes(), std::move(data)); }
  Status add_deflated(std::string name, Bytes head, Blob data);
  // The central directory and its end records. Nothing may be added afterwards.
  Status finish();
  // Members so far.
  std::size_t size() const noexcept { return entries_.size(); }

 private:
  struct Entry {
    std::string name;
    std::uint64_t size = 0;
    std::uint64_t stored_bound = 0;  // the stored size, or what it is at most
    std::uint64_t offset_bound = 0;  // of the local header: what it is at most
    bool is_placed = false;          // that is where it is
    bool deflated = false;

    std::optional<std::uint64_t> offset() const { return is_placed ? std::optional(offset_bound) : std::nullopt; }
  };
  struct Facts;   // what becomes known while the plan is executed
  struct Fixup {  // a number in a block that is not known yet
    enum class Kind : std::uint8_t { kCrc, kStored32, kStored64, kOffset32, kOffset64, kOwn32, kOwn64 };
    std::uint64_t at;     // in the block
    std::uint32_t index;  // of the member; for kOwn, whose value is added to the block's own offset, nothing
    Kind kind;
  };

  Result<std::size_t> begin(std::string name, std::uint64_t size, std::uint64_t stored_bound, bool deflated);
  void write_local_header(std::size_t index);
  void write_descriptor(std::size_t index);
  void write_central_header(std::size_t index);
  void write_end(std::uint64_t directory_begin);
  void put_crc(std::size_t index);
  void put_stored_size(std::size_t index, bool wide);
  void put_zip64(std::size_t index, bool sizes, bool offset);
  bool sizes_are_wide(std::size_t index) const;
  bool offset_is_wide(std::size_t index) const;
  bool has_descriptor(std::size_t index) const;
  std::uint16_t descriptor_flags(std::size_t index) const;
  void add_fixup(Fixup::Kind kind, std::size_t index);
  static void fill_in(const Fixup& fixup, const Facts& facts, std::span<const Written> parts, PartId own, std::byte* block);
  static Status read_payloads(const std::vector<std::pair<std::uint32_t, Blob>>& payloads, Facts& facts,
                              std::span<std::byte> block);
  PartId flush_block();
  Status add_within(std::string name, const Bytes& head, Blob data);
  void end_payload(std::size_t index, PartId payload, std::optional<std::uint64_t> stored);

  PlannedFile& file_;
  Options options_;
  std::vector<Entry> entries_;
  HashIndex names_;                                       // of entries_
  std::shared_ptr<Facts> facts_;                          // shared with the parts that need it
  std::string block_;                                     // records not yet added as a part
  std::vector<Fixup> fixups_;                             // in block_
  std::vector<std::pair<std::uint32_t, Blob>> payloads_;  // of members that lie within block_, still to be read
  std::optional<std::uint64_t> position_ = 0;             // of the end of block_ in the file; empty behind a stream
  std::uint64_t bound_ = 0;                               // what it is at most
  bool finished_ = false;
};

}  // namespace holdall
