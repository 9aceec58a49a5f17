// Members of JSON objects that the documents of several verbs have.
//
// Thread-safety and ownership: as JsonWriter's.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "holdall/codec/json.h"

namespace holdall {

inline void write_strings(JsonWriter& writer, std::string_view key, std::span<const std::string> items) {
  writer.key(key).begin_array();
  for (const std::string& item : items) writer.string(item);
  writer.end_array();
}

inline void write_sizes(JsonWriter& writer, std::string_view key, std::span<const std::uint64_t> sizes) {
  writer.key(key).begin_array();
  for (const std::uint64_t size : sizes) writer.unsigned_integer(size);
  writer.end_array();
}

// null where there is none.
inline void write_optional(JsonWriter& writer, std::string_view key, const std::optional<double>& number) {
  writer.key(key);
  if (number) {
    writer.number(*number);
  } else {
    writer.null();
  }
}

// null for an empty text.
inline void write_text(JsonWriter& writer, std::string_view key, std::string_view text) {
  writer.key(key);
  if (text.empty()) {
    writer.null();
  } else {
    writer.string(text);
  }
}

}  // namespace holdall
