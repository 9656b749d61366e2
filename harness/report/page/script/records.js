/** The findings, worst first, and the coverage. */

let findingsView;

function buildFindings() {
  const ranked = report.known_divergences.toSorted(
    (a, b) => words.severities.indexOf(a.severity) - words.severities.indexOf(b.severity),
  );
  const items = ranked.map((record) => {
    const trials = covered.get(record.name) ?? [];
    const node = make(
      "details",
      { class: `case ${record.severity === "misleads" ? "idle" : "known"}` },
      make(
        "summary",
        {
          onclick: (event) => {
            event.preventDefault();
            go(toggled(record.name));
          },
        },
        make("span", { class: "name" }, record.description),
        make(
          "span",
          { class: "says" },
          `${t(`severity.${record.severity}`)} · ${t(`kind.${record.kind}`)} · ${record.name} · ${t("record.count", { n: trials.length })}`,
        ),
      ),
    );
    return { record, trials, node, text: Object.values(record).flat().join("\n").toLowerCase() };
  });
  const severities = words.severities.filter((severity) =>
    ranked.some((record) => record.severity === severity),
  );
  const filters = make(
    "form",
    {
      class: "filters",
      role: "search",
      "aria-label": t("findings.filter"),
      onsubmit: (event) => event.preventDefault(),
    },
    searchBox(t("filter.hint")),
    selector("severity", severities, (severity) => t(`severity.${severity}`)),
    resetButton(),
  );
  findingsView = {
    items,
    filters,
    shown: make("output", { class: "quiet" }),
    list: make("div", { class: "list" }),
  };
  document
    .getElementById("view-findings")
    .replaceChildren(
      make("h2", {}, t("view.findings")),
      make("p", {}, t("findings.intro", { n: items.length })),
      filters,
      findingsView.shown,
      findingsView.list,
    );
}

function showFindings() {
  if (!findingsView) buildFindings();
  const { items, filters, shown, list } = findingsView;
  fillFilters(filters);
  const searched = wordsOf(state.q);
  const found = items.filter(
    ({ record, text }) =>
      searched.every((word) => text.includes(word)) &&
      (!state.severity || record.severity === state.severity),
  );
  for (const { record, trials, node } of found) {
    const open = state.open.includes(record.name);
    if (open && node.children.length === 1)
      node.append(make("div", { class: "body" }, recorded(record), coveredTrials(record, trials)));
    node.open = open;
  }
  list.replaceChildren(...found.map(({ node }) => node));
  if (!found.length) list.append(make("p", {}, t("findings.empty")));
  shown.textContent = t("findings.shown", { n: found.length, all: items.length });
}

function recorded(record) {
  return pairs([
    [t("record.name"), [record.name, " (", make("code", {}, `${record.file}:${record.line}`), ")"]],
    [
      t("record.kind"),
      `${t(`severity.${record.severity}`)}${t("semicolon")}${t(`kind.${record.kind}`)}`,
    ],
    [
      t("record.covers"),
      [
        t("record.target", {
          apis: record.implementations.join(t("and")),
          versions: record.versions,
          target: record.target,
        }),
        t("semicolon"),
        record.cases.map((name, i) => [
          i ? t("and") : "",
          named.has(name)
            ? make("a", { href: address({ view: "cases", open: [name] }) }, name)
            : name,
        ]),
      ],
    ],
    [t("record.expected"), record.expected],
    [t("record.observed"), record.observed],
    [t("record.explanation"), record.explanation],
    [t("record.remedy"), record.remedy],
    [t("record.seen"), record.seen.join(", ")],
    [t("record.until"), record.until],
    [t("record.source"), record.source],
    [t("record.upstream"), record.upstream],
  ]);
}

function coveredTrials(record, trials) {
  if (!trials.length) return make("p", { class: "quiet" }, t("record.none"));
  return make(
    "div",
    {},
    make(
      "p",
      {},
      make(
        "a",
        { href: address({ view: "cases", finding: record.name }) },
        t("record.all", { n: trials.length }),
      ),
    ),
    make(
      "ul",
      {},
      trials.map((trial) =>
        make(
          "li",
          {},
          trial.entry.verdict !== "known divergence" && [badge(trial.entry.verdict), " "],
          make(
            "a",
            { href: address({ view: "cases", open: [trial.entry.case] }) },
            `${trial.entry.case}, ${t("trial", trial)}`,
          ),
          t("colon"),
          t("trial.on", { api: trial.entry.implementation, target: trial.target }),
        ),
      ),
    ),
  );
}

function showCoverage() {
  const reasons = [
    ...new Set(
      report.coverage.flatMap((row) => Object.values(row.dimensions).map((cell) => cell.reason)),
    ),
  ]
    .filter(Boolean)
    .sort();
  const heads = [
    t("coverage.implementation"),
    ...words.dimensions.map((name) => t(`dimension.${name}`)),
  ];
  const rows = report.coverage.map(({ implementation, dimensions }) =>
    make(
      "tr",
      {},
      make(
        "th",
        { scope: "row", class: "api" },
        make("a", { href: address({ view: "cases", implementation }) }, implementation),
      ),
      words.dimensions.map((dimension) => {
        const { cases, reason } = dimensions[dimension] ?? { cases: 0, reason: "" };
        if (!cases)
          return make(
            "td",
            {},
            reason
              ? make(
                  "span",
                  { title: reason },
                  make("span", { "aria-hidden": "true" }, "–"),
                  make("span", { class: "unseen" }, t("coverage.dash", { reason })),
                )
              : "0",
          );
        return make("td", {}, cases);
      }),
    ),
  );
  document.getElementById("view-coverage").replaceChildren(
    make("h2", {}, t("view.coverage")),
    make("p", {}, t("coverage.intro")),
    table(t("view.coverage"), heads, make("tbody", {}, rows), "numbers coverage"),
    reasons.length
      ? make(
          "div",
          {},
          make("h3", {}, t("coverage.reasons")),
          make(
            "ul",
            {},
            reasons.map((reason) => make("li", {}, reason)),
          ),
        )
      : "",
  );
}
