#include "holdall/ops/open.h"

#include "holdall/base/text.h"
#include "holdall/trust/scan.h"

namespace holdall {
namespace {

Result<const Format*> chosen(const Bundle& bundle, const OpenOptions& options) {
  if (options.format.empty()) return detect(bundle, options.limits);
  if (const Format* format = format_by_id(options.format)) return format;
  std::vector<std::string> ids;
  for (const Format* format : all_formats()) ids.emplace_back(format->id);
  std::string message = text("there is no format '{}'", options.format);
  const std::vector<std::string> nearest = nearest_names(options.format, ids);
  if (!nearest.empty()) message += text("; did you mean '{}'?", nearest.front());
  return invalid_argument(std::move(message));
}

}  // namespace

Result<Model> open_model(const Bundle& bundle, const OpenOptions& options) {
  if (options.policy) {
    HOLDALL_TRY(require_inert(scan_bundle(bundle, {.limits = options.limits, .policy = *options.policy})));
  }
  HOLDALL_ASSIGN(const Format* format, chosen(bundle, options));
  Result<Model> model = format->read(bundle, Context{.limits = options.limits, .wanted = options.wanted});
  if (!model) return std::move(model).error().in(bundle.path());
  return model;
}

Result<Model> open_model(const std::string& path, const OpenOptions& options) {
  HOLDALL_ASSIGN(const Bundle bundle, Bundle::open(path, options.limits));
  return open_model(bundle, options);
}

}  // namespace holdall
