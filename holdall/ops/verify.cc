#include "holdall/ops/verify.h"

#include <atomic>

#include "holdall/base/text.h"
#include "holdall/ops/meter.h"

namespace holdall {
namespace {

// A file that is not whole is an answer; one that cannot be read is not.
bool is_fault(const Error& error) noexcept { return error.code() == Code::kCorrupt || error.code() == Code::kNotFound; }

// A part that is missing is a fault of a model whose path is there.
Status record(Status status, Faults& faults) {
  if (status) return {};
  if (!is_fault(status.error())) return status;
  faults.add(status.error());
  return {};
}

Result<const Format*> format_of(const Bundle& bundle, const VerifyOptions& options) {
  if (options.open.format.empty()) return detect(bundle, options.open.limits);
  if (const Format* format = format_by_id(options.open.format)) return format;
  return invalid_argument(text("there is no format '{}'", options.open.format));
}

}  // namespace

Result<VerifyReport> verify_model(const Bundle& bundle, const VerifyOptions& options) {
  VerifyReport report;
  report.path = bundle.path();
  HOLDALL_ASSIGN(report.bytes, bundle.total_bytes());
  Result<const Format*> format = format_of(bundle, options);
  if (!format) {
    // Broken by its own structure, or by its name a model's whose content is nobody's (a download that failed).
    const bool named = format.error().code() == Code::kUnsupported && format_by_extension(bundle.path()) != nullptr;
    if (named) format = std::move(format).error().as(Code::kCorrupt);
    HOLDALL_TRY(record(std::move(format).error(), report.faults));
    return report;
  }
  report.format = (*format)->id;
  Meter meter(options.progress, report.bytes);
  std::atomic<bool> cancelled = false;
  Context context{.limits = options.open.limits};
  context.checked = [&](std::uint64_t bytes) {
    Status status = meter.add(bytes);
    if (!status) cancelled = true;
    return status;
  };
  Status verified = (*format)->verify(bundle, context, report.faults);
  if (cancelled) return Error(Code::kCancelled, "cancelled");
  HOLDALL_TRY(record(std::move(verified), report.faults));
  const Result<Model> model = (*format)->read(bundle, context);
  if (model) {
    report.tensors = model->tensors().size();
  } else if (report.sound()) {
    HOLDALL_TRY(record(Error(model.error()).in(bundle.path()), report.faults));
  }
  return report;
}

Result<VerifyReport> verify_model(const std::string& path, const VerifyOptions& options) {
  HOLDALL_ASSIGN(const Bundle bundle, Bundle::open(path, options.open.limits));
  return verify_model(bundle, options);
}

void write_verification(JsonWriter& writer, const VerifyReport& report) {
  writer.begin_object();
  writer.key("path").string(report.path).key("format").string(report.format);
  writer.key("sound").boolean(report.sound());
  writer.key("tensors").unsigned_integer(report.tensors).key("bytes").unsigned_integer(report.bytes);
  writer.key("checked").begin_object();
  writer.key("crc32").unsigned_integer(report.faults.crc32).key("crc32c").unsigned_integer(report.faults.crc32c);
  writer.key("digests").unsigned_integer(report.faults.digests).end_object();
  writer.key("faults").begin_array();
  for (const Fault& fault : report.faults.list) {
    writer.begin_object().key("where").string(fault.where).key("offset");
    if (fault.offset) {
      writer.unsigned_integer(*fault.offset);
    } else {
      writer.null();
    }
    writer.key("what").string(fault.what).end_object();
  }
  writer.end_array().end_object();
}

}  // namespace holdall
