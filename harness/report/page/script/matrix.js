/** Implementations by families or targets: each cell with its worst verdict, a click filters. */

const RANKS = [
  "unsupported",
  "unavailable",
  "conforms",
  "known divergence",
  "stale",
  "accepted",
  "refused",
  "diverges",
  "broken case",
  "timed out",
  "crashed",
];
const columnOf = { families: (trial) => trial.entry.family, targets: (trial) => trial.target };
const filterOf = { families: "family", targets: "target" };

function matrix() {
  const column = columnOf[state.columns];
  const columns = [
    ...new Set(report.trials.length ? cases.flatMap((one) => one.trials.map(column)) : []),
  ].sort();
  const cells = new Map(); // implementation, then column, then verdict, to a number of trials
  for (const one of cases)
    for (const trial of one.trials) {
      const row =
        cells.get(trial.entry.implementation) ??
        cells.set(trial.entry.implementation, new Map()).get(trial.entry.implementation);
      for (const name of [column(trial), ""]) {
        const counts = row.get(name) ?? row.set(name, {}).get(name);
        counts[trial.entry.verdict] = (counts[trial.entry.verdict] ?? 0) + 1;
      }
    }
  const modules = Map.groupBy([...cells.keys()], (api) => api.slice(0, api.lastIndexOf(".")));
  const head = columns.map((name) => make("th", { scope: "col" }, make("span", {}, name)));
  const grid = make(
    "table",
    { class: "matrix", onkeydown: moved },
    make("caption", { class: "unseen" }, t(`matrix.${state.columns}`)),
    make("thead", {}, make("tr", {}, make("td"), make("th", { scope: "col" }, "Σ"), head)),
    [...modules].map(([module, apis]) =>
      make(
        "tbody",
        {},
        make("tr", {}, make("th", { scope: "rowgroup", colspan: columns.length + 2 }, module)),
        apis.map((api) =>
          make(
            "tr",
            {},
            make("th", { scope: "row" }, api.slice(module.length + 1)),
            ["", ...columns].map((name) =>
              make("td", {}, cell(api, name, cells.get(api).get(name))),
            ),
          ),
        ),
      ),
    ),
  );
  const first = grid.querySelector("[aria-pressed=true]") ?? grid.querySelector("button");
  if (first) first.tabIndex = 0;
  return grid;
}

const worst = (verdicts) =>
  verdicts.reduce((a, b) => (RANKS.indexOf(b) > RANKS.indexOf(a) ? b : a));

function cell(api, column, counts) {
  if (!counts) return "";
  const verdict = worst(Object.keys(counts));
  const all = Object.values(counts).reduce((a, b) => a + b);
  const { symbol, tone } = words.verdicts[verdict];
  const n = counts[verdict];
  const said = {
    row: api,
    column: column || t("filter.any"),
    n,
    all,
    verdict: t(`verdict.${verdict}`),
  };
  return make(
    "button",
    {
      type: "button",
      tabindex: -1,
      class: tone,
      "aria-label": t("matrix.cell", said),
      title: t("matrix.cell", said),
      "data-implementation": api,
      "data-column": column,
      "aria-pressed": "false",
      onclick: () => pressed(api, column),
    },
    `${symbol} ${n === all ? all : `${n}/${all}`}`,
  );
}

const isPressed = ({ implementation, column }) =>
  implementation === state.implementation && column === (state[filterOf[state.columns]] ?? "");

function pressed(api, column) {
  const name = filterOf[state.columns];
  const undo = isPressed({ implementation: api, column });
  go({ implementation: undo ? "" : api, [name]: undo ? "" : column, open: [] });
}

/** Arrow keys go to the next cell that has anything in it; one cell alone is in the tab order. */
function moved(event) {
  const [across, down] = {
    ArrowLeft: [-1, 0],
    ArrowRight: [1, 0],
    ArrowUp: [0, -1],
    ArrowDown: [0, 1],
  }[event.key] ?? [0, 0];
  const from = event.target.closest("td");
  if (!from || !(across || down)) return;
  event.preventDefault();
  const rows = [...event.currentTarget.rows].filter((row) => row.querySelector("button"));
  let [x, y] = [from.cellIndex, rows.indexOf(from.parentElement)];
  for (;;) {
    [x, y] = [x + across, y + down];
    const next = rows[y]?.cells[x];
    if (!next) return;
    const button = next.querySelector("button");
    if (button) {
      from.querySelector("button").tabIndex = -1;
      button.tabIndex = 0;
      return button.focus();
    }
  }
}
