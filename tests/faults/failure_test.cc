// The Nth operation fails, for every N, once or from then on, in every write path: the error is reported with its path, the old
// or the new stands whole, and nothing is left behind.
#include <gtest/gtest.h>

#include "holdall/io/publish.h"
#include "tests/faults/faulty_system.h"
#include "tests/faults/write_paths.h"

namespace holdall {
namespace {

class Failure : public testing::TestWithParam<WritePath> {};

int temporaries(const SimulatedSystem& system) {
  int found = 0;
  for (const auto& [name, content] : system.tree("/models")) {
    if (name.find(".holdall-") != std::string::npos) ++found;
  }
  return found;
}

int operations(const WritePath& way) {
  SimulatedSystem below(way.abilities);
  way.set_up(below);
  FaultySystem system(below, {.removals_too = true});
  ExecuteOptions options = way.options;
  options.system = &system;
  EXPECT_TRUE(execute(way.plan, way.path, options));
  return system.operations();
}

void check_fault(const WritePath& way, const FailurePlan& fault, int* reported) {
  SimulatedSystem below(way.abilities);
  way.set_up(below);
  FaultySystem system(below, fault);
  ExecuteOptions options = way.options;
  options.system = &system;
  const Status status = execute(way.plan, way.path, options);
  const Tree found = below.tree(way.path);
  ASSERT_EQ(below.open_handles(), 0) << "descriptors are left open";
  if (status) {
    ASSERT_TRUE(found == way.fresh) << "reported as written";
  } else {
    ++*reported;
    ASSERT_TRUE(system.has_failed());
    ASSERT_EQ(status.error().system_code(), fault.code) << status.error().to_string();
    ASSERT_FALSE(status.error().path().empty()) << status.error().to_string();
    ASSERT_EQ(status.error().to_string().find(".holdall-"), std::string::npos)
        << "names a temporary, of which its reader knows nothing: " << status.error().to_string();
    const bool aside = found.empty() && way.may_need_mending && fault.forever;
    ASSERT_TRUE(found == way.old || found == way.fresh || aside) << status.error().to_string();
  }
  // Where nothing that removes or moves has failed, nothing but the old folder of an exchange that may not be on disk stays.
  const bool exchanged = !status && found == way.fresh && way.plan.folder && !way.old.empty();
  if (!fault.removals_too && !exchanged && !(way.may_need_mending && fault.forever)) {
    ASSERT_EQ(temporaries(below), 0);
  }
  // The next writer finds a working system and leaves nothing but the new.
  const auto next = below.kill();
  options.system = next.get();
  options.replace = true;
  const Status again = execute(way.plan, way.path, options);
  ASSERT_TRUE(again) << again.error().to_string();
  ASSERT_TRUE(next->tree(way.path) == way.fresh);
  ASSERT_EQ(temporaries(*next), 0);
  ASSERT_EQ(next->tree("/models/neighbour"), (Tree{{"", "untouched"}}));
}

TEST_P(Failure, OfAnyOperationLeavesTheOldOrTheNewWhole) {
  const WritePath& way = GetParam();
  const int count = operations(way);
  ASSERT_GT(count, 5);
  int reported = 0;
  for (int at = 1; at <= count; ++at) {
    for (const bool forever : {false, true}) {
      for (const bool removals : {false, true}) {
        for (const int code : {EIO, ENOSPC}) {
          check_fault(way, {at, forever, removals, code}, &reported);
          if (HasFatalFailure())
            FAIL() << "operation " << at << " of " << count << (forever ? " and all after it" : "") << ", errno " << code;
        }
      }
    }
  }
  EXPECT_GT(reported, count);
}

INSTANTIATE_TEST_SUITE_P(WritePaths, Failure, testing::ValuesIn(write_paths()),
                         [](const auto& parameter) { return test_name(parameter.param); });

// A full disk is found before the first byte is written, where space can be reserved.
TEST(NoSpace, IsFoundBeforeAnythingIsWritten) {
  WritePath way = write_paths()[4];
  SimulatedSystem below(way.abilities);
  way.set_up(below);
  int writes = 0;
  below.before_change = [&] { ++writes; };
  // resolve, open, then the reservation.
  FaultySystem system(below, {.at = 3, .code = ENOSPC});
  ExecuteOptions options = way.options;
  options.system = &system;
  const Status status = execute(way.plan, way.path, options);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().system_code(), ENOSPC);
  EXPECT_EQ(writes, 2) << "created and removed, nothing else";
}

}  // namespace
}  // namespace holdall
