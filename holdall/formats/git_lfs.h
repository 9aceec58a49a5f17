// Git LFS pointers: the few lines that stand in a checkout for a file which was not downloaded.
//
// Thread-safety: may be called from several threads. Ownership: none.
#pragma once

#include <string>

#include "holdall/io/source.h"

namespace holdall {

// "a Git LFS pointer to N bytes (oid sha256:…): fetch it with git lfs pull" where the source is one (git-lfs.com/spec/v1), else
// empty; what the pointer does not say soundly is left out. Errors: those of reading at most 1 KiB.
Result<std::string> lfs_pointer(const Source& source);

// Whether it is one to its last byte: what only begins like one may be YAML or a template to others.
bool is_lfs_pointer(const Source& source);

}  // namespace holdall
