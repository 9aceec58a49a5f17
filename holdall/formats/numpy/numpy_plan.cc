#include <algorithm>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/codec/npy_text.h"
#include "holdall/formats/numpy/numpy.h"
#include "holdall/objects/numpy_objects.h"

namespace holdall::numpy {
namespace {

// numpy.save aligns the elements within a member; members that begin at a multiple of it keep them aligned in the file.
constexpr std::uint64_t kAlignment = 64;

// How an array is written: its type, shape and bytes, and what the dtype is stored as where NumPy has no such type.
struct Prepared {
  std::string descr;
  DType dtype = DType::kUInt8;
  Shape shape;
  bool keeps_logical = false;
  Blob data;
};

// The NumPy type with the same bytes an element, for dtypes that NumPy lacks; sub-byte and block dtypes become bytes in one
// row.
Prepared as_bits(const Tensor& tensor, Blob data) {
  Prepared prepared;
  prepared.shape = tensor.shape();
  prepared.data = std::move(data);
  const DTypeInfo& row = info(tensor.dtype());
  const bool whole = row.block_elements == 1 && tensor.dtype() != DType::kString && tensor.dtype() != DType::kRecord;
  if (tensor.dtype() == DType::kQInt8) {
    prepared.dtype = DType::kInt8;
  } else if (tensor.dtype() == DType::kQInt32) {
    prepared.dtype = DType::kInt32;
  } else if (whole && row.block_bytes == 2) {
    prepared.dtype = DType::kUInt16;
  } else if (whole && row.block_bytes == 4) {
    prepared.dtype = DType::kUInt32;
  } else if (!whole || row.block_bytes != 1) {
    prepared.shape = {tensor.bytes()};
  }
  return prepared;
}

// Strings as fixed-width items where those can hold them: characters where all are UTF-8, unless they came from bytes.
Result<Prepared> prepare_strings(const Tensor& tensor, Blob data) {
  HOLDALL_ASSIGN(const NpyTextWidth width, measure_npy_text(data, tensor.elements()));
  const std::string_view logical = tensor.logical();
  const bool characters = width.utf8 && !logical.starts_with('S');
  std::uint64_t size = characters ? width.characters : width.bytes;
  // A declared width is kept; numpy.save itself never writes one of 0 for arrays that hold anything.
  for (const char kind : {'U', 'S'}) {
    const bool declared = logical.size() > 1 && logical.size() < 11 && logical[0] == kind && (kind == 'U') == characters &&
                          std::all_of(logical.begin() + 1, logical.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (declared) size = std::max<std::uint64_t>(size, std::stoull(std::string(logical.substr(1))));
  }
  if (size == 0 && logical.empty()) size = 1;
  const std::uint64_t item = characters ? 4 * size : size;
  // A few long strings among many short ones: items of the longest would take far more room than the strings.
  const bool wasteful = item > 4096 && item * std::max<std::uint64_t>(1, tensor.elements()) / 16 > data.size();
  if (width.padded || wasteful || item > (1u << 24)) return as_bits(tensor, std::move(data));
  Prepared prepared;
  prepared.descr = npy_quoted(text("{}{}", characters ? "<U" : "|S", size));
  prepared.dtype = DType::kString;
  prepared.shape = tensor.shape();
  prepared.keeps_logical = true;
  HOLDALL_ASSIGN(prepared.data,
                 npy_items(std::move(data), tensor.elements(), characters ? NpyForm::kUtf32 : NpyForm::kText, size));
  return prepared;
}

Result<Prepared> prepare_records(const Tensor& tensor, Blob data) {
  Prepared prepared;
  prepared.dtype = DType::kRecord;
  prepared.shape = tensor.shape();
  prepared.data = std::move(data);
  const auto descr = parse_npy_descr(tensor.logical());
  const bool fits = descr && !descr->has_objects && descr->type.form == NpyForm::kRecord &&
                    descr->type.item_bytes * tensor.elements() == tensor.bytes();
  if (fits) {
    prepared.descr = tensor.logical();
    prepared.keeps_logical = true;
  } else {
    const std::uint64_t item = tensor.elements() == 0 ? 0 : tensor.bytes() / tensor.elements();
    prepared.descr = npy_quoted(text("|V{}", item));
  }
  return prepared;
}

Result<Prepared> prepare(const Tensor& tensor) {
  HOLDALL_ASSIGN(Blob data, tensor.data());
  if (tensor.dtype() == DType::kRecord) return prepare_records(tensor, std::move(data));
  Prepared prepared;
  if (tensor.dtype() == DType::kString) {
    HOLDALL_ASSIGN(prepared, prepare_strings(tensor, std::move(data)));
  } else if (auto typestr = npy_typestr(tensor.dtype(), tensor.logical())) {
    prepared.descr = npy_quoted(*typestr);
    prepared.dtype = tensor.dtype();
    prepared.shape = tensor.shape();
    prepared.keeps_logical = true;
    // A meaning that no type string says (one of another format's) travels in holdall.tree.
    if (!tensor.logical().empty() && npy_typestr(tensor.dtype()).value_or("") == *typestr) prepared.keeps_logical = false;
    prepared.data = std::move(data);
  } else {
    prepared = as_bits(tensor, std::move(data));
  }
  if (prepared.descr.empty()) {
    HOLDALL_ASSIGN(const std::string typestr, npy_typestr(prepared.dtype));
    prepared.descr = npy_quoted(typestr);
  }
  return prepared;
}

// Whether the tree is nothing but its one tensor.
bool is_bare(const Model& model) {
  const Value tree = model.tree();
  if (!tree.is(ValueKind::kTensor)) return false;
  const TensorNode& node = tree.as_tensor();
  return !node.parameter && !node.requires_grad && (node.attributes == kNoNode || is_numpy_array(tree));
}

Result<Plan> plan_npy(const Model& model, const WriteOptions& options) {
  if (model.tensors().size() != 1) {
    return unsupported(text("a .npy file holds one array, the model has {}; write .npz", model.tensors().size()));
  }
  if (options.alignment != 0) return invalid_argument("a .npy file has an alignment of its own, 64");
  const NamedTensor& entry = model.tensors().front();
  Plan plan;
  if (!is_bare(model)) plan.losses.push_back({entry.name, "its name and what stands beside it have no place in .npy"});
  if (model.metadata().size() != 0) plan.losses.push_back({"metadata", "metadata has no place in .npy"});
  if (model.config() && !model.config().is_null()) plan.losses.push_back({"config", "a config has no place in .npy"});
  HOLDALL_ASSIGN(Prepared prepared, prepare(entry.tensor));
  if (prepared.dtype != entry.tensor.dtype()) {
    plan.losses.push_back({entry.name, text("dtype {} has no place in .npy; its bits are kept as {}",
                                            name(entry.tensor.dtype()), name(prepared.dtype))});
  } else if (!prepared.keeps_logical && !entry.tensor.logical().empty()) {
    plan.losses.push_back({entry.name, text("its meaning ({}) has no place in .npy", entry.tensor.logical())});
  }
  PlannedFile file;
  file.name = options.name;
  HOLDALL_ASSIGN(std::string header, npy_header(prepared.descr, prepared.shape));
  file.add(Bytes::adopt(std::move(header)));
  file.add(std::move(prepared.data));
  plan.files.push_back(std::move(file));
  return plan;
}

Result<Plan> plan_npz(const Model& model, const WriteOptions& options) {
  Plan plan;
  PlannedFile file;
  file.name = options.name;
  ZipPlanner planner(file, {.alignment = options.alignment != 0 ? options.alignment : kAlignment, .data_descriptors = false});
  std::vector<StoredAs> stored;
  for (std::uint32_t i = 0; i < model.tensors().size(); ++i) {
    const NamedTensor& entry = model.tensors()[i];
    std::string member = entry.name + ".npy";
    if (!check_zip_name(member)) {
      plan.losses.push_back({entry.name, "a tensor of this name has no place in a ZIP archive"});
      continue;
    }
    HOLDALL_ASSIGN(Prepared prepared, prepare(entry.tensor));
    HOLDALL_ASSIGN(std::string header, npy_header(prepared.descr, prepared.shape));
    Bytes head = Bytes::adopt(std::move(header));
    stored.push_back({i, prepared.dtype, std::move(prepared.shape), prepared.keeps_logical});
    HOLDALL_TRY(options.compress ? planner.add_deflated(std::move(member), std::move(head), std::move(prepared.data))
                                 : planner.add(std::move(member), std::move(head), std::move(prepared.data)));
  }
  // The members have checksums of their own.
  TreeOptions tree_options;
  tree_options.metadata = true;
  tree_options.config = !options.config_beside;
  tree_options.framework = model.origin().framework;
  HOLDALL_ASSIGN(const TreeText tree, write_tree(model, stored, tree_options));
  plan.losses.insert(plan.losses.end(), tree.losses.begin(), tree.losses.end());
  if (!tree.json.empty()) {
    Bytes json = Bytes::adopt(tree.finished({}));
    const std::string member(kTreeKey);
    HOLDALL_TRY(options.compress ? planner.add_deflated(member, Blob::memory(std::move(json), member))
                                 : planner.add(member, std::move(json)));
  }
  HOLDALL_TRY(planner.finish());
  plan.files.push_back(std::move(file));
  return plan;
}

}  // namespace

Result<Plan> plan(const Model& model, const WriteOptions& options) {
  if (options.shard_bytes != 0) return invalid_argument("NumPy's files have no shards");
  return options.name.ends_with(".npy") ? plan_npy(model, options) : plan_npz(model, options);
}

}  // namespace holdall::numpy
