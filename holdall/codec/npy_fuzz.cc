// Fuzzes .npy headers, type descriptions and fixed-width texts. What is parsed is written and must be parsed to the same again.
#include <cstdlib>

#include "holdall/codec/npy.h"
#include "holdall/codec/npy_text.h"

namespace {

using namespace holdall;

void check_header(const Blob& file) {
  const auto header = read_npy_header(file, 0, {});
  if (!header) return;
  const bool text = header->type.form == NpyForm::kUtf32 || header->type.form == NpyForm::kText;
  const auto data = file.slice(header->header_bytes, header->data_bytes);
  if (!data) std::abort();
  const auto count = element_count(header->shape);
  if (!count) std::abort();
  if (header->type.form == NpyForm::kRecord) {
    const auto written = npy_header(header->type.logical, header->shape, header->fortran_order);
    if (!written) return;
    const auto again = read_npy_header(Blob::memory(Bytes::copy(*written), "again"), 0, {});
    // The elements are missing, which is the only thing that may be wrong with it.
    if (again && again->type.logical != header->type.logical) std::abort();
    const auto descr = parse_npy_descr(header->type.logical);
    if (!descr || descr->type.item_bytes != header->type.item_bytes || descr->has_objects != header->has_objects) std::abort();
  }
  if (!text || header->data_bytes > 1u << 20) return;
  const auto strings = npy_text(*data, header->type, *count);
  if (!strings) return;
  const auto width = measure_npy_text(*strings, *count);
  if (!width || width->padded) std::abort();
  const std::uint64_t fits = header->type.form == NpyForm::kUtf32 ? header->type.item_bytes / 4 : header->type.item_bytes;
  const auto items = npy_items(*strings, *count, header->type.form, fits);
  if (!items || items->size() != header->data_bytes) std::abort();
  const auto same = items->read();
  const auto original = data->read();
  if (!same || !original) std::abort();
  if (header->type.order == ByteOrder::kLittle && same->text() != original->text()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  check_header(Blob::memory(Bytes::copy(input), "fuzz"));
  if (const auto descr = parse_npy_descr(input); descr && descr->type.form == NpyForm::kRecord) {
    const auto again = parse_npy_descr(descr->type.logical);
    if (!again || again->type.logical != descr->type.logical) std::abort();
  }
  // Any bytes as strings.
  for (const std::uint64_t count : {0u, 1u, 3u}) {
    const Blob strings = Blob::memory(Bytes::copy(input), "fuzz");
    const auto width = measure_npy_text(strings, count);
    if (!width) continue;
    const auto items = npy_items(strings, count, width->utf8 ? NpyForm::kUtf32 : NpyForm::kText,
                                 width->utf8 ? width->characters : width->bytes);
    if (!items || !items->read()) std::abort();
  }
  return 0;
}
