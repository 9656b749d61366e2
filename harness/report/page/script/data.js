/** The packed report: its JSON at the start, the rows of numbers when a chart first needs them. */

async function unpacked(id) {
  const text = atob(document.getElementById(id).textContent);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")));
}

let report, rowOf;
const cases = []; // in the report's order: {entry, trials, rows, text}
const named = new Map(); // name to case
const covered = new Map(); // record's name to trials

async function readReport() {
  const packed = await (await unpacked("report")).json();
  report = packed.report;
  report.cases.forEach((entry, i) => {
    const one = { entry, index: i, trials: [], rows: packed.numbers.cases[i], agreements: [] };
    cases.push(one);
    named.set(entry.name, one);
  });
  report.trials.forEach((entry, i) => {
    const owner = named.get(entry.case);
    const target = `${entry.environment}/${entry.device}/${entry.mode}`;
    const trial = {
      entry,
      case: owner,
      target,
      rows: packed.numbers.trials[i],
      number: owner.trials.length + 1,
    };
    owner.trials.push(trial);
    if (entry.known_divergence) {
      if (!covered.has(entry.known_divergence)) covered.set(entry.known_divergence, []);
      covered.get(entry.known_divergence).push(trial);
    }
  });
  for (const agreement of report.agreements) named.get(agreement.case).agreements.push(agreement);
  for (const one of cases) one.text = searched(one);
  described = packed.numbers.rows;
  let start = 0;
  starts = described.map(([length]) => (start += 8 * length) - 8 * length);
}

function searched({ entry, trials }) {
  const said = [
    entry.name,
    entry.description,
    entry.family,
    entry.source,
    entry.file,
    entry.dimension,
    ...entry.tags,
  ];
  for (const { entry: trial, target } of trials)
    said.push(
      trial.implementation,
      target,
      trial.known_divergence ?? "",
      trial.diagnosis ?? "",
      trial.exception?.type ?? "",
      ...trial.reasons,
    );
  return [...new Set(said)].join("\n").toLowerCase();
}

let described, starts, planes;
const bitsOf = new Map();

/** All rows can be read once this is done. */
async function readRows() {
  planes ??= unpacked("rows").then((response) => response.arrayBuffer());
  const bytes = new Uint8Array(await planes);
  rowOf = (number) => new Float64Array(bits(number, bytes).buffer);
}

/** The bits of a row's numbers; `packed.py` says how they are written. */
function bits(number, bytes) {
  if (bitsOf.has(number)) return bitsOf.get(number);
  const [length, base, single] = described[number];
  const found = new BigUint64Array(length);
  const sorted = new Uint8Array(found.buffer);
  for (let plane = 0; plane < 8; plane++)
    for (let i = 0; i < length; i++)
      sorted[8 * i + plane] = bytes[starts[number] + plane * length + i];
  let near = base < 0 ? found : bits(base, bytes);
  if (single) {
    const rounded = Float64Array.from(new Float64Array(near.buffer), (v) =>
      Number.isNaN(v) ? 0 : Math.fround(v),
    );
    near = new BigUint64Array(rounded.buffer);
  }
  for (let i = 0; i < length; i++) found[i] += base < 0 ? (i ? found[i - 1] : 0n) : near[i];
  bitsOf.set(number, found);
  return found;
}
