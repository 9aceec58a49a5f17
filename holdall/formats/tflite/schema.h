// The fields of a TFLite file, by their numbers: each table's fields in the order of schema.fbs (google-ai-edge/LiteRT,
// tflite/converter/schema; versions 3 to 3d) and of metadata_schema.fbs 1.1.0 (tensorflow/tflite-support). A field that is a
// union takes two numbers, the first for its type.
//
// Thread-safety: constants.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "holdall/core/dtype.h"

namespace holdall::tflite {

inline constexpr std::string_view kIdentifier = "TFL3";
inline constexpr std::string_view kMetadataIdentifier = "M001";
inline constexpr std::uint32_t kSchemaVersion = 3;

struct ModelField {
  enum : unsigned {
    kVersion,
    kOperatorCodes,
    kSubgraphs,
    kDescription,
    kBuffers,
    kMetadataBuffer,
    kMetadata,
    kSignatures,
    kExternalGroups,
    kExternalBuffers
  };
};
struct OperatorCodeField {
  enum : unsigned { kDeprecatedBuiltin, kCustom, kVersion, kBuiltin };
};
struct SubgraphField {
  enum : unsigned { kTensors, kInputs, kOutputs, kOperators, kName };
};
struct TensorField {
  enum : unsigned {
    kShape,
    kType,
    kBuffer,
    kName,
    kQuantization,
    kIsVariable,
    kSparsity,
    kShapeSignature,
    kHasRank,
    kVariantTensors,
    kExternalBuffer
  };
};
struct QuantizationField {
  enum : unsigned { kMin, kMax, kScale, kZeroPoint, kDetailsType, kDetails, kAxis };
};
// The types of QuantizationField::kDetails.
enum class Details : std::uint8_t { kNone, kCustom, kBlockwise, kMultiAxis };
struct BlockwiseField {  // of both kinds; kAxes of kMultiAxis alone
  enum : unsigned { kScales, kZeroPoints, kBlock, kAxes };
};
struct SparsityField {
  enum : unsigned { kTraversalOrder, kBlockMap, kDimensions };
};
struct DimensionField {
  enum : unsigned { kFormat, kDenseSize, kSegmentsType, kSegments, kIndicesType, kIndices };
};
// The types of DimensionField::kSegments and kIndices: tables of one vector.
enum class Indices : std::uint8_t { kNone, kInt32, kUInt16, kUInt8 };
struct OperatorField {
  enum : unsigned {
    kOpcode,
    kInputs,
    kOutputs,
    kOptionsType,
    kOptions,
    kCustomOptions,
    kCustomOptionsFormat,
    kMutating,
    kIntermediates,
    kLargeOptionsOffset,
    kLargeOptionsSize
  };
};
struct BufferField {
  enum : unsigned { kData, kOffset, kSize };
};
struct MetadataField {
  enum : unsigned { kName, kBuffer };
};
struct SignatureField {
  enum : unsigned { kInputs, kOutputs, kKey, kDeprecatedTag, kSubgraph };
};
struct TensorMapField {
  enum : unsigned { kName, kTensor };
};
struct ExternalBufferField {
  enum : unsigned { kId, kGroup, kOffset, kLength, kPacking };
};

// metadata_schema.fbs
struct AboutModelField {
  enum : unsigned { kName, kDescription, kVersion, kSubgraphs, kAuthor, kLicense, kFiles, kMinParserVersion };
};
struct AboutSubgraphField {
  enum : unsigned { kName, kDescription, kInputs, kOutputs, kFiles, kInputUnits, kOutputUnits };
};
struct AboutTensorField {
  enum : unsigned { kName, kDescription, kDimensionNames, kContent, kProcessUnits, kStats, kFiles };
};
struct ContentField {
  enum : unsigned { kPropertiesType, kProperties, kRange };
};
struct AssociatedFileField {
  enum : unsigned { kName, kDescription, kType, kLocale, kVersion };
};
struct ProcessUnitField {
  enum : unsigned { kOptionsType, kOptions };
};
struct NormalizationField {  // the options of type 1
  enum : unsigned { kMean, kStd };
};
struct StatsField {
  enum : unsigned { kMax, kMin };
};

struct TensorType {
  std::uint8_t number = 0;
  std::string_view name;  // "FLOAT32"
  DType dtype = DType::kFloat32;
};
inline constexpr std::uint8_t kStringType = 5;
inline constexpr std::uint8_t kFloatType = 0;

enum class Builtin : std::int32_t {
#define HOLDALL_TFLITE_OPERATOR(name) name,
#include "holdall/formats/tflite/builtin_operators.inc"
#undef HOLDALL_TFLITE_OPERATOR
};

// nullptr where there is none.
const TensorType* tensor_type(std::uint8_t number) noexcept;
// "ADD", or "BUILTIN 999".
std::string operator_name(std::int32_t builtin);

}  // namespace holdall::tflite
