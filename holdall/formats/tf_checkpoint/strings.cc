#include "holdall/formats/tf_checkpoint/strings.h"

#include <array>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include "holdall/base/checked.h"
#include "holdall/base/crc32c.h"
#include "holdall/base/text.h"
#include "holdall/codec/protobuf.h"
#include "holdall/codec/sstable.h"

namespace holdall::tf_checkpoint {
namespace {

constexpr std::size_t kLengthsCrc = 4;
constexpr std::size_t kWord = 8;  // of a length in a Tensor

std::uint32_t crc_with_length(std::uint32_t crc, std::uint64_t length, ByteOrder order) {
  std::array<std::byte, kWord> raw;
  const std::size_t size = length <= UINT32_MAX ? 4 : 8;
  if (order == ByteOrder::kBig) {
    size == 4 ? store_be(raw.data(), static_cast<std::uint32_t>(length)) : store_be(raw.data(), length);
  } else {
    store_le(raw.data(), length);
  }
  return crc32c(std::span(raw).first(size), crc);
}

struct Lengths {
  std::vector<std::uint64_t> each;
  std::uint64_t taken = 0;  // bytes of the varints
  std::uint64_t texts = 0;  // bytes of all texts
};

Result<Lengths> read_lengths(const Blob& data, std::uint64_t count) {
  Lengths lengths;
  lengths.each.reserve(static_cast<std::size_t>(count));
  ProtoReader reader(data);
  for (std::uint64_t i = 0; i < count; ++i) {
    if (reader.at_end()) return reader.fault(text("{} lengths of {} are there", i, count));
    HOLDALL_ASSIGN(const std::uint64_t length, reader.packed_varint());
    lengths.each.push_back(length);
    const auto sum = checked_add(lengths.texts, length);
    if (!sum || *sum > data.size()) return reader.fault(text("a text of {} bytes, the tensor has {}", length, data.size()));
    lengths.texts = *sum;
  }
  lengths.taken = reader.place() - data.offset();
  if (lengths.taken + kLengthsCrc + lengths.texts != data.size()) {
    return reader.fault(
        text("lengths and texts take {} bytes, there are {}", lengths.taken + kLengthsCrc + lengths.texts, data.size()));
  }
  return lengths;
}

class StringsSource final : public Source {
 public:
  StringsSource(Blob data, std::uint32_t crc, ByteOrder order, std::uint64_t count, std::uint64_t texts)
      : data_(std::move(data)), crc_(crc), order_(order), count_(count), size_(texts + kWord * count) {}

  std::uint64_t size() const noexcept override { return size_; }
  const std::string& name() const noexcept override { return data_.name(); }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    std::call_once(once_, [&] { status_ = decode(); });
    if (!status_) return Error(status_.error());
    if (!fits(offset, out.size(), size_))
      return corrupt(text("{} bytes are needed, the end is at {}", out.size(), size_)).at(offset).in(name());
    std::memcpy(out.data(), decoded_.data() + offset, out.size());
    return {};
  }

 private:
  Status decode() const {
    HOLDALL_ASSIGN(const Bytes raw, data_.read());
    const Blob whole = Blob::memory(raw, name());
    HOLDALL_ASSIGN(const Lengths lengths, read_lengths(whole, count_));
    const auto fault = [&](std::string what) { return corrupt(std::move(what)).at(data_.offset()).in(name()); };
    std::uint32_t crc = 0;
    for (const std::uint64_t length : lengths.each) crc = crc_with_length(crc, length, order_);
    const auto stored = raw.span().subspan(static_cast<std::size_t>(lengths.taken), kLengthsCrc);
    const auto masked =
        order_ == ByteOrder::kBig ? load_be<std::uint32_t>(stored.data()) : load_le<std::uint32_t>(stored.data());
    if (mask_crc32c(crc) != masked)
      return fault(text("the CRC-32C of the lengths is {:08x}, {:08x} was stored", crc, unmask_crc32c(masked)));
    auto texts = raw.span().subspan(static_cast<std::size_t>(lengths.taken + kLengthsCrc));
    crc = crc32c(texts, crc32c(stored, crc));
    if (crc != crc_) return fault(text("CRC-32C is {:08x}, {:08x} was stored", crc, crc_));
    HOLDALL_ASSIGN(Buffer out, Buffer::allocate(size_));
    std::byte* at = out.data();
    for (const std::uint64_t length : lengths.each) {
      store_le(at, length);
      if (length != 0) std::memcpy(at + kWord, texts.data(), static_cast<std::size_t>(length));
      at += kWord + length;
      texts = texts.subspan(static_cast<std::size_t>(length));
    }
    decoded_ = std::move(out).into_bytes();
    return {};
  }

  Blob data_;
  std::uint32_t crc_;
  ByteOrder order_;
  std::uint64_t count_, size_;
  mutable std::once_flag once_;
  mutable Status status_;
  mutable Bytes decoded_;
};

}  // namespace

Result<Tensor> read_strings(const Shape& shape, const Blob& data, std::uint32_t crc, ByteOrder order, std::uint64_t most) {
  HOLDALL_ASSIGN(const std::uint64_t count, element_count(shape));
  if (count > data.size()) {
    return corrupt(text("{} texts in {} bytes", count, data.size())).at(data.offset()).in(data.name());
  }
  if (count > most)
    return over_limit(text("{} lengths of texts, {} are allowed", count, most)).at(data.offset()).in(data.name());
  HOLDALL_ASSIGN(const Lengths lengths, read_lengths(data, count));
  return Tensor::strings(shape, Blob(std::make_shared<StringsSource>(data, crc, order, count, lengths.texts)));
}

Result<EncodedStrings> write_strings(std::span<const std::byte> elements) {
  EncodedStrings encoded;
  std::string texts;
  while (!elements.empty()) {
    const std::uint64_t length = elements.size() < kWord ? UINT64_MAX : load_le<std::uint64_t>(elements.data());
    if (length > elements.size() - std::min(elements.size(), kWord)) return corrupt("a string tensor's lengths do not fit");
    append_varint(encoded.bytes, length);
    encoded.crc = crc_with_length(encoded.crc, length, ByteOrder::kLittle);
    texts += as_text(elements.subspan(kWord, static_cast<std::size_t>(length)));
    elements = elements.subspan(static_cast<std::size_t>(kWord + length));
  }
  std::array<char, kLengthsCrc> masked;
  store_le(masked.data(), mask_crc32c(encoded.crc));
  encoded.bytes.append(masked.data(), masked.size());
  encoded.bytes += texts;
  encoded.crc = crc32c(as_bytes(texts), crc32c(as_bytes(std::string_view(masked.data(), masked.size())), encoded.crc));
  return encoded;
}

}  // namespace holdall::tf_checkpoint
