#include "holdall/trust/text_files.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>
#include <vector>

#include "holdall/base/ascii.h"
#include "holdall/base/text.h"
#include "holdall/formats/chat_template.h"
#include "holdall/formats/encoded.h"
#include "holdall/formats/format.h"
#include "holdall/formats/git_lfs.h"
#include "holdall/io/blob.h"
#include "holdall/objects/told.h"
#include "holdall/trust/documents.h"
#include "holdall/trust/json_readings.h"
#include "holdall/trust/references.h"
#include "holdall/trust/settings.h"
#include "holdall/trust/yaml_references.h"

namespace holdall {
namespace {

using namespace std::string_view_literals;

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

constexpr std::array kSettings = {".toml"sv,  ".ini"sv,   ".cfg"sv,   ".conf"sv,
                                  ".json5"sv, ".jsonc"sv, ".hocon"sv, ".properties"sv};

bool ends_among(std::string_view base, std::span<const std::string_view> tails) {
  return std::any_of(tails.begin(), tails.end(), [&](std::string_view tail) { return base.ends_with(tail); });
}

// A template under another ending. Of those that are no chat's, prose that speaks of templates looks like one.
void judge_template_by_name(std::string_view jinja, std::string_view base, std::string_view name, Findings& findings) {
  const bool is_chat = base.find("chat_template") != base.npos;
  if (!is_chat && base.find("template") == base.npos && base.find("prompt") == base.npos) return;
  Findings found;
  judge_chat_template(jinja, name, found);
  for (Finding& finding : found)
    if (is_chat || finding.severity == Verdict::kMalicious) findings.push_back(std::move(finding));
}

// A text whose name says little: what those who are pointed to it make of it.
void judge_plain(std::string_view said, std::string_view name, const Limits& limits, Findings& findings) {
  const std::string lower = ascii_lower(base_name(name));
  const std::string_view base = lower;
  Told told(findings);
  if (base.ends_with(".pbtxt") || base.ends_with(".prototxt")) judge_prototxt(said, name, told);
  if (base.ends_with(".scp")) judge_pipes(said, name, told);
  if (base.ends_with(".pth")) judge_site_paths(said, name, told);
  if (ends_among(base, kSettings)) judge_targets(said, name, told);
  if (said.find("[handler_") != said.npos || said.find("[formatter_") != said.npos) judge_ini(said, name, told);
  judge_maybe_encoded(said, name, {.limits = limits}, findings);
  judge_tagged(said, name, findings);
  judge_template_by_name(said, base, name, findings);
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

// An encoding in which the letters of a declaration are ASCII's; UTF-7 would hide them.
bool is_plain_encoding(std::string_view xml) {
  constexpr std::array kPlain = {"utf-8"sv,     "utf8"sv,  "utf-16"sv,      "us-ascii"sv, "ascii"sv,
                                 "iso-8859-"sv, "latin"sv, "windows-125"sv, "cp125"sv};
  const std::string_view head = xml.substr(0, xml.find('>'));
  const std::size_t at = head.starts_with("<?xml") ? head.find("encoding") : head.npos;
  if (at == head.npos) return true;
  const std::size_t quote = head.find_first_of("\"'", at);
  if (quote == head.npos) return true;
  const std::string said = ascii_lower(head.substr(quote + 1, 20));
  return std::any_of(kPlain.begin(), kPlain.end(), [&](std::string_view plain) { return said.starts_with(plain); });
}

// Where a document type has its declarations from, if that is elsewhere: "SYSTEM" is followed by it, "PUBLIC" by a name and it.
std::optional<Finding> outside_type(std::string_view xml, std::string_view name) {
  constexpr std::string_view kMark = "<!DOCTYPE";
  const std::size_t at = xml.find(kMark);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view head = xml.substr(at, std::min(xml.find_first_of("[>", at), xml.size()) - at);
  const std::size_t close = head.find_last_of("\"'");
  if (close == std::string_view::npos || close == 0) return std::nullopt;
  const std::size_t open = head.rfind(head[close], close - 1);
  if (open == std::string_view::npos) return std::nullopt;
  const std::string_view address = head.substr(open + 1, close - open - 1);
  const bool is_web = address.starts_with("http://") || address.starts_with("https://");
  const bool leads_out = address.starts_with('/') || address.find("://") != address.npos || address.starts_with("file:");
  if (!leads_out || (is_web && head.find("PUBLIC") != head.npos)) return std::nullopt;
  return Finding{is_web ? Verdict::kCode : Verdict::kMalicious,
                 Rule::kXmlEntity,
                 std::string(name),
                 text("its document type is declared in '{}'", address.substr(0, 200)),
                 {}};
}

// Python that programs run because it is called so. "*" is a number: Triton's versions of a model.
struct RunByName {
  std::string_view tail;
  Rule rule;
  std::string_view what;
};
constexpr std::array kRunByName = {
    RunByName{"/hubconf.py", Rule::kHubEntry, "torch.hub.load runs this file"},
    RunByName{"/custom_generate/generate.py", Rule::kAutoMap, "generate() with trust_remote_code runs this file"},
    RunByName{"/handler.py", Rule::kEndpointHandler, "an inference endpoint runs this file"},
    RunByName{"/code/inference.py", Rule::kEndpointHandler, "SageMaker runs this file of a model"},
    RunByName{"/custom_interface.py", Rule::kEndpointHandler, "SpeechBrain's foreign_class() runs this file"},
    RunByName{"/*/model.py", Rule::kEndpointHandler, "Triton's backend of Python runs this file"},
};

const RunByName* run_by_name(std::string_view name) {
  std::string path = "/" + ascii_lower(name);
  std::replace(path.begin(), path.end(), '!', '/');
  const auto is_called = [&](const RunByName& row) {
    const std::size_t star = row.tail.find('*');
    if (star == row.tail.npos) return path.ends_with(row.tail);
    const std::string_view last = row.tail.substr(star + 1);
    if (!path.ends_with(last)) return false;
    const std::string_view before = std::string_view(path).substr(0, path.size() - last.size());
    const std::string_view number = before.substr(before.rfind('/') + 1);
    return !number.empty() && number.find_first_not_of("0123456789") == number.npos;
  };
  const auto row = std::find_if(kRunByName.begin(), kRunByName.end(), is_called);
  return row == kRunByName.end() ? nullptr : &*row;
}

// Texts of MLflow's folders that name a module, which it imports.
std::optional<SideFile> judge_module_name(const Source& source, std::string_view name, std::string_view base) {
  if (base != "pickle_module_info.txt" && base != "keras_module.txt") return std::nullopt;
  const std::string head = beginning(source);
  SideFile found{"text", {}};
  judge_mlflow_module(std::string_view(head).substr(0, head.find_last_not_of(" \r\n") + 1), name, found.findings);
  return found;
}

}  // namespace

std::string_view base_name(std::string_view name) noexcept {
  const std::size_t slash = name.find_last_of("/!");  // of a member, "model.zip!config.json"
  return slash == std::string_view::npos ? name : name.substr(slash + 1);
}

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

std::string beginning(const Source& source) {
  std::vector<std::byte> head(static_cast<std::size_t>(std::min<std::uint64_t>(source.size(), 1u << 16)));
  return source.read_at(0, head) ? std::string(as_text(head)) : std::string();
}

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

std::optional<SideFile> judge_text(const Source& source, std::string_view name, const Limits& limits) {
  if (is_lfs_pointer(source)) return SideFile{"git-lfs pointer", {}};
  const std::string lower = ascii_lower(base_name(name));
  const std::string_view base = lower;
  if (auto module = judge_module_name(source, name, base)) return module;
  // zarr's metadata have no ending before its third version.
  if (base.ends_with(".json") || base == ".zarray" || base == ".zmetadata") return judge_json(source, name, limits);
  // MLflow's file of a model is YAML without an extension.
  const bool is_yaml = base.ends_with(".yaml") || base.ends_with(".yml") || base == "mlmodel";
  const bool is_template = std::any_of(kTemplates.begin(), kTemplates.end(), [&](auto tail) { return base.ends_with(tail); });
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
  if (!base.ends_with(".py")) {
    SideFile file{"text", {}};
    if (const Result<Bytes> bytes = read_all(source, limits.header_bytes))
      judge_plain(bytes->text(), name, limits, file.findings);
    return file;
  }
  SideFile file{"python", {}};
  if (const RunByName* row = run_by_name(name)) {
    file.findings.push_back({Verdict::kCode, row->rule, std::string(name), std::string(row->what)});
  }
  return file;
}

std::optional<SideFile> judge_xml(const Source& source, std::string_view name, const Limits& limits) {
  SideFile file{"text", {}};
  const Result<Bytes> bytes = read_all(source, limits.header_bytes);
  if (!bytes) return std::nullopt;
  if (!is_plain_encoding(bytes->text()))
    file.findings.push_back({Verdict::kUnreadable, Rule::kNotUnderstood, std::string(name), "its encoding is not read here"});
  if (const auto entity = outside_entity(bytes->text())) {
    file.findings.push_back({Verdict::kMalicious, Rule::kXmlEntity, std::string(name), text("it declares {}", *entity)});
  }
  if (auto type = outside_type(bytes->text(), name)) file.findings.push_back(std::move(*type));
  judge_plain(bytes->text(), name, limits, file.findings);
  return file;
}

std::optional<SideFile> text_file(const Source& source, std::string_view name, const Limits& limits) {
  return source.size() > 0 && is_text(source) ? judge_text(source, name, limits) : std::nullopt;
}

}  // namespace holdall
