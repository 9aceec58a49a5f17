// Text for people in another encoding than UTF-8: UTF-16 with its mark, and the code pages of before (Latin-1, Shift-JIS, GBK).
//
// Thread-safety: pure. Ownership: refers to the caller's source.
#pragma once

#include <string_view>

#include "holdall/io/source.h"

namespace holdall {

// Whether a file whose name is a text's (notes.txt, labels.csv, README; never a configuration's, a template's or a program's)
// holds characters alone, none of which controls anything. Memory: a tile.
bool is_code_page_text(const Source& source, std::string_view name);

// Whether a file is XML or a web page of one byte a character, in a code page that it says or leaves out.
bool is_code_page_markup(const Source& source);

}  // namespace holdall
