// parallel_for(): the library's only threads, joined before it returns.
#pragma once

#include <cstdint>
#include <functional>

#include "holdall/base/result.h"

namespace holdall {

// Threads worth starting for I/O and checksums here: the processors this process may use, at least 1, at most 16.
unsigned worker_count() noexcept;
// The same for work that waits for a disk half of the time: four a processor, at most 8, so that while one sums its bytes
// others keep the disk busy.
unsigned disk_worker_count() noexcept;

// Calls work(i) for i in [0, count) on up to `threads` threads (the caller is one), lower i started first. After a failure no
// further i is started; the error of the lowest failed i is returned.
Status parallel_for(std::uint64_t count, unsigned threads, const std::function<Status(std::uint64_t)>& work);

// The same where each worker needs scratch of its own: work(worker, i), worker in [0, threads).
Status parallel_for_workers(std::uint64_t count, unsigned threads,
                            const std::function<Status(unsigned worker, std::uint64_t)>& work);

}  // namespace holdall
