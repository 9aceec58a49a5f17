#include "holdall/checkpoint/lease.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "holdall/checkpoint/checkpoint_test_states.h"
#include "tests/faults/passing_system.h"

namespace holdall {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kSecond = 1'000'000'000;

class LeaseTest : public testing::Test {
 protected:
  std::string folder() const { return scratch_ / ""; }
  std::string file() const { return scratch_ / std::string(kLeaseFile); }
  Result<Lease> take(System& system = System::local()) const { return Lease::take(system, folder()); }
  // A lease as another process wrote it, whose last sign of life was so long ago.
  void fake(const std::string& owner, std::int64_t ago) const {
    JsonWriter writer;
    writer.begin_object().key("owner").string(owner).key("process").integer(77).key("host").string("elsewhere");
    writer.key("command").string("python train.py").key("since").integer(0);
    writer.key("alive").integer(System::local().now() - ago).end_object();
    spill(file(), writer.text());
  }
  void expect_refused(const Result<Lease>& lease) const {
    ASSERT_FALSE(lease);
    EXPECT_EQ(lease.error().code(), Code::kConflict);
    EXPECT_EQ(lease.error().path(), folder());
  }

  Scratch scratch_;
};

// A file system without locks.
class LocklessSystem final : public PassingSystem {
 public:
  Result<Locked> open_locked(const std::string& path) override {
    auto locked = PassingSystem::open_locked(path);
    if (locked && locked->held == Held::kOurs) locked->held = Held::kUnknown;
    return locked;
  }
};

TEST_F(LeaseTest, IsHadByOneAndGivenBack) {
  auto lease = take();
  ASSERT_TRUE(lease) << lease.error().to_string();
  EXPECT_THAT(slurp(file()), HasSubstr("\"process\":" + std::to_string(::getpid())));
  EXPECT_THAT(slurp(file()), HasSubstr("\"host\":\"" + System::local().host() + "\""));
  const auto second = take();
  expect_refused(second);
  EXPECT_THAT(second.error().message(), HasSubstr("this process"));
  lease->release();
  EXPECT_EQ(slurp(file()), "");
  EXPECT_TRUE(take());
  EXPECT_TRUE(take()) << "the destructor gives it back";
}

TEST_F(LeaseTest, OfTwoThreadsOneHasIt) {
  for (int time = 0; time < 50; ++time) {
    std::atomic<int> had = 0;
    std::atomic<int> done = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        const auto lease = take();
        had += lease ? 1 : 0;
        ++done;
        while (done < 4) std::this_thread::yield();
      });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(had, 1);
  }
}

TEST_F(LeaseTest, IsTakenOverOnceItsHolderIsKilled) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lease = take();
    if (!lease || ::write(ends[1], "", 1) != 1) ::_exit(1);
    ::sleep(60);
    ::_exit(2);
  }
  char ready = 0;
  ASSERT_EQ(::read(ends[0], &ready, 1), 1);
  ::close(ends[0]);
  ::close(ends[1]);
  const auto refused = take();
  expect_refused(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("process " + std::to_string(child) + " on host " + System::local().host()));
  expect_refused(take());  // having been refused lets nothing go
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(take());
}

TEST_F(LeaseTest, AChildOfTheHolderDoesNotHoldItAndLetsNothingGo) {
  auto lease = take();
  ASSERT_TRUE(lease);
  const std::string before = slurp(file());
  const pid_t child = ::fork();
  if (child == 0) {
    const auto own = take();
    const bool named = !own && own.error().message().find("process " + std::to_string(::getppid())) != std::string::npos;
    lease->release();
    ::_exit(named ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(slurp(file()), before);
  const pid_t other = ::fork();
  if (other == 0) ::_exit(take() ? 1 : 0);
  ::waitpid(other, &status, 0);
  EXPECT_EQ(status, 0) << "the lock is gone";
}

TEST_F(LeaseTest, StaysWhileItsFileIsReadAndCopiedByItsHolder) {
  const auto lease = take();
  ASSERT_TRUE(lease);
  EXPECT_NE(slurp(file()), "");
  std::filesystem::copy(file(), scratch_ / "copy");
  const pid_t child = ::fork();
  if (child == 0) ::_exit(take() ? 1 : 0);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST_F(LeaseTest, OfAnotherMachineIsRefusedWhileItShowsSignsOfLife) {
  fake("77-ffffffff-000000", 20 * kSecond);
  const auto refused = take();
  expect_refused(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("process 77 on host elsewhere (python train.py)"));
  EXPECT_THAT(refused.error().message(), HasSubstr("last sign of life was 20 s ago"));
  EXPECT_THAT(slurp(file()), HasSubstr("elsewhere")) << "a refusal changes nothing";
  fake("77-ffffffff-000000", 100 * kSecond);
  expect_refused(take());
  fake("77-ffffffff-000000", Lease::kLapsed + kSecond);
  EXPECT_TRUE(take());
}

TEST_F(LeaseTest, OfThisMachineWhoseLockIsFreeIsStale) {
  // Its process lives, but under another program by now: number 1.
  const std::string own = System::local().owner();
  fake("1" + own.substr(own.find('-')), 0);
  EXPECT_TRUE(take());
}

TEST_F(LeaseTest, WithoutLocksTheOwnerCounts) {
  LocklessSystem system;
  const std::string own = System::local().owner();
  fake("1" + own.substr(own.find('-')), 1000 * kSecond);
  expect_refused(take(system));
  fake("2147483647" + own.substr(own.find('-')), 0);
  EXPECT_TRUE(take(system)) << "there is no such process";
  fake("77-ffffffff-000000", kSecond);
  expect_refused(take(system));
  auto lease = take();
  EXPECT_FALSE(lease);
}

TEST_F(LeaseTest, ThatIsEmptyOrDamagedIsNobodys) {
  for (const std::string content : {"", "{", "[]", "{\"owner\":7}", "\xff\xfe", "{\"owner\":\"\"}", "{\"alive\":1e99}"}) {
    spill(file(), content);
    EXPECT_TRUE(take()) << content;
  }
  spill(file(), std::string(1u << 20, '{'));
  EXPECT_TRUE(take());
  EXPECT_EQ(slurp(file()), "");
}

TEST_F(LeaseTest, ShowsSignsOfLifeInAFileOfItsOwnLength) {
  class Clock final : public PassingSystem {
   public:
    std::int64_t time = 1'000'000'000'000'000'000;
    std::int64_t now() override { return time; }
  } system;
  spill(file(), std::string(5000, ' '));
  auto lease = take(system);
  ASSERT_TRUE(lease);
  for (const std::int64_t time :
       {std::int64_t{9'000'000'000'000'000'000}, std::int64_t{7}, std::int64_t{1'000'000'000'000'000'001}}) {
    system.time = time;
    ASSERT_TRUE(lease->renew());
    const std::string content = slurp(file());
    EXPECT_THAT(content, HasSubstr("\"alive\":" + std::to_string(time) + "}"));
    EXPECT_TRUE(content.ends_with('}')) << "the rest of a longer one is left";
  }
}

}  // namespace
}  // namespace holdall
