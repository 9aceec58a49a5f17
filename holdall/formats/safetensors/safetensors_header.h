// The header of a safetensors file: eight bytes of length, JSON, and the rule that the tensors tile the rest of the file.
// Specification: the README of safetensors 0.8 (github.com/huggingface/safetensors), "Format".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdall/base/limits.h"
#include "holdall/core/model.h"
#include "holdall/io/source.h"

namespace holdall::safetensors {

// The longest header that readers accept.
inline constexpr std::uint64_t kMostHeader = 100'000'000;
inline constexpr std::string_view kMetadata = "__metadata__";

// A dtype's name in the header; empty for one that the format lacks.
std::string_view dtype_to_text(DType dtype) noexcept;
std::optional<DType> dtype_from_text(std::string_view text) noexcept;
// The place of a dtype in the order of writing: tensors of a higher rank come first, as the reference writer lays them out.
int dtype_rank(DType dtype) noexcept;

struct Header {
  std::uint64_t data_begin = 0;      // in the file
  std::vector<NamedTensor> tensors;  // in the order of the header, still on disk
  std::vector<std::pair<std::string, std::string>> metadata;
};

// `file` is the name that the tensors are said to lie in. Errors: corrupt (names tensor, offset, numbers found and allowed),
// unsupported (a dtype), limit.
Result<Header> read_header(const SourceRef& source, const SharedText& file, const Limits& limits);

}  // namespace holdall::safetensors
