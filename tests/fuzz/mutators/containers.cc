#include "tests/fuzz/mutators/containers.h"

#include <bzlib.h>
#include <lzma.h>

#include <algorithm>
#include <optional>

#include "holdall/base/text.h"
#include "holdall/codec/compress.h"
#include "holdall/codec/tar.h"
#include "tests/fuzz/mutators/pickle_program.h"
#include "tests/fuzz/mutators/zip_archive.h"
#include "tests/fuzz/plain_zip.h"

namespace holdall::fuzz {
namespace {

constexpr int kDeepest = 4;
constexpr std::uint64_t kMostDecoded = 1u << 17;

void mutate_inside(std::string& file, Chance& chance, int depth);

std::string squeezed(const std::string& data, Compression how) {
  std::string out;
  if (how == Compression::kBzip2) {
    out.resize(data.size() + data.size() / 50 + 700);
    auto size = static_cast<unsigned>(out.size());
    BZ2_bzBuffToBuffCompress(out.data(), &size, const_cast<char*>(data.data()), static_cast<unsigned>(data.size()), 1, 0, 0);
    out.resize(size);
  } else if (how == Compression::kXz) {
    out.resize(lzma_stream_buffer_bound(data.size()));
    std::size_t size = 0;
    const auto* input = reinterpret_cast<const std::uint8_t*>(data.data());
    auto* output = reinterpret_cast<std::uint8_t*>(out.data());
    (void)lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, nullptr, input, data.size(), output, &size, out.size());
    out.resize(size);
  } else {
    const Sink sink = [&](std::span<const std::byte> some) -> Status {
      out += as_text(some);
      return {};
    };
    (void)compress(Blob::memory(Bytes::copy(data), {}), how, 6, sink).has_value();
  }
  return out;
}

std::optional<std::string> opened(const std::string& data, Compression how) {
  auto head = decompressed_head(memory_source(Bytes::copy(data), "x"), how, kMostDecoded);
  if (!head || head->empty()) return std::nullopt;
  return std::string(as_text(*head));
}

bool mutate_compressed(std::string& file, Chance& chance, int depth) {
  const Compression how = detect_compression(as_bytes(std::string_view(file)));
  const bool can_close =
      how == Compression::kGzip || how == Compression::kZlib || how == Compression::kBzip2 || how == Compression::kXz;
  if (!can_close) return false;
  auto inner = opened(file, how);
  if (!inner) return false;
  mutate_inside(*inner, chance, depth);
  file = squeezed(*inner, how);
  if (chance.one_in(8)) file += squeezed(*inner, how);  // a second stream
  if (chance.one_in(8)) mutate_bytes(file, chance);
  return true;
}

std::string tar_member(std::string_view name, std::string_view data) {
  std::string header(512, '\0');
  header.replace(0, std::min<std::size_t>(name.size(), 100), name.substr(0, 100));
  header.replace(124, 11, text("{:011o}", data.size()));
  header[156] = '0';
  header.replace(257, 8, std::string_view("ustar\00000", 8));
  header.replace(148, 8, 8, ' ');
  unsigned sum = 0;
  for (const char letter : header) sum += static_cast<unsigned char>(letter);
  header.replace(148, 7, text("{:06o}{}", sum, '\0'));
  header += data;
  header.resize((header.size() + 511) / 512 * 512);
  return header;
}

bool mutate_tar(std::string& file, Chance& chance, int depth) {
  if (file.size() < 512 || !looks_like_tar(as_bytes(std::string_view(file)))) return false;
  const auto archive = TarArchive::open(memory_source(Bytes::copy(file), "x"), Limits());
  if (!archive || archive->members().empty()) return false;
  std::string made;
  const std::size_t chosen = chance.below(archive->members().size());
  for (std::size_t i = 0; i < archive->members().size(); ++i) {
    const TarMember& member = archive->members()[i];
    const auto source = archive->open_member(member);
    const auto bytes = source ? read_all(**source, kMostDecoded) : Result<Bytes>(source.error());
    std::string data(bytes ? bytes->text() : std::string_view());
    if (i == chosen) mutate_inside(data, chance, depth);
    made += tar_member(member.name, data);
  }
  file = made + std::string(1024, '\0');
  return true;
}

// What `numpy.save` writes in front of a pickle.
constexpr std::string_view kNpyHeader = "{'descr': '|O', 'fortran_order': False, 'shape': (2,), }";

std::string array_of(std::string_view pickle) {
  std::string header(kNpyHeader);
  header.resize(128 - 10 - 1, ' ');
  header += '\n';
  std::string file("\x93NUMPY\1\0", 8);
  put_le(file, static_cast<std::uint16_t>(header.size()));
  return file + header + std::string(pickle);
}

bool mutate_array(std::string& file, Chance& chance, int depth) {
  if (!file.starts_with("\x93NUMPY") || file.size() < 12) return false;
  const std::size_t head = std::min<std::size_t>(file.size(), std::size_t{10} + load_le<std::uint16_t>(file.data() + 8));
  std::string data = file.substr(head);
  if (chance.one_in(4)) {
    std::string header = file.substr(0, head);
    mutate_bytes(header, chance);
    file = header + data;
    return true;
  }
  mutate_inside(data, chance, depth);
  file = file.substr(0, head) + data;
  return true;
}

// The five pickles of torch's format before it was a ZIP archive.
std::string legacy_torch(std::string_view pickle) {
  using namespace std::string_view_literals;
  std::string file(
      "\x80\2\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\2M\xe9\3.\x80\2}q\0(X\x0d\0\0\0little_endian\x88u."sv);
  file += pickle;
  file += "\x80\2]X\1\0\0\0"sv;  // the keys of its storages, then each with its length
  file += "0a.\4\0\0\0\0\0\0\0"sv;
  return file + std::string(16, '\1');
}

std::string torch_archive(std::string_view pickle) {
  PlainZip zip;
  zip.add("archive/data.pkl", pickle);
  zip.add("archive/byteorder", "little");
  zip.add("archive/data/0", std::string(64, '\1'));
  zip.add("archive/version", "3\n");
  return zip.finish();
}

std::string loading(std::string_view file) {
  std::string made =
      "\x80\2"
      "ctorch.storage\n_load_from_bytes\nB";
  put_le(made, static_cast<std::uint32_t>(file.size()));
  return made + std::string(file) + "\x85R.";
}

std::string wrapped(const std::string& file, Chance& chance) {
  static constexpr Compression kWays[] = {Compression::kGzip, Compression::kZlib, Compression::kBzip2, Compression::kXz};
  switch (chance.below(9)) {
    case 0:
    case 1:
      return squeezed(file, chance.of(kWays));
    case 2:
      return tar_member("member", file) + std::string(1024, '\0');
    case 3:
      return array_of(file);
    case 4:
      return legacy_torch(file);
    case 5:
      return torch_archive(file);
    case 6:
      return loading(file);
    case 7: {
      PlainZip zip;
      zip.add("arr_0.npy", array_of(file));
      zip.add("member", file);
      return zip.finish();
    }
    default:
      return file + new_pickle(chance);
  }
}

void mutate_inside(std::string& file, Chance& chance, int depth) {
  const bool is_deep = depth >= kDeepest;
  if (!is_deep && chance.one_in(48)) {
    file = wrapped(file, chance);
    return;
  }
  if (chance.one_in(32)) return mutate_bytes(file, chance);
  if (!is_deep && looks_like_zip(file)) {
    return mutate_zip(file, chance, [&](std::string& member) { mutate_inside(member, chance, depth + 1); });
  }
  if (!is_deep && mutate_compressed(file, chance, depth + 1)) return;
  if (!is_deep && (mutate_tar(file, chance, depth + 1) || mutate_array(file, chance, depth + 1))) return;
  if (looks_like_pickle(file)) return mutate_pickle(file, chance);
  if (chance.one_in(64)) file = new_pickle(chance);
  mutate_bytes(file, chance);
}

}  // namespace

void mutate_file(std::string& file, Chance& chance) { mutate_inside(file, chance, 0); }

std::string cross_files(std::string_view one, std::string_view other, Chance& chance) {
  if (looks_like_pickle(one) && looks_like_pickle(other)) return cross_pickles(one, other, chance);
  std::string made(one);
  if (looks_like_zip(one)) {
    // The other becomes one of its members.
    mutate_zip(made, chance, [&](std::string& member) { member = other; });
  } else {
    made = made.substr(0, chance.below(made.size() + 1)) + std::string(other.substr(chance.below(other.size() + 1)));
  }
  return made;
}

}  // namespace holdall::fuzz
