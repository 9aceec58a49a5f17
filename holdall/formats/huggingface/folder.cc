#include "holdall/formats/huggingface/folder.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/codec/json.h"

namespace holdall::huggingface {
namespace {

// The first of these in a folder is opened; the others of the same stem are other forms of the same weights. Adapters come
// behind models: a folder with both is a model that has an adapter beside it.
constexpr std::array<std::string_view, 19> kPreference = {
    "model.safetensors",
    "model.safetensors.index.json",
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "diffusion_pytorch_model.bin",
    "diffusion_pytorch_model.bin.index.json",
    "adapter_model.safetensors",
    "adapter_model.safetensors.index.json",
    "adapter_model.bin",
    "consolidated.safetensors",
    "tf_model.h5",
    "flax_model.msgpack",
    "flax_model.msgpack.index.json",
    "model.h5",
    "model.onnx",
    "rust_model.ot",
    "model.gguf",
};

constexpr std::array<std::string_view, 8> kStems = {"model",      "pytorch_model", "diffusion_pytorch_model", "tf_model",
                                                    "flax_model", "rust_model",    "openvino_model",          "consolidated"};
constexpr std::array<std::string_view, 10> kForms = {".safetensors", ".bin",  ".h5",  ".msgpack", ".ot",
                                                     ".onnx",        ".gguf", ".xml", ".pth",     ".onnx_data"};
constexpr std::string_view kIndex = ".index.json";
constexpr std::string_view kSnapshots = "snapshots/";
constexpr std::size_t kMostReference = 1024;

std::string_view base_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// "model" of "model-00001-of-00003"; the same where there is no such tail.
std::string_view without_shard(std::string_view stem) {
  constexpr std::size_t kTail = std::string_view("-00001-of-00003").size();
  if (stem.size() <= kTail) return stem;
  const std::string_view tail = stem.substr(stem.size() - kTail);
  const auto digits = [](std::string_view text) { return text.find_first_not_of("0123456789") == std::string_view::npos; };
  const bool is_shard = tail[0] == '-' && digits(tail.substr(1, 5)) && tail.substr(6, 4) == "-of-" && digits(tail.substr(10));
  return is_shard ? stem.substr(0, stem.size() - kTail) : stem;
}

// The files directly in a folder ("" or "name/"), without it.
std::vector<std::string> files_in(const Bundle& bundle, const std::string& folder) {
  std::vector<std::string> files;
  for (auto it = std::lower_bound(bundle.names().begin(), bundle.names().end(), folder);
       it != bundle.names().end() && it->starts_with(folder); ++it) {
    if (it->find('/', folder.size()) == std::string::npos) files.push_back(it->substr(folder.size()));
  }
  return files;
}

// What to open in one folder; nothing where it has no weights.
std::vector<std::string> choose(const std::vector<std::string>& files, std::vector<std::string>& warnings) {
  for (const std::string_view name : kPreference)
    if (std::binary_search(files.begin(), files.end(), name)) return {std::string(name)};
  // Names that nobody agreed on: a variant ("model.fp16.safetensors"), shards without their index, anything in safetensors.
  for (const std::string_view form : {std::string_view(".safetensors"), std::string_view(".bin")}) {
    std::set<std::string_view> stems;
    std::vector<std::string> found;
    for (const std::string& file : files) {
      if (!file.ends_with(form) || (form == ".bin" && !is_weights_name(file))) continue;
      stems.insert(without_shard(std::string_view(file).substr(0, file.size() - form.size())));
      found.push_back(file);
    }
    if (found.empty()) continue;
    if (stems.size() > 1) {
      const std::string_view first = *stems.begin();
      std::erase_if(found, [&](const std::string& file) {
        return without_shard(std::string_view(file).substr(0, file.size() - form.size())) != first;
      });
      warnings.push_back(text("the folder holds weights under {} names, '{}' is read", stems.size(), found.front()));
    } else if (found.size() > 1) {
      warnings.push_back(text("there is no index of the {} shards from '{}' on, all are read", found.size(), found.front()));
    }
    return found;
  }
  return {};
}

// Subfolders that hold parts of the model: the modules of sentence-transformers, the components of diffusers.
Result<std::vector<std::string>> part_folders(const Bundle& bundle) {
  std::vector<std::string> folders;
  for (const std::string_view file : {std::string_view("modules.json"), std::string_view("model_index.json")}) {
    if (!bundle.has(file)) continue;
    HOLDALL_ASSIGN(const SourceRef source, bundle.open_part(file));
    HOLDALL_ASSIGN(const Bytes json, read_all(*source, 1u << 20));
    Arena arena;
    const auto parsed = parse_json(arena, json.text());
    if (!parsed) continue;  // read() warns about it
    const Value root = arena.at(*parsed);
    for (std::size_t i = 0; root.is(ValueKind::kList) && i < root.size(); ++i) {
      const auto path = root.item(i).find_string("path");
      if (path && is_contained(*path)) folders.push_back(std::string(*path) + "/");
    }
    for (std::size_t i = 0; root.is(ValueKind::kDict) && i < root.size(); ++i) {
      const std::string_view key = root.key(i).as_string();
      if (is_contained(key) && root.mapped(i).is(ValueKind::kList)) folders.push_back(std::string(key) + "/");
    }
  }
  return folders;
}

// Opens the part again for each read.
class LazyPart final : public Source {
 public:
  LazyPart(std::shared_ptr<const Bundle> bundle, std::string part, std::uint64_t size, std::string name)
      : bundle_(std::move(bundle)), part_(std::move(part)), size_(size), name_(std::move(name)) {}

  std::uint64_t size() const noexcept override { return size_; }
  const std::string& name() const noexcept override { return name_; }
  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    HOLDALL_ASSIGN(const SourceRef source, bundle_->open_part(part_));
    return source->read_at(offset, out);
  }
  std::optional<Location> locate(std::uint64_t offset) const override {
    const auto source = bundle_->open_part(part_);
    return source ? (*source)->locate(offset) : std::nullopt;
  }

 private:
  std::shared_ptr<const Bundle> bundle_;
  std::string part_;
  std::uint64_t size_;
  std::string name_;
};

}  // namespace

bool is_weights_name(std::string_view name) noexcept {
  if (name.ends_with(kIndex)) name.remove_suffix(kIndex.size());
  for (const std::string_view form : kForms) {
    if (!name.ends_with(form)) continue;
    std::string_view stem = without_shard(name.substr(0, name.size() - form.size()));
    stem = stem.substr(0, stem.find('.'));  // variants: "model.fp16", "consolidated.00"
    stem = stem.substr(0, stem.find("-0000"));
    return std::find(kStems.begin(), kStems.end(), stem) != kStems.end();
  }
  return false;
}

bool is_housekeeping(std::string_view path) noexcept {
  return path.starts_with(".git/") || path.starts_with(".cache/") || path.find("/.git/") != std::string_view::npos ||
         path.find("/.cache/") != std::string_view::npos || base_name(path) == ".DS_Store";
}

Result<Layout> lay_out(const Bundle& bundle) {
  Layout layout;
  HOLDALL_ASSIGN(std::vector<std::string> folders, part_folders(bundle));
  folders.insert(folders.begin(), "");
  for (const std::string& folder : folders) {
    const bool is_new =
        std::none_of(layout.weights.begin(), layout.weights.end(), [&](const Weights& w) { return w.folder == folder; });
    std::vector<std::string> files = choose(files_in(bundle, folder), layout.warnings);
    if (is_new && !files.empty()) layout.weights.push_back({folder, std::move(files)});
  }
  return layout;
}

Result<std::string> snapshot_folder(const Bundle& bundle) {
  std::set<std::string> revisions;
  for (const std::string& name : bundle.names()) {
    if (name.find('/') == std::string::npos && name.ends_with(".json")) return std::string();
    if (!name.starts_with(kSnapshots)) continue;
    const std::size_t end = name.find('/', kSnapshots.size());
    if (end != std::string::npos) revisions.insert(name.substr(kSnapshots.size(), end - kSnapshots.size()));
  }
  if (revisions.empty()) return std::string();
  if (bundle.has("refs/main")) {
    HOLDALL_ASSIGN(const SourceRef source, bundle.open_part("refs/main"));
    HOLDALL_ASSIGN(const Bytes bytes, read_all(*source, kMostReference));
    const std::string revision(bytes.text().substr(0, bytes.text().find_first_of(" \r\n")));
    if (revisions.contains(revision)) return std::string(kSnapshots) + revision;
  }
  if (revisions.size() > 1) {
    return unsupported(text("the cache holds {} snapshots and none is the main one; open one of the folders in '{}'",
                            revisions.size(), kSnapshots))
        .in(bundle.path());
  }
  return std::string(kSnapshots) + *revisions.begin();
}

Result<Blob> lazy_part(const std::shared_ptr<const Bundle>& bundle, const std::string& name) {
  HOLDALL_ASSIGN(const SourceRef source, bundle->open_part(name));
  return Blob(std::make_shared<LazyPart>(bundle, name, source->size(), source->name()));
}

}  // namespace holdall::huggingface
