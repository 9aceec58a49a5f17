// Holdall: open, check, convert and write machine-learning model files without the framework that wrote them and without
// running the code inside them.
//
//   auto model = holdall::open("model.pt");                     // Result<Model>
//   auto weight = model->tensor("encoder.weight");              // Result<Tensor>, bytes still on disk
//   auto values = weight->read<float>();                        // Result<std::vector<float>>; or map() for a view
//   auto status = holdall::save(*model, "model.safetensors");   // Status
//
// Nothing here throws for bad input: every failure is an Error in a Result or a Status, with code, message, path and offset.
// Thread-safety: functions may be called from several threads; a Model and a Tensor are immutable; a StateDict belongs to one
// thread. Ownership: a Model keeps open what it reads from; results own their texts.
#pragma once

#include <complex>
#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "holdall/base/result.h"
#include "holdall/checkpoint/checkpointer.h"
#include "holdall/checkpoint/folder.h"
#include "holdall/core/cast.h"
#include "holdall/core/model.h"
#include "holdall/core/state_dict.h"
#include "holdall/ops/arrange.h"
#include "holdall/ops/convert.h"
#include "holdall/ops/diff.h"
#include "holdall/ops/digest.h"
#include "holdall/ops/fold.h"
#include "holdall/ops/inspect.h"
#include "holdall/ops/match.h"
#include "holdall/ops/names_file.h"
#include "holdall/ops/open.h"
#include "holdall/ops/page.h"
#include "holdall/ops/update.h"
#include "holdall/ops/verify.h"
#include "holdall/trust/policy.h"
#include "holdall/trust/sarif.h"
#include "holdall/trust/scan.h"

namespace holdall {

// "0.1.0"
std::string_view version() noexcept;

// --- Reading ---------------------------------------------------------------------------------------------------------------

// Opens a file or folder as whatever model it holds; no tensor byte is read. Errors: see open_model().
Result<Model> open(const std::string& path, const OpenOptions& options = {});

// --- Making ----------------------------------------------------------------------------------------------------------------

// C++ types of elements, and the dtype that each is.
template <class T>
concept Element =
    std::same_as<T, bool> || std::same_as<T, std::uint8_t> || std::same_as<T, std::int8_t> || std::same_as<T, std::uint16_t> ||
    std::same_as<T, std::int16_t> || std::same_as<T, std::uint32_t> || std::same_as<T, std::int32_t> ||
    std::same_as<T, std::uint64_t> || std::same_as<T, std::int64_t> || std::same_as<T, float> || std::same_as<T, double> ||
    std::same_as<T, std::complex<float>> || std::same_as<T, std::complex<double>>;

template <Element T>
constexpr DType dtype_of() noexcept {
  if constexpr (std::same_as<T, bool>) return DType::kBool;
  if constexpr (std::same_as<T, std::uint8_t>) return DType::kUInt8;
  if constexpr (std::same_as<T, std::int8_t>) return DType::kInt8;
  if constexpr (std::same_as<T, std::uint16_t>) return DType::kUInt16;
  if constexpr (std::same_as<T, std::int16_t>) return DType::kInt16;
  if constexpr (std::same_as<T, std::uint32_t>) return DType::kUInt32;
  if constexpr (std::same_as<T, std::int32_t>) return DType::kInt32;
  if constexpr (std::same_as<T, std::uint64_t>) return DType::kUInt64;
  if constexpr (std::same_as<T, std::int64_t>) return DType::kInt64;
  if constexpr (std::same_as<T, float>) return DType::kFloat32;
  if constexpr (std::same_as<T, double>) return DType::kFloat64;
  if constexpr (std::same_as<T, std::complex<float>>) return DType::kComplex64;
  if constexpr (std::same_as<T, std::complex<double>>) return DType::kComplex128;
}

// A tensor of packed elements in memory, row-major, little-endian. copy_tensor() copies them; borrow_tensor() only looks at
// them, so that they must stay until the tensor and every model with it are gone. Errors: corrupt when shape × dtype is not
// data.size().
Result<Tensor> copy_tensor(DType dtype, std::span<const std::byte> data, Shape shape);
Result<Tensor> borrow_tensor(DType dtype, std::span<const std::byte> data, Shape shape);

template <Element T>
Result<Tensor> make_tensor(std::span<const T> values, Shape shape) {
  return copy_tensor(dtype_of<T>(), std::as_bytes(values), std::move(shape));
}
template <Element T>
Result<Tensor> view_tensor(std::span<const T> values, Shape shape) {
  return borrow_tensor(dtype_of<T>(), std::as_bytes(values), std::move(shape));
}

// StateDict, of core/state_dict.h, makes a dict of tensors, plain values and more dicts, as Python would save it.

// --- Writing and checking ----------------------------------------------------------------------------------------------------

// Writes a model whole or not at all; the extension or SaveOptions::to chooses the format. Errors: see save_model(); loss,
// unless allowed.
Status save(const Model& model, const std::string& path, const SaveOptions& options = {});
Status save(const StateDict& state, const std::string& path, const SaveOptions& options = {});

// As `holdall convert`. Errors: see convert_model(); loss, unless allowed; corrupt, when the result does not read back the
// same.
Result<ConvertReport> convert(const std::string& input, const std::string& output, const ConvertOptions& options = {});
// As `holdall diff`, `holdall verify` and `holdall scan`; inspect() is in ops/inspect.h.
Result<DiffReport> diff(const std::string& a, const std::string& b, const DiffOptions& options = {});
Result<VerifyReport> verify(const std::string& path, const VerifyOptions& options = {});
ScanReport scan(const std::string& path, const ScanOptions& options = {});

}  // namespace holdall
