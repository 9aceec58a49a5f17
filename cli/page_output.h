// Page output: where --html puts what it makes.
//
// Thread-safety: one thread. Ownership: borrows the console.
#pragma once

#include <initializer_list>

#include "cli/console.h"
#include "cli/flags.h"
#include "holdall/ops/page.h"

namespace holdall::cli {

// Whether --html may be given so. To be asked before anything is read. Errors: unsupported, where this build makes no pages;
// invalid argument, where two things are to go to standard output.
Status check_page(const Arguments& arguments, const Console& console);

// Writes the page to --html's FILE, or to standard output for '-', and tells that it did unless something else is printed.
// Errors: those of save_page().
Status write_page(const Arguments& arguments, Console& console, const Page& page, std::initializer_list<const Model*> models);

}  // namespace holdall::cli
