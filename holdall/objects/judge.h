// judge(): what Python's own unpickler would do with a pickle program, told from the record of the machine that ran it here.
//
// Every import is judged by its exact (module, name) pair at the opcode that makes it, whether or not its result survives on
// the stack; so are names that were computed, extension codes, and BUILD, SETITEM or APPEND on something imported.
// torch.storage._load_from_bytes, which has torch.load open a file that the program itself holds, does what that file does:
// called with constant bytes alone, and passed to nobody who could call it with others, it is as inert as they are.
// Thread-safety: pure. Ownership: findings own their texts.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "holdall/codec/pickle.h"
#include "holdall/objects/verdict.h"

namespace holdall {

// Judges a file that a program holds as bytes; `where` is the call that loads it ("model.pkl@1042").
using JudgeNested = std::function<void(const Blob& file, const std::string& where, Findings& findings)>;

// Appends what was found; nothing for a program that is inert and understood to its end. `where` is the place of the program
// ("model.pt!archive/data.pkl"). A program with an error is unreadable beside whatever its prefix does. Without `nested` what
// loads bytes is code.
void judge(const Arena& arena, const PickleProgram& program, std::string_view where, Findings& findings,
           const JudgeNested& nested = {});

}  // namespace holdall
