/** The chart of a case: rates over the steps, and below them the error against the budget. */

const SHAPES = [
  "m-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0",
  "m0-5l5 5l-5 5l-5-5z",
  "m0-5l5 8.5h-10z",
  "m-3.5-3.5h7v7h-7z",
  "m0 5l5-8.5h-10z",
  "m-5 0h10m-5-5v10",
];
const [CROSS, TICK] = ["m-4-4l8 8m0-8l-8 8", "m0-7v14"];
const MARKED = 60; // a line through more points has a mark only here and there
const CLOSE = 1e-6; // rates that differ by less, relatively, are drawn as one height
const [LEFT, MARGIN, RATES, ERRORS, HEIGHT] = [88, 16, [24, 226], [264, 386], 412];

function chart(one, due, lines) {
  const { steps } = one.entry;
  const last = steps.length - 1;
  const firsts = one.trials
    .map((trial) => trial.entry.first_divergence?.step)
    .filter((step) => step !== undefined);
  const first = firsts.length ? Math.min(...firsts) : null;
  let [from, to, cursor, log, dragged] = [0, last, null, false, null];
  let width = 720,
    x;

  const svg = draw("svg", {
    tabindex: 0,
    role: "application",
    "aria-label": t("chart.title", one.entry),
    "aria-roledescription": t("chart"),
    onkeydown: key,
  });
  const plot = draw("g");
  const pointer = draw("g", { class: "pointer" });
  svg.append(plot, pointer);
  const reading = make("output", { class: "reading", "aria-live": "polite" });
  const range = make("span", { class: "quiet" });

  const visible = (row) => Array.from(row).slice(from, to + 1);

  function path(row, y, { shape, edge }) {
    let [line, marks, crosses, down] = ["", [], "", false];
    for (let i = from; i <= to && i < row.length; i++) {
      const value = row[i];
      if (value === null) {
        down = false;
        continue;
      }
      const at = `${x(i).toFixed(1)} ${Number.isFinite(value) ? y(value).toFixed(1) : edge[value > 0 ? 0 : 1]}`;
      if (Number.isFinite(value)) {
        line += down ? `L${at}` : `M${at}h0`;
        marks.push(`M${at}${shape}`);
      } else crosses += `M${at}${CROSS}`;
      down = Number.isFinite(value);
    }
    const few =
      marks.length > MARKED
        ? marks.filter((_, i) => i % Math.ceil(marks.length / 12) === 0)
        : marks;
    return { line, marks: few.join("") + crosses, crosses };
  }

  function axis(ticks, place, [top, bottom], name) {
    return [
      draw("path", { class: "frame", d: `M${LEFT} ${top}V${bottom}H${width - MARGIN}` }),
      draw("text", { x: LEFT - 8, y: top - 10, class: "title", "text-anchor": "end" }, name),
      ticks.map((tick) => [
        draw("path", { class: "axis", d: `M${LEFT} ${place(tick).toFixed(1)}H${width - MARGIN}` }),
        draw("text", { x: LEFT - 8, y: place(tick) + 4, "text-anchor": "end" }, short(tick, 10)),
      ]),
    ];
  }

  function redraw() {
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const across = scale(steps.slice(from, to + 1), LEFT, width - MARGIN);
    x = (i) => across.place(steps[i]);
    const drawn = lines.filter((line) => line.shown);
    const rates = [due.reference, due.expected, ...drawn.map((line) => line.values)]
      .flatMap(visible)
      .filter((value) => value !== null);
    const { place: y, ticks, extent } = scale(rates, RATES[1], RATES[0], { log, close: CLOSE });
    const edge = RATES;

    const budgets = [...new Map(drawn.flatMap((line) => [...line.budgets]))];
    const judged = drawn.filter((line) => line.errors);
    const errors = [...budgets.map(([, row]) => row), ...judged.map((line) => line.errors)].flatMap(
      visible,
    );
    const bottom = ERRORS[1];
    const above = scale(errors, bottom - 22, ERRORS[0], { log: true });
    const yError = (value) => (value > 0 ? above.place(value) : bottom);

    const parts = [axis(ticks, y, RATES, t("chart.rates"))];
    if (judged.length) parts.push(axis([0, ...above.ticks], yError, ERRORS, t("chart.errors")));
    parts.push(
      steps.length &&
        across.ticks
          .filter(Number.isInteger)
          .map((step) =>
            draw("text", { x: across.place(step), y: HEIGHT - 8, "text-anchor": "middle" }, step),
          ),
      draw(
        "text",
        { x: LEFT - 8, y: HEIGHT - 8, "text-anchor": "end", class: "title" },
        t("chart.steps"),
      ),
    );
    if (first !== null && first >= steps[from] && first <= steps[to]) {
      const at = across.place(first);
      parts.push(
        draw("path", { class: "first", d: `M${at} ${RATES[0]}V${bottom}` }),
        draw(
          "text",
          {
            class: "first",
            x: at,
            y: RATES[0] - 10,
            "text-anchor": at > width / 2 ? "end" : "start",
          },
          t("chart.not due", { step: first }),
        ),
      );
    }
    const reference = path(due.reference, y, { shape: "", edge });
    const expected = path(due.expected, y, { shape: TICK, edge });
    parts.push(
      draw("path", { class: "reference", d: reference.line }),
      draw("path", { class: "odd", d: reference.crosses }),
      draw("path", { class: "expected", d: expected.line + expected.marks }),
    );
    lines.forEach((line, i) => {
      if (!line.shown) return;
      const { line: d, marks } = path(line.values, y, { shape: SHAPES[i % 6], edge });
      parts.push(
        draw(
          "g",
          { class: `series-${i % 6}` },
          draw("path", { class: "line", d }),
          draw("path", { class: "mark", d: marks }),
        ),
      );
      if (!line.errors) return;
      const error = path(line.errors, yError, { shape: SHAPES[i % 6], edge: ERRORS });
      parts.push(
        draw(
          "g",
          { class: `series-${i % 6} error` },
          draw("path", { class: "line", d: error.line }),
          draw("path", { class: "mark", d: error.marks }),
        ),
      );
    });
    for (const [, row] of budgets)
      parts.push(
        draw("path", { class: "budget", d: path(row, yError, { shape: "", edge: ERRORS }).line }),
      );
    plot.replaceChildren(...parts.flat(9).filter(Boolean));
    close.textContent = extent ? t("chart.close", { extent: rough(extent) }) : "";
    range.textContent = last > 0 ? t("chart.shown", { from: steps[from], to: steps[to] }) : "";
    point(cursor);
  }

  /** The values at a step, in words and under the pointer. */
  function point(i) {
    cursor = i === null ? null : Math.min(to, Math.max(from, i));
    pointer.replaceChildren();
    if (dragged)
      pointer.append(
        draw("rect", {
          x: Math.min(...dragged),
          y: RATES[0],
          width: Math.abs(dragged[1] - dragged[0]),
          height: ERRORS[1] - RATES[0],
        }),
      );
    if (cursor === null) return;
    pointer.append(draw("path", { d: `M${x(cursor).toFixed(1)} ${RATES[0]}V${ERRORS[1]}` }));
    const rows = [[t("sequence.reference"), exact(due.reference[cursor])]];
    if (due.expected[cursor] !== null)
      rows.unshift([t("sequence.expected"), exact(due.expected[cursor])]);
    for (const line of lines) {
      if (!line.shown || cursor >= line.values.length) continue;
      const value = exact(line.values[cursor]);
      const budget = [...line.budgets.values()].map((row) => rough(row[cursor])).join(" / ");
      rows.push([
        line.label,
        line.errors
          ? t("chart.reading", { value, error: rough(line.errors[cursor]), budget })
          : value,
      ]);
    }
    reading.replaceChildren(
      make("strong", {}, t("chart.step", { step: steps[cursor] })),
      ...rows.map(([name, said]) => make("span", {}, name, t("colon"), make("code", {}, said))),
    );
  }

  function zoom(start, stop) {
    const span = Math.min(last, Math.max(Math.min(1, last), stop - start));
    from = Math.max(0, Math.min(Math.round(start), last - Math.round(span)));
    to = from + Math.round(span);
    redraw();
  }
  const middle = () => cursor ?? (from + to) / 2;
  const zooms = {
    in: () => zoom(middle() - (to - from) / 4, middle() + (to - from) / 4),
    out: () => zoom(middle() - (to - from), middle() + (to - from)),
    left: () => zoom(from - (to - from) / 2, to - (to - from) / 2),
    right: () => zoom(from + (to - from) / 2, to + (to - from) / 2),
    all: () => zoom(0, last),
  };

  function key(event) {
    const pan = event.shiftKey
      ? { ArrowLeft: zooms.left, ArrowRight: zooms.right }[event.key]
      : undefined;
    const next = {
      ArrowLeft: (cursor ?? from + 1) - 1,
      ArrowRight: (cursor ?? from - 1) + 1,
      Home: from,
      End: to,
    }[event.key];
    const act =
      pan ??
      { "+": zooms.in, "=": zooms.in, "-": zooms.out, 0: zooms.all }[event.key] ??
      (next !== undefined && (() => point(next)));
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  }

  const place = (event) =>
    ((event.clientX - svg.getBoundingClientRect().left) * width) /
    svg.getBoundingClientRect().width;
  function nearest(at) {
    let best = from;
    for (let i = from; i <= to; i++) if (Math.abs(x(i) - at) < Math.abs(x(best) - at)) best = i;
    return best;
  }
  svg.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    dragged = [place(event), place(event)];
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointermove", (event) => {
    if (dragged) dragged[1] = place(event);
    point(nearest(place(event)));
  });
  svg.addEventListener("pointerup", () => {
    const [start, stop] = (dragged ?? [0, 0]).toSorted((a, b) => a - b);
    dragged = null;
    if (stop - start > 6) zoom(nearest(start), nearest(stop));
    else point(cursor);
  });
  svg.addEventListener("pointercancel", () => {
    dragged = null;
    point(cursor);
  });

  const button = (act, symbol) =>
    make(
      "button",
      {
        type: "button",
        "aria-label": t(`chart.${act}`),
        title: t(`chart.${act}`),
        "data-zoom": act,
        onclick: zooms[act],
      },
      symbol,
    );
  const every = [due.reference, due.expected, ...lines.map((line) => line.values)]
    .flatMap((row) => Array.from(row))
    .filter((value) => value !== null && Number.isFinite(value));
  const canLog =
    every.length &&
    every.every((value) => value > 0) &&
    Math.max(...every) > 10 * Math.min(...every);
  const logarithmic = make(
    "button",
    {
      type: "button",
      "aria-pressed": "false",
      onclick: () => {
        log = !log;
        logarithmic.setAttribute("aria-pressed", log);
        redraw();
      },
    },
    t("chart.log"),
  );
  const controls = make(
    "div",
    { class: "controls", role: "group", "aria-label": t("chart.controls") },
    last > 0 && [
      button("in", "+"),
      button("out", "−"),
      button("left", "←"),
      button("right", "→"),
      button("all", "0"),
    ],
    canLog && logarithmic,
    range,
  );

  const hasOdd = [due.reference, ...lines.map((line) => line.values)].some(
    (row) => !Array.from(row).every(Number.isFinite),
  );
  const close = make("span");
  const figure = make(
    "figure",
    {},
    controls,
    svg,
    reading,
    make(
      "figcaption",
      {},
      make("div", { class: "legend" }, legend(due, lines, redraw)),
      make("p", { class: "quiet" }, [
        t("chart.keys"),
        " ",
        close,
        hasOdd && [" ", t("chart.odd")],
        lines.some((line) => !line.errors) && [" ", t("chart.groups")],
      ]),
    ),
  );
  new ResizeObserver(([{ contentRect }]) => {
    if (contentRect.width && Math.round(contentRect.width) !== width) {
      width = Math.round(contentRect.width);
      redraw();
    }
  }).observe(figure);
  redraw();
  return figure;
}

/** What each line is; those of observed sequences are hidden and shown again by their entry. */
function legend(due, lines, redraw) {
  const swatch = (parts) =>
    draw("svg", { class: "swatch", viewBox: "-14 -8 28 16", "aria-hidden": "true" }, parts);
  return [
    make(
      "span",
      {},
      swatch(draw("path", { class: "reference", d: "M-12 0h24" })),
      " ",
      t("sequence.reference"),
    ),
    due.expected.some((value) => value !== null) &&
      make(
        "span",
        {},
        swatch(draw("path", { class: "expected", d: "M-14 0h28M0-7v14" })),
        " ",
        t("sequence.expected"),
      ),
    lines.some((line) => line.errors) &&
      make(
        "span",
        {},
        swatch(draw("path", { class: "budget", d: "M-14 0h28" })),
        " ",
        t("sequence.budget"),
      ),
    lines.map((line, i) => {
      const parts = [
        draw("path", { class: "line", d: "M-14 0h28" }),
        draw("path", { class: "mark", d: `M0 0${SHAPES[i % 6]}` }),
      ];
      const pressed = ({ currentTarget: pressed }) => {
        line.shown = !line.shown;
        pressed.setAttribute("aria-pressed", line.shown);
        redraw();
      };
      return make(
        "button",
        { type: "button", class: `series-${i % 6}`, "aria-pressed": "true", onclick: pressed },
        swatch(parts),
        " ",
        line.label,
      );
    }),
  ];
}
