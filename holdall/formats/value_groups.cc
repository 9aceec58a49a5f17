#include "holdall/formats/value_groups.h"

#include <algorithm>
#include <string>

namespace holdall {

NodeId ValueGroups::at(std::string_view path) {
  NodeId group = root_;
  for (std::size_t begin = 0; begin < path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const auto [place, is_new] = known_.try_emplace(std::string(path.substr(0, end)), kNoNode);
    if (is_new) {
      place->second = arena_.dict();
      arena_.set_item(group, path.substr(begin, end - begin), place->second);
    }
    group = place->second;
    begin = end + 1;
  }
  return group;
}

void ValueGroups::add(std::string_view path, std::uint32_t tensor) {
  const std::size_t slash = path.rfind('/');
  const NodeId group = slash == std::string_view::npos ? root_ : at(path.substr(0, slash));
  arena_.set_item(group, slash == std::string_view::npos ? path : path.substr(slash + 1), arena_.tensor({.index = tensor}));
}

}  // namespace holdall
