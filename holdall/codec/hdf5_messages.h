// Messages of HDF5 object headers: the facts about a group or a data set, each parsed by its own function.
//
// Thread-safety: pure functions. Ownership: results own what they hold; blocks share their bytes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "holdall/codec/hdf5_type.h"

namespace holdall::hdf5 {

// Stored: never renumber.
enum class MessageType : std::uint16_t {
  kNil = 0x00,
  kSpace = 0x01,
  kLinkInfo = 0x02,
  kType = 0x03,
  kOldFill = 0x04,
  kFill = 0x05,
  kLink = 0x06,
  kExternal = 0x07,
  kLayout = 0x08,
  kGroupInfo = 0x0A,
  kFilters = 0x0B,
  kAttribute = 0x0C,
  kSharedTable = 0x0F,
  kContinuation = 0x10,
  kSymbolTable = 0x11,
  kAttributeInfo = 0x15,
};

// A dataspace. `shape` is empty for a scalar; a null space has no elements at all.
struct Space {
  bool is_null = false;
  Shape shape;
  Shape most;  // UINT64_MAX for a size without bound; empty: the same as `shape`
};
Result<Space> parse_space(Fields fields);

// Bytes of the value of elements that were never written; empty: zeros.
Result<Bytes> parse_fill(Fields fields);
Result<Bytes> parse_old_fill(Fields fields);

struct Filter {
  std::uint16_t id = 0;
  std::string name;  // as the file says, else what the number is known as
  std::vector<std::uint32_t> values;
};
Result<std::vector<Filter>> parse_filters(Fields fields);

// How chunks are found. Stored: never renumber (kTree1 is of older versions and has no number).
enum class ChunkIndex : std::uint8_t { kTree1 = 0, kSingle = 1, kImplicit = 2, kFixed = 3, kExtensible = 4, kTree2 = 5 };

struct Layout {
  // Stored: never renumber.
  enum class Kind : std::uint8_t { kCompact = 0, kContiguous = 1, kChunked = 2, kVirtual = 3 } kind = Kind::kContiguous;
  Block compact;
  std::uint64_t address = kUndefined;  // of contiguous data, or of the index of chunks
  std::optional<std::uint64_t> size;   // of contiguous data, where the version says it
  Shape chunk;                         // sizes of a chunk in elements
  std::uint64_t element_bytes = 0;     // as a chunked layout says it
  ChunkIndex index = ChunkIndex::kTree1;
  bool edges_unfiltered = false;             // chunks that reach past the end are not filtered
  std::optional<std::uint64_t> single_size;  // of kSingle: stored bytes where it is filtered
  std::uint32_t single_mask = 0;
};
Result<Layout> parse_layout(Fields fields);

struct Link {
  enum class Kind : std::uint8_t { kHard, kSoft, kExternal } kind = Kind::kHard;
  std::string name;
  std::uint64_t address = kUndefined;  // of kHard
  std::string target;                  // of the others: a path; of kExternal "file:path"
  std::optional<std::uint64_t> created;
};
Result<Link> parse_link(Fields fields);

// Where links or attributes of dense storage are.
struct Dense {
  std::uint64_t heap = kUndefined;
  std::uint64_t by_name = kUndefined;  // a B-tree of version 2
};
Result<Dense> parse_link_info(Fields fields);
Result<Dense> parse_attribute_info(Fields fields);

}  // namespace holdall::hdf5
