// HDF5 object headers (versions 1 and 2): the messages about a group, a data set or a named type, continuations included and
// messages that are shared taken from where they are.
//
// Thread-safety: that of Metadata. Ownership: messages share their bytes.
#pragma once

#include <optional>
#include <vector>

#include "holdall/codec/hdf5_heaps.h"
#include "holdall/codec/hdf5_messages.h"

namespace holdall::hdf5 {

struct Message {
  MessageType type = MessageType::kNil;
  Block data;
};

// Where messages lie that many objects share: a heap for each index of the file's table, by the types it serves.
struct SharedIndex {
  std::uint16_t types = 0;  // bit n: messages of type n
  std::uint64_t heap = kUndefined;
  std::optional<FractalHeap> opened = {};  // once asked
};

struct ObjectHeader {
  std::uint64_t address = kUndefined;
  std::vector<Message> messages;

  // The first of a type, or nullptr.
  const Message* find(MessageType type) const noexcept;
};

class Headers {
 public:
  explicit Headers(Metadata& metadata) : metadata_(metadata) {}

  // Errors: corrupt, unsupported (a message that its writer forbids to pass over), limit.
  Result<ObjectHeader> read(std::uint64_t address);
  // Reads the table of shared messages that a superblock's extension tells of.
  Status read_shared_table(const Message& message);
  // A message that stands where a reference to a shared one may: an attribute's type or space. Precondition: the block is the
  // reference.
  Result<Block> shared(MessageType type, const Block& reference);

 private:
  struct Pending {
    std::uint64_t address = 0;
    std::uint64_t size = 0;
  };
  Status read_old(ObjectHeader& header, Fields fields);
  Status read_new(ObjectHeader& header, const Block& start);
  Status take_old(ObjectHeader& header, Fields fields, std::uint64_t most);
  Status take_new(ObjectHeader& header, Fields fields);
  Status add(ObjectHeader& header, std::uint16_t type, std::uint8_t flags, Block data);

  Metadata& metadata_;
  std::vector<SharedIndex> shared_;
  std::vector<Pending> pending_;
  bool has_creation_ = false;  // messages of the header being read give their order
  unsigned depth_ = 0;         // of shared messages in headers of shared messages
};

}  // namespace holdall::hdf5
