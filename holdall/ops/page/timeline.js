// The page of `holdall checkpoint ls --html`: counts, the metrics over the steps with every checkpoint on them, a table of all.
const timeline = data.timeline;
const rows = timeline.checkpoints;

// --- what becomes of each ------------------------------------------------------------------------------------------------------
const kindsOfRow = {
  best: ["★", "best by a rule"],
  kept: ["●", "stays"],
  goes: ["○", "the rules let it go"],
  damaged: ["✕", "damaged"],
  future: ["?", "of a later version"],
  foreign: ["–", "not written by Holdall"],
};
function kindOfRow(row) {
  if (row.state !== "complete") return row.state;
  if (!row.kept) return "goes";
  return metricOfBest(row) === null ? "kept" : "best";
}
const nameOf = row => row.path.split("/").pop();
const fateText = row => (row.state !== "complete" ? "stays" : `${row.kept ? "stays" : "goes"}: ${visible(row.fate)}`);
const metricNames = [...new Set(rows.flatMap(row => Object.keys(row.metrics)))];
const valueOf = (row, metric) => (Object.hasOwn(row.metrics, metric) ? number(row.metrics[metric]) : NaN);
// The metric by which a checkpoint is the best; its rule may be behind a stronger one, as with the newest.
function metricOfBest(row) {
  return metricNames.find(metric => row.fate === `best ${metric}`) ?? null;
}
const colourOfKind = kind =>
  variable({ best: "--good", kept: "--accent", goes: "--faint", damaged: "--bad", future: "--warn", foreign: "--faint" }[kind]);
function ageText(row) {
  if (row.time === null) return "–";
  const seconds = Math.max(0, timeline.now - row.time);
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} d`;
}
const timeText = row => {
  const time = new Date((row.time ?? NaN) * 1000);
  return Number.isNaN(time.getTime()) ? "–" : `${time.toISOString().slice(0, 16).replace("T", " ")} UTC`;
};
const wholeText = value => (value === null ? "–" : grouped(value));

function openRow(row) {
  openDialog(
    nameOf(row),
    facts("pairs", [
      ["step", wholeText(row.step)],
      ["epoch", wholeText(row.epoch)],
      ...Object.keys(row.metrics).map(metric => [visible(metric), String(valueOf(row, metric))]),
      ["size", `${grouped(row.bytes)} bytes`],
      ["saved", row.time === null ? null : `${timeText(row)}, ${ageText(row)} before this page`],
      ["state", row.state],
      ["rules", fateText(row)],
      ["found", row.why && visible(row.why)],
      ["path", visible(row.path)],
    ]),
  );
}

// --- the chart: one strip for the checkpoints, one for each metric, over the same steps ----------------------------------------
const mostStrips = 8;
const stripHeight = 150,
  laneHeight = 34,
  between = 44;
class Timeline {
  constructor() {
    this.shown = rows.map((row, place) => ({ row, place, kind: kindOfRow(row) })).filter(({ row }) => row.step !== null);
    this.metrics = metricNames
      .filter(metric => this.shown.some(({ row }) => Number.isFinite(valueOf(row, metric))))
      .slice(0, mostStrips);
    this.place = make("div", {
      class: "chart timeline",
      role: "img",
      "aria-label": `${counted(this.shown.length, "checkpoint", "checkpoints")} over the steps; the table below says the same`,
    });
    const met = new Set(this.shown.map(({ kind }) => kind));
    const left = metricNames.length - this.metrics.length;
    this.element = panel(
      "Timeline",
      `steps across; ${counted(this.shown.length, "checkpoint", "checkpoints")}, ${counted(this.metrics.length, "metric", "metrics")}${left > 0 ? `, ${left} not drawn` : ""}. Choose a point for all that is known about it.`,
      make(
        "div",
        { class: "legend" },
        Object.entries(kindsOfRow)
          .filter(([kind]) => met.has(kind))
          .map(([kind, [sign, meaning]]) => {
            const mark = make("span", { "aria-hidden": "true" }, sign);
            mark.style.color = `var(${{ best: "--good", kept: "--accent", damaged: "--bad", future: "--warn" }[kind] ?? "--faint"})`;
            return make("span", { class: "chip" }, mark, meaning);
          }),
      ),
      this.place,
    );
  }

  height() {
    return 14 + laneHeight + this.metrics.length * (stripHeight + between) + 64;
  }

  // Points of one strip; `of` gives the height of a row, or NaN where it has none there.
  points(strip, of) {
    const many = this.shown.length > 400;
    const size = { best: 13, damaged: 11, future: 11, kept: many ? 5 : 9, goes: many ? 4 : 8 };
    const symbol = {
      best: "path://M0 -10L2.9 -4 9.5 -3.1 4.8 1.5 5.9 8.1 0 5 -5.9 8.1 -4.8 1.5 -9.5 -3.1 -2.9 -4Z",
      damaged: "path://M-8 -10L0 -2 8 -10 10 -8 2 0 10 8 8 10 0 2 -8 10 -10 8 -2 0 -10 -8Z",
    };
    return ["goes", "kept", "future", "damaged", "best"].map(kind => {
      const colour = colourOfKind(kind);
      return {
        type: "scatter",
        name: `${strip} ${kind}`,
        xAxisIndex: strip,
        yAxisIndex: strip,
        symbol: symbol[kind] ?? "circle",
        symbolSize: size[kind],
        z: kind === "goes" ? 3 : 4,
        itemStyle: kind === "goes" ? { color: variable("--surface"), borderColor: colour, borderWidth: 1.4 } : { color: colour },
        data: this.shown
          .filter(one => one.kind === kind && Number.isFinite(of(one.row)))
          .map(one => ({ value: [one.row.step, of(one.row)], place: one.place })),
      };
    });
  }

  option() {
    const narrow = this.place.clientWidth < 640;
    const ink = variable("--ink"),
      faint = variable("--faint"),
      line = variable("--line");
    const left = 72,
      right = narrow ? 14 : 28;
    const top = strip => (strip === 0 ? 14 : 14 + laneHeight + between + (strip - 1) * (stripHeight + between));
    const strips = [null, ...this.metrics];
    const steps = this.shown.map(({ row }) => row.step);
    const low = Math.min(...steps),
      high = Math.max(...steps),
      edge = Math.max(1, (high - low) * 0.02);
    const label = value => (Number.isInteger(value) ? countText(value) : "");
    return {
      animation: false,
      textStyle: { fontFamily: fontFamily() },
      tooltip: tooltip(point => (point?.place === undefined ? "" : this.tip(rows[point.place]))),
      axisPointer: { link: [{ xAxisIndex: "all" }], lineStyle: { color: faint, type: "dashed" } },
      title: this.metrics.map((metric, i) => ({
        text: visible(metric),
        left,
        top: top(i + 1) - 24,
        padding: 0,
        textStyle: { color: ink, fontSize: 13, fontWeight: 600, width: this.place.clientWidth - left - right, overflow: "truncate" },
      })),
      grid: strips.map((_, i) => ({ left, right, top: top(i), height: i === 0 ? laneHeight : stripHeight, outerBoundsMode: "none" })),
      xAxis: strips.map((_, i) => ({
        type: "value",
        gridIndex: i,
        min: low - edge,
        max: high + edge,
        axisLine: { onZero: false, lineStyle: { color: line } },
        axisTick: { show: false },
        splitLine: { show: i > 0, lineStyle: { color: line, opacity: 0.5 } },
        axisLabel: { show: i + 1 === strips.length, color: faint, hideOverlap: true, formatter: label, showMinLabel: false, showMaxLabel: false },
        axisPointer: { show: i > 0, label: { show: false } },
      })),
      yAxis: strips.map((_, i) => ({
        type: "value",
        gridIndex: i,
        scale: true,
        splitNumber: 3,
        ...(i === 0 ? { min: -1, max: 1 } : {}),
        axisLine: { show: false },
        axisTick: { show: false },
        splitLine: { show: i > 0, lineStyle: { color: line, opacity: 0.6 } },
        axisLabel: { show: i > 0, color: faint, formatter: numberText },
        axisPointer: { show: false },
      })),
      dataZoom: [
        { type: "inside", xAxisIndex: "all", filterMode: "none", zoomOnMouseWheel: "ctrl", moveOnMouseWheel: false },
        {
          type: "slider",
          xAxisIndex: "all",
          filterMode: "none",
          height: 18,
          bottom: 8,
          left,
          right,
          borderColor: line,
          textStyle: { color: faint },
          labelFormatter: value => grouped(Math.round(value)),
          showDataShadow: false,
        },
      ],
      series: [
        ...this.points(0, () => 0),
        ...this.metrics.flatMap((metric, i) => [
          {
            type: "line",
            name: `${i + 1} line`,
            xAxisIndex: i + 1,
            yAxisIndex: i + 1,
            showSymbol: false,
            silent: true,
            sampling: "lttb",
            lineStyle: { color: variable("--accent"), width: 1.4, opacity: 0.55 },
            data: this.shown
              .filter(({ row }) => row.state === "complete" && Number.isFinite(valueOf(row, metric)))
              .map(({ row }) => [row.step, valueOf(row, metric)]),
          },
          ...this.points(i + 1, row => valueOf(row, metric)),
        ]),
      ],
    };
  }

  tip(row) {
    const element = make(
      "div",
      {},
      make("b", {}, `step ${wholeText(row.step)}${row.epoch === null ? "" : `, epoch ${grouped(row.epoch)}`}`),
      Object.keys(row.metrics).map(metric => make("div", {}, `${visible(metric)}: ${numberText(valueOf(row, metric))}`)),
      make("div", {}, `${bytesText(row.bytes)}, ${timeText(row)}`),
      make("div", {}, row.state === "complete" ? fateText(row) : `${row.state}: ${visible(row.why ?? "")}`),
    );
    element.style.cssText = "font-size:13px;white-space:normal;max-width:420px;overflow-wrap:anywhere";
    return element;
  }

  draw(library) {
    this.place.style.height = `${this.height()}px`;
    this.chart = chartIn(library, this.place, () => this.option());
    this.chart.chart.on("click", event => event.data?.place !== undefined && openRow(rows[event.data.place]));
  }
}

// --- the table ------------------------------------------------------------------------------------------------------------------
const mostMetricColumns = 6;
function stateCell(row) {
  const kind = kindOfRow(row);
  const mark = make("span", { "aria-hidden": "true" }, kindsOfRow[kind][0]);
  mark.style.color = colourOfKind(kind);
  return make("span", { class: "dtype", title: row.why ? visible(row.why) : null }, mark, row.state);
}
function allTable() {
  const count = (title, of) => ({
    title,
    width: 92,
    right: true,
    first: "down",
    order: row => of(row) ?? NaN,
    cell: row => wholeText(of(row)),
  });
  return new Table({
    label: "Checkpoints",
    search: "Search names and rules",
    rows,
    find: row => `${nameOf(row)} ${row.state} ${fateText(row)}`,
    filter: { title: "every fate", of: row => kindsOfRow[kindOfRow(row)][1] },
    columns: [
      count("step", row => row.step),
      count("epoch", row => row.epoch),
      ...metricNames.slice(0, mostMetricColumns).map(metric => ({
        title: visible(metric),
        width: 104,
        right: true,
        order: row => valueOf(row, metric),
        cell: row => numberText(valueOf(row, metric)),
      })),
      { title: "size", width: 92, right: true, first: "down", order: row => row.bytes, cell: row => bytesText(row.bytes) },
      { title: "saved", width: 184, first: "down", order: row => row.time ?? NaN, cell: timeText },
      { title: "state", width: 116, order: row => Object.keys(kindsOfRow).indexOf(kindOfRow(row)), cell: stateCell },
      { title: "rules", width: 190, order: fateText, cell: fateText },
      {
        title: "name",
        width: nameWidth(rows.map(nameOf)),
        grow: true,
        order: nameOf,
        cell: row =>
          make(
            "button",
            { class: "link", type: "button", title: visible(nameOf(row)), click: () => openRow(row) },
            nameParts(nameOf(row)),
          ),
      },
    ],
  });
}

// --- the page -------------------------------------------------------------------------------------------------------------------
const complete = rows.filter(row => row.state === "complete");
const going = complete.filter(row => !row.kept);
const damaged = rows.filter(row => row.state === "damaged").length;
const others = rows.length - complete.length - damaged;
const sum = list => list.reduce((bytes, row) => bytes + row.bytes, 0);
const newest = complete.find(row => row.fate === "newest");
function heading() {
  const last = visible(timeline.path.replace(/\/+$/, "").split("/").pop() || timeline.path);
  return make(
    "header",
    { class: "head" },
    make("span", { class: "brand" }, "holdall checkpoint ls"),
    make(
      "div",
      { class: "title" },
      make("h1", {}, last),
      damaged > 0
        ? make("span", { class: "badge bad" }, `✕ ${grouped(damaged)} damaged`)
        : make("span", { class: complete.length ? "badge good" : "badge warn" }, complete.length ? "✓ none damaged" : "no checkpoint"),
    ),
    facts("facts", [
      ["folder", make("span", { class: "mono" }, visible(timeline.path))],
      ["rules", visible(timeline.rules || "none: all stay")],
    ]),
  );
}
const cards = make(
  "div",
  { class: "cards" },
  card("Complete", grouped(complete.length), bytesText(sum(complete))),
  newest ? card("Newest", `step ${grouped(newest.step)}`, `${timeText(newest)}, ${ageText(newest)} before this page`) : null,
  complete
    .filter(row => metricOfBest(row) !== null)
    .map(row => {
      const metric = metricOfBest(row);
      return card(`Best ${visible(metric)}`, numberText(valueOf(row, metric)), `step ${grouped(row.step)}`);
    }),
  card("To go", grouped(going.length), going.length ? `${bytesText(sum(going))} by the rules` : "by the rules"),
  card("Damaged", grouped(damaged), "never chosen, never removed"),
  others > 0 ? card("Other entries", grouped(others), "foreign, or of a later version") : null,
);
const chart = rows.some(row => row.step !== null) ? new Timeline() : null;
showPage(
  [
    heading(),
    cards,
    chart?.element,
    rows.length
      ? panel("Checkpoints", "choose a name for all that is known about it", allTable().element)
      : panel("Checkpoints", "the folder is empty"),
  ],
  library => chart?.draw(library),
);
