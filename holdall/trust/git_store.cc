#include "holdall/trust/git_store.h"

#include <algorithm>
#include <array>

#include "holdall/codec/compress.h"
#include "holdall/io/blob.h"

namespace holdall {

bool is_of_git(std::string_view name) noexcept {
  return name.starts_with(".git/") || name.find("/.git/") != std::string_view::npos;
}

bool is_git_store(const SourceRef& source) {
  using namespace std::string_view_literals;
  if (!is_of_git(source->name())) return false;
  std::array<std::byte, 4> mark{};
  if (source->size() < mark.size() || !source->read_at(0, mark)) return false;
  constexpr std::array kMarks = {"PACK"sv, "\xfftOc"sv, "DIRC"sv, "RIDX"sv, "MIDX"sv, "BITM"sv, "CGPH"sv};
  if (std::find(kMarks.begin(), kMarks.end(), as_text(mark)) != kMarks.end()) return true;
  if (detect_compression(mark) != Compression::kZlib) return false;
  std::array<std::byte, 8> head{};
  const auto got = make_decoder(source, Compression::kZlib)->pull(head);
  const std::string_view begun = as_text(std::span(head).first(got ? static_cast<std::size_t>(*got) : 0));
  constexpr std::array kObjects = {"blob "sv, "tree "sv, "commit "sv, "tag "sv};
  return std::any_of(kObjects.begin(), kObjects.end(), [&](std::string_view kind) { return begun.starts_with(kind); });
}

}  // namespace holdall
