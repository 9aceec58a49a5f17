// What the parts of the ONNX format share.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "holdall/formats/format.h"
#include "holdall/formats/onnx/external_data.h"
#include "holdall/formats/onnx/model_file.h"
#include "holdall/formats/onnx/tensor_proto.h"

namespace holdall::onnx {

// The key of the metadata under which stands what the file says of itself; the others are its metadata_props.
inline constexpr std::string_view kAbout = "onnx";

// The tensor of a weight as the file has it. Errors: those of tensor_of() and its kin.
Result<Tensor> tensor_of_weight(const Blob& file, const ModelFile& model, const Weight& weight, const OpenExternal& external,
                                const Limits& limits);
// The message of a weight. Errors: corrupt.
Result<ProtoReader> message_of(const Blob& file, const ModelFile& model, std::uint32_t message);

// Structure beyond what reading looks at: names, order of nodes, fields of tensors that contradict one another.
Status check_graphs(const Blob& file, const ModelFile& model, const Limits& limits, Faults& faults);

// What ONNX Runtime would need to run the graph: operators of others, native code, files.
void judge_operators(const ModelFile& model, std::string_view where, Findings& findings);

Result<Plan> plan(const Model& model, const WriteOptions& options);

}  // namespace holdall::onnx
