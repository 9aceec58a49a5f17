// The row of the format: archives of torch.export.save, both layouts.
#include "holdall/formats/torch_export/exported.h"
#include "holdall/formats/zip_check.h"

namespace holdall {

namespace torch_export {

namespace {

Match match(Peek& peek) {
  if (peek.is_folder()) return Match::kNo;
  const auto members = peek.zip_members();
  if (members.empty()) return Match::kNo;
  const std::string format = std::string(torch_prefix(members.front())) + "/archive_format";
  for (const std::string_view member : members)
    if (member == format || member == kProgram) return Match::kCertain;
  return Match::kNo;
}

Result<Model> read(const Bundle& bundle, const Context& context) {
  HOLDALL_ASSIGN(const Package package, Package::open(bundle, context.limits));
  return read_package(package, bundle, context, nullptr);
}

Status verify(const Bundle& bundle, const Context& context, Faults& faults) {
  HOLDALL_ASSIGN(const Package package, Package::open(bundle, context.limits));
  const std::size_t before = faults.list.size();
  HOLDALL_TRY(check_zip_members(package.zip(), context, faults));
  // What does not match its CRC-32 has been counted already.
  if (faults.list.size() > before) return {};
  const auto model = read_package(package, bundle, context, &faults);
  if (!model) faults.add(model.error());
  return {};
}

Status acts(const Bundle& bundle, const Context& context, Findings& findings) {
  HOLDALL_ASSIGN(const Package package, Package::open(bundle, context.limits));
  return judge_package(package, context, findings);
}

constexpr std::string_view kExtensions[] = {".pt2"};

}  // namespace

}  // namespace torch_export

extern const Format k_torch_export_format;
constinit const Format k_torch_export_format = {
    .id = "torch-export",
    .title = ".pt2: programs of torch.export.save, schema 8; the layout of torch 2.2 to 2.6",
    .extensions = torch_export::kExtensions,
    .folder = false,
    .match = torch_export::match,
    .read = torch_export::read,
    .verify = torch_export::verify,
    .acts = torch_export::acts,
    .plan = nullptr,
};

}  // namespace holdall
