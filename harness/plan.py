"""What will run: cases × implementations × targets. What will not run is in the plan with why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.case import Case, ScheduleCase, SurfaceCase
from harness.catalogue import (
    BASES,
    IMPLEMENTATIONS,
    Call,
    Form,
    Implementation,
    Kind,
    Made,
    Precision,
    Training,
    Unsupported,
    express,
    grouped,
    mappings,
    mode_absence,
    on_device,
    optimizer_absence,
    tensor_rates_absence,
    unfit,
    unfit_device,
)
from harness.durations import Durations
from harness.errors import DeviceAbsent, NothingSelected, UnknownName
from harness.naming import fits
from harness.verdict import Verdict

if TYPE_CHECKING:
    from harness.workers import Environment

MAX_DRIVEN = 200_000
"""Updates that a scheduler is stepped through, or a list is made for, to reach a late step."""

UNKNOWN = "-"
"""The device and the mode of a target whose environment could not be started."""


@dataclass(frozen=True)
class Target:
    """Environment × device × execution mode."""

    environment: str
    device: str
    mode: str

    def __str__(self) -> str:
        return f"{self.environment}/{self.device}/{self.mode}"


@dataclass(frozen=True)
class Skip:
    """Why a trial is not run."""

    verdict: Verdict
    reason: str


@dataclass(frozen=True)
class Trial:
    """One case × one implementation × one target.

    `call` is None for a surface case, and where the trial is skipped; `groups` are the calls of the
    parameter groups beside the first.
    """

    case: Case
    implementation: Implementation
    target: Target
    call: Call | None = None
    skip: Skip | None = None
    groups: tuple[Call, ...] = ()

    @property
    def id(self) -> str:
        """`case::implementation::environment/device/mode`, unique in a run."""
        return f"{self.case.name}::{self.implementation.api}::{self.target}"

    @property
    def applies(self) -> bool:
        """Whether an optimizer applies the rates; not where only an API's arguments are tried."""
        return self.case.dimension != "validation"

    @property
    def shows_applied(self) -> bool:
        """Whether the applied rates are looked at."""
        return self.applies and self.training.reading == "get_last_lr"

    @property
    def optimizer(self) -> str:
        """Who applies the rates.

        MindSpore's SGD compiles a graph for each instance, which takes 0.1 s and more than all else
        of a short trial. Where the optimizer is not what a case is about, a user's own of a few
        lines does, as the documentation of `mindspore.experimental.optim.Optimizer` has it: it
        reads the same Parameter, or asks its base class for the rate.
        """
        about_it = isinstance(self.case, ScheduleCase) and (
            self.case.dimension in {"applied", "modes"}
            or any(group.added_at for group in self.case.groups)
            or (self.case.dimension == "groups" and self.implementation.kind is not Kind.SCHEDULER)
        )
        eager = self.implementation.framework == "mindspore" and self.target.mode == "pynative"
        if eager and self.implementation.kind is not Kind.CALLBACK and not about_it:
            return self.training.optimizer.replace("SGD", "own")
        return self.training.optimizer

    @property
    def awaited(self) -> bool:
        """Whether each MindSpore call is awaited, which costs half the CPU time (PyNative mode).

        Cases about modes and optimizers run as a user's training does, which awaits none.
        """
        return self.case.dimension not in {"applied", "modes"}

    @cached_property
    def training(self) -> Training:
        """The training that the case needs."""
        return training(self.case)


@dataclass(frozen=True)
class Selection:
    """What the user asked for; empty means all. Globs match whole names, or a name's last part.

    `devices` are those of targets, such as `cuda`. Signatures are looked at on the first device.

    `shard`, such as `1/4`, is a part of the cases as a whole, which `share` takes.
    """

    families: tuple[str, ...] = ()
    implementations: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    keyword: str = ""
    shard: str = ""
    devices: tuple[str, ...] = ()

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return self == Selection()

    @property
    def given(self) -> dict[str, Any]:
        """What was asked for, without what was not."""
        return {name: value for name, value in vars(self).items() if value}

    def check(self, cases: Sequence[Case]) -> None:
        """Refuse names that fit nothing.

        Raises:
            UnknownName: for a family or an implementation that there is not.
        """
        families = {family_of(case) for case in cases}
        for family in self.families:
            if not any(fnmatchcase(known, family) for known in families):
                raise UnknownName("family", family, families)
        for pattern in self.implementations:
            if not any(fits(api, pattern) for api in IMPLEMENTATIONS):
                short = {api.rpartition(".")[2] for api in IMPLEMENTATIONS}
                raise UnknownName("implementation", pattern, {*IMPLEMENTATIONS, *short})

    def check_devices(self, environments: Sequence[Environment]) -> None:
        """Refuse devices that no environment has: whoever asks for one relies on its being tried.

        Raises:
            UnknownName: no framework here has such a device at all.
            DeviceAbsent: there is one by that name, and not in any environment here.
        """
        for pattern in self.devices:
            if any(fnmatchcase(device, pattern) for e in environments for device in e.devices):
                continue
            known = {device for e in environments for device in (*e.devices, *e.absent_devices)}
            if not any(fnmatchcase(device, pattern) for device in known):
                raise UnknownName("device", pattern, known)
            raise DeviceAbsent(pattern, [_lack(pattern, e) for e in environments])

    def share(self, cases: Sequence[Case], durations: Durations | None = None) -> tuple[Case, ...]:
        """The cases of the shard, in their order; all cases where there is none.

        They are dealt out by what they cost, the same on every machine. The trials of a case stay
        together, since its implementations are compared with each other.

        Raises:
            NothingSelected: there are more shards than cases, and none is left for this one.
        """
        if not self.shard:
            return tuple(cases)
        index, count = map(int, self.shard.split("/"))
        shares = (durations or Durations()).shares((case.name for case in cases), count)
        mine = set(shares[index - 1])
        if not mine:
            raise NothingSelected(f"no case is left for shard {self.shard} of {len(cases)} cases")
        return tuple(case for case in cases if case.name in mine)

    def wants(self, trial: Trial) -> bool:
        """Whether `trial` is part of the selection."""
        case, api = trial.case, trial.implementation.api
        family = family_of(case)
        return (
            (not self.families or any(fnmatchcase(family, glob) for glob in self.families))
            and (not self.implementations or any(fits(api, g) for g in self.implementations))
            and (not self.targets or any(fnmatchcase(str(trial.target), g) for g in self.targets))
            and (not self.devices or _on(trial.target.device, self.devices))
            and _keyword(self.keyword, f"{trial.id} {' '.join(case.tags)}")
        )


def family_of(case: Case) -> str:
    """The family of a case; `surface` for a case about signatures."""
    return case.family if isinstance(case, ScheduleCase) else "surface"


def training(case: Case) -> Training:
    """How many updates the case needs, and how many of them make an epoch."""
    if isinstance(case, SurfaceCase):
        return Training(updates=0, steps_per_epoch=1)
    return case.training


def plan(
    cases: Iterable[Case], environments: Iterable[Environment], full: bool = False
) -> list[Trial]:
    """Every trial of `cases`, those that cannot run among them.

    Args:
        cases: what to try.
        environments: where to try it.
        full: in every execution mode, and not only in the first of each API and in those that a
            case asks for.
    """
    environments = list(environments)
    return [
        _trial(case, implementation, target, environment)
        for case in cases
        for implementation in implementations_of(case)
        for environment in environments
        if environment.framework == implementation.framework
        for target in _targets(case, implementation, environment, full)
    ]


def implementations_of(case: Case) -> list[Implementation]:
    """The implementations that `case` is for."""
    if isinstance(case, SurfaceCase):
        known = {**IMPLEMENTATIONS, **BASES}
        return [known[name] for name in case.surface]
    if case.implementations is not None:
        names = list(dict.fromkeys(case.implementations))
    else:
        names = [mapping.api for mapping in mappings(family=case.family)]
    found = [IMPLEMENTATIONS[name] for name in names]
    if isinstance(case, ScheduleCase) and case.lr_dtype:
        # In torch the rate stays a tensor, and what is done with it is done in its type.
        precision = Precision(case.lr_dtype)
        return [replace(e, precision=precision) if e.framework == "torch" else e for e in found]
    return found


def _targets(
    case: Case, implementation: Implementation, environment: Environment, full: bool
) -> list[Target]:
    """Devices × modes; a signature is the same in all of them, so one is enough."""
    if environment.failure:
        return [Target(environment.name, UNKNOWN, UNKNOWN)]
    if isinstance(case, SurfaceCase):
        return [Target(environment.name, environment.devices[0], implementation.modes[0])]
    asked = [mode for mode in implementation.modes if mode in (case.modes or ())]
    # How an argument is checked has nothing to do with the mode.
    every = full and case.dimension != "validation"
    return [
        Target(environment.name, device, mode)
        for device in environment.devices
        for mode in (implementation.modes if every else asked or implementation.modes[:1])
    ]


def _trial(
    case: Case, implementation: Implementation, target: Target, environment: Environment
) -> Trial:
    if environment.failure:
        verdict = Verdict.CRASHED if environment.crashed else Verdict.UNAVAILABLE
        return Trial(case, implementation, target, skip=Skip(verdict, environment.failure))
    implementation = on_device(implementation, target.device)
    if isinstance(case, SurfaceCase):  # which is how it is known that a version lacks an API
        return Trial(case, implementation, target)
    calls = unfit_device(case.training, target.device) or calls_of(case, implementation)
    if isinstance(calls, Unsupported):
        skip = Skip(Verdict.UNSUPPORTED, calls.reason)
        return Trial(case, implementation, target, skip=skip)
    needed = [implementation, *_parts([call.arguments for call in calls])]
    absences = [each.absence(environment.version) for each in needed]
    absences += [
        optimizer_absence(case.training, environment.version),
        mode_absence(target.mode, environment.version),
        tensor_rates_absence(case.lr_dtype, implementation.framework, environment.version),
    ]
    lacks = next(filter(None, absences), "")
    if lacks:
        return Trial(case, implementation, target, skip=Skip(Verdict.UNAVAILABLE, lacks))
    return Trial(case, implementation, target, calls[0], groups=tuple(calls[1:]))


def _parts(value: Any) -> Iterator[Implementation]:
    """The implementations that arguments are made of."""
    if isinstance(value, Made):
        if value.api in IMPLEMENTATIONS:
            yield IMPLEMENTATIONS[value.api]
        yield from _parts(value.arguments)
    elif isinstance(value, dict):
        yield from _parts(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _parts(item)


def calls_of(case: ScheduleCase, implementation: Implementation) -> list[Call] | Unsupported:
    """The calls that express each parameter group's schedule, the first group's first."""
    need = case.training
    calls = []
    for schedule in case.schedules:
        call = unfit(implementation, need) or express(implementation, case.family, schedule, need)
        if not isinstance(call, Unsupported) and need.updates > MAX_DRIVEN:
            call = _if_closed(implementation, call, need)
        overrides = case.arguments.get(implementation.api, {})
        if isinstance(call, Unsupported):
            if not overrides:
                return call
            # Arguments for an API that cannot express the schedule are its whole call.
            wraps = implementation.kind in {Kind.SCHEDULER, Kind.CALLBACK}
            call = Call({}, schedule.base_lr if wraps else None, schedule.per_epoch)
        call = call.overridden(overrides)
        if call.base_lr is not None and case.optimizer_lr is not None:
            call = replace(call, base_lr=case.optimizer_lr)
        calls.append(call)
    return grouped(implementation, calls, [group.added_at for group in case.groups])


def _if_closed(implementation: Implementation, call: Call, need: Training) -> Call | Unsupported:
    if implementation.kind is Kind.CELL and implementation.form is Form.CLOSED:
        return call
    return Unsupported(
        f"it would have to go through {need.updates:,} updates to get there; beyond "
        f"{MAX_DRIVEN:,} only what can be called at any step is tried"
    )


def _on(device: str, patterns: Sequence[str]) -> bool:
    """Whether a device was asked for; where an environment has failed, nobody knows its devices."""
    return device == UNKNOWN or any(fnmatchcase(device, pattern) for pattern in patterns)


def _lack(pattern: str, environment: Environment) -> str:
    """Why `environment` has no device that fits."""
    if environment.failure:
        return f"{environment.name}: {environment.failure.strip().splitlines()[-1]}"
    reasons = [
        f"no {device}: {reason}"
        for device, reason in environment.absent_devices.items()
        if fnmatchcase(device, pattern)
    ]
    has = f"has {', '.join(environment.devices)}"
    why = "; ".join(reasons) or f"{environment.framework} knows none by that name"
    return f"{environment.name} {environment.version}: {has}; {why}"


def _keyword(expression: str, text: str) -> bool:
    """pytest's `-k` without parentheses: words joined by `and`, `or` and `not`, in any case.

    >>> _keyword("graph and not stair", "exponential::ExponentialLR::mindspore/cpu/graph")
    True
    """
    text = text.lower()
    return any(
        all(
            (word.removeprefix("not ").strip() in text) != word.startswith("not ")
            for word in map(str.strip, alternative.split(" and "))
        )
        for alternative in expression.lower().split(" or ")
    )
