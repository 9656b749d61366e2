"""Which trials are run again, and why; the others can be taken from the last report."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from harness.changed.state import State, different
from harness.changed.surroundings import Surroundings
from harness.listing import counted
from harness.load import Loaded
from harness.plan import Trial
from harness.report.model import EnvironmentEntry, Report
from harness.workers import Environment


def digests(loaded: Loaded) -> dict[str, list[str]]:
    """By each case's name the digest of what it says, and that of the records that name it.

    Where in which file they stand makes no difference.
    """
    naming: dict[str, list[str]] = defaultdict(list)
    for record in loaded.known_divergences:
        text = repr(record)
        for case in record.cases:
            naming[case].append(text)
    return {case.name: [_digest([repr(case)]), _digest(naming[case.name])] for case in loaded.cases}


def _digest(texts: Iterable[str]) -> str:
    return sha256("\n".join(texts).encode("utf-8", "replace")).hexdigest()[:32]


@dataclass(frozen=True)
class Decision:
    """The trials that are run again, by their ids, each with why; the rest is `taken`."""

    again: dict[str, str]
    taken: frozenset[str]

    @property
    def why(self) -> list[str]:
        """`3 trials: the case has changed`: a line for each reason, the most frequent first."""
        reasons = Counter(self.again.values()).most_common()
        return [f"{counted(count, 'trial')}: {reason}" for reason, count in reasons]


@dataclass(frozen=True)
class Changes:
    """The last report, what was noted of it, and how things are now."""

    report: Report
    state: State
    now: Surroundings
    cases: dict[str, list[str]]
    time_limit: float

    def decide(self, planned: Sequence[Trial], environments: Iterable[Environment]) -> Decision:
        """What to do with each of the trials that are planned."""
        entries = {entry.id: entry for entry in self.report.trials}
        of_all = _said(different(self.state.surroundings.for_all, self.now.for_all))
        of_one = {each.name: self._changed_in(each) for each in environments}
        again: dict[str, str] = {}
        for trial in planned:
            entry = entries.get(trial.id)
            reason = of_all or of_one[trial.target.environment]
            if entry is None:
                reason = "not in the last report"
            elif not reason:
                reason = self._changed_of(trial) or (
                    f"the last time it was: {entry.verdict}"
                    if entry.fails
                    else "it took longer than the time limit"
                    if entry.seconds >= self.time_limit
                    else ""
                )
            if reason:
                again[trial.id] = reason
        return Decision(again, frozenset(trial.id for trial in planned if trial.id not in again))

    def _changed_in(self, environment: Environment) -> str:
        name = environment.name
        noted, now = self.state.surroundings, self.now
        parts = different(noted.environments.get(name, {}), now.environments.get(name, {}))
        entry = next((each for each in self.report.environments if each.name == name), None)
        places = noted.places.get(name) == now.places.get(name)
        if reason := _said(parts):
            return f"{name}: {reason}"
        if entry is None or not places or not is_alike(entry, environment):
            return f"{name} is another environment"
        return ""

    def _changed_of(self, trial: Trial) -> str:
        name = trial.case.name
        noted, now = self.state.cases.get(name, ["", ""]), self.cases[name]
        if noted[:1] != now[:1]:
            return "the case has changed"
        return "" if noted == now else "a record of a known divergence has changed"


def is_alike(entry: EnvironmentEntry, environment: Environment) -> bool:
    """Whether an environment is the one that a report speaks of."""
    return as_environment(entry, environment.crashed) == Environment(
        **{**vars(environment), "printed": entry.printed, "seconds": entry.start_seconds}
    )


def as_environment(entry: EnvironmentEntry, crashed: bool = False) -> Environment:
    """The environment that a report speaks of, as it described itself."""
    return Environment(
        name=entry.name,
        framework=entry.framework,
        python=entry.python or "",
        version=entry.version or "",
        packages=entry.packages,
        devices=tuple(entry.devices),
        absent_devices=entry.absent_devices,
        printed=entry.printed,
        failure=entry.failure or "",
        crashed=crashed,
        seconds=entry.start_seconds,
    )


def _said(names: Iterable[str]) -> str:
    """`harness/judge.py and 2 others have changed`, or nothing."""
    first, *others = [*names, ""]
    if not first:
        return ""
    more = len(others) - 1
    if not more:
        return f"{first} has changed"
    return f"{first} and {more} other{'s' if more > 1 else ''} have changed"
