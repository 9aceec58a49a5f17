#include "holdall/codec/hdf5_tree1.h"

#include <utility>

#include "holdall/base/text.h"

namespace holdall::hdf5 {

Result<OldNode> open_old_node(Metadata& metadata, std::uint64_t address, std::uint8_t type, std::uint16_t below,
                              std::uint64_t entry_bytes) {
  const std::uint64_t prefix = 4 + 1 + 1 + 2 + 2 * std::uint64_t{metadata.widths.address};
  HOLDALL_ASSIGN(Block head, metadata.read(address, prefix));
  Fields fields = metadata.fields(std::move(head));
  HOLDALL_TRY(fields.expect("TREE"));
  HOLDALL_ASSIGN(const std::uint8_t found, fields.byte());
  HOLDALL_ASSIGN(const std::uint8_t level, fields.byte());
  HOLDALL_ASSIGN(const std::uint16_t used, fields.half());
  if (found != type || level >= below) return fields.fault(text("a B-tree node of type {} and level {}", found, level));
  HOLDALL_ASSIGN(Block body, metadata.read(address + prefix, used * entry_bytes));
  return OldNode{metadata.fields(std::move(body)), level, used};
}

}  // namespace holdall::hdf5
