// kept_source(): bytes of a blob that were read in passing, for whoever loads them next.
//
// Thread-safety: the source's members. Ownership: keeps the bytes until they are given up, and shares the blob's source.
#pragma once

#include "holdall/io/blob.h"

namespace holdall {

// A source of the blob's bytes. Source::give_up() hands `kept`, which must be all of them, to the first who asks; from then on
// they are read from the blob. Precondition: nobody else looks at the memory of `kept`.
SourceRef kept_source(Bytes kept, Blob blob);

}  // namespace holdall
