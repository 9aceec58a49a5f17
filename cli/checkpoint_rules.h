// Checkpoint rules: what the flags of `holdall checkpoint` say about metrics, and about what is to stay.
//
// Thread-safety: pure functions. Ownership: results own their texts.
#pragma once

#include <optional>

#include "cli/flags.h"
#include "holdall/checkpoint/folder.h"

namespace holdall::cli {

// The rules of --keep-last, --keep-best with --metric, --keep-every, --max-age and --max-bytes, which protect the best of the
// folder's own metrics too; nothing where none of them is given. Errors: invalid argument for values and combinations that make
// no sense, and for a metric that no checkpoint has.
Result<std::optional<Rules>> rules_given(const Arguments& arguments, const CheckpointFolder& folder);

// The metric of --metric, or else of the folder's first rule. Errors: invalid argument where neither names one, where several
// are given, and where no checkpoint has it.
Result<BestRule> best_rule(const Arguments& arguments, const CheckpointFolder& folder);

}  // namespace holdall::cli
