// Compressed files: recognised by their first bytes, decoded as a stream with bounded memory and bounded expansion.
//
// Thread-safety: pure functions; decoders belong to one thread at a time, sources may be used from several.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "holdall/base/limits.h"
#include "holdall/codec/decoded.h"
#include "holdall/io/plan.h"

namespace holdall {

enum class Compression : std::uint8_t { kNone, kGzip, kZlib, kBzip2, kXz, kLzma, kLz4, kZstd };
// "gzip", "zlib", "bz2", "xz", "lzma", "lz4", "zstd"; "none".
std::string_view name(Compression compression) noexcept;

// What the first bytes of a file say; 16 suffice. zlib and lzma have no magic number proper: what is taken for them may turn
// out to be something else when it is decoded.
Compression detect_compression(std::span<const std::byte> head) noexcept;

// A decoder of all of `source`: one stream or several one behind another (zlib and lzma: one), and nothing else. Memory: the
// window that the stream asks for, at most 80 MiB; more is a limit error when decoding begins.
// Precondition: compression is not kNone.
std::unique_ptr<Decoder> make_decoder(SourceRef source, Compression compression);

// The first `most` decoded bytes, or fewer where the data is shorter. Errors: those of the decoder.
Result<std::vector<std::byte>> decompressed_head(SourceRef source, Compression compression, std::size_t most);

// The decoded bytes as a source under the same name. Up to 16 MiB of them are decoded now and kept in memory; what lies behind
// is decoded as it is read, from front to back, and the end, with the checksums before it, is met at the latest by
// Source::find_end(). Errors, of this and of its reads: corrupt (damage, truncation, bytes behind the end), limit
// (Limits::expansion).
Result<SourceRef> decompressed_stream(SourceRef source, Compression compression, const Limits& limits);
// The same, decoded once to its end, so that its size is known and all of it is known to be whole.
Result<SourceRef> decompressed(SourceRef source, Compression compression, const Limits& limits);

// Encodes as gzip or zlib; level 1 to 9. Errors: unsupported for the others.
Status compress(const Blob& data, Compression compression, int level, const Sink& sink);

}  // namespace holdall
