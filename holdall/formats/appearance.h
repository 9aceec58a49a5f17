// What a file that no format knows looks like, for the message that says so.
//
// Thread-safety: may be called from several threads. Ownership: none.
#pragma once

#include <string>

#include "holdall/formats/format.h"

namespace holdall {

// "an HDF5 file", "a 7z archive", "a Git LFS pointer to N bytes …", "text", "bytes 00 01 02 03 …".
std::string appearance(Peek& peek);

// Whether nothing is known that begins as the file does, and it is no text: bytes without a form of their own.
bool is_formless(Peek& peek);

// unsupported: "no format here reads this; it looks like …", in the bundle's path.
Error unrecognised(Peek& peek);

}  // namespace holdall
