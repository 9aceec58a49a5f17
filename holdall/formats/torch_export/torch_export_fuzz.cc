// Archives of torch.export.save. An input is a file as it stands (a first byte of 0), or what is put into an archive, so that
// mutations reach its meaning: a config of weights (1), a program (2), an expression (3).
#include "holdall/formats/torch_export/expression.h"
#include "tests/fuzz/formats.h"
#include "tests/fuzz/plain_zip.h"

namespace holdall {
extern const Format k_torch_export_format;
}

namespace {

std::string archive_around(int kind, std::string_view content) {
  holdall::fuzz::PlainZip zip;
  const std::string storage(256, '\x3f');
  zip.add("a/archive_format", "pt2");
  zip.add("a/models/model.json", kind == 2 ? content : R"({"schema_version":{"major":8,"minor":20}})");
  zip.add("a/data/weights/model_weights_config.json", kind == 1 ? content : R"({"config":{}})");
  for (const char* name : {"weight_0", "weight_1"}) zip.add(std::string("a/data/weights/") + name, storage);
  zip.add("a/.data/version", "6\n");
  return zip.finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdall;
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 3) {
    const auto in_size = torch_export::foreign_in_size(rest);
    (void)torch_export::foreign_in_guard(rest);
    // Members, items and the names of Python's own need these.
    fuzz::require(in_size || rest.find('[') == std::string_view::npos);
    return 0;
  }
  const std::string file = data[0] == 0 ? std::string(rest) : archive_around(data[0], rest);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(file.data());
  const auto model = fuzz::ask(k_torch_export_format, fuzz::bundle_of(bytes, file.size(), "fuzz.pt2"), fuzz::small());
  fuzz::require(model || model.error().code() != Code::kInternal);
  return 0;
}
