// A file that a model's content names, where no link may be what leads to it: as Bundle::open_part(), but what is opened is a
// regular file with one name on the disk, and lies in the model's folder or where the model's own file really lies (Hugging
// Face's cache is a folder of links into another).
//
// Thread-safety: a free function. Ownership: the source is the caller's.
#pragma once

#include <string_view>

#include "holdall/io/bundle.h"

namespace holdall {

// Errors: those of Bundle::open_part(); unsafe where a link leads out of the folder, or could (a hard link).
Result<SourceRef> open_own_part(const Bundle& bundle, std::string_view name);

}  // namespace holdall
