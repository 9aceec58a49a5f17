// PageContent: what of a page of --html differs from page to page; for those who make pages of what floors above ops found.
//
// Thread-safety: value types. Ownership: own their texts and functions; what the functions refer to must outlive the page.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "holdall/codec/json.h"
#include "holdall/ops/page.h"

namespace holdall {

// What is shown where no script runs. Texts are shown with printable()'s escapes.
struct PageTable {
  std::string heading;
  std::string facts;
  std::vector<std::string_view> columns;
  std::size_t rows = 0;
  std::function<std::vector<std::string>(std::size_t)> row;  // cells of one row
};

struct PageContent {
  std::string title;
  std::string_view script;  // of page_parts()
  PageTable plain;
  std::function<Status(JsonWriter&)> data;  // one JSON document, which the script finds as `data`
};

Page page_of(PageContent content);

}  // namespace holdall
