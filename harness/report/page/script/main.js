/** From the address to what is shown. */

let written; // the language that the page is written in

function speak() {
  if (written === language) return;
  written = language;
  translate();
  for (const link of document.querySelectorAll("#views a, #view-overview a[href^='#cases']"))
    link.href = address(read(link.hash));
  document.title = `${document.querySelector(".sentence").textContent} – ${t("title")}`;
  casesView = findingsView = undefined;
}

function show() {
  speak();
  for (const link of document.querySelectorAll("#views a")) {
    if (read(link.hash).view === state.view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  for (const view of VIEWS) document.getElementById(`view-${view}`).hidden = view !== state.view;
  if (state.view === "cases") showCases();
  else if (state.view === "findings") showFindings();
  else if (state.view === "coverage") showCoverage();
}

function arrived() {
  const view = state.view;
  state = read(location.hash);
  language = state.language;
  const canonical = address(state);
  if (location.hash && canonical !== location.hash) history.replaceState(null, "", canonical);
  show();
  const open = document.querySelectorAll(`#view-${state.view} details.case[open]`);
  if (open.length) open[open.length - 1].scrollIntoView();
  else if (view !== state.view) scrollTo(0, 0);
}

async function start() {
  state = read(location.hash);
  language = state.language;
  speak();
  document.getElementById("language").addEventListener("click", () => {
    language = language === "en" ? "zh" : "en";
    go({});
  });
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("main").focus();
  });
  const waiting = document.getElementById("waiting");
  waiting.hidden = state.view === "overview";
  waiting.textContent = t("waiting");
  try {
    await readReport();
    document.getElementById("views").hidden = document.getElementById("language").hidden = false;
    arrived();
    // A link to a section of the first screen is a place on it, and no other view.
    addEventListener("hashchange", () =>
      isView(location.hash) ? arrived() : history.replaceState(null, "", address(state)),
    );
    waiting.hidden = true;
  } catch (error) {
    waiting.textContent = t("unreadable", { why: error.message });
    waiting.hidden = false;
  }
}

start();
