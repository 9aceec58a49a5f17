// The input as a V1 checkpoint, cut in two as the index and the data of a V2 bundle, and as the entries of an index whose
// checksums hold: what opens has tensors of their size, and an object graph that is described and becomes a tree.
#include <cstdint>
#include <cstdlib>
#include <map>

#include "holdall/formats/tf_checkpoint/bundle.h"
#include "holdall/formats/tf_checkpoint/object_graph.h"
#include "holdall/formats/tf_checkpoint/tf_checkpoint.h"
#include "holdall/formats/tf_checkpoint/variants.h"

namespace holdall {
extern const Format k_tf_checkpoint_format;
}

namespace {

using namespace holdall;

void check(const Tensor& tensor) {
  if (tensor.bytes() > (1u << 22)) return;
  const auto bytes = tensor.read_bytes();
  if (bytes && bytes->size() != tensor.bytes()) std::abort();
}

// A table of the input's entries: a byte each for the sizes of a key and a value, then both. Mutation alone finds no checksum.
std::string table_of(std::string_view input) {
  std::map<std::string, std::string> entries;
  while (input.size() >= 2) {
    const auto key = static_cast<std::size_t>(static_cast<unsigned char>(input[0]));
    const auto value = static_cast<std::size_t>(static_cast<unsigned char>(input[1]));
    input.remove_prefix(2);
    entries.emplace(input.substr(0, key), input.substr(std::min(key, input.size()), value));
    input.remove_prefix(std::min(key + value, input.size()));
  }
  SortedTableWriter table;
  for (const auto& [key, value] : entries) table.add(key, value);
  return std::move(table).finish();
}

void try_bundle(const Bytes& index, std::span<const std::byte> data) {
  Limits limits;
  limits.value_bytes = 1u << 22;
  auto table = SortedTable::open(memory_source(index, "fuzz.index"), limits);
  if (!table) return;
  auto read = tf_checkpoint::read_index(*table, limits);
  if (!read || read->shards > 100) return;
  tf_checkpoint::OpenedBundle bundle{std::move(*table), std::move(*read), {}};
  bundle.files.resize(static_cast<std::size_t>(bundle.index.shards), {memory_source(Bytes::copy(data), "fuzz.data"), {}});
  std::vector<std::string> keys;
  for (const auto& entry : bundle.index.entries) {
    keys.push_back(entry.key);
    const auto tensor = tf_checkpoint::entry_tensor(bundle, entry, limits);
    if (tensor) check(*tensor);
    if (!entry.slices.empty()) continue;
    const auto bytes = tf_checkpoint::entry_bytes(bundle, entry);
    if (!bytes) continue;
    (void)tf_checkpoint::check_variants(entry.shape.sizes, *bytes, 0, bundle.index.order, [](auto) { return Status(); });
  }
  const auto graph = tf_checkpoint::read_object_graph(Blob::memory(Bytes::copy(data), "graph"), limits);
  if (!graph) return;
  (void)tf_checkpoint::describe(*graph, limits);
  Arena arena;
  (void)tf_checkpoint::tree_of(*graph, arena, keys, limits);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = std::span(reinterpret_cast<const std::byte*>(data), size);
  if (size < 2) return 0;
  const std::size_t cut = std::min<std::size_t>(load_le<std::uint16_t>(data), size - 2);
  try_bundle(Bytes::copy(input.subspan(2, cut)), input.subspan(2 + cut));
  try_bundle(Bytes::adopt(table_of(as_text(input.subspan(2, cut)))), input.subspan(2 + cut));
  const Bundle bundle = Bundle::of(memory_source(Bytes::copy(input), "fuzz.ckpt"));
  const auto model = k_tf_checkpoint_format.read(bundle, {});
  Faults faults;
  (void)k_tf_checkpoint_format.verify(bundle, {}, faults);
  if (!model) return 0;
  for (const NamedTensor& entry : model->tensors()) check(entry.tensor);
  const auto plan = k_tf_checkpoint_format.plan(*model, {});
  if (!plan && plan.error().code() == Code::kInternal) std::abort();
  return 0;
}
