"use strict";
// The timeline of a case: who sent what, when the door opened, who went in, and who else touched the door.

const LANES_SHOWN = 18;
const LEGEND = [
  ["signal", "signal, complete"], ["tried", "tried or incomplete"], ["opening", "opening"], ["entry", "entry"],
  ["failed", "entry that failed"], ["line", "a quoted line"],
];

/** Draw the timeline of a case; gives the element, with `look`. */
function timeline(one, goTo) {
  const lanes = lanesOf(one, goTo);
  const others = othersAt(one);
  const box = h("div");
  const draw = (most) => {
    const cut = lanes.slice(0, most);
    const left = lanes.length - cut.length;
    const rest = others.slice(0, Math.max(4, most - cut.length));
    const shown = [...cut, ...(rest.length ? [{ head: true, name: "Others at this door" }, ...rest] : [])];
    const used = new Set(shown.flatMap((lane) => (lane.marks ?? []).map((mark) => mark.kind)));
    const picture = chart({ label: `Timeline of ${clipped(one.title, 120)}`, lanes: shown, legend: LEGEND.filter(([kind]) => used.has(kind)) });
    const hidden = left + others.length - rest.length;
    box.replaceChildren(picture, hidden > 0
      ? h("button", { type: "button", class: "quiet", onclick: () => draw(300) }, `Show ${count(hidden, "more source")}`) : "");
    box.look = picture.look;
  };
  draw(LANES_SHOWN);
  return box;
}

/** Make a lane for each source of a case, those who entered first, and one for what names no source. */
function lanesOf(one, goTo) {
  const lanes = new Map((one.sources ?? []).map((source) => [source, { name: source, marks: [], rank: 3 }]));
  const lane = (source) => lanes.get(source) ?? lanes.set(source, { name: source, marks: [], rank: 3 }).get(source);
  for (const [source, from, to, complete, sent] of one.attempts ?? []) {
    const to_ = lane(source);
    if (from === null) continue;
    to_.rank = Math.min(to_.rank, complete ? 1 : 2);
    to_.marks.push({ kind: complete ? "signal" : "tried", from, to: to ?? from, text: said(source, from, sentWords(one, sent, complete)) });
  }
  for (const [source, from, to, complete, user] of one.entries ?? []) {
    if (from === null) continue;
    const words = `${complete === false ? "failed to enter" : "entered"}${user ? ` as ${user}` : ""}`;
    lane(source).rank = Math.min(lane(source).rank, complete === false ? 2 : 0);
    lane(source).marks.push({ kind: complete === false ? "failed" : "entry", from, to: to ?? from, text: said(source, from, words) });
  }
  const host = { name: clipped(one.host || one.destination || "no source named", 60), marks: [], tone: "host" };
  for (const [at, quote] of (one.quotes ?? []).entries()) {
    const mark = markOfQuote(quote, () => goTo(at));
    if (mark) (lanes.get(sourceIn(one, DATA.texts[quote[5]])) ?? host).marks.push(mark);
  }
  const sorted = [...lanes.values()].sort((a, b) => a.rank - b.rank || (startOf(a) - startOf(b)));
  return [...(host.marks.length ? [host] : []), ...sorted.filter((some) => some.marks.length)];
}

/** Give the first time of a lane. */
function startOf(lane) {
  return d3.min(lane.marks, (mark) => mark.from) ?? Infinity;
}

/** Say who did what, and when. */
function said(source, from, words) {
  return `${clock(from)}  ${clipped(source, 60)} ${words}`;
}

/** Say what an attempt sent. */
function sentWords(one, sent, complete) {
  const steps = clipped(DATA.texts[sent].split(" ").join(" → "), 160) || (one.tries ? "nothing that was seen" : "a signal that the evidence does not show");
  return `sent ${steps}${complete ? " (complete)" : complete === false ? " (not complete)" : ""}`;
}

/** Make the mark of a quoted line; an opening is the sign itself. */
function markOfQuote([leg, , file, line, from, text], go) {
  if (from === null) return null;
  const kind = leg === "opening" ? "opening" : "line";
  return { kind, row: leg ?? "opening", from, to: from, go, text: `${clock(from)}  ${shortFile(file)}:${line}  ${clipped(DATA.texts[text], 200)}` };
}

/** Find the source that a line names: an address that no longer address contains. */
function sourceIn(one, text) {
  return (one.sources ?? []).find((source) => {
    for (let at = text.indexOf(source); at >= 0; at = text.indexOf(source, at + 1)) {
      const around = (text[at - 1] ?? " ") + (text[at + source.length] ?? " ");
      if (!/[0-9A-Fa-f.]/.test(around[0]) && !/[0-9A-Fa-f]/.test(around[1])) return true;
    }
    return false;
  });
}

/** Make lanes of those who, by other cases, touched the same door. */
function othersAt(one) {
  if (!one.door || !one.destination) return [];
  const known = new Set(one.sources ?? []);
  const lanes = new Map();
  for (const other of BY_DOOR.get(doorKey(one)) ?? []) {
    if (other === one) continue;
    for (const [source, from, to, complete, sent] of other.attempts ?? []) {
      if (from === null || known.has(source)) continue;
      if (!lanes.has(source)) lanes.set(source, { name: source, marks: [], href: pageOf(other), title: other.title });
      lanes.get(source).marks.push({ kind: complete ? "signal" : "tried", from, to: to ?? from, text: said(source, from, sentWords(other, sent, complete)) });
    }
  }
  return [...lanes.values()].sort((a, b) => startOf(a) - startOf(b));
}
