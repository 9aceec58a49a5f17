// Pickles within HDF5: PyTables, by which pandas.read_hdf reads, unpickles attributes and rows of objects, hickle attributes
// and data sets.
//
// Thread-safety: may be called from several threads. Ownership: findings own their texts.
#pragma once

#include "holdall/codec/hdf5.h"
#include "holdall/formats/format.h"

namespace holdall {

// Appends what the pickles do that attributes, data sets of bytes, PyTables' rows of objects and all data of hickle's files
// begin with; and that such rows and data cannot be read.
void judge_hdf5_pickles(const Hdf5File& file, const Context& context, Findings& findings);

}  // namespace holdall
