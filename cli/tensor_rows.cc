#include "cli/tensor_rows.h"

#include <algorithm>
#include <map>

#include "holdall/ops/fold.h"

namespace holdall::cli {
namespace {

constexpr std::size_t kMostRows = 16;

// The pattern with every component that is a number or a range of them replaced by '#'.
std::string shape_of_name(std::string_view pattern) {
  std::string out;
  std::size_t begin = 0;
  const auto close = [&](std::size_t end) {
    const std::string_view part = pattern.substr(begin, end - begin);
    const bool number = !part.empty() && part.find_first_not_of("0123456789{},.") == std::string_view::npos;
    out += number ? "#" : part;
  };
  unsigned depth = 0;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '{') ++depth;
    if (pattern[i] == '}' && depth != 0) --depth;
    if (depth != 0 || (pattern[i] != '.' && pattern[i] != '/')) continue;
    close(i);
    out += pattern[i];
    begin = i + 1;
  }
  close(pattern.size());
  return out;
}

// Names of a group whatever their shapes, under as few patterns as their numbers allow.
void add_group(const std::vector<std::uint32_t>& members, std::span<const NamedTensor> tensors, std::vector<TensorRow>& rows) {
  std::vector<FoldItem> items;
  for (const std::uint32_t member : members) items.push_back({tensors[member].name, {}});
  for (FoldedLine& line : fold(std::span<const FoldItem>(items))) {
    TensorRow& row = rows.emplace_back(TensorRow{std::move(line.pattern), {}, true});
    for (const std::uint32_t item : line.members) row.members.push_back(members[item]);
    const Shape& first = tensors[row.members.front()].tensor.shape();
    row.one_shape = std::ranges::all_of(row.members, [&](std::uint32_t i) { return tensors[i].tensor.shape() == first; });
  }
}

}  // namespace

std::vector<TensorRow> rows_of(std::span<const NamedTensor> tensors) {
  std::vector<FoldedLine> lines = fold(tensors);
  std::map<std::string, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const DType dtype = tensors[lines[i].members.front()].tensor.dtype();
    groups[shape_of_name(lines[i].pattern) + " " + std::string(name(dtype))].push_back(i);
  }
  std::vector<TensorRow> rows;
  std::vector<bool> taken(lines.size());
  for (const auto& [key, group] : groups) {
    if (group.size() <= kMostRows) continue;
    std::vector<std::uint32_t> members;
    for (const std::size_t line : group) {
      members.insert(members.end(), lines[line].members.begin(), lines[line].members.end());
      taken[line] = true;
    }
    std::ranges::sort(members);
    add_group(members, tensors, rows);
  }
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!taken[i]) rows.push_back({std::move(lines[i].pattern), std::move(lines[i].members), true});
  }
  std::ranges::stable_sort(rows, {}, [](const TensorRow& row) { return row.members.front(); });
  return rows;
}

}  // namespace holdall::cli
