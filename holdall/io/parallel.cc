#include "holdall/io/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

namespace holdall {

namespace {

// Memory that runs out in a thread must not end the process, nor a fault of ours the work on everything else.
Status attempt(const std::function<Status(unsigned, std::uint64_t)>& work, unsigned worker, std::uint64_t i) {
  try {
    return work(worker, i);
  } catch (const std::bad_alloc&) {
    return Error(Code::kOutOfMemory, "no memory left in a thread");
  } catch (const std::exception& fault) {
    return Error(Code::kInternal, fault.what());
  }
}

}  // namespace

unsigned worker_count() noexcept {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return std::clamp(static_cast<unsigned>(CPU_COUNT(&set)), 1u, 16u);
}

unsigned disk_worker_count() noexcept { return std::min(4 * worker_count(), 8u); }

Status parallel_for(std::uint64_t count, unsigned threads, const std::function<Status(std::uint64_t)>& work) {
  return parallel_for_workers(count, threads, [&](unsigned, std::uint64_t i) { return work(i); });
}

Status parallel_for_workers(std::uint64_t count, unsigned threads,
                            const std::function<Status(unsigned worker, std::uint64_t)>& work) {
  std::atomic<std::uint64_t> next{0};
  std::mutex mutex;
  std::optional<Error> first;
  std::uint64_t first_at = UINT64_MAX;
  const auto run = [&](unsigned worker) {
    for (;;) {
      const std::uint64_t i = next.fetch_add(1, std::memory_order_relaxed);
      if (i >= count) return;
      Status status = attempt(work, worker, i);
      if (status) continue;
      next.store(count, std::memory_order_relaxed);
      const std::lock_guard lock(mutex);
      if (i < first_at) {
        first_at = i;
        first = std::move(status).error();
      }
    }
  };
  std::vector<std::jthread> others;
  const std::uint64_t wanted = std::min<std::uint64_t>(std::max(threads, 1u), count);
  for (std::uint64_t worker = 1; worker < wanted; ++worker) {
    try {
      others.emplace_back(run, static_cast<unsigned>(worker));
    } catch (const std::system_error&) {
      break;  // no more threads to be had: fewer do the same work
    }
  }
  run(0);
  others.clear();
  if (first) return std::move(*first);
  return {};
}

}  // namespace holdall
