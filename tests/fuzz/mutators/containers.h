// Files in files: what a file is made of is found, changed inside, and closed again around it, down to a few levels.
#pragma once

#include <string>
#include <string_view>

#include "tests/fuzz/mutators/chance.h"

namespace holdall::fuzz {

// Changes a file of any kind by its own structure: archives by their members, compressed streams by what they hold, pickles by
// opcodes, anything else by bytes. Now and then it puts the file into another one.
void mutate_file(std::string& file, Chance& chance);
// A file of two.
std::string cross_files(std::string_view one, std::string_view other, Chance& chance);

}  // namespace holdall::fuzz
