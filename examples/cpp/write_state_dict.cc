// Writes a checkpoint that torch.load reads: write_state_dict checkpoint.pt
#include <holdall/holdall.h>

#include <cstdio>
#include <numeric>
#include <vector>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: write_state_dict CHECKPOINT\n");
    return 2;
  }
  std::vector<float> weight(6);
  std::iota(weight.begin(), weight.end(), 1.0F);
  const std::vector<float> bias = {0.5F, -0.5F};

  // view_tensor() looks at the vectors, which outlive the save; make_tensor() would copy them.
  const auto w = holdall::view_tensor<float>(weight, {2, 3});
  const auto b = holdall::view_tensor<float>(bias, {2});
  if (!w || !b) return 2;

  holdall::StateDict checkpoint;
  checkpoint.set("epoch", 3);
  checkpoint.set("loss", 0.25);
  checkpoint.set("note", "written by C++");
  holdall::StateDict weights = checkpoint.dict("model_state_dict");
  weights.set("fc.weight", *w);
  weights.set("fc.bias", *b);

  const auto status = holdall::save(checkpoint, argv[1]);
  if (!status) {
    std::fprintf(stderr, "%s\n", status.error().to_string().c_str());
    return 2;
  }
}
