// Archives of torch.jit.save. An input is a file as it stands (a first byte of 0), or what is put into an archive, so that
// mutations reach its meaning: a data.pkl (1), a source (2), a model.json (3), a bytecode.pkl (4).
#include "tests/fuzz/formats.h"
#include "tests/fuzz/plain_zip.h"

namespace holdall {
extern const Format k_torchscript_format;
}

namespace {

std::string archive_around(int kind, std::string_view content) {
  constexpr std::string_view kEmptyTuple("\x80\x02).", 4);
  constexpr std::string_view kEmptyModule("\x80\x02}.", 4);
  holdall::fuzz::PlainZip zip;
  std::string storage;
  for (int i = 0; i < 256; ++i) storage.push_back(static_cast<char>(i));
  zip.add("a/data.pkl", kind == 1 ? content : kEmptyModule);
  zip.add("a/constants.pkl", kEmptyTuple);
  if (kind == 2) zip.add("a/code/__torch__.py", content);
  if (kind == 3) zip.add("a/model.json", content);
  if (kind == 4) zip.add("a/bytecode.pkl", content);
  for (const char* key : {"data/0", "data/1", "tensors/0", "tensors/1"}) zip.add(std::string("a/") + key, storage);
  zip.add("a/version", "3\n");
  return zip.finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdall;
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string file = data[0] == 0 ? std::string(rest) : archive_around(data[0], rest);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(file.data());
  const auto model = fuzz::ask(k_torchscript_format, fuzz::bundle_of(bytes, file.size(), "fuzz.pt"), fuzz::small_pickles());
  fuzz::require(model || model.error().code() != Code::kInternal);
  return 0;
}
