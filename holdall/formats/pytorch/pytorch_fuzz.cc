// Files of torch.save. An input is a file as it stands (a first byte of 0), or a data.pkl (a first byte of 1; 2: big-endian)
// around which the archive is made, so that mutations reach the pickle's meaning and not only the ZIP reader's refusals; or
// (3) the members pickle and tensors of a tar, each behind its length in two bytes, and the member storages.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "holdall/base/endian.h"
#include "holdall/base/text.h"
#include "holdall/formats/format.h"
#include "tests/fuzz/plain_zip.h"

namespace holdall {
extern const Format k_pytorch_format;
}

namespace {

std::string archive_around(std::string_view pickle, bool big) {
  holdall::fuzz::PlainZip zip;
  std::string storage;
  for (int i = 0; i < 256; ++i) storage.push_back(static_cast<char>(i));
  zip.add("a/data.pkl", pickle);
  zip.add("a/byteorder", big ? "big" : "little");
  for (const char* key : {"0", "1", "2", "3"}) zip.add(std::string("a/data/") + key, storage);
  zip.add("a/version", "3\n");
  return zip.finish();
}

void add_to_tar(std::string& file, std::string_view name, std::string_view data) {
  std::string header(512, '\0');
  header.replace(0, name.size(), name);
  header.replace(124, 11, holdall::text("{:011o}", data.size()));
  header[156] = '0';
  header.replace(257, 8, std::string_view("ustar\00000", 8));
  header.replace(148, 8, 8, ' ');
  unsigned sum = 0;
  for (const char letter : header) sum += static_cast<unsigned char>(letter);
  header.replace(148, 7, holdall::text("{:06o}{}", sum, '\0'));
  file += header;
  file += data;
  file.resize((file.size() + 511) / 512 * 512);
}

std::string tar_of(std::string_view members) {
  std::string file;
  for (const char* name : {"pickle", "tensors"}) {
    const std::size_t size = members.size() < 2 ? 0 : holdall::load_le<std::uint16_t>(members.data());
    members.remove_prefix(std::min<std::size_t>(members.size(), 2));
    add_to_tar(file, name, members.substr(0, size));
    members.remove_prefix(std::min(members.size(), size));
  }
  add_to_tar(file, "storages", members);
  file.append(1024, '\0');
  return file;
}

std::string file_of(int kind, std::string_view rest) {
  switch (kind) {
    case 1:
    case 2:
      return archive_around(rest, kind == 2);
    case 3:
      return tar_of(rest);
    default:
      return std::string(rest);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdall;
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string file = file_of(data[0], rest);
  const Bundle bundle = Bundle::of(memory_source(Bytes::adopt(std::move(file)), "fuzz.pt"));
  Context context;
  context.limits.value_bytes = 64u << 20;
  context.limits.opcodes = 100'000;
  context.limits.memo = 100'000;

  Findings findings;
  (void)k_pytorch_format.acts(bundle, context, findings).has_value();
  Faults faults;
  (void)k_pytorch_format.verify(bundle, context, faults).has_value();
  auto model = k_pytorch_format.read(bundle, context);
  if (!model) {
    if (model.error().message().empty() || model.error().code() == Code::kInternal) std::abort();
    return 0;
  }
  std::uint64_t left = 1u << 20;
  for (const NamedTensor& entry : model->tensors()) {
    if (model->find(entry.name) == nullptr) std::abort();
    if (entry.tensor.bytes() > left) continue;
    left -= entry.tensor.bytes();
    auto bytes = entry.tensor.read_bytes();
    if (bytes && bytes->size() != entry.tensor.bytes()) std::abort();
  }
  for (const std::uint64_t shard : {0u, 64u}) {
    WriteOptions options;
    options.shard_bytes = shard;
    options.name = "fuzz.pt";
    auto plan = k_pytorch_format.plan(*model, options);
    if (!plan && plan.error().code() == Code::kInternal) std::abort();
  }
  return 0;
}
