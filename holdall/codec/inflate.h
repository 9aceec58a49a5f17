// DEFLATE (RFC 1951), bare as in ZIP or in the wrapping of zlib (RFC 1950) or gzip (RFC 1952).
//
// Thread-safety: pure functions; a Decoder belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "holdall/codec/decoded.h"
#include "holdall/io/plan.h"

namespace holdall {

enum class DeflateWrap : std::uint8_t { kNone, kZlib, kGzip };

// Decodes [offset, offset + size) of `source`, which must hold one stream (for gzip, one or more members) and nothing behind
// it. Memory: about 250 KB. Precondition: the range lies within the source.
std::unique_ptr<Decoder> inflate_decoder(SourceRef source, std::uint64_t offset, std::uint64_t size, DeflateWrap wrap);

// Decodes a stream that fills `out` exactly and uses `encoded` up; of gzip, one member. Errors: corrupt.
Status inflate_whole(std::span<const std::byte> encoded, std::span<std::byte> out, DeflateWrap wrap = DeflateWrap::kNone);

// Encodes the blobs one behind another at `level` (1 to 9) and hands the stream to `sink` piece by piece; `watch`, where given,
// sees the plain bytes. Memory: about 1.3 MB.
Status deflate(std::span<const Blob> data, DeflateWrap wrap, int level, const Sink& sink,
               const std::function<void(std::span<const std::byte>)>& watch = {});

}  // namespace holdall
