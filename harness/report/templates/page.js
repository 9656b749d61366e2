"use strict";
const cases = [...document.querySelectorAll("details.case")];
const [search, verdict, shown] = ["search", "verdict", "shown"].map((id) => document.getElementById(id));

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const item of cases) {
    const fits =
      words.every((word) => item.dataset.text.includes(word)) &&
      (!verdict.value || item.dataset.verdicts.split("|").includes(verdict.value));
    item.hidden = !fits;
    count += fits;
  }
  shown.textContent = `${count} of ${cases.length} cases`;
}

function reveal(hash) {
  const item = cases.find((one) => `#${one.id}` === hash);
  if (!item) return;
  if (item.hidden) {
    search.value = verdict.value = "";
    filter();
  }
  item.open = true;
  item.scrollIntoView();
}

search.addEventListener("input", filter);
verdict.addEventListener("input", filter);
addEventListener("hashchange", () => reveal(location.hash));
document.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link) return;
  if (link.dataset.verdict) {
    verdict.value = link.dataset.verdict;
    filter();
  } else if (link.hash === location.hash) {
    reveal(link.hash); // a second click on the same link changes no hash
  }
});
document.getElementById("filter").hidden = false;
filter();
reveal(location.hash);
