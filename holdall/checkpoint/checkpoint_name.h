// CheckpointName: the names of a run's checkpoints, made from a template: "checkpoint_epoch{epoch}_step{step}.pt".
//
// {step}, {epoch} (0 where there is none) and {METRIC}, each with an optional format: {step:08}, {loss:.3f}.
// Thread-safety: immutable. Ownership: owns its text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "holdall/checkpoint/record.h"

namespace holdall {

class CheckpointName {
 public:
  // Errors: invalid argument for a template without {step}, one that is no name of a file (empty, '/', a leading '.', more than
  // 200 bytes), and for a field or format that is not understood.
  static Result<CheckpointName> parse(std::string_view pattern);
  // Errors: invalid argument for a metric that the label lacks, and for a name that is none of a file.
  Result<std::string> of(const CheckpointLabel& label) const;

 private:
  struct Piece {
    std::string text;  // literal, or the field's name
    bool field = false;
    std::string format;  // behind the colon
  };
  std::vector<Piece> pieces_;
};

}  // namespace holdall
