// Several blobs seen as one source.
//
// Thread-safety: immutable. Ownership: shares the sources of the pieces.
#pragma once

#include <string>
#include <vector>

#include "holdall/io/blob.h"

namespace holdall {

// The bytes of `pieces` one behind another. The pieces' stored checksums are not compared.
SourceRef joined_source(std::vector<Blob> pieces, std::string name);

}  // namespace holdall
