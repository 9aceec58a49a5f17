#include "holdall/formats/pickle/pickle_plan.h"

#include <utility>

#include "holdall/formats/pickled_tree.h"
#include "holdall/objects/numpy_objects.h"

namespace holdall::pickle {

Result<Plan> plan(const Model& model, const WriteOptions& options) {
  if (options.shard_bytes != 0) return invalid_argument("a pickle has no shards");
  if (options.alignment != 0) return invalid_argument("a pickle has no place for an alignment");
  PickledArrays arrays;
  arrays.array = [](Arena& scratch, const Tensor& tensor) { return numpy_object(scratch, tensor, Limits().value_bytes); };
  HOLDALL_ASSIGN(PickledTree tree, pickled_tree(model, arrays));
  Plan plan;
  plan.losses = std::move(tree.losses);
  plan.files.push_back(planned_file(std::move(tree.pieces), options.name));
  return plan;
}

}  // namespace holdall::pickle
