// What Python 2 called the modules and functions of Python 3: pickles below protocol 3 use its names.
#pragma once

#include <string_view>

namespace holdall::pickle_names {

struct Name {
  std::string_view module;
  std::string_view name;
};

// What Unpickler.find_class imports for a name in a pickle below protocol 3, and what Pickler writes for a global of Python 3
// (fix_imports). The views are the argument's or static.
Name for_python3(Name old);
Name for_python2(Name current);

}  // namespace holdall::pickle_names
