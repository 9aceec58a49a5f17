#include "holdall/codec/inflate.h"

#include <libdeflate.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "holdall/base/checksum.h"
#include "holdall/base/endian.h"
#include "holdall/base/text.h"
#include "holdall/codec/inflater.h"

namespace holdall {
namespace {

constexpr std::size_t kInputBytes = 65'536;
constexpr std::size_t kOutputBytes = 131'072;
constexpr std::size_t kEncodedBytes = 65'536;
constexpr std::size_t kTileBytes = 1'048'576;

int window_bits(DeflateWrap wrap) noexcept {
  return wrap == DeflateWrap::kNone ? -15 : wrap == DeflateWrap::kZlib ? 15 : 15 + 16;
}

Bytef* zlib_bytes(const std::byte* data) noexcept { return reinterpret_cast<Bytef*>(const_cast<std::byte*>(data)); }

// The encoded bytes by pieces, with room behind them for what an Inflater reads ahead.
class EncodedPieces {
 public:
  EncodedPieces(SourceRef source, std::uint64_t offset, std::uint64_t size)
      : source_(std::move(source)), next_(offset), end_(offset + size) {}

  // Has at least `count` bytes, or all that are left; at most kInputBytes.
  Status need(std::size_t count) {
    if (left() >= count || input.is_last) return {};
    if (buffer_.empty()) buffer_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(end_ - next_, kInputBytes)) + kSpare);
    const std::size_t kept = left();
    if (kept > 0) std::memmove(buffer_.data(), input.next, kept);
    const auto room = std::min<std::uint64_t>(end_ - next_, buffer_.size() - InflateInput::kPadding - kept);
    const auto part = std::span(buffer_).subspan(kept, static_cast<std::size_t>(room));
    HOLDALL_TRY(source_->read_at(next_, part));
    next_ += part.size();
    input = {buffer_.data(), buffer_.data() + kept + part.size(), next_ == end_};
    return {};
  }
  std::size_t left() const noexcept { return static_cast<std::size_t>(input.end - input.next); }
  std::span<const std::byte> bytes() const noexcept { return {input.next, left()}; }
  // In the source.
  std::uint64_t position() const noexcept { return next_ - left(); }
  std::uint64_t behind() const noexcept { return end_ - position(); }

  InflateInput input;

 private:
  static constexpr std::size_t kSpare = InflateInput::kMostLeft + InflateInput::kPadding;

  SourceRef source_;
  std::uint64_t next_;  // first byte not yet read
  std::uint64_t end_;
  std::vector<std::byte> buffer_;
};

class InflateDecoder final : public Decoder {
 public:
  InflateDecoder(SourceRef source, std::uint64_t offset, std::uint64_t size, DeflateWrap wrap)
      : pieces_(std::move(source), offset, size), wrap_(wrap) {}

  // What was decoded before a fault is given first.
  Result<std::size_t> pull(std::span<std::byte> out) override {
    std::size_t done = 0;
    while (done < out.size() && !(given_ == output_.next && ended_)) {
      if (given_ == output_.next) {
        if (fault_) return *fault_;
        if (Status status = advance(); !status) fault_ = std::move(status).error();
        continue;
      }
      const std::size_t part = std::min(out.size() - done, static_cast<std::size_t>(output_.next - given_));
      std::memcpy(out.data() + done, given_, part);
      given_ += part;
      done += part;
    }
    return done;
  }

 private:
  Status advance() {
    if (!started_) HOLDALL_TRY(start());
    started_ = true;
    if (given_ >= output_.end) slide();
    const std::byte* const from = output_.next;
    Inflater::Stop stop = Inflater::Stop::kInput;
    while (stop == Inflater::Stop::kInput) {
      HOLDALL_TRY(pieces_.need(InflateInput::kMostLeft));
      stop = inflater_.run(pieces_.input, output_);
    }
    count({from, static_cast<std::size_t>(output_.next - from)});
    if (stop == Inflater::Stop::kTruncated) return truncated();
    if (stop == Inflater::Stop::kDamaged) return damaged(inflater_.fault());
    return stop == Inflater::Stop::kEnd ? finish() : Status();
  }

  void slide() noexcept {
    const std::size_t kept = std::min(InflateOutput::kHistory, static_cast<std::size_t>(output_.next - output_.begin));
    std::memmove(window_.data(), output_.next - kept, kept);
    output_.begin = window_.data();
    given_ = output_.next = window_.data() + kept;
  }

  void count(std::span<const std::byte> made) noexcept {
    size_ += static_cast<std::uint32_t>(made.size());
    if (wrap_ == DeflateWrap::kZlib) sum_ = libdeflate_adler32(sum_, made.data(), made.size());
    if (wrap_ == DeflateWrap::kGzip) sum_ = crc32(made, sum_);
  }

  Status start() {
    if (window_.empty()) {
      window_.resize(InflateOutput::kHistory + kOutputBytes + InflateOutput::kPadding);
      given_ = output_.next = window_.data();
      output_.end = window_.data() + window_.size() - InflateOutput::kPadding;
    }
    output_.begin = output_.next;
    inflater_.start();
    size_ = 0;
    sum_ = wrap_ == DeflateWrap::kZlib ? 1 : 0;
    return wrap_ == DeflateWrap::kZlib ? zlib_header() : wrap_ == DeflateWrap::kGzip ? gzip_header() : Status();
  }

  // What stands behind a stream; and of gzip the next one.
  Status finish() {
    started_ = false;
    if (wrap_ == DeflateWrap::kZlib) {
      HOLDALL_TRY(take(4));
      if (load_be<std::uint32_t>(taken_.data()) != sum_) return damaged("incorrect data check");
    } else if (wrap_ == DeflateWrap::kGzip) {
      HOLDALL_TRY(take(8));
      if (load_le<std::uint32_t>(taken_.data()) != sum_) return damaged("incorrect data check");
      if (load_le<std::uint32_t>(taken_.data() + 4) != size_) return damaged("incorrect length check");
    }
    const std::uint64_t behind = pieces_.behind();
    ended_ = behind == 0;
    if (ended_ || wrap_ == DeflateWrap::kGzip) return {};
    return corrupt(text("{} bytes stand behind the deflated data", behind)).at(pieces_.position());
  }

  Status zlib_header() {
    HOLDALL_TRY(take(2));
    const unsigned header = load_be<std::uint16_t>(taken_.data());
    if (header % 31 != 0) return damaged("incorrect header check");
    if ((header >> 8 & 15) != 8) return damaged("unknown compression method");
    if (header >> 12 > 7) return damaged("invalid window size");
    return (header & 0x20) != 0 ? damaged("it needs a dictionary") : Status();
  }

  Status gzip_header() {
    std::uint32_t sum = 0;
    const auto next = [&](std::size_t size) -> Status {
      HOLDALL_TRY(take(size));
      sum = crc32(taken_, sum);
      return {};
    };
    HOLDALL_TRY(next(10));
    if (taken_[0] != std::byte{0x1f} || taken_[1] != std::byte{0x8b}) return damaged("incorrect header check");
    if (taken_[2] != std::byte{8}) return damaged("unknown compression method");
    const auto flags = std::to_integer<unsigned>(taken_[3]);
    if ((flags & 0xe0) != 0) return damaged("unknown header flags set");
    if ((flags & 4) != 0) {
      HOLDALL_TRY(next(2));
      for (std::size_t left = load_le<std::uint16_t>(taken_.data()); left > 0; left -= taken_.size()) {
        HOLDALL_TRY(next(std::min<std::size_t>(left, 256)));
      }
    }
    // The name and the comment.
    for (const unsigned flag : {8u, 16u}) {
      if ((flags & flag) == 0) continue;
      do HOLDALL_TRY(next(1));
      while (taken_[0] != std::byte{0});
    }
    if ((flags & 2) == 0) return {};
    HOLDALL_TRY(take(2));
    return load_le<std::uint16_t>(taken_.data()) == (sum & 0xffff) ? Status() : damaged("header crc mismatch");
  }

  // The next `size` bytes, at most 256, which are in taken_ then.
  Status take(std::size_t size) {
    HOLDALL_TRY(pieces_.need(size));
    if (pieces_.left() < size) return truncated();
    taken_ = pieces_.bytes().first(size);
    pieces_.input.next += size;
    return {};
  }

  Error damaged(const char* how) const {
    return corrupt(text("the deflated data is damaged ({})", how)).at(pieces_.position());
  }
  Error truncated() const { return corrupt("the deflated data ends too early").at(pieces_.position() + pieces_.left()); }

  EncodedPieces pieces_;
  DeflateWrap wrap_;
  Inflater inflater_;
  std::vector<std::byte> window_;
  InflateOutput output_;
  const std::byte* given_ = nullptr;  // up to here the window was pulled
  std::span<const std::byte> taken_;
  std::uint32_t sum_ = 0;
  std::uint32_t size_ = 0;  // of the stream, as gzip counts
  std::optional<Error> fault_;
  bool started_ = false;
  bool ended_ = false;
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
  std::vector<std::byte> output(kEncodedBytes);
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
