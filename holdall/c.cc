#include "holdall/c.h"

#include <cstdlib>
#include <cstring>
#include <new>

#include "holdall/base/text.h"
#include "holdall/holdall.h"

struct holdall_error {
  holdall::Error error;
  std::string text;
};

struct holdall_model {
  holdall::Model model;
};

namespace {

using holdall::Code;
using holdall::Error;

constexpr holdall_code code_of(Code code) noexcept { return static_cast<holdall_code>(static_cast<int>(code) + 1); }
static_assert(code_of(Code::kInvalidArgument) == HOLDALL_INVALID_ARGUMENT && code_of(Code::kNotFound) == HOLDALL_NOT_FOUND &&
              code_of(Code::kAlreadyExists) == HOLDALL_ALREADY_EXISTS && code_of(Code::kCorrupt) == HOLDALL_CORRUPT &&
              code_of(Code::kUnsupported) == HOLDALL_UNSUPPORTED && code_of(Code::kLimit) == HOLDALL_LIMIT &&
              code_of(Code::kLoss) == HOLDALL_LOSS && code_of(Code::kUnsafe) == HOLDALL_UNSAFE &&
              code_of(Code::kDenied) == HOLDALL_DENIED && code_of(Code::kConflict) == HOLDALL_CONFLICT &&
              code_of(Code::kIo) == HOLDALL_IO && code_of(Code::kOutOfMemory) == HOLDALL_OUT_OF_MEMORY &&
              code_of(Code::kCancelled) == HOLDALL_CANCELLED && code_of(Code::kInternal) == HOLDALL_INTERNAL);

holdall_code report(Error error, holdall_error** out) {
  const holdall_code code = code_of(error.code());
  if (out != nullptr) {
    std::string text = error.to_string();
    *out = new (std::nothrow) holdall_error{std::move(error), std::move(text)};
  }
  return code;
}

// No exception passes the border: the only one that the library lets through is the lack of memory.
template <class Work>
auto guarded(holdall_error** error, const Work& work, decltype(work()) failed) noexcept -> decltype(work()) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    try {
      report(Error(Code::kOutOfMemory, "out of memory"), error);
    } catch (...) {
    }
  } catch (...) {
  }
  return failed;
}

// A text that holdall_text_free() frees; null, with an error, when there is no memory for it.
char* copied(const std::string& text, holdall_error** error) {
  auto* copy = static_cast<char*>(std::malloc(text.size() + 1));
  if (copy == nullptr) {
    report(Error(Code::kOutOfMemory, "out of memory"), error);
    return nullptr;
  }
  std::memcpy(copy, text.c_str(), text.size() + 1);
  return copy;
}

const holdall::NamedTensor* entry(const holdall_model* model, size_t index) noexcept {
  return index < model->model.tensors().size() ? &model->model.tensors()[index] : nullptr;
}

}  // namespace

extern "C" {

const char* holdall_version(void) { return holdall::version().data(); }

holdall_code holdall_error_code(const holdall_error* error) { return code_of(error->error.code()); }
const char* holdall_error_text(const holdall_error* error) { return error->text.c_str(); }
const char* holdall_error_path(const holdall_error* error) { return error->error.path().c_str(); }
uint64_t holdall_error_offset(const holdall_error* error) { return error->error.offset().value_or(UINT64_MAX); }
void holdall_error_free(holdall_error* error) { delete error; }

holdall_model* holdall_open(const char* path, holdall_error** error) {
  const auto work = [&]() -> holdall_model* {
    holdall::Result<holdall::Model> model = holdall::open(path);
    if (model) return new holdall_model{std::move(*model)};
    report(std::move(model).error(), error);
    return nullptr;
  };
  return guarded(error, work, nullptr);
}

void holdall_close(holdall_model* model) { delete model; }

const char* holdall_format(const holdall_model* model) { return model->model.origin().format.c_str(); }
size_t holdall_count(const holdall_model* model) { return model->model.tensors().size(); }

const char* holdall_name(const holdall_model* model, size_t index) {
  const holdall::NamedTensor* found = entry(model, index);
  return found == nullptr ? nullptr : found->name.c_str();
}

size_t holdall_find(const holdall_model* model, const char* name) {
  const auto work = [&]() -> size_t {
    const holdall::NamedTensor* found = model->model.find(name);
    return found == nullptr ? SIZE_MAX : static_cast<size_t>(found - model->model.tensors().data());
  };
  return guarded(nullptr, work, SIZE_MAX);
}

const char* holdall_dtype(const holdall_model* model, size_t index) {
  const holdall::NamedTensor* found = entry(model, index);
  return found == nullptr ? nullptr : holdall::name(found->tensor.dtype()).data();
}

const uint64_t* holdall_shape(const holdall_model* model, size_t index, size_t* rank) {
  const holdall::NamedTensor* found = entry(model, index);
  if (rank != nullptr) *rank = found == nullptr ? 0 : found->tensor.shape().size();
  return found == nullptr || found->tensor.shape().empty() ? nullptr : found->tensor.shape().data();
}

uint64_t holdall_elements(const holdall_model* model, size_t index) {
  const holdall::NamedTensor* found = entry(model, index);
  return found == nullptr ? 0 : found->tensor.elements();
}

uint64_t holdall_bytes(const holdall_model* model, size_t index) {
  const holdall::NamedTensor* found = entry(model, index);
  return found == nullptr ? 0 : found->tensor.bytes();
}

holdall_code holdall_read(const holdall_model* model, size_t index, void* buffer, uint64_t size, holdall_error** error) {
  const auto work = [&]() -> holdall_code {
    const holdall::NamedTensor* found = entry(model, index);
    if (found == nullptr) {
      return report(holdall::invalid_argument(holdall::text("there is no tensor {} of {}", index, holdall_count(model))),
                    error);
    }
    if (size != found->tensor.bytes()) {
      return report(
          holdall::invalid_argument(holdall::text("the buffer has {} bytes, the tensor {}", size, found->tensor.bytes())),
          error);
    }
    holdall::Status status = found->tensor.read_into({static_cast<std::byte*>(buffer), static_cast<size_t>(size)});
    return status ? HOLDALL_OK : report(std::move(status).error(), error);
  };
  return guarded(error, work, HOLDALL_OUT_OF_MEMORY);
}

holdall_code holdall_convert(const char* input, const char* output, const char* to, unsigned flags, holdall_error** error) {
  const auto work = [&]() -> holdall_code {
    holdall::ConvertOptions options;
    if (to != nullptr) options.save.to = to;
    if ((flags & HOLDALL_ALLOW_LOSS) != 0) options.save.losses = holdall::SaveOptions::Losses::kAllow;
    if ((flags & HOLDALL_CHECK) != 0) options.check = holdall::ConvertOptions::Check::kDigests;
    holdall::Result<holdall::ConvertReport> done = holdall::convert(input, output, options);
    return done ? HOLDALL_OK : report(std::move(done).error(), error);
  };
  return guarded(error, work, HOLDALL_OUT_OF_MEMORY);
}

holdall_code holdall_verify(const char* path, holdall_error** error) {
  const auto work = [&]() -> holdall_code {
    holdall::Result<holdall::VerifyReport> done = holdall::verify(path);
    if (!done) return report(std::move(done).error(), error);
    if (done->sound()) return HOLDALL_OK;
    const holdall::Fault& fault = done->faults.list.front();
    Error first = holdall::corrupt(fault.what);
    if (fault.offset) first = std::move(first).at(*fault.offset);
    return report(std::move(first).in(fault.where), error);
  };
  return guarded(error, work, HOLDALL_OUT_OF_MEMORY);
}

char* holdall_inspect(const char* path, holdall_error** error) {
  const auto work = [&]() -> char* {
    holdall::Result<holdall::Inspection> inspection = holdall::inspect(path);
    holdall::JsonWriter writer;
    holdall::Status status =
        inspection ? write_inspection(writer, *inspection) : holdall::Status(std::move(inspection).error());
    if (status) return copied(writer.text(), error);
    report(std::move(status).error(), error);
    return nullptr;
  };
  return guarded(error, work, nullptr);
}

char* holdall_scan(const char* path, holdall_error** error) {
  const auto work = [&]() -> char* {
    holdall::JsonWriter writer;
    write_scan(writer, holdall::scan(path));
    return copied(writer.text(), error);
  };
  return guarded(error, work, nullptr);
}

void holdall_text_free(char* text) { std::free(text); }

}  // extern "C"
