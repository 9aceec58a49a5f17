// What is in a model file, and may it be loaded: list_model model.pt
#include <holdall/holdall.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: list_model MODEL\n");
    return 2;
  }
  const auto inspection = holdall::inspect(argv[1]);
  if (!inspection) {
    std::fprintf(stderr, "%s\n", inspection.error().to_string().c_str());
    return 2;
  }
  const holdall::Model& model = inspection->model;
  std::printf("%s: %s, %zu tensors, %llu parameters, %s\n", argv[1], model.origin().format.c_str(), model.tensors().size(),
              static_cast<unsigned long long>(model.parameters()), std::string(holdall::name(inspection->verdict)).c_str());
  for (const holdall::FoldedLine& line : holdall::fold(model.tensors())) {
    const holdall::Tensor& tensor = model.tensors()[line.members.front()].tensor;
    std::printf("  %s %s %s\n", line.pattern.c_str(), std::string(holdall::name(tensor.dtype())).c_str(),
                holdall::to_string(tensor.shape()).c_str());
  }
  for (const holdall::Finding& finding : inspection->findings)
    std::printf("  ! %s: %s\n", finding.where.c_str(), finding.what.c_str());
}
