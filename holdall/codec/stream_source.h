// stream_source(): a stream that is decoded from front to back and shows its end only there, read by position.
//
// Blocks are kept for whoever reads here and there among small things, and large ones between them, in rising order on the
// whole: all of it is decoded once then. Memory: the head, 2 MiB of blocks, a few decoders. Thread-safety: the source may be
// used from several threads, which take turns. Ownership: shares what the decoders read.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "holdall/codec/decoded.h"

namespace holdall {

struct StreamDecoding {
  std::string name;
  std::function<std::unique_ptr<Decoder>()> start;
  // What was decoded already, and the decoder that stopped behind it.
  std::vector<std::byte> head;
  std::unique_ptr<Decoder> decoder;
  // More decoded bytes than `most` are refused, with the error that too_much(bytes) makes.
  std::uint64_t most = UINT64_MAX;
  std::function<Error(std::uint64_t decoded)> too_much;
};

// Errors of its reads: those of the decoders, corrupt past the end, too_much().
SourceRef stream_source(StreamDecoding decoding);

}  // namespace holdall
