#include "holdall/trust/side_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/codec/protobuf.h"
#include "holdall/formats/chat_template.h"
#include "holdall/formats/format.h"
#include "holdall/formats/git_lfs.h"
#include "holdall/io/blob.h"
#include "holdall/trust/code_pages.h"
#include "holdall/trust/documents.h"
#include "holdall/trust/json_readings.h"
#include "holdall/trust/media.h"
#include "holdall/trust/pictures.h"
#include "holdall/trust/references.h"
#include "holdall/trust/tables.h"

namespace holdall {
namespace {

using namespace std::string_view_literals;

bool ends_with(std::string_view name, std::string_view tail) noexcept {
  return name.size() >= tail.size() && name.substr(name.size() - tail.size()) == tail;
}

std::string_view base_name(std::string_view name) noexcept {
  const std::size_t slash = name.find_last_of("/!");  // of a member, "model.zip!config.json"
  return slash == std::string_view::npos ? name : name.substr(slash + 1);
}

std::string lower_case(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return lower;
}

// --- Text ------------------------------------------------------------------------------------------------------------------

// Whether bytes that come in pieces are UTF-8 without control characters other than white space and escapes.
class TextCheck {
 public:
  bool add(std::span<const std::byte> piece) noexcept {
    for (const std::byte b : piece)
      if (!add(std::to_integer<unsigned>(b))) return false;
    return true;
  }
  bool at_character() const noexcept { return pending_ == 0; }

 private:
  bool add(unsigned byte) noexcept {
    if (pending_ > 0) {
      if (byte < low_ || byte > high_) return false;
      low_ = 0x80;
      high_ = 0xbf;
      --pending_;
      return true;
    }
    if (byte < 0x80) return byte >= 0x20 || (byte >= 0x08 && byte <= 0x0d) || byte == 0x1b;
    if (byte < 0xc2 || byte > 0xf4) return false;
    pending_ = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    low_ = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;   // no overlong forms
    high_ = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;  // no surrogates, nothing beyond U+10FFFF
    return true;
  }

  unsigned pending_ = 0, low_ = 0x80, high_ = 0xbf;
};

bool is_text(const Source& source) {
  TextCheck check;
  std::vector<std::byte> tile(64);  // most are told by their first bytes
  for (std::uint64_t at = 0; at < source.size(); tile.resize(std::min<std::size_t>(tile.size() * 4, 1u << 18))) {
    const auto some = std::span(tile).first(static_cast<std::size_t>(std::min<std::uint64_t>(tile.size(), source.size() - at)));
    if (!source.read_at(at, some) || !check.add(some)) return false;
    at += some.size();
  }
  return check.at_character();
}

// Files whose keys a loader acts on: if these do not parse here, another parser may still see something in them.
constexpr std::array kConfigs = {
    "config.json"sv,         "tokenizer_config.json"sv,  "processor_config.json"sv, "preprocessor_config.json"sv,
    "adapter_config.json"sv, "generation_config.json"sv, "model_index.json"sv,      "feature_extractor_config.json"sv,
    "chat_template.json"sv};
// Jinja's.
constexpr std::array kTemplates = {".jinja"sv, ".jinja2"sv, ".j2"sv, ".template"sv, ".tmpl"sv};

void judge_json_value(Value document, std::string_view name, const Limits& limits, Findings& findings) {
  judge_references(document, name, findings, limits);
  judge_document(document, name, findings);
  if (base_name(name) == "modules.json") judge_modules(document, name, findings);
  // The older name of a router's file is that of many others.
  const bool is_router = base_name(name) == "config.json" && document.is(ValueKind::kDict) && document.find("structure");
  if (is_router || base_name(name) == "router_config.json") judge_router(document, name, findings);
  if (base_name(name) == "wordembedding_config.json") judge_words(document, name, findings);
}

std::optional<SideFile> judge_json(const Source& source, std::string_view name, const Limits& limits) {
  const bool is_config = std::find(kConfigs.begin(), kConfigs.end(), base_name(name)) != kConfigs.end();
  const Result<Bytes> bytes = read_all(source, limits.header_bytes);
  SideFile file{"json", {}};
  const auto refuse = [&](const Error& error) {
    file.findings.push_back({Verdict::kUnreadable, Rule::kNotUnderstood, std::string(name), error.to_string()});
    return file;
  };
  if (!bytes) return refuse(bytes.error());
  const Status read =
      each_reading(bytes->text(), limits, [&](Value document) { judge_json_value(document, name, limits, file.findings); });
  if (read) return file;
  if (is_config || read.error().code() == Code::kLimit) return refuse(read.error());
  // What JSON does not allow, other readers of it do: a comma at the end, a comment.
  judge_yaml(bytes->text(), name, file.findings, limits);
  file.kind = "text";
  return file;
}

// A text that is JSON to its end under another name: what Stable-Baselines3 calls "data". Of names without an ending, one that
// is too much to read is not understood; others are what they say, as lines of JSON are.
std::optional<SideFile> judge_whole_json(const Source& source, std::string_view name, const Limits& limits) {
  const Result<Bytes> bytes = read_all(source, limits.header_bytes);
  SideFile file{"json", {}};
  const auto use = [&](Value document) { judge_json_value(document, name, limits, file.findings); };
  const Status read = bytes ? each_reading(bytes->text(), limits, use) : Status(bytes.error());
  if (read) return file;
  if (read.error().code() != Code::kLimit || base_name(name).find('.') != name.npos) return std::nullopt;
  file.findings.push_back({Verdict::kUnreadable, Rule::kNotUnderstood, std::string(name), read.error().to_string()});
  return file;
}

std::optional<SideFile> judge_script(const Source& source, std::string_view name) {
  std::array<std::byte, 2> head{};
  if (source.size() < head.size() || !source.read_at(0, head) || as_text(head) != "#!" || !format_by_extension(name)) {
    return std::nullopt;
  }
  return SideFile{"program", {{Verdict::kCode, Rule::kNativeCode, std::string(name), "this is a script under a model's name"}}};
}

// The first bytes of a text.
std::string beginning(const Source& source) {
  std::vector<std::byte> head(static_cast<std::size_t>(std::min<std::uint64_t>(source.size(), 1u << 16)));
  return source.read_at(0, head) ? std::string(as_text(head)) : std::string();
}

// Models that are written as text, and whose loaders run code in them: R's serialization (CVE-2024-27322) and Torch 7's.
bool is_program_as_text(std::string_view head) {
  const auto line = [&](std::size_t number) {
    std::string_view rest = head;
    for (; number > 0 && !rest.empty(); --number) rest.remove_prefix(std::min(rest.find('\n'), rest.size() - 1) + 1);
    return rest.substr(0, rest.find('\n'));
  };
  const auto is_number = [](std::string_view word) {
    return !word.empty() && word.find_first_not_of("0123456789") == std::string_view::npos;
  };
  if (head.starts_with("RDX") || head.starts_with("RDA")) return line(0).size() == 4 && is_number(line(0).substr(3));
  if (line(0) == "A" && (line(1) == "2" || line(1) == "3")) return is_number(line(2)) && is_number(line(3));
  return is_number(line(0)) && is_number(line(1)) && is_number(line(2)) && line(3).starts_with("V ") &&
         is_number(line(3).substr(2));
}

// An entity that lies elsewhere: what reads the XML puts the file or the address in its place. Its declaration is looked for
// everywhere, since what is a comment and what a text within another entity is told apart by a whole parser alone.
std::optional<std::string> outside_entity(std::string_view xml) {
  constexpr std::string_view kMark = "<!ENTITY", kSpace = " \t\r\n";
  // Entities are declared in the document type alone. No byte is passed over twice.
  std::size_t at = xml.find("<!DOCTYPE");
  const auto next = [&] {
    at = std::min(xml.find_first_not_of(kSpace, at), xml.size());
    const std::size_t end = std::min(xml.find_first_of(" \t\r\n<>\"'", at), xml.size());
    return xml.substr(std::exchange(at, end), end - at);
  };
  while (at < xml.size()) {
    const std::size_t begin = xml.find(kMark, at);
    if (begin == std::string_view::npos) return std::nullopt;
    at = begin + kMark.size();
    if (at >= xml.size() || kSpace.find(xml[at]) == std::string_view::npos) continue;
    if (next() == "%") next();  // a parameter entity, and its name
    const std::string_view kind = next();
    if (kind == "SYSTEM" || kind == "PUBLIC") return std::string(xml.substr(begin + 2, 200));
  }
  return std::nullopt;
}

std::optional<SideFile> judge_xml(const Source& source, std::string_view name, const Limits& limits) {
  SideFile file{"text", {}};
  const Result<Bytes> bytes = read_all(source, limits.header_bytes);
  if (!bytes) return std::nullopt;
  if (const auto entity = outside_entity(bytes->text())) {
    file.findings.push_back({Verdict::kMalicious, Rule::kXmlEntity, std::string(name), text("it declares {}", *entity)});
  }
  return file;
}

// Texts of MLflow's folders that name a module, which it imports.
std::optional<SideFile> judge_module_name(const Source& source, std::string_view name, std::string_view base) {
  if (base != "pickle_module_info.txt" && base != "keras_module.txt") return std::nullopt;
  const std::string head = beginning(source);
  SideFile found{"text", {}};
  judge_mlflow_module(std::string_view(head).substr(0, head.find_last_not_of(" \r\n") + 1), name, found.findings);
  return found;
}

std::optional<SideFile> judge_text(const Source& source, std::string_view name, const Limits& limits) {
  if (is_lfs_pointer(source)) return SideFile{"git-lfs pointer", {}};
  const std::string lower = lower_case(base_name(name));
  const std::string_view base = lower;
  if (auto module = judge_module_name(source, name, base)) return module;
  // zarr's metadata have no ending before its third version.
  if (ends_with(base, ".json") || base == ".zarray" || base == ".zmetadata") return judge_json(source, name, limits);
  // MLflow's file of a model is YAML without an extension.
  const bool is_yaml = ends_with(base, ".yaml") || ends_with(base, ".yml") || base == "mlmodel";
  const bool is_template = std::any_of(kTemplates.begin(), kTemplates.end(), [&](auto tail) { return ends_with(base, tail); });
  if (is_yaml || is_template) {
    SideFile file{is_yaml ? "yaml" : "text", {}};
    Result<Bytes> bytes = read_all(source, limits.header_bytes);
    if (!bytes) return std::nullopt;
    if (is_yaml) {
      judge_yaml(bytes->text(), name, file.findings, limits);
    } else {
      judge_chat_template(bytes->text(), name, file.findings);
    }
    return file;
  }
  if (auto script = judge_script(source, name)) return script;
  const std::string head = beginning(source);
  if (is_program_as_text(head)) return std::nullopt;
  const std::size_t first = head.find_first_not_of("\xef\xbb\xbf \t\r\n");
  if (first != std::string::npos && head[first] == '<') return judge_xml(source, name, limits);
  const bool is_blank = first == std::string::npos && source.size() > head.size();  // so far
  if (is_blank || (first != std::string::npos && (head[first] == '{' || head[first] == '[')))
    if (auto document = judge_whole_json(source, name, limits)) return document;
  if (!ends_with(base, ".py")) return SideFile{"text", {}};
  SideFile file{"python", {}};
  if (base == "hubconf.py") {
    file.findings.push_back({Verdict::kCode, Rule::kHubEntry, std::string(name), "torch.hub.load runs this file"});
  } else if (ends_with(name, "custom_generate/generate.py")) {
    file.findings.push_back(
        {Verdict::kCode, Rule::kAutoMap, std::string(name), "generate() with trust_remote_code runs this file"});
  } else if (base == "handler.py") {
    file.findings.push_back(
        {Verdict::kCode, Rule::kEndpointHandler, std::string(name), "an inference endpoint runs this file"});
  } else if (ends_with(name, "!code/inference.py") || ends_with(name, "/code/inference.py")) {
    file.findings.push_back({Verdict::kCode, Rule::kEndpointHandler, std::string(name), "SageMaker runs this file of a model"});
  }
  return file;
}

// --- Binary files beside models ----------------------------------------------------------------------------------------------

bool starts_with(std::span<const std::byte> data, std::string_view magic) noexcept {
  return data.size() >= magic.size() && std::memcmp(data.data(), magic.data(), magic.size()) == 0;
}

// Whether a message has these fields alone; `check` looks at each.
bool has_only(ProtoReader message, const std::function<bool(const ProtoReader&, const ProtoField&)>& check) {
  while (true) {
    const auto field = message.next();
    if (!field) return false;
    if (!*field) return true;
    if (!check(message, **field)) return false;
  }
}

// ModelProto of sentencepiece_model.proto: pieces = 1 { string piece = 1; float score = 2; Type type = 3 }, trainer_spec = 2,
// normalizer_spec = 3, self_test_data = 4, denormalizer_spec = 5.
bool is_sentencepiece(const Bytes& bytes) {
  std::size_t pieces = 0;
  const auto of_piece = [](const ProtoReader&, const ProtoField& field) {
    return field.is_bytes(1) || field.is(2, ProtoWire::kFixed32) || field.is_varint(3);
  };
  const bool is_known =
      has_only(ProtoReader(Blob::memory(bytes, {})), [&](const ProtoReader& message, const ProtoField& field) {
        if (field.wire != ProtoWire::kBytes || field.number > 5) return false;
        if (field.number != 1) return true;
        ++pieces;
        const auto piece = message.message(field);
        return piece && has_only(*piece, of_piece);
      });
  return is_known && pieces > 0;
}

// What stands beside the graph of a SavedModel: fingerprint.pb (FingerprintDef: hashes = 1 to 5, version = 6) and
// keras_metadata.pb (SavedMetadata: nodes = 1, whose texts the SavedModel's own verdict is about).
bool is_beside_graph(const Source& source, std::string_view name, const Limits& limits) {
  const bool is_fingerprint = base_name(name) == "fingerprint.pb";
  if (!is_fingerprint && base_name(name) != "keras_metadata.pb") return false;
  const Result<Bytes> bytes = read_all(source, limits.header_bytes);
  if (!bytes) return false;
  return has_only(ProtoReader(Blob::memory(*bytes, {})), [&](const ProtoReader&, const ProtoField& field) {
    return is_fingerprint ? field.number <= 7 : field.is_bytes(1);
  });
}

// TensorProto of onnx.proto3, what an ONNX model is tested with: dims = 1, data_type = 2, segment = 3, values = 4 to 7 and 9 to
// 11, name = 8, doc_string = 12, metadata_props = 16; none whose data are elsewhere (external_data = 13, data_location = 14).
bool is_onnx_tensor(const ProtoReader& message) {
  bool has_type = false;
  return has_only(message,
                  [&](const ProtoReader&, const ProtoField& field) {
                    if (field.number == 1) return field.is_varint(1) || field.is_bytes(1);
                    has_type = has_type || (field.is_varint(2) && field.value > 0 && field.value <= 40);
                    if (field.number == 2) return field.is_varint(2);
                    if (field.number == 14) return field.is_varint(14) && field.value == 0;
                    if (field.is(4, ProtoWire::kFixed32) || field.is(10, ProtoWire::kFixed64)) return true;
                    if (field.is_varint(5) || field.is_varint(7) || field.is_varint(11)) return true;
                    return field.wire == ProtoWire::kBytes && field.number >= 3 && field.number != 13 &&
                           (field.number <= 12 || field.number == 16);
                  }) &&
         has_type;
}

// A tensor, or SequenceProto and OptionalProto of them: name = 1, elem_type = 2, tensors = 3.
bool is_onnx_value(const Source& source, std::string_view name, const Limits& limits) {
  if (!ends_with(name, ".pb")) return false;
  const Result<Bytes> bytes = read_all(source, limits.header_bytes);
  if (!bytes) return false;
  const ProtoReader whole(Blob::memory(*bytes, {}));
  bool has_type = false;
  return is_onnx_tensor(whole) || (has_only(whole,
                                            [&](const ProtoReader& message, const ProtoField& field) {
                                              has_type = has_type || field.is_varint(2);
                                              if (field.is_bytes(1) || field.is_varint(2)) return true;
                                              const auto tensor = field.is_bytes(3) ? message.message(field)
                                                                                    : Result<ProtoReader>(message.fault({}));
                                              return tensor && is_onnx_tensor(*tensor);
                                            }) &&
                                   has_type);
}

// Python's own since 3.0: its magic number, a line break, flags of which two bits mean something (importlib, PEP 552).
bool is_compiled_python(std::span<const std::byte> head, std::string_view name) {
  if (head.size() < 16 || as_text(head.subspan(2, 2)) != "\r\n") return false;
  const auto magic = load_le<std::uint16_t>(head.data());
  return name.ends_with(".pyc") || (magic >= 3000 && magic < 4000 && load_le<std::uint32_t>(head.data() + 4) < 4);
}

std::optional<SideFile> native_code(std::span<const std::byte> head, std::string_view name) {
  struct Row {
    std::string_view magic;
    std::string_view what;
  };
  constexpr std::array kRows = {
      Row{"\x7f"
          "ELF",
          "a Linux program or library"},
      Row{"MZ", "a Windows program or library"},
      Row{"\xcf\xfa\xed\xfe", "a macOS program or library"},
      Row{"\xce\xfa\xed\xfe", "a macOS program or library"},
      Row{"\xfe\xed\xfa\xcf", "a macOS program or library"},
      Row{"\xfe\xed\xfa\xce", "a macOS program or library"},
      Row{"\xca\xfe\xba\xbe", "a macOS or Java program"},
      Row{"\xca\xfe\xba\xbf", "a macOS program or library"},
      Row{"dex\n03", "an Android program"},
      Row{std::string_view("\0asm", 4), "a WebAssembly program"},
  };
  std::string_view what = is_compiled_python(head, name) ? "compiled Python" : "";
  for (const Row& row : kRows)
    if (starts_with(head, row.magic)) what = row.what;
  if (what.empty()) return std::nullopt;
  return SideFile{"program", {{Verdict::kCode, Rule::kNativeCode, std::string(name), text("this is {}", what)}}};
}

// Known by their frames alone: what fills them is another program's.
std::optional<SideFile> loose_file(const Source& source, std::span<const std::byte> head, std::string_view name,
                                   const Limits& limits) {
  std::string_view kind = table_kind(source, name);
  if (kind.empty() && may_be_picture(head)) {
    const Result<Bytes> bytes = read_all(source, limits.header_bytes);
    if (bytes) kind = picture_kind(*bytes);
  }
  if (kind.empty() && is_code_page_text(source, name) && !is_program_as_text(beginning(source))) kind = "text";
  if (kind.empty()) return std::nullopt;
  return SideFile{std::string(kind), {}, true};
}

}  // namespace

std::optional<SideFile> text_file(const Source& source, std::string_view name, const Limits& limits) {
  return source.size() > 0 && is_text(source) ? judge_text(source, name, limits) : std::nullopt;
}

std::optional<SideFile> side_file(const Source& source, std::string_view name, const Limits& limits) {
  if (source.size() == 0) {
    SideFile file{"empty", {}};
    if (const Format* format = format_by_extension(name)) {
      file.findings.push_back({Verdict::kUnreadable, Rule::kEmptyFile, std::string(name),
                               text("the file is empty, its name is a {} file's", format->id)});
    }
    return file;
  }
  std::vector<std::byte> head(static_cast<std::size_t>(std::min<std::uint64_t>(source.size(), 64)));
  if (!source.read_at(0, head)) return std::nullopt;
  if (is_text(source)) return judge_text(source, name, limits);
  if (auto program = native_code(head, name)) return program;
  if (is_beside_graph(source, name, limits)) return SideFile{"protobuf", {}};
  if (is_onnx_value(source, name, limits)) return SideFile{"protobuf", {}};
  if (const std::string_view kind = media_kind(source, limits); !kind.empty()) return SideFile{std::string(kind), {}};
  if (auto loose = loose_file(source, head, name, limits)) return loose;
  if (std::to_integer<int>(head[0]) != 0x0a) return std::nullopt;
  const Result<Bytes> bytes = read_all(source, limits.header_bytes);
  if (bytes && is_sentencepiece(*bytes)) return SideFile{"sentencepiece", {}};
  return std::nullopt;
}

}  // namespace holdall
