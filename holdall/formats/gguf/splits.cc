#include <algorithm>

#include "holdall/base/text.h"
#include "holdall/formats/gguf/big_endian.h"
#include "holdall/formats/gguf/gguf.h"
#include "holdall/formats/git_lfs.h"

namespace holdall::gguf {
namespace {

bool is_split_key(std::string_view key) noexcept { return key == kSplitNumber || key == kSplitCount || key == kSplitTensors; }

const Pair* find_pair(const Header& header, std::string_view key) {
  const auto found = std::find_if(header.pairs.begin(), header.pairs.end(), [&](const Pair& pair) { return pair.key == key; });
  return found == header.pairs.end() ? nullptr : &*found;
}

std::optional<std::int64_t> integer_of(const Header& header, const Arena& arena, std::string_view key) {
  const Pair* pair = find_pair(header, key);
  if (pair == nullptr || !arena.at(pair->value).is(ValueKind::kInt)) return std::nullopt;
  return arena.at(pair->value).as_int();
}

Result<Tensor> tensor_of(const SourceRef& source, const Header& header, const TensorInfo& info) {
  const std::uint64_t begin = info.bytes == 0 ? 0 : info.begin;
  HOLDALL_ASSIGN(Blob data, Blob::range(source, begin, info.bytes));
  if (header.order == ByteOrder::kBig) {
    HOLDALL_ASSIGN(SourceRef part, slice_source(source, begin, info.bytes, source->name()));
    HOLDALL_ASSIGN(SourceRef little, little_endian(std::move(part), info.dtype));
    data = Blob(std::move(little));
  }
  return Tensor::dense(info.dtype, info.shape, std::move(data));
}

// The stem and the number, from 0, in "model-00002-of-00003.gguf"; nothing where the name has another form.
std::optional<std::pair<std::string, std::uint64_t>> split_of_name(const std::string& file, std::uint64_t count) {
  const std::string tail = text("-of-{:05}.gguf", count);
  if (!file.ends_with(tail) || file.size() < tail.size() + 6) return std::nullopt;
  const std::string digits = file.substr(file.size() - tail.size() - 5, 5);
  if (digits.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  const auto number = static_cast<std::uint64_t>(std::stoul(digits));
  if (number == 0 || number > count) return std::nullopt;
  std::string stem = file.substr(0, file.size() - tail.size() - 5);
  if (!stem.ends_with('-')) return std::nullopt;
  stem.pop_back();
  return std::pair(std::move(stem), number - 1);
}

Status check_split(const Loaded& loaded, std::uint64_t number, std::uint64_t count, const std::string& file) {
  if (loaded.split && loaded.split->first == number && loaded.split->second == count) return {};
  const std::string found = loaded.split ? text("split {} of {}", loaded.split->first + 1, loaded.split->second) : "no split";
  return corrupt(text("the file says that it is {}, its name {} of {}", found, number + 1, count)).in(file);
}

Status check_total(const Whole& whole, const std::string& path) {
  std::uint64_t tensors = 0;
  for (const Loaded& loaded : whole.files) tensors += loaded.tensors.size();
  const auto said = integer_of(whole.files.front().header, *whole.arena, kSplitTensors);
  if (!said || *said == static_cast<std::int64_t>(tensors)) return {};
  return corrupt(text("the splits hold {} tensors, '{}' says {}", tensors, kSplitTensors, *said)).in(path);
}

// The shards by name. Errors: not found, naming every shard that is missing.
Status load_others(const Bundle& bundle, Loaded first, Whole& whole, const Limits& limits) {
  const std::uint64_t count = first.split->second;
  const std::string& own = bundle.names().front();
  const auto split = split_of_name(own, count);
  if (!split) return corrupt(text("the file is one of {} splits, its name is not", count)).in(bundle.path());
  std::string missing;
  std::uint64_t missing_count = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string name = split_name(split->first, i, count);
    whole.names.push_back(name);
    if (name == own) {
      whole.files.push_back(std::move(first));
      HOLDALL_TRY(check_split(whole.files.back(), i, count, name));
      continue;
    }
    auto source = bundle.open_part(name);
    if (!source) {
      if (source.error().code() != Code::kNotFound) return std::move(source).error();
      if (missing_count++ < 20) missing += (missing.empty() ? "'" : ", '") + name + "'";
      continue;
    }
    HOLDALL_ASSIGN(Loaded loaded, load(*source, name, *whole.arena, limits));
    HOLDALL_TRY(check_split(loaded, i, count, name));
    whole.files.push_back(std::move(loaded));
  }
  if (missing_count != 0)
    return not_found(text("{} of {} splits missing: {}", missing_count, count, missing)).in(bundle.path());
  return check_total(whole, bundle.path());
}

}  // namespace

std::string split_name(std::string_view stem, std::uint64_t number, std::uint64_t count) {
  return text("{}-{:05}-of-{:05}.gguf", stem, number + 1, count);
}

Result<Loaded> load(const SourceRef& source, const std::string& file, Arena& arena, const Limits& limits) {
  HOLDALL_ASSIGN(const std::string pointer, lfs_pointer(*source));
  if (!pointer.empty()) return not_found(text("this is {}", pointer)).in(source->name());
  Loaded loaded;
  HOLDALL_ASSIGN(loaded.header, read_header(*source, arena, limits));
  loaded.bytes = source->size();
  const SharedText where(file);
  for (const TensorInfo& info : loaded.header.tensors) {
    Result<Tensor> tensor = tensor_of(source, loaded.header, info);
    if (!tensor) return std::move(tensor).error().at(info.offset).in(source->name()).with(text("tensor '{}'", info.name));
    loaded.tensors.push_back({info.name, std::move(*tensor), 0, where});
  }
  for (const Pair& pair : loaded.header.pairs) {
    const Value value = arena.at(pair.value);
    if (!value.is(ValueKind::kString)) continue;
    if (pair.key == kChecksKey) {
      loaded.checks = value.as_string();
    } else if (pair.key == kTreeKey || (loaded.tree.empty() && looks_like_tree(value.as_string()))) {
      loaded.tree = value.as_string();
      loaded.tree_key = pair.key;
    }
  }
  const auto count = integer_of(loaded.header, arena, kSplitCount);
  if (count && *count > 1) {
    const auto number = integer_of(loaded.header, arena, kSplitNumber);
    if (!number || *number < 0 || *number >= *count || *count > 99'999)
      return corrupt(text("'{}' and '{}' name no split", kSplitNumber, kSplitCount)).in(source->name());
    loaded.split = {static_cast<std::uint64_t>(*number), static_cast<std::uint64_t>(*count)};
  }
  return loaded;
}

Result<Whole> load_whole(const Bundle& bundle, const Limits& limits) {
  Whole whole;
  const std::string& file = bundle.names().front();
  HOLDALL_ASSIGN(Loaded loaded, load(bundle.main(), file, *whole.arena, limits));
  if (loaded.split) {
    HOLDALL_TRY(load_others(bundle, std::move(loaded), whole, limits));
  } else {
    whole.names = {file};
    whole.files.push_back(std::move(loaded));
  }
  return whole;
}

NodeId metadata_of(const Whole& whole) {
  Arena& arena = *whole.arena;
  const NodeId metadata = arena.dict();
  NodeId types = kNoNode;
  const bool is_split = whole.files.size() > 1;
  for (const Loaded& loaded : whole.files) {
    for (const Pair& pair : loaded.header.pairs) {
      const bool is_known = &loaded != &whole.files.front() && arena.at(metadata).find(pair.key);
      if (pair.key == loaded.tree_key || pair.key == kChecksKey || (is_split && is_split_key(pair.key)) || is_known) continue;
      arena.set_item(metadata, pair.key, pair.value);
      if (pair.type == usual_type(arena.at(pair.value))) continue;
      if (types == kNoNode) types = arena.dict();
      arena.set_item(types, pair.key, arena.string(pair.type));
    }
  }
  if (types != kNoNode) arena.set_item(metadata, kTypesKey, types);
  return metadata;
}

}  // namespace holdall::gguf
