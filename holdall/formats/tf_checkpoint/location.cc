#include "holdall/formats/tf_checkpoint/location.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "holdall/base/text.h"

namespace holdall::tf_checkpoint {
namespace {

constexpr std::string_view kIndex = ".index";
constexpr std::string_view kState = "checkpoint";
constexpr std::uint64_t kMostState = 16u << 20;

// The texts of a CheckpointState in protobuf's text form, the newest first: model_checkpoint_path, then
// all_model_checkpoint_paths from the last to the first.
std::vector<std::string> paths_in_state(std::string_view state) {
  std::vector<std::string> newest, others;
  while (!state.empty()) {
    std::string_view line = state.substr(0, state.find('\n'));
    state.remove_prefix(std::min(line.size() + 1, state.size()));
    const bool is_newest = line.starts_with("model_checkpoint_path:");
    const std::size_t quote = line.find('"');
    if ((!is_newest && !line.starts_with("all_model_checkpoint_paths:")) || quote == std::string_view::npos) continue;
    std::string path;
    for (std::size_t i = quote + 1; i < line.size() && line[i] != '"'; ++i) {
      if (line[i] == '\\' && i + 1 < line.size()) ++i;
      path += line[i];
    }
    (is_newest ? newest : others).push_back(std::move(path));
  }
  newest.insert(newest.end(), others.rbegin(), others.rend());
  return newest;
}

std::string_view last_component(std::string_view path) {
  const std::size_t slash = path.find_last_of("/\\");
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// The file that a prefix stands for: its index, or a V1 checkpoint of that very name.
std::optional<std::string> file_of(const Bundle& bundle, const std::string& prefix) {
  for (const std::string& name : {prefix + std::string(kIndex), prefix})
    if (is_contained(name) && bundle.has(name)) return name;
  return std::nullopt;
}

Result<Located> by_state(const Bundle& bundle, const SourceRef& state) {
  HOLDALL_ASSIGN(const Bytes text_of, read_all(*state, kMostState));
  const std::vector<std::string> paths = paths_in_state(text_of.text());
  Located located;
  for (const std::string& path : paths) {
    auto found = file_of(bundle, path);
    const std::string beside(last_component(path));
    if (!found) found = file_of(bundle, beside);
    if (!found) continue;
    if (path != paths.front()) {
      located.warnings.push_back(
          text("the state file's newest checkpoint '{}' is not here; '{}' is read", paths.front(), beside));
    }
    HOLDALL_ASSIGN(located.index, bundle.part(*found));
    located.folder = found->substr(0, found->rfind('/') + 1);
    return located;
  }
  return not_found(paths.empty() ? std::string("the state file names no checkpoint")
                                 : text("the checkpoint '{}' that the state file names is not here", paths.front()))
      .in(state->name());
}

// "ckpt-12" → 12, for the order of checkpoints.
std::uint64_t number_of(std::string_view prefix) {
  const std::size_t digits = prefix.find_last_not_of("0123456789") + 1;
  std::uint64_t number = 0;
  for (const char c : prefix.substr(std::max(digits, prefix.size() - std::min<std::size_t>(prefix.size(), 18)))) {
    number = 10 * number + static_cast<std::uint64_t>(c - '0');
  }
  return number;
}

Result<Located> in_folder(const Bundle& bundle) {
  if (bundle.has(kState)) {
    HOLDALL_ASSIGN(const SourceRef state, bundle.open_part(kState));
    auto located = by_state(bundle, state);
    if (located) return located;
  }
  const std::string* best = nullptr;
  std::size_t indices = 0;
  for (const std::string& name : bundle.names()) {
    if (!name.ends_with(kIndex)) continue;
    ++indices;
    if (best == nullptr || number_of(prefix_of(name)) >= number_of(prefix_of(*best))) best = &name;
  }
  if (best == nullptr) return not_found("the folder holds no index of a checkpoint").in(bundle.path());
  Located located;
  HOLDALL_ASSIGN(located.index, bundle.part(*best));
  located.folder = best->substr(0, best->rfind('/') + 1);
  if (indices > 1) located.warnings.push_back(text("of {} checkpoints in the folder, '{}' is read", indices, prefix_of(*best)));
  return located;
}

}  // namespace

std::string_view prefix_of(std::string_view index_name) noexcept {
  return index_name.ends_with(kIndex) ? index_name.substr(0, index_name.size() - kIndex.size()) : index_name;
}

std::string data_name(std::string_view prefix, std::uint64_t shard, std::uint64_t shards) {
  return text("{}.data-{:05}-of-{:05}", prefix, shard, shards);
}

std::string_view prefix_of_data(std::string_view name) noexcept {
  constexpr std::string_view kForm = ".data-00000-of-00000";
  if (name.size() < kForm.size()) return {};
  const std::string_view end = name.substr(name.size() - kForm.size());
  for (std::size_t i = 0; i < kForm.size(); ++i) {
    const bool fits = kForm[i] == '0' ? end[i] >= '0' && end[i] <= '9' : end[i] == kForm[i];
    if (!fits) return {};
  }
  return name.substr(0, name.size() - kForm.size());
}

bool is_state_file(std::string_view head) noexcept { return head.starts_with("model_checkpoint_path: \""); }

Result<Located> locate(const Bundle& bundle) {
  if (bundle.kind() == Bundle::Kind::kFolder) return in_folder(bundle);
  std::string head(32, '\0');
  head.resize(static_cast<std::size_t>(std::min<std::uint64_t>(head.size(), bundle.main()->size())));
  HOLDALL_TRY(bundle.main()->read_at(0, std::as_writable_bytes(std::span(head))));
  if (is_state_file(head)) return by_state(bundle, bundle.main());
  const std::string_view prefix = prefix_of_data(bundle.names().front());
  const std::string index = std::string(prefix) + std::string(kIndex);
  Located located;
  if (!prefix.empty() && bundle.has(index)) {
    HOLDALL_ASSIGN(located.index, bundle.part(index));
  } else {
    located.index = bundle;
  }
  return located;
}

}  // namespace holdall::tf_checkpoint
