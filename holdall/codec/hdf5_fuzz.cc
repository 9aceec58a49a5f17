// Fuzzes the HDF5 reader: all metadata, attributes as values, and the data of every data set, whole and in parts.
#include <algorithm>
#include <cstdlib>

#include "holdall/codec/hdf5.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdall;
  constexpr std::uint64_t kMost = 1u << 20;
  Limits limits;
  limits.expansion_floor = kMost;
  limits.expansion = 50;
  limits.members = 1'000;
  limits.value_bytes = 16 * kMost;
  limits.header_bytes = kMost;
  const auto file = Hdf5File::open(memory_source(Bytes::copy({reinterpret_cast<const char*>(data), size}), "fuzz"), limits);
  if (!file) return 0;
  Arena arena;
  Hdf5Values values(**file, arena);
  for (const Hdf5Object& object : (*file)->objects()) {
    for (const hdf5::Attribute& attribute : object.attributes) (void)values.of(attribute);
    if (object.dataset == nullptr || object.dataset->bytes > kMost) continue;
    (void)hdf5::npy_form(*object.dataset->type);
    const auto blob = (*file)->data(*object.dataset, "data");
    if (!blob || blob->size() > kMost) continue;
    const auto whole = blob->read();
    if (!whole) continue;
    if (whole->size() != blob->size()) std::abort();
    std::vector<std::byte> part(std::min<std::size_t>(whole->size(), 100));
    const std::uint64_t from = (whole->size() - part.size()) / 2;
    if (!blob->read_at(from, part)) std::abort();
    if (!std::equal(part.begin(), part.end(), whole->data() + from)) std::abort();
  }
  return 0;
}
