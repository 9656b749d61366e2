/** The sequences of a case, and the table of their values. */

/** The lines of a case: what was due, and each distinct sequence with the trials that showed it. */
function linesOf(one) {
  const [reference, expected, given] = one.rows;
  const due = {
    reference: rowOf(reference),
    expected: new Array(one.entry.steps.length).fill(null),
  };
  const numbers = rowOf(expected);
  for (const i of given ?? numbers.keys()) due.expected[i] = numbers[i];
  due.values = due.expected.map((value, i) => value ?? due.reference[i]);

  const lines = new Map();
  for (const trial of one.trials)
    trial.rows.forEach(([observed, budget], i) => {
      const name = trial.entry.sequences[i].name;
      if (!lines.has(observed))
        lines.set(observed, {
          names: new Map(),
          values: rowOf(observed),
          budgets: new Map(),
          shown: true,
        });
      const line = lines.get(observed);
      if (!line.names.has(name)) line.names.set(name, []);
      line.names.get(name).push(trial);
      // The report has the first group's reference only: other groups have no error here.
      if (!name.includes(" ")) line.budgets.set(budget, rowOf(budget));
    });
  const found = [...lines.values()];
  for (const line of found) {
    line.label = labelled(line.names);
    if (line.budgets.size)
      line.errors = Array.from(line.values, (value, i) => error(value, due.values[i]));
  }
  return { due, lines: found };
}

/** What is not finite, and not as due either, is infinitely far off. */
function error(value, due) {
  if (value === due || (Number.isNaN(value) && Number.isNaN(due))) return 0;
  return Number.isFinite(value - due) ? Math.abs(value - due) : Infinity;
}

/** `reported, applied: trials 1, 2`. */
function labelled(names) {
  const alike = Map.groupBy([...names], ([, trials]) => numbered(trials));
  return [...alike]
    .map(
      ([trials, said]) =>
        said.map(([name]) => sequenceName(name)).join(t("and")) + t("colon") + trials,
    )
    .join(t("semicolon"));
}

const ROWS = 200; // rows that the table behind a chart has at most

/** Indices of the steps that the table shows: evenly spread, with those that say most. */
function tabled({ entry, trials }, due) {
  const count = entry.steps.length;
  if (count <= ROWS) return [...entry.steps.keys()];
  const indices = new Map(entry.steps.map((step, i) => [step, i]));
  const telling = trials.flatMap(({ entry: trial }) => [
    trial.first_divergence?.step,
    ...trial.sequences.flatMap((one) => [
      one.greatest_ulp_error?.step,
      one.greatest_budget_share?.step,
    ]),
  ]);
  const given = [...due.expected.keys()].filter((i) => due.expected[i] !== null);
  if (given.length < ROWS / 2) telling.push(...given.map((i) => entry.steps[i]));
  const kept = new Set(
    [...new Set(telling.map((step) => indices.get(step)).filter((i) => i !== undefined))].slice(
      0,
      ROWS / 2,
    ),
  );
  const spread = ROWS - kept.size;
  for (let i = 0; i < spread; i++) kept.add(Math.floor((i * (count - 1)) / (spread - 1)));
  return [...kept].sort((a, b) => a - b);
}

function valuesTable(one, due, lines) {
  const { entry, trials } = one;
  const shown = tabled(one, due);
  const first = Math.min(...trials.map((trial) => trial.entry.first_divergence?.step ?? Infinity));
  const said = (value) => make("td", {}, value === null || value === undefined ? "" : exact(value));
  const rows = shown.map((i) =>
    make(
      "tr",
      { class: entry.steps[i] === first && "first" },
      make(
        "th",
        { scope: "row" },
        entry.steps[i],
        entry.steps[i] === first && [" ", make("small", {}, t("table.first"))],
      ),
      said(due.expected[i]),
      said(due.reference[i]),
      lines.map((line) => said(line.values[i])),
    ),
  );
  const heads = [
    t("table.step"),
    t("sequence.expected"),
    t("sequence.reference"),
    ...lines.map((line) => line.label),
  ];
  return make(
    "details",
    { class: "values" },
    make(
      "summary",
      {},
      shown.length < entry.length
        ? t("table.some", { n: shown.length, all: entry.length })
        : t("table"),
    ),
    table(t("table.of", entry), heads, make("tbody", {}, rows), "numbers"),
  );
}
