// pickle_trace FILE: runs Holdall's pickle machine over every record of FILE and prints what it saw, one JSON document a line,
// for the tests that compare it with CPython. A record is a little-endian uint32 size and that many bytes.
//
// {"error":null or text,"code":…,"opcodes":N,"end":N,"protocol":N,"imports":[[module,name,offset,computed]],
//  "calls":[[kind,node,offset]],"oddities":[text],"root":id,"nodes":{"id":[kind,…]}}; texts and bytes are hexadecimal.
//
// pickle_trace --write PROTOCOL FILE: runs every record and writes its value back as a pickle: {"error":…,"pickle":hex}.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <unordered_set>
#include <vector>

#include "holdall/base/digest.h"
#include "holdall/codec/pickle.h"

namespace holdall {
namespace {

std::string hex(std::string_view text) { return to_hex(as_bytes(text)); }

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += (c < ' ' || c > '~') ? '?' : c;
  }
  return out + "\"";
}

std::string number(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "\"%a\"", value);
  return text;
}

// What an object was filled with: whether NEWOBJ made it, its items, its pairs.
std::string content_json(const ObjectParts& parts, std::vector<NodeId>& next) {
  std::string out = parts.new_object ? ",true,[" : ",false,[";
  for (const NodeId item : parts.items) {
    out += (out.back() == '[' ? "" : ",") + std::to_string(item);
    next.push_back(item);
  }
  out += "],[";
  for (const NodeId item : parts.pairs) {
    out += (out.back() == '[' ? "" : ",") + std::to_string(item);
    next.push_back(item);
  }
  return out + "]";
}

// One node as a JSON array; the ids of its children are appended to `next`.
std::string node_json(const Arena& arena, NodeId id, std::vector<NodeId>& next) {
  const Value value = arena.at(id);
  std::string out = "[" + quoted(name(value.kind()));
  const auto child = [&](NodeId node) {
    out += node == kNoNode ? std::string(",null") : "," + std::to_string(node);
    if (node != kNoNode) next.push_back(node);
  };
  switch (value.kind()) {
    case ValueKind::kBool:
      out += value.as_bool() ? ",true" : ",false";
      break;
    case ValueKind::kInt:
      out += ",\"" + std::to_string(value.as_int()) + "\"";
      break;
    case ValueKind::kBigInt:
      out += "," + quoted(value.as_big_int());
      break;
    case ValueKind::kFloat:
      out += "," + number(value.as_float());
      break;
    case ValueKind::kString:
      out += ",\"" + hex(value.as_string()) + "\"";
      break;
    case ValueKind::kBytes: {
      const auto data = value.as_blob().read();
      out += ",\"" + (data ? hex(data->text()) : std::string("?")) + "\"";
      break;
    }
    case ValueKind::kList:
    case ValueKind::kTuple:
    case ValueKind::kSet:
    case ValueKind::kFrozenSet:
      for (std::size_t i = 0; i < value.size(); ++i) child(value.item(i).id());
      break;
    case ValueKind::kDict:
      for (std::size_t i = 0; i < value.size(); ++i) {
        child(value.key(i).id());
        child(value.mapped(i).id());
      }
      break;
    case ValueKind::kGlobal:
      out += ",\"" + hex(value.global_module()) + "\",\"" + hex(value.global_name()) + "\"";
      break;
    case ValueKind::kObject:
      for (const NodeId part :
           {value.as_object().callee, value.as_object().args, value.as_object().kwargs, value.as_object().state})
        child(part);
      out += content_json(value.as_object(), next);
      break;
    default:
      break;
  }
  return out + "]";
}

std::string error_json(const std::optional<Error>& error) {
  if (!error) return "\"error\":null";
  return "\"error\":" + quoted(error->to_string()) + ",\"code\":" + quoted(code_name(error->code()));
}

std::string trace_json(const Arena& arena, const PickleProgram& program) {
  std::string out = "{" + error_json(program.error) + ",\"opcodes\":" + std::to_string(program.opcodes);
  out += ",\"end\":" + std::to_string(program.end) + ",\"protocol\":" + std::to_string(program.protocol) + ",\"imports\":[";
  for (const PickleImport& import : program.imports) {
    const Value global = arena.at(import.global);
    out += (out.back() == '[' ? "[\"" : ",[\"") + hex(global.global_module()) + "\",\"" + hex(global.global_name()) + "\",";
    out += std::to_string(import.offset) + (import.computed ? ",true]" : ",false]");
  }
  out += "],\"calls\":[";
  for (const PickleCall& call : program.calls) {
    out += (out.back() == '[' ? "[" : ",[") + std::to_string(static_cast<int>(call.kind)) + "," + std::to_string(call.object) +
           "," + std::to_string(call.offset) + "]";
  }
  out += "],\"oddities\":[";
  for (const PickleOddity& oddity : program.oddities) out += (out.back() == '[' ? "" : ",") + quoted(oddity.what);
  out += "],\"nodes\":{";
  std::vector<NodeId> next;
  std::unordered_set<NodeId> seen;
  if (program.root != kNoNode) next.push_back(program.root);
  while (!next.empty()) {
    const NodeId id = next.back();
    next.pop_back();
    if (!seen.insert(id).second) continue;
    const std::string node = node_json(arena, id, next);
    out += (out.back() == '{' ? "\"" : ",\"") + std::to_string(id) + "\":" + node;
  }
  return out + "},\"root\":" + (program.root == kNoNode ? std::string("null") : std::to_string(program.root)) + "}";
}

std::string written_json(const Arena& arena, const PickleProgram& program, int protocol) {
  if (program.error) return "{" + error_json(program.error) + "}";
  PickleWriteOptions options;
  options.protocol = protocol;
  auto written = write_pickle(arena.at(program.root), options);
  if (!written) return "{" + error_json(written.error()) + "}";
  return "{\"error\":null,\"pickle\":\"" + hex(*written) + "\"}";
}

int run(int protocol, const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::string records((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  for (std::size_t at = 0; at + 4 <= records.size();) {
    const std::size_t size = load_le<std::uint32_t>(records.data() + at);
    const std::string_view record = std::string_view(records).substr(at + 4, size);
    at += 4 + record.size();
    Arena arena;
    const auto program = run_pickle(arena, memory_source(Bytes::copy(record), "record"), 0);
    std::puts((protocol == 0 ? trace_json(arena, program) : written_json(arena, program, protocol)).c_str());
  }
  return 0;
}

}  // namespace
}  // namespace holdall

int main(int argc, char** argv) {
  if (argc == 2) return holdall::run(0, argv[1]);
  if (argc == 4 && std::strcmp(argv[1], "--write") == 0) return holdall::run(std::atoi(argv[2]), argv[3]);
  std::fputs("usage: pickle_trace [--write 2|4] FILE\n", stderr);
  return 2;
}
