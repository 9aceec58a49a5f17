// Fuzzes the decoders of compressed files: the first byte chooses one, 0xff leaves the choice to detection.
#include <cstdlib>

#include "holdall/codec/compress.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdall;
  if (size == 0) return 0;
  const Bytes file = Bytes::copy({reinterpret_cast<const char*>(data) + 1, size - 1});
  Compression compression = detect_compression(file);
  if (data[0] != 0xff) compression = static_cast<Compression>(1 + data[0] % 7);
  if (compression == Compression::kNone) return 0;
  const SourceRef source = memory_source(file, "fuzz");
  const auto head = decompressed_head(source, compression, 4096);
  Limits limits;
  limits.expansion_floor = 1u << 20;
  limits.expansion = 1000;
  const auto decoded = decompressed(source, compression, limits);
  if (!decoded) return 0;
  // What decodes to its end decodes at its front, and to the same.
  std::vector<std::byte> front(static_cast<std::size_t>(std::min<std::uint64_t>((*decoded)->size(), 4096)));
  if (!head || head->size() != front.size() || !(*decoded)->read_at(0, front) || front != *head) std::abort();
  return 0;
}
