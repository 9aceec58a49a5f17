// StreamDecoder: what every decompression library's loop has in common: input by pieces, several streams one behind another,
// and the end of the data told from its truncation.
//
// Thread-safety: one thread at a time. Ownership: shares its source.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "holdall/codec/decoded.h"

namespace holdall {

class StreamDecoder : public Decoder {
 public:
  Result<std::size_t> pull(std::span<std::byte> out) final;

 protected:
  struct Step {
    std::size_t used = 0;
    std::size_t made = 0;
    bool ended = false;  // the stream is complete
  };
  enum class Streams : std::uint8_t { kOne, kMany };

  // Decodes [offset, offset + size) of `source`; bytes behind a stream are another one or refused. `what` is the encoding's
  // name for messages. Precondition: the range lies within the source.
  StreamDecoder(SourceRef source, std::uint64_t offset, std::uint64_t size, Streams streams, std::string_view what);

  // Begins a stream; called before its first step.
  virtual Status start() = 0;
  // Decodes some of `in` into `out`; `last` when nothing follows `in`. A step that uses and makes nothing ends the decoding
  // with an error. Errors: corrupt, limit, out of memory.
  virtual Result<Step> step(std::span<const std::byte> in, std::span<std::byte> out, bool last) = 0;

 private:
  Status refill();
  Error damaged(std::string what) const;

  SourceRef source_;
  std::uint64_t next_;  // first byte not yet read
  std::uint64_t end_;
  Streams streams_;
  std::string_view what_;
  std::vector<std::byte> buffer_;
  std::span<const std::byte> input_;  // what is left of the buffer
  bool started_ = false;
  bool ended_ = false;
};

}  // namespace holdall
