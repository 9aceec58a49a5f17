// judge(): what Python's own unpickler would do with a pickle program, told from the record of the machine that ran it here.
//
// Every import is judged by its exact (module, name) pair at the opcode that makes it, whether or not its result survives on
// the stack; so are names that were computed, extension codes, and BUILD, SETITEM or APPEND on something imported.
// Thread-safety: pure. Ownership: findings own their texts.
#pragma once

#include <string_view>

#include "holdall/codec/pickle.h"
#include "holdall/objects/verdict.h"

namespace holdall {

// Appends what was found; nothing for a program that is inert and understood to its end. `where` is the place of the program
// ("model.pt!archive/data.pkl"). A program with an error is unreadable beside whatever its prefix does.
void judge(const Arena& arena, const PickleProgram& program, std::string_view where, Findings& findings);

}  // namespace holdall
