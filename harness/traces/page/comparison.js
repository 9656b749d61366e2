/** The charts of a comparison, one for each sequence. */

const compared = JSON.parse(document.getElementById("comparison").textContent);
const charts = document.getElementById("charts");

function error(value, due) {
  if (value === due) return 0;
  return Number.isFinite(value - due) ? Math.abs(value - due) : Infinity;
}

function drawn({ name, first, all, steps, one, other, allowed }) {
  const trials = first === null ? [] : [{ entry: { first_divergence: { step: first } } }];
  const due = { reference: one, expected: new Array(steps.length).fill(null) };
  const line = {
    label: t("sequence.second"),
    values: other,
    errors: other.map((value, i) => error(value, one[i])),
    budgets: new Map([[0, allowed]]),
    shown: true,
  };
  return make(
    "section",
    {},
    make("h2", {}, name),
    chart({ entry: { name, steps }, trials }, due, [line]),
    steps.length < all && make("p", { class: "quiet" }, t("chart.thinned", { n: steps.length, all })),
  );
}

function show() {
  translate();
  charts.replaceChildren(...compared.map(drawn));
}

const other = document.getElementById("language");
other.addEventListener("click", () => {
  language = language === "en" ? "zh" : "en";
  show();
});
other.hidden = false;
show();
