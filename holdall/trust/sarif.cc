#include "holdall/trust/sarif.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "holdall/base/checksum.h"
#include "holdall/base/text.h"

namespace holdall {
namespace {

constexpr std::string_view kSchema =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

// A path as a URI reference (RFC 3986): relative as it is, absolute with its scheme.
std::string uri_of(std::string_view path) {
  while (path.starts_with("./")) path.remove_prefix(2);
  std::string uri = path.starts_with('/') ? "file://" : "";
  for (const char letter : path) {
    const auto byte = static_cast<unsigned char>(letter);
    const bool is_plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
                          std::string_view("-._~/").find(letter) != std::string_view::npos;
    uri += is_plain ? std::string(1, letter) : text("%{:02X}", byte);
  }
  return uri;
}

void write_text(JsonWriter& writer, std::string_view key, std::string_view words) {
  writer.key(key).begin_object().key("text").string(words).end_object();
}

void write_rules(JsonWriter& writer) {
  writer.key("rules").begin_array();
  for (const RuleRow& rule : all_rules()) {
    writer.begin_object().key("id").string(rule.id);
    write_text(writer, "shortDescription", text("{}.", rule.title));
    write_text(writer, "fullDescription", rule.means);
    write_text(writer, "help", rule.remedy);
    writer.end_object();
  }
  writer.end_array();
}

// The number behind the last " line " of a place; 1 where there is none.
std::uint64_t line_of(std::string_view where) {
  constexpr std::string_view kLine = " line ";
  std::uint64_t line = 0;
  if (const std::size_t at = where.rfind(kLine); at != std::string_view::npos)
    std::from_chars(where.data() + at + kLine.size(), where.data() + where.size(), line);
  return std::max<std::uint64_t>(line, 1);
}

// What of a place stands behind the path of the file.
std::string_view within(const Finding& finding, std::string_view file) {
  std::string_view where = finding.where;
  if (!where.starts_with(file)) return where;
  where.remove_prefix(file.size());
  return where.substr(std::min(where.size(), where.find_first_not_of("!/: ")));
}

void write_result(JsonWriter& writer, const ScanReport& report, const Finding& finding, bool is_allowed) {
  const std::string& file = finding.file.empty() ? report.path : finding.file;
  const std::string_view place = within(finding, file);
  writer.begin_object().key("ruleId").string(name(finding.rule));
  writer.key("ruleIndex").unsigned_integer(static_cast<std::uint64_t>(finding.rule));
  writer.key("level").string(finding.severity == Verdict::kCode ? "warning" : "error");
  write_text(writer, "message", text("{}: {}", finding.where.empty() ? file : finding.where, finding.what));
  writer.key("locations").begin_array().begin_object().key("physicalLocation").begin_object();
  writer.key("artifactLocation").begin_object().key("uri").string(uri_of(file)).end_object();
  writer.key("region").begin_object().key("startLine").unsigned_integer(line_of(finding.where)).end_object().end_object();
  if (!place.empty()) {
    writer.key("logicalLocations")
        .begin_array()
        .begin_object()
        .key("fullyQualifiedName")
        .string(place)
        .end_object()
        .end_array();
  }
  writer.end_object().end_array();
  const std::string identity = text("{}\n{}\n{}\n{}", name(finding.rule), file, place, finding.what);
  writer.key("partialFingerprints").begin_object().key("finding/v1");
  writer.string(to_hex(xxh3_128(std::as_bytes(std::span(identity))))).end_object();
  if (is_allowed) {
    writer.key("suppressions").begin_array().begin_object().key("kind").string("external").end_object().end_array();
  }
  writer.key("properties").begin_object().key("severity").string(name(finding.severity));
  if (!finding.subject.empty()) writer.key("subject").string(finding.subject);
  writer.end_object().end_object();
}

}  // namespace

void write_sarif(JsonWriter& writer, std::span<const ScanReport> reports, std::string_view version) {
  writer.begin_object().key("$schema").string(kSchema).key("version").string("2.1.0");
  writer.key("runs").begin_array().begin_object().key("tool").begin_object().key("driver").begin_object();
  writer.key("name").string("Holdall").key("version").string(version).key("semanticVersion").string(version);
  write_rules(writer);
  writer.end_object().end_object().key("columnKind").string("utf16CodeUnits");
  writer.key("artifacts").begin_array();
  for (const ScanReport& report : reports) {
    for (const ScannedFile& file : report.files) {
      const bool is_alone = file.path == report.path;
      const std::string path =
          is_alone ? file.path : text("{}{}{}", report.path, report.path.ends_with('/') ? "" : "/", file.path);
      writer.begin_object().key("location").begin_object().key("uri").string(uri_of(path)).end_object();
      writer.key("properties").begin_object().key("kind").string(file.kind).key("verdict").string(name(file.verdict));
      writer.end_object().end_object();
    }
  }
  writer.end_array().key("results").begin_array();
  for (const ScanReport& report : reports) {
    for (const Finding& finding : report.findings) write_result(writer, report, finding, false);
    for (const Finding& finding : report.allowed) write_result(writer, report, finding, true);
  }
  writer.end_array().end_object().end_array().end_object();
}

}  // namespace holdall
