"use strict";
// Lists of cases and of files, what of them is shown, and tables that scroll in their own box.

const CHOICE = { lead: false, suppressed: false, query: "" };
const MANY_ROWS = 500;
const SOUGHT = new Map();

/** Tell whether a case is shown: its status is chosen. */
function isShown(one) {
  return one.status === "alert" || CHOICE[one.status];
}

/** Tell whether a case holds what is looked for, in its title, addresses, names, rules, techniques or explanation. */
function isSought(one, words) {
  if (!words.length) return true;
  if (!SOUGHT.has(one)) {
    SOUGHT.set(one, [one.id, one.title, one.route, one.door, ...(one.sources ?? []), ...texts(one.rules), ...texts(one.attack), ...texts(one.explanation)].join("\n").toLowerCase());
  }
  const text = SOUGHT.get(one);
  return words.every((word) => text.includes(word));
}

/** Count the cases of a status. */
function counted(status) {
  return CASES.reduce((sum, one) => sum + (one.status === status), 0);
}

/** Make the switches for leads and suppressed cases. */
function switches(redraw) {
  const one = (status, word) => {
    const number = counted(status);
    const box = h("input", { type: "checkbox", checked: CHOICE[status], disabled: !number, onchange: () => { CHOICE[status] = box.checked; redraw(); } });
    return h("label", { class: "switch" }, box, h("span", null, `Show ${count(number, word)}`));
  };
  return h("div", { class: "switches noprint" }, one("lead", "lead"), one("suppressed", "suppressed case"));
}

/** Make the list of cases, with its search. */
function caseList() {
  const list = h("div", { class: "results" });
  const said = h("p", { class: "note", role: "status" });
  const draw = () => {
    const words = CHOICE.query.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = CASES.filter((one) => isShown(one) && isSought(one, words));
    said.textContent = chosen.length ? count(chosen.length, "case") : words.length ? "No case holds these words." : "No alert. Leads and suppressed cases are behind the switches.";
    const many = chosen.length > MANY_ROWS;
    list.replaceChildren(...growing(h("ol", { class: many ? "cases many" : "cases" }), chosen, caseRow, many ? 250 : 60));
  };
  const search = h("input", { type: "search", id: "search", value: CHOICE.query, placeholder: "address, port, host, rule, words", oninput: () => {
    CHOICE.query = search.value;
    clearTimeout(search.waiting);
    search.waiting = setTimeout(draw, CASES.length > 500 ? 150 : 0);
  } });
  draw();
  return h("section", { class: "card caselist" }, h("h2", null, "Cases"),
    h("div", { class: "filters noprint" }, h("label", { class: "search" }, h("span", null, "Search"), search), switches(draw)), said, list);
}

/** Write a case as a row of the list. */
function caseRow(one) {
  return h("li", { class: `row ${one.status}` },
    h("div", { class: "what" }, one.status === "alert" ? badge(one.severity) : badge(one.status), h("a", { href: pageOf(one) }, titleOf(one))),
    h("div", { class: "score", title: `score ${one.score ?? 0} of 100` }, h("b", null, String(one.score ?? 0)), legMarks(one)),
    h("div", { class: "sub" }, name(one.route, 160), h("span", { class: "when" }, name(span(one), 60))));
}

/** Write the title of a case. */
function titleOf(one, most = NAME_SHOWN) {
  const text = one.title || one.kind;
  return name(text.slice(0, 1).toUpperCase() + text.slice(1), most);
}

/** Let what is wide scroll in a box of its own, by keys too. */
function scrolled(label, ...children) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, children);
}

/** Draw the page of what was read. */
function filesPage() {
  const { reading } = DATA;
  if (!reading) return h("article", { class: "page" }, h("h1", null, "Evidence read"), h("p", { class: "none" }, "This report was made of cases alone, without the summary of the scan: give `knockwatch report` the folder of --out."));
  const body = h("tbody");
  const files = [...reading.files].sort((a, b) => b.lines - a.lines);
  return h("article", { class: "page" },
    h("header", { class: "head" }, h("h1", null, "Evidence read"), h("p", { class: "lede" }, readWords(reading))),
    section("What it covers", { class: "card" }, coverage(reading)),
    problems(reading),
    section("Files", { class: "card" }, scrolled("Files", h("table", { class: "files" },
      h("thead", null, h("tr", null, ["File", "Format", "Lines", "Not understood", "Rows", "From", "To"].map((text) => h("th", { scope: "col" }, text)))),
      growing(body, files, fileRow, 80)))),
    section("How it was asked", { class: "card" }, h("dl", { class: "facts" }, Object.entries({ knockwatch: reading.version, ...reading.asked }).map(([key, value]) => [h("dt", null, key), h("dd", null, name(value, 300))]))));
}

/** Say how much was read. */
function readWords(reading) {
  const some = [count(reading.files.length, "file"), count(reading.lines, "line")];
  if (reading.first !== null) some.push(`${moment(reading.first)} to ${moment(reading.last)} UTC`);
  if (reading.not_understood) some.push(`${count(reading.not_understood, "line")} not understood`);
  if (reading.malformed) some.push(`${count(reading.malformed, "line")} with damaged bytes`);
  return `${some.join(" · ")}.`;
}

/** Draw which time each table and format covers. */
function coverage(reading) {
  const lane = (unit) => ({ name: row, count: number, spans }) => ({
    name: row, short: row.split(" ")[0], title: `${row}: ${count(number, unit)}`, tone: number ? "" : "empty",
    note: spans.length ? null : number ? "no times" : "nothing read",
    marks: spans.map(([from, to]) => ({ kind: "span", from, to, text: `${row}: ${moment(from)} – ${moment(to)} UTC, ${count(number, unit)} in all` })),
  });
  const lanes = [{ head: true, name: "Tables and the Microsoft views they become" }, ...reading.tables.map(lane("row")),
    { head: true, name: "Formats" }, ...reading.formats.sort((a, b) => b.count - a.count).map(lane("line"))];
  const empty = reading.tables.filter((table) => !table.count).map((table) => table.name);
  return [chart({ label: "Coverage of tables and formats over time", lanes, slim: true }),
    empty.length ? h("p", { class: "note" }, `Nothing was read for ${empty.join(", ")}: what it would show is missing from every case.`) : null];
}

/** List what could not be read. */
function problems(reading) {
  const all = [...reading.problems, ...reading.files.flatMap((file) => (file.problems ?? []).map((text) => `${file.path}: ${text}`))];
  return all.length ? section(`Problems (${all.length.toLocaleString("en")})`, { class: "card" }, folded(h("ul", { class: "plain" }), all, (text) => h("li", null, name(text, 400)), 6)) : null;
}

/** Write a file as a row. */
function fileRow(file) {
  const rows = Object.entries(file.rows ?? {}).map(([table, number]) => `${number.toLocaleString("en")} ${table}`).join(", ");
  return h("tr", null,
    h("th", { scope: "row" }, name(shortPath(file.path), 90), file.assumed ? h("div", { class: "sub" }, `assumed: ${file.assumed}`) : null,
      file.example ? h("div", { class: "sub" }, `line ${file.example[0]}, not understood: `, h("code", null, name(file.example[1], 90))) : null),
    h("td", null, file.format || "none known", file.compression ? ` (${file.compression})` : ""),
    h("td", { class: "number" }, file.lines.toLocaleString("en")), h("td", { class: "number" }, file.not_understood.toLocaleString("en")),
    h("td", null, rows || "–"), h("td", { class: "time" }, file.first === undefined ? "–" : moment(file.first)), h("td", { class: "time" }, file.last === undefined ? "–" : moment(file.last)));
}
