// The first steps, on the checkpoint that write_state_dict writes: write_state_dict checkpoint.pt && first_steps
#include <holdall/holdall.h>

#include <cstdio>

namespace {

int fail(const holdall::Error& error) {
  std::fprintf(stderr, "%s\n", error.to_string().c_str());
  return 2;
}

}  // namespace

int main() {
  auto model = holdall::open("checkpoint.pt");                // Result<Model>: nothing executed, tensors still on disk
  if (!model) return fail(model.error());                     // code, message, path, offset
  auto weight = model->tensor("model_state_dict.fc.weight");  // Result<Tensor>
  if (!weight) return fail(weight.error());
  auto values = weight->read<float>();  // Result<std::vector<float>>
  if (!values) return fail(values.error());
  auto epoch = model->tree().find_int("epoch");                   // std::optional: the values beside the tensors
  auto status = holdall::save(*model, "checkpoint.safetensors");  // Status: whole and on disk, or as it was before
  if (!status) return fail(status.error());
  std::printf("epoch %d, %zu values\n", static_cast<int>(epoch.value_or(0)), values->size());
}
