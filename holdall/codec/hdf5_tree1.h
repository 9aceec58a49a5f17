// Nodes of the first version of HDF5's B-trees: of old groups (type 0) and of chunks (type 1).
//
//   node := "TREE" u8 type, u8 level, u16 entries used, address of the left sibling, address of the right one, entry*
// Specification: HDF5 File Format Specification 3.0, III.A.1.
//
// Thread-safety and ownership: as Fields.
#pragma once

#include "holdall/codec/hdf5_fields.h"

namespace holdall::hdf5 {

struct OldNode {
  Fields entries;
  std::uint8_t level = 0;  // 0: its entries are what the tree is about; else they are nodes of lower levels
  std::uint16_t used = 0;
};

// `below`: levels must fall from node to node. Errors: corrupt, io.
Result<OldNode> open_old_node(Metadata& metadata, std::uint64_t address, std::uint8_t type, std::uint16_t below,
                              std::uint64_t entry_bytes);

}  // namespace holdall::hdf5
