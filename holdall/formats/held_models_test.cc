#include "holdall/formats/held_models.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "holdall/formats/format_test_files.h"
#include "holdall/io/joined.h"

namespace holdall {

extern const Format k_pickle_format;

namespace {

std::string golden(const std::string& name) { return std::string(HOLDALL_SOURCE_DIR) + "/holdall/formats/" + name; }

Result<Model> opened(const std::string& path) {
  HOLDALL_ASSIGN(const Bundle bundle, Bundle::open(path, {}));
  HOLDALL_ASSIGN(const Format* found, detect(bundle, {}));
  return found->read(bundle, {});
}

struct Pair {
  const char* pickle;
  const char* file;
  const char* prefix;
};
constexpr Pair kPairs[] = {{"xgboost/testdata/booster_0.pkl", "xgboost/testdata/trees.ubj", "Model."},
                           {"xgboost/testdata/booster_2.pkl", "xgboost/testdata/trees.ubj", "Model."},
                           {"xgboost/testdata/booster_5.pkl", "xgboost/testdata/trees.ubj", "Model."},
                           {"lightgbm/testdata/booster.pkl", "lightgbm/testdata/trees.txt", ""}};

TEST(HeldModels, TreesInAPickleAreThoseOfTheModelsOwnFile) {
  for (const Pair& pair : kPairs) {
    const auto held = opened(golden(pair.pickle));
    const auto alone = opened(golden(pair.file));
    ASSERT_TRUE(held) << held.error().to_string();
    ASSERT_TRUE(alone);
    EXPECT_THAT(held->warnings(), ::testing::IsEmpty());
    EXPECT_EQ(held->tensors().size(), alone->tensors().size()) << pair.pickle;
    for (const NamedTensor& entry : alone->tensors()) {
      const auto tensor = held->tensor(pair.prefix + entry.name);
      ASSERT_TRUE(tensor) << pair.pickle << ": " << entry.name;
      EXPECT_EQ(digest_of(*tensor), digest_of(entry.tensor)) << entry.name;
    }
  }
}

TEST(HeldModels, APickleWrittenAgainHoldsTheBytesAndNothingElse) {
  for (const Pair& pair : kPairs) {
    const auto held = opened(golden(pair.pickle));
    ASSERT_TRUE(held);
    const auto plan = k_pickle_format.plan(*held, {});
    ASSERT_TRUE(plan) << plan.error().to_string();
    EXPECT_THAT(plan->losses, ::testing::IsEmpty());
    std::vector<Blob> pieces;
    for (const Part& part : plan->files.at(0).parts) {
      if (const auto* literal = std::get_if<Part::Literal>(&part.content))
        pieces.push_back(Blob::memory(literal->bytes, "part"));
      if (const auto* data = std::get_if<Part::Data>(&part.content)) pieces.push_back(data->blob);
    }
    const auto written = k_pickle_format.read(Bundle::of(joined_source(std::move(pieces), "again.pkl")), {});
    ASSERT_TRUE(written) << written.error().to_string();
    EXPECT_LE(*plan->files[0].size(), slurp(golden(pair.pickle)).size() + 64);
    EXPECT_EQ(written->tensors().size(), held->tensors().size());
  }
}

TEST(HeldModels, BytesThatAreNoModelStayAsTheyAreWithAWarning) {
  std::string pickle = slurp(golden("xgboost/testdata/booster_5.pkl"));
  pickle.replace(pickle.find("{L"), 2, "[]");
  const auto model = k_pickle_format.read(Bundle::of(memory_source(Bytes::copy(pickle), "broken.pkl")), {});
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_TRUE(model->tensors().empty());
  EXPECT_THAT(model->warnings(), ::testing::ElementsAre(::testing::HasSubstr("xgboost.core.Booster holds is not read")));
}

}  // namespace
}  // namespace holdall
