"use strict";
// The page of a case: verdict, story, secret, timeline, legs with their evidence, score, doubts, who used the door, and what to do.

const SAID_FIRST = 6;
const LINES_FIRST = 3;
const SHARED = commonFolder(DATA.files);

/** Give the folder that all files of evidence are in, with its last slash. */
function commonFolder(files) {
  const folders = files.map((file) => file.split("/").slice(0, -1));
  let depth = 0;
  while (folders.length && folders.every((parts) => parts.length > depth && parts[depth] === folders[0][depth])) depth++;
  return depth ? `${folders[0].slice(0, depth).join("/")}/` : "";
}

/** Leave out of a path what all files have in common. */
function shortPath(path) {
  return SHARED && path.startsWith(SHARED) ? path.slice(SHARED.length) : path;
}

/** Name a file by its number. */
function shortFile(number) {
  return shortPath(DATA.files[number]);
}

/** Draw the page of a case. */
function casePage(one) {
  const lines = [];
  const goTo = (at) => { lines[at]?.show(); };
  const picture = timeline(one, goTo);
  const guidance = guidanceOf(one);
  return h("article", { class: "page case" },
    caseHead(one, guidance),
    h("div", { class: "columns" },
      h("div", { class: "main" },
        section("What happened", { class: "card story" }, folded(h("ul", { class: "said" }), texts(one.explanation), (text) => h("li", null, name(text, 1500)), SAID_FIRST)),
        secret(one),
        section("Timeline", { class: "card" }, picture, nearButtons(one, picture)),
        section("The three legs", { class: "card" }, legList(one, lines))),
      h("aside", { class: "side", "aria-label": "Verdict" },
        scoreCard(one),
        listCard("What could be innocent", one.innocent_explanations, "No harmless explanation is known."),
        listCard("What is missing", one.missing, "Nothing that would be needed."),
        facts(one), seeAlso(one))),
    usersCard(one),
    Object.values(guidance));
}

/** Write the head: what it is about, who, where, when, how sure. */
function caseHead(one, guidance) {
  const kind = one.tries ? "Tries at a door" : KINDS[one.kind] ?? one.kind;
  return h("header", { class: "head" },
    h("p", { class: "kicker" }, `${STATUSES[one.status]} · ${kind}`, one.lateral ? " · between hosts of the site" : ""),
    h("h1", null, titleOf(one, 240)),
    h("p", { class: "lede" }, name(one.route, 400)),
    h("p", { class: "when" }, name(span(one), 60)),
    h("p", { class: "badges" }, badge(one.severity, `severity ${one.severity}`), badge("flat", `confidence ${one.confidence}`), badge("flat", `score ${one.score ?? 0} of 100`), legMarks(one)),
    one.suppressed_by ? h("p", { class: "note" }, "Suppressed by ", name(one.suppressed_by, 300)) : null,
    guidanceButtons(one, guidance));
}

/** Draw the secret as steps, and how fast it is sent. */
function secret(one) {
  if (one.tries) return null;
  const steps = (one.sequence ?? []).slice(0, 64).map((step, at) => h("li", { class: "step" }, h("span", { class: "nth" }, one.order_known ? String(at + 1) : "•"), name(step, 40)));
  if (!steps.length && !one.door && !one.signal) return null;
  if (!steps.length) steps.push(h("li", { class: "step unseen" }, h("span", { class: "nth" }, "?"), one.signal && one.signal !== "sequence" ? SIGNALS[one.signal] : "steps not seen"));
  if (one.sequence?.length > 64) steps.push(h("li", { class: "step" }, `${one.sequence.length - 64} more`));
  const door = one.door ? h("li", { class: "step door" }, h("span", { class: "nth", "aria-hidden": "true" }, "⌂"), name(one.door, 40), h("span", { class: "sub" }, "the door")) : null;
  return section(one.kind === "door" ? "The secret" : "The steps", { class: "card" },
    h("ol", { class: `steps ${one.order_known ? "" : "unordered"}` }, steps, door),
    h("p", { class: "note" }, [one.order_known ? null : "The evidence cannot tell their order.", pace(one)].filter(Boolean).join(" ")));
}

/** Say how long a complete signal takes and how soon an entry follows. */
function pace(one) {
  const complete = (one.attempts ?? []).filter((attempt) => attempt[3] && attempt[1] !== null);
  const lengths = complete.map(([, from, to]) => (to ?? from) - from);
  const delays = (one.entries ?? []).flatMap(([source, at]) => {
    const before = complete.filter((attempt) => attempt[0] === source && attempt[1] <= at);
    return before.length && at !== null ? [at - (before.at(-1)[2] ?? before.at(-1)[1])] : [];
  }).filter((delay) => delay >= 0);
  const some = [];
  if (complete.length) some.push(`Sent completely ${count(complete.length, "time")}${d3.max(lengths) > 0 ? `, typically within ${lasting(d3.median(lengths))}` : ""}.`);
  if (delays.length) some.push(`An entry follows ${lasting(d3.median(delays))} later (median of ${delays.length.toLocaleString("en")}).`);
  return some.join(" ");
}

/** Make buttons that look at single uses closely. */
function nearButtons(one, picture) {
  const stories = (one.entries ?? []).filter((entry) => entry[1] !== null).slice(0, 4).map(([source, at]) => {
    const before = (one.attempts ?? []).filter((attempt) => attempt[0] === source && attempt[1] !== null && attempt[1] <= at).at(-1);
    return before ? { source, from: before[1], to: at } : null;
  }).filter(Boolean);
  if (!stories.length) return null;
  return h("p", { class: "near noprint" }, "Look closely at ", stories.map(({ source, from, to }) =>
    h("button", { type: "button", class: "chip", onclick: () => picture.look(from, to) }, clipped(source, 40), h("span", { class: "sub" }, ` ${clock(from, 0)}`))));
}

/** List the legs, each with its lines of evidence. */
function legList(one, lines) {
  const has = new Set(one.legs ?? []);
  const quotes = (one.quotes ?? []).map((quote, at) => ({ quote, at }));
  const of = (leg) => quotes.filter(({ quote }) => (LEGS.includes(quote[0]) ? quote[0] : null) === leg);
  const list = h("ul", { class: "legs" }, LEGS.map((leg) => {
    const some = of(leg);
    const [word, about] = LEG_WORDS[leg];
    return h("li", { class: `leg ${has.has(leg) ? `on ${leg}` : "off"}` },
      h("h3", null, h("span", { class: "check", "aria-hidden": "true" }, has.has(leg) ? "✓" : "–"), word, h("span", { class: "sub" }, has.has(leg) ? ` seen · ${some.length ? count(some.length, "line") : "no line is quoted"}` : " not seen")),
      h("p", { class: "about" }, about), quoteList(some, lines));
  }));
  const rest = of(null);
  if (rest.length) list.append(h("li", { class: "leg rest" }, h("h3", null, h("span", { class: "check", "aria-hidden": "true" }, "·"), "Around it", h("span", { class: "sub" }, ` ${count(rest.length, "line")}`)), quoteList(rest, lines)));
  const left = one.quotes_left ? h("p", { class: "note" }, `${count(one.quotes_left, "more line")} of this case: cases.jsonl has ${one.quotes_left === 1 ? "it" : "them"}.`) : null;
  return [SHARED ? h("p", { class: "note" }, "Files are below ", name(SHARED, 200)) : null, list, left];
}

/** List lines of evidence: the first ones, the rest on request or when a mark of the timeline asks for one. */
function quoteList(some, lines) {
  if (!some.length) return null;
  const list = h("ol", { class: "quotes" });
  const items = new Map();
  const draw = ({ quote, at }) => items.set(at, quoteItem(quote)).get(at);
  const [, more] = folded(list, some, draw, LINES_FIRST);
  for (const { at } of some) {
    lines[at] = { show: () => {
      if (!items.has(at)) more?.click();
      items.get(at).scrollIntoView({ block: "center" });
      items.get(at).focus({ preventScroll: true });
    } };
  }
  return [list, more ?? null];
}

/** Write a line of evidence with its place. */
function quoteItem([, table, file, line, time, text]) {
  const words = `${shortFile(file)}:${line}`;
  const place = DATA.links[file] ? h("a", { class: "place", href: lineAddress(file, text), title: `Open ${clipped(DATA.files[file], 500)}; line ${line}` }, name(words, 110))
    : h("span", { class: "place", title: clipped(DATA.files[file], 500) }, name(words, 110));
  return h("li", { tabindex: "-1" }, h("div", { class: "source" }, place, h("span", { class: "sub" }, table, time === null ? "" : ` · ${moment(time, 3)}`)), lineOf(DATA.texts[text]));
}

/** Give the address of a line: its file, and its text for browsers that can find it there. */
function lineAddress(file, text) {
  const said = DATA.texts[text];
  const sought = said.length < 400 && !said.includes("\\") ? `#:~:text=${encodeURIComponent(said.trim()).replaceAll("-", "%2D")}` : "";
  return `${DATA.links[file].startsWith("file:") ? "" : "./"}${DATA.links[file]}${sought}`;
}

/** Show the score and what it is made of. */
function scoreCard(one) {
  const score = one.score ?? 0;
  const parts = (one.parts ?? []).map(([text, points]) => ({ text: DATA.texts[text], points }));
  const sum = d3.sum(parts, (part) => part.points);
  const most = Math.max(50, d3.max(parts, (part) => Math.abs(part.points)) ?? 0);
  const bar = (points, scale, tone) => svg("svg", { class: "scorebar", viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { class: "ground", width: 100, height: 6 }), svg("rect", { class: tone, width: Math.min(100, (Math.abs(points) / scale) * 100), height: 6 }));
  return section("Score", { class: "card scorecard" },
    h("p", { class: "big" }, h("b", null, String(score)), h("span", { class: "sub" }, " of 100")), bar(score, 100, `fill ${one.severity}`),
    h("ul", { class: "parts" }, parts.map(({ text, points }) => h("li", null, h("b", null, points > 0 ? `+${points}` : String(points)), h("span", null, name(text, 300)), bar(points, most, points < 0 ? "fill minus" : "fill")))),
    sum === score || !parts.length ? null : h("p", { class: "note" }, `The parts add up to ${sum}; a score is from 0 to 100.`));
}

/** Make a card of sentences. */
function listCard(title, numbers, none) {
  const some = texts(numbers);
  return section(title, { class: "card" }, some.length ? folded(h("ul", { class: "plain" }), some, (text) => h("li", null, name(text, 600)), 4) : h("p", { class: "none" }, none));
}

/** List the facts that are left: signal, rules, techniques, id. */
function facts(one) {
  const technique = (id) => (/^T\d{4}(\.\d{3})?$/.test(id) ? h("a", { href: `https://attack.mitre.org/techniques/${id.replace(".", "/")}/`, rel: "noopener noreferrer" }, id) : name(id, 40));
  const rows = [
    ["Signal", one.signal && !one.tries ? SIGNALS[one.signal] : null],
    ["Techniques", one.attack ? texts(one.attack).flatMap((id, at) => [at ? ", " : "", technique(id)]) : null],
    ["Rules", one.rules ? name(texts(one.rules).join(", "), 400) : null],
    ["Case", h("code", null, name(one.id, 40))],
  ];
  return section("Facts", { class: "card" }, h("dl", { class: "facts" }, rows.filter(([, value]) => value).map(([key, value]) => [h("dt", null, key), h("dd", null, value)])));
}

/** Link the other cases at the same door. */
function seeAlso(one) {
  const others = (one.door && one.destination ? BY_DOOR.get(doorKey(one)) ?? [] : []).filter((other) => other !== one);
  if (!others.length) return null;
  return section("At the same door", { class: "card" }, folded(h("ul", { class: "plain" }), others, (other) => h("li", null, h("a", { href: pageOf(other) }, titleOf(other)), h("div", { class: "sub" }, `${STATUSES[other.status]}, score ${other.score ?? 0}, ${count(other.sources?.length ?? 0, "source")}`)), 4));
}

/** Say what an attempt did, for the table of uses. */
function did(one, sent) {
  if (!one.tries) return sentWords(one, sent, null);
  return DATA.texts[sent] ? sentWords(one, sent, null).replace(/^sent/, `tried ${one.door} after`) : `tried ${one.door}`;
}

/** List the uses: who sent what and when, and who entered. */
function usersCard(one) {
  const uses = [
    ...(one.attempts ?? []).map(([source, from, to, complete, sent]) => ({ source, from, to, did: did(one, sent), ended: complete === null || complete === undefined ? "not known" : complete ? "complete" : "incomplete", tone: complete ? "signal" : "tried" })),
    ...(one.entries ?? []).map(([source, from, to, complete, user]) => ({ source, from, to, did: `entered${user ? ` as ${user}` : ""}`, ended: complete === null || complete === undefined ? "not known" : complete ? "succeeded" : "failed", tone: complete === false ? "failed" : "entry" })),
  ].sort((a, b) => (a.from ?? Infinity) - (b.from ?? Infinity));
  if (!uses.length) return null;
  const left = (one.attempts_left ?? 0) + (one.entries_left ?? 0);
  const rows = growing(h("tbody"), uses, (use) => h("tr", null,
    h("td", { class: "time" }, use.from === null ? "unknown" : moment(use.from, 3)), h("th", { scope: "row" }, name(use.source, 60)),
    h("td", { class: "did" }, name(use.did, 240)), h("td", { class: `ended ${use.tone}` }, use.ended),
    h("td", { class: "number" }, use.to !== null && use.to > use.from ? lasting(use.to - use.from) : "–")), 25);
  return section(one.tries ? "Who tried it" : "Who used it", { class: "card" },
    scrolled("Uses", h("table", { class: "uses" }, h("thead", null, h("tr", null, ["Time", "Source", "Did", "Result", "Lasted"].map((text) => h("th", { scope: "col" }, text)))), rows[0])), rows[1],
    left ? h("p", { class: "note" }, `${count(left, "more use")}: cases.jsonl has them.`) : null);
}
