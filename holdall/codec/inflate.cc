#include "holdall/codec/inflate.h"

#include <libdeflate.h>
#include <zlib.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "holdall/base/text.h"
#include "holdall/codec/stream_decoder.h"

namespace holdall {
namespace {

constexpr std::size_t kOutputBytes = 65'536;
constexpr std::size_t kTileBytes = 1'048'576;

int window_bits(DeflateWrap wrap) noexcept {
  return wrap == DeflateWrap::kNone ? -15 : wrap == DeflateWrap::kZlib ? 15 : 15 + 16;
}

Bytef* zlib_bytes(const std::byte* data) noexcept { return reinterpret_cast<Bytef*>(const_cast<std::byte*>(data)); }

class InflateDecoder final : public StreamDecoder {
 public:
  InflateDecoder(SourceRef source, std::uint64_t offset, std::uint64_t size, DeflateWrap wrap)
      : StreamDecoder(std::move(source), offset, size, wrap == DeflateWrap::kGzip ? Streams::kMany : Streams::kOne, "deflated"),
        wrap_(wrap) {}
  ~InflateDecoder() override {
    if (made_) inflateEnd(&stream_);
  }

 private:
  Status start() override {
    const int code = made_ ? inflateReset(&stream_) : inflateInit2(&stream_, window_bits(wrap_));
    if (code != Z_OK) return Error(Code::kOutOfMemory, "zlib cannot start");
    made_ = true;
    return {};
  }

  Result<Step> step(std::span<const std::byte> in, std::span<std::byte> out, bool) override {
    const std::size_t room = std::min<std::size_t>(out.size(), std::numeric_limits<uInt>::max());
    stream_.next_in = zlib_bytes(in.data());
    stream_.avail_in = static_cast<uInt>(in.size());
    stream_.next_out = zlib_bytes(out.data());
    stream_.avail_out = static_cast<uInt>(room);
    const int code = inflate(&stream_, Z_NO_FLUSH);
    if (code == Z_MEM_ERROR) return Error(Code::kOutOfMemory, "zlib is out of memory");
    if (code == Z_DATA_ERROR || code == Z_NEED_DICT || code == Z_STREAM_ERROR) {
      return corrupt(text("the deflated data is damaged ({})", stream_.msg != nullptr ? stream_.msg : "it needs a dictionary"));
    }
    return Step{in.size() - stream_.avail_in, room - stream_.avail_out, code == Z_STREAM_END};
  }

  DeflateWrap wrap_;
  z_stream stream_{};
  bool made_ = false;
};

}  // namespace

std::unique_ptr<Decoder> inflate_decoder(SourceRef source, std::uint64_t offset, std::uint64_t size, DeflateWrap wrap) {
  return std::make_unique<InflateDecoder>(std::move(source), offset, size, wrap);
}

Status inflate_whole(std::span<const std::byte> encoded, std::span<std::byte> out, DeflateWrap wrap) {
  const std::unique_ptr<libdeflate_decompressor, decltype(&libdeflate_free_decompressor)> decompressor(
      libdeflate_alloc_decompressor(), &libdeflate_free_decompressor);
  if (!decompressor) return Error(Code::kOutOfMemory, "libdeflate cannot start");
  std::byte none{};
  std::size_t used = 0;
  std::size_t made = 0;
  const auto decompress = wrap == DeflateWrap::kNone   ? libdeflate_deflate_decompress_ex
                          : wrap == DeflateWrap::kZlib ? libdeflate_zlib_decompress_ex
                                                       : libdeflate_gzip_decompress_ex;
  const libdeflate_result code = decompress(decompressor.get(), encoded.data(), encoded.size(),
                                            out.empty() ? &none : out.data(), out.size(), &used, &made);
  if (code == LIBDEFLATE_INSUFFICIENT_SPACE) {
    return corrupt(text("the data decodes to more than the {} bytes that were declared", out.size()));
  }
  if (code != LIBDEFLATE_SUCCESS) return corrupt("the deflated data is damaged");
  if (made != out.size()) return corrupt(text("the data decodes to {} bytes, {} were declared", made, out.size()));
  if (used != encoded.size()) return corrupt(text("{} bytes stand behind the deflated data", encoded.size() - used));
  return {};
}

Status deflate(std::span<const Blob> data, DeflateWrap wrap, int level, const Sink& sink,
               const std::function<void(std::span<const std::byte>)>& watch) {
  z_stream stream{};
  if (deflateInit2(&stream, level, Z_DEFLATED, window_bits(wrap), 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    return Error(Code::kOutOfMemory, "zlib cannot start");
  }
  const std::unique_ptr<z_stream, decltype(&deflateEnd)> owner(&stream, &deflateEnd);
  std::vector<std::byte> output(kOutputBytes);
  const auto encode = [&](std::span<const std::byte> piece, int flush) -> Status {
    stream.next_in = zlib_bytes(piece.data());
    stream.avail_in = static_cast<uInt>(piece.size());
    do {
      stream.next_out = zlib_bytes(output.data());
      stream.avail_out = static_cast<uInt>(output.size());
      if (::deflate(&stream, flush) == Z_STREAM_ERROR) return internal("zlib cannot go on");
      HOLDALL_TRY(sink(std::span<const std::byte>(output).first(output.size() - stream.avail_out)));
    } while (stream.avail_out == 0);
    return {};
  };
  const auto encode_piece = [&](std::uint64_t, std::span<const std::byte> piece) -> Status {
    if (watch) watch(piece);
    return encode(piece, Z_NO_FLUSH);
  };
  for (const Blob& blob : data) HOLDALL_TRY(for_each_tile(blob, kTileBytes, encode_piece));
  return encode({}, Z_FINISH);
}

}  // namespace holdall
