#include "holdall/base/error.h"

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace holdall {
namespace {

struct CodeRow {
  std::string_view text;
  int exit_status;
  std::string_view python;
};

constexpr std::array kCodes = {
#define HOLDALL_CODE(name, text, exit_status, python) CodeRow{text, exit_status, python},
#include "holdall/base/codes.inc"
#undef HOLDALL_CODE
};
static_assert(kCodes.size() == static_cast<std::size_t>(Code::kInternal) + 1);

const CodeRow& row(Code code) noexcept { return kCodes[static_cast<std::size_t>(code)]; }

}  // namespace

std::string_view code_name(Code code) noexcept { return row(code).text; }
int code_exit_status(Code code) noexcept { return row(code).exit_status; }
std::string_view code_python_class(Code code) noexcept { return row(code).python; }

Error::Error(Code code, std::string message)
    : detail_(std::make_unique<Detail>(Detail{code, 0, std::move(message), {}, {}, {}})) {}

Error::Error(const Error& other) : detail_(std::make_unique<Detail>(*other.detail_)) {}

Error& Error::operator=(const Error& other) {
  if (this != &other) detail_ = std::make_unique<Detail>(*other.detail_);
  return *this;
}

Error&& Error::at(std::uint64_t offset) && {
  if (!detail_->offset) detail_->offset = offset;
  return std::move(*this);
}

Error&& Error::in(std::string_view path) && {
  if (detail_->path.empty()) detail_->path = path;
  return std::move(*this);
}

Error&& Error::with(std::string context) && {
  detail_->context.push_back(std::move(context));
  return std::move(*this);
}

Error&& Error::about(std::string_view path) && {
  detail_->path = path;
  return std::move(*this);
}

Error&& Error::shifted(std::uint64_t base) && {
  if (detail_->offset && detail_->path.empty()) *detail_->offset += base;
  return std::move(*this);
}

Error&& Error::system(int code) && {
  detail_->system_code = code;
  return std::move(*this);
}

Error&& Error::as(Code code) && {
  detail_->code = code;
  return std::move(*this);
}

std::string Error::to_string() const {
  std::string text;
  if (!detail_->path.empty()) {
    text += detail_->path;
    if (detail_->offset) text += " @ " + std::to_string(*detail_->offset);
    text += ": ";
  } else if (detail_->offset) {
    text += "@ " + std::to_string(*detail_->offset) + ": ";
  }
  for (auto it = detail_->context.rbegin(); it != detail_->context.rend(); ++it) text += *it + ": ";
  return text + detail_->message;
}

Error invalid_argument(std::string message) { return {Code::kInvalidArgument, std::move(message)}; }
Error not_found(std::string message) { return {Code::kNotFound, std::move(message)}; }
Error corrupt(std::string message) { return {Code::kCorrupt, std::move(message)}; }
Error unsupported(std::string message) { return {Code::kUnsupported, std::move(message)}; }
Error over_limit(std::string message) { return {Code::kLimit, std::move(message)}; }
Error internal(std::string message) { return {Code::kInternal, std::move(message)}; }

Error io_error(std::string message, int system_code) {
  Code code = Code::kIo;
  if (system_code == ENOENT || system_code == ENOTDIR) code = Code::kNotFound;
  if (system_code == EEXIST) code = Code::kAlreadyExists;
  if (system_code == EACCES || system_code == EPERM || system_code == EROFS) code = Code::kDenied;
  if (system_code == ENOMEM) code = Code::kOutOfMemory;
  if (system_code != 0) message += ": " + std::generic_category().message(system_code);
  return Error(code, std::move(message)).system(system_code);
}

}  // namespace holdall
