// Universal Binary JSON: JSON's values with a byte for their type and big-endian numbers. Specification: ubjson.org (draft 12).
//
//   Z null   T F true, false   N nothing   i U I l L integers of 1 (signed, unsigned), 2, 4, 8 bytes   d D float32, float64
//   C character   S text: length, bytes   H a number as text   [ … ] array   { key value … } object; a key is a text without S
//   [$type#count   all items of one type, which is not said again, and nothing closes them; [#count   as many items
// A length and a count are integers with their type in front.
//
// A document is read through a window of a blob: the numbers of a typed array stay on disk.
// Thread-safety: a reader belongs to one thread. Ownership: a reader shares the source.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "holdall/core/dtype.h"
#include "holdall/io/blob.h"

namespace holdall {

class UbjsonReader {
 public:
  enum class Token : std::uint8_t {
    kBeginObject,
    kEndObject,
    kBeginArray,
    kEndArray,
    kKey,
    kText,
    kInteger,
    kFloat,
    kTrue,
    kFalse,
    kNull,
    kNumbers,  // a typed array of numbers, whole
    kEnd,
  };
  struct Item {
    Token token = Token::kEnd;
    std::string text;          // of a key, a text
    std::int64_t integer = 0;  // of an integer; of numbers: how many
    double real = 0;
    bool is_single = false;       // the float has four bytes
    DType dtype = DType::kUInt8;  // of numbers
    std::uint64_t offset = 0;     // of the numbers, in the document
    std::uint64_t at = 0;         // of the item, in the source
  };

  // One value that is all of the blob. `depth`: containers in containers; `most_text`: bytes of one text.
  UbjsonReader(Blob document, std::uint32_t depth, std::uint64_t most_text)
      : document_(std::move(document)), depth_(depth), most_text_(most_text) {}

  // The next token; kEnd behind the value, where nothing may stand. Errors: corrupt, limit, unsupported (a number as text), io.
  Result<Item> next();
  // The numbers of such an item as elements of its dtype, little-endian, decoded when they are read.
  Result<Blob> numbers(const Item& item) const;

 private:
  struct Open {
    bool is_object = false;
    bool is_key_next = false;
    std::optional<std::uint64_t> left;  // where the count was said
    char type = 0;                      // of all values, where it was said
  };
  Result<Item> value(char type, Item item);
  Result<Item> open(Item item, bool is_object);
  Result<Item> close(Item item);
  Result<Item> key(Item item);
  Result<Item> typed(Item item, char type, std::uint64_t count);
  Result<std::uint64_t> length();
  Result<std::int64_t> integer(char type);
  Result<std::string> text();
  Result<std::uint64_t> number(unsigned bytes);
  Result<char> byte();
  Result<char> peek();
  Result<std::span<const std::byte>> ahead(std::uint64_t size);
  std::uint64_t remaining() const noexcept { return document_.size() - position_; }
  Error fault(std::string what) const;

  Blob document_;
  std::uint32_t depth_;
  std::uint64_t most_text_;
  std::uint64_t position_ = 0;
  Bytes window_;
  std::uint64_t window_at_ = 0;
  std::vector<Open> open_;
  bool is_begun_ = false;
};

}  // namespace holdall
