// Where everything of an HDF5 file that is being planned lies, and the bytes of its metadata: the inside of Hdf5Planner.
//
// Thread-safety: one thread until place() has been called; encode() may then be called from any thread. Ownership: owns its
// parts.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "holdall/codec/hdf5_writer_type.h"
#include "holdall/io/blob.h"

namespace holdall::hdf5_written {

inline constexpr std::uint64_t kNowhere = UINT64_MAX;
// Entries of a symbol node, children of a B-tree's node: twice what the superblock says, which are the library's own numbers.
inline constexpr std::uint64_t kSymbols = 8, kChildren = 32, kChunkChildren = 64;

// A text in the global heap, by the heap's number and its own in it, which counts from 1.
struct TextPlace {
  std::uint32_t heap = 0;
  std::uint32_t number = 0;
  std::uint32_t size = 0;
};

struct Attribute {
  std::string message;          // as it stands in a header, not padded
  std::vector<TextPlace> refs;  // what its last 16 bytes times their number refer to
};

// A chunk of a dataset, or all of it.
struct Piece {
  Blob data;
  std::uint64_t padding = 0;           // zeros behind it, to the size of a chunk
  std::vector<std::uint64_t> offsets;  // of its first element, for a chunk
};

struct Node {
  enum class Kind : std::uint8_t { kGroup, kDataset };
  Kind kind = Kind::kGroup;
  std::string name;
  std::vector<std::uint32_t> children;  // of a group, by name once placed
  std::vector<Attribute> attributes;
  std::vector<std::string> attribute_names;  // in order

  Hdf5Type type;  // of a dataset
  Shape shape;
  std::string space;            // the dataspace message
  Shape chunk;                  // empty: contiguous
  std::vector<TextPlace> refs;  // elements that are texts; they lie among the metadata
  std::size_t first_piece = 0;
  std::size_t pieces = 0;

  std::uint64_t header = 0, tree = kNowhere, symbols = 0, heap = 0, elements = kNowhere;
};

// One collection of texts.
struct TextHeap {
  std::vector<std::string> texts;
  std::uint64_t used = 16;  // bytes
  std::uint64_t size = 0;
  std::uint64_t address = 0;
};

// Where a piece came to lie, and in how many bytes.
struct PieceAt {
  std::uint64_t offset = kNowhere;
  std::uint64_t size = 0;
};

// Dataspace messages: of these sizes, of no element.
std::string dataspace_message(const Shape& shape);
std::string null_dataspace_message();

class Layout {
 public:
  std::vector<Node> nodes = std::vector<Node>(1);  // the root first
  std::vector<Piece> pieces;
  std::vector<TextHeap> heaps;

  TextPlace add_text(std::string text);
  // Gives everything in front of the pieces its address. Errors: invalid argument for an object with too many attributes.
  Status place();
  // Bytes of the metadata. Precondition of this and of the others below: placed.
  std::uint64_t size() const noexcept { return size_; }
  // Writes the metadata into `out`, which has their size. `end` is the size of the file.
  void encode(std::span<const PieceAt> at, std::uint64_t end, std::span<std::byte> out) const;

 private:
  std::string messages(const Node& node, std::span<const PieceAt> at) const;
  std::uint64_t message_count(const Node& node) const;
  void encode_superblock(std::uint64_t end, std::byte* out) const;
  void encode_group(const Node& node, std::byte* out) const;
  void encode_chunks(const Node& node, std::span<const PieceAt> at, std::byte* out) const;
  void encode_heap(const TextHeap& heap, std::byte* out) const;
  void encode_refs(std::span<const TextPlace> refs, std::byte* out) const;

  std::uint64_t size_ = 0;
};

}  // namespace holdall::hdf5_written
