// The parts of HTML pages that are files in the tree, or beside it, made into bytes of the library by cmake/HoldallPage.cmake.
//
// Thread-safety: constant. Ownership: static.
#pragma once

#include <string_view>

namespace holdall {

struct PageParts {
  std::string_view version;  // Holdall's own
  // holdall/ops/page/: page.css, page.js, inspect.js, diff.js, timeline.js
  std::string_view style, shared, inspect, diff, timeline;
  std::string_view charts;         // Apache ECharts as one script, gzip; empty where the build had none
  std::string_view charts_sha256;  // of the script, lower-case hexadecimal
  std::string_view charts_version;
};

const PageParts& page_parts() noexcept;

}  // namespace holdall
