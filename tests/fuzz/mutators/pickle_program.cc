#include "tests/fuzz/mutators/pickle_program.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "holdall/base/endian.h"
#include "tests/fuzz/mutators/pickle_fragments.h"
#include "tests/fuzz/plain_zip.h"

namespace holdall::fuzz {
namespace {

using Program = std::vector<std::string>;  // an instruction each; the last may be what is none

// The size of what stands behind a length of `bytes` bytes, with them.
std::optional<std::size_t> counted(std::string_view rest, std::size_t bytes) {
  if (rest.size() < bytes) return std::nullopt;
  std::uint64_t size = 0;
  for (std::size_t i = bytes; i-- > 0;) size = size << 8 | static_cast<unsigned char>(rest[i]);
  if (size > rest.size() - bytes) return std::nullopt;
  return bytes + static_cast<std::size_t>(size);
}

std::optional<std::size_t> lines(std::string_view rest, int count) {
  std::size_t at = 0;
  for (; count > 0; --count) {
    const std::size_t end = rest.find('\n', at);
    if (end == std::string_view::npos) return std::nullopt;
    at = end + 1;
  }
  return at;
}

// The size of an opcode's operand at the beginning of `rest`; nothing where it does not fit or the byte is no opcode.
std::optional<std::size_t> operand_size(char opcode, std::string_view rest) {
  const auto fixed = [&](std::size_t size) { return size <= rest.size() ? std::optional(size) : std::nullopt; };
  switch (opcode) {
    case 'K':
    case 'h':
    case 'q':
    case '\x80':
    case '\x82':
      return fixed(1);
    case 'M':
    case '\x83':
      return fixed(2);
    case 'J':
    case 'j':
    case 'r':
    case '\x84':
      return fixed(4);
    case 'G':
    case '\x95':
      return fixed(8);
    case 'I':
    case 'L':
    case 'F':
    case 'S':
    case 'V':
    case 'P':
    case 'g':
    case 'p':
      return lines(rest, 1);
    case 'c':
    case 'i':
      return lines(rest, 2);
    case 'U':
    case 'C':
    case '\x8a':
    case '\x8c':
      return counted(rest, 1);
    case 'T':
    case 'B':
    case 'X':
    case '\x8b':
      return counted(rest, 4);
    case '\x8d':
    case '\x8e':
    case '\x96':
      return counted(rest, 8);
    default:
      return std::string_view(kPlainOpcodes).find(opcode) != std::string_view::npos ? fixed(0) : std::nullopt;
  }
}

Program split(std::string_view data) {
  Program program;
  while (!data.empty()) {
    const auto size = operand_size(data[0], data.substr(1));
    program.emplace_back(data.substr(0, size ? 1 + *size : data.size()));
    data.remove_prefix(program.back().size());
  }
  return program;
}

std::string join(const Program& program) {
  std::string data;
  for (const std::string& one : program) data += one;
  return data;
}

// Where frames stand in for as many bytes as they say, until an opcode of the next one.
void mend_frames(Program& program) {
  for (std::size_t i = 0; i < program.size(); ++i) {
    if (program[i].size() != 9 || program[i][0] != '\x95') continue;
    std::uint64_t size = 0;
    for (std::size_t j = i + 1; j < program.size() && program[j][0] != '\x95'; ++j) size += program[j].size();
    store_le(program[i].data() + 1, size);
  }
}

void mutate_operand(std::string& one, Chance& chance) {
  if (one.size() < 2) return;
  if ((one[0] == 'c' || one[0] == 'i') && !chance.one_in(4)) {
    const Name name = some_name(chance);
    one = one[0] + std::string(name.module) + "\n" + std::string(name.name) + "\n";
  } else if ((one[0] == '\x8c' || one[0] == 'X' || one[0] == 'U') && !chance.one_in(4)) {
    const Name name = some_name(chance);
    one = some_text(chance.one_in(2) ? name.module : name.name, chance);
  } else if (one[0] == '\x8c' || one[0] == 'U' || one[0] == 'C') {
    std::string text = one.substr(2);
    mutate_bytes(text, chance);
    text.resize(std::min<std::size_t>(text.size(), 255));
    one = one.substr(0, 1) + static_cast<char>(text.size()) + text;
  } else {
    static constexpr unsigned char kTelling[] = {0, 1, 2, 3, 4, 5, 0x7f, 0x80, 0xff};
    one[1 + chance.below(one.size() - 1)] = static_cast<char>(chance.of(kTelling));
  }
}

Program::iterator place(Program& program, std::size_t at) { return program.begin() + static_cast<std::ptrdiff_t>(at); }

void put_in(Program& program, std::size_t at, std::string_view fragment) {
  const Program more = split(fragment);
  program.insert(place(program, at), more.begin(), more.end());
}

// A frame around the instructions from one on, or around some of them, with the right size or not.
void frame(Program& program, std::size_t at, Chance& chance) {
  std::string made = "\x95";
  put_le(made, static_cast<std::uint64_t>(chance.below(64)));
  program.insert(place(program, at), std::move(made));
  if (!chance.one_in(3)) mend_frames(program);
}

void mutate_once(Program& program, Chance& chance) {
  const std::size_t at = chance.below(program.size());
  const std::size_t some = std::min<std::size_t>(1 + chance.below(4), program.size() - at);
  const Program piece(place(program, at), place(program, at + some));
  switch (chance.below(12)) {
    case 0:
      program.erase(place(program, at), place(program, at + some));
      return;
    case 1:
      program.insert(place(program, at), piece.begin(), piece.end());
      return;
    case 2:
      program.insert(place(program, chance.below(program.size())), piece.begin(), piece.end());
      return;
    case 3:
      std::swap(program[at], program[chance.below(program.size())]);
      return;
    case 4:
    case 5:
      return put_in(program, at, some_instruction(chance));
    case 6:
    case 7:
    case 8:
      return put_in(program, at, some_fragment(chance));
    case 9:
      return frame(program, at, chance);
    case 10:
      return mutate_operand(program[at], chance);
    default:
      program[at] = some_instruction(chance);
  }
}

}  // namespace

bool looks_like_pickle(std::string_view data) {
  constexpr std::size_t kEnough = 8;
  std::size_t seen = 0;
  while (!data.empty() && seen < kEnough) {
    const auto size = operand_size(data[0], data.substr(1));
    if (!size) return false;
    if (data[0] == '.') return seen > 0;
    data.remove_prefix(1 + *size);
    ++seen;
  }
  return seen > 1;
}

void mutate_pickle(std::string& data, Chance& chance) {
  if (chance.one_in(16)) return mutate_bytes(data, chance);
  Program program = split(data);
  for (std::size_t i = 1 + chance.below(3); i-- > 0 && !program.empty();) mutate_once(program, chance);
  if (chance.one_in(2)) mend_frames(program);
  data = join(program);
  if (chance.one_in(16)) data += new_pickle(chance);
}

std::string cross_pickles(std::string_view data, std::string_view other, Chance& chance) {
  Program program = split(data);
  const Program donor = split(other);
  if (donor.empty()) return std::string(data);
  const std::size_t from = chance.below(donor.size());
  const std::size_t some = 1 + chance.below(std::min<std::size_t>(donor.size() - from, 24));
  program.insert(place(program, chance.below(program.size() + 1)), donor.begin() + static_cast<std::ptrdiff_t>(from),
                 donor.begin() + static_cast<std::ptrdiff_t>(from + some));
  mend_frames(program);
  return join(program);
}

std::string new_pickle(Chance& chance) {
  std::string data;
  if (!chance.one_in(4)) data = std::string("\x80") + static_cast<char>(chance.below(6));
  for (std::size_t i = 1 + chance.below(12); i-- > 0;)
    data += chance.one_in(3) ? some_instruction(chance) : some_fragment(chance);
  return data + ".";
}

}  // namespace holdall::fuzz
