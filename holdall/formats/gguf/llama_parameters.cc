#include <algorithm>
#include <cmath>

#include "holdall/base/text.h"
#include "holdall/formats/gguf/llama_cpp.h"

namespace holdall::gguf {
namespace {

constexpr double kPi = 3.14159265358979323846;

// llama_pooling_type of llama.h.
enum class Pooling : std::uint8_t { kNone, kMean, kFirst, kLast, kRank };

class ParameterConverter {
 public:
  explicit ParameterConverter(Conversion& conversion) : c_(conversion) {}

  Status run() {
    HOLDALL_TRY(size("block_count", {"num_hidden_layers", "n_layer", "n_layers"}));
    HOLDALL_TRY(context());
    HOLDALL_TRY(size("embedding_length", {"hidden_size", "n_embd", "dim"}));
    HOLDALL_TRY(feed_forward());
    HOLDALL_TRY(size("attention.head_count", {"num_attention_heads", "n_head", "n_heads"}));
    switch (c_.architecture.family) {
      case Family::kBert:
      case Family::kDistilBert:
        return bert();
      case Family::kGpt2:
        gpt2();
        return {};
      case Family::kLlama:
        return llama();
    }
    return {};
  }

 private:
  Result<std::int64_t> required(std::initializer_list<std::string_view> names) const {
    const auto value = c_.setting(names);
    if (value && *value > 0 && *value <= UINT32_MAX) return *value;
    return corrupt(text("config.json says no {}, which llama.cpp wants", *names.begin())).in(c_.model.origin().path);
  }

  Status size(std::string_view key, std::initializer_list<std::string_view> names) {
    HOLDALL_ASSIGN(const std::int64_t value, required(names));
    c_.pairs.integer(c_.key(key), value);
    return {};
  }

  Status context() {
    HOLDALL_ASSIGN(const std::int64_t positions, required({"max_position_embeddings", "n_positions", "n_ctx"}));
    const auto skipped = static_cast<std::int64_t>(c_.first_position());
    if (positions <= skipped) return corrupt(text("config.json says {} positions, {} are skipped", positions, skipped));
    c_.pairs.integer(c_.key("context_length"), positions - skipped);
    return {};
  }

  Status feed_forward() {
    if (c_.architecture.family != Family::kGpt2) return size("feed_forward_length", {"intermediate_size", "hidden_dim"});
    HOLDALL_ASSIGN(const std::int64_t width, required({"n_embd"}));
    c_.pairs.integer(c_.key("feed_forward_length"), c_.setting({"n_inner"}).value_or(4 * width));
    return {};
  }

  // A setting of the model that llama.cpp computes otherwise.
  void require_text(std::string_view name, std::initializer_list<std::string_view> allowed, std::string_view computed) {
    const auto value = c_.config.find_string(name);
    if (!value || std::find(allowed.begin(), allowed.end(), *value) != allowed.end()) return;
    c_.losses.push_back({"config.json", text("{} is '{}', llama.cpp computes {}", name, *value, computed)});
  }

  void require_false(std::string_view name) {
    if (!is_true(c_.config.find(name))) return;
    c_.losses.push_back({"config.json", text("{} is true, llama.cpp computes without it", name)});
  }

  void require_true(std::string_view name) {
    if (!is_false(c_.config.find(name))) return;
    c_.losses.push_back({"config.json", text("{} is false, llama.cpp computes with it", name)});
  }

  void gpt2() {
    c_.pairs.real(c_.key("attention.layer_norm_epsilon"), c_.number({"layer_norm_epsilon"}).value_or(1e-5));
    require_text("activation_function", {"gelu_new", "gelu", "gelu_fast", "gelu_pytorch_tanh"}, "GELU");
    require_true("scale_attn_weights");
    require_false("scale_attn_by_inverse_layer_idx");
    require_false("add_cross_attention");
  }

  Status bert() {
    c_.pairs.real(c_.key("attention.layer_norm_epsilon"), c_.number({"layer_norm_eps"}).value_or(1e-12));
    c_.pairs.boolean(c_.key("attention.causal"), false);
    c_.pairs.integer("tokenizer.ggml.token_type_count", c_.setting({"type_vocab_size"}).value_or(token_types()));
    for (const std::string_view name : {"hidden_act", "activation"})
      require_text(name, {"gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh"}, "GELU");
    require_text("position_embedding_type", {"absolute"}, "absolute positions");
    require_false("is_decoder");
    if (!c_.classifies()) return pooling();
    if (c_.architecture.family != Family::kBert) return {};
    c_.pairs.integer(c_.key("pooling_type"), static_cast<std::int64_t>(Pooling::kRank));
    const std::vector<std::string> names = labels();
    if (!names.empty()) c_.pairs.strings(c_.key("classifier.output_labels"), names);
    return {};
  }

  // Where config.json leaves out how many: as many as have a row.
  std::int64_t token_types() const { return static_cast<std::int64_t>(c_.rows_of("token_types.weight").value_or(1)); }

  // One a row of the classifier; transformers leaves those out of config.json that are "LABEL_0" and "LABEL_1".
  std::vector<std::string> labels() const {
    std::vector<std::string> result;
    const Value said = c_.config.find("id2label");
    const std::uint64_t rows = c_.rows_of("cls.output.weight").value_or(0);
    for (std::uint64_t i = 0; i < rows; ++i) result.emplace_back(said.find_string(text("{}", i)).value_or(text("LABEL_{}", i)));
    return result;
  }

  // What sentence-transformers does with the tokens' embeddings: the first module of modules.json that pools.
  Status pooling() {
    HOLDALL_ASSIGN(const Value modules, c_.json("modules.json"));
    for (std::size_t i = 0; modules.is(ValueKind::kList) && i < modules.size(); ++i) {
      const Value module = modules.item(i);
      if (!module.find_string("type").value_or("").ends_with("Pooling")) continue;
      HOLDALL_ASSIGN(const Value how, c_.json(std::string(module.find_string("path").value_or("")) + "/config.json"));
      const auto says = [&](std::string_view key) { return is_true(how.find(key)); };
      const std::string_view mode = how.find_string("pooling_mode").value_or("");
      std::vector<Pooling> types;  // several are joined
      if (says("pooling_mode_mean_tokens") || mode == "mean") types.push_back(Pooling::kMean);
      if (says("pooling_mode_cls_token") || mode == "cls") types.push_back(Pooling::kFirst);
      if (says("pooling_mode_lasttoken") || mode == "lasttoken") types.push_back(Pooling::kLast);
      if (says("pooling_mode_max_tokens")) types.push_back(Pooling::kNone);
      if (types.size() == 1 && types.front() != Pooling::kNone) {
        c_.pairs.integer(c_.key("pooling_type"), static_cast<std::int64_t>(types.front()));
      } else {
        c_.losses.push_back({"modules.json", "llama.cpp pools by the mean, the first or the last token alone"});
      }
      break;
    }
    return {};
  }

  Status llama() {
    HOLDALL_ASSIGN(const std::int64_t width, required({"hidden_size"}));
    HOLDALL_ASSIGN(const std::int64_t heads, required({"num_attention_heads"}));
    c_.pairs.integer(c_.key("attention.head_count_kv"), c_.setting({"num_key_value_heads"}).value_or(heads));
    c_.pairs.real(c_.key("attention.layer_norm_rms_epsilon"), c_.number({"rms_norm_eps"}).value_or(1e-6));
    c_.pairs.integer(c_.key("vocab_size"), static_cast<std::int64_t>(c_.rows));
    const auto head = c_.setting({"head_dim"});
    const std::int64_t dimensions = head.value_or(width / heads);
    if (dimensions <= 0 || dimensions % 2 != 0 || dimensions > UINT32_MAX) {
      return corrupt(text("config.json says heads of {} numbers", dimensions)).in(c_.model.origin().path);
    }
    c_.pairs.integer(c_.key("rope.dimension_count"), dimensions);
    if (head) {
      c_.pairs.integer(c_.key("attention.key_length"), *head);
      c_.pairs.integer(c_.key("attention.value_length"), *head);
    }
    require_text("hidden_act", {"silu", "swish"}, "SiLU");
    const auto window = c_.setting({"sliding_window"});
    if (window && *window < c_.setting({"max_position_embeddings"}).value_or(0)) {
      c_.builder.warnings.push_back(
          text("llama.cpp attends to all tokens, the model to the last {}: beyond these they differ", *window));
    }
    return rope(dimensions);
  }

  Status rope(std::int64_t dimensions) {
    Value parameters = c_.config.find("rope_parameters");
    if (!parameters.is(ValueKind::kDict)) parameters = c_.config.find("rope_scaling");
    const auto said = [&](std::string_view name) { return parameters.find_number(name); };
    const double base = said("rope_theta").value_or(c_.number({"rope_theta"}).value_or(10'000.0));
    c_.pairs.real(c_.key("rope.freq_base"), base);
    const std::string type(parameters.find_string("rope_type").value_or(parameters.find_string("type").value_or("default")));
    if (type == "default" || type == "none") return {};
    const auto factor = said("factor");
    if (type == "llama3" && factor) return rope_of_llama3(parameters, base, dimensions);
    if ((type == "linear" || type == "yarn") && factor) {
      c_.pairs.string(c_.key("rope.scaling.type"), type);
      c_.pairs.real(c_.key("rope.scaling.factor"), *factor);
      if (type == "linear") return {};
      const auto before = parameters.find_int("original_max_position_embeddings");
      if (before) c_.pairs.integer(c_.key("rope.scaling.original_context_length"), *before);
      // Checked with llama.cpp 0.5: what it takes of these from a file, it computes otherwise than transformers.
      for (const auto& [name, usual] : {std::pair("beta_fast", 32.0), std::pair("beta_slow", 1.0)})
        if (const auto value = said(name); value && *value != usual) note_yarn(name);
      for (const char* name : {"attention_factor", "mscale", "mscale_all_dim", "extrapolation_factor"})
        if (said(name)) note_yarn(name);
      if (is_false(parameters.find("truncate"))) note_yarn("truncate");
      return {};
    }
    c_.losses.push_back({"config.json", text("rotary positions of the type '{}' are not known to be llama.cpp's", type)});
    return {};
  }

  void note_yarn(std::string_view name) {
    c_.losses.push_back({"config.json", text("{} of YaRN is not as llama.cpp computes it", name)});
  }

  // What each frequency is divided by (Llama 3.1): a tensor there, as transformers' modeling_rope_utils.py has it.
  Status rope_of_llama3(Value parameters, double base, std::int64_t dimensions) {
    const double factor = *parameters.find_number("factor");
    const double low = parameters.find_number("low_freq_factor").value_or(1.0);
    const double high = parameters.find_number("high_freq_factor").value_or(4.0);
    const double before = parameters.find_number("original_max_position_embeddings").value_or(8192.0);
    std::vector<float> factors;
    for (std::int64_t i = 0; i < dimensions; i += 2) {
      const double wave = 2 * kPi * std::pow(base, static_cast<double>(i) / static_cast<double>(dimensions));
      if (wave < before / high) {
        factors.push_back(1.0F);
      } else if (wave > before / low) {
        factors.push_back(static_cast<float>(factor));
      } else {
        const double smooth = (before / wave - low) / (high - low);
        factors.push_back(static_cast<float>(1 / ((1 - smooth) / factor + smooth)));
      }
    }
    const auto bytes = std::as_bytes(std::span<const float>(factors));
    Blob data = Blob::memory(Bytes::copy(bytes), "rope_freqs.weight");
    HOLDALL_ASSIGN(Tensor tensor, Tensor::dense(DType::kFloat32, {factors.size()}, std::move(data)));
    c_.builder.add(std::move(tensor));
    c_.names.emplace_back("rope_freqs.weight");
    c_.fixed.push_back({"rope_freqs.weight", "llama.cpp reads it as float32"});
    return {};
  }

  Conversion& c_;
};

}  // namespace

Status convert_parameters(Conversion& conversion) { return ParameterConverter(conversion).run(); }

}  // namespace holdall::gguf
