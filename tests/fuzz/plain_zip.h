// A ZIP archive of stored members, the plainest there is, around what a fuzz target mutates.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "holdall/base/checksum.h"
#include "holdall/base/endian.h"
#include "holdall/io/bytes.h"

namespace holdall::fuzz {

template <class T>
void put_le(std::string& out, T value) {
  char raw[sizeof(T)];
  store_le(raw, value);
  out.append(raw, sizeof raw);
}

class PlainZip {
 public:
  void add(std::string_view name, std::string_view data) {
    const auto offset = static_cast<std::uint32_t>(file_.size());
    const std::string head = header(name, data);
    put_le(file_, std::uint32_t{0x04034b50});
    file_ += head + std::string(name) + std::string(data);
    put_le(directory_, std::uint32_t{0x02014b50});
    put_le(directory_, std::uint16_t{20});
    directory_ += head;
    directory_.append(6, '\0');
    directory_.append(4, '\0');
    put_le(directory_, offset);
    directory_ += name;
    ++count_;
  }
  std::string finish() {
    const auto offset = static_cast<std::uint32_t>(file_.size());
    file_ += directory_;
    put_le(file_, std::uint32_t{0x06054b50});
    put_le(file_, std::uint32_t{0});
    put_le(file_, count_);
    put_le(file_, count_);
    put_le(file_, static_cast<std::uint32_t>(directory_.size()));
    put_le(file_, offset);
    put_le(file_, std::uint16_t{0});
    return std::move(file_);
  }

 private:
  static std::string header(std::string_view name, std::string_view data) {
    std::string head;
    put_le(head, std::uint16_t{20});
    head.append(8, '\0');
    put_le(head, crc32(as_bytes(data)));
    put_le(head, static_cast<std::uint32_t>(data.size()));
    put_le(head, static_cast<std::uint32_t>(data.size()));
    put_le(head, static_cast<std::uint16_t>(name.size()));
    put_le(head, std::uint16_t{0});
    return head;
  }
  std::string file_;
  std::string directory_;
  std::uint16_t count_ = 0;
};

}  // namespace holdall::fuzz
