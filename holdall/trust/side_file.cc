#include "holdall/trust/side_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/codec/protobuf.h"
#include "holdall/formats/format.h"
#include "holdall/io/blob.h"
#include "holdall/trust/code_pages.h"
#include "holdall/trust/columns.h"
#include "holdall/trust/media.h"
#include "holdall/trust/pictures.h"
#include "holdall/trust/tables.h"
#include "holdall/trust/text_files.h"

namespace holdall {
namespace {

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
  if (!name.ends_with(".pb")) return false;
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
  SideFile file{std::string(kind), {}, true};
  if (kind == "table") judge_columns(source, name, limits, file.findings);
  return file;
}

}  // namespace

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
  if (is_code_page_markup(source)) return judge_xml(source, name, limits);
  if (auto loose = loose_file(source, head, name, limits)) return loose;
  if (std::to_integer<int>(head[0]) != 0x0a) return std::nullopt;
  const Result<Bytes> bytes = read_all(source, limits.header_bytes);
  if (bytes && is_sentencepiece(*bytes)) return SideFile{"sentencepiece", {}};
  return std::nullopt;
}

}  // namespace holdall
