// Programs that read any file as a pickle or a tar, from its first byte on, whatever its format is: formats that know nothing
// of that leave room for both, in a block before their own beginning, in a documentation, in keys and sizes.
//
// Thread-safety: may be called from several threads. Ownership: none.
#pragma once

#include "holdall/formats/format.h"

namespace holdall {

// What files of a format are to other programs as well, and its acts() judges.
struct Guises {
  bool pickle = false;  // from their first byte on
  bool tar = false;
};
Guises guises_of(const Format& format) noexcept;

// Appends what the pickle does that the file begins with, where it calls or, coming to its end, imports anything that is not
// inert.
void judge_leading_program(const Bundle& file, const Context& context, Findings& findings);

}  // namespace holdall
