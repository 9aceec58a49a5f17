#include <algorithm>
#include <numeric>
#include <utility>

#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"
#include "holdall/codec/document.h"
#include "holdall/formats/tree_metadata.h"
#include "holdall/io/parallel.h"

namespace holdall {
namespace {

constexpr std::size_t kDigits = 32;
constexpr std::uint32_t kLost = UINT32_MAX;

std::optional<Xxh128> from_hex(std::string_view digits) {
  Xxh128 hash;
  for (std::size_t i = 0; i < kDigits; ++i) {
    const char c = digits[i];
    const bool is_letter = c >= 'a' && c <= 'f';
    if (!is_letter && (c < '0' || c > '9')) return std::nullopt;
    std::uint64_t& half = i < kDigits / 2 ? hash.high : hash.low;
    half = half << 4 | static_cast<std::uint64_t>(is_letter ? c - 'a' + 10 : c - '0');
  }
  return hash;
}

Result<std::uint64_t> unsigned_item(Value value, std::string_view what) {
  if (!value.is(ValueKind::kInt) || value.as_int() < 0) return corrupt(text("'{}' holds what is no size", what));
  return static_cast<std::uint64_t>(value.as_int());
}

// A holdall.tree text against the tensors of its container.
class Restorer {
 public:
  Restorer(Arena& arena, const std::vector<StoredTensor>& stored, std::string_view json, const Limits& limits)
      : arena_(arena), stored_(stored), json_(json), limits_(limits) {
    const auto hash_of = [&](std::uint32_t i) { return keyed_hash(stored[i].name); };
    for (std::uint32_t i = 0; i < stored.size(); ++i) by_name_.add(hash_of(i), i, hash_of);
    by_rank_.resize(stored.size());
    std::iota(by_rank_.begin(), by_rank_.end(), 0u);
    std::sort(by_rank_.begin(), by_rank_.end(), [&](auto a, auto b) { return stored_[a].name < stored_[b].name; });
  }

  // Parses the text and checks version, keys and seal.
  Status open() {
    HOLDALL_TRY(check_seal());
    JsonOptions options;
    options.depth = kDocumentLevels * limits_.depth + 8;
    options.surrogates = JsonOptions::Surrogates::kBytes;
    options.value_bytes = limits_.value_bytes;
    HOLDALL_ASSIGN(const NodeId node, parse_json(arena_, json_, options));
    root_ = arena_.at(node);
    if (root_.find_int("version") != 1) return unsupported("its version is not 1");
    static constexpr std::string_view kKeys[] = {"version", "names", "tree",      "metadata", "config",
                                                 "tensors", "lost",  "framework", "xxh3",     "seal"};
    for (std::size_t i = 0; i < root_.size(); ++i) {
      if (std::find(std::begin(kKeys), std::end(kKeys), root_.key(i).as_string()) == std::end(kKeys)) {
        return unsupported(text("its key '{}' is not known", root_.key(i).as_string()));
      }
    }
    return {};
  }

  // Whose tensors they are; the entry of the container's metadata that says so only for others is taken out.
  void framework(ModelBuilder& builder) {
    const auto framework = root_.find_string("framework");
    if (!framework) return;
    builder.origin.framework = *framework;
    if (builder.metadata == kNoNode || arena_.at(builder.metadata).find_string("format") != framework) return;
    const Value metadata = arena_.at(builder.metadata);
    builder.metadata = arena_.dict();
    for (std::size_t i = 0; i < metadata.size(); ++i) {
      const Value key = metadata.key(i);
      if (!key.is(ValueKind::kString) || key.as_string() != "format")
        arena_.set_item(builder.metadata, key.id(), metadata.mapped(i).id());
    }
  }

  // The checksum of every stored tensor, in their order; empty without checksums.
  Result<std::vector<Xxh128>> checksums() const {
    std::vector<Xxh128> hashes;
    const Value digits = root_.find("xxh3");
    if (!digits) return hashes;
    if (!digits.is(ValueKind::kString) || digits.as_string().size() != kDigits * stored_.size()) {
      return corrupt(text("its checksums are not {} times 32 digits", stored_.size()));
    }
    hashes.resize(stored_.size());
    for (std::size_t rank = 0; rank < by_rank_.size(); ++rank) {
      const auto hash = from_hex(digits.as_string().substr(kDigits * rank, kDigits));
      if (!hash) return corrupt("its checksums are not hexadecimal");
      hashes[by_rank_[rank]] = *hash;
    }
    return hashes;
  }

  // The stored tensors with their meaning, sharing and checks.
  Result<std::vector<Tensor>> tensors() {
    HOLDALL_ASSIGN(const std::vector<Xxh128> hashes, checksums());
    const Value notes = root_.find("tensors");
    std::vector<Tensor> tensors;
    for (const StoredTensor& each : stored_) {
      HOLDALL_ASSIGN(Tensor tensor, with_meaning(each.tensor, notes.find(each.name)));
      tensors.push_back(std::move(tensor));
    }
    // Views first: a tensor may be the same as a view.
    for (const std::string_view how : {"view", "same"}) {
      for (std::size_t i = 0; i < stored_.size(); ++i) {
        const Value note = notes.find(stored_[i].name);
        if (!note.find(how)) continue;
        HOLDALL_ASSIGN(tensors[i], tied(tensors, notes, note, i));
      }
    }
    for (std::size_t i = 0; i < hashes.size(); ++i) tensors[i] = tensors[i].with_data_check(hashes[i]);
    return tensors;
  }

  // Sets tree, metadata and config of the builder. Returns whether the names come from the tree.
  Result<bool> values(ModelBuilder& builder) {
    const std::size_t first = arena_.size();
    for (const auto& [key, place] :
         {std::pair(std::string_view("tree"), &builder.tree), {"metadata", &builder.metadata}, {"config", &builder.config}}) {
      const Value document = root_.find(key);
      if (!document) continue;
      HOLDALL_ASSIGN(*place,
                     read_document(arena_, document, [this](std::string_view name) { return index_of(name); }, limits_.depth));
    }
    if (builder.metadata != kNoNode && !arena_.at(builder.metadata).is(ValueKind::kDict))
      return corrupt("its metadata is no dict");
    for (NodeId id = static_cast<NodeId>(first); id < arena_.size(); ++id) {
      const Value value = arena_.at(id);
      if (value.is(ValueKind::kTensor) && value.as_tensor().index == kLost) arena_.replace(id, arena_.null());
    }
    return root_.find_string("names") == "tree";
  }

  // Whether every name of the model is that of a stored tensor, which is the one it stands for or tied to it, and none is
  // missing.
  Status check_names(const Model& model) const {
    if (model.tensors().size() != stored_.size()) {
      return corrupt(text("its tree names {} tensors, the container holds {}", model.tensors().size(), stored_.size()));
    }
    for (const NamedTensor& entry : model.tensors()) {
      const std::uint32_t place = place_of(entry.name);
      if (place == HashIndex::kNone) return corrupt(text("its tree names a tensor '{}' that is not there", entry.name));
      if (place == entry.index) continue;
      const auto same = root_.find("tensors").find(entry.name).find_string("same");
      if (same != std::string_view(stored_[entry.index].name)) {
        return corrupt(text("its tree shows '{}' under the name '{}'", stored_[entry.index].name, entry.name));
      }
    }
    return {};
  }

 private:
  Status check_seal() const {
    static constexpr std::string_view kBefore = ",\"seal\":\"";
    const std::size_t after = kDigits + 2;
    if (json_.size() < kBefore.size() + after || !json_.ends_with("\"}")) return corrupt("it has no seal");
    const std::size_t digits = json_.size() - after;
    if (json_.substr(digits - kBefore.size(), kBefore.size()) != kBefore) return corrupt("it has no seal");
    std::string table;
    for (const std::uint32_t i : by_rank_) {
      table += tree_table_line(stored_[i].name, stored_[i].tensor.dtype(), stored_[i].tensor.shape());
    }
    if (tree_seal(table, json_.substr(0, digits)) != json_.substr(digits, kDigits)) {
      return corrupt("its seal does not hold: names, dtypes, shapes or the tree were changed since");
    }
    return {};
  }

  std::uint32_t place_of(std::string_view name) const {
    return by_name_.find(keyed_hash(name), [&](std::uint32_t i) { return stored_[i].name == name; });
  }

  Result<std::uint32_t> index_of(std::string_view name) const {
    if (const std::uint32_t place = place_of(name); place != HashIndex::kNone) return place;
    const Value lost = root_.find("lost");
    for (std::size_t i = 0; lost.is(ValueKind::kList) && i < lost.size(); ++i) {
      if (lost.item(i).is(ValueKind::kString) && lost.item(i).as_string() == name) return kLost;
    }
    return corrupt(text("its tree holds a tensor '{}' that is not there", name));
  }

  static Result<Shape> shape_of(Value list) {
    Shape shape;
    if (!list.is(ValueKind::kList)) return corrupt("a 'shape' is no array");
    for (std::size_t i = 0; i < list.size(); ++i) {
      HOLDALL_ASSIGN(const std::uint64_t size, unsigned_item(list.item(i), "shape"));
      shape.push_back(size);
    }
    return shape;
  }

  static Result<Tensor> with_meaning(const Tensor& stored, Value note) {
    Tensor tensor = stored;
    const std::string logical(note.find_string("logical").value_or(""));
    if (const auto named = note.find_string("dtype")) {
      const auto dtype = dtype_named(*named);
      if (!dtype) return unsupported(text("its dtype '{}' is not known", *named));
      HOLDALL_ASSIGN(Shape shape, shape_of(note.find("shape")));
      HOLDALL_ASSIGN(Blob data, stored.data());
      HOLDALL_ASSIGN(tensor, remade(*dtype, std::move(shape), std::move(data), logical));
    }
    return logical.empty() ? tensor : tensor.with_logical(logical);
  }

  static Result<Tensor> remade(DType dtype, Shape shape, Blob data, const std::string& logical) {
    if (dtype == DType::kString) return Tensor::strings(std::move(shape), std::move(data));
    if (dtype != DType::kRecord) return Tensor::dense(dtype, std::move(shape), std::move(data));
    HOLDALL_ASSIGN(const std::uint64_t count, element_count(shape));
    return Tensor::records(std::move(shape), count == 0 ? 0 : data.size() / count, std::move(data), logical);
  }

  // Tensor i in the memory of another: the same as one that is the same as no other, or a view of one that is tied to none.
  Result<Tensor> tied(const std::vector<Tensor>& tensors, Value notes, Value note, std::size_t i) const {
    const auto same = note.find_string("same");
    const auto base_name = same ? same : note.find_string("view");
    const std::uint32_t place = base_name ? place_of(*base_name) : HashIndex::kNone;
    if (place == HashIndex::kNone) return corrupt(text("'{}' is tied to a tensor that is not there", stored_[i].name));
    const Value base_note = notes.find(*base_name);
    const Tensor& base = tensors[place];
    const bool is_base = place != i && !base_note.find("same") && (same || !base_note.find("view"));
    if (!is_base || base.dtype() != tensors[i].dtype() || (same && base.shape() != tensors[i].shape())) {
      return corrupt(text("'{}' cannot be tied to '{}'", stored_[i].name, *base_name));
    }
    Tensor tensor = base;
    if (!same) {
      Tensor::View view;
      HOLDALL_ASSIGN(view.offset, unsigned_item(note.find("offset"), "offset"));
      const Value strides = note.find("strides");
      if (!strides.is(ValueKind::kList) || strides.size() != tensors[i].shape().size()) {
        return corrupt(text("the strides of '{}' are not one a dimension", stored_[i].name));
      }
      for (std::size_t d = 0; d < strides.size(); ++d) {
        if (!strides.item(d).is(ValueKind::kInt)) return corrupt(text("a stride of '{}' is no integer", stored_[i].name));
        view.strides.push_back(strides.item(d).as_int());
      }
      HOLDALL_ASSIGN(tensor, Tensor::view(base.dtype(), tensors[i].shape(), base.storage(), std::move(view)));
    }
    return tensors[i].logical().empty() ? tensor : tensor.with_logical(tensors[i].logical());
  }

  Arena& arena_;
  const std::vector<StoredTensor>& stored_;
  std::string_view json_;
  const Limits& limits_;
  Value root_;
  HashIndex by_name_;                   // indices of stored_
  std::vector<std::uint32_t> by_rank_;  // indices of stored_ by name in byte order
};

// The model with all that the text says. Errors: where the text is broken or does not fit.
Result<Model> restored(ModelBuilder builder, const std::vector<StoredTensor>& stored, std::string_view json,
                       const Limits& limits) {
  Restorer restorer(*builder.arena, stored, json, limits);
  HOLDALL_TRY(restorer.open());
  restorer.framework(builder);
  HOLDALL_ASSIGN(std::vector<Tensor> tensors, restorer.tensors());
  std::vector<std::string> names;
  for (std::size_t i = 0; i < stored.size(); ++i) {
    builder.add(std::move(tensors[i]), stored[i].file);
    names.push_back(stored[i].name);
  }
  HOLDALL_ASSIGN(const bool by_tree, restorer.values(builder));
  if (!by_tree || builder.tree == kNoNode) return std::move(builder).named(std::move(names));
  HOLDALL_ASSIGN(Model model, std::move(builder).named_by_tree());
  HOLDALL_TRY(restorer.check_names(model));
  return model;
}

}  // namespace

Result<Model> restore_tree(ModelBuilder builder, std::vector<StoredTensor> stored, std::string_view json,
                           const Limits& limits) {
  if (!json.empty()) {
    auto model = restored(builder, stored, json, limits);
    if (model) return model;
    builder.warnings.push_back(text("{} is not used, the tensors are shown without it: {}", kTreeKey, model.error().message()));
  }
  return std::move(builder).with_named(std::move(stored));
}

void verify_tree(const std::vector<StoredTensor>& stored, std::string_view json, const Context& context, Faults& faults) {
  if (json.empty()) return;
  const auto fails = [&](Error error) { faults.add(std::move(error).with(std::string(kTreeKey))); };
  if (auto model = restored(ModelBuilder(), stored, json, context.limits); !model) return fails(std::move(model).error());
  Arena arena;
  Restorer restorer(arena, stored, json, context.limits);
  if (Status opened = restorer.open(); !opened) return fails(std::move(opened).error());
  const auto hashes = restorer.checksums();
  if (!hashes || hashes->empty()) return;
  // Several at a time; faults in the order of the tensors.
  std::vector<Status> results(stored.size());
  (void)parallel_for(stored.size(), worker_count(), [&](std::uint64_t i) -> Status {
    const auto advance = [&](std::uint64_t, std::span<const std::byte> piece) { return context.advance(piece.size()); };
    auto data = stored[i].tensor.with_data_check((*hashes)[i]).data();
    results[i] = data ? for_each_tile(*data, 1u << 20, advance) : Status(std::move(data).error());
    return {};
  });
  for (std::size_t i = 0; i < stored.size(); ++i) {
    ++faults.digests;
    if (!results[i]) faults.add(std::move(results[i]).error().with(text("tensor '{}'", stored[i].name)));
  }
}

}  // namespace holdall
