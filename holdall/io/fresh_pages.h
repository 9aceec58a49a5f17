// Fresh memory: which pages a large Buffer is to have, and having them before they are needed.
//
// Huge pages come twice as fast as ordinary ones, except on a guest whose host takes free memory back: there each may wait for
// the host, ten times as long as ordinary pages, which come from what was used a moment ago. Nothing tells a guest beforehand,
// and trying spoils what it tries, so guests take ordinary pages.
// Thread-safety: free functions. Ownership: none.
#pragma once

#include <cstddef>
#include <span>

#include "holdall/io/bytes.h"

namespace holdall {

// What Buffers that are filled once, with large ranges of files, are to be allocated with on this machine.
Buffer::Pages fresh_pages() noexcept;

// Has the pages of a range of a Buffer that was never touched come all at once (MADV_POPULATE_WRITE of Linux 5.14): half the
// time of a fault for each. Changes no byte; where the system refuses, pages come as they are touched.
void populate(std::span<std::byte> memory) noexcept;

}  // namespace holdall
