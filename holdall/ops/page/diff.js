// The page of `holdall diff --html`: counts, a map of the differences by layer and kind, every change in a table, the values beside them.
const report = data.difference;

// --- what became of each tensor ----------------------------------------------------------------------------------------------
// state: same, values, none (no finite number tells), form (another shape or dtype), only_a, only_b
const states = {
  same: ["=", "the same"],
  values: ["", "values differ"],
  none: ["!", "NaN or infinity on one side"],
  form: ["≠", "another shape or dtype"],
  only_a: ["A", "only in A"],
  only_b: ["B", "only in B"],
};
function stateOf(change) {
  const other = change.a.dtype !== change.b.dtype || String(change.a.shape) !== String(change.b.shape);
  return other ? "form" : change.max_abs === null ? "none" : "values";
}
const changes = [
  ...report.changed.map(change => ({ ...change, state: stateOf(change) })),
  ...report.only_a.map((name, i) => ({ name, state: "only_a", a: data.only_a[i] })),
  ...report.only_b.map((name, i) => ({ name, state: "only_b", b: data.only_b[i] })),
];
function changeText(change) {
  if (change.state !== "form") return states[change.state][1];
  const forms = [
    change.a.dtype !== change.b.dtype && "dtype",
    String(change.a.shape) !== String(change.b.shape) && "shape",
  ].filter(Boolean);
  return `${forms.join(" and ")} ${forms.length > 1 ? "differ" : "differs"}`;
}
const severity = ["same", "values", "none", "form", "only_a", "only_b"];
const metrics = {
  max_rel: ["relative", "largest |A − B| / |B|", change => number(change.max_rel ?? change.max_abs)],
  max_abs: ["absolute", "largest |A − B|", change => number(change.max_abs)],
  cosine: [
    "1 − cosine",
    "how far apart the two point",
    change => (change.cosine === null || change.cosine === undefined ? NaN : Math.max(0, 1 - change.cosine)),
  ],
};

// --- the map: layers × kinds -------------------------------------------------------------------------------------------------
// Which number of a name is the layer: the one that varies most while the rest of the name stays, then the one that varies most
// after what stands before it, in whatever kind of tensor. An expert's number is none where there is another. Numbers beside the
// layer that vary (experts) share a cell, as the worst of them; those that don't are a part of the kind.
const isNumber = key => /^\d+$/.test(key);
const keysOf = name => name.split(name.includes(".") ? "." : "/");
const wild = keys => keys.map(key => (isNumber(key) ? "#" : key)).join(".");
function placer(names) {
  const seen = new Map(); // a name without one number → that number's values
  const own = new Map(); // all numbers of a name wild, and which → the most values of one
  const before = new Map(); // what stands before a number → the same
  const most = (counts, key, count) => counts.set(key, Math.max(count, counts.get(key) ?? 0));
  const places = keys => [...keys.keys()].filter(i => isNumber(keys[i]));
  for (const name of names) {
    const keys = keysOf(name);
    for (const i of places(keys)) {
      const rest = `${i} ${keys.map((key, j) => (j === i ? "#" : key)).join(".")}`;
      const values = seen.get(rest) ?? new Set();
      seen.set(rest, values.add(keys[i]));
      most(own, `${i} ${wild(keys)}`, values.size);
      most(before, wild(keys.slice(0, i)), values.size);
    }
  }
  return name => {
    const keys = keysOf(name);
    const varies = i => own.get(`${i} ${wild(keys)}`);
    const rank = i => [!/expert/i.test(keys[i - 1] ?? ""), varies(i), before.get(wild(keys.slice(0, i)))];
    const higher = (a, b) => a.map((part, i) => part - b[i]).find(Boolean) > 0;
    const at = places(keys).reduce((best, i) => (best === null || higher(rank(i), rank(best)) ? i : best), null);
    const kind = keys.map((key, i) => (i === at ? "·" : isNumber(key) && varies(i) > 1 ? "*" : key)).join(".");
    return { layer: at === null ? null : Number(keys[at]), kind };
  };
}
const mostRows = 240,
  mostColumns = 400;
function gatherCells() {
  const rows = new Map();
  const onlyB = changes.filter(change => change.state === "only_b");
  const placeOf = placer([...data.names, ...onlyB.map(change => change.name)]);
  const add = (name, change) => {
    const { layer, kind } = placeOf(name);
    const row = rows.get(kind) ?? { kind, cells: new Map(), worst: 0 };
    rows.set(kind, row);
    const cell = row.cells.get(layer) ?? { kind, layer, tensors: 0, changes: [] };
    row.cells.set(layer, cell);
    ++cell.tensors;
    if (!change) return;
    cell.changes.push(change);
    row.worst = Math.max(row.worst, severity.indexOf(change.state));
  };
  const byName = new Map(changes.map(change => [change.name, change]));
  data.names.forEach(name => add(name, byName.get(name)));
  onlyB.forEach(change => add(change.name, change));
  return [...rows.values()];
}
const cellState = cell => severity[Math.max(0, ...cell.changes.map(change => severity.indexOf(change.state)))];
const cellValue = (cell, metric) =>
  cell.changes
    .map(metrics[metric][2])
    .filter(Number.isFinite)
    .reduce((a, b) => Math.max(a, b), -1);

// From little to much, apart in lightness too, on both grounds.
const ramp = [
  [255, 226, 168],
  [250, 168, 94],
  [226, 93, 82],
  [168, 42, 108],
  [92, 18, 110],
];
function rampColour(at) {
  const scaledAt = Math.min(1, Math.max(0, at)) * (ramp.length - 1),
    i = Math.min(ramp.length - 2, Math.floor(scaledAt)),
    t = scaledAt - i;
  return (
    "#" +
    ramp[i]
      .map((low, c) =>
        Math.round(low + (ramp[i + 1][c] - low) * t)
          .toString(16)
          .padStart(2, "0"),
      )
      .join("")
  );
}
function hatch(ink, ground) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 8;
  const pen = canvas.getContext("2d");
  pen.fillStyle = ground;
  pen.fillRect(0, 0, 8, 8);
  pen.strokeStyle = ink;
  pen.lineWidth = 1.5;
  for (const shift of [-8, 0, 8]) {
    pen.beginPath();
    pen.moveTo(shift, 8);
    pen.lineTo(shift + 8, 0);
    pen.stroke();
  }
  return canvas;
}

const shortText = value =>
  value === 0
    ? "0"
    : value >= 0.01 && value < 1000
      ? String(Number(value.toPrecision(2)))
      : value.toExponential(0).replace("e+", "e").replace("-", "−");

class HeatMap {
  constructor() {
    this.metric = "max_rel";
    const all = gatherCells();
    this.rows = all.length <= mostRows ? all : [...all].sort((a, b) => b.worst - a.worst).slice(0, mostRows);
    const layers = [...new Set(this.rows.flatMap(row => [...row.cells.keys()]))].sort((a, b) =>
      a === null ? -1 : b === null ? 1 : a - b,
    );
    this.layers = layers.slice(0, mostColumns);
    this.cells = this.rows.flatMap((row, y) =>
      this.layers.map((layer, x) => row.cells.has(layer) && { x, y, cell: row.cells.get(layer) }).filter(Boolean),
    );
    this.left = [
      all.length > this.rows.length && `${grouped(all.length - this.rows.length)} kinds`,
      layers.length > this.layers.length && `${grouped(layers.length - this.layers.length)} layers`,
    ]
      .filter(Boolean)
      .join(" and ");
    this.place = make("div", {
      class: "chart",
      role: "img",
      "aria-label": `Differences by layer and kind: ${counted(this.cells.length, "cell", "cells")}; the table below says the same`,
    });
    this.buttons = Object.entries(metrics).map(([key, [title, meaning]]) =>
      make(
        "button",
        { type: "button", title: meaning, "aria-pressed": String(key === this.metric), click: () => this.measure(key) },
        title,
      ),
    );
    this.low = make("span");
    this.high = make("span");
    this.bar = make("canvas", { width: 150, height: 1, "aria-hidden": "true" });
    const pen = this.bar.getContext("2d");
    for (let x = 0; x < 150; ++x) {
      pen.fillStyle = rampColour(x / 149);
      pen.fillRect(x, 0, 1, 1);
    }
    const met = new Set(this.cells.map(({ cell }) => cellState(cell)));
    const measures = met.has("values") || met.has("form");
    const signs = Object.entries(states)
      .filter(([state]) => state !== "values" && met.has(state))
      .map(([state, [sign, meaning]]) => make("span", { class: "chip" }, this.sign(state, sign), meaning));
    this.element = make(
      "section",
      { class: "panel", "aria-labelledby": "h-map" },
      make(
        "header",
        {},
        make("h2", { id: "h-map" }, "Where they differ"),
        make(
          "span",
          { class: "note" },
          `layers across, kinds of tensor down; ${counted(this.cells.length, "cell", "cells")} drawn${this.left && `, ${this.left} left out`}. Choose a cell for its tensors.`,
        ),
      ),
      make(
        "div",
        { class: "tools" },
        measures
          ? [
              make("div", { class: "switch", role: "group", "aria-label": "Measure" }, this.buttons),
              make("span", { class: "scale" }, this.low, this.bar, this.high),
            ]
          : null,
        make("span", { class: "legend" }, signs),
      ),
      make("div", { class: "wide" }, this.place),
    );
  }

  sign(state, sign) {
    const element = make("span", { class: "sign" }, sign);
    element.style.background =
      state === "same"
        ? "var(--same)"
        : state.startsWith("only")
          ? "repeating-linear-gradient(135deg, var(--group) 0 3px, var(--same) 3px 5px)"
          : "var(--surface)";
    return element;
  }

  measure(key) {
    this.metric = key;
    this.buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(Object.keys(metrics)[i] === key)));
    this.chart?.redraw();
  }

  // Values by their magnitude: the scale goes by powers of ten, over one of them at the least.
  scaleNow() {
    const found = this.cells.map(({ cell }) => cellValue(cell, this.metric)).filter(value => value > 0);
    const high = Math.max(...found),
      low = Math.min(...found) < high ? Math.min(...found) : high / 10;
    this.low.textContent = found.length ? numberText(low) : "";
    this.high.textContent = found.length ? numberText(high) : "–";
    return value => (value <= 0 ? 0 : Math.log(value / low) / Math.log(high / low));
  }

  option() {
    const narrow = this.place.parentElement.clientWidth < 640;
    const margin = narrow ? 150 : Math.min(380, 24 + 6.4 * Math.max(...this.rows.map(row => visible(row.kind).length)));
    const wide = this.layers.length * (narrow ? 22 : 26) + margin + 20;
    this.place.style.minWidth = wide > this.place.parentElement.clientWidth ? `${wide}px` : "";
    const scale = this.scaleNow(),
      ink = variable("--ink"),
      faint = variable("--faint");
    const stripes = { image: hatch(faint, variable("--group")), repeat: "repeat" };
    const wideEnough = (Math.max(this.place.clientWidth, wide) - margin) / this.layers.length > 44;
    const points = this.cells.map(({ x, y, cell }, place) => {
      const state = cellState(cell),
        value = cellValue(cell, this.metric);
      const colour =
        state === "same"
          ? variable("--same")
          : state.startsWith("only")
            ? stripes
            : state === "values" && value >= 0
              ? rampColour(scale(value))
              : variable("--surface");
      const solid = typeof colour === "string" && colour.startsWith("#") && colour.length === 7;
      return {
        value: [x, y, 0],
        place,
        itemStyle: {
          color: colour,
          borderColor: state === "form" || state === "none" ? variable("--bad") : variable("--surface"),
          borderWidth: state === "form" || state === "none" ? 2 : 1,
        },
        label: {
          formatter:
            state !== "values" ? (state === "same" ? "" : states[state][0]) : wideEnough && value >= 0 ? shortText(value) : "",
          color: state === "values" && solid ? inkOn(colour) : state === "form" || state === "none" ? variable("--bad") : ink,
        },
      };
    });
    points.sort((a, b) => a.itemStyle.borderWidth - b.itemStyle.borderWidth); // framed ones over their neighbours
    const axis = { type: "category", axisTick: { show: false }, axisLine: { show: false }, splitArea: { show: false } };
    return {
      animation: false,
      textStyle: { fontFamily: fontFamily() },
      tooltip: tooltip(point => this.tip(this.cells[point.place].cell)),
      grid: { left: margin, right: 12, top: 30, bottom: 8 },
      xAxis: {
        ...axis,
        position: "top",
        data: this.layers.map(layer => (layer === null ? "–" : String(layer))),
        axisLabel: { color: faint, interval: this.layers.length > 48 ? "auto" : 0, fontSize: 11 },
      },
      yAxis: {
        ...axis,
        inverse: true,
        data: this.rows.map(row => visible(row.kind)),
        axisLabel: {
          color: ink,
          fontSize: 12,
          interval: 0,
          width: margin - 12,
          overflow: "truncate",
          formatter: text => (text.length * 6.7 > margin - 12 ? "…" + text.slice(-Math.floor((margin - 24) / 6.7)) : text),
        },
      },
      series: [
        {
          type: "heatmap",
          data: points,
          label: { show: true, fontSize: 11 },
          emphasis: { itemStyle: { borderColor: ink, borderWidth: 2 } },
          progressive: 0,
        },
      ],
    };
  }

  lines(cell) {
    const meaning = states[cellState(cell)][1];
    const lines = [
      `${meaning}; ${counted(cell.tensors, "tensor", "tensors")}, ${counted(cell.changes.length, "change", "changes")}`,
    ];
    for (const [title, meant, of] of Object.values(metrics)) {
      const value = cell.changes.map(of).filter(Number.isFinite);
      if (value.length) lines.push(`${title === "1 − cosine" ? title : meant}: ${numberText(Math.max(...value))}`);
    }
    return lines;
  }

  tip(cell) {
    const element = make(
      "div",
      {},
      make("b", { class: "mono" }, visible(cell.kind)),
      make("div", {}, cell.layer === null ? "no layer" : `layer ${cell.layer}`),
      this.lines(cell).map(line => make("div", {}, line)),
    );
    element.style.cssText = "font-size:13px;white-space:normal;max-width:420px;overflow-wrap:anywhere";
    return element;
  }

  draw(library) {
    this.place.style.height = `${42 + this.rows.length * 24}px`;
    this.chart = chartIn(library, this.place, () => this.option());
    this.chart.chart.on("click", event => {
      const cell = this.cells[event.data?.place]?.cell;
      if (cell)
        openDialog(
          `${cell.kind}${cell.layer === null ? "" : `, layer ${cell.layer}`}`,
          make("p", {}, this.lines(cell).join("; ")),
          make(
            "ul",
            { class: "values" },
            cell.changes
              .slice(0, 200)
              .map(change =>
                make(
                  "li",
                  { class: "leaf" },
                  make(
                    "button",
                    { class: "link", type: "button", click: () => openChange(change) },
                    make("span", { class: "tail" }, visible(change.name)),
                  ),
                  make("span", { class: "kind" }, changeText(change)),
                ),
              ),
          ),
        );
    });
  }
}

// --- the tables ----------------------------------------------------------------------------------------------------------------
const form = side => (side ? `${side.dtype} ${shapeText(side.shape)}` : "–");
function openChange(change) {
  openDialog(
    change.name,
    facts("pairs", [
      ["what", changeText(change)],
      ["in A", change.a && form(change.a)],
      ["in B", change.b && form(change.b)],
      ["largest |A − B|", change.a && change.b && numberText(number(change.max_abs))],
      ["largest |A − B| / |B|", change.a && change.b && numberText(number(change.max_rel))],
      ["cosine", change.a && change.b && (change.cosine === null ? "–" : String(change.cosine))],
      [
        "elements that differ",
        change.a && change.differing
          ? `${grouped(change.differing)} (${share(change.differing, elements(change.a.shape))})`
          : null,
      ],
    ]),
  );
}
function changeTable() {
  const measure = (title, of) => ({
    title,
    width: 92,
    right: true,
    order: of,
    first: "down",
    cell: change => numberText(of(change)),
  });
  return new Table({
    label: "Changes",
    rows: changes,
    find: change => change.name,
    filter: { title: "every change", of: changeText },
    columns: [
      {
        title: "name",
        width: nameWidth(changes.map(change => change.name)),
        grow: true,
        order: change => change.name,
        cell: change =>
          make(
            "button",
            { class: "link", type: "button", title: visible(change.name), click: () => openChange(change) },
            nameParts(change.name),
          ),
      },
      { title: "what", width: 176, order: change => severity.indexOf(change.state), first: "down", cell: changeText },
      { title: "in A", width: 160, order: change => form(change.a), cell: change => form(change.a) },
      { title: "in B", width: 160, order: change => form(change.b), cell: change => form(change.b) },
      measure("absolute", change => number(change.max_abs)),
      measure("relative", change => number(change.max_rel)),
      measure("1 − cosine", metrics.cosine[2]),
      {
        title: "elements",
        width: 92,
        right: true,
        order: change => change.differing ?? 0,
        first: "down",
        cell: change => (change.differing === undefined ? "–" : grouped(change.differing)),
      },
    ],
  });
}
function treeChanges() {
  if (report.tree.length === 0) return null;
  const side = (tag, sign, value) => (value === null ? null : make("div", {}, make(tag, {}, sign + visible(value))));
  const list = make("ul", { class: "changes" });
  const more = from => {
    list.append(
      ...report.tree
        .slice(from, from + 300)
        .map(change =>
          make(
            "li",
            {},
            make("span", {}, visible(change.path || "/")),
            make("span", {}, side("del", "A  ", change.a), side("ins", "B  ", change.b)),
          ),
        ),
    );
    if (report.tree.length <= from + 300) return;
    const item = make(
      "li",
      {},
      make(
        "button",
        { class: "more", type: "button", click: () => (item.remove(), more(from + 300)) },
        `${grouped(report.tree.length - from - 300)} more`,
      ),
    );
    list.append(item);
  };
  more(0);
  return panel("Values beside the tensors", counted(report.tree.length, "change", "changes"), list);
}

// --- the page ------------------------------------------------------------------------------------------------------------------
function heading() {
  const last = path => visible(path.replace(/\/+$/, "").split("/").pop() || path);
  return make(
    "header",
    { class: "head" },
    make("span", { class: "brand" }, "holdall diff"),
    make(
      "div",
      { class: "title" },
      make("h1", {}, `${last(report.a)} ↔ ${last(report.b)}`),
      make("span", { class: report.same ? "badge good" : "badge warn" }, report.same ? "= the same" : "≠ different"),
    ),
    facts("facts", [
      ["A", make("span", { class: "mono" }, visible(report.a))],
      ["B", make("span", { class: "mono" }, visible(report.b))],
    ]),
  );
}
const worst = of =>
  report.changed
    .map(of)
    .map(number)
    .filter(Number.isFinite)
    .reduce((a, b) => Math.max(a, b), -1);
const worstText = of => (worst(of) < 0 ? "–" : numberText(worst(of)));
const cards = make(
  "div",
  { class: "cards" },
  card("In both", grouped(report.compared), `${grouped(report.compared - report.changed.length)} the same`),
  card("Changed", grouped(report.changed.length), share(report.changed.length, report.compared) + " of those in both"),
  card("Only in A", grouped(report.only_a.length), counted(report.only_a.length, "tensor", "tensors")),
  card("Only in B", grouped(report.only_b.length), counted(report.only_b.length, "tensor", "tensors")),
  card(
    "Largest |A − B|",
    worstText(change => change.max_abs),
    `relative: ${worstText(change => change.max_rel)}`,
  ),
  card("Values beside", grouped(report.tree.length), report.tree.length === 1 ? "change" : "changes"),
);

const heat = data.names.length + report.only_b.length > 0 ? new HeatMap() : null;
showPage(
  [
    heading(),
    cards,
    heat?.element,
    changes.length
      ? panel("Changes", "choose a name for all that is known about it", changeTable().element)
      : panel("Changes", "every tensor is the same"),
    treeChanges(),
  ],
  library => heat?.draw(library),
);
