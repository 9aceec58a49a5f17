#include "holdall/formats/gguf/gguf.h"

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/formats/chat_template.h"
#include "holdall/formats/gguf/llama_cpp.h"

namespace holdall {
namespace gguf {
namespace {

// A folder of nothing but one model's files.
Match match_folder(const Bundle& folder) {
  constexpr std::size_t kTail = std::string_view("-00001-of-00002.gguf").size();
  const std::string_view first = folder.names().empty() ? std::string_view() : folder.names().front();
  const std::size_t stem = folder.names().size() == 1 ? 0 : first.size() - std::min(first.size(), kTail);
  for (const std::string_view file : folder.names()) {
    const bool is_own = file.ends_with(".gguf") && file.find('/') == std::string_view::npos && file.size() >= first.size();
    if (!is_own || file.substr(0, stem) != first.substr(0, stem)) return Match::kNo;
  }
  return first.empty() ? Match::kNo : Match::kLikely;
}

Match match(Peek& peek) {
  if (peek.is_folder()) return match_folder(peek.bundle());
  const std::string_view head = as_text(peek.head());
  return head.starts_with("GGUF") || head.starts_with("FUGG") ? Match::kCertain : Match::kNo;
}

// The file to open of a folder of splits, which this format writes; a file is itself.
Result<Bundle> file_of(const Bundle& bundle) {
  if (bundle.kind() == Bundle::Kind::kFile) return bundle;
  for (const std::string& name : bundle.names())
    if (name.ends_with(".gguf") && name.find('/') == std::string::npos) return bundle.part(name);
  return unsupported("the folder holds no .gguf").in(bundle.path());
}

std::string detail_of(const Whole& whole) {
  const Header& header = whole.files.front().header;
  std::string detail = text("version {}", header.version);
  if (header.order == ByteOrder::kBig) detail += ", big-endian";
  if (whole.files.size() > 1) detail += text(", {} splits", whole.files.size());
  if (!whole.tree().empty()) detail += ", with holdall.tree";
  return detail;
}

// What is wrong with the key that holdall.tree stands under; empty when nothing is.
std::string odd_key(const Loaded& loaded) {
  if (loaded.tree.empty() || loaded.tree_key == kTreeKey) return {};
  return text("the key '{}' holds what only '{}' does", loaded.tree_key, kTreeKey);
}

// The tensors of one file, with the checksums that a split keeps of its own.
Status add_tensors(const Loaded& loaded, const Limits& limits, std::vector<StoredTensor>& tensors,
                   std::vector<std::string>& warnings) {
  if (loaded.checks.empty()) {
    tensors.insert(tensors.end(), loaded.tensors.begin(), loaded.tensors.end());
    return {};
  }
  HOLDALL_ASSIGN(const Model split, restore_tree(ModelBuilder(), loaded.tensors, loaded.checks, limits));
  tensors.insert(tensors.end(), split.tensors().begin(), split.tensors().end());
  warnings.insert(warnings.end(), split.warnings().begin(), split.warnings().end());
  return {};
}

Result<Model> read(const Bundle& given, const Context& context) {
  HOLDALL_ASSIGN(const Bundle bundle, file_of(given));
  HOLDALL_ASSIGN(Whole whole, load_whole(bundle, context.limits));
  ModelBuilder builder(whole.arena);
  builder.metadata = metadata_of(whole);
  builder.origin = {"gguf", detail_of(whole), bundle.path(), whole.names, 0};
  std::vector<StoredTensor> tensors;
  for (const Loaded& loaded : whole.files) {
    builder.origin.bytes += loaded.bytes;
    if (std::string odd = odd_key(loaded); !odd.empty()) builder.warnings.push_back(std::move(odd));
    HOLDALL_TRY(add_tensors(loaded, context.limits, tensors, builder.warnings));
  }
  return restore_tree(std::move(builder), std::move(tensors), whole.tree(), context.limits);
}

// ggml itself takes no arrays of arrays, and only files whose tensors tile the data: each begins at the first aligned place
// behind the one before.
void verify_layout(const Loaded& loaded, const std::string& file, Faults& faults) {
  for (const Pair& pair : loaded.header.pairs) {
    if (!pair.type.starts_with("[[")) continue;
    faults.list.push_back({file, pair.offset, text("key '{}' is an array of arrays, which ggml does not take", pair.key)});
  }
  std::uint64_t expected = loaded.header.data_begin;
  for (const TensorInfo& tensor : loaded.header.tensors) {
    if (tensor.begin != expected) {
      faults.list.push_back(
          {file, tensor.offset,
           text("tensor '{}' lies at {}, ggml wants it at {}, behind the one before", tensor.name, tensor.begin, expected)});
    }
    if (tensor.name.size() > kMostName) {
      faults.list.push_back(
          {file, tensor.offset,
           text("the name of tensor '{}' has {} bytes, ggml takes {}", tensor.name, tensor.name.size(), kMostName)});
    }
    expected = *checked_align(tensor.begin + tensor.bytes, loaded.header.alignment);
  }
  if (!loaded.header.tensors.empty() && loaded.bytes > expected) {
    faults.list.push_back({file, expected, text("{} bytes behind the last tensor belong to nothing", loaded.bytes - expected)});
  }
}

Status verify(const Bundle& given, const Context& context, Faults& faults) {
  HOLDALL_ASSIGN(const Bundle bundle, file_of(given));
  HOLDALL_ASSIGN(const Whole whole, load_whole(bundle, context.limits));
  std::vector<StoredTensor> all;
  for (std::size_t i = 0; i < whole.files.size(); ++i) {
    const Loaded& loaded = whole.files[i];
    verify_layout(loaded, whole.files.size() == 1 ? bundle.path() : whole.names[i], faults);
    if (std::string odd = odd_key(loaded); !odd.empty()) faults.list.push_back({whole.names[i], std::nullopt, std::move(odd)});
    all.insert(all.end(), loaded.tensors.begin(), loaded.tensors.end());
    verify_tree(loaded.tensors, loaded.checks, context, faults);
  }
  verify_tree(all, whole.tree(), context, faults);
  return {};
}

// llama.cpp runs nothing of a file; what wraps it renders the chat templates, in Python as well.
Status acts(const Bundle& given, const Context& context, Findings& findings) {
  HOLDALL_ASSIGN(const Bundle bundle, file_of(given));
  HOLDALL_ASSIGN(const Whole whole, load_whole(bundle, context.limits));
  constexpr std::string_view kTemplate = "tokenizer.chat_template";
  for (std::size_t i = 0; i < whole.files.size(); ++i) {
    for (const Pair& pair : whole.files[i].header.pairs) {
      const Value value = whole.arena->at(pair.value);
      if (!pair.key.starts_with(kTemplate) || !value.is(ValueKind::kString)) continue;
      judge_chat_template(value.as_string(), text("{}@{}", bundle.path(), pair.offset), findings);
    }
  }
  return {};
}

constexpr std::string_view kExtensions[] = {".gguf"};

}  // namespace
}  // namespace gguf

extern const Format k_gguf_format;
const Format k_gguf_format = {"gguf",
                              "GGUF files and their splits, every version, byte order and block type",
                              gguf::kExtensions,
                              false,
                              gguf::match,
                              gguf::read,
                              gguf::verify,
                              gguf::acts,
                              gguf::plan,
                              gguf::adapt};

}  // namespace holdall
