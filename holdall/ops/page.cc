#include "holdall/ops/page.h"

#include <filesystem>

#include "holdall/base/base64.h"
#include "holdall/base/printable.h"
#include "holdall/base/text.h"
#include "holdall/ops/convert.h"
#include "holdall/ops/page_content.h"
#include "holdall/ops/page_parts.h"

namespace holdall {
namespace {

constexpr std::size_t kPiece = 256u << 10;
// Rows of the table that is shown without scripts.
constexpr std::size_t kPlainRows = 2'000;

// Gathers a page and hands it on in pieces; the first failure is kept and what follows dropped.
class Writer {
 public:
  explicit Writer(const Sink& sink) : sink_(sink) {}

  void put(std::string_view html) {
    pending_ += html;
    if (pending_.size() >= kPiece) hand_on();
  }

  // A text from elsewhere, as text.
  void show(std::string_view given) { put(escaped(printable(given))); }

  // JSON in a script element: '<' stands only within its strings, where it may be spelled otherwise.
  void data(std::string_view json) {
    for (std::size_t at = 0; at < json.size();) {
      const std::size_t next = std::min(json.find_first_of("<>&", at), json.size());
      put(json.substr(at, next - at));
      if (next < json.size()) put(json[next] == '<' ? "\\u003c" : json[next] == '>' ? "\\u003e" : "\\u0026");
      at = next + 1;
    }
  }

  Status finish() {
    hand_on();
    return std::move(status_);
  }

  static std::string escaped(std::string_view given) {
    std::string out;
    for (const char c : given) {
      switch (c) {
        case '&':
          out += "&amp;";
          break;
        case '<':
          out += "&lt;";
          break;
        case '>':
          out += "&gt;";
          break;
        case '"':
          out += "&quot;";
          break;
        case '\'':
          out += "&#39;";
          break;
        default:
          out += c;
      }
    }
    return out;
  }

 private:
  void hand_on() {
    if (status_) status_ = sink_(std::as_bytes(std::span(pending_)));
    pending_.clear();
  }

  const Sink& sink_;
  std::string pending_;
  Status status_;
};

std::string_view bytes_of(const Digest& digest) { return {reinterpret_cast<const char*>(digest.data()), digest.size()}; }

std::string source_of(const Digest& digest) { return text("'sha256-{}'", to_base64(bytes_of(digest))); }

std::string source_of(std::string_view inline_text) {
  Sha256 sha;
  sha.update(std::as_bytes(std::span(inline_text)));
  return source_of(sha.finish());
}

Digest from_hex(std::string_view hex) {
  const auto nibble = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  Digest digest = {};
  for (std::size_t i = 0; i < digest.size() && 2 * i + 1 < hex.size(); ++i)
    digest[i] = static_cast<std::byte>(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
  return digest;
}

// The licence notice of Apache ECharts stands here for readers of the source, and at the foot of the page.
void write_head(Writer& out, const PageParts& parts, const PageContent& content, std::string_view script) {
  out.put("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
  out.put(
      text("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src {} {}; style-src {}; "
           "base-uri 'none'; form-action 'none'\">\n",
           source_of(script), source_of(from_hex(parts.charts_sha256)), source_of(parts.style)));
  out.put("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
  out.put("<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n");
  out.put(text("<meta name=\"generator\" content=\"Holdall {}\">\n<title>", parts.version));
  out.show(content.title);
  out.put("</title>\n<style>");
  out.put(parts.style);
  out.put("</style>\n</head>\n");
  out.put(text(
      "<!-- Holds Apache ECharts {} (https://echarts.apache.org), Copyright 2017-2026 The Apache Software Foundation,\n"
      "licensed under the Apache License, Version 2.0 (https://www.apache.org/licenses/LICENSE-2.0), compressed; its notices "
      "are in its text. -->\n",
      parts.charts_version));
}

std::string file_name(const std::string& path) {
  std::string name = std::filesystem::path(path).filename().string();
  return name.empty() ? path : name;
}

void write_plain(Writer& out, const PageTable& table) {
  out.put("<h1>");
  out.show(table.heading);
  out.put("</h1>\n<p>");
  out.show(table.facts);
  out.put("</p>\n<p>Charts, search and the tree of values need JavaScript, which is off here.</p>\n");
  out.put("<table><thead><tr>");
  for (const std::string_view heading : table.columns) {
    out.put("<th>");
    out.show(heading);
    out.put("</th>");
  }
  out.put("</tr></thead><tbody>\n");
  for (std::size_t i = 0; i < std::min(table.rows, kPlainRows); ++i) {
    out.put("<tr>");
    for (const std::string& cell : table.row(i)) {
      out.put("<td>");
      out.show(cell);
      out.put("</td>");
    }
    out.put("</tr>\n");
  }
  out.put("</tbody></table>\n");
  if (table.rows > kPlainRows) out.put(text("<p>and {} more</p>\n", table.rows - kPlainRows));
}

Status write_page(const Sink& sink, const PageContent& content) {
  HOLDALL_TRY(require_pages());
  const PageParts& parts = page_parts();
  const std::string script = std::string(parts.shared) + std::string(content.script);
  Writer out(sink);
  write_head(out, parts, content, script);
  out.put(text("<body data-version=\"{}\" data-charts=\"{}\">\n<main id=\"page\"></main>\n<noscript>", parts.version,
               parts.charts_version));
  write_plain(out, content.plain);
  out.put("</noscript>\n<script type=\"application/json\" id=\"data\">");
  JsonWriter json(0, [&](std::string_view piece) { out.data(piece); });
  HOLDALL_TRY(content.data(json));
  json.flush();
  out.put("</script>\n<script type=\"application/gzip\" id=\"charts\">");
  out.put(to_base64(parts.charts));
  out.put("</script>\n<script>");
  out.put(script);
  out.put("</script>\n</body>\n</html>\n");
  return out.finish();
}

PageTable plain_inspection(const Inspection& inspection) {
  const Model& model = inspection.model;
  const auto row = [&inspection, &model](std::size_t i) {
    const NamedTensor& entry = model.tensors()[inspection.tensors[i].entry];
    std::vector<std::string> cells = {entry.name, std::string(name(entry.tensor.dtype())), to_string(entry.tensor.shape()),
                                      text("{}", entry.tensor.bytes())};
    if (const auto& values = inspection.tensors[i].bytes().statistics) {
      for (const double number : {values->min, values->max, values->mean}) cells.push_back(text("{:.4g}", number));
      for (const std::uint64_t count : {values->nan, values->inf}) cells.push_back(text("{}", count));
    }
    return cells;
  };
  return {inspection.path,
          text("{}, {} bytes, {} parameters in {} tensors, verdict: {}", model.origin().format, model.origin().bytes,
               model.parameters(), model.tensors().size(), name(inspection.verdict)),
          {"tensor", "dtype", "shape", "bytes", "min", "max", "mean", "NaN", "Inf"},
          inspection.tensors.size(),
          row};
}

PageTable plain_difference(const DiffReport& report) {
  const auto row = [&report](std::size_t i) {
    const TensorDifference& one = report.changed[i];
    const auto kind = [](DType dtype, const Shape& shape) { return text("{} {}", name(dtype), to_string(shape)); };
    std::vector<std::string> cells = {one.name, kind(one.a_dtype, one.a_shape), kind(one.b_dtype, one.b_shape)};
    for (const auto& number : {one.max_abs, one.max_rel, one.cosine}) cells.push_back(number ? text("{:.4g}", *number) : "-");
    return cells;
  };
  return {text("{} and {}", report.a, report.b),
          text("{}; {} tensors compared, {} changed, {} only in A, {} only in B, {} changes of values beside them",
               report.same ? "the same" : "different", report.compared, report.changed.size(), report.only_a.size(),
               report.only_b.size(), report.tree.size()),
          {"tensor", "in A", "in B", "max |A - B|", "max relative", "cosine"},
          report.changed.size(),
          row};
}

void write_forms(JsonWriter& json, std::string_view key, const std::vector<TensorForm>& forms) {
  json.key(key).begin_array();
  for (const TensorForm& form : forms) {
    json.begin_object().key("dtype").string(name(form.dtype)).key("shape").begin_array();
    for (const std::uint64_t size : form.shape) json.unsigned_integer(size);
    json.end_array().end_object();
  }
  json.end_array();
}

}  // namespace

Status require_pages() {
  if (!page_parts().charts.empty()) return {};
  return unsupported("this build has no HTML pages: the chart library was not there when it was made");
}

Page page_of(PageContent content) {
  return [content = std::move(content)](const Sink& sink) { return write_page(sink, content); };
}

Page page_of(const Inspection& inspection) {
  const auto data = [&inspection](JsonWriter& json) -> Status {
    json.begin_object().key("inspection");
    HOLDALL_TRY(write_inspection(json, inspection));
    json.end_object();
    return {};
  };
  return page_of({file_name(inspection.path) + " · Holdall", page_parts().inspect, plain_inspection(inspection), data});
}

Page page_of(const DiffReport& report) {
  const auto data = [&report](JsonWriter& json) -> Status {
    json.begin_object().key("difference");
    write_difference(json, report);
    json.key("names").begin_array();
    for (const std::string& name : report.names) json.string(name);
    json.end_array();
    write_forms(json, "only_a", report.only_a_forms);
    write_forms(json, "only_b", report.only_b_forms);
    json.end_object();
    return {};
  };
  const std::string title = text("{} ↔ {} · Holdall", file_name(report.a), file_name(report.b));
  return page_of({title, page_parts().diff, plain_difference(report), data});
}

Status save_page(const Page& page, const std::string& path, std::initializer_list<const Model*> models) {
  HOLDALL_TRY(require_pages());
  for (const Model* model : models) HOLDALL_TRY(refuse_own_input(*model, path));
  Plan plan;
  plan.files.emplace_back();
  plan.files.back().add(Part::Stream{page});
  return execute(plan, path);
}

}  // namespace holdall
