/** The matrix, the filters, and the list of the cases that pass them. */

const CHUNK = 100;
let casesView, limit;

const fitsCase = {
  dimension: (one, value) => one.entry.dimension === value,
  tag: (one, value) => one.entry.tags.includes(value),
  family: (one, value) => one.entry.family === value,
};
const fitsTrial = {
  verdict: (trial, value) => trial.entry.verdict === value,
  framework: (trial, value) => trial.entry.framework === value,
  implementation: (trial, value) => trial.entry.implementation === value,
  target: (trial, value) => trial.target === value,
  finding: (trial, value) => trial.entry.known_divergence === value,
};
const wordsOf = (text) => (text ?? "").toLowerCase().split(/\s+/).filter(Boolean);

/** The cases that fit, each with its trials that do. */
function fitting() {
  const ofCase = Object.entries(fitsCase).filter(([name]) => state[name]);
  const ofTrial = Object.entries(fitsTrial).filter(([name]) => state[name]);
  const searched = wordsOf(state.q);
  const found = [];
  for (const one of cases) {
    if (!searched.every((word) => one.text.includes(word))) continue;
    if (!ofCase.every(([name, fits]) => fits(one, state[name]))) continue;
    const trials = one.trials.filter((trial) =>
      ofTrial.every(([name, fits]) => fits(trial, state[name])),
    );
    if (trials.length || !ofTrial.length) found.push({ one, trials });
  }
  return found;
}

function selector(name, values, label = (value) => value) {
  const options = values.map((value) => make("option", { value }, label(value)));
  return make(
    "label",
    {},
    t(`filter.${name}`),
    " ",
    make(
      "select",
      { name, onchange: (event) => go({ [name]: event.target.value, open: [] }) },
      make("option", { value: "" }, t("filter.any")),
      options,
    ),
  );
}

const searchBox = (hint) =>
  make(
    "label",
    {},
    t("filter.search"),
    " ",
    make("input", {
      type: "search",
      name: "q",
      placeholder: hint,
      autocomplete: "off",
      spellcheck: "false",
      oninput: (event) => go({ q: event.target.value, open: [] }, { typed: true }),
    }),
  );

const resetButton = () =>
  make(
    "button",
    {
      type: "button",
      onclick: () => go({ ...Object.fromEntries(FILTERS.map((name) => [name, ""])), open: [] }),
    },
    t("filter.reset"),
  );

function buildCases() {
  const every = (of) => [...new Set(cases.flatMap(of))].sort();
  const ofTrials = (value) => every((one) => one.trials.map(value));
  const verdicts = Object.keys(words.verdicts).filter((verdict) => report.counts[verdict]);
  const dimensions = words.dimensions.filter((dimension) =>
    cases.some((one) => one.entry.dimension === dimension),
  );
  const records = [...covered.keys()].sort();
  const filters = make(
    "form",
    {
      class: "filters",
      role: "search",
      "aria-label": t("filters"),
      onsubmit: (event) => event.preventDefault(),
    },
    searchBox(t("filter.hint")),
    selector(
      "verdict",
      verdicts,
      (verdict) => `${words.verdicts[verdict].symbol} ${t(`verdict.${verdict}`)}`,
    ),
    selector(
      "framework",
      ofTrials((trial) => trial.entry.framework),
    ),
    selector("dimension", dimensions, (dimension) => t(`dimension.${dimension}`)),
    selector(
      "tag",
      every((one) => one.entry.tags),
    ),
    selector(
      "family",
      every((one) => one.entry.family),
    ),
    selector(
      "implementation",
      ofTrials((trial) => trial.entry.implementation),
    ),
    selector(
      "target",
      ofTrials((trial) => trial.target),
    ),
    selector("finding", records),
    resetButton(),
  );
  const columns = make(
    "div",
    { class: "switch", role: "group", "aria-label": t("matrix.switch") },
    ["families", "targets"].map((name) =>
      make(
        "button",
        { type: "button", "data-columns": name, onclick: () => go({ columns: name }) },
        t(`matrix.by ${name}`),
      ),
    ),
  );
  casesView = {
    items: new Map(),
    filters,
    columns,
    grid: make("div", { class: "wide grid" }),
    shown: make("output", { class: "quiet" }),
    list: make("div", { class: "list" }),
    more: make("button", {
      type: "button",
      class: "more",
      onclick: () => {
        limit += CHUNK;
        showCases(false);
      },
    }),
  };
  document
    .getElementById("view-cases")
    .replaceChildren(
      make(
        "section",
        { class: "about-matrix", "aria-labelledby": "matrix" },
        make("div", { class: "top" }, make("h2", { id: "matrix" }, t("matrix")), columns),
        casesView.grid,
        make("p", { class: "quiet" }, t("matrix.legend")),
      ),
      make(
        "section",
        { "aria-labelledby": "list" },
        make("h2", { id: "list" }, t("list")),
        filters,
        casesView.shown,
        casesView.list,
        casesView.more,
      ),
    );
}

function showCases(anew = true) {
  if (!casesView) buildCases();
  const { items, filters, columns, grid, shown, list, more } = casesView;
  fillFilters(filters);
  for (const button of columns.children)
    button.setAttribute("aria-pressed", button.dataset.columns === state.columns);
  if (grid.dataset.columns !== state.columns) {
    grid.dataset.columns = state.columns;
    grid.replaceChildren(matrix());
  }
  for (const button of grid.querySelectorAll("button")) {
    const { implementation, column } = button.dataset;
    button.setAttribute("aria-pressed", isPressed({ implementation, column }));
  }

  const found = fitting();
  const last = found.findLastIndex(({ one }) => state.open.includes(one.entry.name));
  if (anew) limit = CHUNK;
  limit = Math.max(limit, last + 1);
  list.replaceChildren(
    ...found.slice(0, limit).map(({ one, trials }) => {
      if (!items.has(one)) items.set(one, caseItem(one));
      const item = items.get(one);
      item.show(trials, state.open.includes(one.entry.name));
      return item.node;
    }),
  );
  if (!found.length) list.append(make("p", {}, t("list.empty")));
  const trials = found.reduce((sum, one) => sum + one.trials.length, 0);
  shown.textContent = t("list.shown", { n: found.length, all: cases.length, trials });
  more.hidden = found.length <= limit;
  more.textContent = t("list.more", { n: Math.min(CHUNK, found.length - limit) });
}

function fillFilters(form) {
  for (const field of form.elements)
    if (field.name && field.value !== (state[field.name] ?? ""))
      field.value = state[field.name] ?? "";
}
