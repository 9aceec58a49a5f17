#include "holdall/formats/hdf5_plan.h"

#include <algorithm>
#include <set>
#include <utility>

#include "holdall/base/endian.h"
#include "holdall/base/text.h"
#include "holdall/base/utf8.h"
#include "holdall/codec/npy_text.h"

namespace holdall {
namespace {

// References to texts that surely fit into a header, beside the names of the attribute.
constexpr std::size_t kMostTexts = 4'000;
constexpr std::string_view kLists[] = {"layer_names", "weight_names"};

// How a tensor is written: its type, shape and elements, and what it is read back as.
struct Prepared {
  Hdf5Type type;
  DType dtype = DType::kUInt8;
  Shape shape;
  bool keeps_logical = false;
  std::optional<Blob> data;  // empty: `texts`
  std::vector<std::string> texts = {};
  bool is_bfloat = false;
  std::optional<Xxh128> hash = {};  // of texts, whose elements a reader gives in another form than the file's
};

// The bits of what HDF5 has no type for, as integers of as many bytes; sub-byte and block dtypes are bytes in one row.
Result<Prepared> as_bits(const Tensor& tensor, Blob data) {
  const DTypeInfo& row = info(tensor.dtype());
  Prepared prepared;
  prepared.shape = tensor.shape();
  switch (row.block_elements == 1 ? row.block_bytes : 0) {
    case 1:
      prepared.dtype = tensor.dtype() == DType::kQInt8 ? DType::kInt8 : DType::kUInt8;
      break;
    case 2:
      prepared.dtype = DType::kUInt16;
      break;
    case 4:
      prepared.dtype = tensor.dtype() == DType::kQInt32 ? DType::kInt32 : DType::kUInt32;
      break;
    default:
      prepared.shape = {tensor.bytes()};
  }
  HOLDALL_ASSIGN(prepared.type, hdf5_type(prepared.dtype));
  prepared.data = std::move(data);
  return prepared;
}

// Texts of fixed width where they were such, else of any length; bits where a text has a NUL.
Result<Prepared> prepare_texts(const Tensor& tensor, Blob data) {
  HOLDALL_ASSIGN(const Bytes bytes, data.read());
  HOLDALL_ASSIGN(const NpyTextWidth width, measure_npy_text(data, tensor.elements()));
  const bool was_fixed = tensor.logical().starts_with('S');
  Prepared prepared;
  prepared.hash = xxh3_128(bytes);
  prepared.dtype = DType::kString;
  prepared.shape = tensor.shape();
  if (was_fixed && !width.padded && width.bytes <= (1u << 24)) {
    const auto size = static_cast<std::uint32_t>(std::max<std::uint64_t>(1, width.bytes));
    prepared.type = hdf5_fixed_text(size, Hdf5Charset::kAscii);
    HOLDALL_ASSIGN(prepared.data, npy_items(std::move(data), tensor.elements(), NpyForm::kText, size));
    prepared.keeps_logical = tensor.logical() == text("S{}", size);
    return prepared;
  }
  for (std::size_t at = 0; at < bytes.size();) {
    const auto size = static_cast<std::size_t>(load_le<std::uint64_t>(bytes.data() + at));
    prepared.texts.emplace_back(bytes.text().substr(at + 8, size));
    at += 8 + size;
  }
  const auto has_nul = [](const std::string& text) { return text.find('\0') != std::string::npos; };
  if (std::any_of(prepared.texts.begin(), prepared.texts.end(), has_nul)) return as_bits(tensor, std::move(data));
  prepared.type = hdf5_text(Hdf5Charset::kUtf8);
  return prepared;
}

Result<Prepared> prepare(const Tensor& tensor) {
  HOLDALL_ASSIGN(Blob data, tensor.data());
  if (tensor.dtype() == DType::kString) return prepare_texts(tensor, std::move(data));
  Prepared prepared;
  prepared.shape = tensor.shape();
  prepared.dtype = tensor.dtype();
  if (tensor.dtype() == DType::kRecord) {
    const std::uint64_t item = tensor.elements() == 0 ? 1 : tensor.bytes() / tensor.elements();
    if (item == 0 || item > UINT32_MAX) return as_bits(tensor, std::move(data));
    prepared.type = hdf5_opaque(static_cast<std::uint32_t>(item));
    prepared.data = std::move(data);
    return prepared;
  }
  const DTypeKind kind = info(tensor.dtype()).kind;
  const bool is_plain = is_byte_sized(tensor.dtype()) && kind != DTypeKind::kQuantized && tensor.dtype() != DType::kComplex32 &&
                        (kind != DTypeKind::kFloat || tensor.dtype() == DType::kFloat16 || tensor.dtype() == DType::kFloat32 ||
                         tensor.dtype() == DType::kFloat64);
  if (tensor.dtype() == DType::kBFloat16) {
    // As Keras writes it, which no other reader takes for numbers that it is not.
    prepared.type = hdf5_opaque(2);
    prepared.is_bfloat = true;
  } else if (is_plain) {
    HOLDALL_ASSIGN(prepared.type, hdf5_type(tensor.dtype()));
  } else {
    return as_bits(tensor, std::move(data));
  }
  prepared.data = std::move(data);
  return prepared;
}

// Adds a data set; `prepared` is left without its elements.
Result<Hdf5Planner::Object> add(Hdf5Planner& planner, const std::string& name, Prepared& prepared) {
  if (!prepared.data) {
    Hdf5Value value;
    value.type = prepared.type;
    value.shape = prepared.shape;
    value.texts = std::move(prepared.texts);
    return planner.dataset(name, std::move(value));
  }
  HOLDALL_ASSIGN(const auto object, planner.dataset(name, prepared.type, prepared.shape, *std::move(prepared.data)));
  if (prepared.is_bfloat) HOLDALL_TRY(planner.attribute(object, "dtype", Hdf5Value::text("bfloat16")));
  return object;
}

// Elements of a list of lists, which must be rectangular.
struct Gathered {
  std::vector<Value> items;
  Shape shape;
};
std::optional<Gathered> gather(Value list) {
  Gathered found;
  found.items.push_back(list);
  while (!found.items.empty() && found.items.front().is(ValueKind::kList)) {
    const std::size_t size = found.items.front().size();
    std::vector<Value> below;
    for (const Value item : found.items) {
      if (!item.is(ValueKind::kList) || item.size() != size) return std::nullopt;
      for (std::size_t i = 0; i < size; ++i) below.push_back(item.item(i));
    }
    found.shape.push_back(size);
    if (found.shape.size() > 32) return std::nullopt;
    found.items = std::move(below);
  }
  return found;
}

bool are_all(const std::vector<Value>& values, std::initializer_list<ValueKind> kinds) {
  return std::all_of(values.begin(), values.end(), [&](Value value) {
    return std::any_of(kinds.begin(), kinds.end(), [&](ValueKind kind) { return value.is(kind); });
  });
}

template <class T>
void put(std::string& bytes, T value) {
  char raw[sizeof(T)];
  store_le(raw, value);
  bytes.append(raw, sizeof raw);
}

std::optional<Hdf5Value> numbers(const Gathered& found) {
  Hdf5Value value;
  value.shape = found.shape;
  const auto typed = [&](DType dtype) { value.type = *hdf5_type(dtype); };
  if (are_all(found.items, {ValueKind::kBool}) && !found.items.empty()) {
    typed(DType::kBool);
    for (const Value item : found.items) put(value.bytes, static_cast<std::uint8_t>(item.as_bool()));
  } else if (are_all(found.items, {ValueKind::kInt}) && !found.items.empty()) {
    typed(DType::kInt64);
    for (const Value item : found.items) put(value.bytes, item.as_int());
  } else if (are_all(found.items, {ValueKind::kInt, ValueKind::kFloat})) {
    typed(DType::kFloat64);
    for (const Value item : found.items)
      put(value.bytes, item.is(ValueKind::kInt) ? static_cast<double>(item.as_int()) : item.as_float());
  } else if (are_all(found.items, {ValueKind::kComplex})) {
    typed(DType::kComplex128);
    for (const Value item : found.items) {
      put(value.bytes, item.as_complex().real());
      put(value.bytes, item.as_complex().imag());
    }
  } else {
    return std::nullopt;
  }
  return value;
}

// Lists of names whose pieces stand beside them.
bool is_joined(Value attributes, std::string_view name) {
  return std::find(std::begin(kLists), std::end(kLists), name) != std::end(kLists) && attributes.find(text("{}0", name));
}

class Groups {
 public:
  Groups(const Model& model, const std::function<bool(const std::string& path, Value node)>& use) : model_(model), use_(use) {}

  // Calls `use` with every group and tensor from the outside in, groups as dicts. False where it does, or where the tree is no
  // tree of groups.
  bool walk() {
    std::vector<std::pair<std::string, Value>> todo = {{"", model_.tree()}};
    std::set<NodeId> seen;
    while (!todo.empty()) {
      const auto [path, dict] = std::move(todo.back());
      todo.pop_back();
      if (!dict.is(ValueKind::kDict) || !seen.insert(dict.id()).second) return false;
      for (std::size_t i = 0; i < dict.size(); ++i) {
        const Value key = dict.key(i);
        const Value node = dict.mapped(i);
        if (!key.is(ValueKind::kString)) return false;
        const std::string_view name = key.as_string();
        if (name.empty() || name == "." || name.find('/') != std::string_view::npos ||
            name.find('\0') != std::string_view::npos)
          return false;
        const std::string own = path.empty() ? std::string(name) : text("{}/{}", path, name);
        if (!use_(own, node)) return false;
        if (!node.is(ValueKind::kTensor)) todo.emplace_back(own, node);
      }
    }
    return true;
  }

 private:
  const Model& model_;
  const std::function<bool(const std::string& path, Value node)>& use_;
};

}  // namespace

bool is_hdf5_tree(const Model& model) {
  std::vector<bool> met(model.tensors().size());
  std::size_t count = 0;
  const auto fits = [&](const std::string& path, Value node) {
    if (!node.is(ValueKind::kTensor)) return node.is(ValueKind::kDict);
    const TensorNode& as = node.as_tensor();
    const NamedTensor* entry = model.find(path);
    if (entry == nullptr || entry->index != as.index || as.requires_grad || as.parameter || as.attributes != kNoNode)
      return false;
    if (entry->index >= met.size() || met[entry->index]) return false;
    met[entry->index] = true;
    ++count;
    return true;
  };
  return Groups(model, fits).walk() && count == model.tensors().size();
}

std::optional<Hdf5Value> hdf5_attribute(Value value) {
  if (value.is_null()) {
    Hdf5Value made;
    made.type = *hdf5_type(DType::kFloat64);
    made.space = Hdf5Value::Space::kNull;
    return made;
  }
  const auto found = gather(value);
  if (!found) return std::nullopt;
  const bool are_texts = !found->items.empty() && are_all(found->items, {ValueKind::kString, ValueKind::kBytes});
  if (!are_texts) return numbers(*found);
  Hdf5Value made;
  bool ascii = true;
  for (const Value item : found->items) {
    if (item.is(ValueKind::kBytes) && !item.bytes_resident()) return std::nullopt;
    made.texts.emplace_back(item.is(ValueKind::kBytes) ? item.as_bytes() : item.as_string());
    if (made.texts.back().find('\0') != std::string::npos) return std::nullopt;
    ascii = ascii && is_ascii(made.texts.back());
  }
  made.type = hdf5_text(ascii && !found->shape.empty() ? Hdf5Charset::kAscii : Hdf5Charset::kUtf8);
  made.shape = found->shape;
  return made;
}

Status add_hdf5_attribute(Hdf5Planner& planner, Hdf5Planner::Object object, std::string_view name, Hdf5Value value) {
  if (!value.type.has_references || value.shape.size() != 1 || value.texts.size() <= kMostTexts)
    return planner.attribute(object, name, value);
  std::size_t piece = 0;
  for (std::size_t at = 0; at < value.texts.size(); at += kMostTexts) {
    const std::size_t end = std::min(value.texts.size(), at + kMostTexts);
    Hdf5Value part;
    part.type = value.type;
    part.shape = {end - at};
    const auto first = value.texts.begin();
    part.texts.assign(first + static_cast<std::ptrdiff_t>(at), first + static_cast<std::ptrdiff_t>(end));
    HOLDALL_TRY(planner.attribute(object, text("{}{}", name, piece++), part));
  }
  return {};
}

bool are_hdf5_attributes(Value attributes, std::span<const std::string_view> left_out) {
  for (std::size_t i = 0; i < attributes.size(); ++i) {
    const Value key = attributes.key(i);
    const Value value = attributes.mapped(i);
    if (!key.is(ValueKind::kString) || key.as_string().empty()) return false;
    if (std::find(left_out.begin(), left_out.end(), key.as_string()) != left_out.end()) continue;
    if (!key.as_string().starts_with('/')) {
      if (!hdf5_attribute(value)) return false;
    } else if (!value.is(ValueKind::kDict) || !are_hdf5_attributes(value, {})) {
      return false;
    }
  }
  return true;
}

Status plan_hdf5_groups(Hdf5Planner& planner, const Model& model, Value attributes, std::span<const std::string_view> left_out,
                        std::vector<Loss>& losses) {
  Status status;
  std::map<std::string, Hdf5Planner::Object, std::less<>> objects = {{"", Hdf5Planner::kRoot}};
  const auto plan = [&](const std::string& path, Value node) {
    auto added = [&]() -> Result<Hdf5Planner::Object> {
      if (!node.is(ValueKind::kTensor)) return planner.group(path);
      const Tensor& tensor = model.find(path)->tensor;
      HOLDALL_ASSIGN(Prepared prepared, prepare(tensor));
      if (prepared.dtype != tensor.dtype()) {
        losses.push_back(
            {path, text("dtype {} has no place in HDF5; its bits are kept as {}", name(tensor.dtype()), name(prepared.dtype))});
      } else if (tensor.dtype() == DType::kRecord && !tensor.logical().starts_with("'|V")) {
        losses.push_back({path, text("its fields ({}) are not kept", tensor.logical())});
      }
      return add(planner, path, prepared);
    }();
    if (!added) {
      status = std::move(added).error();
      return false;
    }
    objects.emplace(path, *added);
    return true;
  };
  if (!Groups(model, plan).walk()) return status ? Status(internal("the tree is none of groups")) : status;
  const auto note = [&](std::string_view path, Value own) -> Status {
    const auto object = objects.find(path);
    if (object == objects.end()) {
      losses.push_back({std::string(path), "its attributes, as there is no such object"});
      return {};
    }
    for (std::size_t i = 0; i < own.size(); ++i) {
      const std::string_view name = own.key(i).as_string();
      const bool is_left_out = path.empty() && std::find(left_out.begin(), left_out.end(), name) != left_out.end();
      if (name.starts_with('/') || is_left_out || is_joined(own, name)) continue;
      HOLDALL_TRY(add_hdf5_attribute(planner, object->second, name, *hdf5_attribute(own.mapped(i))));
    }
    return {};
  };
  HOLDALL_TRY(note("", attributes));
  for (std::size_t i = 0; i < attributes.size(); ++i) {
    const std::string_view key = attributes.key(i).as_string();
    if (key.starts_with('/')) HOLDALL_TRY(note(key.substr(1), attributes.mapped(i)));
  }
  return {};
}

Status plan_hdf5_tree(Hdf5Planner& planner, const Model& model, const TreeOptions& options, std::vector<Loss>& losses) {
  // A reader lists what is in a group by name, and groups where they stand among their siblings.
  std::vector<std::uint32_t> order;
  for (std::uint32_t i = 0; i < model.tensors().size(); ++i) order.push_back(i);
  const auto key = [&](std::uint32_t i) {
    std::string path = model.tensors()[i].name;
    std::replace(path.begin(), path.end(), '/', '\0');
    return path;
  };
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return key(a) < key(b); });
  std::vector<StoredAs> stored;
  std::vector<Hdf5Planner::Object> objects;
  std::vector<std::optional<Xxh128>>
      known;  // by place in `stored`; empty: the next of the data sets that are hashed in passing
  for (const std::uint32_t i : order) {
    const NamedTensor& entry = model.tensors()[i];
    HOLDALL_ASSIGN(Prepared prepared, prepare(entry.tensor));
    const StoredAs as = {i, prepared.dtype, prepared.shape, prepared.keeps_logical};
    auto added = add(planner, entry.name, prepared);
    if (!added && added.error().code() != Code::kInvalidArgument && added.error().code() != Code::kAlreadyExists) {
      return std::move(added).error();
    }
    if (!added) {
      losses.push_back({entry.name, text("a tensor of this name has no place in HDF5: {}", added.error().message())});
      continue;
    }
    stored.push_back(as);
    known.push_back(prepared.hash);
    if (!prepared.hash) objects.push_back(*added);
  }
  HOLDALL_ASSIGN(TreeText tree, write_tree(model, stored, options));
  losses.insert(losses.end(), tree.losses.begin(), tree.losses.end());
  if (tree.json.empty()) return {};
  const std::string name(kTreeKey);
  if (tree.checksums.empty()) return planner.attribute(Hdf5Planner::kRoot, name, Hdf5Value::text(tree.finished({})));
  const std::size_t size = tree.json.size();
  const auto shared = std::make_shared<const TreeText>(std::move(tree));
  const auto make = [shared, known = std::move(known)](std::span<const Xxh128> hashes) {
    std::vector<Xxh128> all;
    for (std::size_t i = 0, next = 0; i < known.size(); ++i) all.push_back(known[i] ? *known[i] : hashes[next++]);
    return shared->finished(all);
  };
  return planner.late_text(Hdf5Planner::kRoot, name, size, std::move(objects), make);
}

}  // namespace holdall
