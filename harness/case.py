"""The case format, version 1: frozen models of what a case file may say.

A case is data. Nothing in it is evaluated as code.
"""

from __future__ import annotations

import keyword
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    FiniteFloat,
    NonNegativeInt,
    PositiveInt,
    PrivateAttr,
    StringConstraints,
    Tag,
    ValidationError,
    create_model,
    model_validator,
)

from harness import patterns
from harness.catalogue import (
    BASES,
    COUNTING,
    IMPLEMENTATIONS,
    OTHER_OPTIMIZERS,
    Made,
    Named,
    Other,
    Resume,
    Training,
)
from harness.errors import did_you_mean
from harness.reference import FAMILIES, FUNCTIONS, Plateau, Schedule, WarmRestarts
from harness.reference.cosine import told
from harness.reference.double_double import DoubleDouble
from harness.reference.elementary import MAX_COUNT
from harness.reference.exact import Exact
from harness.versions import within

MAX_OBSERVED = 100_000
"""Steps that one case may look at."""
MAX_LISTED = 1_000
"""Steps that a case may name one by one."""
LONG = 1_000
"""Steps from which on a case's reference rates are too many to be kept for the whole run."""
MAX_STEP = MAX_COUNT
"""The last step that the reference models are exact for."""


class Strict(BaseModel):
    """A frozen model that refuses unknown keys and converts nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _known_api(api: str) -> str:
    return _known_in(IMPLEMENTATIONS, api)


def _known_surface(api: str) -> str:
    return _known_in({**IMPLEMENTATIONS, **BASES}, api)


def _known_in(apis: Collection[str], api: str) -> str:
    if api not in apis:
        raise ValueError(f"the catalogue has no {api!r}{did_you_mean(api, apis)}")
    return api


def _one_line(text: str) -> str:
    if not text.isprintable() or "::" in text:
        raise ValueError("a name is one printable line without '::'")
    if text != text.strip() or not text or text.startswith("-"):
        raise ValueError("a name neither begins nor ends with a blank, nor begins with '-'")
    return text


def _identifier(text: str) -> str:
    if not (text.isascii() and text.isidentifier()) or keyword.iskeyword(text):
        raise ValueError(f"the name of an argument is a Python identifier, not {text!r}")
    return text


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=120), AfterValidator(_one_line)]
Api = Annotated[str, AfterValidator(_known_api)]
Pattern = Annotated[str, StringConstraints(min_length=1), AfterValidator(patterns.check)]
Identifier = Annotated[str, StringConstraints(min_length=1), AfterValidator(_identifier)]
"""The name of an argument, which becomes code in a reproducer."""


def _not_nan(value: float) -> float:
    if math.isnan(value):
        raise ValueError("no schedule has a rate that is not a number")
    return value


SequenceName = Annotated[str, StringConstraints(pattern=r"^(reported|applied)( [1-9]\d{0,3})?$")]
Rate = Annotated[float, AfterValidator(_not_nan)]
Eighth = Annotated[float, Field(multiple_of=0.125, ge=-MAX_STEP, le=MAX_STEP)]
Values = Annotated[
    Annotated[list[Rate], Tag("list")] | Annotated[dict[NonNegativeInt, Rate], Tag("mapping")],
    Discriminator(lambda value: "mapping" if isinstance(value, dict) else "list"),
]


class Window(Strict):
    """The steps from `start` to before `stop`."""

    start: NonNegativeInt = Field(le=MAX_STEP)
    stop: PositiveInt = Field(le=MAX_STEP)

    @model_validator(mode="after")
    def _some_but_not_too_many(self) -> Window:
        if not 0 < self.stop - self.start <= MAX_OBSERVED:
            raise ValueError(f"stop must exceed start by 1 to {MAX_OBSERVED:,}")
        return self


def _argument(value: Any) -> Any:
    """Plain values and lists; beside them what is made by a name, never any other call."""
    if isinstance(value, list):
        return [_argument(item) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"api", "arguments"} and isinstance(value["arguments"], dict):
        api = _known_api(value["api"]) if isinstance(value["api"], str) else ""
        if api:
            given = value["arguments"].items()
            return Made(api, {_identifier(str(name)): _argument(item) for name, item in given})
    if set(value) == {"optimizer"} and value["optimizer"] in OTHER_OPTIMIZERS:
        return Other(value["optimizer"])
    if "function" in value and set(value) <= {"function", "a", "values"}:
        name, a, values = value["function"], value.get("a", 1.0), value.get("values", [])
        # What it gives may be as bad as it likes: that is what such a case tries.
        numbers = isinstance(values, list) and all(isinstance(x, int | float) for x in [a, *values])
        if name in {*FUNCTIONS, COUNTING} and numbers:
            return Named(name, a, tuple(values))
    raise ValueError(
        "an argument is a plain value, a list, {api: ..., arguments: ...} with an API of the "
        "catalogue, {function: ..., a: ..., values: ...} or {optimizer: SGD}"
    )


Argument = Annotated[Any, AfterValidator(_argument)]


def _increasing(steps: list[int]) -> list[int]:
    if any(b <= a for a, b in pairwise(steps)):
        raise ValueError("steps must increase")
    return steps


def _shape_of_steps(value: Any) -> str:
    if isinstance(value, dict | Window):
        return "window"
    return "list" if isinstance(value, list) else "number"


Steps = Annotated[
    Annotated[int, Field(ge=1, le=MAX_OBSERVED), Tag("number")]
    | Annotated[Window, Tag("window")]
    | Annotated[
        list[Annotated[int, Field(ge=0, lt=MAX_STEP)]],
        Field(min_length=1, max_length=MAX_LISTED),
        AfterValidator(_increasing),
        Tag("list"),
    ],
    Discriminator(_shape_of_steps),
]


class Tolerance(Strict):
    """What a case allows between an observed value and its own expected one, instead of the budget.

    The allowance is the greatest of the given three.
    """

    rtol: FiniteFloat | None = Field(default=None, ge=0)
    atol: FiniteFloat | None = Field(default=None, ge=0)
    ulp: FiniteFloat | None = Field(
        default=None,
        ge=0,
        description="units in the last place of the observed precision; 0 means every printed "
        "digit, the expected value being rounded to that precision first",
    )
    reason: Text

    @model_validator(mode="after")
    def _something(self) -> Tolerance:
        if self.rtol is None and self.atol is None and self.ulp is None:
            raise ValueError("give at least one of rtol, atol and ulp")
        return self


Exceptions = Annotated[
    Annotated[Text, Tag("one")] | Annotated[list[Text], Field(min_length=1), Tag("several")],
    Discriminator(lambda value: "several" if isinstance(value, list) else "one"),
]
CONSTRUCTION = "construction"
At = Annotated[
    Annotated[Literal["construction"], Tag("construction")]
    | Annotated[NonNegativeInt, Tag("step")],
    Discriminator(lambda value: "construction" if isinstance(value, str) else "step"),
]


class DueException(Strict):
    """The exception that is due, if any: a particular one, and where it is raised."""

    raises: Exceptions | None = Field(
        default=None, description="name of the exception's type, or of several of which any will do"
    )
    message: Pattern | None = Field(
        default=None, description="regular expression found in the exception's text"
    )
    at: At | None = Field(
        default=None,
        description="where it is raised: at construction, which is the default, or the step whose "
        "rate is not reached any more",
    )
    any_exception: Text | None = Field(
        default=None, description="why any exception will do, where raises is Exception"
    )

    @property
    def exceptions(self) -> tuple[str, ...]:
        """The types of exception of which one is due; empty where none is."""
        return (self.raises,) if isinstance(self.raises, str) else tuple(self.raises or ())

    @model_validator(mode="after")
    def _particular(self) -> DueException:
        if not self.raises:
            if self.message:
                raise ValueError("message is the text of an exception: give raises with it")
            if self.at is not None or self.any_exception:
                raise ValueError("at and any_exception are of an exception: give raises with them")
            return self
        any_will_do = bool({"Exception", "BaseException"} & set(self.exceptions))
        if any_will_do and not self.any_exception:
            raise ValueError(
                "every exception is an Exception, a full disk too: name the types that are due, as "
                "in raises: [TypeError, ValueError], or say why any will do: any_exception: ..."
            )
        if self.any_exception and not any_will_do:
            raise ValueError("any_exception goes with raises: Exception")
        return self


class Expected(DueException):
    """The sequence that a schedule must produce, or the exception that it must raise."""

    values: Values | None = Field(
        default=None, description="one rate for each step, or a mapping from some steps to rates"
    )
    documented: Values | None = Field(
        default=None,
        description="rates that a documentation claims, as in values: they alone are judged, "
        "where the documentation contradicts the schedule's definition",
    )
    prints: Pattern | None = Field(
        default=None, description="regular expression found in what the calls print"
    )
    warns: Pattern | Literal[False] | None = Field(
        default=None,
        description="regular expression found in one of the warnings; false where none is due",
    )
    accepted: Literal[True] | None = Field(
        default=None, description="no exception is due, whatever the rates"
    )

    @property
    def reads(self) -> bool:
        """Whether more is looked at than rates and exceptions."""
        return self.prints is not None or self.warns is not None

    @model_validator(mode="after")
    def _values_or_exception(self) -> Expected:
        ways = (self.values, self.documented, self.raises, self.accepted)
        if sum(way is not None for way in ways) != 1:
            raise ValueError("give either values or raises, or documented, or accepted: true")
        if self.reads and self.raises:
            raise ValueError("prints and warns go with values")
        return self


class ResumePoint(Strict):
    """Where the training is broken off, and how it goes on in new objects."""

    at: PositiveInt = Field(description="the update before which it is broken off")
    by: Literal["state_dict", "checkpoint", "last_epoch"] = Field(
        description="what is carried over: state_dict of optimizer and scheduler; a file that the "
        "framework writes; or the rates, initial rates and the number of the last epoch"
    )
    into: dict[Identifier, Argument] = Field(
        default={},
        description="arguments of the new object that differ; what is carried over overrides them",
    )
    twice: bool = Field(default=False, description="whether the same state is loaded a second time")


class Group(Strict):
    """A further parameter group."""

    schedule: dict[Text, Any] = Field(description="parameters that differ from the case's schedule")
    values: Values | None = Field(
        default=None, description="the group's own expected rates, as in expected"
    )
    added_at: NonNegativeInt = Field(
        default=0, description="the update before which the group joins the optimizer"
    )


DIMENSIONS = {
    "values": "values, stepping as users step",
    "end": "the end of the schedule and beyond",
    "long": "long schedules and late steps",
    "extremes": "extreme parameters and rates",
    "modes": "execution modes",
    "applied": "reported against applied, and the optimizers",
    "resume": "interruption and resume",
    "groups": "parameter groups",
    "composition": "composition",
    "changes": "changes from outside",
    "stepping": "step(epoch) against plain stepping, closed against chainable form",
    "validation": "validation of arguments",
    "surface": "names, order, kinds and defaults of arguments",
    "documentation": "formulas, examples and promises of the documentation",
}
"""What a case is there to test."""
Dimension = Literal[
    "values",
    "end",
    "long",
    "extremes",
    "modes",
    "applied",
    "resume",
    "groups",
    "composition",
    "changes",
    "stepping",
    "validation",
    "surface",
    "documentation",
]


class Located(Strict):
    """Something that remembers where it was loaded from."""

    _file: str = PrivateAttr(default="")
    _line: int = PrivateAttr(default=0)

    @property
    def file(self) -> str:
        """The file that it was loaded from."""
        return self._file

    @property
    def line(self) -> int:
        """The line where it begins, counted from 1."""
        return self._line

    def located(self, file: str, line: int) -> None:
        """Remember where it was loaded from."""
        self._file, self._line = file, line


class CaseBase(Located):
    """What every case says of itself."""

    name: Name
    description: Text = Field(description="what must hold, as a statement")
    source: Text = Field(description="citation of where the expectation comes from")
    tags: list[Text] = []
    dimension: Dimension = Field(default="values", description="what the case is there to test")


class ScheduleCase(CaseBase):
    """A schedule and the sequence, or the exception, that it must produce."""

    family: str
    schedule: Schedule
    steps: Steps = Field(
        description="a number n for steps 0 to n-1, a window, or a list of increasing steps"
    )
    steps_per_epoch: int = Field(default=1, ge=1, le=MAX_STEP)
    expected: Expected
    tolerance: Tolerance | None = None
    implementations: Annotated[list[Api], Field(min_length=1)] | None = Field(
        default=None, description="the APIs that the case is for; by default all of the family's"
    )
    arguments: dict[Api, dict[Identifier, Argument]] = Field(
        default={}, description="arguments to replace or add, for single APIs"
    )
    optimizer: Literal[
        "SGD",
        "Momentum",
        "Adam",
        "AdamW",
        "SGD fused",
        "Adam fused",
        "AdamW fused",
        "Adam capturable",
        "AdamW capturable",
    ] = Field(
        default="SGD",
        description="the optimizer that consumes the rates; torch has some of them in one kernel "
        "(fused), or fit for a captured graph (capturable)",
    )
    stepping: Literal["plain", "epoch"] = Field(
        default="plain", description="step(), or step(epoch) with the count as its argument"
    )
    epochs: list[Eighth | None] | None = Field(
        default=None,
        description="what step(epoch) is told after each update, in eighths at the finest; null "
        "where it is told nothing and goes on by one; for warm_restarts, which takes parts of one",
    )
    step_replaced: bool = Field(
        default=False,
        description="once the scheduler is made, somebody puts a function of their own in the "
        "place of optimizer.step, as tools for mixed precision do; it calls the one that was there",
    )
    reading: Literal["get_last_lr", "get_lr", "last_epoch", "momentum"] = Field(
        default="get_last_lr",
        description="what is looked at: a scheduler's get_last_lr(); its get_lr(), which is not "
        "meant for users; its last_epoch; or the optimizer's momentum, which some schedulers move "
        "with the rate",
    )
    changes: dict[NonNegativeInt, FiniteFloat] = Field(
        default={},
        description="rates that somebody sets from outside, by the update before which it happens",
    )
    optimizer_lr: FiniteFloat | None = Field(
        default=None,
        ge=0,
        description="the optimizer's rate before a scheduler is made, if it is not base_lr",
    )
    lr_dtype: Literal["float64", "float32", "float16", "bfloat16"] | None = Field(
        default=None,
        description="the optimizer is given its rate as a tensor of that type, on the device of "
        "its weights; torch's rates stay in it, MindSpore's are float32; by default as a number",
    )
    lr_shared: bool = Field(
        default=False,
        description="all groups are given one and the same tensor, as they are where an "
        "optimizer's own lr is a tensor; with lr_dtype",
    )
    lr_parameter: bool = Field(
        default=False,
        description="the tensor is a Parameter, where rates are such (MindSpore); with lr_dtype",
    )
    resume: ResumePoint | None = None
    groups: list[Group] = Field(default=[], description="parameter groups beside the first")
    modes: list[Text] | None = Field(
        default=None,
        description="execution modes that it runs in; by default the first of each API, and all "
        "of them in a full run",
    )

    @property
    def observed_steps(self) -> NDArray[np.int64]:
        """The steps that the case looks at, int64, increasing; not to be written to."""
        if isinstance(self.steps, int):
            return _first_steps(self.steps) if self.steps <= LONG else np.arange(self.steps)
        if isinstance(self.steps, Window):
            return np.arange(self.steps.start, self.steps.stop)
        return np.array(self.steps, dtype=np.int64)

    @property
    def training(self) -> Training:
        """The training that the case needs."""
        steps = self.steps
        if isinstance(steps, Window):
            updates = steps.stop
        else:
            updates = steps if isinstance(steps, int) else steps[-1] + 1
        return Training(
            updates=updates,
            steps_per_epoch=self.steps_per_epoch,
            optimizer=self.optimizer,
            lr_dtype=self.lr_dtype,
            lr_shared=self.lr_shared,
            lr_parameter=self.lr_parameter,
            stepping=self.stepping,
            told=() if self.epochs is None else tuple(self.epochs),
            step_replaced=self.step_replaced,
            reading=self.reading,
            changes=self.changes,
            resume=None
            if self.resume is None
            else Resume(self.resume.at, self.resume.by, self.resume.into, self.resume.twice),
        )

    @property
    def schedules(self) -> list[Schedule]:
        """The schedule of each parameter group."""
        return [self.schedule, *(self._schedule_of(group) for group in self.groups)]

    @property
    def courses(self) -> list[Schedule]:
        """The schedules as the training goes through them, which may be told where it is."""
        if self.epochs is None:
            return self.schedules
        return [told(schedule, self.epochs) for schedule in self.schedules]

    def _schedule_of(self, group: Group) -> Schedule:
        given = self.schedule.model_dump(exclude_unset=True, by_alias=True)
        return type(self.schedule).model_validate({**given, **group.schedule})

    def steps_of(self, group: int) -> NDArray[np.int64]:
        """The observed steps at which a group is there; group 0 is the first."""
        steps, joins = self.observed_steps, self.groups[group - 1].added_at if group else 0
        return steps[steps >= joins] if joins else steps

    @property
    def own_values(self) -> Values | None:
        """The case's own rates, be they due or only claimed."""
        return self.expected.documented or self.expected.values

    @property
    def expected_values(self) -> NDArray[np.float64]:
        """The case's own rates at `observed_steps`, NaN where it gives none."""
        return self.expected_of(0)

    def expected_of(self, group: int) -> NDArray[np.float64]:
        """The case's own rates of a group at its steps, NaN where it gives none."""
        values = self.groups[group - 1].values if group else self.own_values
        if isinstance(values, list):
            return np.array(values, dtype=np.float64)
        steps = self.steps_of(group)
        expected = np.full(len(steps), np.nan)
        for step, value in (values or {}).items():
            expected[steps == step] = value
        return expected

    @property
    def reference(self) -> NDArray[np.float64]:
        """The reference model's rates at `observed_steps`."""
        return self.reference_of(0)

    def reference_of(self, group: int) -> NDArray[np.float64]:
        """The reference model's rates of a group at its steps; not to be written to."""
        return _exact(self, group).rates

    def remainder_of(self, group: int) -> NDArray[np.float64]:
        """What the rates of `reference_of`, being float64, lack of the exact ones.

        NaN where that is not known, at the ends of the range; not to be written to.
        """
        return _exact(self, group).remainder

    def course_of(self, group: int) -> Course:
        """What a group's rates depend on, as a key."""
        return _course(_Asked(self, group))

    def is_held(self, group: int) -> bool:
        """Whether float64 holds each parameter that the rates of `reference_of` were made from."""
        return _exact(self, group).held

    def training_of(self, group: int) -> Training:
        """The training as one group sees it: who joins later is set to its rate there and then."""
        if not group:
            return self.training
        joins = self.groups[group - 1].added_at
        return replace(
            self.training, changes={joins: self.schedules[group].base_lr} if joins else {}
        )

    @model_validator(mode="after")
    def _consistent(self) -> ScheduleCase:
        if self.schedule.per_epoch and "steps_per_epoch" not in self.model_fields_set:
            raise ValueError("a schedule that counts in epochs needs steps_per_epoch")
        idle = set(self.arguments) - set(self.implementations or self.arguments)
        if idle:
            raise ValueError(f"arguments for {min(idle)}, which is not among the implementations")
        self._check_groups()
        self._check_tensor()
        self._check_metrics()
        self._check_epochs()
        if self.changes and self.stepping == "epoch":
            raise ValueError("step(epoch) takes no notice of a rate set from outside")
        steps, values = self.observed_steps, self.own_values
        if self.resume and self.resume.at not in steps[1:]:
            raise ValueError("resume.at must be one of the steps, and not the first")
        if isinstance(values, list) and len(values) != len(steps):
            raise ValueError(f"expected.values has {len(values)} values for {len(steps)} steps")
        if isinstance(values, dict):
            if not values:
                raise ValueError("expected.values is empty")
            beyond = sorted(set(values) - set(steps.tolist()))
            if beyond:
                raise ValueError(f"expected.values gives step {beyond[0]}, which is not in steps")
        return self

    def _check_tensor(self) -> None:
        if (self.lr_shared or self.lr_parameter) and not self.lr_dtype:
            raise ValueError("lr_shared and lr_parameter are about a tensor: give lr_dtype")
        rates = {schedule.base_lr for schedule in self.schedules}
        if self.lr_shared and (len(rates) > 1 or not self.groups):
            raise ValueError("lr_shared is for several groups that begin at the same rate")
        if self.lr_shared and (self.resume or any(group.added_at for group in self.groups)):
            raise ValueError("lr_shared goes with neither resume nor added_at")

    def _check_epochs(self) -> None:
        if self.epochs is None:
            return
        if not isinstance(self.schedule, WarmRestarts) or self.schedule.per_epoch:
            raise ValueError("epochs are for warm_restarts, counted in updates")
        if self.resume or self.changes or self.stepping != "plain":
            raise ValueError("epochs go with neither resume nor changes nor stepping")
        if len(self.epochs) != self.training.updates:
            raise ValueError(
                f"{len(self.epochs)} epochs for {self.training.updates} updates: give one each"
            )

    def _check_metrics(self) -> None:
        if isinstance(self.schedule, Plateau):
            length = self.steps_per_epoch if self.schedule.per_epoch else 1
            told, given = self.training.updates // length, len(self.schedule.metrics)
            if given < told:
                raise ValueError(
                    f"{given} metrics for {told} steps of the scheduler: give one each"
                )

    def _check_groups(self) -> None:
        for number, group in enumerate(self.groups, start=1):
            try:
                self._schedule_of(group)
            except ValidationError as error:
                fault = error.errors(include_url=False)[0]
                where = ".".join(str(part) for part in fault["loc"])
                raise ValueError(f"group {number}: {where}: {fault['msg']}") from None
            values, steps = group.values, self.steps_of(number)
            if isinstance(values, list) and len(values) != len(steps):
                raise ValueError(f"group {number} has {len(values)} values for {len(steps)} steps")


@lru_cache(maxsize=LONG)
def _first_steps(number: int) -> NDArray[np.int64]:
    steps = np.arange(number)
    steps.flags.writeable = False
    return steps


class _Asked:
    """A case, as a key: it is frozen, so it is itself and no other."""

    def __init__(self, case: ScheduleCase, group: int) -> None:
        self.case, self.group = case, group

    def __hash__(self) -> int:
        return hash((id(self.case), self.group))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Asked) and self.case is other.case and self.group == other.group


@dataclass(frozen=True)
class Course:
    """What a group's rates depend on: the same of many cases, as of those of one validation."""

    said: tuple[object, ...]
    case: ScheduleCase = field(compare=False)
    group: int = field(compare=False)

    @property
    def is_long(self) -> bool:
        """Whether what is made of it takes too much memory to be kept for the whole run."""
        return len(self.case.steps_of(self.group)) > LONG


@lru_cache(maxsize=8192)
def _course(asked: _Asked) -> Course:
    case, group = asked.case, asked.group
    changes = tuple(case.training_of(group).changes.items())
    joins = case.groups[group - 1].added_at if group else 0
    said = (repr(case.courses[group]), repr(case.steps), joins, case.steps_per_epoch, changes)
    return Course(said, case, group)


class _Noticed(Exact):
    """Exact arithmetic that notes whether any parameter is none that float64 holds."""

    held = True

    def root(self, value: float, degree: int) -> DoubleDouble:
        self.held = False
        return super().root(value, degree)

    def per(self, value: float, parts: int) -> DoubleDouble:
        self.held = False
        return super().per(value, parts)


@dataclass(frozen=True)
class _Exact:
    rates: NDArray[np.float64]
    remainder: NDArray[np.float64]
    held: bool


def _exact(case: ScheduleCase, group: int) -> _Exact:
    """The rates and what they lack: each implementation of a case asks anew, and the report.

    Of long cases the last few are kept, so that memory does not grow with their number.
    """
    course = case.course_of(group)
    return (_of_long if course.is_long else _of_short)(course)


@lru_cache(maxsize=4096)
def _of_short(course: Course) -> _Exact:
    return _worked_out(course)


@lru_cache(maxsize=8)
def _of_long(course: Course) -> _Exact:
    return _worked_out(course)


def _worked_out(course: Course) -> _Exact:
    case, group, n = course.case, course.group, _Noticed()
    changes = case.training_of(group).changes
    schedule, steps = case.courses[group], case.steps_of(group)
    rates, remainder = schedule.known(steps, case.steps_per_epoch, changes, n)
    rates.flags.writeable = remainder.flags.writeable = False
    return _Exact(rates, remainder, n.held)


class ParameterFacts(Strict):
    """What a signature must say of one parameter; what is left out is not looked at."""

    position: PositiveInt | None = Field(default=None, description="counted from 1, without self")
    required: bool | None = None
    default: str | int | float | bool | None = Field(
        default=None, description="the default value; leave it out where it does not matter"
    )

    @property
    def states_default(self) -> bool:
        """Whether the default is given, be it None."""
        return "default" in self.model_fields_set


class Surface(Strict):
    """What the signature of one API must be."""

    signature: Text | None = Field(
        default=None, description="the whole: (optimizer, gamma, last_epoch=-1)"
    )
    has: dict[Text, ParameterFacts] = {}
    lacks: list[Text] = []

    @model_validator(mode="after")
    def _something(self) -> Surface:
        if not (self.signature or self.has or self.lacks):
            raise ValueError("give at least one of signature, has and lacks")
        return self


class SurfaceCase(CaseBase):
    """What the signatures of some APIs must be."""

    dimension: Dimension = "surface"

    surface: Annotated[
        dict[Annotated[str, AfterValidator(_known_surface)], Surface], Field(min_length=1)
    ]


def _family_case(family: str, schedule: type[Schedule]) -> Any:
    return create_model(
        f"{family.title().replace('_', '')}Case",
        __base__=ScheduleCase,
        __module__=__name__,
        family=(Literal[family], ...),  # type: ignore[arg-type]
        schedule=(schedule, ...),
    )


def _kind_of_case(value: Any) -> str | None:
    if isinstance(value, SurfaceCase) or (isinstance(value, dict) and "surface" in value):
        return "surface"
    family = value.get("family") if isinstance(value, dict) else getattr(value, "family", None)
    return family if isinstance(family, str) and family in FAMILIES else None


Case: TypeAlias = ScheduleCase | SurfaceCase
_CASES: Any = Annotated[SurfaceCase, Tag("surface")]
for _family, _schedule in FAMILIES.items():
    _CASES = _CASES | Annotated[_family_case(_family, _schedule), Tag(_family)]


class Input(DueException):
    """One value for one argument, and what is due then."""

    value: Any
    accepted: Literal[True] | None = None
    schedule: dict[Text, Any] = Field(
        default={}, description="what this value makes of the schedule, whose rates are due before"
    )
    source: Text | None = Field(default=None, description="where that is said, if elsewhere")

    @model_validator(mode="after")
    def _one_outcome(self) -> Input:
        if (self.raises is None) == (self.accepted is None):
            raise ValueError("give either raises or accepted: true")
        return self

    @property
    def expected(self) -> dict[str, Any]:
        """The outcome, as a case gives it."""
        if self.raises is None:
            return {"accepted": True}
        said = self.model_dump(include=set(DueException.model_fields), exclude_none=True)
        return dict(said)


class Validation(Located):
    """Inputs for the arguments of one API: which are refused, how, and which are not.

    Stands for a case for each input, named `<name>/<argument>=<value>`, in which the API is given
    that value in an otherwise good call and stepped through a short training.
    """

    name: Name
    source: Text
    implementation: Api
    family: Text
    schedule: dict[Text, Any] = Field(description="of the good call")
    steps_per_epoch: int = Field(default=1, ge=1)
    inputs: Annotated[dict[Identifier, list[Input]], Field(min_length=1)]

    def expanded(self) -> Iterator[dict[str, Any]]:
        """The cases, as a file would give them."""
        for argument, inputs in self.inputs.items():
            for entry in inputs:
                types = " or ".join(entry.exceptions)
                due = f"raises {types}" if types else "is accepted"
                short = self.implementation.rpartition(".")[2]
                yield {
                    "name": f"{self.name}/{argument}={_shown(entry.value)}",
                    "description": f"{short} with {argument}={_shown(entry.value)} {due}.",
                    "source": entry.source or self.source,
                    "dimension": "validation",
                    "tags": ["validation"],
                    "family": self.family,
                    "schedule": {**self.schedule, **entry.schedule},
                    "steps": 4,
                    "steps_per_epoch": self.steps_per_epoch,
                    "implementations": [self.implementation],
                    "arguments": {self.implementation: {argument: entry.value}},
                    "expected": entry.expected,
                }


def _shown(value: Any) -> str:
    if isinstance(value, str):
        text = value.replace("::", ":")
        return text if text and text == text.strip() else repr(text)
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def _steps_of(key: int | str) -> range:
    """The steps that a key of values stands for: one, or those from the first to the last.

    >>> _steps_of(3), _steps_of("3-5")
    (range(3, 4), range(3, 6))
    """
    if isinstance(key, int):
        return range(key, key + 1)
    first, _, last = key.partition("-")
    return range(int(first), int(last) + 1)


def _ascending(key: str) -> str:
    if not 1 < len(_steps_of(key)) <= MAX_OBSERVED:
        raise ValueError(f"{key!r}: the last step must exceed the first, and be near enough")
    return key


Span = Annotated[str, StringConstraints(pattern=r"^\d{1,15}-\d{1,15}$"), AfterValidator(_ascending)]
StepOrSpan = Annotated[
    Annotated[NonNegativeInt, Tag("step")] | Annotated[Span, Tag("span")],
    Discriminator(lambda key: "span" if isinstance(key, str) else "step"),
]


class Rates(Strict):
    """The rates of a sequence, where they are not as due."""

    values: dict[StepOrSpan, float] | None = Field(
        default=None,
        description="observed rates, to the printed digits, by the step or by the first and the "
        "last of several, as in 3-5",
    )
    schedule: dict[Text, Any] | None = Field(
        default=None,
        description="the schedule that it follows instead, with its family: the rates at all steps "
        "that values does not name",
    )

    @property
    def by_step(self) -> dict[int, float]:
        """The observed rates step by step."""
        return {step: rate for key, rate in (self.values or {}).items() for step in _steps_of(key)}

    @property
    def says_something(self) -> bool:
        """Whether it says of any step that it is not as due."""
        return self.values is not None or self.schedule is not None

    @property
    def instead(self) -> Schedule | None:
        """The schedule that is followed in place of the case's."""
        if self.schedule is None:
            return None
        given = {name: value for name, value in self.schedule.items() if name != "family"}
        return FAMILIES[self.schedule["family"]].model_validate(given)

    @model_validator(mode="after")
    def _readable(self) -> Rates:
        if self.schedule is not None and self.schedule.get("family") not in FAMILIES:
            raise ValueError(f"schedule needs a family, one of {', '.join(FAMILIES)}")
        if self.values is not None and sum(map(len, map(_steps_of, self.values))) != len(
            self.by_step
        ):
            raise ValueError("values names a step twice")
        try:
            self.instead  # noqa: B018
        except ValidationError as error:
            raise ValueError(f"schedule: {error.errors(include_url=False)[0]['msg']}") from None
        return self


class Observed(Rates):
    """What a divergence looks like; a trial that differs from it is not covered.

    `values` and `schedule` are of every sequence but those that `sequences` names. Steps and
    sequences of which nothing is said are as due. Where an exception was due, everything is said.
    """

    sequences: dict[SequenceName, Rates] = Field(
        default={},
        description="single sequences that look otherwise: reported, applied, and with the number "
        "of a further group, as in applied 1; {} for one that is as due",
    )
    raises: Text | None = None
    message: Pattern | None = None
    at: At | None = Field(default=None, description="where it raises, as in expected")
    signature: Text | None = None
    accepted: Literal[True] | None = Field(
        default=None, description="it gave these rates where an exception was due"
    )
    reason: Pattern | None = Field(
        default=None,
        description="what the judge says of it, where neither rates nor exceptions tell",
    )

    def rates_of(self, sequence: str) -> Rates:
        """What is recorded of a sequence."""
        return self.sequences.get(sequence, self)

    @model_validator(mode="after")
    def _something(self) -> Observed:
        if not self.model_fields_set - {"message", "at"}:
            raise ValueError("give at least one of values, raises, signature, accepted and reason")
        if (self.message or self.at is not None) and not self.raises:
            raise ValueError("message and at are of an exception: give raises with them")
        if self.accepted and not any(
            rates.says_something for rates in (self, *self.sequences.values())
        ):
            raise ValueError("accepted: say which rates it gave, in values")
        return self


def _specifiers(text: str) -> str:
    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        raise ValueError(f"not a version specifier: {text!r} (as in '>=2.13')") from None
    return text


SEVERITIES = {
    "wrong rates": "A training runs on other rates than were asked for, and nothing says so.",
    "fails": "An exception where a rate was due.",
    "misleads": "Documentation that is wrong, or bad input that passes.",
}
"""How badly a divergence bites, worst first."""


class KnownDivergence(CaseBase):
    """A recorded, explained and bounded disagreement. It covers what it names and nothing else."""

    cases: Annotated[list[Name], Field(min_length=1)] = Field(
        description="the cases that show it, the smallest first"
    )
    implementations: Annotated[list[Api], Field(min_length=1)]
    target: Text = Field(default="*", description="glob over targets, such as mindspore/cpu/*")
    versions: Annotated[str, AfterValidator(_specifiers)] = Field(
        description="versions of the framework that it covers, such as '>=2.13'"
    )
    seen: Annotated[list[Text], Field(min_length=1)] = Field(
        description="versions in which it was seen"
    )
    kind: Literal[
        "documentation",
        "semantics",
        "validation",
        "precision",
        "mode",
        "resume",
        "applied-vs-reported",
        "end of schedule",
        "surface",
    ]
    severity: Literal["wrong rates", "fails", "misleads"] = Field(
        description="wrong rates: a training runs on other rates than was asked for, and nothing "
        "says so; fails: an exception where a rate was due; misleads: documentation, or bad "
        "input that passes"
    )
    observed: Observed
    observed_in: dict[Text, Observed] = Field(
        default={},
        description="what it looks like in single cases where it looks otherwise; or in one "
        "implementation of a case, as <case>::<implementation>",
    )
    expected: Text = Field(description="what was due, in words or numbers")
    explanation: Text
    remedy: Text = Field(description="whom it bites, and what to do instead")
    until: Text = Field(description="the condition under which the record must go")
    upstream: Text | None = Field(
        default=None, description="where the framework's own people speak of it"
    )

    @model_validator(mode="after")
    def _other_looks_are_of_its_cases(self) -> KnownDivergence:
        for key in self.observed_in:
            case, _, api = key.partition("::")
            if case not in self.cases:
                raise ValueError(f"observed_in names {case!r}, which is not among the cases")
            if api and api not in self.implementations:
                raise ValueError(f"observed_in names {api!r}, which is not among them")
        return self

    @property
    def is_past(self) -> bool:
        """Whether it is of earlier versions alone."""
        return any(each.operator in {"<", "<=", "=="} for each in SpecifierSet(self.versions))

    def concerns(self, framework: str, version: str) -> bool:
        """Whether a version of a framework is one that it is of."""
        apis = (api.partition(".")[0] for api in self.implementations)
        return framework in apis and within(version, self.versions)

    def look(self, case: str, api: str = "") -> Observed:
        """What the divergence looks like in a case, and in one implementation of it."""
        in_case = self.observed_in.get(case, self.observed)
        return self.observed_in.get(f"{case}::{api}", in_case)

    def covers(self, case: str, api: str, target: str, version: str) -> bool:
        """Whether a trial is in the record's scope."""
        return (
            case in self.cases
            and api in self.implementations
            and fnmatchcase(target, self.target)
            and within(version, self.versions)
        )


def _no_truth_value(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"input should be 1, got {value}")
    return value


class CaseFile(Strict):
    """One YAML file: cases, known divergences, or both."""

    format: Annotated[Literal[1], BeforeValidator(_no_truth_value)] = Field(
        description="version of this format"
    )
    cases: list[Annotated[_CASES, Discriminator(_kind_of_case)]] = []
    validations: list[Validation] = []
    known_divergences: list[KnownDivergence] = []

    @model_validator(mode="after")
    def _something(self) -> CaseFile:
        if not (self.cases or self.validations or self.known_divergences):
            raise ValueError("the file has neither cases nor known_divergences")
        return self
