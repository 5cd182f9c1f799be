"use strict";
// The map of doors and sources: who touched which door, and how far each one came.

const NODES_SHOWN = 60;
const ALIKE_SHOWN = 7;
const REACHED = ["tried", "signal", "entry"];
const REACHED_WORDS = { tried: "tried, or sent only a part", signal: "sent the signal", entry: "entered" };

/** Gather the doors and who touched them: [{key, door, host, cases, sources: Map(source, reached)}]. */
function doorsOf(cases) {
  const doors = new Map();
  for (const one of cases) {
    if (!one.destination && !one.host) continue;
    const key = `${one.destination ?? one.host} ${one.door ?? ""}`;
    if (!doors.has(key)) doors.set(key, { key, door: one.door, host: where(one), cases: [], sources: new Map() });
    const door = doors.get(key);
    if (door.host.length < where(one).length) door.host = where(one);
    door.cases.push(one);
    const reach = (source, level) => door.sources.set(source, Math.max(level, door.sources.get(source) ?? 0));
    for (const source of one.sources ?? []) reach(source, 0);
    for (const [source, , , complete] of one.attempts ?? []) reach(source, complete ? 1 : 0);
    for (const [source, , , complete] of one.entries ?? []) reach(source, complete === false ? 1 : 2);
  }
  return [...doors.values()].sort((a, b) => Boolean(b.door) - Boolean(a.door) || b.sources.size - a.sources.size);
}

/** Draw the page. */
function mapPage() {
  const page = h("article", { class: "page" });
  const draw = () => {
    const cases = CASES.filter((one) => isShown(one));
    const doors = doorsOf(cases);
    page.replaceChildren(
      h("header", { class: "head" }, h("h1", null, "Doors and sources"),
        h("p", { class: "lede" }, "Who touched which door, and how far they came. Point at a name to see its lines alone.")),
      switches(draw),
      doors.length ? h("div", { class: "card" }, mapPicture(doors)) : h("p", { class: "none" }, "No door is known."),
      section("As a table", { class: "card" }, doorTable(doors)));
  };
  draw();
  return page;
}

/** Draw the map itself. */
function mapPicture(doors) {
  const box = h("div", { class: "map" });
  const most = doors.slice(0, NODES_SHOWN);
  const every = sourcesOf(most);
  const sources = every.slice(0, NODES_SHOWN);
  const left = every.length - sources.length + (doors.length - most.length);
  new ResizeObserver(() => {
    const width = Math.floor(box.clientWidth);
    if (!width || width === box.drawn) return;
    box.drawn = width;
    box.replaceChildren(mapDrawn(most, sources, width), legendOf([["tried", REACHED_WORDS.tried], ["signal", REACHED_WORDS.signal], ["entry", REACHED_WORDS.entry]]));
    if (left > 0) box.append(h("p", { class: "note" }, `${count(left, "more name")} would crowd the picture; the table has them.`));
  }).observe(box);
  return box;
}

/** List the sources, or, of many that did the same, some and their number: [{name, reached, doors: Map(place, reached)}]. */
function sourcesOf(doors) {
  const sources = new Map();
  for (const [place, door] of doors.entries()) {
    for (const [source, reached] of door.sources) {
      if (!sources.has(source)) sources.set(source, new Map());
      sources.get(source).set(place, reached);
    }
  }
  const alike = d3.group(sources, ([, touched]) => JSON.stringify([...touched]));
  const nodes = [...alike.values()].flatMap((some) => {
    const kept = some.length > ALIKE_SHOWN + 1 ? some.slice(0, ALIKE_SHOWN) : some;
    const rest = some.slice(kept.length);
    return [...kept.map(([source, touched]) => ({ name: source, touched })),
      ...(rest.length ? [{ name: `and ${rest.length.toLocaleString("en")} more`, touched: rest[0][1], many: rest.map(([source]) => source) }] : [])];
  });
  for (const [at, node] of nodes.entries()) Object.assign(node, { key: String(at), reached: d3.max(node.touched.values()), place: d3.mean(node.touched.keys()) });
  return nodes.sort((a, b) => a.place - b.place || b.reached - a.reached);
}

/** Draw two columns and the lines between them. */
function mapDrawn(doors, sources, width) {
  const narrow = width < 620;
  const height = Math.max(sources.length * 21, doors.length * 44) + 24;
  const [from, to] = narrow ? [122, width - 124] : [250, width - 300];
  const along = (at, all) => 12 + (at + 0.5) * ((height - 24) / all);
  const edge = d3.linkHorizontal().source((ends) => ends[0]).target((ends) => ends[1]);
  const edges = sources.flatMap((node, at) => [...node.touched].map(([place, reached]) =>
    svg("path", { class: `edge ${REACHED[reached]} ${node.many ? "many" : ""}`, "data-source": node.key, "data-door": place, d: edge([[from + 6, along(at, sources.length)], [to - 6, along(place, doors.length)]]) })));
  const alone = (kind, key) => ({
    onpointerenter: () => edges.forEach((one) => one.classList.toggle("dim", one.dataset[kind] !== String(key))),
    onpointerleave: () => edges.forEach((one) => one.classList.remove("dim")),
  });
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, width: "100%", role: "group", "aria-label": `Map of ${count(sources.length, "source")} and ${count(doors.length, "door")}; the table below says the same` },
    edges.toReversed?.() ?? edges,
    sources.map((node, at) => svg("g", alone("source", node.key),
      svg("circle", { class: `node ${REACHED[node.reached]}`, cx: from, cy: along(at, sources.length), r: node.many ? 6 : 4 }),
      svg("text", { class: `lanename ${node.many ? "empty" : ""}`, x: from - 12, y: along(at, sources.length) + 4, "text-anchor": "end" },
        clipped(node.name, narrow ? 15 : 30), svg("title", null, clipped((node.many ?? [node.name]).join(", "), 600))))),
    doors.map((door, at) => svg("a", { href: pageOf(door.cases[0]), ...alone("door", at) },
      svg("rect", { class: "node door", x: to - 5, y: along(at, doors.length) - 6, width: 10, height: 12, rx: 2 }),
      svg("text", { class: "doorname", x: to + 14, y: along(at, doors.length) - 1 }, door.door ? clipped(door.door, narrow ? 12 : 30) : "no door known"),
      svg("text", { class: "doorhost", x: to + 14, y: along(at, doors.length) + 13 }, clipped(door.host, narrow ? 16 : 40), svg("title", null, clipped(door.host, 400))))));
}

/** Say the same in a table. */
function doorTable(doors) {
  const listed = (door, level) => {
    const some = [...door.sources].filter(([, reached]) => reached === level).map(([source]) => source);
    if (!some.length) return h("td", { class: "nothing" }, "–");
    return h("td", null, some.slice(0, 12).flatMap((source, at) => [at ? ", " : "", name(source, 60)]), some.length > 12 ? ` and ${(some.length - 12).toLocaleString("en")} more` : "");
  };
  const body = h("tbody");
  const rows = growing(body, doors, (door) => h("tr", null,
    h("th", { scope: "row" }, h("a", { href: pageOf(door.cases[0]) }, door.door ? name(door.door, 40) : "no door known"), h("div", { class: "sub" }, name(door.host, 60))),
    listed(door, 2), listed(door, 1), listed(door, 0)), 50);
  return scrolled("Doors and their sources", h("table", { class: "doors" }, h("thead", null, h("tr", null,
    ["Door", "Entered", "Sent the signal", "Tried"].map((text) => h("th", { scope: "col" }, text)))), rows[0]), rows[1]);
}
