// Any bytes as UBJSON: tokens end, containers close, numbers lie within the bytes.
#include <cstdint>
#include <cstdlib>

#include "holdall/codec/ubjson.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdall;
  using Token = UbjsonReader::Token;
  UbjsonReader reader(Blob::memory(Bytes::copy(std::span(reinterpret_cast<const std::byte*>(data), size)), "fuzz"), 100,
                      1u << 20);
  std::size_t open = 0;
  for (std::size_t count = 0;; ++count) {
    const auto item = reader.next();
    if (!item) return 0;
    if (item->token == Token::kEnd) break;
    if (item->token == Token::kBeginArray || item->token == Token::kBeginObject) ++open;
    if ((item->token == Token::kEndArray || item->token == Token::kEndObject) && open-- == 0) std::abort();
    if (item->token == Token::kNumbers) {
      const auto numbers = reader.numbers(*item);
      if (!numbers || !numbers->read()) std::abort();
    }
    if (count > 4 * size + 16) std::abort();
  }
  if (open != 0) std::abort();
  return 0;
}
