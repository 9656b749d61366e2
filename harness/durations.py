"""`reports/durations.json`: what each case costs beside the others, so that shards take as long.

A cost is a case's part of the time inside framework calls of a whole run, in ten-thousandths,
rounded to a power of the square root of 2. A case that is not listed costs 1, as most do. A cost
changes only where a run has it at half or at double, since times are never twice the same.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import DurationsUnusable, ReportUnwritable
from harness.files import read_bytes

if TYPE_CHECKING:
    from harness.report.model import Report

NAME = "durations.json"
FORMAT = 1
WHOLE = 10_000
UNLISTED = 1


@dataclass(frozen=True)
class Durations:
    """The costs of cases by their names, but for those that cost 1."""

    costs: dict[str, int] = field(default_factory=dict)

    def cost(self, case: str) -> int:
        """What the case of that name costs, at least 1."""
        return self.costs.get(case, UNLISTED)

    def shares(self, cases: Iterable[str], count: int) -> list[list[str]]:
        """The names of all cases in `count` shares, the same on every machine.

        The costliest first, and of those that cost the same in the order of their names, each goes
        to the share that costs least so far, the first of several.

        >>> Durations({"long": 3}).shares(["b", "long", "a", "c"], 2)
        [['long'], ['a', 'b', 'c']]
        """
        shares: list[list[str]] = [[] for _ in range(count)]
        loads = [0] * count
        for name in sorted(cases, key=lambda name: (-self.cost(name), name)):
            least = loads.index(min(loads))
            shares[least].append(name)
            loads[least] += self.cost(name)
        return shares

    def digest(self, cases: Iterable[str], count: int) -> str:
        """Of all that `shares` depends on: the same digest, the same shares."""
        costs = [[name, self.cost(name)] for name in sorted(cases)]
        return sha256(json.dumps([count, costs]).encode()).hexdigest()[:16]


def durations_of(report: Report, before: Durations | None = None) -> Durations:
    """The costs of the cases of a report; as they were `before` where they are much the same."""
    before = before or Durations()
    seconds: dict[str, float] = defaultdict(float)
    for trial in report.trials:
        seconds[trial.case] += trial.seconds
    total = sum(seconds.values()) or 1.0
    costs = {
        case: _steady(rounded(WHOLE * spent / total), before.cost(case))
        for case, spent in seconds.items()
    }
    return Durations({case: cost for case, cost in costs.items() if cost != UNLISTED})


def rounded(cost: float) -> int:
    """The nearest power of the square root of 2 as a whole number, at least 1.

    >>> [rounded(cost) for cost in (0, 1.1, 1.9, 3.1, 5, 300)]
    [1, 1, 2, 3, 6, 256]
    """
    return UNLISTED if cost < 1 else round(2 ** (round(2 * math.log2(cost)) / 2))


def _steady(cost: int, before: int) -> int:
    return before if before / 2 < cost < before * 2 else cost


def read(path: Path) -> Durations:
    """The costs in a file; where there is none, every case costs the same.

    Raises:
        DurationsUnusable: it is damaged, or of another format.
    """
    try:
        content = json.loads(read_bytes(path))
    except FileNotFoundError:
        return Durations()
    except OSError as error:
        raise DurationsUnusable(path, f"cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise DurationsUnusable(path, f"is no JSON: {error}") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise DurationsUnusable(path, f"is not of the format {FORMAT}")
    costs = content.get("costs")
    if not isinstance(costs, dict) or not all(map(_is_cost, costs.values())):
        raise DurationsUnusable(path, "has costs that are no whole numbers above 0")
    return Durations(costs)


def _is_cost(value: Any) -> bool:
    return type(value) is int and value > 0


def text(durations: Durations) -> str:
    """The file: JSON, sorted, a line for each case."""
    costs = dict(sorted(durations.costs.items()))
    content = {"format": FORMAT, "costs": costs}
    return json.dumps(content, indent=0, ensure_ascii=False) + "\n"


def write(durations: Durations, path: Path) -> None:
    """Write the file in full beside its place, and put it there.

    Raises:
        DurationsUnusable: with the reason; the file before is as it was.
    """
    from harness.report.write import write_texts  # noqa: PLC0415 - which reads of shares do without

    try:
        write_texts([(path.name, text(durations))], path.parent)
    except ReportUnwritable as error:
        raise DurationsUnusable(path, f"cannot be written: {error}") from None
