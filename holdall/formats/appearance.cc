#include "holdall/formats/appearance.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "holdall/base/text.h"
#include "holdall/codec/compress.h"
#include "holdall/codec/tar.h"
#include "holdall/formats/git_lfs.h"

namespace holdall {
namespace {

struct Mark {
  std::size_t offset;
  std::string_view magic;
  std::string_view what;
};

using namespace std::string_view_literals;

// Marks of files that turn up where a model is expected. From file(1)'s magic and the formats' own specifications.
constexpr std::array kMarks = {
    Mark{0, "\x89HDF\r\n\x1a\n"sv, "an HDF5 file"},
    Mark{0, "GGUF"sv, "a GGUF file"},
    Mark{0, "FUGG"sv, "a big-endian GGUF file"},
    Mark{0, "ggml"sv, "a GGML file from before GGUF"},
    Mark{0, "lmgg"sv, "a GGML file from before GGUF"},
    Mark{0, "tjgg"sv, "a GGJT file from before GGUF"},
    Mark{4, "TFL3"sv, "a TensorFlow Lite model"},
    Mark{4, "ORTM"sv, "a model of ONNX Runtime's own format (.ort); the ONNX model that it was made of is read"},
    Mark{4, "ET12"sv, "a program of ExecuTorch"},
    Mark{0, "ir_version: "sv, "an ONNX model as text; onnx.load reads it, and onnx.save writes the form that is read here"},
    Mark{0, "7z\xbc\xaf\x27\x1c"sv, "a 7z archive"},
    Mark{0, "Rar!\x1a\x07"sv, "a RAR archive"},
    Mark{0, "PK\x03\x04"sv, "a ZIP archive that is no model's"},
    Mark{0, "PK\x05\x06"sv, "an empty ZIP archive"},
    Mark{0, "\x1f\x8b"sv, "gzip-compressed data; decompressed, it may be one"},
    Mark{0, "\x1f\x9d"sv, "data that compress(1) made; decompressed, it may be one"},
    Mark{0, "BZh"sv, "bzip2-compressed data; decompressed, it may be one"},
    Mark{0,
         "\xfd"
         "7zXZ\x00"sv,
         "xz-compressed data; decompressed, it may be one"},
    Mark{0, "\x28\xb5\x2f\xfd"sv, "zstd-compressed data; decompressed, it may be one"},
    Mark{0, "\x04\x22\x4d\x18"sv, "lz4-compressed data; decompressed, it may be one"},
    Mark{0, "\x93NUMPY"sv, "a NumPy array"},
    Mark{0, "ARROW1"sv, "an Arrow file"},
    Mark{0, "PAR1"sv, "a Parquet file"},
    Mark{0, "SQLite format 3\x00"sv, "an SQLite database"},
    Mark{0,
         "\x7f"
         "ELF"sv,
         "a Linux program or library"},
    Mark{0, "MZ"sv, "a Windows program or library"},
    Mark{0, "\x89PNG\r\n\x1a\n"sv, "a PNG image"},
    Mark{0, "\xff\xd8\xff"sv, "a JPEG image"},
    Mark{0, "GIF8"sv, "a GIF image"},
    Mark{0, "%PDF-"sv, "a PDF document"},
    Mark{0, "RIFF"sv, "a RIFF file (audio, video or WebP)"},
    Mark{0, "PYTORCH1"sv, "a Caffe2 file of PyTorch's first, withdrawn format"},
    Mark{0, "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"sv, "a PyTorch file from before 1.6"},
    Mark{0, "<!DOCTYPE html"sv, "an HTML page (a download that asked for a login?)"},
    Mark{0, "<!doctype html"sv, "an HTML page (a download that asked for a login?)"},
    Mark{0, "<html"sv, "an HTML page (a download that asked for a login?)"},
    Mark{0, "age-encryption.org/v1"sv, "a file encrypted with age"},
};

constexpr std::size_t kLongestOpening = 64;  // of a text, up to its first key

bool has(std::span<const std::byte> data, const Mark& mark) noexcept {
  return data.size() >= mark.offset + mark.magic.size() &&
         std::memcmp(data.data() + mark.offset, mark.magic.data(), mark.magic.size()) == 0;
}

bool is_printable_text(std::string_view head) noexcept {
  return std::all_of(head.begin(), head.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 || c == '\n' || c == '\r' || c == '\t';
  });
}

std::string folder_appearance(const Bundle& bundle) {
  const std::vector<std::string>& names = bundle.names();
  if (names.empty()) return "an empty folder";
  std::string shown;
  for (std::size_t i = 0; i < std::min<std::size_t>(names.size(), 5); ++i) shown += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > 5) shown += text(" and {} more", names.size() - 5);
  return text("a folder of {} file{}, none of which makes it a model's: {}", names.size(), names.size() == 1 ? "" : "s", shown);
}

bool any_member_ends_with(std::span<const std::string_view> members, std::string_view tail) {
  return std::any_of(members.begin(), members.end(), [&](const std::string_view member) { return member.ends_with(tail); });
}

std::string_view zip_appearance(std::span<const std::string_view> members) {
  if (any_member_ends_with(members, "/constants.pkl")) return "a TorchScript archive";
  if (any_member_ends_with(members, "/.data/extern_modules")) return "an archive of torch.package, which holds Python code";
  if (any_member_ends_with(members, "archive_format")) return "a torch.export archive";
  if (any_member_ends_with(members, "model.weights.h5")) return "a Keras 3 archive";
  if (any_member_ends_with(members, "META-INF/MANIFEST.MF")) return "a Java archive";
  if (any_member_ends_with(members, "[Content_Types].xml")) return "an Office document";
  return {};
}

// What a file that is not empty bears the marks of; empty for none.
std::string marked(Peek& peek) {
  if (const auto pointer = lfs_pointer(*peek.bundle().main()); pointer && !pointer->empty()) return *pointer;
  const auto head = peek.head();
  if (const std::string_view archive = zip_appearance(peek.zip_members()); !archive.empty()) return std::string(archive);
  if (looks_like_tar(head)) return "a tar archive that is no model's";
  for (const Mark& mark : kMarks)
    if (has(head, mark)) return std::string(mark.what);
  const bool is_onnx =
      as_text(head.first(std::min<std::size_t>(head.size(), kLongestOpening))).find("\"ir_version\"") != std::string_view::npos;
  if (is_onnx && is_printable_text(as_text(head)))
    return "an ONNX model as JSON; onnx.load reads it, and onnx.save writes the form that is read here";
  if (is_printable_text(as_text(head)))
    return head[0] == std::byte{'{'} || head[0] == std::byte{'['} ? "JSON or other text" : "text";
  return {};
}

}  // namespace

std::string appearance(Peek& peek) {
  if (peek.is_folder()) return folder_appearance(peek.bundle());
  if (peek.size() == 0) return "an empty file";
  if (std::string known = marked(peek); !known.empty()) return known;
  const auto head = peek.head();
  if (std::all_of(head.begin(), head.end(), [](std::byte b) { return b == std::byte{0}; })) return "zeros only";
  std::string bytes = "a file that starts with the bytes";
  for (std::size_t i = 0; i < std::min<std::size_t>(head.size(), 8); ++i)
    bytes += text(" {:02x}", static_cast<unsigned>(head[i]));
  return bytes;
}

bool is_formless(Peek& peek) {
  return !peek.is_folder() && peek.size() > 0 && marked(peek).empty() && !peek.failure() &&
         detect_compression(peek.head()) == Compression::kNone;
}

Error unrecognised(Peek& peek) {
  return unsupported(text("no format here reads this; it looks like {}", appearance(peek))).in(peek.bundle().path());
}

}  // namespace holdall
