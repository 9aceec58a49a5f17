// Models that objects in pickles keep as the bytes of a file: the Boosters of XGBoost and LightGBM. What the bytes hold is
// opened and hung to the object as keyword arguments of its making, which add nothing to names; its state, bytes and all, stays
// as it is, and whoever writes the object again leaves them out.
//
// Thread-safety: one thread an arena. Ownership: tensors share the sources of the bytes.
#pragma once

#include <string>

#include "holdall/core/model.h"
#include "holdall/formats/format.h"

namespace holdall {

// Looks through the objects from node `first` on. What cannot be opened stays as it is, with a warning.
void open_held_models(ModelBuilder& builder, NodeId first, const Context& context, const std::string& file);

// The same tree without what was opened; empty where nothing was. Nodes keep their ids.
std::shared_ptr<const Arena> without_held_models(const Arena& arena);

}  // namespace holdall
