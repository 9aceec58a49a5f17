#include "hdf5.h"

#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <utility>

#include "errors.h"
#include "holdall/base/text.h"
#include "holdall/codec/hdf5_writer.h"
#include "holdall/codec/zip.h"
#include "holdall/io/execute.h"
#include "listener.h"
#include "memory.h"
#include "paths.h"

namespace nb = nanobind;

namespace holdall::python {
namespace {

Shape shape_of(nb::handle sizes) {
  const auto listed = nb::cast<std::vector<std::uint64_t>>(sizes);
  return Shape(listed.begin(), listed.end());
}

Hdf5Type type_of(const std::string& named) {
  if (named.starts_with("opaque")) return hdf5_opaque(static_cast<std::uint32_t>(std::stoul(named.substr(6))));
  const auto dtype = dtype_named(named);
  if (!dtype) raise(unsupported(text("there is no dtype '{}'", named)));
  return checked(hdf5_type(*dtype));
}

std::string string_of(nb::handle bytes) {
  const auto whole = nb::cast<nb::bytes>(bytes);
  return {whole.c_str(), whole.size()};
}

// ("text" or "fixed", "ascii" or "utf8", shape, [bytes]), ("null", dtype), or (dtype, shape, buffer); "opaque2" is a dtype too.
Hdf5Value value_of(const nb::tuple& what) {
  const auto kind = nb::cast<std::string>(what[0]);
  Hdf5Value value;
  if (kind == "null") {
    value.type = type_of(nb::cast<std::string>(what[1]));
    value.space = Hdf5Value::Space::kNull;
    return value;
  }
  if (kind != "text" && kind != "fixed") {
    value.type = type_of(kind);
    value.shape = shape_of(what[1]);
    value.bytes = bytes_of_buffer(what[2]).text();
    return value;
  }
  const Hdf5Charset charset = nb::cast<std::string>(what[1]) == "utf8" ? Hdf5Charset::kUtf8 : Hdf5Charset::kAscii;
  std::vector<std::string> texts;
  for (const nb::handle each : what[3]) texts.push_back(string_of(each));
  if (kind == "fixed") {
    value = Hdf5Value::fixed_texts(texts, charset);
  } else {
    value.type = hdf5_text(charset);
    value.texts = std::move(texts);
  }
  value.shape = shape_of(what[2]);
  return value;
}

// objects: [(path, None or the elements as value_of() takes them, {name: value} of attributes)], of which the first may be
// ("", None, attributes) for the root.
Hdf5Planner planned(const nb::list& objects, Hdf5Planner::Options options) {
  Hdf5Planner planner(options);
  for (const nb::handle each : objects) {
    const auto object = nb::cast<nb::tuple>(each);
    const auto path = nb::cast<std::string>(object[0]);
    Hdf5Planner::Object made = Hdf5Planner::kRoot;
    if (object[1].is_none()) {
      made = checked(planner.group(path));
    } else {
      const auto what = nb::cast<nb::tuple>(object[1]);
      const auto kind = nb::cast<std::string>(what[0]);
      if (kind == "null" || kind == "text" || kind == "fixed") {
        made = checked(planner.dataset(path, value_of(what)));
      } else {
        Blob data = Blob::memory(bytes_of_buffer(what[2]), path);
        made = checked(planner.dataset(path, type_of(kind), shape_of(what[1]), std::move(data)));
      }
    }
    for (const auto& [name, value] : nb::cast<nb::dict>(object[2])) {
      checked(planner.attribute(made, nb::cast<std::string>(name), value_of(nb::cast<nb::tuple>(value))));
    }
  }
  return planner;
}

// members: None for a file that is nothing but HDF5, else [(name, buffer, or None for the HDF5 file)].
Plan plan_of(const nb::list& objects, nb::handle members, std::uint64_t alignment, int deflate_level) {
  Plan plan;
  plan.files.emplace_back();
  Hdf5Planner::Options options;
  options.deflate_level = deflate_level;
  if (alignment != 0) options.alignment = alignment;
  if (members.is_none()) {
    checked(planned(objects, options).finish(plan.files.back()));
    return plan;
  }
  options.deflate_level = 0;  // an archive's member is compressed whole
  ZipPlanner zip(plan.files.back(), {.alignment = std::min<std::uint64_t>(options.alignment, 4096), .data_descriptors = false});
  for (const nb::handle each : nb::cast<nb::list>(members)) {
    const auto [name, bytes] = nb::cast<std::pair<std::string, nb::object>>(each);
    Blob blob = bytes.is_none() ? checked(planned(objects, options).finish(name)) : Blob::memory(bytes_of_buffer(bytes), name);
    checked(deflate_level != 0 ? zip.add_deflated(name, std::move(blob)) : zip.add(name, std::move(blob)));
  }
  checked(zip.finish());
  return plan;
}

void write_hdf5(nb::handle to, const nb::list& objects, nb::handle members, std::uint64_t alignment, int deflate_level,
                bool durable, bool replace, nb::handle progress) {
  const std::string path = path_of(to);
  const Plan plan = plan_of(objects, members, alignment, deflate_level);
  Listener listener(progress);
  ExecuteOptions options;
  options.durable = durable;
  options.replace = replace;
  options.progress = [&](std::uint64_t bytes, std::uint64_t total) { return listener.told(bytes, total); };
  Status status;
  {
    const nb::gil_scoped_release released;
    status = execute(plan, path, options);
  }
  listener.finish();
  checked(status);
}

}  // namespace

void bind_hdf5(nb::module_& module) {
  module.def("write_hdf5", write_hdf5, nb::arg("path"), nb::arg("objects"), nb::arg("members").none(), nb::arg("alignment"),
             nb::arg("deflate_level"), nb::arg("durable"), nb::arg("replace"), nb::arg("progress").none());
}

}  // namespace holdall::python
