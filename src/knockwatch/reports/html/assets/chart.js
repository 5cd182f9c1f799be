"use strict";
// A chart of lanes over time, which can be zoomed: coverage, the overview and the timeline of a case are drawn with it.

const ROW = { signal: 0, tried: 0, opening: 1, entry: 2, failed: 2 };
const SHAPES = {
  opening: "M0,-5.5L5.5,0L0,5.5L-5.5,0Z",
  entry: "M-4,-5L5.5,0L-4,5Z",
  failed: "M-4,-5L5.5,0L-4,5Z",
};
const RIGHT = 40;
let charts = 0;

/**
 * Draw lanes of marks over time.
 *
 * lanes: [{name, short, title, note, href, head, marks: [{kind, from, to, text, go}]}], times in microseconds; a lane with `head` is a heading.
 * Gives the element, with `look(from, to)` to show a part of the time.
 */
function chart({ label, lanes, legend = [], slim = false, first, last }) {
  const times = lanes.flatMap((lane) => (lane.marks ?? []).flatMap((mark) => [mark.from, mark.to])).filter((us) => us !== null && us !== undefined);
  const frame = h("div", { class: "chart" });
  if (!times.length) return dress(frame, null, [h("p", { class: "none" }, "No time is known.")]);
  const low = Math.min(d3.min(times), first ?? Infinity) / 1000;
  const high = Math.max(d3.max(times), last ?? -Infinity) / 1000;
  const pad = high > low ? Math.max((high - low) * 0.02, 2) : 500;
  const view = { domain: [low - pad, high + pad], transform: d3.zoomIdentity, id: `clip${++charts}` };
  const canvas = h("div", { class: "canvas", tabindex: "0", role: "group", "aria-label": `${label}. Arrow keys move, plus and minus zoom, 0 shows all.`,
    onkeydown: (event) => keys(event, view) });
  const readout = h("p", { class: "readout", "aria-live": "polite" });
  dress(frame, null, [h("div", { class: "chartbar" }, legendOf(legend), zoomButtons(view)), canvas, readout]);
  new ResizeObserver(() => {
    const width = Math.floor(canvas.clientWidth);
    if (width > 0 && width !== view.width) redraw(view, { canvas, readout, lanes, slim, label, width });
  }).observe(canvas);
  frame.look = (from, to) => { view.wanted = [from / 1000, to / 1000]; if (view.width) look(view); };
  return frame;
}

/** Draw everything for a width. */
function redraw(view, { canvas, readout, lanes, slim, label, width }) {
  const narrow = width < 620;
  const left = narrow ? 118 : slim ? 250 : 210;
  const heights = lanes.map((lane) => (lane.head ? 26 : slim ? 22 : 36));
  const tops = heights.map((_, at) => 26 + d3.sum(heights.slice(0, at)));
  const height = 26 + d3.sum(heights) + 4;
  view.width = width;
  view.x = d3.scaleUtc(view.domain, [left, width - RIGHT]);
  const marks = svg("g", { "clip-path": `url(#${view.id})` });
  const axis = svg("g", { class: "axis", transform: "translate(0,20)" });
  const grid = svg("g", { class: "grid" });
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, width: "100%", role: "group", "aria-label": label },
    svg("clipPath", { id: view.id }, svg("rect", { x: left - 6, y: 0, width: width - left + 6, height })),
    grid, lanes.map((lane, at) => laneOf(lane, { top: tops[at], height: heights[at], left, width, narrow, slim })), axis, marks);
  const drawn = lanes.flatMap((lane, at) => (lane.marks ?? []).map((mark) => markOf(mark, tops[at], heights[at], slim, readout)));
  marks.append(...drawn.map((one) => one.node));
  canvas.replaceChildren(picture);
  view.picture = d3.select(picture);
  view.zoom = d3.zoom()
    .scaleExtent([1, Math.max(1, (view.domain[1] - view.domain[0]) / 2)])
    .extent([[left, 0], [width - RIGHT, height]]).translateExtent([[left, 0], [width - RIGHT, height]])
    .filter((event) => (event.type === "wheel" ? event.ctrlKey || event.metaKey : event.touches ? event.touches.length > 1 : !event.button))
    .on("zoom", (event) => { view.transform = event.transform; place(view, { drawn, axis, grid, height }); });
  view.picture.call(view.zoom).on("dblclick.zoom", null);
  if (view.wanted) look(view);
  else view.picture.call(view.zoom.transform, d3.zoomIdentity);
}

/** Put the marks and the axis where the zoom wants them. */
function place(view, { drawn, axis, grid, height }) {
  const x = view.transform.rescaleX(view.x);
  const far = 1e5;
  const at = (ms) => Math.max(-far, Math.min(far, x(ms)));
  for (const { node, from, to, wide } of drawn) {
    const start = at(from);
    if (wide) {
      const real = at(to) - start;
      node.setAttribute("x", start - Math.max(0, wide - real) / 2);
      node.setAttribute("width", Math.max(wide, real));
    } else node.setAttribute("transform", `translate(${start},${node.dataset.y})`);
  }
  const form = clockOf(x.domain());
  const [left, right] = x.range();
  const ticks = x.ticks((right - left) / (form(x.domain()[0]).length * 7 + 34));
  const hook = d3.axisTop(x).tickValues(ticks).tickFormat(form).tickSizeOuter(0).tickSize(4);
  d3.select(axis).call(hook);
  d3.select(grid).selectAll("line").data(ticks).join("line")
    .attr("x1", (tick) => x(tick)).attr("x2", (tick) => x(tick)).attr("y1", 22).attr("y2", height);
}

/** Choose how ticks write their time: as fine as what is seen needs. */
function clockOf([from, to]) {
  const seconds = (to - from) / 1000;
  if (seconds > 4 * 86400) return d3.utcFormat("%b %d");
  if (seconds > 3 * 3600) return (date) => (+date % 86400e3 ? d3.utcFormat("%H:%M") : d3.utcFormat("%b %d"))(date);
  return d3.utcFormat(seconds > 240 ? "%H:%M" : seconds > 5 ? "%H:%M:%S" : "%H:%M:%S.%L");
}

/** Draw a lane: its name and its ground. */
function laneOf(lane, { top, height, left, width, narrow, slim }) {
  if (lane.head) return svg("text", { class: "lanehead", x: 0, y: top + 18 }, lane.name);
  const text = svg("text", { class: `lanename ${lane.tone ?? ""}`, x: 0, y: top + height / 2 + 4 },
    narrow ? clipped(lane.short ?? lane.name, 16) : clipped(lane.name, slim ? 33 : 28), svg("title", null, clipped(lane.title ?? lane.name, 400)));
  const label = lane.href ? svg("a", { href: lane.href }, text) : text;
  return svg("g", null, svg("line", { class: "ground", x1: left - 6, x2: width, y1: top + height, y2: top + height }), label,
    lane.note ? svg("text", { class: "lanenote", x: left, y: top + height / 2 + 4 }, lane.note) : null);
}

/** Draw a mark; it says what it is when it is pointed at. */
function markOf(mark, top, height, slim, readout) {
  const third = (height - 6) / 3;
  const y = slim ? top + height / 2 : top + 3 + third * ((ROW[mark.row ?? mark.kind] ?? 1) + 0.5);
  const path = SHAPES[mark.kind];
  const thick = mark.kind === "line" ? 6 : slim ? 12 : 8;
  const node = path
    ? svg("path", { class: `mark ${mark.kind}`, d: path, "data-y": y })
    : svg("rect", { class: `mark ${mark.kind}`, y: y - thick / 2, height: thick, rx: mark.kind === "line" ? 0 : 2 });
  node.append(svg("title", null, clipped(mark.text, 500)));
  const say = () => { readout.textContent = clipped(mark.text, 300); };
  dress(node, { onpointerenter: say, onclick: () => { say(); mark.go?.(); } }, []);
  const wide = path ? 0 : mark.kind === "line" ? 1.5 : slim ? 3 : 6;
  return { node, wide, from: mark.from / 1000, to: (mark.to ?? mark.from) / 1000 };
}

/** Show a part of the time. */
function look(view) {
  const [from, to] = view.wanted;
  const [left, right] = view.x.range();
  const margin = Math.max((to - from) * 0.15, 5);
  const wide = view.x(to + margin) - view.x(from - margin);
  const scale = Math.min((right - left) / wide, view.zoom.scaleExtent()[1]);
  view.picture.call(view.zoom.transform, d3.zoomIdentity.translate(left - scale * view.x(from - margin), 0).scale(scale));
}

/** Make the buttons that zoom. */
function zoomButtons(view) {
  const zoom = (by) => () => { view.wanted = null; view.picture.call(view.zoom.scaleBy, by); };
  const all = () => { view.wanted = null; view.picture.call(view.zoom.transform, d3.zoomIdentity); };
  const button = (text, said, act) => h("button", { type: "button", "aria-label": said, title: said, onclick: act }, text);
  return h("div", { class: "zoom", title: "Drag to move; Ctrl and the wheel, or two fingers, zoom" },
    button("−", "Zoom out", zoom(1 / 2)), button("+", "Zoom in", zoom(2)), button("All", "All: show the whole time", all));
}

/** Zoom and move by keys. */
function keys(event, view) {
  const acts = {
    "+": () => view.zoom.scaleBy(view.picture, 2), "=": () => view.zoom.scaleBy(view.picture, 2), "-": () => view.zoom.scaleBy(view.picture, 0.5),
    0: () => view.zoom.transform(view.picture, d3.zoomIdentity),
    ArrowLeft: () => view.zoom.translateBy(view.picture, 80 / view.transform.k, 0),
    ArrowRight: () => view.zoom.translateBy(view.picture, -80 / view.transform.k, 0),
  };
  const act = event.ctrlKey || event.metaKey || event.altKey ? null : acts[event.key];
  if (!act) return;
  event.preventDefault();
  view.wanted = null;
  act();
}

/** Say what the marks mean. */
function legendOf(legend) {
  return h("ul", { class: "legend" }, legend.map(([kind, words]) => h("li", null,
    svg("svg", { width: 18, height: 14, "aria-hidden": "true" }, SHAPES[kind]
      ? svg("path", { class: `mark ${kind}`, d: SHAPES[kind], transform: "translate(9,7)" })
      : svg("rect", { class: `mark ${kind}`, x: kind === "line" ? 8 : 3, y: 3, width: kind === "line" ? 1.5 : 12, height: 8, rx: kind === "line" ? 0 : 2 })), words)));
}
