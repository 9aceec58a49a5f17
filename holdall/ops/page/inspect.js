// The page of `holdall inspect --html`: what it is, a map of its bytes, its tensors with their histograms, the values beside them.
const model = data.inspection;
const byName = new Map(model.tensors.map(tensor => [tensor.name, tensor]));
const verdicts = {
  inert: ["good", "✓ inert", "cannot run code"],
  code: ["warn", "! code", "with the framework that wrote it can run code"],
  malicious: ["bad", "✕ malicious", "it tries to run code"],
  unreadable: ["warn", "? unreadable", "not understood to the last byte"],
};
// Bytes that a tensor adds: what shares a range of memory with an earlier one adds none; other views of one memory do.
const ranges = new Set();
const added = new Map(
  model.tensors.map(tensor => {
    const range = JSON.stringify([tensor.file, tensor.offset ?? tensor.same_storage_as, tensor.bytes]);
    const known = tensor.same_storage_as && ranges.has(range);
    ranges.add(range);
    return [tensor, known ? 0 : tensor.bytes];
  }),
);
const total = model.tensors.reduce((sum, tensor) => sum + added.get(tensor), 0);

// --- the map -------------------------------------------------------------------------------------------------------------
// A module: its path, its parts by name, the bytes under it by dtype. A tensor that shares another's memory counts once.
const most = 400; // parts of a module that are drawn one by one
function moduleTree() {
  const root = { name: "", path: "", parts: new Map(), bytes: 0, tensors: 0, dtypes: new Map() };
  const add = (node, tensor, bytes) => {
    node.bytes += bytes;
    node.tensors += 1;
    node.dtypes.set(tensor.dtype, (node.dtypes.get(tensor.dtype) ?? 0) + bytes);
  };
  for (const tensor of model.tensors) {
    const bytes = added.get(tensor);
    const keys = tensor.name.split(tensor.name.includes(".") ? "." : "/");
    let node = root;
    add(root, tensor, bytes);
    keys.forEach((key, i) => {
      const last = i + 1 === keys.length;
      const path = node.path ? `${node.path}.${key}` : key;
      let part = node.parts.get(last ? "\u0000" + key : key);
      if (!part)
        node.parts.set(
          last ? "\u0000" + key : key,
          (part = {
            name: key,
            path: last ? tensor.name : path,
            parts: new Map(),
            bytes: 0,
            tensors: 0,
            dtypes: new Map(),
            parent: node,
          }),
        );
      if (last) part.tensor = tensor;
      add(part, tensor, bytes);
      node = part;
    });
  }
  settle(root);
  return root;
}
// Chains of single parts become one; parts go by size.
function settle(root) {
  const open = [root];
  while (open.length) {
    const node = open.pop();
    const parts = [...node.parts.values()].map(part => {
      let name = part.name;
      while (part.parts.size === 1 && !part.tensor) {
        part = [...part.parts.values()][0];
        name += "." + part.name;
      }
      return Object.assign(part, { name, parent: node });
    });
    parts.sort((a, b) => b.bytes - a.bytes);
    node.list = parts;
    open.push(...parts.filter(part => !part.tensor));
    if (node.tensor) node.list = [];
  }
}
function partsShown(node) {
  return (node.shown ??= node.list.length <= most ? node.list : gathered(node));
}
// Of very many parts the large ones stay and the others are gathered, as they follow each other, in at most sixty.
function gathered(node) {
  const large = node.list.filter(part => part.bytes * 200 >= node.bytes),
    small = node.list.slice(large.length);
  const step = Math.ceil(small.length / 60),
    groups = [];
  for (let at = 0; at < small.length; at += step) {
    const list = small.slice(at, at + step),
      [first, last] = [list[0], list.at(-1)];
    const group = {
      name: `${first.name} … ${last.name}`,
      path: `${first.path} … ${last.path}`,
      list,
      parent: node,
      bytes: 0,
      tensors: 0,
      dtypes: new Map(),
    };
    for (const part of list) {
      group.bytes += part.bytes;
      group.tensors += part.tensors;
      for (const [dtype, bytes] of part.dtypes) group.dtypes.set(dtype, (group.dtypes.get(dtype) ?? 0) + bytes);
    }
    groups.push(group);
  }
  return [...large, ...groups];
}
const mainDtype = node => [...node.dtypes].sort((a, b) => b[1] - a[1])[0]?.[0] ?? "";
const dtypeText = node => mainDtype(node) + (node.dtypes.size > 1 ? ` +${node.dtypes.size - 1}` : "");

class ByteMap {
  constructor() {
    this.here = this.root = moduleTree();
    while (this.here.list.length === 1 && !this.here.list[0].tensor) this.here = this.here.list[0];
    this.top = this.here;
    this.only = null;
    this.crumbs = make("nav", { class: "crumbs", "aria-label": "Module shown" });
    this.parts = make("ul", { class: "parts" });
    this.place = make("div", { class: "chart treemap", role: "img" });
    this.legend = make(
      "div",
      { class: "legend", role: "group", "aria-label": "dtypes" },
      [...this.root.dtypes]
        .sort((a, b) => b[1] - a[1])
        .map(([dtype, bytes]) =>
          make(
            "button",
            { class: "chip", type: "button", "aria-pressed": "false", click: event => this.point(dtype, event.currentTarget) },
            swatch(colourOf(dtype)),
            dtype,
            make("span", { class: "note" }, `${bytesText(bytes)}, ${share(bytes, total)}`),
          ),
        ),
    );
    this.note = make("span", { class: "note" });
    this.element = make(
      "section",
      { class: "panel", "aria-labelledby": "h-map" },
      make("header", {}, make("h2", { id: "h-map" }, "Where the bytes are"), this.note),
      this.legend,
      this.crumbs,
      make("div", { class: "map" }, this.place, this.parts),
    );
    this.list();
  }

  go(node) {
    if (node.tensor) return openTensor(node.tensor);
    this.here = node;
    this.list();
    this.chart?.redraw();
  }

  point(dtype, chip) {
    this.only = this.only === dtype ? null : dtype;
    for (const other of this.legend.children) other.setAttribute("aria-pressed", String(other === chip && this.only !== null));
    this.chart?.redraw();
  }

  list() {
    const path = [];
    for (let node = this.here; node && node !== this.top.parent; node = node.parent) path.unshift(node);
    this.crumbs.replaceChildren(
      ...path.flatMap((node, i) => [
        i ? make("span", { class: "note", "aria-hidden": "true" }, "›") : "",
        make(
          "button",
          { type: "button", "aria-current": node === this.here ? "true" : null, click: () => this.go(node) },
          i ? visible(node.name) : visible(this.top.path || "all modules"),
        ),
      ]),
    );
    const parts = partsShown(this.here),
      largest = Math.max(1, ...parts.map(part => part.bytes));
    this.parts.replaceChildren(
      ...parts.map(part => {
        const bar = drawing(
          "svg",
          { class: "bar", viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" },
          drawing("rect", { width: 100, height: 4, fill: variable("--group"), rx: 1 }),
          drawing("rect", { width: (100 * part.bytes) / largest, height: 4, fill: colourOf(mainDtype(part)), rx: 1 }),
        );
        return make(
          "li",
          {},
          make(
            "button",
            { type: "button", title: visible(part.path), click: () => this.go(part) },
            make("span", { class: "link name" }, nameParts(part.name || '""')),
            make("span", { class: "size" }, `${bytesText(part.bytes)} · ${share(part.bytes, total)}`),
            bar,
            make(
              "span",
              { class: "note" },
              part.tensor
                ? `${part.tensor.dtype} ${shapeText(part.tensor.shape)}${added.get(part.tensor) < part.tensor.bytes ? ", shares memory" : ""}`
                : `${counted(part.tensors, "tensor", "tensors")}, ${dtypeText(part)}`,
            ),
          ),
        );
      }),
    );
  }

  // What is drawn of a module: a part is opened where its area has room for what is in it.
  tiles(node, depth = 1) {
    return partsShown(node)
      .filter(part => part.bytes > 0)
      .map(part => {
        const dtype = mainDtype(part),
          colour = colourOf(dtype);
        const dimmed = this.only !== null && !part.dtypes.has(this.only);
        const tile = {
          name: visible(part.name) || '""',
          value: part.bytes,
          place: this.drawn.push(part) - 1,
          itemStyle: { color: dimmed ? variable("--group-inner") : colour, borderColor: variable("--group") },
          label: { color: dimmed ? variable("--faint") : inkOn(colour) },
        };
        const area = (this.place.clientWidth * this.place.clientHeight * part.bytes) / this.here.bytes;
        if (part.tensor || area < 9000 * depth || this.drawn.length + part.list.length > 2000) return tile;
        const group = variable(depth % 2 ? "--group" : "--group-inner");
        return Object.assign(tile, { children: this.tiles(part, depth + 1), itemStyle: { color: group, borderColor: group } });
      });
  }

  option() {
    this.drawn = []; // by the place that a tile has; the library copies what it is given
    const tiles = this.tiles(this.here);
    const seen = counted(this.drawn.length, "part", "parts");
    this.note.textContent = `${bytesText(this.here.bytes)} in ${counted(this.here.tensors, "tensor", "tensors")}; ${seen} drawn. Choose a part to go into it.`;
    this.place.setAttribute("aria-label", `Map of bytes by module, ${seen}; the list beside it says the same`);
    const label = ({ data: tile }) => {
      const part = this.drawn[tile.place];
      return part ? `${tile.name}\n${bytesText(part.bytes)} · ${part.tensor ? part.tensor.dtype : dtypeText(part)}` : "";
    };
    const level = { itemStyle: { gapWidth: 2, borderWidth: 2 } };
    return {
      animation: false,
      textStyle: { fontFamily: fontFamily() },
      tooltip: tooltip(tile => this.drawn[tile.place] && this.tip(this.drawn[tile.place])),
      series: [
        {
          type: "treemap",
          data: tiles,
          left: 0,
          right: 0,
          top: 0,
          bottom: 0,
          roam: false,
          nodeClick: false,
          breadcrumb: { show: false },
          sort: false,
          itemStyle: { borderColor: variable("--surface") },
          visibleMin: 40,
          squareRatio: 0.8,
          label: {
            show: true,
            formatter: label,
            position: "insideTopLeft",
            fontSize: 12,
            lineHeight: 16,
            overflow: "truncate",
            ellipsis: "…",
          },
          upperLabel: {
            show: true,
            height: 22,
            color: variable("--ink"),
            fontSize: 12,
            overflow: "truncate",
            ellipsis: "…",
            formatter: ({ data: tile }) => (this.drawn[tile.place] ? `${tile.name}  ${bytesText(tile.value)}` : ""),
          },
          levels: [
            {
              itemStyle: { gapWidth: tiles.length > 100 ? 1 : 3, borderWidth: 0, borderColor: variable("--surface") },
              upperLabel: { show: false },
            },
            level,
            level,
            { itemStyle: { gapWidth: 1, borderWidth: 1 } },
          ],
          emphasis: { itemStyle: { borderColor: variable("--ink") }, upperLabel: { show: true } },
        },
      ],
    };
  }

  tip(part) {
    const lines = [
      make("b", { class: "mono" }, visible(part.path || part.name)),
      make("br"),
      `${bytesText(part.bytes)}, ${share(part.bytes, total)} of all`,
    ];
    if (part.tensor) lines.push(make("br"), `${part.tensor.dtype} ${shapeText(part.tensor.shape)}`);
    else
      for (const [dtype, bytes] of [...part.dtypes].sort((a, b) => b[1] - a[1]).slice(0, 5))
        lines.push(make("br"), swatch(colourOf(dtype)), ` ${dtype}: ${bytesText(bytes)}`);
    if (!part.tensor) lines.push(make("br"), counted(part.tensors, "tensor", "tensors"));
    const element = make("div", {}, lines);
    for (const dot of element.querySelectorAll(".swatch")) dot.style.display = "inline-block";
    element.style.cssText = "font-size:13px;white-space:normal;max-width:420px;overflow-wrap:anywhere";
    return element;
  }

  draw(library) {
    this.chart = chartIn(library, this.place, () => this.option());
    this.chart.chart.on("click", event => this.drawn[event.data?.place] && this.go(this.drawn[event.data.place]));
    media.addEventListener("change", () => this.list());
  }
}

// --- tensors ---------------------------------------------------------------------------------------------------------------
const values = tensor => tensor.statistics ?? {};
const finite = tensor => tensor.statistics && tensor.statistics.elements > tensor.statistics.nan + tensor.statistics.inf;
const statistic = key => ({
  key,
  right: true,
  width: 92,
  order: tensor => number(values(tensor)[key]),
  cell: tensor => (finite(tensor) ? numberText(number(values(tensor)[key])) : "–"),
  first: "down",
});
// Where 0 lies between min and max, from 0 to 1; null outside.
function zeroPlace(of) {
  const [low, high] = [number(of.min), number(of.max)];
  return low < 0 && high > 0 ? -low / (high - low) : null;
}
// Heights go by the root of the counts, so that small bins show.
function strip(tensor) {
  if (!finite(tensor)) return "–";
  const of = tensor.statistics,
    bins = of.histogram,
    largest = Math.max(...bins),
    step = 128 / bins.length;
  let path = "";
  bins.forEach((count, i) => {
    if (count > 0)
      path += `M${i * step} 24V${(24 - Math.max(1.5, 22 * Math.sqrt(count / largest))).toFixed(1)}h${step - 0.6}V24z`;
  });
  const svg = drawing(
    "svg",
    {
      class: "strip",
      viewBox: "0 0 128 24",
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": `histogram from ${numberText(number(of.min))} to ${numberText(number(of.max))}`,
    },
    drawing("path", { d: path }),
  );
  const zero = zeroPlace(of);
  if (zero !== null)
    svg.append(drawing("line", { x1: 128 * zero, x2: 128 * zero, y1: 0, y2: 24, "vector-effect": "non-scaling-stroke" }));
  return svg;
}
function bars(of) {
  const [low, high] = [number(of.min), number(of.max)],
    bins = of.histogram,
    largest = Math.max(...bins),
    step = 640 / bins.length;
  const svg = drawing("svg", {
    class: "bars",
    viewBox: "0 0 640 170",
    role: "img",
    "aria-label": `histogram from ${numberText(low)} to ${numberText(high)}`,
  });
  bins.forEach((count, i) => {
    if (count === 0) return;
    const height = Math.max(2, 138 * Math.sqrt(count / largest));
    const from = low + ((high - low) * i) / bins.length,
      to = low + ((high - low) * (i + 1)) / bins.length;
    svg.append(
      drawing(
        "rect",
        { x: i * step, y: 148 - height, width: step - 1.5, height, rx: 1.5 },
        drawing("title", {}, `${grouped(count)} from ${numberText(from)} to ${numberText(to)}`),
      ),
    );
  });
  svg.append(
    drawing("text", { x: 0, y: 166 }, numberText(low)),
    drawing("text", { x: 640, y: 166, "text-anchor": "end" }, numberText(high)),
  );
  const zero = zeroPlace(of);
  if (zero !== null) svg.append(drawing("line", { x1: 640 * zero, x2: 640 * zero, y1: 0, y2: 150 }));
  if (zero !== null && zero > 0.12 && zero < 0.88)
    svg.append(drawing("text", { x: 640 * zero, y: 166, "text-anchor": "middle" }, "0"));
  return svg;
}
function openTensor(tensor) {
  const of = tensor.statistics;
  openDialog(
    tensor.name,
    ...(finite(tensor) ? [bars(of), make("p", { class: "note" }, "heights by the root of the counts")] : []),
    facts("pairs", [
      ["dtype", tensor.dtype + (tensor.logical ? ` (${visible(tensor.logical)})` : "")],
      ["shape", shapeText(tensor.shape)],
      ["elements", grouped(elements(tensor.shape))],
      ["bytes", grouped(tensor.bytes)],
      ["file", tensor.file && visible(tensor.file)],
      ["offset", tensor.offset === null ? null : grouped(tensor.offset)],
      ["shares memory with", tensor.same_storage_as && visible(tensor.same_storage_as)],
      ["SHA-256", tensor.sha256],
      ...(of
        ? [
            ["minimum", numberText(number(of.min))],
            ["maximum", numberText(number(of.max))],
            ["mean", numberText(number(of.mean))],
            ["standard deviation", numberText(number(of.std))],
            ["zeros", `${grouped(of.zeros)} (${share(of.zeros, of.elements)})`],
            ["NaN", grouped(of.nan)],
            ["infinities", grouped(of.inf)],
          ]
        : []),
    ]),
  );
}
const broken = tensor => (values(tensor).nan ?? 0) + (values(tensor).inf ?? 0);
function brokenCell(tensor) {
  const { nan = 0, inf = 0 } = values(tensor);
  if (!tensor.statistics || nan + inf === 0) return tensor.statistics ? "0" : "–";
  return make(
    "span",
    { class: "alarm" },
    `⚠ ${[nan && `${grouped(nan)} NaN`, inf && `${grouped(inf)} Inf`].filter(Boolean).join(", ")}`,
  );
}
function tensorTable() {
  return new Table({
    label: "Tensors",
    rows: model.tensors,
    find: tensor => tensor.name,
    filter: { title: "every dtype", of: tensor => tensor.dtype },
    columns: [
      {
        title: "name",
        width: nameWidth(model.tensors.map(tensor => tensor.name)),
        grow: true,
        order: tensor => tensor.name,
        cell: tensor =>
          make(
            "button",
            { class: "link", type: "button", title: visible(tensor.name), click: () => openTensor(tensor) },
            nameParts(tensor.name),
          ),
      },
      { title: "distribution", width: 132, cell: strip },
      { title: "dtype", width: 132, order: tensor => tensor.dtype, cell: tensor => dtypeCell(tensor.dtype) },
      {
        title: "shape",
        width: 124,
        right: true,
        order: tensor => elements(tensor.shape),
        first: "down",
        cell: tensor => shapeText(tensor.shape),
      },
      {
        title: "bytes",
        width: 80,
        right: true,
        order: tensor => tensor.bytes,
        first: "down",
        cell: tensor => bytesText(tensor.bytes),
      },
      { title: "min", ...statistic("min") },
      { title: "max", ...statistic("max") },
      { title: "mean", ...statistic("mean") },
      { title: "std", ...statistic("std") },
      {
        title: "zeros",
        width: 72,
        right: true,
        order: tensor => (values(tensor).zeros ?? 0) / (values(tensor).elements || 1),
        first: "down",
        cell: tensor => (tensor.statistics ? share(tensor.statistics.zeros, tensor.statistics.elements) : "–"),
      },
      { title: "NaN, Inf", width: 128, right: true, order: broken, first: "down", cell: brokenCell },
    ],
  });
}

// --- the page --------------------------------------------------------------------------------------------------------------
function heading() {
  const [kind, word, meaning] = verdicts[model.verdict] ?? ["warn", model.verdict, ""];
  const label = model.label;
  const name = visible(model.path.replace(/\/+$/, "").split("/").pop() || model.path);
  const unwell = model.tensors.filter(broken).length;
  return make(
    "header",
    { class: "head" },
    make("span", { class: "brand" }, "holdall inspect"),
    make(
      "div",
      { class: "title" },
      make("h1", {}, name),
      make("span", { class: `badge ${kind}`, title: meaning }, word),
      unwell ? make("span", { class: "badge bad" }, `⚠ NaN or Inf in ${counted(unwell, "tensor", "tensors")}`) : null,
    ),
    name === visible(model.path) ? null : make("span", { class: "path" }, visible(model.path)),
    facts("facts", [
      ["family", [label.family, label.task].filter(Boolean).map(visible).join(", ")],
      ["base", label.base && visible(label.base)],
      ["producer", label.producer && visible(label.producer)],
      ["licence", label.licence && visible(label.licence)],
      [
        "tokenizer",
        model.tokenizer &&
          [
            model.tokenizer.kind && visible(model.tokenizer.kind),
            model.tokenizer.vocabulary && counted(model.tokenizer.vocabulary, "entry", "entries"),
          ]
            .filter(Boolean)
            .join(", "),
      ],
    ]),
  );
}
function cards() {
  const main = map ? mainDtype(map.root) : model.tensors[0]?.dtype;
  return make(
    "div",
    { class: "cards" },
    card("Format", model.format, visible(model.detail)),
    card(
      "Size",
      bytesText(model.bytes),
      `${grouped(model.bytes)} bytes` + (model.files.length > 1 ? ` in ${counted(model.files.length, "file", "files")}` : ""),
    ),
    card("Parameters", countText(model.parameters), grouped(model.parameters)),
    card("Tensors", grouped(model.tensors.length), `${bytesText(total)} of values`),
    card(
      "Precision",
      main || "none",
      visible(model.label.precision ?? "") === main ? "all of it" : visible(model.label.precision ?? ""),
    ),
    card("Loading it", model.verdict, verdicts[model.verdict]?.[2]),
  );
}
function findings() {
  if (model.findings.length + model.warnings.length === 0) return null;
  const badge = severity =>
    make("span", {}, make("span", { class: `badge ${severity === "malicious" ? "bad" : "warn"}` }, visible(severity)));
  return panel(
    "Findings and warnings",
    counted(model.findings.length + model.warnings.length, "entry", "entries"),
    make(
      "ul",
      { class: "findings" },
      model.findings
        .slice(0, 500)
        .map(finding =>
          make(
            "li",
            {},
            badge(finding.severity),
            make(
              "div",
              {},
              visible(finding.what),
              make("div", { class: "note" }, make("code", {}, visible(finding.where)), ` · ${visible(finding.rule)}`),
            ),
          ),
        ),
      model.warnings.slice(0, 500).map(warning => make("li", {}, badge("warning"), make("div", {}, visible(warning)))),
    ),
  );
}
const isEmpty = value => value === null || value === undefined || (typeof value === "object" && entriesOf(value).length === 0);
const open = name => byName.has(name) && openTensor(byName.get(name));
const tree = (title, note, value) =>
  isEmpty(value) ? null : panel(title, note, make("div", { class: "values" }, valueTree(value, open, null, true)));

const map = model.tensors.length > 0 && total > 0 ? new ByteMap() : null;
showPage(
  [
    heading(),
    cards(),
    findings(),
    map?.element,
    model.tensors.length
      ? panel("Tensors", "choose a name for all that is known about it", tensorTable().element)
      : panel("Tensors", "there are none"),
    tree("Values", "the tree beside the tensors", model.tree),
    tree("Configuration", "", model.config),
    tree("Metadata", "", model.metadata),
    model.files.length > 1 ? tree("Files", "", model.files) : null,
  ],
  library => map?.draw(library),
);
