// What formats that keep their weights in HDF5 have in common: data sets as tensors under their paths, groups as dicts,
// attributes as values, and what a file would have its reader open elsewhere.
//
// Thread-safety: pure functions, a builder belongs to one thread. Ownership: results share the file's source.
#pragma once

#include <string>
#include <vector>

#include "holdall/base/shared_text.h"
#include "holdall/codec/hdf5.h"
#include "holdall/formats/format.h"
#include "holdall/formats/tree_metadata.h"

namespace holdall {

struct Hdf5Contents {
  std::vector<StoredTensor> tensors;  // named by their paths: "layers/dense/vars/0"; those of one data set share its storage
  NodeId tree = kNoNode;              // groups as dicts of dicts and tensors; a tensor's index is its place in `tensors`
  NodeId attributes = kNoNode;        // a dict of the root's attributes, and under "/path" of those of each other object
};

// Reads all objects; adds warnings and what is left out (rows of variable length, named types) to the builder. `first` is what
// the tensors' indices begin with. A data set with the attribute dtype = "bfloat16", as Keras marks it, is one of those.
// Errors: unsupported for links out of the file, data in other files and virtual data sets; corrupt; limit.
Result<Hdf5Contents> read_hdf5(ModelBuilder& builder, const Hdf5File& file, const SharedText& name, const Limits& limits,
                               std::uint32_t first = 0);

// "HDF5 superblock 2, user block 512"
std::string describe_hdf5(const Hdf5File& file);

// Whether it has the variables of Keras 3's layers: groups "vars", and no list of layer names.
bool has_keras_variables(const Hdf5File& file) noexcept;
// The HDF5 file of a bundle; empty where it is none or cannot be read, which reading it will tell.
std::shared_ptr<const Hdf5File> peek_hdf5(Peek& peek);
// Whether an HDF5 file begins there.
bool looks_like_hdf5(Peek& peek);

// Names of layers by the path of the group that holds their "vars", as Keras 3 notes them.
NodeId keras_layer_names(Arena& arena, Value attributes);

// Decodes every chunk: it is there, and its checksums hold.
Status verify_hdf5(const Hdf5File& file, const Context& context, Faults& faults);

// Tells of links out of the file, of data in other files and of virtual data sets.
void judge_hdf5(const Hdf5File& file, Findings& findings);

}  // namespace holdall
