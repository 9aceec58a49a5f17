#include "tests/conformance/specimens.h"

#include <algorithm>
#include <map>

#include "holdall/base/endian.h"
#include "holdall/codec/document.h"

namespace holdall::conformance {
namespace {

// Bytes that differ from place to place, valid for any dtype (bool included where `most` is 2).
std::string bytes_of(std::size_t size, unsigned most = 251) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>((i * 7 + 1) % most);
  return bytes;
}

Tensor made(DType dtype, Shape shape) {
  const auto size = static_cast<std::size_t>(dense_bytes(dtype, shape).value());
  return *Tensor::dense(dtype, std::move(shape),
                        Blob::memory(Bytes::adopt(bytes_of(size, dtype == DType::kBool ? 2 : 251)), "specimen"));
}

enum class Views : std::uint8_t { kNone, kShared };

Model training_run(Views views) {
  ModelBuilder builder;
  Arena& arena = *builder.arena;
  const Tensor weight = made(DType::kFloat32, {4, 3});
  const auto w = builder.add(weight);
  const auto transposed =
      builder.add(views == Views::kShared ? *Tensor::view(DType::kFloat32, {3, 4}, weight.storage(), {{1, 3}, 0, false, false})
                                          : made(DType::kFloat32, {3, 4}));
  const auto moment = builder.add(made(DType::kFloat32, {4, 3}));
  const NodeId state = arena.dict();
  const NodeId tied = arena.tensor({w});
  arena.set_item(state, "encoder", tied);
  arena.set_item(state, "decoder", tied);
  arena.set_item(state, "transposed", arena.tensor({transposed}));
  const NodeId group = arena.dict();
  arena.set_item(group, "lr", arena.real(0.1));
  arena.set_item(group, "betas", arena.tuple({arena.real(0.9), arena.real(0.999)}));
  arena.set_item(group, "amsgrad", arena.boolean(false));
  const NodeId optimizer = arena.dict();
  const NodeId moments = arena.dict();
  arena.set_item(moments, arena.integer(0), arena.tensor({moment}));
  arena.set_item(optimizer, "state", moments);
  arena.set_item(optimizer, "param_groups", arena.list({group}));
  const NodeId root = arena.dict();
  arena.set_item(root, "epoch", arena.integer(3));
  arena.set_item(root, "note", arena.string("naïve \"quoted\"\n"));
  arena.set_item(root, "best", arena.null());
  arena.set_item(root, "model", state);
  arena.set_item(root, "optimizer", optimizer);
  builder.tree = root;
  return *std::move(builder).named_by_tree();
}

}  // namespace

Model plain() {
  ModelBuilder builder;
  const NodeId root = builder.arena->dict();
  const auto put = [&](std::string_view name, DType dtype, Shape shape) {
    builder.arena->set_item(root, name, builder.arena->tensor({builder.add(made(dtype, std::move(shape)))}));
  };
  put("w", DType::kFloat32, {3, 4});
  put("half", DType::kFloat16, {5});
  put("counts", DType::kInt64, {2, 2});
  put("mask", DType::kBool, {7});
  put("scalar", DType::kFloat64, {});
  put("empty", DType::kFloat32, {0, 3});
  builder.tree = root;
  return *std::move(builder).named_by_tree();
}

Model checkpoint() { return training_run(Views::kShared); }
Model checkpoint_without_views() { return training_run(Views::kNone); }

Model large(std::uint64_t bytes) {
  ModelBuilder builder;
  const NodeId root = builder.arena->dict();
  builder.arena->set_item(root, "w", builder.arena->tensor({builder.add(made(DType::kUInt8, {bytes}))}));
  builder.tree = root;
  return *std::move(builder).named_by_tree();
}

Model of_dtype(DType dtype) {
  ModelBuilder builder;
  Tensor tensor;
  if (dtype == DType::kString) {
    std::string data(8, '\0');
    store_le<std::uint64_t>(data.data(), 2);
    data += "hi" + std::string(8, '\0');
    tensor = *Tensor::strings({2}, Blob::memory(Bytes::adopt(data), "specimen"));
  } else if (dtype == DType::kRecord) {
    tensor = *Tensor::records({2}, 12, Blob::memory(Bytes::adopt(bytes_of(24)), "specimen"), "[('a', '<i4'), ('b', '<f8')]");
  } else {
    tensor = made(dtype, {2, 4 * std::uint64_t{info(dtype).block_elements}});
  }
  const NodeId root = builder.arena->dict();
  builder.arena->set_item(root, "t", builder.arena->tensor({builder.add(std::move(tensor))}));
  builder.tree = root;
  return *std::move(builder).named_by_tree();
}

std::string described_tensors(const Model& model) {
  std::map<std::string, std::string> lines;
  for (const NamedTensor& entry : model.tensors()) {
    const auto digest = entry.tensor.digest();
    lines[entry.name] = std::string(name(entry.tensor.dtype())) + " " + to_string(entry.tensor.shape()) + " " +
                        (digest ? to_hex(*digest) : "unreadable: " + digest.error().to_string());
  }
  std::string text;
  for (const auto& [name, line] : lines) text += name + ": " + line + "\n";
  return text;
}

std::string described(const Model& model) {
  std::map<std::uint32_t, std::string> by_index;
  for (const NamedTensor& entry : model.tensors()) {
    const auto [place, is_new] = by_index.emplace(entry.index, entry.name);
    if (!is_new) place->second = std::min(place->second, entry.name);
  }
  JsonWriter json;
  const Status written =
      write_document(json, model.tree(), [&](std::uint32_t index) -> std::string_view { return by_index[index]; });
  return described_tensors(model) + (written ? json.text() : written.error().to_string());
}

}  // namespace holdall::conformance
