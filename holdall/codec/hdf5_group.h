// What a group links to and what attributes an object has, in old and new storage, compact and dense.
//
// Thread-safety: that of Metadata. Ownership: results own their texts and share their bytes.
#pragma once

#include <string>
#include <vector>

#include "holdall/codec/hdf5_header.h"

namespace holdall::hdf5 {

// The links of a group, in the order of their making where the file keeps it, else by name (numbers counted); empty where the
// object is no group. Errors: corrupt (two links of one name; links in two kinds of storage, of which the library reads one
// alone), unsupported, limit (Limits::members).
Result<std::optional<std::vector<Link>>> read_links(Metadata& metadata, const ObjectHeader& header);

struct Attribute {
  std::string name;
  TypeRef type;
  Space space;
  Bytes data;  // elements as they are stored
};
// Errors: corrupt (as read_links()), unsupported, limit.
Result<std::vector<Attribute>> read_attributes(Metadata& metadata, Headers& headers, const ObjectHeader& header);

// Elements of a space. Errors: corrupt on overflow.
Result<std::uint64_t> elements_of(const Space& space);

}  // namespace holdall::hdf5
