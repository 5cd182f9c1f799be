"use strict";
// The data of this report, and the words for counts, times and parts of cases.

const DATA = JSON.parse(document.getElementById("data").textContent);
const CASES = DATA.cases;
const BY_ID = new Map(CASES.map((one) => [one.id, one]).reverse());
const BY_DOOR = Map.groupBy
  ? Map.groupBy(CASES.filter((one) => one.door && one.destination), doorKey)
  : d3.group(CASES.filter((one) => one.door && one.destination), doorKey);

const LEGS = ["signal", "opening", "entry"];
const LEG_WORDS = {
  signal: ["Signal", "what was sent to open the door"],
  opening: ["Opening", "the door was seen to open: a rule, a listener, a daemon's word"],
  entry: ["Entry", "a session went through the door afterwards"],
};
const KINDS = {
  door: "Hidden door", daemon: "Knock daemon", client: "Knock client", change: "Firewall change", signal: "Signal",
  callback: "Callback", sniffer: "Sniffer",
};
const SIGNALS = {
  sequence: "a sequence of ports", spa: "one packet that authorises (SPA)", icmp: "an ICMP knock",
  "magic-packet": "a magic packet", unknown: "of unknown shape",
};
const STATUSES = { alert: "Alert", lead: "Lead", suppressed: "Suppressed" };

/** Name the door of a case by where it is. */
function doorKey(one) {
  return `${one.destination} ${one.door}`;
}

/** Look up texts by their numbers. */
function texts(numbers) {
  return (numbers ?? []).map((number) => DATA.texts[number]);
}

/** Count things. */
function count(number, word, words = `${word}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? word : words}`;
}

/** Write a time (microseconds since 1970) as date and time; digits are those of the fraction. */
function moment(us, digits = 0) {
  if (us === null || us === undefined) return "unknown time";
  const text = new Date(Math.floor(us / 1000)).toISOString();
  const fraction = String(((us % 1e6) + 1e6) % 1e6).padStart(6, "0").slice(0, digits);
  return `${text.slice(0, 10)} ${text.slice(11, 19)}${digits ? `.${fraction}` : ""}`;
}

/** Write the clock of a time. */
function clock(us, digits = 3) {
  return us === null || us === undefined ? "–" : moment(us, digits).slice(11);
}

/** Write an RFC 3339 time to the second; what is none stays as it is. */
function second(text) {
  return text ? text.replace("T", " ").replace(/(\.\d+)?(Z|\+00:00)$/, "") : "";
}

/** Write from when to when a case was seen. */
function span(one) {
  const [first, last] = [second(one.first_seen), second(one.last_seen)];
  if (!first || !last || first === last) return first || last ? `${first || last} UTC` : "at an unknown time";
  return `${first} – ${first.slice(0, 10) === last.slice(0, 10) ? last.slice(11) : last} UTC`;
}

/** Write a length of time. */
function lasting(us) {
  if (us < 1e3) return "less than 1 ms";
  if (us < 1e6) return `${(us / 1e3).toFixed(us < 1e4 ? 1 : 0)} ms`;
  if (us < 60e6) return `${(us / 1e6).toFixed(us < 10e6 ? 1 : 0)} s`;
  if (us < 3600e6) return `${(us / 60e6).toFixed(0)} min`;
  return us < 172800e6 ? `${(us / 3600e6).toFixed(0)} h` : `${(us / 86400e6).toFixed(0)} days`;
}

/** Give the address of a case's page. */
function pageOf(one) {
  return `#/case/${encodeURIComponent(one.id)}`;
}

/** Name the host of a case with its address. */
function where(one) {
  const { host, destination } = one;
  return host && destination && host !== destination ? `${host} (${destination})` : host || destination || "";
}

/** Write how much of a case is there: three marks and their words. */
function legMarks(one) {
  const has = new Set(one.legs ?? []);
  const said = LEGS.map((leg) => `${leg} ${has.has(leg) ? "seen" : "not seen"}`).join(", ");
  return h("span", { class: "legmarks", role: "img", "aria-label": said, title: said },
    LEGS.map((leg) => h("span", { class: has.has(leg) ? `on ${leg}` : "off" })));
}

/** Write a level as a badge. */
function badge(level, text = level) {
  return h("span", { class: `badge ${level}` }, text);
}
