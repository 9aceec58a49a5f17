// CRC-32C (Castagnoli), the checksum of TensorFlow's files: by the processor's instruction where it has one.
//
// Thread-safety: pure. Ownership: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace holdall {

// `seed` is the CRC of what came before.
std::uint32_t crc32c(std::span<const std::byte> data, std::uint32_t seed = 0) noexcept;
// The same without the instruction, eight tables of 256 instead.
std::uint32_t crc32c_portable(std::span<const std::byte> data, std::uint32_t seed = 0) noexcept;
// The CRC of A followed by B, from crc(A), crc(B) and B's length in bytes.
std::uint32_t crc32c_join(std::uint32_t a, std::uint32_t b, std::uint64_t b_size) noexcept;

}  // namespace holdall
