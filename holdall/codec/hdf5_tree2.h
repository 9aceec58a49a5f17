// B-trees of version 2 ("BTHD"): rows of records in order, whatever they are records of.
//
// Thread-safety: that of Metadata. Ownership: records view the blocks they are read from.
#pragma once

#include <functional>

#include "holdall/codec/hdf5_fields.h"

namespace holdall::hdf5 {

// Calls use() for each record of the tree at `address`, in order. `type` is the number of the kind of record that must be in
// it; a record's size is remaining(). Errors: corrupt, those of use().
Status for_each_record(Metadata& metadata, std::uint64_t address, std::uint8_t type,
                       const std::function<Status(Fields record)>& use);

}  // namespace holdall::hdf5
