"use strict";
// How elements are made: what evidence says only ever becomes text nodes and plain attributes, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** Give an element attributes and children; a child is a node or text, and null is none. */
function dress(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Make an element of HTML. */
function h(tag, attributes, ...children) {
  return dress(document.createElement(tag), attributes, children);
}

/** Make an element of SVG. */
function svg(tag, attributes, ...children) {
  return dress(document.createElementNS(SVG, tag), attributes, children);
}

const NAME_SHOWN = 120;
const LINE_SHOWN = 700;

/** Write a name of evidence: isolated from the text around it, and cut where no reader needs more. */
function name(text, most = NAME_SHOWN) {
  const whole = String(text ?? "");
  if (whole.length <= most) return h("bdi", { class: "name" }, whole);
  return h("bdi", { class: "name", title: whole.slice(0, 2000) }, clipped(whole, most));
}

/** Cut a text in its middle. */
function clipped(text, most) {
  if (text.length <= most) return text;
  const half = Math.floor((most - 1) / 2);
  return `${text.slice(0, half)}…${text.slice(-half)}`;
}

/** Write a line of evidence; a very long one is unfolded on request. */
function lineOf(text) {
  if (text.length <= LINE_SHOWN) return h("code", { class: "line", dir: "ltr" }, text);
  const line = h("code", { class: "line", dir: "ltr" }, `${text.slice(0, LINE_SHOWN)}…`);
  const more = h("button", { type: "button", class: "quiet", onclick: () => {
    line.textContent = text;
    more.remove();
  } }, `Show all ${count(text.length, "character")}`);
  return h("div", null, line, more);
}

/** Fill a list in pieces: the next one when its end comes into sight, or on request. */
function growing(list, items, draw, piece = 60) {
  let drawn = 0;
  const more = h("button", { type: "button", class: "more", onclick: () => grow() });
  const watch = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && grow(), { rootMargin: "600px" });
  const grow = () => {
    list.append(...items.slice(drawn, drawn + piece).map(draw));
    drawn = Math.min(drawn + piece, items.length);
    more.textContent = `Show more: ${(items.length - drawn).toLocaleString("en")} left`;
    more.hidden = drawn >= items.length;
    watch.unobserve(more);
    if (!more.hidden) watch.observe(more);
  };
  grow();
  return [list, more];
}

/** Show the first items of a list, and the rest behind a button. */
function folded(list, items, draw, first) {
  list.append(...items.slice(0, first).map(draw));
  if (items.length <= first) return [list];
  const more = h("button", { type: "button", class: "quiet", onclick: () => {
    list.append(...items.slice(first).map(draw));
    more.remove();
  } }, `Show ${(items.length - first).toLocaleString("en")} more`);
  return [list, more];
}

/** Make a titled part of a page. */
function section(title, attributes, ...children) {
  return h("section", attributes, h("h2", null, title), children);
}
