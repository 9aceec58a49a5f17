// LateParts: which late parts of a file can be made by now, and the making of them.
//
// Thread-safety: one thread at a time. Ownership: refers to the planned file.
#pragma once

#include <span>
#include <vector>

#include "holdall/io/plan.h"
#include "holdall/io/write_in_order.h"

namespace holdall {

class LateParts {
 public:
  explicit LateParts(const PlannedFile& file);

  // Part `id` and its checksums are done.
  void done(PartId id) { done_[id] = true; }
  bool is_done(PartId id) const { return done_[id]; }
  // Whether all that late part `id` needs is done.
  bool ready(PartId id) const;
  // Makes and writes all that are not done, in an order in which each finds its needs done.
  // Errors: invalid argument where they need each other in a circle or need a part that does not exist.
  Status write_rest(const WriteTarget& target, std::span<Written> written);

 private:
  const PlannedFile& file_;
  std::vector<bool> done_;
};

// Computes a late part into `out`, which has its size, and its checksums into written[id]. Precondition: it is ready, and
// `written` holds what it needs.
Status make_late(const PlannedFile& file, PartId id, std::span<Written> written, std::span<std::byte> out);

}  // namespace holdall
