"""`state.json`, beside `report.json`: what its trials depended on when they were run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.changed.surroundings import UNKNOWN, Place, Surroundings, digest
from harness.files import read_bytes

NAME = "state.json"
REPORT = "report.json"
FORMAT = 2


@dataclass(frozen=True)
class Asked:
    """What the user asked for, as far as it says what a report holds."""

    paths: list[str]
    wanted: list[Any]
    full: bool
    time_limit: float


def asked(paths: Iterable[Path], wanted: Iterable[Any], full: bool, time_limit: float) -> Asked:
    """What these options ask for; `wanted` is what a selection is made of."""
    where = [str(path.resolve()) for path in paths]
    listed = [[*each] if isinstance(each, tuple) else each for each in wanted]
    return Asked(where, listed, full, time_limit)


@dataclass(frozen=True)
class Told:
    """What is said again where nothing is run.

    `started` is when the run of the last report did, `since` what changed since the baseline.
    """

    started: str
    trials: int
    counts: dict[str, int]
    since: str


@dataclass(frozen=True)
class State:
    """What is noted of a run.

    `report` is the digest of its report.json, `files` the names of the files that were written,
    `checkout` says of which commits the suite and the working directory were.
    `cases` has by its name the digests of each case and of the records that name it. `settled`
    says that nothing is to be run again for its own sake.
    """

    report: str
    files: list[str]
    asked: Asked
    told: Told
    settled: bool
    surroundings: Surroundings
    cases: dict[str, list[str]]
    checkout: list[str]

    @property
    def places(self) -> list[Place]:
        """Where trials were run."""
        return [Place(**place) for place in self.surroundings.places.values()]


@dataclass(frozen=True)
class NoState:
    """Why nothing can be taken from the last report."""

    reason: str


def read(folder: Path) -> State | NoState:
    """What was noted of the report in a folder, if it belongs to that report."""
    report, file = folder / REPORT, folder / NAME
    if not report.is_file():
        return NoState(f"there is no {report}")
    try:
        content = json.loads(read_bytes(file))
    except FileNotFoundError:
        return NoState(f"{report} has no {NAME} beside it")
    except (OSError, ValueError) as error:
        return NoState(f"{file} is damaged: {error}")
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return NoState(f"{file} is not of the format {FORMAT}")
    try:
        state = _state(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return NoState(f"{file} is damaged: {error!r}")
    if state.report != digest(report):
        return NoState(f"{report} is not the one that {NAME} speaks of: it was changed")
    return state


def text(state: State) -> str:
    """The file: JSON."""
    return json.dumps({"format": FORMAT, **asdict(state)}, ensure_ascii=False) + "\n"


def _state(content: dict[str, Any]) -> State:
    parts = {name: value for name, value in content.items() if name != "format"}
    parts["asked"], parts["told"] = Asked(**parts["asked"]), Told(**parts["told"])
    parts["surroundings"] = Surroundings(**parts["surroundings"])
    state = State(**parts)
    dicts = (state.cases, state.told.counts)
    named = [*vars(state.surroundings).values(), *state.surroundings.environments.values(), *dicts]
    if not all(isinstance(each, dict) for each in named):
        raise ValueError("what was to have names has none")
    if any(not state.surroundings.environments.get(place.name) for place in state.places):
        raise ValueError("an environment is missing")
    return state


def is_as_noted(
    state: State, asked: Asked, now: Surroundings, checkout: list[str], folder: Path
) -> bool:
    """Whether a run would find nothing to do, nor to write."""
    return (
        state.settled
        and state.asked == asked
        and state.surroundings == now
        and state.checkout == checkout
        and not any(UNKNOWN in parts.values() for parts in now.environments.values())
        and all((folder / name).is_file() for name in state.files)
    )


def told_again(noted: State, folder: Path) -> list[str]:
    """What is said where nothing is run, in place of a run's own summary."""
    told = noted.told
    counts = ", ".join(f"{count} {verdict}" for verdict, count in told.counts.items())
    taken = f"{told.trials} taken from {folder / REPORT} of {told.started}"
    return [
        f"0 of {told.trials} trials run, {taken}:",
        "nothing that they depend on has changed, and the report is left as it is",
        f"{told.trials} trials: {counts}",
        f"report: {folder / 'index.html'}",
        *([told.since] if told.since else []),
    ]


def different(noted: dict[str, str], now: dict[str, str]) -> Iterator[str]:
    """The names of what is not as it was, or cannot be looked up."""
    for name in {**noted, **now}:
        if noted.get(name) != now.get(name) or now.get(name) == UNKNOWN:
            yield name
