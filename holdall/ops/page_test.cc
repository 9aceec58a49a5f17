#include "holdall/ops/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "holdall/ops/convert.h"
#include "holdall/ops/ops_test_models.h"
#include "holdall/ops/page_parts.h"

namespace holdall {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::string text_of(const Page& page) {
  std::string text;
  const Status status = page([&](std::span<const std::byte> piece) -> Status {
    text.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return {};
  });
  EXPECT_TRUE(status) << status.error().to_string();
  return text;
}

std::string between(const std::string& text, std::string_view before, std::string_view after) {
  const std::size_t from = text.find(before);
  EXPECT_NE(from, std::string::npos) << before;
  const std::size_t begin = from + before.size();
  return text.substr(begin, text.find(after, begin) - begin);
}

Inspection inspected(const std::string& path) {
  InspectOptions options;
  options.statistics = InspectOptions::Read::kBytes;
  Result<Inspection> inspection = inspect(path, options);
  EXPECT_TRUE(inspection) << inspection.error().to_string();
  return *std::move(inspection);
}

class PageTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!require_pages()) GTEST_SKIP() << "this build has no chart library";
    ASSERT_TRUE(
        save_model(flat_model({{std::string(kName), floats({1, 2, 3})}, {"b", floats({4})}}), scratch_ / "model.safetensors"));
  }

  static constexpr std::string_view kName = "</script><b>&'\"\xe2\x80\xae<!--";
  Scratch scratch_;
};

TEST_F(PageTest, NamesNeitherEndTheDataNorBecomeTags) {
  const Inspection inspection = inspected(scratch_ / "model.safetensors");
  const std::string page = text_of(page_of(inspection));
  EXPECT_THAT(page, Not(HasSubstr("<b>&")));
  EXPECT_THAT(page, HasSubstr("<td>&lt;/script&gt;&lt;b&gt;&amp;&#39;&quot;\\u202e&lt;!--</td>"));
  const std::string data = between(page, "<script type=\"application/json\" id=\"data\">", "</script>");
  EXPECT_EQ(data.find_first_of("<>&"), std::string::npos);
  Arena arena;
  const Result<NodeId> parsed = parse_json(arena, data);
  ASSERT_TRUE(parsed) << data;
  const Value tensors = arena.at(*parsed).find("inspection").find("tensors");
  ASSERT_EQ(tensors.size(), 2u);
  const std::vector<std::optional<std::string_view>> names = {tensors.item(0).find_string("name"),
                                                              tensors.item(1).find_string("name")};
  EXPECT_THAT(names, testing::Contains(std::optional(kName)));
}

TEST_F(PageTest, ADifferenceNamesWhatIsAlikeToo) {
  const Model a = flat_model({{"same", floats({1})}, {"gone", floats({2})}, {"other", floats({3})}});
  const Model b = flat_model({{"same", floats({1})}, {"other", floats({4})}});
  DiffOptions options;
  options.names = DiffOptions::Names::kKeep;
  const Result<DiffReport> report = diff_models(a, b, options);
  ASSERT_TRUE(report);
  EXPECT_THAT(report->names, ElementsAre("same", "gone", "other"));
  EXPECT_THAT(diff_models(a, b)->names, ElementsAre());
  EXPECT_THAT(text_of(page_of(*report)), HasSubstr("\"names\":[\"same\",\"gone\",\"other\"],"
                                                   "\"only_a\":[{\"dtype\":\"float32\",\"shape\":[1]}],\"only_b\":[]"));
}

TEST_F(PageTest, OurPartsDoNotEndTheElementsTheyStandIn) {
  const PageParts& parts = page_parts();
  for (const std::string_view part : {parts.style, parts.shared, parts.inspect, parts.diff}) {
    EXPECT_FALSE(part.empty());
    for (const std::string_view end : {"</script", "</style", "<!--"}) EXPECT_EQ(part.find(end), std::string_view::npos) << end;
  }
}

TEST_F(PageTest, AFailureLeavesWhatWasThere) {
  const std::string path = scratch_ / "page.html";
  std::ofstream(path) << "old";
  const Page failing = [](const Sink& sink) -> Status {
    HOLDALL_TRY(sink(std::as_bytes(std::span(std::string_view("half a page")))));
    return corrupt("no more");
  };
  EXPECT_FALSE(save_page(failing, path, {}));
  std::string left;
  std::getline(std::ifstream(path), left);
  EXPECT_EQ(left, "old");
  const Inspection inspection = inspected(scratch_ / "model.safetensors");
  ASSERT_TRUE(save_page(page_of(inspection), path, {&inspection.model}));
  EXPECT_EQ(std::filesystem::file_size(path), text_of(page_of(inspection)).size());
  const Status refused = save_page(page_of(inspection), scratch_ / "model.safetensors", {&inspection.model});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace holdall
