// Pickle programs by their opcodes: whole instructions are put in, left out, moved and doubled, and fragments that do something
// are woven in, so that most of what comes out still runs.
#pragma once

#include <string>
#include <string_view>

#include "tests/fuzz/mutators/chance.h"

namespace holdall::fuzz {

// Whether bytes begin with a few instructions that run to a STOP or to their end.
bool looks_like_pickle(std::string_view data);
void mutate_pickle(std::string& program, Chance& chance);
// A program with a part of `other` at the border of two of its instructions.
std::string cross_pickles(std::string_view data, std::string_view other, Chance& chance);
std::string new_pickle(Chance& chance);

}  // namespace holdall::fuzz
