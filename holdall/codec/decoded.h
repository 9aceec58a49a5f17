// Decoded sources: a stream that can only be decoded from front to back, read by position like any other source.
//
// A decoder that stopped somewhere is kept in a small pool and goes on from there when the next read lies behind it; a read
// before it starts again. So reading in order decodes once, and a thousand members that were looked into hold a few decoders.
// Thread-safety: a Decoder belongs to one thread at a time; pools and decoded sources may be used from several.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "holdall/io/source.h"

namespace holdall {

class Decoder {
 public:
  Decoder() = default;
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  virtual ~Decoder() = default;
  // Fills `out` from where the last call stopped; fewer bytes only at the end of the data, 0 from there on (when `out` is not
  // empty). Errors: corrupt, with the offset in the encoded source; limit; io.
  virtual Result<std::size_t> pull(std::span<std::byte> out) = 0;
};

struct Decoding {
  std::function<Result<std::unique_ptr<Decoder>>()> start;
  // Decodes everything at once into memory of exactly the decoded size; may be absent.
  std::function<Status(std::span<std::byte> whole)> whole = {};
};

// Who parks decoders; every decoded source is another.
std::uint64_t next_decoder_owner() noexcept;

class DecoderPool {
 public:
  struct Parked {
    std::uint64_t owner = 0;
    std::uint64_t position = 0;  // decoded bytes pulled so far
    std::unique_ptr<Decoder> decoder;
  };
  // The owner's decoder that is furthest on without having passed `offset`; one without a decoder when there is none.
  Parked take(std::uint64_t owner, std::uint64_t offset);
  // The one parked longest ago goes when there are more than a few.
  void park(Parked parked);

 private:
  std::mutex mutex_;
  std::vector<Parked> parked_;
};

// A source of `size` decoded bytes. Reading its last byte also checks that the data ends there. Errors of its reads: corrupt
// when the data is shorter or longer than `size`, those of the decoder.
SourceRef decoded_source(Decoding decoding, std::uint64_t size, std::string name, std::shared_ptr<DecoderPool> pool);

}  // namespace holdall
