#include "holdall/formats/hdf5_model.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/utf8.h"
#include "holdall/io/parallel.h"
#include "holdall/objects/numpy_arrays.h"

namespace holdall {
namespace {

constexpr std::size_t kTile = 8u << 20;
constexpr std::uint64_t kLargestUserBlock = 1u << 20;

// A tensor of a data set's elements; array types lend it their dimensions.
Result<Tensor> tensor_of(const Hdf5File& file, const Hdf5Dataset& dataset, std::string_view path) {
  HOLDALL_ASSIGN(Blob data, file.data(dataset, path));
  Shape shape = dataset.space.shape;
  const hdf5::Type* type = dataset.type.get();
  if (type->kind == hdf5::Class::kVariable) return Tensor::strings(std::move(shape), std::move(data));
  while (type->kind == hdf5::Class::kArray) {
    for (const std::uint64_t dim : type->dims) shape.push_back(dim);
    type = type->base.get();
  }
  HOLDALL_ASSIGN(const NpyDType form, hdf5::npy_form(*type));
  return numpy_tensor(form, std::move(shape), NumpyOrder::kC, std::move(data));
}

bool is_left_out(const Hdf5Dataset& dataset) noexcept {
  const bool is_text = dataset.type->kind == hdf5::Class::kVariable && dataset.type->is_text;
  return dataset.space.is_null || (dataset.type->has_variable() && !is_text);
}

class Reader {
 public:
  Reader(ModelBuilder& builder, const Hdf5File& file, const SharedText& name, const Limits& limits, std::uint32_t first)
      : builder_(builder),
        arena_(*builder.arena),
        file_(file),
        values_(file, *builder.arena),
        name_(name),
        limits_(limits),
        first_(first) {
    read_.resize(file.objects().size());
  }

  Result<Hdf5Contents> run() {
    contents_.attributes = arena_.dict();
    HOLDALL_TRY(note_attributes(file_.root(), contents_.attributes));
    HOLDALL_ASSIGN(contents_.tree, group(0, "", 0));
    return std::move(contents_);
  }

 private:
  struct Read {
    NodeId group = kNoNode;        // its dict
    std::optional<Tensor> tensor;  // of a data set that was met already
  };

  Result<NodeId> group(std::uint32_t object, const std::string& path, std::uint32_t depth) {
    if (depth > limits_.depth) return over_limit(text("groups are nested deeper than {}", limits_.depth)).in(name_.str());
    const NodeId dict = arena_.dict();
    read_[object].group = dict;
    for (const Hdf5Link& link : file_.objects()[object].links) {
      const std::string own = path.empty() ? link.name : path + "/" + link.name;
      if (link.kind == Hdf5Link::Kind::kExternal) {
        return unsupported(text("'{}' is a link to another file ({}), which is not followed", own, link.target))
            .in(name_.str());
      }
      if (link.object == Hdf5Link::kNowhere) {
        builder_.warnings.push_back(text("the link '{}' leads nowhere: {}", own, link.target));
        builder_.left_out.push_back(text("the link '{}'", own));
        continue;
      }
      HOLDALL_ASSIGN(const NodeId node, linked(link.object, own, depth));
      if (node != kNoNode) arena_.set_item(dict, key(link.name), node);
    }
    return dict;
  }

  Result<NodeId> linked(std::uint32_t index, const std::string& path, std::uint32_t depth) {
    const Hdf5Object& object = file_.objects()[index];
    if (object.kind == Hdf5Object::Kind::kGroup && read_[index].group != kNoNode) return read_[index].group;
    if (!object.attributes.empty()) {
      const NodeId own = arena_.dict();
      HOLDALL_TRY(note_attributes(object, own));
      if (arena_.at(own).size() > 0) arena_.set_item(contents_.attributes, key("/" + path), own);
    }
    if (object.kind == Hdf5Object::Kind::kGroup) return group(index, path, depth + 1);
    if (object.kind == Hdf5Object::Kind::kType) {
      builder_.left_out.push_back(text("the named type '{}'", path));
      return kNoNode;
    }
    return dataset(index, path);
  }

  Result<NodeId> dataset(std::uint32_t index, const std::string& path) {
    const Hdf5Object& object = file_.objects()[index];
    if (is_left_out(*object.dataset)) {
      builder_.left_out.push_back(
          text("the data set '{}' of {}", path, object.dataset->space.is_null ? "no elements" : "rows of variable length"));
      return kNoNode;
    }
    Read& read = read_[index];
    if (!read.tensor) {
      auto made = tensor_of(file_, *object.dataset, path);
      if (!made) return std::move(made).error().in(name_.str()).with(text("data set '{}'", path));
      HOLDALL_ASSIGN(read.tensor, marked(object, *std::move(made)));
      // Texts of variable length are in memory from here on.
      if (object.dataset->type->kind == hdf5::Class::kVariable) texts_ += read.tensor->bytes();
      if (texts_ > limits_.value_bytes) return over_limit("texts take too much memory").in(name_.str());
    }
    if (contents_.tensors.size() >= limits_.tensors) return over_limit(text("more than {} data sets", limits_.tensors));
    const auto place = static_cast<std::uint32_t>(contents_.tensors.size());
    contents_.tensors.push_back({path, *read.tensor, place, name_});
    return arena_.tensor({.index = first_ + place});
  }

  // Two opaque bytes are a bfloat16 where Keras marks them so, and in its older files, where it does not: no other dtype of
  // Keras is stored in that way.
  Result<Tensor> marked(const Hdf5Object& object, Tensor tensor) const {
    const hdf5::Type& type = *object.dataset->type;
    if (type.kind != hdf5::Class::kOpaque || type.size != 2 || !type.tag.empty()) return tensor;
    const hdf5::Attribute* attribute = object.attribute("dtype");
    bool is_bfloat = attribute == nullptr && is_keras_;
    if (attribute != nullptr) {
      Arena scratch;
      HOLDALL_ASSIGN(const NodeId said, Hdf5Values(file_, scratch).of(*attribute));
      is_bfloat = scratch.at(said).is(ValueKind::kString) && scratch.at(said).as_string() == "bfloat16";
    }
    return is_bfloat ? Tensor::dense(DType::kBFloat16, tensor.shape(), tensor.storage()) : tensor;
  }

  NodeId key(std::string_view text) { return is_utf8(text) ? arena_.string(text) : arena_.bytes(text); }

  // Attributes as they are, but that Keras's lists in pieces ("weight_names0", "weight_names1") are put together.
  Status note_attributes(const Hdf5Object& object, NodeId dict) {
    for (const hdf5::Attribute& attribute : object.attributes) {
      const bool is_mark = object.dataset != nullptr && attribute.name == "dtype";
      if (is_mark && object.dataset->type->kind == hdf5::Class::kOpaque) continue;
      HOLDALL_ASSIGN(const NodeId value, values_.of(attribute));
      arena_.set_item(dict, key(attribute.name), value);
    }
    if (arena_.memory() > limits_.value_bytes) return over_limit("attributes take too much memory").in(name_.str());
    for (const std::string_view list : {"layer_names", "weight_names"}) {
      if (arena_.at(dict).find(list) || !arena_.at(dict).find(text("{}0", list))) continue;
      const NodeId joined = arena_.list();
      for (std::size_t i = 0; const Value piece = arena_.at(dict).find(text("{}{}", list, i)); ++i) {
        for (std::size_t j = 0; piece.is(ValueKind::kList) && j < piece.size(); ++j) arena_.append(joined, piece.item(j).id());
      }
      arena_.set_item(dict, list, joined);
    }
    return {};
  }

  ModelBuilder& builder_;
  Arena& arena_;
  const Hdf5File& file_;
  Hdf5Values values_;
  const SharedText& name_;
  const Limits& limits_;
  std::uint32_t first_;
  bool is_keras_ = file_.root().attribute("model_config") != nullptr || file_.root().attribute("keras_version") != nullptr ||
                   has_keras_variables(file_);
  std::vector<Read> read_;   // by object
  std::uint64_t texts_ = 0;  // bytes
  Hdf5Contents contents_;
};

}  // namespace

Result<Hdf5Contents> read_hdf5(ModelBuilder& builder, const Hdf5File& file, const SharedText& name, const Limits& limits,
                               std::uint32_t first) {
  return Reader(builder, file, name, limits, first).run();
}

std::string describe_hdf5(const Hdf5File& file) {
  const std::string user = file.user_block() == 0 ? "" : text(", user block of {} bytes", file.user_block());
  return text("HDF5 superblock {}{}", file.superblock(), user);
}

bool has_keras_variables(const Hdf5File& file) noexcept {
  const Hdf5Object& root = file.root();
  for (const char* name : {"layer_names", "layer_names0", "model_config"})
    if (root.attribute(name) != nullptr) return false;
  return std::any_of(file.objects().begin(), file.objects().end(), [&](const Hdf5Object& object) {
    const Hdf5Link* link = object.link("vars");
    return link != nullptr && link->object != Hdf5Link::kNowhere &&
           file.objects()[link->object].kind == Hdf5Object::Kind::kGroup;
  });
}

bool looks_like_hdf5(Peek& peek) {
  if (peek.is_folder()) return false;
  if (Hdf5File::find_superblock(peek.head())) return true;
  // Behind a larger user block.
  for (std::uint64_t at = 4'096; at <= kLargestUserBlock && fits(at, 8, peek.size()); at *= 2) {
    std::array<std::byte, 8> found{};
    if (!peek.bundle().main()->random_access() || !peek.bundle().main()->read_at(at, found)) return false;
    if (Hdf5File::find_superblock(found)) return true;
  }
  return false;
}

std::shared_ptr<const Hdf5File> peek_hdf5(Peek& peek) {
  if (!looks_like_hdf5(peek)) return nullptr;
  auto file = Hdf5File::open(peek.bundle(), peek.limits());
  return file ? *std::move(file) : nullptr;
}

NodeId keras_layer_names(Arena& arena, Value attributes) {
  constexpr std::string_view kVars = "/vars";
  const NodeId names = arena.dict();
  for (std::size_t i = 0; i < attributes.size(); ++i) {
    const Value key = attributes.key(i);
    if (!key.is(ValueKind::kString) || !key.as_string().ends_with(kVars)) continue;
    const auto name = attributes.mapped(i).find_string("name");
    if (!name) continue;
    // The group "/layers/dense/vars" belongs to the layer at "layers/dense", "/vars" to the model itself.
    std::string path(key.as_string().substr(0, key.as_string().size() - kVars.size()));
    if (!path.empty()) path.erase(0, 1);
    arena.set_item(names, path, arena.string(std::string(*name)));
  }
  return names;
}

Status verify_hdf5(const Hdf5File& file, const Context& context, Faults& faults) {
  std::vector<std::optional<Error>> errors(file.objects().size());
  HOLDALL_TRY(parallel_for(file.objects().size(), worker_count(), [&](std::uint64_t i) -> Status {
    const Hdf5Object& object = file.objects()[i];
    // Only chunks have anything that could fail to hold; all else was checked when the file was opened.
    if (object.dataset == nullptr || object.dataset->layout.kind != hdf5::Layout::Kind::kChunked) return {};
    if (is_left_out(*object.dataset)) return {};
    const auto advance = [&](std::uint64_t, std::span<const std::byte> piece) { return context.advance(piece.size()); };
    const auto data = file.data(*object.dataset, text("@{}", object.address));
    const Status read = data ? for_each_tile(*data, kTile, advance) : Status(data.error());
    if (read) return {};
    if (read.error().code() == Code::kCancelled) return read;
    errors[i] = read.error();
    return {};
  }));
  for (const auto& error : errors)
    if (error) faults.add(*error);
  return {};
}

void judge_hdf5(const Hdf5File& file, Findings& findings) {
  const auto tell = [&](const Hdf5Object& object, Rule rule, std::string what) {
    findings.push_back({Verdict::kCode, rule, text("{}@{}", file.source()->name(), object.address), std::move(what)});
  };
  for (const Hdf5Object& object : file.objects()) {
    for (const Hdf5Link& link : object.links) {
      if (link.kind != Hdf5Link::Kind::kExternal) continue;
      tell(object, Rule::kHdf5ExternalLink, text("the link '{}' has its reader open another file: {}", link.name, link.target));
    }
    if (object.dataset == nullptr) continue;
    if (object.dataset->is_external) {
      tell(object, Rule::kHdf5ExternalStorage, "a data set has its reader read other files as its data");
    }
    if (object.dataset->layout.kind == hdf5::Layout::Kind::kVirtual) {
      tell(object, Rule::kHdf5VirtualDataset, "a virtual data set has its reader take data from other files");
    }
  }
}

}  // namespace holdall
