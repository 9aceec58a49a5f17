// What running a graph would do beside computing: operators by a table (tensorflow_ops.inc), paths by their data flow through
// functions.
//
// Thread-safety: free functions. Ownership: findings own their texts.
#pragma once

#include "holdall/formats/tf_savedmodel/saved_graph.h"
#include "holdall/objects/told.h"

namespace holdall::tf_savedmodel {

void judge_graph(const MetaGraph& graph, std::string_view where, const Limits& limits, Told& told);

}  // namespace holdall::tf_savedmodel
