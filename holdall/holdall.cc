#include "holdall/holdall.h"

#include <vector>

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

struct StateDict::Whole {
  std::shared_ptr<Arena> arena = std::make_shared<Arena>();
  NodeId root = arena->dict();
  std::vector<Tensor> tensors;
};

StateDict::StateDict() : whole_(std::make_shared<Whole>()), node_(whole_->root) {}
StateDict::StateDict(std::shared_ptr<Whole> whole, NodeId node) : whole_(std::move(whole)), node_(node) {}

void StateDict::set(std::string_view key, Tensor tensor) {
  const auto index = static_cast<std::uint32_t>(whole_->tensors.size());
  whole_->tensors.push_back(std::move(tensor));
  whole_->arena->set_item(node_, key, whole_->arena->tensor({.index = index}));
}

void StateDict::set(std::string_view key, std::string_view value) {
  whole_->arena->set_item(node_, key, whole_->arena->string(value));
}

void StateDict::set_bool(std::string_view key, bool value) {
  whole_->arena->set_item(node_, key, whole_->arena->boolean(value));
}

void StateDict::set_integer(std::string_view key, std::int64_t value) {
  whole_->arena->set_item(node_, key, whole_->arena->integer(value));
}

void StateDict::set_real(std::string_view key, double value) {
  whole_->arena->set_item(node_, key, whole_->arena->real(value));
}

StateDict StateDict::dict(std::string_view key) {
  const NodeId made = whole_->arena->dict();
  whole_->arena->set_item(node_, key, made);
  return {whole_, made};
}

Result<Model> StateDict::model() const {
  ModelBuilder builder(whole_->arena->clone());
  builder.tree = whole_->root;
  for (const Tensor& tensor : whole_->tensors) builder.add(tensor);
  return std::move(builder).named_by_tree();
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
