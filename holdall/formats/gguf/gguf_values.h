// Plain values as GGUF spells them: the other half of gguf_header.h.
//
// Thread-safety: may be called from several threads. Ownership: pairs own their bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "holdall/core/model.h"

namespace holdall::gguf {

void put_number(std::string& out, std::uint64_t number, std::size_t width);
// Length and bytes.
void put_string(std::string& out, std::string_view text);
// A whole pair of a number.
void put_pair(std::string& out, std::string_view key, std::string_view type, std::uint64_t number);

// Appends type and value. False, and nothing appended, where the value is none of that type.
bool put_value(std::string& out, std::string_view type, Value value);

// A model's metadata as key-value pairs.
struct PairsText {
  std::string bytes;
  std::uint64_t count = 0;
  bool is_whole = true;  // whether that is all of the metadata
  std::uint64_t alignment = 0;
};
// `alignment`: what is asked for, 0 where the metadata's own, or the usual one, will do.
PairsText pairs_of(const Model& model, std::uint64_t alignment);

}  // namespace holdall::gguf
