"use strict";
// Which page is shown: by the address behind the hash, so that a page can be linked, kept and gone back from.

const PAGES = [["#/", "Overview"], ["#/map", "Doors and sources"], ["#/files", "Evidence read"]];
const THEMES = { auto: "Light or dark: as the system", light: "Light", dark: "Dark" };
const scrolls = new Map();
let shownAt = "";

/** Draw the page that an address names. */
function drawn(address) {
  const [, page, rest] = /^#\/(\w*)\/?(.*)$/.exec(address) ?? [];
  if (page === "case") {
    const one = caseOf(decoded(rest));
    return one ? casePage(one) : h("article", { class: "page" }, h("h1", null, "No such case"), h("p", null, "This report has no case of that id."));
  }
  return { map: mapPage, files: filesPage, all: printPage }[page]?.() ?? overviewPage();
}

/** Find a case by its id, or by how only one id begins. */
function caseOf(id) {
  if (BY_ID.has(id) || id.length < 4) return BY_ID.get(id);
  const meant = CASES.filter((one) => one.id.startsWith(id));
  return meant.length === 1 ? meant[0] : undefined;
}

/** Read a part of an address; what is damaged names nothing. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

/** Show the page of the present address. */
function show() {
  const address = location.hash || "#/";
  if (!address.startsWith("#/")) return;
  scrolls.set(shownAt, scrollY);
  const content = document.getElementById("content");
  content.replaceChildren(drawn(address));
  const heading = content.querySelector("h1")?.textContent ?? "";
  document.title = `${clipped(heading, 80)} – knockwatch report`;
  for (const link of document.querySelectorAll("#pages a")) {
    if (link.getAttribute("href") === address) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (shownAt) content.focus({ preventScroll: true });
  scrollTo(0, address === "#/" ? scrolls.get(address) ?? 0 : 0);
  shownAt = address;
}

/** Go to the next or previous case of those that are shown. */
function step(by) {
  const chosen = CASES.filter(isShown);
  const at = chosen.indexOf(caseOf(decoded(/^#\/case\/(.*)$/.exec(location.hash)?.[1] ?? "")));
  const next = chosen[at < 0 ? (by > 0 ? 0 : chosen.length - 1) : at + by];
  if (next) location.hash = pageOf(next).slice(1);
}

/** Choose light, dark, or what the system has. */
function theme(wanted) {
  if (wanted === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = wanted;
}

/** Make the button that changes between light and dark. */
function themeButton() {
  const names = Object.keys(THEMES);
  let now = stored() ?? "auto";
  const button = h("button", { type: "button", class: "theme", onclick: () => set(names[(names.indexOf(now) + 1) % names.length]) });
  const set = (wanted) => {
    now = names.includes(wanted) ? wanted : "auto";
    theme(now);
    store(now);
    button.textContent = { auto: "◐ Auto", light: "○ Light", dark: "● Dark" }[now];
    button.title = `Colours: ${THEMES[now]}. Press to change`;
  };
  set(now);
  return button;
}

/** Remember a choice where the browser lets a file do so. */
function store(wanted) {
  try {
    localStorage.setItem("knockwatch-theme", wanted);
  } catch { /* A browser may keep files from storing anything: the choice lasts as long as the page. */ }
}

/** Recall the choice. */
function stored() {
  try {
    return localStorage.getItem("knockwatch-theme");
  } catch {
    return null;
  }
}

/** Obey the keys, but for those meant for a field or the browser. */
function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, textarea, select")) return;
  const acts = {
    n: () => step(1), p: () => step(-1), o: () => { location.hash = "#/"; },
    "/": () => {
      if (!document.getElementById("search")) { location.hash = "#/"; show(); }
      document.getElementById("search")?.focus();
    },
  };
  if (!acts[event.key]) return;
  event.preventDefault();
  acts[event.key]();
}

/** Unfold what a case holds before it is printed: paper has no buttons. */
function unfold() {
  for (const button of document.querySelectorAll(".case :is(.legs, .story, .side) button.quiet")) button.click();
  for (const button of document.querySelectorAll(".case button.more")) for (let at = 0; at < 8 && !button.hidden; at++) button.click();
  for (const page of document.querySelectorAll(":is(.guided, #content > .case) .guidance")) page.unfold();
}

document.getElementById("pages").append(...PAGES.map(([address, words]) => h("a", { href: address }, words)));
document.getElementById("tools").append(h("a", { class: "button", href: "#/all" }, "Print all"), themeButton());
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); document.getElementById("content").focus(); });
addEventListener("hashchange", show);
addEventListener("keydown", pressed);
addEventListener("beforeprint", unfold);
show();
