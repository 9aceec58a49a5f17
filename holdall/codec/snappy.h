// Snappy's block format, decoded.
//
//   varint(size decoded, at most 2^32 - 1), then elements by the low two bits of their first byte:
//   00 literal (length - 1 in the upper six bits, 60 to 63: in the 1 to 4 bytes behind), 01 copy of 4 to 11 bytes from up to
//   2047 back, 10 copy of 1 to 64 from up to 65535 back, 11 likewise with four bytes of offset
// Specification: format_description.txt of snappy (github.com/google/snappy).
//
// Thread-safety: pure. Ownership: the result owns its bytes.
#pragma once

#include "holdall/io/bytes.h"

namespace holdall {

// All of one block. Memory: what it decodes to, which is compared with what so many bytes can decode to and with `most` before.
// Errors: corrupt, with the offset in the block; limit; out of memory.
Result<Bytes> decode_snappy(std::span<const std::byte> block, std::uint64_t most);

}  // namespace holdall
