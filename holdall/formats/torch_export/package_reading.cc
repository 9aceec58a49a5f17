// The model of an archive: weights under the names of the program's state dict, constants, sample inputs.
#include <map>
#include <optional>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/formats/torch_export/exported.h"
#include "holdall/formats/torch_extra_files.h"
#include "holdall/objects/torch_types.h"

namespace holdall::torch_export {

namespace {

constexpr std::string_view kWeights = "data/weights/";
constexpr std::string_view kConstants = "data/constants/";
constexpr std::string_view kSamples = "data/sample_inputs/";
constexpr std::string_view kExecutorch = "data/executorch/";
constexpr std::int64_t kStrided = 7;

// ScalarType of torch/_export/serde/schema.py, whose numbers are not those of c10.
std::optional<DType> dtype_of(std::int64_t number) {
  switch (number) {
    case 1:
      return DType::kUInt8;
    case 2:
      return DType::kInt8;
    case 3:
      return DType::kInt16;
    case 4:
      return DType::kInt32;
    case 5:
      return DType::kInt64;
    case 6:
      return DType::kFloat16;
    case 7:
      return DType::kFloat32;
    case 8:
      return DType::kFloat64;
    case 9:
      return DType::kComplex32;
    case 10:
      return DType::kComplex64;
    case 11:
      return DType::kComplex128;
    case 12:
      return DType::kBool;
    case 13:
      return DType::kBFloat16;
    case 28:
      return DType::kUInt16;
    case 29:
      return DType::kFloat8E4M3FN;
    case 30:
      return DType::kFloat8E5M2;
    case 31:
      return DType::kFloat8E4M3FNUZ;
    case 32:
      return DType::kFloat8E5M2FNUZ;
    case 33:
      return DType::kFloat8E8M0FNU;
    case 34:
      return DType::kUInt32;
    case 35:
      return DType::kUInt64;
    default:
      return std::nullopt;
  }
}

class Reading {
 public:
  Reading(const Package& package, const Bundle& bundle, const Context& context, Faults* faults)
      : package_(package), bundle_(bundle), context_(context), file_(file_name(bundle)), faults_(faults) {}

  Result<Model> model() && {
    const auto models = package_.models();
    HOLDALL_TRY(check_kind(models));
    const bool is_one = models.size() == 1;
    builder_.tree = arena().dict();
    builder_.metadata = arena().dict();
    for (const std::string& name : models) {
      const NodeId tree = is_one ? builder_.tree : arena().dict();
      HOLDALL_ASSIGN(const NodeId program, read_program(package_, name, arena(), context_.limits));
      HOLDALL_TRY(package_.is_old() ? add_old(tree) : add_model(name, tree));
      if (!is_one) arena().set_item(builder_.tree, name, tree);
      if (!is_one && builder_.config == kNoNode) builder_.config = arena().dict();
      if (is_one) {
        builder_.config = program;
      } else {
        arena().set_item(builder_.config, name, program);
      }
    }
    HOLDALL_TRY(add_compiled(models.empty()));
    HOLDALL_TRY(describe());
    if (builder_.entries().size() > context_.limits.tensors) {
      return over_limit(text("{} tensors, {} are allowed", builder_.entries().size(), context_.limits.tensors))
          .in(bundle_.path());
    }
    return std::move(builder_).named_by_tree();
  }

 private:
  Arena& arena() { return *builder_.arena; }

  Status check_kind(const std::vector<std::string>& models) {
    if (!models.empty() || package_.is_old()) return {};
    if (!package_.under(kExecutorch).empty()) {
      return unsupported("an archive of ExecuTorch programs alone, which are not read").in(bundle_.path());
    }
    if (!package_.under(kCompiled).empty()) return {};
    builder_.warnings.push_back("the archive holds no program");
    if (faults_ != nullptr) faults_->add(corrupt("the archive holds no program").in(bundle_.path()));
    return {};
  }

  // A key of `dict` that nothing has taken.
  std::string free_key(NodeId dict, std::string_view wanted) {
    std::string key(wanted);
    for (int i = 2; arena().at(dict).find(key); ++i) key = text("{}@{}", wanted, i);
    return key;
  }

  Status add_model(const std::string& name, NodeId tree) {
    const std::string old_weights = text("{}{}.pt", kWeights, name), old_constants = text("{}{}.pt", kConstants, name);
    if (package_.has(old_weights)) {
      HOLDALL_TRY(add_nested(old_weights, tree));
    } else if (const std::string config = weights_config(package_, name); !config.empty()) {
      HOLDALL_TRY(add_payloads(config, kWeights, tree));
    } else {
      return corrupt(text("there is no record '{}{}_weights_config.json'", kWeights, name)).in(bundle_.path());
    }
    const NodeId constants = arena().dict();
    if (package_.has(old_constants)) {
      HOLDALL_TRY(add_nested(old_constants, constants));
    } else if (const std::string config = constants_config(package_, name); !config.empty()) {
      HOLDALL_TRY(add_payloads(config, kConstants, constants));
    }
    if (arena().at(constants).size() > 0) arena().set_item(tree, free_key(tree, "constants"), constants);
    return add_samples(text("{}{}.pt", kSamples, name), tree);
  }

  Status add_old(NodeId tree) {
    for (const std::string_view part : {"state_dict", "constants"}) {
      if (package_.has(text("serialized_{}.json", part)) && !package_.has(text("serialized_{}.pt", part))) {
        return unsupported(text("serialized_{}.json of torch before 2.2", part)).in(bundle_.path());
      }
    }
    HOLDALL_TRY(add_nested("serialized_state_dict.pt", tree));
    const NodeId constants = arena().dict();
    if (package_.has("serialized_constants.pt")) HOLDALL_TRY(add_nested("serialized_constants.pt", constants));
    if (arena().at(constants).size() > 0) arena().set_item(tree, free_key(tree, "constants"), constants);
    return add_samples("serialized_example_inputs.pt", tree);
  }

  // The weights of compiled models, named as those of programs are, or beside these under "aotinductor".
  Status add_compiled(bool is_alone) {
    const std::vector<std::string> models = compiled_models(package_);
    if (models.empty()) return {};
    NodeId all = builder_.tree;
    if (!is_alone) arena().set_item(builder_.tree, free_key(builder_.tree, "aotinductor"), all = arena().dict());
    for (const std::string& model : models) {
      NodeId tree = all;
      if (models.size() > 1) arena().set_item(all, model, tree = arena().dict());
      HOLDALL_ASSIGN(const Blob config, package_.record(compiled_config(model)));
      HOLDALL_ASSIGN(const std::vector<CompiledWeight> weights, read_compiled_weights(config, context_.limits));
      for (const CompiledWeight& weight : weights) {
        Status added = add_compiled_weight(weight, tree);
        if (!added) return std::move(added).error().with(text("'{}'", weight.name)).in(config.name());
      }
    }
    return {};
  }

  // A view of the one tensor of its record, whose storage several may share.
  Status add_compiled_weight(const CompiledWeight& weight, NodeId tree) {
    auto known = whole_.find(weight.path);
    if (known == whole_.end()) {
      const std::string record = text("{}{}", kWeights, weight.path);
      if (!package_.has(record)) return corrupt(text("there is no record '{}'", record));
      HOLDALL_ASSIGN(const std::optional<Model> model, open_nested(record));
      if (!model || model->tensors().size() != 1) return corrupt(text("the record '{}' holds no tensor", weight.path));
      known = whole_.emplace(weight.path, model->tensors()[0].tensor).first;
    }
    const Tensor& whole = known->second;
    Shape shape(weight.sizes.begin(), weight.sizes.end());
    HOLDALL_ASSIGN(Tensor tensor,
                   Tensor::view(whole.dtype(), std::move(shape), whole.storage(),
                                {.strides = weight.strides, .offset = static_cast<std::uint64_t>(weight.offset)}));
    HOLDALL_TRY(check_expansion(tensor, weight.path, context_.limits));
    arena().set_item(tree, weight.name, arena().tensor({.index = builder_.add(std::move(tensor), file_)}));
    return {};
  }

  Status add_samples(const std::string& record, NodeId tree) {
    if (!package_.has(record)) return {};
    const NodeId samples = arena().dict();
    HOLDALL_TRY(add_nested(record, samples));
    if (arena().at(samples).size() > 0) arena().set_item(tree, free_key(tree, "sample_inputs"), samples);
    return {};
  }

  // The tensors of a file of torch.save under their names in it; an empty record is an empty dict.
  Status add_nested(const std::string& record, NodeId dict) {
    HOLDALL_ASSIGN(const std::optional<Model> model, open_nested(record));
    if (model) add_tensors(*model, dict, {});
    return {};
  }

  Result<std::optional<Model>> open_nested(const std::string& record) {
    HOLDALL_ASSIGN(const Blob blob, package_.record(record));
    if (blob.size() == 0) return std::optional<Model>();
    HOLDALL_ASSIGN(SourceRef part, slice_source(blob.source(), blob.offset(), blob.size(), blob.name()));
    const Bundle file = Bundle::of(std::move(part));
    if (faults_ != nullptr) HOLDALL_TRY(context_.verify(file, *faults_));
    HOLDALL_ASSIGN(Model model, context_.open(file));
    for (const std::string& warning : model.warnings()) builder_.warnings.push_back(warning);
    return std::optional(std::move(model));
  }

  // `under`: the name of what the file is; a tensor that is all of it has that one.
  void add_tensors(const Model& model, NodeId dict, std::string_view under) {
    std::map<std::uint32_t, NodeId> nodes;
    for (const NamedTensor& entry : model.tensors()) {
      const auto [place, is_new] = nodes.try_emplace(entry.index, kNoNode);
      if (is_new) place->second = arena().tensor({.index = builder_.add(entry.tensor, file_)});
      const bool is_all = model.tree().is(ValueKind::kTensor);
      const std::string name = under.empty() ? entry.name : is_all ? std::string(under) : text("{}.{}", under, entry.name);
      arena().set_item(dict, free_key(dict, name), place->second);
    }
  }

  Status add_payloads(const std::string& config, std::string_view folder, NodeId dict) {
    HOLDALL_ASSIGN(const Blob blob, package_.record(config));
    HOLDALL_ASSIGN(const std::vector<Payload> payloads, read_payloads(blob, context_.limits));
    for (const Payload& payload : payloads) {
      Status added = add_payload(payload, folder, dict);
      if (!added) return std::move(added).error().with(text("'{}'", payload.name)).in(blob.name());
    }
    return {};
  }

  Status add_payload(const Payload& payload, std::string_view folder, NodeId dict) {
    const std::string record = text("{}{}", folder, payload.path);
    if (payload.is_pickled) {
      if (folder == kConstants && !payload.path.starts_with("tensor_")) return add_object(payload, record, dict);
      HOLDALL_ASSIGN(const std::optional<Model> model, open_nested(record));
      if (model) add_tensors(*model, dict, payload.name);
      return {};
    }
    HOLDALL_ASSIGN(const std::optional<Tensor> tensor, raw_tensor(payload, record));
    if (!tensor) return {};
    TensorNode node;
    node.index = builder_.add(*tensor, file_);
    node.parameter = payload.is_parameter;
    node.requires_grad = payload.requires_grad;
    arena().set_item(dict, payload.name, arena().tensor(node));
    return {};
  }

  // Objects of C++ classes and of Python's: bytes here.
  Status add_object(const Payload& payload, const std::string& record, NodeId dict) {
    HOLDALL_ASSIGN(Blob blob, package_.record(record));
    arena().set_item(dict, payload.name, arena().bytes(std::move(blob)));
    return {};
  }

  // Empty: a tensor that has a shape and no values (torch's fake tensors).
  Result<std::optional<Tensor>> raw_tensor(const Payload& payload, const std::string& record) {
    if (!payload.has_tensor) return corrupt("neither pickled nor a tensor");
    const auto dtype = dtype_of(payload.dtype);
    if (!dtype) return unsupported(text("the scalar type {} is not known", payload.dtype));
    if (payload.layout != kStrided) return unsupported(text("the layout {}, {} (strided) is read", payload.layout, kStrided));
    if (payload.strides.size() != payload.sizes.size()) {
      return corrupt(text("{} strides for {} dimensions", payload.strides.size(), payload.sizes.size()));
    }
    HOLDALL_ASSIGN(const StorageRef storage, storage_of(record, *dtype));
    Shape shape(payload.sizes.begin(), payload.sizes.end());
    bool is_empty = false;
    for (const std::uint64_t size : shape) is_empty = is_empty || size == 0;
    if (storage->data.size() == 0 && !is_empty) {
      builder_.left_out.push_back(text("'{}' has a shape and no values", payload.name));
      builder_.warnings.push_back(builder_.left_out.back());
      return std::optional<Tensor>();
    }
    HOLDALL_ASSIGN(Tensor tensor,
                   Tensor::view(*dtype, std::move(shape), storage,
                                {.strides = payload.strides, .offset = static_cast<std::uint64_t>(payload.offset)}));
    HOLDALL_TRY(check_expansion(tensor, payload.path, context_.limits));
    return std::optional(std::move(tensor));
  }

  Result<StorageRef> storage_of(const std::string& record, DType dtype) {
    const auto [place, is_new] = storages_.try_emplace(record);
    if (!is_new) return place->second;
    auto blob = package_.record(record);
    if (!blob) return std::move(blob).error().as(Code::kCorrupt);
    const std::uint32_t item = info(dtype).block_bytes;
    if (package_.byte_order() == ByteOrder::kBig && item > 1) return unsupported("raw weights in big-endian order");
    if (blob->size() % item != 0) {
      return corrupt(text("{} bytes are no number of elements of {} bytes", blob->size(), item)).in(blob->name());
    }
    place->second = pool_.add(*std::move(blob));
    return place->second;
  }

  Status describe() {
    std::string detail = package_.is_old() ? "zip, torch.export before 2.7" : "zip, torch.export";
    if (builder_.config != kNoNode) {
      const Value program = package_.models().size() == 1 ? arena().at(builder_.config) : arena().at(builder_.config).mapped(0);
      const Value version = program.find("schema_version");
      if (const auto minor = version.find_int("minor")) {
        detail += text(", schema {}.{}", version.find_int("major").value_or(0), *minor);
      }
      if (const auto torch = program.find_string("torch_version")) detail += text(", torch {}", *torch);
    }
    builder_.origin = {"torch-export", std::move(detail), bundle_.path(), {file_}, bundle_.main()->size(), "pt"};
    HOLDALL_TRY(add_extra_files(package_.zip(), package_.member_of(package_.is_old() ? "extra_files/" : "extra/"),
                                context_.limits, arena(), builder_.metadata));
    list_records("aotinductor", kCompiled);
    list_records("executorch", kExecutorch);
    if (!package_.zip().has_checksums()) {
      builder_.warnings.push_back("the archive was written without checksums: damage in it cannot be seen");
    }
    return {};
  }

  // Code that is not read, by name.
  void list_records(std::string_view key, std::string_view folder) {
    std::vector<NodeId> names;
    for (const std::string_view record : package_.under(folder))
      if (!is_compiled_config(record)) names.push_back(arena().string(record.substr(folder.size())));
    if (names.empty()) return;
    arena().set_item(builder_.metadata, key, arena().list(names));
    builder_.side_files.emplace(file_, Blob(bundle_.main()));
    builder_.warnings.push_back(text("{} files of {} are not read", names.size(), folder));
  }

  const Package& package_;
  const Bundle& bundle_;
  const Context& context_;
  std::string file_;
  Faults* faults_;
  ModelBuilder builder_;
  StoragePool pool_;
  std::map<std::string, StorageRef> storages_;  // by record
  std::map<std::string, Tensor> whole_;         // of compiled models, by record
};

}  // namespace

Result<Model> read_package(const Package& package, const Bundle& bundle, const Context& context, Faults* faults) {
  return Reading(package, bundle, context, faults).model();
}

}  // namespace holdall::torch_export
