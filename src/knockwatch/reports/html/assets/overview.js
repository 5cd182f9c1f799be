"use strict";
// The overview: how many cases of which status, when the alerts happened, what was read, and the list of cases.

const ALERTS_DRAWN = 14;

/** Draw the overview. */
function overviewPage() {
  const alerts = CASES.filter((one) => one.status === "alert");
  const { reading } = DATA;
  return h("article", { class: "page" },
    h("header", { class: "head" }, h("h1", null, headline(alerts)), reading ? h("p", { class: "lede" }, readWords(reading)) : null),
    tiles(alerts),
    alerts.length ? section("When", { class: "card" }, alertsChart(alerts)) : null,
    caseList(),
    reading ? section("What was read, over time", { class: "card" }, coverage(reading), h("p", null, h("a", { href: "#/files" }, "Every file, and what was not understood"))) : null,
    DATA.many ? h("p", { class: "note" }, "There are many cases: of those that are no alert this file holds the first lines and uses only, and no guidance.") : null);
}

/** Say the most important thing. */
function headline(alerts) {
  if (!alerts.length) return "No hidden door was found open";
  const doors = new Set(alerts.filter((one) => one.door && one.destination).map(doorKey)).size;
  const entered = new Set(alerts.flatMap((one) => (one.entries ?? []).filter((entry) => entry[3] !== false).map((entry) => entry[0]))).size;
  const found = doors ? `${count(doors, "hidden door")} found` : `${count(alerts.length, "alert")}`;
  return entered ? `${found}, ${count(entered, "source")} went in` : found;
}

/** Show the counts. */
function tiles(alerts) {
  const level = (name_) => alerts.filter((one) => one.severity === name_).length;
  const levels = ["critical", "high", "medium", "low"].filter(level).map((one) => `${level(one).toLocaleString("en")} ${one}`).join(", ");
  const legs = (number) => alerts.filter((one) => (one.legs ?? []).length === number).length;
  const tile = (number, word, note, tone = "") => h("li", { class: `tile ${tone}` }, h("b", null, number.toLocaleString("en")), h("span", null, word), note ? h("span", { class: "sub" }, note) : null);
  return h("ul", { class: "tiles" },
    tile(alerts.length, alerts.length === 1 ? "alert" : "alerts", levels, alerts.length ? "alert" : ""),
    tile(legs(3), "with all three legs", "signal, opening and entry"),
    tile(counted("lead"), counted("lead") === 1 ? "lead" : "leads", "not worth waking anyone for"),
    tile(counted("suppressed"), "suppressed", "explained by the configuration"));
}

/** Name the lane of an alert: its door, its host, and how its signal begins. */
function laneName(one) {
  const [first, ...rest] = one.sequence ?? [];
  const signal = first ? ` · ${first}${rest.length ? " →" : ""}` : "";
  return `${one.door ?? KINDS[one.kind]} ${one.host ?? one.destination ?? ""}${signal}`;
}

/** Draw the alerts over time, a lane each. */
function alertsChart(alerts) {
  const lanes = alerts.slice(0, ALERTS_DRAWN).map((one) => {
    const marks = [];
    for (const [source, from, to, complete, sent] of (one.attempts ?? []).slice(0, 300)) {
      if (from !== null) marks.push({ kind: complete ? "signal" : "tried", from, to: to ?? from, text: said(source, from, sentWords(one, sent, complete)) });
    }
    for (const quote of one.quotes ?? []) if (quote[0] === "opening" && quote[4] !== null) marks.push(markOfQuote(quote));
    for (const [source, from, , complete, user] of (one.entries ?? []).slice(0, 300)) {
      if (from !== null) marks.push({ kind: complete === false ? "failed" : "entry", from, to: from, text: said(source, from, `entered${user ? ` as ${user}` : ""}`) });
    }
    return { name: laneName(one), short: laneName(one).split(" · ")[0], title: one.title, href: pageOf(one), marks };
  });
  const left = alerts.length - lanes.length;
  const { reading } = DATA;
  return [chart({ label: "Alerts over time", lanes, legend: LEGEND.slice(0, 4), first: reading?.first ?? undefined, last: reading?.last ?? undefined }),
    left > 0 ? h("p", { class: "note" }, `The first ${ALERTS_DRAWN} of ${count(alerts.length, "alert")} are drawn.`) : null];
}

/** Draw every alert one below the other, to be printed. */
function printPage() {
  const alerts = CASES.filter((one) => one.status === "alert");
  const box = h("input", { type: "checkbox", onchange: () => all.classList.toggle("guided", box.checked) });
  const all = h("div", { class: "all" },
    h("p", { class: "noprint" }, h("label", { class: "switch" }, box, h("span", null, "Print playbooks, guides and related techniques too"))),
    overviewPage(), growing(h("div"), alerts, (one) => casePage(one), 30));
  return all;
}
