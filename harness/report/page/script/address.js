/** What is shown, and how the address says it: `#cases?verdict=diverges&open=halves&lang=zh`. */

const VIEWS = ["overview", "cases", "findings", "coverage"];
const FILTERS = [
  "q",
  "verdict",
  "framework",
  "dimension",
  "tag",
  "family",
  "implementation",
  "target",
  "finding",
  "severity",
];
const preferred = navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
let state = { view: "overview", open: [], columns: "families" };

const isView = (hash) => !hash || VIEWS.includes(hash.slice(1).split("?")[0]);

function read(hash) {
  const [view, query] = hash.slice(1).split("?");
  const given = new URLSearchParams(query);
  const read = {
    view: VIEWS.includes(view) ? view : "overview",
    open: given.getAll("open"),
    columns: given.get("columns") === "targets" ? "targets" : "families",
    language: given.get("lang") in words.texts.title ? given.get("lang") : preferred,
  };
  for (const name of FILTERS) if (given.get(name)) read[name] = given.get(name);
  return read;
}

function address({ view, open = [], columns, ...filters }) {
  const said = new URLSearchParams();
  for (const name of FILTERS) if (filters[name]) said.set(name, filters[name]);
  if (columns === "targets") said.set("columns", columns);
  for (const name of open) said.append("open", name);
  if (language !== preferred) said.set("lang", language);
  const query = said.toString().replaceAll("%2F", "/").replaceAll("%3A", ":");
  return `#${view}${query && "?"}${query}`;
}

/** Change what is shown; typing replaces its own entry in the history, all else adds one. */
function go(change, { typed = false } = {}) {
  state = { ...state, ...change };
  history[typed ? "replaceState" : "pushState"](null, "", address(state));
  show();
}

const toggled = (name) => ({
  open: state.open.includes(name)
    ? state.open.filter((one) => one !== name)
    : [...state.open, name],
});
