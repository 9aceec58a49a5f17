// Which scales may be made anew when a tensor gets other real numbers: those of weights that only operators with scales of
// their own for them read. The scales of an integer bias are those of the weights times that of the operator's input, and
// follow.
//
// Thread-safety: free functions. Ownership: values.
#pragma once

#include <cstdint>
#include <vector>

#include "holdall/core/quantize.h"
#include "holdall/formats/tflite/graph.h"

namespace holdall::tflite {

struct Renewal {
  Quantization::Renewal kind = Quantization::Renewal::kKept;
  std::uint32_t follows = 0;  // the tensor of the same subgraph, for kFollows
  float factor = 1;
};

// By tensor of the subgraph. Precondition: the graph's indices were checked (check_indices).
std::vector<Renewal> renewals_of(const Graph& graph, const SubgraphRecord& subgraph);

}  // namespace holdall::tflite
