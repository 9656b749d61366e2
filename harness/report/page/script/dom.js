"use strict";

/** Elements, texts and numbers. Whatever the report says becomes text nodes, never markup. */

const words = JSON.parse(document.getElementById("words").textContent);
let language = "en";

/** A fixed text in the page's language: {n} is replaced, {n:one|many} chooses by a number. */
function t(key, values = {}) {
  return words.texts[key][language].replace(
    /\{(\w+)(?::([^|}]*)\|([^}]*))?\}/g,
    (_, name, one, many) => (one === undefined ? values[name] : values[name] === 1 ? one : many),
  );
}

/** The fixed texts that the page came with, in its language, and the button for the other. */
function translate() {
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
  for (const node of document.querySelectorAll("[data-zh]")) {
    node.dataset.en ??= node.textContent;
    node.textContent = node.dataset[language];
  }
  for (const node of document.querySelectorAll("[data-label]"))
    node.setAttribute("aria-label", t(node.dataset.label));
  const button = document.getElementById("language");
  button.textContent = t("language");
  button.setAttribute("aria-label", t("language.switch"));
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== null && value !== false)
      node.setAttribute(name, value === true ? "" : value);
  }
  node.append(
    ...children.flat(9).filter((child) => child !== undefined && child !== null && child !== false),
  );
  return node;
}

const make = (tag, attributes = {}, ...children) =>
  filled(document.createElement(tag), attributes, children);
const draw = (tag, attributes = {}, ...children) =>
  filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

function badge(verdict, count) {
  const { symbol, tone } = words.verdicts[verdict];
  return make(
    "span",
    { class: `badge ${tone}` },
    make("span", { "aria-hidden": "true" }, symbol),
    ` ${t(`verdict.${verdict}`)}`,
    count > 1 && make("small", {}, ` × ${count}`),
  );
}

/** A table that scrolls within its own region. */
function table(label, heads, body, kind = "") {
  return make(
    "div",
    { class: "wide", tabindex: 0, role: "region", "aria-label": label },
    make(
      "table",
      { class: kind },
      make(
        "thead",
        {},
        make(
          "tr",
          {},
          heads.map((head) => make("th", { scope: "col" }, head)),
        ),
      ),
      body,
    ),
  );
}

/** A code with a button that copies it; where the browser forbids that, it is selected. */
function copyable(code, label) {
  const shown = make("code", {}, code);
  async function copy({ currentTarget: button }) {
    const done = await navigator.clipboard.writeText(code).then(
      () => true,
      () => false,
    );
    if (!done) getSelection().selectAllChildren(shown);
    button.textContent = t(done ? "copy.done" : "copy.select");
    setTimeout(() => (button.textContent = t("copy")), 2000);
  }
  return make(
    "span",
    { class: "copyable" },
    shown,
    make(
      "button",
      { type: "button", class: "copy", title: label, "aria-live": "polite", onclick: copy },
      t("copy"),
    ),
  );
}

/** The shortest digits that identify a float64, its sign kept. */
const exact = (value) =>
  Object.is(value, -0) ? "-0" : Number.isFinite(value) ? String(value) : odd(value);
const odd = (value) => (Number.isNaN(value) ? "NaN" : value > 0 ? "∞" : "−∞");
/** Three digits, for errors and budgets. */
const rough = (value) => (Number.isFinite(value) ? short(value, 3) : odd(value));
/** A number with so many digits at most, very large and very small ones with a power of ten. */
function short(value, digits) {
  const usual =
    value === 0 || (Math.abs(value) >= 1e-3 && Math.abs(value) < Math.min(1e6, 10 ** digits));
  return usual
    ? String(Number(value.toPrecision(digits)))
    : value
        .toExponential(digits - 1)
        .replace(/\.?0+e/, "e")
        .replace("e+", "e");
}
const percent = (share) => (Number.isFinite(share) ? `${rough(100 * share)} %` : "∞");
