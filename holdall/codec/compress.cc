#include "holdall/codec/compress.h"

#include <bzlib.h>
#include <lz4frame.h>
#include <lzma.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/codec/inflate.h"
#include "holdall/codec/stream_decoder.h"
#include "holdall/codec/stream_source.h"

namespace holdall {
namespace {

constexpr std::array<std::string_view, 8> kNames = {"none", "gzip", "zlib", "bz2", "xz", "lzma", "lz4", "zstd"};
static_assert(kNames.size() == static_cast<std::size_t>(Compression::kZstd) + 1);

// The windows of `xz -9` (64 MiB and its tables) and of `zstd --long=26`.
constexpr std::uint64_t kMostLzmaMemory = 80 * 1'048'576;
constexpr int kMostZstdWindowLog = 26;
constexpr std::size_t kKeptBytes = 16 * 1'048'576;
constexpr std::size_t kPieceBytes = 262'144;

Error out_of_memory(std::string_view library) { return Error(Code::kOutOfMemory, text("{} is out of memory", library)); }

class Bzip2Decoder final : public StreamDecoder {
 public:
  explicit Bzip2Decoder(SourceRef source) : StreamDecoder(source, 0, source->size(), Streams::kMany, "bz2") {}
  ~Bzip2Decoder() override { stop(); }

 private:
  void stop() noexcept {
    if (made_) BZ2_bzDecompressEnd(&stream_);
    made_ = false;
  }
  Status start() override {
    stop();
    stream_ = {};
    if (BZ2_bzDecompressInit(&stream_, 0, 0) != BZ_OK) return out_of_memory("bzip2");
    made_ = true;
    return {};
  }
  Result<Step> step(std::span<const std::byte> in, std::span<std::byte> out, bool) override {
    const std::size_t room = std::min<std::size_t>(out.size(), std::numeric_limits<unsigned>::max());
    stream_.next_in = reinterpret_cast<char*>(const_cast<std::byte*>(in.data()));
    stream_.avail_in = static_cast<unsigned>(in.size());
    stream_.next_out = reinterpret_cast<char*>(out.data());
    stream_.avail_out = static_cast<unsigned>(room);
    const int code = BZ2_bzDecompress(&stream_);
    if (code == BZ_MEM_ERROR) return out_of_memory("bzip2");
    if (code != BZ_OK && code != BZ_STREAM_END) return corrupt("the bz2 data is damaged");
    return Step{in.size() - stream_.avail_in, room - stream_.avail_out, code == BZ_STREAM_END};
  }

  bz_stream stream_{};
  bool made_ = false;
};

class LzmaDecoder final : public StreamDecoder {
 public:
  // An .xz file's streams and the padding between them are the library's business.
  LzmaDecoder(SourceRef source, Compression compression)
      : StreamDecoder(source, 0, source->size(), Streams::kOne, kNames[static_cast<std::size_t>(compression)]),
        compression_(compression) {}
  ~LzmaDecoder() override { lzma_end(&stream_); }

 private:
  Status start() override {
    const lzma_ret code = compression_ == Compression::kXz ? lzma_stream_decoder(&stream_, kMostLzmaMemory, LZMA_CONCATENATED)
                                                           : lzma_alone_decoder(&stream_, kMostLzmaMemory);
    if (code != LZMA_OK) return out_of_memory("liblzma");
    return {};
  }
  Result<Step> step(std::span<const std::byte> in, std::span<std::byte> out, bool last) override {
    stream_.next_in = reinterpret_cast<const std::uint8_t*>(in.data());
    stream_.avail_in = in.size();
    stream_.next_out = reinterpret_cast<std::uint8_t*>(out.data());
    stream_.avail_out = out.size();
    const lzma_ret code = lzma_code(&stream_, last ? LZMA_FINISH : LZMA_RUN);
    if (code == LZMA_MEM_ERROR) return out_of_memory("liblzma");
    if (code == LZMA_MEMLIMIT_ERROR) {
      return over_limit(text("decoding needs {} bytes of memory, {} are allowed", lzma_memusage(&stream_), kMostLzmaMemory));
    }
    if (code != LZMA_OK && code != LZMA_STREAM_END && code != LZMA_BUF_ERROR) return corrupt("the lzma data is damaged");
    return Step{in.size() - stream_.avail_in, out.size() - stream_.avail_out, code == LZMA_STREAM_END};
  }

  Compression compression_;
  lzma_stream stream_ = LZMA_STREAM_INIT;
};

class Lz4Decoder final : public StreamDecoder {
 public:
  explicit Lz4Decoder(SourceRef source) : StreamDecoder(source, 0, source->size(), Streams::kMany, "lz4") {}
  ~Lz4Decoder() override { LZ4F_freeDecompressionContext(context_); }

 private:
  Status start() override {
    if (context_ == nullptr && LZ4F_isError(LZ4F_createDecompressionContext(&context_, LZ4F_VERSION)) != 0) {
      return out_of_memory("lz4");
    }
    return {};
  }
  Result<Step> step(std::span<const std::byte> in, std::span<std::byte> out, bool) override {
    Step step{in.size(), out.size(), false};
    const std::size_t code = LZ4F_decompress(context_, out.data(), &step.made, in.data(), &step.used, nullptr);
    if (LZ4F_isError(code) != 0) return corrupt(text("the lz4 data is damaged ({})", LZ4F_getErrorName(code)));
    step.ended = code == 0;
    return step;
  }

  LZ4F_dctx* context_ = nullptr;
};

class ZstdDecoder final : public StreamDecoder {
 public:
  explicit ZstdDecoder(SourceRef source) : StreamDecoder(source, 0, source->size(), Streams::kMany, "zstd") {}
  ~ZstdDecoder() override { ZSTD_freeDCtx(context_); }

 private:
  Status start() override {
    if (context_ == nullptr) context_ = ZSTD_createDCtx();
    if (context_ == nullptr) return out_of_memory("zstd");
    ZSTD_DCtx_reset(context_, ZSTD_reset_session_only);
    ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, kMostZstdWindowLog);
    return {};
  }
  Result<Step> step(std::span<const std::byte> in, std::span<std::byte> out, bool) override {
    ZSTD_inBuffer input = {in.data(), in.size(), 0};
    ZSTD_outBuffer output = {out.data(), out.size(), 0};
    const std::size_t code = ZSTD_decompressStream(context_, &output, &input);
    if (ZSTD_isError(code) != 0) {
      const ZSTD_ErrorCode reason = ZSTD_getErrorCode(code);
      if (reason == ZSTD_error_memory_allocation) return out_of_memory("zstd");
      if (reason == ZSTD_error_frameParameter_windowTooLarge) {
        return over_limit(text("decoding needs a window of more than {} bytes", std::uint64_t{1} << kMostZstdWindowLog));
      }
      return corrupt(text("the zstd data is damaged ({})", ZSTD_getErrorName(code)));
    }
    return Step{input.pos, output.pos, code == 0};
  }

  ZSTD_DCtx* context_ = nullptr;
};

bool begins(std::span<const std::byte> head, std::string_view magic) { return as_text(head).starts_with(magic); }

// The header of the old .lzma format has no magic number: properties, window, decoded size. Only what writers produce counts.
bool is_lzma_alone(std::span<const std::byte> head) {
  if (head.size() < 13 || head[0] != std::byte{0x5d} || head[1] != std::byte{0}) return false;
  const auto window = load_le<std::uint32_t>(head.data() + 1);
  const auto size = load_le<std::uint64_t>(head.data() + 5);
  const bool plausible_window = window >= 4096 && ((window & (window - 1)) == 0 || (window / 3 & (window / 3 - 1)) == 0);
  return plausible_window && (size == UINT64_MAX || size < (std::uint64_t{1} << 40));
}

}  // namespace

std::string_view name(Compression compression) noexcept { return kNames[static_cast<std::size_t>(compression)]; }

Compression detect_compression(std::span<const std::byte> head) noexcept {
  using namespace std::string_view_literals;
  if (begins(head, "\x1f\x8b\x08"sv)) return Compression::kGzip;
  if (begins(head, "BZh"sv) && head.size() >= 10 && head[3] >= std::byte{'1'} && head[3] <= std::byte{'9'} &&
      (begins(head.subspan(4), "\x31\x41\x59\x26\x53\x59"sv) || begins(head.subspan(4), "\x17\x72\x45\x38\x50\x90"sv))) {
    return Compression::kBzip2;
  }
  if (begins(head, "\xfd\x37\x7a\x58\x5a\x00"sv)) return Compression::kXz;
  if (begins(head, "\x04\x22\x4d\x18"sv)) return Compression::kLz4;
  if (begins(head, "\x28\xb5\x2f\xfd"sv)) return Compression::kZstd;
  for (const auto level : {"\x78\x01"sv, "\x78\x5e"sv, "\x78\x9c"sv, "\x78\xda"sv})
    if (begins(head, level)) return Compression::kZlib;
  return is_lzma_alone(head) ? Compression::kLzma : Compression::kNone;
}

std::unique_ptr<Decoder> make_decoder(SourceRef source, Compression compression) {
  const std::uint64_t size = source->size();
  switch (compression) {
    case Compression::kBzip2:
      return std::make_unique<Bzip2Decoder>(std::move(source));
    case Compression::kXz:
    case Compression::kLzma:
      return std::make_unique<LzmaDecoder>(std::move(source), compression);
    case Compression::kLz4:
      return std::make_unique<Lz4Decoder>(std::move(source));
    case Compression::kZstd:
      return std::make_unique<ZstdDecoder>(std::move(source));
    case Compression::kZlib:
      return inflate_decoder(std::move(source), 0, size, DeflateWrap::kZlib);
    case Compression::kGzip:
    case Compression::kNone:
      break;
  }
  return inflate_decoder(std::move(source), 0, size, DeflateWrap::kGzip);
}

Result<std::vector<std::byte>> decompressed_head(SourceRef source, Compression compression, std::size_t most) {
  const std::string path = source->name();
  const auto decoder = make_decoder(std::move(source), compression);
  std::vector<std::byte> head(most);
  auto got = decoder->pull(head);
  if (!got) return std::move(got).error().in(path);
  head.resize(*got);
  return head;
}

Result<SourceRef> decompressed_stream(SourceRef source, Compression compression, const Limits& limits) {
  const std::string path = source->name();
  const std::uint64_t stored = source->size();
  StreamDecoding decoding;
  decoding.name = path;
  decoding.start = [source, compression] { return make_decoder(source, compression); };
  decoding.most = std::max(limits.expansion_floor, checked_multiply(stored + 1, limits.expansion).value_or(UINT64_MAX) - 1);
  decoding.too_much = [stored, compression, most = limits.expansion](std::uint64_t size) {
    return over_limit(
        text("{} {} bytes became more than {}, {} times as many are allowed", stored, name(compression), size, most));
  };
  decoding.decoder = decoding.start();
  std::size_t size = 0;
  for (std::size_t asked = kPieceBytes; asked <= kKeptBytes; asked *= 2) {
    decoding.head.resize(asked);
    auto got = decoding.decoder->pull(std::span(decoding.head).subspan(size));
    if (!got) return std::move(got).error().in(path);
    size += *got;
    if (size > decoding.most) return decoding.too_much(size).in(path);
    if (size < asked) {
      decoding.head.resize(size);
      decoding.head.shrink_to_fit();
      return memory_source(Bytes::adopt(std::move(decoding.head)), path);
    }
  }
  return stream_source(std::move(decoding));
}

Result<SourceRef> decompressed(SourceRef source, Compression compression, const Limits& limits) {
  HOLDALL_ASSIGN(SourceRef decoded, decompressed_stream(std::move(source), compression, limits));
  HOLDALL_TRY(decoded->find_end());
  return decoded;
}

Status compress(const Blob& data, Compression compression, int level, const Sink& sink) {
  if (compression != Compression::kGzip && compression != Compression::kZlib) {
    return unsupported(text("{} is not written", name(compression)));
  }
  return deflate({&data, 1}, compression == Compression::kGzip ? DeflateWrap::kGzip : DeflateWrap::kZlib, level, sink);
}

}  // namespace holdall
