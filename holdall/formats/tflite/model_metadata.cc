// TFLite Metadata: a FlatBuffer of its own in a buffer of the file (metadata_schema.fbs).
#include <span>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/codec/flatbuffer.h"
#include "holdall/formats/tflite/about.h"

namespace holdall::tflite {
namespace {

class Metadata {
 public:
  Metadata(Arena& arena, std::vector<std::string>* files) : arena_(arena), files_(files) {}

  Result<NodeId> model(const FlatTable& table) {
    const NodeId about = arena_.dict();
    HOLDALL_TRY(texts(table, about,
                      {{AboutModelField::kName, "name"},
                       {AboutModelField::kDescription, "description"},
                       {AboutModelField::kVersion, "version"},
                       {AboutModelField::kAuthor, "author"},
                       {AboutModelField::kLicense, "license"},
                       {AboutModelField::kMinParserVersion, "min_parser_version"}}));
    HOLDALL_TRY(list(table, AboutModelField::kSubgraphs, about, "subgraphs", &Metadata::subgraph));
    HOLDALL_TRY(list(table, AboutModelField::kFiles, about, "associated_files", &Metadata::file));
    return about;
  }

 private:
  using Text = std::pair<unsigned, std::string_view>;
  using Describe = Result<NodeId> (Metadata::*)(const FlatTable&);

  Status texts(const FlatTable& table, NodeId about, std::initializer_list<Text> fields) {
    for (const auto& [field, key] : fields) {
      HOLDALL_ASSIGN(const std::string value, table.text(field));
      if (!value.empty()) arena_.set_item(about, key, arena_.string(value));
    }
    return {};
  }

  Status list(const FlatTable& table, unsigned field, NodeId about, std::string_view key, Describe describe) {
    HOLDALL_ASSIGN(const FlatVector all, table.vector(field, 4));
    if (all.empty()) return {};
    const NodeId made = arena_.list();
    for (std::uint64_t i = 0; i < all.size(); ++i) {
      HOLDALL_ASSIGN(const FlatTable each, all.table(i));
      HOLDALL_ASSIGN(const NodeId node, (this->*describe)(each));
      arena_.append(made, node);
    }
    arena_.set_item(about, key, made);
    return {};
  }

  Status reals(const FlatTable& table, unsigned field, NodeId about, std::string_view key) {
    HOLDALL_ASSIGN(const std::vector<float> values, table.numbers<float>(field));
    if (values.empty()) return {};
    const NodeId made = arena_.list();
    for (const float each : values) arena_.append(made, arena_.real(static_cast<double>(each)));
    arena_.set_item(about, key, made);
    return {};
  }

  Result<NodeId> subgraph(const FlatTable& table) {
    const NodeId about = arena_.dict();
    HOLDALL_TRY(texts(table, about, {{AboutSubgraphField::kName, "name"}, {AboutSubgraphField::kDescription, "description"}}));
    HOLDALL_TRY(list(table, AboutSubgraphField::kInputs, about, "inputs", &Metadata::tensor));
    HOLDALL_TRY(list(table, AboutSubgraphField::kOutputs, about, "outputs", &Metadata::tensor));
    HOLDALL_TRY(list(table, AboutSubgraphField::kFiles, about, "associated_files", &Metadata::file));
    HOLDALL_TRY(list(table, AboutSubgraphField::kInputUnits, about, "input_process_units", &Metadata::process_unit));
    HOLDALL_TRY(list(table, AboutSubgraphField::kOutputUnits, about, "output_process_units", &Metadata::process_unit));
    return about;
  }

  Result<NodeId> tensor(const FlatTable& table) {
    const NodeId about = arena_.dict();
    HOLDALL_TRY(texts(table, about, {{AboutTensorField::kName, "name"}, {AboutTensorField::kDescription, "description"}}));
    HOLDALL_ASSIGN(const FlatVector names, table.vector(AboutTensorField::kDimensionNames, 4));
    const NodeId dimensions = arena_.list();
    for (std::uint64_t i = 0; i < names.size(); ++i) {
      HOLDALL_ASSIGN(const std::string name, names.text(i));
      arena_.append(dimensions, arena_.string(name));
    }
    if (!names.empty()) arena_.set_item(about, "dimension_names", dimensions);
    HOLDALL_TRY(content(table, about));
    HOLDALL_TRY(list(table, AboutTensorField::kProcessUnits, about, "process_units", &Metadata::process_unit));
    HOLDALL_ASSIGN(const auto stats, table.table(AboutTensorField::kStats));
    if (stats) {
      HOLDALL_TRY(reals(*stats, StatsField::kMin, about, "min"));
      HOLDALL_TRY(reals(*stats, StatsField::kMax, about, "max"));
    }
    HOLDALL_TRY(list(table, AboutTensorField::kFiles, about, "associated_files", &Metadata::file));
    return about;
  }

  // What a tensor is of; a plain feature says nothing.
  Status content(const FlatTable& table, NodeId about) {
    static constexpr std::string_view kKinds[] = {"", "feature", "image", "bounding_box", "audio"};
    HOLDALL_ASSIGN(const auto of, table.table(AboutTensorField::kContent));
    if (!of) return {};
    HOLDALL_ASSIGN(const std::uint8_t type, of->number<std::uint8_t>(ContentField::kPropertiesType));
    if (type != 0) arena_.set_item(about, "content", arena_.string(kind(kKinds, type)));
    return {};
  }

  static std::string kind(std::span<const std::string_view> kinds, std::uint8_t type) {
    return type < kinds.size() ? std::string(kinds[type]) : text("type {}", type);
  }

  Result<NodeId> process_unit(const FlatTable& table) {
    static constexpr std::string_view kKinds[] = {"",
                                                  "normalization",
                                                  "score_calibration",
                                                  "score_thresholding",
                                                  "bert_tokenizer",
                                                  "sentence_piece_tokenizer",
                                                  "regex_tokenizer"};
    const NodeId about = arena_.dict();
    HOLDALL_ASSIGN(const std::uint8_t type, table.number<std::uint8_t>(ProcessUnitField::kOptionsType));
    HOLDALL_ASSIGN(const auto options, table.table(ProcessUnitField::kOptions));
    arena_.set_item(about, "kind", arena_.string(kind(kKinds, type)));
    if (type == 1 && options) {
      HOLDALL_TRY(reals(*options, NormalizationField::kMean, about, "mean"));
      HOLDALL_TRY(reals(*options, NormalizationField::kStd, about, "std"));
    }
    // Tokenizers have their files in the options: SentencePiece's model and vocabulary, a regular expression before one.
    if ((type == 4 || type == 5) && options) HOLDALL_TRY(list(*options, 0, about, "associated_files", &Metadata::file));
    if ((type == 5 || type == 6) && options) HOLDALL_TRY(list(*options, 1, about, "vocabulary", &Metadata::file));
    return about;
  }

  Result<NodeId> file(const FlatTable& table) {
    static constexpr std::string_view kKinds[] = {
        "",           "descriptions",    "tensor_axis_labels", "tensor_value_labels", "tensor_axis_score_calibration",
        "vocabulary", "scann_index_file"};
    const NodeId about = arena_.dict();
    HOLDALL_TRY(texts(table, about,
                      {{AssociatedFileField::kName, "name"},
                       {AssociatedFileField::kDescription, "description"},
                       {AssociatedFileField::kLocale, "locale"},
                       {AssociatedFileField::kVersion, "version"}}));
    HOLDALL_ASSIGN(const std::uint8_t type, table.number<std::uint8_t>(AssociatedFileField::kType));
    if (type != 0) arena_.set_item(about, "kind", arena_.string(kind(kKinds, type)));
    HOLDALL_ASSIGN(std::string name, table.text(AssociatedFileField::kName));
    if (files_ != nullptr) files_->push_back(std::move(name));
    return about;
  }

  Arena& arena_;
  std::vector<std::string>* files_;
};

}  // namespace

Result<NodeId> describe_model(Arena& arena, const Blob& buffer, const Limits& limits, std::vector<std::string>* files) {
  const auto flat = FlatFile::of(buffer, limits.header_bytes);
  HOLDALL_ASSIGN(const std::string identifier, flat->identifier());
  if (identifier != kMetadataIdentifier)
    return corrupt(text("TFLite Metadata begin with the identifier '{}'", kMetadataIdentifier))
        .at(buffer.offset())
        .in(buffer.name());
  HOLDALL_ASSIGN(const FlatTable root, flat->root());
  return Metadata(arena, files).model(root);
}

}  // namespace holdall::tflite
