#include "holdall/holdall.h"

#include "holdall/base/text.h"

namespace holdall {

std::string_view version() noexcept { return HOLDALL_VERSION; }

Result<Model> open(const std::string& path, const OpenOptions& options) { return open_model(path, options); }

Result<Tensor> copy_tensor(DType dtype, std::span<const std::byte> data, Shape shape) {
  return Tensor::dense(dtype, std::move(shape), Blob::memory(Bytes::copy(data), "memory"));
}

Result<Tensor> borrow_tensor(DType dtype, std::span<const std::byte> data, Shape shape) {
  return Tensor::dense(dtype, std::move(shape), Blob::memory(Bytes::share(nullptr, data), "memory"));
}

Status save(const Model& model, const std::string& path, const SaveOptions& options) {
  return save_model(model, path, options);
}

Status save(const StateDict& state, const std::string& path, const SaveOptions& options) {
  HOLDALL_ASSIGN(const Model model, state.model());
  return save_model(model, path, options);
}

Result<ConvertReport> convert(const std::string& input, const std::string& output, const ConvertOptions& options) {
  HOLDALL_ASSIGN(ConvertReport report, convert_model(input, output, options));
  if (!report.written) return loss_error(report.losses, report.to).in(input);
  if (!report.differing.empty()) {
    return corrupt(
               text("{} tensors did not read back the same, '{}' the first", report.differing.size(), report.differing.front()))
        .in(output);
  }
  return report;
}

Result<DiffReport> diff(const std::string& a, const std::string& b, const DiffOptions& options) {
  return diff_models(a, b, options);
}
Result<VerifyReport> verify(const std::string& path, const VerifyOptions& options) { return verify_model(path, options); }
ScanReport scan(const std::string& path, const ScanOptions& options) { return scan_path(path, options); }

}  // namespace holdall
