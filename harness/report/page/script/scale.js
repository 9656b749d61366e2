/** From numbers to places on a chart. */

/**
 * Places on [start, stop] for values from low to high, and the ticks between them.
 * Halves are subtracted, because high - low may overflow. Values that are `close`, relatively, are
 * all in the middle, and `extent` says how far apart they are.
 */
function scale(values, start, stop, { log = false, close = 0 } = {}) {
  const finite = values.filter((value) => Number.isFinite(value) && (!log || value > 0));
  if (!finite.length) return { place: () => (start + stop) / 2, ticks: [], extent: 0 };
  const [low, high] = finite.reduce(
    ([a, b], value) => [Math.min(a, value), Math.max(b, value)],
    [Infinity, -Infinity],
  );
  const at = log ? Math.log10 : (value) => value / 2;
  const half = at(high) - at(low);
  if (log ? half === 0 : half <= close * Math.max(Math.abs(at(low)), Math.abs(at(high))))
    return { place: () => (start + stop) / 2, ticks: [low], extent: high - low };
  return {
    place: (value) => start + (stop - start) * ((at(value) - at(low)) / half),
    ticks: log ? decades(low, high) : round(low, high),
    extent: 0,
  };
}

/** Round numbers within [low, high], about four of them. */
function round(low, high) {
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((times) => times * power >= rough * 0.999);
  if (!Number.isFinite(step) || !step || !power) return [low, high];
  const ticks = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++)
    ticks.push(Number((k * step).toPrecision(12)));
  return ticks;
}

/** Powers of ten within [low, high], about four of them; the ends where there are none. */
function decades(low, high) {
  const [first, last] = [Math.ceil(Math.log10(low)), Math.floor(Math.log10(high))];
  const stride = Math.max(1, Math.ceil((last - first) / 4));
  const ticks = [];
  for (let power = first; power <= last; power += stride) ticks.push(Number(`1e${power}`));
  return ticks.filter(Boolean).length > 1 ? ticks.filter(Boolean) : [low, high];
}
