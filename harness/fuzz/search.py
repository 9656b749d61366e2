"""The search: examples are drawn, run on all that can express them, judged, and what is new shrunk.

Every example has an origin, a text of which its seed is made, so that it is the same whenever it
is drawn and whatever was drawn before.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import chain, repeat

from harness.agreement import Agreement, agreements
from harness.case import ScheduleCase
from harness.fuzz.examples import Content, case_of, example, key_of, shape_of, smallest
from harness.fuzz.known import Known
from harness.judge import Judge
from harness.judgement import Judgement
from harness.observation import Observation
from harness.plan import Selection, Trial, plan
from harness.suite import judgements
from harness.verdict import Verdict
from harness.workers import Environment, Workers

FIRST_ROUND, ROUND = 2, 20
"""Examples of each family that are run together, so that no process waits for another for long."""
SHRINKING = 60.0
"""Seconds that one failure is made smaller for."""
SHRUNK = 5
"""Failures of one look that are made smaller: some may have another cause than the first."""


@dataclass(frozen=True)
class Asked:
    """What the user asked for; no families or implementations means all of them."""

    seed: int
    families: tuple[str, ...]
    implementations: tuple[str, ...] = ()
    examples: int | None = None

    def origin(self, family: str, number: int) -> str:
        """What the example of that number is drawn from."""
        return f"{self.seed}/{family}/{number}"

    def rounds(self) -> Iterator[list[tuple[str, int]]]:
        """Families and numbers of the examples, as evenly spread as can be; the first are few."""
        left, first = self.examples, 0
        for size in chain([FIRST_ROUND], repeat(ROUND)):
            numbers = range(first, first + size)
            whole = [(family, number) for number in numbers for family in self.families]
            first += size
            yield whole if left is None else whole[:left]
            if left is not None:
                left -= len(whole)
                if left <= 0:
                    return


@dataclass
class Tally:
    """What became of the examples of a family.

    `apis` has the trials of each implementation; `widest` is the widest disagreement of two that
    both conform.
    """

    examples: int = 0
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)
    apis: Counter[str] = field(default_factory=Counter)
    new: int = 0
    widest: Agreement | None = None

    @property
    def trials(self) -> int:
        """Those that a framework was asked for."""
        return self.apis.total()

    def add(self, judgement: Judgement) -> None:
        """Count a judgement."""
        self.verdicts[judgement.verdict] += 1
        if judgement.verdict.ran:
            self.apis[judgement.trial.implementation.api] += 1

    def compare(self, conforming: Sequence[Judgement]) -> None:
        """Keep the widest disagreement."""
        for agreement in agreements(conforming):
            if self.widest is None or agreement.share > self.widest.share:
                self.widest = agreement


@dataclass(frozen=True)
class Look:
    """What two failures have in common that may have one cause."""

    api: str
    target: str
    verdict: Verdict
    raised: str

    @classmethod
    def of(cls, judgement: Judgement) -> Look:
        """The look of a failure."""
        trial, observation = judgement.trial, judgement.observation
        raised = observation.raised if isinstance(observation, Observation) else None
        return cls(
            trial.implementation.api,
            str(trial.target),
            judgement.verdict,
            "" if raised is None else raised.type,
        )


@dataclass
class Finding:
    """A divergence that is on no record: its smallest example, and how many failures it stands for.

    `shrunk` counts those that were made smaller to find out.
    """

    origin: str
    content: Content
    judgement: Judgement
    times: int = 1
    shrunk: int = 1

    @property
    def trial(self) -> Trial:
        """The trial of the smallest example."""
        return self.judgement.trial


def _ignore(*_: object) -> None:
    pass


@dataclass(frozen=True)
class Listener:
    """Who is told how the search gets on: of examples done, and of each new finding."""

    on_examples: Callable[[int], None] = field(default=_ignore)
    on_finding: Callable[[Finding], None] = field(default=_ignore)


@dataclass
class Search:
    """A search under way; `tallies` and `findings` hold what is known so far at any moment."""

    asked: Asked
    workers: Workers
    environments: Sequence[Environment]
    known: Known
    listener: Listener = field(default_factory=Listener)
    tallies: dict[str, Tally] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tallies = {family: Tally() for family in self.asked.families}
        self._judge = Judge((), self.known.versions)
        self._wanted = Selection(implementations=self.asked.implementations)
        self._of_look: dict[Look, list[Finding]] = defaultdict(list)
        self._failures: list[Judgement] = []

    def run(self) -> None:
        """Go on until all examples are done, or an exception ends it."""
        for numbers in self.asked.rounds():
            self._run(numbers)
            while self._failures:
                self._look_into(self._failures[0])
                del self._failures[0]

    def left(self) -> Iterator[Finding]:
        """What a search that was ended had found and not looked into, one of each look."""
        for judgement in self._failures:
            case, look = judgement.trial.case, Look.of(judgement)
            assert isinstance(case, ScheduleCase)
            if not self._of_look[look]:
                self.tallies[case.family].new += 1
                found = Finding(case.name, example(case.family, case.name), judgement)
                self._of_look[look].append(found)
                yield found

    def _run(self, numbers: Sequence[tuple[str, int]]) -> None:
        """Run a round of examples, count what became of them, and note what is on no record."""
        asked, source = self.asked, f"found by conform fuzz, seed {self.asked.seed}"
        cases = [
            case_of(example(family, origin), origin, source)
            for family, number in numbers
            for origin in [asked.origin(family, number)]
        ]
        trials = self._trials(cases)
        order = {trial.id: place for place, trial in enumerate(trials)}
        waiting = Counter(trial.case.name for trial in trials)
        conforming: dict[str, list[Judgement]] = defaultdict(list)
        for case in cases:
            if not waiting[case.name]:
                self._done(case)
        by_name = {case.name: case for case in cases}
        for judgement in judgements(self._judge, trials, self.workers):
            case = by_name[judgement.trial.case.name]
            tally = self.tallies[case.family]
            tally.add(judgement)
            if judgement.verdict is Verdict.CONFORMS:
                conforming[case.family].append(judgement)
            elif judgement.verdict.fails:
                record = self.known.met(judgement)
                if record is None:
                    self._failures.append(judgement)
                else:
                    tally.met[record.name] += 1
            waiting[case.name] -= 1
            if not waiting[case.name]:
                self._done(case)
        for family, some in conforming.items():
            self.tallies[family].compare(some)
        self._failures.sort(key=lambda judgement: order[judgement.trial.id])

    def _trials(self, cases: Sequence[ScheduleCase]) -> list[Trial]:
        return [trial for trial in plan(cases, self.environments) if self._wanted.wants(trial)]

    def _done(self, case: ScheduleCase) -> None:
        self.tallies[case.family].examples += 1
        self.listener.on_examples(sum(tally.examples for tally in self.tallies.values()))

    def _look_into(self, judgement: Judgement) -> None:
        """Make a failure smaller, and say whether it is another than those before."""
        case = judgement.trial.case
        assert isinstance(case, ScheduleCase)
        look = Look.of(judgement)
        tally, alike = self.tallies[case.family], self._of_look[look]
        tally.new += 1
        if sum(other.shrunk for other in alike) >= SHRUNK:
            alike[-1].times += 1
            return
        found = self._smallest(judgement, case, look)
        for other in alike:
            if shape_of(other.content) == shape_of(found.content):
                other.times += 1
                other.shrunk += 1
                return
        alike.append(found)
        self.findings.append(found)
        self.listener.on_finding(found)

    def _smallest(self, judgement: Judgement, case: ScheduleCase, look: Look) -> Finding:
        """The smallest example that fails alike; a crash or a hang is left as it was found."""
        origin = case.name
        content = example(case.family, origin)
        found = Finding(origin, content, judgement)
        if look.verdict in {Verdict.CRASHED, Verdict.TIMED_OUT}:
            return found
        answers: dict[str, Judgement | None] = {key_of(content): judgement}
        ends = time.monotonic() + SHRINKING

        def check(smaller: Content) -> None:
            key = key_of(smaller)
            if key not in answers:
                if time.monotonic() > ends:
                    return
                answers[key] = self._fails_alike(case_of(smaller, origin, case.source), look)
            failure = answers[key]
            if failure is not None:
                raise _StillFails(Finding(origin, smaller, failure))

        try:
            smallest(case.family, origin, check)
        except _StillFails as still:
            found = still.finding
        return found

    def _fails_alike(self, case: ScheduleCase, look: Look) -> Judgement | None:
        """The failure of a smaller case on the same implementation and target, if it fails so."""
        for trial in plan([case], self.environments):
            same = trial.implementation.api == look.api and str(trial.target) == look.target
            if same and trial.skip is None:
                (judgement,) = judgements(self._judge, [trial], self.workers)
                if judgement.verdict.fails and Look.of(judgement) == look:
                    return None if self.known.met(judgement) else judgement
        return None


class _StillFails(Exception):
    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.origin)
        self.finding = finding


def families_like(globs: Sequence[str], families: Sequence[str]) -> tuple[str, ...]:
    """The families that one of the globs fits; all without any."""
    return tuple(f for f in families if not globs or any(fnmatchcase(f, g) for g in globs))
