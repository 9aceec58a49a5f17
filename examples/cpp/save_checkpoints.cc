// Saves checkpoints behind a loop, keeps the last two, and goes on from the newest when started again: save_checkpoints FOLDER
#include <holdall/holdall.h>

#include <cstdio>
#include <vector>

namespace {

int fail(const holdall::Error& error) {
  std::fprintf(stderr, "%s\n", error.to_string().c_str());
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: save_checkpoints FOLDER\n");
    return 2;
  }
  std::vector<float> weight(1000);
  std::int64_t step = 0;

  holdall::CheckpointerOptions options;
  options.name = "checkpoint_step{step}.pt";
  options.rules.last = 2;
  const auto checkpointer = holdall::Checkpointer::open(argv[1], options);
  if (!checkpointer) return fail(checkpointer.error());

  // The newest whose checksums hold; a fresh start where there is none.
  if (const auto newest = holdall::open_newest(argv[1])) {
    step = newest->tree().find_int("step").value_or(0);
    const auto saved = newest->tensor("model_state_dict.weight");
    if (!saved) return fail(saved.error());
    if (const auto read = saved->read_into(std::as_writable_bytes(std::span(weight))); !read) return fail(read.error());
  } else if (newest.error().code() != holdall::Code::kNotFound) {
    return fail(newest.error());
  }
  std::printf("from step %lld\n", static_cast<long long>(step));

  for (const std::int64_t end = step + 5; step < end;) {
    for (float& value : weight) value += 1;
    ++step;
    const auto view = holdall::view_tensor<float>(weight, {weight.size()});
    if (!view) return fail(view.error());
    holdall::StateDict state;
    state.set("step", step);
    state.dict("model_state_dict").set("weight", *view);
    const auto model = state.model();
    if (!model) return fail(model.error());
    // Returns once the values are copied; a thread writes them while the loop goes on.
    const auto saved = (*checkpointer)->save(*model, {step, {}, {{"mean", weight[0]}}});
    if (!saved) return fail(saved.error());
  }
  const auto closed = (*checkpointer)->close();  // what failed behind the loop is told here at the latest
  if (!closed) return fail(closed.error());
}
