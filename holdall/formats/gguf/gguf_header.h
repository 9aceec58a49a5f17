// The header of a GGUF file, all versions and both byte orders: counts, key-value pairs, tensors.
//
// Layout: github.com/ggml-org/ggml, docs/gguf.md and src/gguf.cpp. After the magic a version (1 to 3), the counts of tensors
// and of pairs, the pairs, the tensors' names, shapes (innermost first), types and offsets, then the data from the next
// multiple of general.alignment (32). Version 1 counts in 32 bits, the later ones in 64; a big-endian file shows in its
// version's bytes. Thread-safety: may be called from several threads. Ownership: a header owns its texts; values go to the
// caller's arena.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "holdall/base/limits.h"
#include "holdall/core/value.h"
#include "holdall/formats/gguf/gguf_types.h"
#include "holdall/io/source.h"

namespace holdall::gguf {

inline constexpr std::uint64_t kDefaultAlignment = 32;
inline constexpr std::uint64_t kMostAlignment = std::uint64_t{1} << 20;
inline constexpr std::uint32_t kMostDimensions = 4;  // GGML_MAX_DIMS
inline constexpr std::size_t kMostName = 63;         // GGML_MAX_NAME with its zero byte
inline constexpr std::string_view kAlignmentKey = "general.alignment";

struct Pair {
  std::string key;
  std::string type;  // as in gguf_types.h: "uint32", "[string]"
  NodeId value = kNoNode;
  std::uint64_t offset = 0;  // of the pair, in the file
};

struct TensorInfo {
  std::string name;
  DType dtype = DType::kFloat32;
  Shape shape;  // outermost first
  std::uint64_t bytes = 0;
  std::uint64_t begin = 0;   // of the data, in the file
  std::uint64_t offset = 0;  // of this entry, in the file
};

struct Header {
  std::uint32_t version = 0;
  ByteOrder order = ByteOrder::kLittle;
  std::uint64_t alignment = kDefaultAlignment;
  std::uint64_t data_begin = 0;
  std::vector<Pair> pairs;          // in the order of the file
  std::vector<TensorInfo> tensors;  // likewise; each lies in the file, at a multiple of the alignment, over no other
};

// Errors: corrupt (names key or tensor, offset, numbers found and allowed), unsupported (a version, a type), limit.
Result<Header> read_header(const Source& source, Arena& arena, const Limits& limits);

}  // namespace holdall::gguf
