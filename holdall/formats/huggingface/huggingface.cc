#include "holdall/formats/huggingface/huggingface.h"

#include <algorithm>
#include <set>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/codec/json.h"
#include "holdall/formats/git_lfs.h"
#include "holdall/formats/huggingface/checks.h"
#include "holdall/formats/huggingface/checksums.h"
#include "holdall/formats/huggingface/folder.h"

namespace holdall {
namespace huggingface {
namespace {

constexpr std::uint64_t kMostConfig = 64u << 20;

// Opens the weights `file` of `folder`. Errors: those of its format; not found for a Git LFS pointer.
Result<Model> open_weights(const Bundle& bundle, const std::string& path, const Context& context) {
  HOLDALL_ASSIGN(const Bundle part, bundle.part(path));
  HOLDALL_ASSIGN(const std::string pointer, lfs_pointer(*part.main()));
  if (!pointer.empty()) return not_found(text("'{}' is {}", path, pointer)).in(bundle.path());
  return context.open(part);
}

// The files of the bundle that a model of `folder` was read from.
void mark_read(const Model& model, const std::string& folder, std::set<std::string>& read) {
  for (const std::string& file : model.origin().files) read.insert(folder + file);
}

// Every module's tensors under its folder's name; the model's own under their own names.
Result<Model> merged(std::vector<std::pair<std::string, Model>> models) {
  ModelBuilder builder;
  std::vector<std::string> names;
  builder.tree = builder.arena->dict();
  builder.metadata = builder.arena->dict();
  const std::string home = models.front().first;
  for (auto& [folder, model] : models) {
    const std::string prefix = folder == home ? "" : folder.substr(0, folder.size() - 1) + ".";
    for (const NamedTensor& entry : model.tensors()) {
      const std::uint32_t index = builder.add(entry.tensor, folder + entry.file.str());
      names.push_back(prefix + entry.name);
      builder.arena->set_item(builder.tree, names.back(), builder.arena->tensor({index}));
    }
    const Value metadata = model.metadata();
    for (std::size_t i = 0; metadata.is(ValueKind::kDict) && i < metadata.size(); ++i) {
      if (!metadata.key(i).is(ValueKind::kString) || !metadata.mapped(i).is(ValueKind::kString)) continue;
      builder.arena->set_item(builder.metadata, metadata.key(i).as_string(),
                              builder.arena->string(metadata.mapped(i).as_string()));
    }
    builder.warnings.insert(builder.warnings.end(), model.warnings().begin(), model.warnings().end());
  }
  return std::move(builder).named(std::move(names));
}

class FolderReader {
 public:
  FolderReader(const Bundle& bundle, const Context& context)
      : bundle_(std::make_shared<const Bundle>(bundle)), context_(context) {}

  Result<Model> run() {
    HOLDALL_ASSIGN(Layout layout, lay_out(*bundle_));
    warnings_ = std::move(layout.warnings);
    if (layout.weights.empty()) return no_weights();
    home_ = layout.weights.front().folder;
    std::vector<std::pair<std::string, Model>> models;
    for (const Weights& weights : layout.weights) {
      homes_.insert(weights.folder);
      for (const std::string& file : weights.files) {
        HOLDALL_ASSIGN(Model model, open_weights(*bundle_, weights.folder + file, context_));
        mark_read(model, weights.folder, read_);
        detail_ += (detail_.empty() ? "" : " and ") + model.origin().format;
        bytes_ += model.origin().bytes;
        models.emplace_back(weights.folder, std::move(model));
      }
    }
    HOLDALL_TRY(gather_side_files());
    // One model keeps its own tree; several are put under their folders' names.
    const bool is_one = models.size() == 1;
    Model model = std::move(models.front().second);
    if (!is_one) {
      models.front().second = std::move(model);
      HOLDALL_ASSIGN(model, merged(std::move(models)));
    }
    return ModelBuilder::amended(std::move(model), is_one ? home_ : "", [this](ModelBuilder& builder) { amend(builder); });
  }

 private:
  Error no_weights() const {
    return unsupported("the folder holds no weights that are known by name or content").in(bundle_->path());
  }

  Status gather_side_files() {
    std::string passed_over;
    std::uint64_t passed_over_count = 0;
    for (const std::string& name : bundle_->names()) {
      if (read_.contains(name) || is_housekeeping(name)) continue;
      const std::string_view folder = std::string_view(name).substr(0, name.rfind('/') + 1);
      if (is_weights_name(std::string_view(name).substr(folder.size())) && homes_.contains(std::string(folder))) {
        if (++passed_over_count <= 4) passed_over += (passed_over.empty() ? "" : ", ") + name;
        continue;
      }
      auto blob = lazy_part(bundle_, name);
      if (!blob) {
        warnings_.push_back(text("'{}' cannot be opened: {}", name, blob.error().message()));
        continue;
      }
      HOLDALL_ASSIGN(const std::string pointer, lfs_pointer(*blob->source()));
      if (!pointer.empty()) warnings_.push_back(text("'{}' is {}", name, pointer));
      bytes_ += blob->size();
      side_files_.emplace(name, std::move(*blob));
    }
    if (passed_over_count != 0) {
      warnings_.push_back(
          text("the same weights in other forms are not read: {}{}", passed_over, passed_over_count > 4 ? ", …" : ""));
    }
    return {};
  }

  // A JSON file beside the weights; no value, and a warning, where it cannot be read.
  Value parse(Arena& arena, const std::string& name) {
    const auto file = side_files_.find(name);
    if (file == side_files_.end()) return {};
    const auto bytes = file->second.read(std::min(kMostConfig, context_.limits.header_bytes));
    if (!bytes) return warnings_.push_back(text("'{}' cannot be read: {}", name, bytes.error().message())), Value();
    JsonOptions options;
    options.depth = context_.limits.depth;
    options.value_bytes = context_.limits.value_bytes;
    const auto node = parse_json(arena, bytes->text(), options);
    if (node) return arena.at(*node);
    warnings_.push_back(
        text("'{}' @ {} is no sound JSON: {}", name, node.error().offset().value_or(0), node.error().message()));
    return {};
  }

  void amend(ModelBuilder& builder) {
    Arena& arena = *builder.arena;
    const Value config = parse(arena, home_ + "config.json");
    const Value adapter = config ? Value() : parse(arena, "adapter_config.json");
    if (config || adapter) builder.config = (config ? config : adapter).id();
    std::map<std::string, Blob> at_home;
    for (const auto& [name, blob] : side_files_)
      if (name.starts_with(home_)) at_home.emplace(name.substr(home_.size()), blob);
    const auto tokenizer = describe_tokenizer(at_home, context_.limits);
    if (tokenizer) warnings_.insert(warnings_.end(), tokenizer->warnings.begin(), tokenizer->warnings.end());
    const Facts facts{builder.entries(), config, parse(arena, home_ + "generation_config.json"), adapter, tokenizer};
    for (std::string& warning : disagreements(facts)) warnings_.push_back(std::move(warning));
    builder.side_files = std::move(side_files_);
    builder.warnings.insert(builder.warnings.end(), warnings_.begin(), warnings_.end());
    std::vector<std::string> files(read_.begin(), read_.end());
    for (const auto& [name, blob] : builder.side_files) files.push_back(name);
    std::sort(files.begin(), files.end());
    builder.origin = {"huggingface", detail_, bundle_->path(), std::move(files), bytes_, "pt"};
  }

  std::shared_ptr<const Bundle> bundle_;
  const Context& context_;
  std::string home_;             // the folder of the model's own weights
  std::set<std::string> homes_;  // all folders that weights were read from
  std::set<std::string> read_;
  std::map<std::string, Blob> side_files_;
  std::vector<std::string> warnings_;
  std::string detail_;
  std::uint64_t bytes_ = 0;
};

Match match(Peek& peek) {
  if (!peek.is_folder()) return Match::kNo;
  const Bundle& bundle = peek.bundle();
  const auto snapshot = snapshot_folder(bundle);
  if (!snapshot || !snapshot->empty()) return Match::kLikely;
  const auto layout = lay_out(bundle);
  const bool has_weights = layout && !layout->weights.empty();
  for (const char* name : {"config.json", "adapter_config.json", "modules.json", "model_index.json"})
    if (bundle.has(name) && (has_weights || bundle.has("tokenizer_config.json"))) return Match::kCertain;
  return has_weights ? Match::kLikely : bundle.has("config.json") ? Match::kMaybe : Match::kNo;
}

// The folder that holds the model: the bundle's own, or that of the snapshot in a download cache.
Result<Bundle> home_of(const Bundle& bundle) {
  HOLDALL_ASSIGN(const std::string snapshot, snapshot_folder(bundle));
  return snapshot.empty() ? bundle : bundle.part(snapshot);
}

Result<Model> read(const Bundle& bundle, const Context& context) {
  HOLDALL_ASSIGN(const Bundle home, home_of(bundle));
  return FolderReader(home, context).run();
}

Status verify(const Bundle& bundle, const Context& context, Faults& faults) {
  HOLDALL_ASSIGN(const Bundle home, home_of(bundle));
  HOLDALL_ASSIGN(const Layout layout, lay_out(home));
  if (layout.weights.empty()) return read(home, context).error();
  for (const Weights& weights : layout.weights) {
    for (const std::string& file : weights.files) {
      HOLDALL_ASSIGN(const Bundle part, home.part(weights.folder + file));
      if (const Status checked = context.verify(part, faults); !checked) faults.add(checked.error());
    }
  }
  HOLDALL_TRY(verify_unit(home, context, faults));
  const auto model = read(home, context);
  if (!model) {
    if (faults.list.empty()) faults.add(model.error());
    return {};
  }
  for (const auto& [name, blob] : model->side_files()) {
    HOLDALL_ASSIGN(const std::string pointer, lfs_pointer(*blob.source()));
    if (!pointer.empty()) faults.list.push_back({blob.name(), std::nullopt, text("it is {}", pointer)});
    if (!name.ends_with(".json")) continue;
    const auto bytes = blob.read(std::min(kMostConfig, context.limits.header_bytes));
    Arena arena;
    auto parsed = bytes ? parse_json(arena, bytes->text()) : Result<NodeId>(Error(bytes.error()));
    if (!parsed) faults.add(std::move(parsed).error().in(blob.name()));
  }
  return {};
}

Status acts(const Bundle& bundle, const Context& context, Findings& findings) {
  HOLDALL_ASSIGN(const Bundle home, home_of(bundle));
  HOLDALL_ASSIGN(const Layout layout, lay_out(home));
  for (const Weights& weights : layout.weights) {
    for (const std::string& file : weights.files) {
      HOLDALL_ASSIGN(const Bundle part, home.part(weights.folder + file));
      HOLDALL_TRY(context.acts(part, findings));
    }
  }
  HOLDALL_ASSIGN(const Model model, read(home, context));
  const Value code = model.config().find("auto_map");
  if (code.is(ValueKind::kDict) && code.size() != 0) {
    findings.push_back({Verdict::kCode, Rule::kRemoteCode, home.path() + "/config.json",
                        "auto_map names Python classes of the folder, which transformers runs with trust_remote_code"});
  }
  return {};
}

}  // namespace
}  // namespace huggingface

extern const Format k_huggingface_format;
const Format k_huggingface_format = {"huggingface",
                                     "Hugging Face folders: weights, config, tokenizer, adapters",
                                     {},
                                     true,
                                     huggingface::match,
                                     huggingface::read,
                                     huggingface::verify,
                                     huggingface::acts,
                                     huggingface::plan};

}  // namespace holdall
