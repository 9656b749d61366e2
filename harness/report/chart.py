"""The chart of a case: what was due and what was observed, as SVG paths.

Steps run from left to right on a linear axis, rates from bottom to top.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.report.model import CaseEntry

MAX_MARKED = 60
"""A line through more points than this has a mark only here and there."""
LEFT, RIGHT, TOP, BOTTOM = 90.0, 630.0, 22.0, 160.0
"""The plot within its drawing of 640 × 190."""
_SHAPES = (
    "m-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0",
    "m0-5l5 5l-5 5l-5-5z",
    "m0-5l5 8.5h-10z",
    "m-3.5-3.5h7v7h-7z",
    "m0 5l5-8.5h-10z",
    "m-5 0h10m-5-5v10",
)
_TICK, _CROSS = "m0-7v14", "m-4-4l8 8m0-8l-8 8"


@dataclass(frozen=True)
class Series:
    """A sequence of rates that some trials of a case have in common.

    `values` stand at the case's steps, and may be fewer.
    """

    name: str
    trials: tuple[int, ...]
    values: Sequence[float]

    def at(self, index: int) -> float | None:
        """The value at the case's step of that index, if there is one."""
        return self.values[index] if index < len(self.values) else None

    @property
    def label(self) -> str:
        """`reported, trials 1, 2`."""
        return _label(self.name, self.trials)


def _label(name: str, trials: Sequence[int]) -> str:
    return f"{name}, {'trial' if len(trials) == 1 else 'trials'} {', '.join(map(str, trials))}"


@dataclass(frozen=True)
class Drawn:
    """SVG paths of one sequence, and of all others that fall on the same points.

    `odd` marks what is not finite, at the upper or the lower edge.
    """

    shape: str
    line: str
    marks: str
    odd: str
    series: list[Series]

    @property
    def label(self) -> str:
        """`reported, trials 1, 2; applied, trial 3`."""
        trials: dict[str, list[int]] = defaultdict(list)
        for series in self.series:
            trials[series.name] += series.trials
        return "; ".join(_label(name, sorted(numbers)) for name, numbers in trials.items())


@dataclass(frozen=True)
class Chart:
    """What was due and what was observed, over the steps."""

    title: str
    steps: list[int]
    heights: list[tuple[float, str]]
    reference: Drawn
    expected: Drawn
    observed: list[Drawn]
    first_divergence: tuple[float, int] | None


def draw(
    entry: CaseEntry, all_series: Sequence[Series], shown: Sequence[int], first: int | None
) -> Chart:
    """The chart of a case: its steps of the indices `shown`, and the `first` diverging step."""
    steps = [entry.steps[i] for i in shown]
    reference = [entry.reference[i] for i in shown]
    expected = [entry.expected[i] for i in shown]
    observed = [[series.at(i) for i in shown] for series in all_series]
    everything: list[Sequence[float | None]] = [reference, expected, *observed]
    y, heights = _axis([v for vs in everything for v in vs if v is not None and math.isfinite(v)])
    x = _position(steps[0], steps[-1], LEFT, RIGHT)
    across = [x(step) for step in steps]

    drawn: dict[str, Drawn] = {}
    for series, values in zip(all_series, observed, strict=True):
        new = _draw(across, values, y, _SHAPES[len(drawn) % len(_SHAPES)])
        drawn.setdefault(new.line + new.odd, new).series.append(series)
    at = f"step {steps[0]}" if len(steps) == 1 else f"steps {steps[0]} to {steps[-1]}"
    extremes = " to ".join(text for _, text in heights) or "none of them finite"
    return Chart(
        title=f"{entry.name}: rates at {at}, {extremes}",
        steps=sorted({steps[0], steps[-1]}),
        heights=heights,
        reference=_draw(across, reference, y, ""),
        expected=_draw(across, expected, y, _TICK),
        observed=list(drawn.values()),
        first_divergence=None if first is None else (x(first), first),
    )


def _position(low: float, high: float, start: float, stop: float) -> Callable[[float], float]:
    """From [low, high] to [start, stop]; where that has no extent, to the middle."""
    half = high / 2 - low / 2  # Halves, because high - low may overflow.
    if half <= 1e-6 * max(abs(low), abs(high)) or half == 0:
        return lambda _: (start + stop) / 2
    return lambda value: start + (stop - start) * ((value / 2 - low / 2) / half)


def _axis(finite: list[float]) -> tuple[Callable[[float], float], list[tuple[float, str]]]:
    """Where a value is drawn, and the extremes of the axis with their heights.

    >>> place, extremes = _axis([0.1, 0.4])
    >>> place(0.4) == TOP, extremes
    (True, [(160.0, '0.1'), (22.0, '0.4')])
    """
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    place = _position(low, high, BOTTOM, TOP)
    if place(low) == place(high):
        return place, [(place(low), f"{low:.4g}")] if finite else []
    digits = next(n for n in range(4, 18) if f"{low:.{n}g}" != f"{high:.{n}g}")
    return place, [(place(value), f"{value:.{digits}g}") for value in (low, high)]


def _draw(
    across: list[float], values: Sequence[float | None], y: Callable[[float], float], shape: str
) -> Drawn:
    line, marks, odd = [], [], []
    pen_is_down = False
    for x, value in zip(across, values, strict=True):
        finite = value is not None and math.isfinite(value)
        if value is not None and finite:
            at = f"{x:.1f} {y(value):.1f}"
            line.append(f"L{at}" if pen_is_down else f"M{at}h0")
            marks.append(f"M{at}{shape}")
        elif value is not None:
            odd.append(f"M{x:.1f} {TOP if value == math.inf else BOTTOM:.1f}{_CROSS}")
        pen_is_down = finite
    if len(marks) > MAX_MARKED:
        marks = marks[:: len(marks) // 12]
    return Drawn(shape, "".join(line), "".join(marks), "".join(odd), [])
