#include "holdall/formats/tree_metadata.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"
#include "holdall/codec/document.h"

namespace holdall {
namespace {

constexpr std::size_t kDigits = 32;
constexpr std::uint32_t kNone = UINT32_MAX;
// Bytes values beyond this have no place in a document that readers hold in memory at once.
constexpr std::uint64_t kMostBinary = 50'000'000;

// What the document says about one tensor's memory: the entry whose memory it shows, and how.
struct Tie {
  std::uint32_t base = 0;
  bool same = false;
  std::uint64_t offset = 0;  // in elements from the base's first
};

struct Ties {
  std::unordered_map<std::uint32_t, Tie> by_entry;
  std::vector<Loss> losses;
};

bool is_plain(const Tensor& tensor) { return !tensor.layout().conjugate && !tensor.layout().negative; }

// Whether `tensor` is a view of the dense `base`, which holds every byte that it touches.
std::optional<Tie> tie_to(const Tensor& base, std::uint32_t base_entry, const Tensor& tensor) {
  if (!base.is_dense() || base.dtype() != tensor.dtype() || !is_plain(tensor)) return std::nullopt;
  const auto [begin, end] = tensor.span_in_storage();
  const auto [base_begin, base_end] = base.span_in_storage();
  if (begin < base_begin || end > base_end || tensor.layout().offset < base.layout().offset) return std::nullopt;
  return Tie{base_entry, false, tensor.layout().offset - base.layout().offset};
}

// Sweeps the tensors of one storage by where they start: each belongs to the base that covers it, or becomes a base itself.
void tie_group(const Model& model, std::vector<std::uint32_t> group, Ties& ties) {
  const auto& entries = model.tensors();
  const auto order = [&](std::uint32_t a, std::uint32_t b) {
    const Tensor& x = entries[a].tensor;
    const Tensor& y = entries[b].tensor;
    const auto [x_begin, x_end] = x.span_in_storage();
    const auto [y_begin, y_end] = y.span_in_storage();
    return std::tuple(x_begin, y_end, !x.is_dense(), a) < std::tuple(y_begin, x_end, !y.is_dense(), b);
  };
  std::sort(group.begin(), group.end(), order);
  std::uint32_t base = group.front();
  for (std::size_t i = 1; i < group.size(); ++i) {
    const Tensor& tensor = entries[group[i]].tensor;
    const Tensor& covering = entries[base].tensor;
    if (tensor.span_in_storage().first >= covering.span_in_storage().second) {
      base = group[i];
    } else if (const auto tie = tie_to(covering, base, tensor)) {
      ties.by_entry.emplace(group[i], *tie);
    } else {
      ties.losses.push_back({entries[group[i]].name,
                             text("the memory that it shares in part with '{}' (its values are kept)", entries[base].name)});
    }
  }
}

// Whether two entries show the same elements of the same memory in the same order.
bool is_same_view(const NamedTensor& a, const NamedTensor& b) {
  if (a.index == b.index) return true;
  const Tensor& x = a.tensor;
  const Tensor& y = b.tensor;
  return x.storage() == y.storage() && x.dtype() == y.dtype() && x.shape() == y.shape() && x.strides() == y.strides() &&
         x.layout().offset == y.layout().offset && is_plain(x) && is_plain(y);
}

// The tensors of one storage that are not the same view as one before them.
struct Group {
  std::vector<std::uint32_t> entries;
  NumberMap<std::vector<std::uint32_t>> by_offset;
};

// By entry: whether another shares its storage, as most do not.
std::vector<bool> shared_storages(const Model& model) {
  std::vector<bool> shared(model.tensors().size());
  for (std::size_t i = 0; i < shared.size(); ++i) {
    const NamedTensor* first = model.shares_with(i);
    if (first == nullptr) continue;
    shared[i] = true;
    shared[static_cast<std::size_t>(first - model.tensors().data())] = true;
  }
  return shared;
}

Ties find_ties(const Model& model, std::span<const StoredAs> stored, bool views) {
  const auto& entries = model.tensors();
  std::unordered_map<const Storage*, Group> groups;
  std::vector<std::uint32_t> first_of_index(entries.size(), kNone);
  std::vector<const Storage*> order;
  const std::vector<bool> is_shared = shared_storages(model);
  Ties ties;
  for (const StoredAs& as : stored) {
    const NamedTensor& entry = entries[as.entry];
    if (entry.index >= first_of_index.size()) first_of_index.resize(entry.index + 1, kNone);
    if (first_of_index[entry.index] != kNone) {
      ties.by_entry.emplace(as.entry, Tie{first_of_index[entry.index], true, 0});
      continue;
    }
    first_of_index[entry.index] = as.entry;
    if (!views || !is_shared[as.entry] || entry.tensor.bytes() == 0) continue;
    Group& group = groups[entry.tensor.storage().get()];
    if (group.entries.empty()) order.push_back(entry.tensor.storage().get());
    auto& candidates = group.by_offset[entry.tensor.layout().offset];
    const auto same = std::find_if(candidates.begin(), candidates.end(),
                                   [&](std::uint32_t other) { return is_same_view(entries[other], entry); });
    if (same != candidates.end()) {
      ties.by_entry.emplace(as.entry, Tie{*same, true, 0});
      continue;
    }
    group.entries.push_back(as.entry);
    candidates.push_back(as.entry);
  }
  for (const Storage* storage : order)
    if (groups[storage].entries.size() > 1) tie_group(model, std::move(groups[storage].entries), ties);
  return ties;
}

// Whether the tree says no more than the names in the order of the container.
bool is_trivial(const Model& model, std::span<const StoredAs> stored) {
  const Value tree = model.tree();
  if (!tree.is(ValueKind::kDict) || tree.size() != model.tensors().size() || stored.size() != tree.size()) return false;
  for (std::size_t i = 0; i < tree.size(); ++i) {
    const NamedTensor& entry = model.tensors()[i];
    const Value key = tree.key(i);
    const Value node = tree.mapped(i);
    if (stored[i].entry != i || !key.is(ValueKind::kString) || key.as_string() != entry.name || !node.is(ValueKind::kTensor)) {
      return false;
    }
    const TensorNode& tensor = node.as_tensor();
    if (tensor.index != entry.index || tensor.parameter || tensor.requires_grad || tensor.attributes != kNoNode) return false;
  }
  return true;
}

// Bytes of binary values in the arena, an upper bound of those in the tree.
std::uint64_t binary_bytes(const Model& model) {
  std::uint64_t total = 0;
  for (NodeId id = 0; id < model.arena().size(); ++id) {
    const Value value = model.arena().at(id);
    if (value.is(ValueKind::kBytes)) total += value.bytes_size();
  }
  return total;
}

class TreeWriter {
 public:
  TreeWriter(const Model& model, std::span<const StoredAs> stored, const TreeOptions& options)
      : model_(model), stored_(stored), options_(options) {}

  Result<TreeText> run() {
    json_.begin_object().key("version").integer(1);
    const std::size_t empty = json_.text().size();
    if (options_.scope == TreeOptions::Scope::kAll) {
      HOLDALL_TRY(write_values());
      write_tensors();
    }
    if (json_.text().size() == empty && !(options_.checksums && !stored_.empty())) return std::move(text_);
    if (!options_.framework.empty()) json_.key("framework").string(options_.framework);
    finish();
    return std::move(text_);
  }

 private:
  Status write_values() {
    // A name for every index that the tree may hold: of the first stored entry, else of the first entry there is.
    for (const StoredAs& as : stored_) names_.emplace(model_.tensors()[as.entry].index, model_.tensors()[as.entry].name);
    for (const NamedTensor& entry : model_.tensors()) {
      if (names_.emplace(entry.index, entry.name).second) lost_.push_back(entry.name);
    }
    const bool has_metadata = options_.metadata && model_.metadata().size() != 0;
    const bool has_config = options_.config && model_.config() && !model_.config().is_null();
    const bool has_tree = !is_trivial(model_, stored_);
    if (!has_tree && !has_metadata && !has_config) return {};
    if (const std::uint64_t binary = binary_bytes(model_); binary > kMostBinary) {
      text_.losses.push_back(
          {"tree", text("{} bytes of binary values, more than the {} that {} may hold", binary, kMostBinary, kTreeKey)});
      return {};
    }
    if (has_tree) {
      const bool is_whole = stored_.size() == model_.tensors().size();
      const bool by_tree = model_.is_named_by_tree() && (is_whole || names_hold());
      json_.key("names").string(by_tree ? "tree" : "flat").key("tree");
      HOLDALL_TRY(write_value(model_.tree()));
      if (!lost_.empty()) write_lost();
    }
    if (has_metadata) {
      json_.key("metadata");
      HOLDALL_TRY(write_value(model_.metadata()));
    }
    if (has_config) {
      json_.key("config");
      HOLDALL_TRY(write_value(model_.config()));
    }
    return {};
  }

  Status write_value(Value value) {
    return write_document(json_, value, [this](std::uint32_t index) -> std::string_view { return names_[index]; });
  }

  // Whether the tree, once the lost tensors and what is said of them are null, gives each stored tensor its name again.
  bool names_hold() const {
    std::unordered_map<std::uint32_t, bool> is_stored;
    for (const StoredAs& as : stored_) is_stored[model_.tensors()[as.entry].index] = true;
    ModelBuilder builder(model_.arena().clone());
    builder.tree = model_.tree().id();
    Arena& arena = *builder.arena;
    for (NodeId id = 0; id < arena.size(); ++id) {
      const Value value = arena.at(id);
      if (value.is(ValueKind::kTensor) && !is_stored.contains(value.as_tensor().index)) arena.replace(id, arena.null());
    }
    for (const NamedTensor& entry : model_.tensors())
      while (entry.index >= builder.entries().size()) builder.add(entry.tensor);
    const auto named = std::move(builder).named_by_tree();
    if (!named || named->tensors().size() != stored_.size()) return false;
    return std::all_of(stored_.begin(), stored_.end(),
                       [&](const StoredAs& as) { return named->find(model_.tensors()[as.entry].name) != nullptr; });
  }

  void write_lost() {
    json_.key("lost").begin_array();
    for (const std::string& name : lost_) json_.string(name);
    json_.end_array();
  }

  void write_tensors() {
    Ties ties = find_ties(model_, stored_, options_.views);
    text_.losses.insert(text_.losses.end(), ties.losses.begin(), ties.losses.end());
    bool any = false;
    for (const StoredAs& as : stored_) {
      const NamedTensor& entry = model_.tensors()[as.entry];
      const auto tie = ties.by_entry.find(as.entry);
      const bool other = as.dtype != entry.tensor.dtype() || as.shape != entry.tensor.shape();
      const bool says_logical = !as.keeps_logical && !entry.tensor.logical().empty();
      if (tie == ties.by_entry.end() && !other && !says_logical) continue;
      if (!any) json_.key("tensors").begin_object();
      any = true;
      json_.key(entry.name).begin_object();
      if (tie != ties.by_entry.end()) write_tie(entry.tensor, tie->second);
      if (other) {
        json_.key("dtype").string(name(entry.tensor.dtype())).key("shape").begin_array();
        for (const std::uint64_t size : entry.tensor.shape()) json_.unsigned_integer(size);
        json_.end_array();
      }
      if (says_logical) json_.key("logical").string(entry.tensor.logical());
      json_.end_object();
    }
    if (any) json_.end_object();
  }

  void write_tie(const Tensor& tensor, const Tie& tie) {
    json_.key(tie.same ? "same" : "view").string(model_.tensors()[tie.base].name);
    if (tie.same) return;
    json_.key("offset").unsigned_integer(tie.offset).key("strides").begin_array();
    for (const std::int64_t stride : tensor.strides()) json_.integer(stride);
    json_.end_array();
  }

  void finish() {
    std::vector<std::size_t> by_name(stored_.size());
    std::iota(by_name.begin(), by_name.end(), std::size_t{0});
    const auto name_of = [&](std::size_t i) -> const std::string& { return model_.tensors()[stored_[i].entry].name; };
    std::sort(by_name.begin(), by_name.end(), [&](std::size_t a, std::size_t b) { return name_of(a) < name_of(b); });
    for (const std::size_t i : by_name) text_.table += tree_table_line(name_of(i), stored_[i].dtype, stored_[i].shape);
    if (options_.checksums && !stored_.empty()) {
      json_.key("xxh3").string(std::string(kDigits * stored_.size(), '0'));
      const std::size_t first = json_.text().size() - 1 - kDigits * stored_.size();
      text_.checksums.resize(stored_.size());
      for (std::size_t rank = 0; rank < by_name.size(); ++rank) text_.checksums[by_name[rank]] = first + kDigits * rank;
    }
    json_.key("seal").string(std::string(kDigits, '0')).end_object();
    text_.json = std::move(json_).take();
  }

  const Model& model_;
  std::span<const StoredAs> stored_;
  const TreeOptions& options_;
  JsonWriter json_;
  TreeText text_;
  std::unordered_map<std::uint32_t, std::string> names_;  // by TensorNode::index
  std::vector<std::string> lost_;
};

}  // namespace

std::string tree_table_line(std::string_view name, DType dtype, std::span<const std::uint64_t> shape) {
  std::string line(name);
  line += '\0';
  line += holdall::name(dtype);
  line += '\0';
  return line + to_string(shape) + '\n';
}

bool looks_like_tree(std::string_view text) noexcept {
  constexpr std::string_view kSeal = ",\"seal\":\"";
  const std::size_t tail = kSeal.size() + kDigits + 2;
  return text.starts_with("{\"version\":") && text.size() > tail && text.ends_with("\"}") &&
         text.substr(text.size() - tail, kSeal.size()) == kSeal;
}

std::string tree_seal(std::string_view table, std::string_view json) {
  Xxh3 hasher;
  hasher.update(as_bytes(table));
  hasher.update(as_bytes(json));
  return to_hex(hasher.finish());
}

std::string TreeText::finished(std::span<const Xxh128> hashes) const {
  std::string text = json;
  for (std::size_t i = 0; i < hashes.size(); ++i) text.replace(checksums[i], kDigits, to_hex(hashes[i]));
  if (text.empty()) return text;
  const std::size_t digits = text.size() - kDigits - 2;  // before `"}`
  text.replace(digits, kDigits, tree_seal(table, std::string_view(text).substr(0, digits)));
  return text;
}

Part tree_part(TreeText tree, std::vector<PartId> parts, TreeSpelling spelled) {
  const auto spell = [spelled](std::string text) { return spelled == nullptr ? text : spelled(text); };
  if (tree.checksums.empty()) return Part{Part::Literal{Bytes::adopt(spell(tree.finished({})))}};
  const std::uint64_t size = spell(tree.json).size();
  auto shared = std::make_shared<const TreeText>(std::move(tree));
  const auto make = [shared, parts, spell](std::span<const Written> written, std::span<std::byte> out) -> Status {
    std::vector<Xxh128> hashes;
    for (const PartId part : parts) hashes.push_back(written[part].xxh3);
    const std::string made = spell(shared->finished(hashes));
    if (made.size() != out.size()) return internal("holdall.tree changed its length");
    std::copy_n(as_bytes(made).begin(), made.size(), out.begin());
    return {};
  };
  return Part{Part::Late{size, std::move(parts), make}};
}

Result<TreeText> write_tree(const Model& model, std::span<const StoredAs> stored, const TreeOptions& options) {
  return TreeWriter(model, stored, options).run();
}

}  // namespace holdall
