// HDF5 files: groups, data sets and attributes, by our own reader (no byte of a stranger's file reaches libhdf5).
//
// Opening reads all metadata and no data. Superblocks 0 to 3 behind a user block or none, old and new groups, object headers of
// versions 1 and 2, compact, contiguous and chunked data with every index of chunks, deflate, shuffle and fletcher32. Checksums
// of metadata are compared as it is read. Links out of the file, data in other files and virtual data sets are told of and
// never followed.
// Layouts: "HDF5 File Format Specification Version 3.0". Thread-safety: a file is immutable and may be shared. Ownership: a
// file shares its source.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "holdall/codec/hdf5_chunks.h"
#include "holdall/codec/hdf5_group.h"
#include "holdall/core/value.h"
#include "holdall/io/bundle.h"

namespace holdall {

struct Hdf5Link {
  static constexpr std::uint32_t kNowhere = UINT32_MAX;
  enum class Kind : std::uint8_t { kHard, kSoft, kExternal } kind = Kind::kHard;
  std::string name;
  std::uint32_t object = kNowhere;  // index among objects(); of a soft link whose path leads nowhere, and external: kNowhere
  std::string target;               // of a soft or external link
};

struct Hdf5Dataset {
  hdf5::TypeRef type;
  hdf5::Space space;
  hdf5::Layout layout;
  std::vector<hdf5::Filter> filters;
  Bytes fill;                // of elements that were never written; empty: zeros
  bool is_external = false;  // its data lie in other files
  std::uint64_t bytes = 0;   // of all elements
};

struct Hdf5Object {
  enum class Kind : std::uint8_t { kGroup, kDataset, kType } kind = Kind::kGroup;
  std::uint64_t address = 0;
  std::vector<hdf5::Attribute> attributes;
  std::vector<Hdf5Link> links;           // of a group
  std::unique_ptr<Hdf5Dataset> dataset;  // of a data set

  const hdf5::Attribute* attribute(std::string_view name) const noexcept;
  const Hdf5Link* link(std::string_view name) const noexcept;
};

class Hdf5File : public std::enable_shared_from_this<Hdf5File> {
 public:
  // The offset of the superblock: 0, or a power of two from 512 on within what is given; empty when there is none.
  static std::optional<std::uint64_t> find_superblock(std::span<const std::byte> head) noexcept;

  // Errors: corrupt, unsupported, limit (members, header bytes; data sets that declare a thousand times the bytes of the file),
  // io.
  static Result<std::shared_ptr<const Hdf5File>> open(SourceRef source, const Limits& limits);
  // The same for the file of a bundle, which is read once however often it is opened. Precondition: the bundle is a file.
  static Result<std::shared_ptr<const Hdf5File>> open(const Bundle& bundle, const Limits& limits);

  // The root group is the first.
  const std::vector<Hdf5Object>& objects() const noexcept { return objects_; }
  const Hdf5Object& root() const noexcept { return objects_.front(); }
  unsigned superblock() const noexcept { return superblock_; }
  std::uint64_t user_block() const noexcept { return base_; }
  const SourceRef& source() const noexcept { return source_; }
  // Checksums of metadata that were compared.
  std::uint64_t checked() const noexcept { return checked_; }

  // The elements as they are stored, row-major; texts of variable length as Tensor::strings() has them. `name` is for messages.
  // Errors: corrupt, unsupported (filters, external and virtual data, rows of variable length).
  Result<Blob> data(const Hdf5Dataset& dataset, std::string_view name) const;

 private:
  friend class Hdf5Opener;
  friend class Hdf5Rows;
  friend class Hdf5Values;
  Hdf5File(SourceRef source, const Limits& limits) : source_(std::move(source)), limits_(limits) {}
  hdf5::Metadata metadata() const;
  Result<Blob> references(const Hdf5Dataset& dataset, std::string_view name) const;
  Result<Blob> texts(const Hdf5Dataset& dataset, std::string_view name) const;

  SourceRef source_;
  Limits limits_;
  std::uint64_t base_ = 0;
  hdf5::Widths widths_;
  unsigned superblock_ = 0;
  std::uint64_t checked_ = 0;
  std::vector<Hdf5Object> objects_;
  std::shared_ptr<hdf5::BandCache> cache_ = std::make_shared<hdf5::BandCache>();
};

// The attributes of a file's objects as values of an arena; heaps that several lie in are read once. Thread-safety: one thread.
// Ownership: refers to the file and the arena.
class Hdf5Values {
 public:
  Hdf5Values(const Hdf5File& file, Arena& arena);
  ~Hdf5Values();
  Hdf5Values(const Hdf5Values&) = delete;
  Hdf5Values& operator=(const Hdf5Values&) = delete;

  // Numbers, booleans, texts (bytes where they are no UTF-8), lists of them by dimension; a compound is a dict, a null space is
  // null. Errors: corrupt, limit (Limits::value_bytes in the whole arena).
  Result<NodeId> of(const hdf5::Attribute& attribute);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The bytes in a file's heaps that texts and rows of variable length are. Thread-safety: one thread. Ownership: refers to the
// file.
class Hdf5Rows {
 public:
  using Use = std::function<Status(const Bytes& row)>;
  explicit Hdf5Rows(const Hdf5File& file);
  ~Hdf5Rows();
  Hdf5Rows(const Hdf5Rows&) = delete;
  Hdf5Rows& operator=(const Hdf5Rows&) = delete;

  // Calls `use` with all of each object in the heaps that an element refers to and none did before; elements may be shorter.
  // Precondition: the elements' type is of variable length. Errors: corrupt, unsupported, limit, those of `use`.
  Status each(const hdf5::Attribute& attribute, const Use& use);
  Status each(const Hdf5Dataset& dataset, std::string_view name, const Use& use);
  // The same with every object of every heap that lies in the file, whoever refers to it: for elements whose filters are not
  // known. Cost: one pass over the file, the first time alone.
  Status each_anywhere(const Use& use);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdall
