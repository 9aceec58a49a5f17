#include "holdall/ops/open.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "holdall/base/scratch_test_folder.h"

namespace holdall {
namespace {

using testing::HasSubstr;

TEST(Open, UnderAPolicyWhatIsNotInertIsRefused) {
  const Scratch folder;
  const std::string path = folder.write("a.pkl", "cmylab\nmake\n)R.");
  OpenOptions options;
  options.policy = Policy();
  const Result<Model> refused = open_model(path, options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kUnsafe);
  EXPECT_THAT(refused.error().to_string(), HasSubstr("mylab.make"));
  options.policy = *Policy::parse("[allow]\nnames = ['mylab.make']\n", "p.toml");
  EXPECT_TRUE(open_model(path, options));
}

}  // namespace
}  // namespace holdall
