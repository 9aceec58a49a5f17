// Error: what went wrong, in which file, at which byte, and on whose behalf.
//
// A message gives the fault, the number seen and the number allowed; the place is kept apart so that it can be filled in
// by whoever knows it: `model.gguf @ 1042: tensor 'blk.0': offset 96 is not a multiple of 32`.
// Thread-safety: a value type. Ownership: owns its texts.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace holdall {

enum class Code : std::uint8_t {
#define HOLDALL_CODE(name, text, exit_status, python) name,
#include "holdall/base/codes.inc"
#undef HOLDALL_CODE
};

// The code in words ("not found"), its exit status in the command (1 or 2), and its class in the Python package.
std::string_view code_name(Code code) noexcept;
int code_exit_status(Code code) noexcept;
std::string_view code_python_class(Code code) noexcept;

class Error {
 public:
  Error(Code code, std::string message);
  Error(const Error& other);
  Error(Error&&) noexcept = default;
  Error& operator=(const Error& other);
  Error& operator=(Error&&) noexcept = default;
  ~Error() = default;

  Code code() const noexcept { return detail_->code; }
  const std::string& message() const noexcept { return detail_->message; }
  // The file or member ("model.pt!data.pkl"); empty when not known.
  const std::string& path() const noexcept { return detail_->path; }
  std::optional<std::uint64_t> offset() const noexcept { return detail_->offset; }
  // Outermost last: "tensor 'w'", "while converting".
  const std::vector<std::string>& context() const noexcept { return detail_->context; }
  // errno of a failed system call, else 0.
  int system_code() const noexcept { return detail_->system_code; }

  // at() and in() keep a place that is already known: the innermost report is the most exact.
  Error&& at(std::uint64_t offset) &&;
  Error&& in(std::string_view path) &&;
  Error&& with(std::string context) &&;
  // Replaces the path, for a caller whose own business the reported place is (a temporary that stands for `path`).
  Error&& about(std::string_view path) &&;
  // Moves the offset from a part to the whole that holds the part from byte `base` on.
  Error&& shifted(std::uint64_t base) &&;
  Error&& system(int code) &&;
  // Replaces the code, for a caller to whom the fault means something else.
  Error&& as(Code code) &&;

  // "path @ offset: context: message"
  std::string to_string() const;

 private:
  struct Detail {
    Code code;
    int system_code = 0;
    std::string message;
    std::string path;
    std::optional<std::uint64_t> offset;
    std::vector<std::string> context;
  };
  std::unique_ptr<Detail> detail_;
};

// Shorthands: return corrupt("header length 12 exceeds the 8 bytes that remain").at(0);
Error invalid_argument(std::string message);
Error not_found(std::string message);
Error corrupt(std::string message);
Error unsupported(std::string message);
Error over_limit(std::string message);
Error io_error(std::string message, int system_code);
Error internal(std::string message);

}  // namespace holdall
