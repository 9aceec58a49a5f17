#include "holdall/core/model.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"

namespace holdall {

const NamedTensor* Model::find(std::string_view name) const noexcept {
  const auto found = by_name_.find(keyed_hash(name), [&](std::uint32_t i) { return tensors_[i].name == name; });
  return found == HashIndex::kNone ? nullptr : &tensors_[found];
}

Result<Tensor> Model::tensor(std::string_view name) const {
  if (const NamedTensor* entry = find(name)) return entry->tensor;
  std::vector<std::string> names;
  for (const NamedTensor& entry : tensors_) names.push_back(entry.name);
  const auto nearest = nearest_names(name, names);
  std::string message = text("there is no tensor '{}'", name);
  for (std::size_t i = 0; i < nearest.size(); ++i) {
    message += (i == 0 ? "; did you mean '" : "' or '") + nearest[i];
  }
  if (!nearest.empty()) message += "'?";
  return not_found(std::move(message)).in(origin_.path);
}

Result<Tensor> Model::tensor(Value place) const {
  if (place.is(ValueKind::kTensor) && &place.arena() == arena_.get()) {
    for (const NamedTensor& entry : tensors_)
      if (entry.index == place.as_tensor().index) return entry.tensor;
  }
  return not_found(place ? text("there is no tensor, but {}", name(place.kind())) : "there is no such place in the tree")
      .in(origin_.path);
}

std::uint64_t Model::parameters() const noexcept {
  std::uint64_t total = 0;
  const auto storage = [&](std::uint32_t i) { return tensors_[i].tensor.storage().get(); };
  const auto offset = [&](std::uint32_t i) { return tensors_[i].tensor.layout().offset; };
  const auto hash_of = [&](std::uint32_t i) {
    return keyed_hash(reinterpret_cast<std::uintptr_t>(storage(i)) + 0x9E3779B97F4A7C15u * offset(i));
  };
  HashIndex seen;
  for (std::uint32_t i = 0; i < tensors_.size(); ++i) {
    const std::uint64_t elements = tensors_[i].tensor.elements();
    if (elements == 0) continue;
    const auto is_same = [&](std::uint32_t j) { return storage(i) == storage(j) && offset(i) == offset(j); };
    if (seen.find(hash_of(i), is_same) != HashIndex::kNone) continue;
    seen.add(hash_of(i), i, hash_of);
    total += elements;
  }
  return total;
}

const NamedTensor* Model::shares_with(std::size_t i) const noexcept {
  return shares_[i] == i ? nullptr : &tensors_[shares_[i]];
}

std::uint32_t ModelBuilder::add(Tensor tensor, SharedText file) {
  // Most tensors lie in the file of the one before them.
  if (!entries_.empty() && entries_.back().file == file.str()) file = entries_.back().file;
  const auto index = static_cast<std::uint32_t>(entries_.size());
  entries_.push_back({{}, std::move(tensor), index, std::move(file)});
  return index;
}

Model ModelBuilder::finish() {
  Model model;
  model.arena_ = std::move(arena);
  model.tensors_ = std::move(entries_);
  model.by_name_ = std::move(by_name_);
  model.named_by_tree_ = named_by_tree_ || model.arena_->at(tree).is(ValueKind::kTensor);
  model.tree_ = tree;
  model.metadata_ = metadata == kNoNode ? model.arena_->dict() : metadata;
  model.config_ = config;
  model.side_files_ = std::move(side_files);
  model.origin_ = std::move(origin);
  model.warnings_ = std::move(warnings);
  model.left_out_ = std::move(left_out);
  model.shares_.resize(model.tensors_.size());
  const auto storage = [&](std::uint32_t i) { return model.tensors_[i].tensor.storage().get(); };
  const auto hash_of = [&](std::uint32_t i) { return keyed_hash(reinterpret_cast<std::uintptr_t>(storage(i))); };
  HashIndex first;
  for (std::uint32_t i = 0; i < model.tensors_.size(); ++i) {
    model.shares_[i] = i;
    if (model.tensors_[i].tensor.elements() == 0) continue;
    const std::uint32_t met = first.find(hash_of(i), [&](std::uint32_t j) { return storage(j) == storage(i); });
    if (met == HashIndex::kNone) {
      first.add(hash_of(i), i, hash_of);
    } else {
      model.shares_[i] = met;
    }
  }
  return model;
}

Model ModelBuilder::amended(Model model, std::string_view folder, const std::function<void(ModelBuilder&)>& amend) {
  ModelBuilder builder(std::move(model.arena_));
  builder.tree = model.tree_;
  builder.metadata = model.metadata_;
  builder.config = model.config_;
  builder.side_files = std::move(model.side_files_);
  builder.origin = std::move(model.origin_);
  builder.warnings = std::move(model.warnings_);
  builder.left_out = std::move(model.left_out_);
  builder.entries_ = std::move(model.tensors_);
  builder.by_name_ = std::move(model.by_name_);
  builder.named_by_tree_ = model.named_by_tree_;
  SharedText before, after;
  for (NamedTensor& entry : builder.entries_) {
    if (folder.empty()) break;
    if (after.empty() || !(before == entry.file.str())) {
      before = entry.file;
      after = std::string(folder) + before.str();
    }
    entry.file = after;
  }
  amend(builder);
  return builder.finish();
}

Result<Model> ModelBuilder::named(std::vector<std::string> names) && {
  for (std::size_t i = 0; i < names.size(); ++i) entries_[i].name = std::move(names[i]);
  return std::move(*this).with_named(std::move(entries_));
}

Result<Model> ModelBuilder::with_named(std::vector<NamedTensor> tensors) && {
  const bool make_tree = tree == kNoNode;
  if (make_tree) tree = arena->dict();
  entries_ = std::move(tensors);
  const auto hash_of = [&](std::uint32_t i) { return keyed_hash(entries_[i].name); };
  for (std::uint32_t i = 0; i < entries_.size(); ++i) {
    const std::string& name = entries_[i].name;
    const auto is_same = [&](std::uint32_t j) { return entries_[j].name == name; };
    if (by_name_.find(hash_of(i), is_same) != HashIndex::kNone) return corrupt(text("the tensor '{}' is there twice", name));
    by_name_.add(hash_of(i), i, hash_of);
    entries_[i].index = i;
    if (make_tree) arena->set_item(tree, name, arena->tensor({i}));
  }
  return finish();
}

std::vector<std::string> nearest_names(std::string_view name, const std::vector<std::string>& names) {
  const std::size_t most = std::max<std::size_t>(2, name.size() / 3);
  std::vector<std::pair<std::size_t, const std::string*>> found;
  std::vector<std::size_t> row;
  for (const std::string& other : names) {
    const std::size_t difference = std::max(name.size(), other.size()) - std::min(name.size(), other.size());
    if (difference > most) {
      if (!name.empty() && other.ends_with(name)) found.emplace_back(most, &other);
      continue;
    }
    row.resize(other.size() + 1);
    for (std::size_t j = 0; j <= other.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= name.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i;
      for (std::size_t j = 1; j <= other.size(); ++j) {
        const std::size_t replaced = diagonal + (name[i - 1] == other[j - 1] ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
      }
    }
    if (row.back() <= most) found.emplace_back(row.back(), &other);
  }
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> nearest;
  for (std::size_t i = 0; i < std::min<std::size_t>(found.size(), 3); ++i) nearest.push_back(*found[i].second);
  return nearest;
}

}  // namespace holdall
