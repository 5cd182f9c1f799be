"use strict";
// What to do about a case: playbook, guide and related techniques, made when they are unfolded from text that cases share.

const BLANK = "\ue000";
const SPAN = /(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)/gsu;
const PAGES_OF_CASE = [["playbook", "Playbook"], ["guide", "Investigation guide"], ["related", "Related techniques"]];
const LANGUAGES = { sh: "shell", powershell: "PowerShell" };

/** Make the folded pages of a case's guidance, by their names; none for a case that this file holds in brief. */
function guidanceOf(one) {
  if (!one.guidance) return {};
  const [shape, ...numbers] = one.guidance;
  const values = texts(numbers);
  return Object.fromEntries(DATA.shapes[shape].map(([elements, blanks], at) =>
    [PAGES_OF_CASE[at][0], foldedPage(elements.map((number) => DATA.elements[number]), blanks.map((number) => values[number]))]));
}

/** Make a page that is folded, and empty until it is unfolded; `unfold()` unfolds it at once. */
function foldedPage([[, ...heading], ...elements], values) {
  const body = h("div", { class: "prose" });
  const draw = () => {
    if (body.firstChild) return;
    const left = values.values();
    body.append(...elements.map((element) => elementOf(element, () => left.next().value)).filter(Boolean));
  };
  const page = h("details", { class: "card guidance", ontoggle: () => page.open && draw() }, h("summary", null, h("h2", null, heading)), body);
  page.unfold = () => {
    draw();
    page.open = true;
  };
  return page;
}

/** Make an element of the tree that a page is, filling each blank with the next value. */
function elementOf([tag, ...inside], next) {
  if (tag === "pre") return commands(inside[0], filled(inside[1], next).join(""));
  if (tag === "code") return h("code", null, filled(inside[0], next).join(""));
  if (tag === "a") return h("a", { href: inside[0], rel: "noopener noreferrer" }, contents(inside.slice(1), next));
  const children = contents(inside, next);
  // A paragraph that is only a value which a case does not have.
  if (!children.length) return null;
  if (tag === "table") return scrolled("Table", h(tag, null, children));
  return h(tag, tag === "th" ? { scope: "col" } : null, children);
}

/** Make what is in an element: text, whose values are Markdown, and elements. */
function contents(inside, next) {
  return inside.flatMap((one) => (typeof one === "string" ? filled(one, (() => spans(next()))) : [elementOf(one, next)])).flat().filter((one) => one !== null && one !== "");
}

/** Part a text at its blanks, with a value in each. */
function filled(text, next) {
  return text.split(BLANK).flatMap((said, at) => (at ? [next(), said] : [said]));
}

/** Read a value: Markdown that has code spans and nothing else. */
function spans(text) {
  const parts = [];
  let from = 0;
  for (const found of text.matchAll(SPAN)) {
    const inside = found[2];
    const padded = inside.startsWith(" ") && inside.endsWith(" ") && inside.trim();
    parts.push(text.slice(from, found.index), h("code", null, padded ? inside.slice(1, -1) : inside));
    from = found.index + found[0].length;
  }
  return [...parts, text.slice(from)];
}

/** Show commands, with a button that copies them. */
function commands(language, text) {
  const code = h("code", { dir: "ltr" }, text.replace(/\n$/u, ""));
  const said = h("span", { class: "sub", role: "status" });
  const words = LANGUAGES[language] ? `Copy for ${LANGUAGES[language]}` : "Copy";
  const copy = h("button", { type: "button", "aria-label": `${words}: ${clipped(text.split("\n")[0], 60)}`, onclick: async () => {
    said.textContent = await copied(code) ? "Copied" : "Selected: copy it with Ctrl+C";
  } }, "Copy");
  return h("div", { class: "commands" }, h("div", { class: "bar-of-commands noprint" }, said, copy), h("pre", null, code));
}

/** Copy the text of an element; where a browser does not let a file do so, select it for the reader to copy. */
async function copied(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(element);
    return false;
  }
}

/** Make the buttons that lead to the pages of guidance. */
function guidanceButtons(one, pages) {
  if (!one.guidance) return h("p", { class: "near" }, "What to do: ", h("code", null, `knockwatch explain ${clipped(one.id, 64)} --cases cases.jsonl`), " tells. There are many cases: this file holds the guidance of alerts only.");
  return h("p", { class: "near noprint" }, "What to do: ", PAGES_OF_CASE.map(([part, words]) =>
    h("button", { type: "button", class: "chip words", onclick: () => {
      pages[part].unfold();
      pages[part].scrollIntoView({ block: "start" });
      pages[part].querySelector("summary").focus({ preventScroll: true });
    } }, words)));
}
