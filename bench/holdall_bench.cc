// holdall_bench: one piece of work a run, timed from inside; prints the seconds. Driven by bench/run.py.
//
//   holdall_bench load PATH              every tensor of a model into fresh memory, checksums verified
//   holdall_bench save PATH COUNT BYTES  a model of COUNT float32 tensors of BYTES each from memory to PATH, durable
//   holdall_bench raw-read-warm PATH     the bare machine: pread(2) by two threads into fresh huge pages
//   holdall_bench raw-read-cold PATH     the bare machine: O_DIRECT by eight threads into fresh huge pages
//   holdall_bench raw-write PATH BYTES   the bare machine: preallocated, O_DIRECT by four threads, file and folder synced
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "holdall/base/text.h"
#include "holdall/io/load.h"
#include "holdall/ops/convert.h"

namespace holdall {
namespace {

constexpr std::uint64_t kRequest = 4u << 20;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Result<double> load(const std::string& path) {
  const auto start = std::chrono::steady_clock::now();
  HOLDALL_ASSIGN(const Model model, open_model(path));
  std::vector<Blob> blobs;
  blobs.reserve(model.tensors().size());
  for (const NamedTensor& entry : model.tensors()) {
    HOLDALL_ASSIGN(Blob blob, entry.tensor.data());
    blobs.push_back(std::move(blob));
  }
  HOLDALL_ASSIGN(const std::vector<Bytes> loaded, load_all(blobs));
  return seconds_since(start);
}

// Tensors of their own memory, all touched, as a training process has them.
Result<Model> model_in_memory(std::uint64_t count, std::uint64_t bytes) {
  ModelBuilder builder;
  std::vector<std::string> names;
  for (std::uint64_t i = 0; i < count; ++i) {
    HOLDALL_ASSIGN(Buffer buffer, Buffer::allocate(bytes));
    for (std::uint64_t at = 0; at + 4 <= bytes; at += 4) {
      store_le(buffer.data() + at, static_cast<float>(at * 2654435761u % 1000003u) / 1e6f);
    }
    HOLDALL_ASSIGN(Tensor tensor,
                   Tensor::dense(DType::kFloat32, {bytes / 4}, Blob::memory(std::move(buffer).into_bytes(), "memory")));
    builder.add(std::move(tensor));
    names.push_back(text("layer.{}.weight", i));
  }
  return std::move(builder).named(std::move(names));
}

Result<double> save(const std::string& path, std::uint64_t count, std::uint64_t bytes) {
  HOLDALL_ASSIGN(const Model model, model_in_memory(count, bytes));
  const auto start = std::chrono::steady_clock::now();
  HOLDALL_TRY(save_model(model, path));
  return seconds_since(start);
}

// Calls work(offset, size) for each request of a range, by several threads.
bool in_requests(std::uint64_t whole, unsigned threads, const std::function<bool(std::uint64_t, std::uint64_t)>& work) {
  std::atomic<std::uint64_t> next = 0;
  std::atomic<bool> good = true;
  std::vector<std::jthread> crew;
  for (unsigned i = 0; i < threads; ++i) {
    crew.emplace_back([&] {
      for (std::uint64_t at = next.fetch_add(kRequest); at < whole && good; at = next.fetch_add(kRequest)) {
        if (!work(at, std::min(kRequest, whole - at))) good = false;
      }
    });
  }
  crew.clear();
  return good;
}

Result<double> raw_read(const std::string& path, int flags, unsigned threads) {
  const auto start = std::chrono::steady_clock::now();
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags);
  if (file < 0) return io_error("cannot open", errno).in(path);
  const auto size = static_cast<std::uint64_t>(::lseek(file, 0, SEEK_END));
  HOLDALL_ASSIGN(Buffer buffer, Buffer::allocate(size + 4096, Buffer::Pages::kHuge));
  const bool good = in_requests(size, threads, [&](std::uint64_t at, std::uint64_t want) {
    const auto asked = static_cast<std::size_t>((want + 4095) / 4096 * 4096);
    return ::pread(file, buffer.data() + at, asked, static_cast<off_t>(at)) >= static_cast<ssize_t>(want);
  });
  const double taken = seconds_since(start);
  ::close(file);
  if (!good) return io_error("cannot read", errno).in(path);
  return taken;
}

Result<double> raw_write(const std::string& path, std::uint64_t size) {
  HOLDALL_ASSIGN(Buffer buffer, Buffer::allocate(size, Buffer::Pages::kHuge));
  for (std::uint64_t at = 0; at + 8 <= size; at += 8) store_le(buffer.data() + at, at * 0x9e3779b97f4a7c15u);
  const auto start = std::chrono::steady_clock::now();
  const int file = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_DIRECT | O_CLOEXEC, 0666);
  if (file < 0) return io_error("cannot create", errno).in(path);
  const auto end = static_cast<std::uint64_t>(size / 4096 * 4096);
  bool good = ::fallocate(file, 0, 0, static_cast<off_t>(end)) == 0;
  good = good && in_requests(end, 4, [&](std::uint64_t at, std::uint64_t want) {
           return ::pwrite(file, buffer.data() + at, want, static_cast<off_t>(at)) == static_cast<ssize_t>(want);
         });
  good = good && ::fsync(file) == 0;
  ::close(file);
  const int folder = ::open(path.substr(0, path.rfind('/') + 1).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  good = good && ::fsync(folder) == 0;
  const double taken = seconds_since(start);
  ::close(folder);
  if (!good) return io_error("cannot write", errno).in(path);
  return taken;
}

Result<double> run(const std::vector<std::string>& words) {
  const auto number = [&](std::size_t i) { return std::strtoull(words.at(i).c_str(), nullptr, 10); };
  if (words.size() == 2 && words[0] == "load") return load(words[1]);
  if (words.size() == 4 && words[0] == "save") return save(words[1], number(2), number(3));
  if (words.size() == 2 && words[0] == "raw-read-warm") return raw_read(words[1], 0, 2);
  if (words.size() == 2 && words[0] == "raw-read-cold") return raw_read(words[1], O_DIRECT, 8);
  if (words.size() == 3 && words[0] == "raw-write") return raw_write(words[1], number(2));
  return invalid_argument(
      "usage: load PATH | save PATH COUNT BYTES | raw-read-warm PATH | raw-read-cold PATH | raw-write PATH BYTES");
}

}  // namespace
}  // namespace holdall

int main(int argc, char** argv) {
  const auto seconds = holdall::run({argv + 1, argv + argc});
  if (!seconds) {
    std::fprintf(stderr, "%s\n", seconds.error().to_string().c_str());
    return 2;
  }
  std::printf("%.6f\n", *seconds);
  return 0;
}
