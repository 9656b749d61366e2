/** A case in the list: a line, and when it is opened all that is known of it. */

function caseItem(one) {
  const badges = make("span", { class: "badges" });
  const { name, description } = one.entry;
  const node = make(
    "details",
    { class: "case" },
    make(
      "summary",
      {
        onclick: (event) => {
          event.preventDefault();
          go(toggled(name));
        },
      },
      make("span", { class: "name" }, name),
      badges,
      make("span", { class: "says" }, description),
    ),
  );
  return {
    node,
    show(trials, open) {
      const counts = Map.groupBy(trials, (trial) => trial.entry.verdict);
      const found = Object.keys(words.verdicts).filter((verdict) => counts.has(verdict));
      badges.replaceChildren(...found.map((verdict) => badge(verdict, counts.get(verdict).length)));
      node.className = `case ${found.length ? words.verdicts[worst(found)].tone : "idle"}`;
      if (!one.trials.length) badges.append(make("small", {}, t("list.no trial")));
      if (open && node.children.length === 1)
        node.append(make("div", { class: "body" }, opened(one)));
      node.open = open;
    },
  };
}

function opened(one) {
  const charts = make("div");
  const values = make("div");
  if (
    one.entry.steps.length &&
    (one.trials.some((trial) => trial.rows.length) || one.rows[2]?.length !== 0)
  )
    readRows().then(() => drawCase(one, charts, values));
  return [
    facts(one),
    firstDivergences(one),
    charts,
    calls(one),
    trials(one),
    agreements(one),
    values,
  ];
}

function drawCase(one, charts, values) {
  const { due, lines } = linesOf(one);
  if (lines.length || due.expected.some((value) => value !== null)) {
    charts.append(make("h3", {}, t("chart")), chart(one, due, lines));
    values.append(valuesTable(one, due, lines));
  }
}

const pairs = (rows) =>
  make(
    "dl",
    {},
    rows
      .filter(([, said]) => said)
      .map(([key, said]) => [make("dt", {}, key), make("dd", {}, said)]),
  );

function facts({ entry, trials }) {
  const schedule = Object.entries(entry.schedule).map(([key, value], i) => [
    i ? t("and") : "",
    make("code", {}, `${key}=${JSON.stringify(value)}`),
  ]);
  const records = [...new Set(trials.map((trial) => trial.entry.known_divergence).filter(Boolean))];
  const applying = report.known_divergences.filter((record) => records.includes(record.name));
  return pairs([
    ...applying.map((record) => [
      t("case.findings"),
      [
        make("a", { href: address({ view: "findings", open: [record.name] }) }, record.description),
        ` (${t(`severity.${record.severity}`)})`,
      ],
    ]),
    [t("case.source"), entry.source],
    [t("case.file"), make("code", {}, `${entry.file}:${entry.line}`)],
    [t("case.class"), t(`dimension.${entry.dimension}`)],
    ...entry.due.map((said) => [t("case.due"), said]),
    ...entry.situation.map((said) => [t("case.training"), said]),
    [t("case.schedule"), schedule.length && [entry.family, t("colon"), schedule]],
    [
      t("case.looks"),
      entry.length && [
        t("case.steps", { n: entry.length }),
        entry.steps_per_epoch && t("case.per epoch", { n: entry.steps_per_epoch }),
      ],
    ],
    [t("case.tags"), entry.tags.join(t("and"))],
  ]);
}

/** Where values diverge: the first step, and the diagnosis, once for all trials alike. */
function firstDivergences({ trials }) {
  const alike = Map.groupBy(
    trials.filter(({ entry }) => entry.first_divergence || entry.diagnosis),
    ({ entry }) => JSON.stringify([entry.verdict, entry.first_divergence, entry.diagnosis]),
  );
  return [...alike.values()].map((same) => {
    const { verdict, first_divergence: first, diagnosis } = same[0].entry;
    return make(
      "div",
      { class: `card ${words.verdicts[verdict].tone}` },
      make("p", {}, badge(verdict), t("colon"), numbered(same)),
      first &&
        table(
          t("first"),
          [
            t("first.step"),
            t("first.rate"),
            t("first.due", { against: first.against }),
            t("first.observed"),
            t("first.error"),
            t("first.budget"),
          ],
          make(
            "tbody",
            {},
            make(
              "tr",
              {},
              [
                first.step,
                sequenceName(first.sequence),
                exact(Number(first.due)),
                first.observed === null ? t("first.missing") : exact(Number(first.observed)),
                rough(Number(first.error)),
                rough(Number(first.budget)),
              ].map((value) => make("td", {}, value)),
            ),
          ),
          "numbers",
        ),
      diagnosis && make("p", {}, t("diagnosis"), t("colon"), diagnosis),
    );
  });
}

const numbered = (trials) => {
  const numbers = [...new Set(trials.map((trial) => trial.number))];
  return t("case.trial list", { n: numbers.length, numbers: numbers.join(", ") });
};

/** `reported 1` is the second group's: the number stays, the word is the page's. */
function sequenceName(name) {
  const [word, ...group] = name.split(" ");
  return [`sequence.${word}` in words.texts ? t(`sequence.${word}`) : word, ...group].join(" ");
}

/** What was called, the frameworks side by side. */
function calls({ trials }) {
  const called = trials.filter((trial) => trial.entry.call);
  if (!called.length) return [];
  const columns = [...Map.groupBy(called, (trial) => trial.entry.framework)].map(
    ([framework, ofIt]) => {
      const alike = Map.groupBy(
        ofIt,
        ({ entry: { call } }) => `${call.written} ${call.base_lr} ${call.advanced}`,
      );
      return make(
        "div",
        {},
        make("h4", {}, framework),
        [...alike.values()].map((same) => {
          const { call } = same[0].entry;
          const said = [
            call.base_lr !== null && t("case.base_lr", { rate: call.base_lr }),
            call.advanced,
            numbered(same),
          ];
          return make(
            "div",
            { class: "call" },
            copyable(call.written, t("copy.call")),
            make("p", { class: "quiet" }, said.filter(Boolean).join(t("semicolon"))),
          );
        }),
      );
    },
  );
  return [make("h3", {}, t("case.calls")), make("div", { class: "columns" }, columns)];
}

function trials({ entry, trials }) {
  if (!trials.length) return [];
  const heads = [
    "",
    t("case.verdict"),
    t("case.where"),
    t("case.rate"),
    t("case.ulp"),
    t("case.best"),
    t("case.share"),
    t("case.not due"),
  ];
  heads[0] = make("span", { class: "unseen" }, t("case.trials"));
  return [
    make("h3", {}, t("case.trials")),
    table(t("case.trials of", entry), heads, trials.map(trialRows), "trials"),
  ];
}

function trialRows({ entry, number, target }) {
  const rows = entry.sequences.map((one) => [
    make("td", { class: "rate" }, `${sequenceName(one.name)}, ${one.precision}`),
    make("td", {}, extreme(one.greatest_ulp_error, rough)),
    make("td", {}, extreme(one.greatest_error_from_best, rough)),
    make("td", {}, extreme(one.greatest_budget_share, percent)),
    make(
      "td",
      {},
      one.diverging
        ? t("case.of steps", { n: one.diverging, all: one.length })
        : t("case.no steps"),
    ),
  ]);
  rows.push([make("td", { colspan: 5, class: "notes" }, notes(entry))]);
  const rowspan = rows.length;
  rows[0].unshift(
    make("th", { scope: "rowgroup", rowspan }, number),
    make("td", { rowspan }, badge(entry.verdict)),
    make(
      "td",
      { rowspan, class: "api" },
      entry.implementation,
      make("br"),
      make("span", { class: "quiet" }, target),
    ),
  );
  return make(
    "tbody",
    {},
    rows.map((cells) => make("tr", {}, cells)),
  );
}

function extreme(entry, written) {
  if (!entry) return "–";
  return Number(entry.value) === 0
    ? "0"
    : t("case.at step", { value: written(Number(entry.value)), step: entry.step });
}

function notes(entry) {
  const note = (key, ...said) => make("p", {}, t(...[key].flat()), t("colon"), said);
  const step = entry.exception?.step ?? null;
  return [
    entry.reasons.map((reason) => make("p", {}, reason)),
    entry.known_divergence &&
      note(
        "case.record",
        make(
          "a",
          { href: address({ view: "findings", open: [entry.known_divergence] }) },
          entry.known_divergence,
        ),
      ),
    entry.signature && note("case.signature", make("code", {}, entry.signature)),
    entry.exception &&
      note(
        step === null ? "case.raised" : ["case.raised.step", { step }],
        make("code", {}, entry.exception.type),
        t("colon"),
        entry.exception.message,
      ),
    entry.warnings.map((warning) => note("case.warned", warning)),
    entry.printed && [note("case.printed"), make("pre", { tabindex: 0 }, entry.printed)],
    entry.taken_from && note("case.taken", entry.taken_from),
    note("case.command", copyable(entry.command, t("copy.command"))),
  ];
}

function agreements({ agreements, trials }) {
  if (!agreements.length) return [];
  const number = (id) => trials.find((trial) => trial.entry.id === id)?.number ?? id;
  const items = agreements.map((one) =>
    make(
      "li",
      {},
      t(Number(one.difference) ? "case.furthest" : "case.agree", {
        sequence: sequenceName(one.sequence),
        first: number(one.first),
        second: number(one.second),
        step: one.step,
        difference: rough(Number(one.difference)),
        share: percent(Number(one.budget_share)),
      }),
    ),
  );
  return [make("h3", {}, t("case.apart")), make("ul", {}, items)];
}
