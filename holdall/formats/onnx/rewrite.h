// A message file with pieces of it exchanged: the lengths of the messages around them follow, everything else stays as it is.
//
// Thread-safety: one thread. Ownership: edits share their sources.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "holdall/formats/onnx/model_file.h"
#include "holdall/io/plan.h"

namespace holdall::onnx {

struct Edit {
  std::uint32_t message = 0;  // in which it lies
  std::uint64_t begin = 0, end = 0;
  std::vector<Blob> pieces;  // instead of [begin, end)

  std::uint64_t size() const noexcept;
};

class Rewrite {
 public:
  explicit Rewrite(const std::vector<Message>& messages) : messages_(messages) {}

  // Preconditions: edits of one message do not overlap, and lie between those of its fields that are messages of the list.
  void replace(std::uint32_t message, std::uint64_t begin, std::uint64_t end, std::vector<Blob> pieces);
  // Behind the message's last field.
  void append(std::uint32_t message, std::vector<Blob> pieces);
  bool empty() const noexcept { return edits_.empty(); }

  // Adds the parts of the new file.
  Status add_to(PlannedFile& into, const Blob& file) &&;

 private:
  void follow_lengths();

  const std::vector<Message>& messages_;
  std::vector<Edit> edits_;
};

// The key of a field that has bytes, and how many.
std::string field_head(std::uint32_t number, std::uint64_t size);
Blob literal(std::string text);

}  // namespace holdall::onnx
