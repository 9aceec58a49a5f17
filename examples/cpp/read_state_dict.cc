// Reads one tensor of a state_dict that Python saved: read_state_dict model.pt fc.weight
#include <holdall/holdall.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: read_state_dict MODEL TENSOR\n");
    return 2;
  }
  const auto model = holdall::open(argv[1]);
  if (!model) {
    std::fprintf(stderr, "%s\n", model.error().to_string().c_str());
    return 2;
  }
  const auto tensor = model->tensor(argv[2]);
  if (!tensor) {
    std::fprintf(stderr, "%s\n", tensor.error().to_string().c_str());
    return 2;
  }
  // The bytes are read here, by several threads for large tensors.
  const auto values = tensor->read<float>();
  if (!values) {
    std::fprintf(stderr, "%s\n", values.error().to_string().c_str());
    return 2;
  }
  double sum = 0;
  for (const float value : *values) sum += value;
  std::printf("%s %s %zu values, sum %.9g\n", argv[2], holdall::to_string(tensor->shape()).c_str(), values->size(), sum);
}
