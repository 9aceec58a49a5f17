// What a checkpoint of Lightning has called instead of the model's class: hyper_parameters["_instantiator"], a function by its
// dotted name (lightning/pytorch/core/saving.py, _load_state), which load_from_checkpoint() imports. Version 2.6.6
// refuses all but its own.
//
// Thread-safety: pure. Ownership: findings own their texts.
#pragma once

#include <string_view>

#include "holdall/core/value.h"
#include "holdall/objects/verdict.h"

namespace holdall::pytorch {

// Appends each such name, wherever it stands, that is not of Lightning's own command line. `where` is the place of the program.
void judge_instantiator(const Arena& arena, std::string_view where, Findings& findings);

// Of a name: inert for Lightning's own.
Verdict verdict_of_instantiator(std::string_view name);

}  // namespace holdall::pytorch
