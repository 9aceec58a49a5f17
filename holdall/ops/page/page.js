// What the pages of --html share: the data, texts made safe, numbers, elements, the table, the tree of values, the chart library.
// Texts from files reach the page as text nodes and nothing else.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const media = matchMedia("(prefers-color-scheme: dark)");

// A fault of this page is shown, never swallowed.
function tellFault(message) {
  const text = `This page met a fault: ${message}`;
  document.documentElement.dataset.fault = text;
  document.getElementById("page").prepend(make("p", { class: "badge bad", role: "alert" }, visible(text)));
}
addEventListener("error", event => tellFault(event.message));
addEventListener("unhandledrejection", event => tellFault(String(event.reason)));
addEventListener("securitypolicyviolation", event => tellFault(`${event.violatedDirective} refused ${event.blockedURI}`));

// Controls, separators, bidirectional marks and bytes that were no UTF-8 as escapes, as the command shows them.
const unsafe =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
function visible(text) {
  return String(text).replace(unsafe, c => {
    const code = c.charCodeAt(0);
    if (code >= 0xdc80 && code <= 0xdcff) return "\\x" + (code - 0xdc00).toString(16);
    if (code < 0x100) return { 9: "\\t", 10: "\\n", 13: "\\r" }[code] ?? "\\x" + code.toString(16).padStart(2, "0");
    return "\\u" + code.toString(16).padStart(4, "0");
  });
}

// make("td", {class: "right"}, "text", element, …); attributes that are null are left out, functions listen.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter(child => child !== null && child !== undefined));
  return element;
}
function drawing(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
// In the next frame: what is drawn may change the size again.
const whenResized = (element, act) => new ResizeObserver(() => requestAnimationFrame(act)).observe(element);
const swatch = colour => {
  const element = make("span", { class: "swatch", "aria-hidden": "true" });
  element.style.background = colour;
  return element;
};

const grouped = number => number.toLocaleString("en-US");
const counted = (number, one, many) => `${grouped(number)} ${number === 1 ? one : many}`;
function scaled(value, units) {
  let unit = 0;
  for (; value >= 999.5 && unit + 1 < units.length; ++unit) value /= 1000;
  return `${unit === 0 || value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2)}${units[unit]}`;
}
const bytesText = bytes => scaled(bytes, [" B", " kB", " MB", " GB", " TB"]);
const countText = count => (count < 10000 ? grouped(count) : scaled(count, ["", " k", " M", " B", " T"]));
const share = (part, whole) => {
  const percent = whole === 0 ? 0 : (100 * part) / whole;
  return percent > 0 && percent < 0.1 ? "< 0.1 %" : `${Number(percent.toPrecision(3))} %`;
};
// A number of a document: JSON's own, or {"$float": "nan"}.
const number = value =>
  value === null || value === undefined
    ? NaN
    : typeof value === "object"
      ? Number({ nan: "NaN", inf: "Infinity", "-inf": "-Infinity" }[value.$float] ?? value.$float)
      : value;
function numberText(value) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "–" : value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  const text = size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(2) : String(Number(value.toPrecision(4)));
  return text.replace("e+", "e").replaceAll("-", "−");
}
const shapeText = shape => `[${shape.join(", ")}]`;
const elements = shape => shape.reduce((product, size) => product * size, 1);

// Colours of dtypes, apart from each other to colour-blind eyes too; what is not listed takes the spare ones in turn.
const palette = {
  float32: "#3f74b5",
  float16: "#1f9a8a",
  bfloat16: "#5a9a3c",
  float64: "#6b5bb0",
  int64: "#b0729f",
  int32: "#94705a",
  int16: "#a98b2d",
  int8: "#d1554e",
  uint8: "#d9a520",
  bool: "#7b7f86",
  float8_e4m3fn: "#e08127",
  float8_e5m2: "#c4622d",
  complex64: "#3a8fc0",
  string: "#8c8c3a",
};
const spare = ["#d06a9b", "#4aa5a0", "#a3632a", "#7f9b2f", "#8a63c4", "#c98a1b", "#5577cc", "#b25d5d"];
const colourOf = dtype => (palette[dtype] ??= spare[Object.keys(palette).length % spare.length]);
const fontFamily = () => getComputedStyle(document.body).fontFamily;
const variable = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
function inkOn(colour) {
  const [r, g, b] = [1, 3, 5]
    .map(at => parseInt(colour.slice(at, at + 2), 16) / 255)
    .map(c => (c <= 0.04 ? c / 12.9 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.3 ? "#10151c" : "#ffffff";
}

const dtypeCell = dtype => make("span", { class: "dtype" }, swatch(colourOf(dtype)), dtype);
// A name whose end, with the number before it, stays when room is short: it tells more than the beginning.
function nameParts(name) {
  const shown = visible(name);
  const cut = shown.slice(0, -1).split(/(?<=[./])/);
  const tail =
    cut.length > 1 && shown.length > 24 ? cut.slice(/^\d+[./]$/.test(cut.at(-3)) ? -3 : -2).join("") + shown.slice(-1) : shown;
  const lead = shown.slice(0, shown.length - tail.length);
  // A lead no longer than what is left of a cut one is never cut.
  return [make("span", { class: lead.length > 4 ? "lead" : "lead whole" }, lead), make("span", { class: "tail" }, tail)];
}
// The room that the longest name takes in a table, within bounds; where it takes more, it is cut.
function nameWidth(names) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = `12.5px ${variable("--mono")}`;
  const longest = names.map(visible).reduce((a, b) => (b.length > a.length ? b : a), "");
  const most = Math.min(560, Math.max(220, 0.7 * innerWidth));
  return Math.min(most, Math.max(220, Math.ceil(pen.measureText(longest).width) + 20));
}
const panel = (title, note, ...children) => {
  const id = "h-" + title.toLowerCase().replace(/\W+/g, "-");
  return make(
    "section",
    { class: "panel", "aria-labelledby": id },
    make("header", {}, make("h2", { id }, title), note ? make("span", { class: "note" }, note) : null),
    children,
  );
};
const facts = (kind, pairs) =>
  make(
    "dl",
    { class: kind },
    pairs
      .filter(([, value]) => value !== null && value !== undefined && value !== "")
      .map(([key, value]) =>
        kind === "pairs"
          ? [make("dt", {}, key), make("dd", {}, value)]
          : make("div", {}, make("dt", {}, key), make("dd", {}, value)),
      )
      .flat(),
  );
const card = (key, value, small) =>
  make("dl", { class: "card" }, make("dt", {}, key), make("dd", {}, value, small ? make("small", {}, small) : null));

function openDialog(title, ...children) {
  const dialog = make("dialog", { "aria-label": visible(title), close: () => dialog.remove() });
  dialog.append(
    make(
      "header",
      {},
      make("h2", {}, visible(title)),
      make("button", { class: "close", type: "button", click: () => dialog.close() }, "Close"),
    ),
    ...children,
  );
  dialog.addEventListener("click", event => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
}

// A table of any number of rows, of which only those in sight are elements.
// columns: {key, title, width, right, cell(row) → text or element, order(row) → number or text, first: "down" where sorting begins with
// the largest}. filter: {title, of(row)}: a choice among the values that occur. search: what the field for searching says.
class Table {
  static height = 34;

  constructor({ label, columns, rows, find, filter, kinds, search = "Search names, e.g. layer.0 weight" }) {
    Object.assign(this, { columns, rows, find, shown: rows, sorted: null, down: false });
    this.search = make("input", {
      type: "search",
      placeholder: search,
      "aria-label": search.split(",")[0],
      input: () => this.choose(),
    });
    this.choice = make(
      "select",
      { "aria-label": filter?.title, change: () => this.choose() },
      make("option", { value: "" }, filter?.title ?? ""),
    );
    this.filter = filter;
    if (filter) this.choice.append(...[...new Set(rows.map(filter.of))].map(value => make("option", { value }, value)));
    this.status = make("span", { class: "note push", role: "status" });
    this.headings = columns.map(column => this.heading(column));
    this.body = make("tbody");
    const width = columns.reduce((sum, column) => sum + column.width, 0);
    const table = make(
      "table",
      { "aria-label": label, "aria-rowcount": rows.length },
      make(
        "colgroup",
        {},
        columns.map(column => {
          const col = make("col");
          col.style.width = column.grow ? "auto" : `${column.width}px`;
          return col;
        }),
      ),
      make("thead", {}, make("tr", {}, this.headings)),
      this.body,
    );
    table.style.minWidth = `${width}px`;
    this.scroller = make(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": `${label}, scrolls`, scroll: () => this.draw() },
      table,
    );
    this.element = make(
      "div",
      {},
      make(
        "div",
        { class: "tools" },
        this.search,
        filter && this.choice.options.length > 2 ? this.choice : null,
        kinds ?? null,
        this.status,
      ),
      this.scroller,
    );
    this.element.style.cssText = "display:grid;gap:10px;grid-template-columns:minmax(0,1fr)";
    whenResized(this.scroller, () => this.draw());
    this.choose();
  }

  heading(column) {
    if (!column.order)
      return make("th", { scope: "col", class: column.right ? "right" : null }, make("span", {}, column.title));
    return make(
      "th",
      { scope: "col", class: column.right ? "right" : null },
      make("button", { type: "button", click: () => this.sortBy(column) }, column.title),
    );
  }

  sortBy(column) {
    this.down = this.sorted === column ? !this.down : column.first === "down";
    this.sorted = column;
    this.headings.forEach((heading, i) => {
      heading.removeAttribute("aria-sort");
      const mine = this.columns[i] === column;
      if (mine) heading.setAttribute("aria-sort", this.down ? "descending" : "ascending");
      heading.firstChild.textContent = this.columns[i].title + (mine ? (this.down ? " ↓" : " ↑") : "");
    });
    this.choose();
  }

  choose() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const value = this.choice.value;
    this.shown = this.rows.filter(
      row => words.every(word => this.find(row).toLowerCase().includes(word)) && (!value || this.filter.of(row) === value),
    );
    if (this.sorted) {
      const keys = new Map(this.shown.map(row => [row, this.sorted.order(row)]));
      const known = key => key !== null && key === key;
      this.shown.sort((a, b) => {
        const [x, y] = [keys.get(a), keys.get(b)];
        if (!known(x) || !known(y)) return known(y) - known(x);
        return (x < y ? -1 : x > y ? 1 : 0) * (this.down ? -1 : 1);
      });
    }
    const all = this.rows.length,
      shown = this.shown.length;
    this.status.textContent = all === shown ? grouped(all) : `${grouped(shown)} of ${grouped(all)}`;
    this.scroller.scrollTop = 0;
    this.drawn = null;
    this.draw();
  }

  draw() {
    const rows = this.shown.length,
      height = Table.height;
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / height) - 8);
    const end = Math.min(rows, first + Math.ceil((this.scroller.clientHeight || 760) / height) + 20);
    if (this.drawn === `${first} ${end}`) return;
    this.drawn = `${first} ${end}`;
    const space = count => {
      const row = make("tr", { class: "space", "aria-hidden": "true" }, make("td", { colspan: this.columns.length }));
      row.style.height = `${count * height}px`;
      return row;
    };
    const drawn = this.shown.slice(first, end).map((row, i) =>
      make(
        "tr",
        { "data-row": first + i, "aria-rowindex": first + i + 2 },
        this.columns.map(column => {
          const cell = column.cell(row);
          return make("td", { class: column.right ? "right" : null, title: typeof cell === "string" ? cell : null }, cell);
        }),
      ),
    );
    if (rows === 0) drawn.push(make("tr", {}, make("td", { colspan: this.columns.length, class: "empty" }, "nothing fits")));
    this.body.replaceChildren(space(first), ...drawn, space(rows - end));
  }
}

// A document's value, folded; what is inside is made when it is opened, two hundred entries at a time.
const kinds = { $tuple: "tuple", $set: "set", $dict: "dict", $object: "object" };
function entriesOf(value) {
  if (Array.isArray(value)) return value.map((item, i) => [i, item]);
  for (const kind of ["$tuple", "$set"]) if (Array.isArray(value[kind])) return entriesOf(value[kind]);
  const pairs = list => list.map(([key, item]) => [key !== null && typeof key === "object" ? JSON.stringify(key) : key, item]);
  if (Array.isArray(value.$dict)) return pairs(value.$dict);
  if (typeof value.$object !== "string") return Object.entries(value);
  const { $object, items = [], pairs: own = [], ...rest } = value;
  const said = Object.entries(rest).filter(
    ([, item]) => item === null || typeof item !== "object" || entriesOf(item).length > 0,
  );
  return [...said, ...items.map((item, i) => [i, item]), ...pairs(own)];
}
function kindOf(value) {
  if (Array.isArray(value)) return counted(value.length, "item", "items");
  if (typeof value.$object === "string") return value.$object;
  const kind = Object.keys(kinds).find(key => key in value);
  return kind
    ? `${kinds[kind]}, ${counted(entriesOf(value).length, "item", "items")}`
    : counted(Object.keys(value).length, "key", "keys");
}
function leafOf(value, openTensor) {
  if (value === null || typeof value !== "object")
    return make(
      "span",
      { class: typeof value === "string" ? "text" : "number" },
      typeof value === "string" ? visible(JSON.stringify(value)) : String(value),
    );
  if (typeof value.$tensor === "string")
    return make(
      "button",
      { class: "link", type: "button", click: () => openTensor(value.$tensor) },
      make("span", { class: "tail" }, "tensor " + visible(value.$tensor)),
    );
  for (const [key, kind] of [
    ["$float", "float"],
    ["$global", "name"],
    ["$bytes", "bytes, base64"],
    ["$ref", "met before, id"],
  ]) {
    if (key in value) return make("span", { class: "kind" }, `${kind} ${visible(value[key])}`);
  }
  return entriesOf(value).length === 0 ? make("span", { class: "kind" }, Array.isArray(value) ? "[]" : "{}") : null;
}
function valueTree(value, openTensor, key = null, open = false) {
  const label = key === null ? null : make("span", { class: "key" }, visible(key));
  const leaf = leafOf(value, openTensor);
  if (leaf) return make("div", { class: "leaf" }, label, leaf);
  const inner = make("div", { class: "inner" });
  const more = from => {
    const entries = entriesOf(value);
    inner.append(...entries.slice(from, from + 200).map(([name, item]) => valueTree(item, openTensor, name)));
    if (entries.length > from + 200) {
      const button = make(
        "button",
        { class: "more", type: "button", click: () => (button.remove(), more(from + 200)) },
        `${grouped(entries.length - from - 200)} more`,
      );
      inner.append(button);
    }
  };
  const details = make(
    "details",
    { class: "value", toggle: () => details.open && !inner.firstChild && more(0) },
    make("summary", {}, label, " ", make("span", { class: "kind" }, visible(kindOf(value)))),
    inner,
  );
  if (open) {
    details.open = true;
    more(0);
  }
  return details;
}

// The chart library: inflated and run once; the page's policy knows its hash.
async function loadCharts() {
  const packed = Uint8Array.from(atob(document.getElementById("charts").textContent), c => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
  return globalThis.echarts;
}

// A chart that keeps to the size of its place and to the theme. option(): what to draw.
function chartIn(library, place, option) {
  const chart = library.init(place, null, { renderer: "canvas" });
  const redraw = () => chart.setOption(option(), { notMerge: true });
  whenResized(place, () => (chart.resize(), redraw()));
  media.addEventListener("change", redraw);
  redraw();
  return { chart, redraw };
}
const tooltip = build => ({
  confine: true,
  backgroundColor: variable("--surface"),
  borderColor: variable("--line"),
  textStyle: { color: variable("--ink"), fontSize: 13 },
  formatter: parameters => build(parameters.data),
});

function footer() {
  const { version, charts } = document.body.dataset;
  return make(
    "footer",
    {},
    make(
      "span",
      {},
      `Made by Holdall ${version}. This file is whole: it asks the network for nothing, and its policy forbids it to.`,
    ),
    make("span", {}, `Charts by Apache ECharts ${charts}, © The Apache Software Foundation, Apache License 2.0.`),
  );
}

// Puts the page together, then the charts, and says when all is there.
async function showPage(parts, drawCharts) {
  document.getElementById("page").replaceChildren(...parts.flat().filter(Boolean), footer());
  if (typeof DecompressionStream === "undefined")
    throw new Error("this browser cannot inflate the chart library; the tables are whole");
  drawCharts(await loadCharts());
  document.documentElement.dataset.state = "ready";
}
