// Images: planned files as they will lie on disk, in memory that the writer works in.
//
// What is being changed by others (the live tensors of a training) is copied once, to the place that it has in its file; then
// whoever owns it may go on, and the executor writes from there without copying again. Memory: the files' sizes.
// Thread-safety: one thread; the executor may write from an image in another one. Ownership: Images own their memory, which
// must outlive the execution of a plan that lies in it.
#pragma once

#include <cstdint>
#include <vector>

#include "holdall/io/bytes.h"
#include "holdall/io/plan.h"

namespace holdall {

class Images {
 public:
  // Bytes of memory held: for the files of the last plan and room that earlier ones needed.
  std::uint64_t bytes() const noexcept;
  // Bytes that the images of a plan need. Errors: invalid argument for a plan with streams; those of place_parts().
  static Result<std::uint64_t> needed(const Plan& plan);
  // Has the memory for a plan of this many bytes at hand, and touched. Errors: out of memory.
  Status prepare(std::uint64_t bytes);
  // Copies all data parts of the plan into the images by several threads and has the plan refer to them instead of where they
  // came from; what the images held before is gone. After an error the plan is as it was. Errors: as needed(), out of memory,
  // those of the sources.
  Status take(Plan& plan, unsigned threads = 0);

 private:
  Buffer memory_;
};

}  // namespace holdall
