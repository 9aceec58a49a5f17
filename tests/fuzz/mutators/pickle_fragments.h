// Pieces of pickle programs: single opcodes with operands that fit, and short sequences that import, call, build, memoise.
#pragma once

#include <string>
#include <string_view>

#include "tests/fuzz/mutators/chance.h"

namespace holdall::fuzz {

// Opcodes without an operand.
inline constexpr char kPlainOpcodes[] = "N\x88\x89]ael)t\x85\x86\x87}dsu\x8f\x90\x91\x30\x32(1\x94\x93Rbo\x81\x92.Q\x97\x98";

struct Name {
  std::string_view module;
  std::string_view name;
};
// A row of the table of globals, or what attackers import.
Name some_name(Chance& chance);
// The opcode of a text, of any protocol.
std::string some_text(std::string_view text, Chance& chance);
std::string some_instruction(Chance& chance);
// Leaves one value on the stack more often than not.
std::string some_fragment(Chance& chance);

}  // namespace holdall::fuzz
