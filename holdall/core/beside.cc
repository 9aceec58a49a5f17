#include "holdall/core/beside.h"

#include <utility>

namespace holdall {

ModelBuilder beside(const Model& model, std::shared_ptr<Arena> arena) {
  ModelBuilder builder(std::move(arena));
  builder.metadata = model.metadata().id();
  builder.config = model.config() ? model.config().id() : kNoNode;
  builder.side_files = model.side_files();
  builder.origin = model.origin();
  builder.warnings = model.warnings();
  builder.left_out = model.left_out();
  return builder;
}

}  // namespace holdall
