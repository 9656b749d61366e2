"""`comparison.json`: a published format. `comparison.schema.json` is generated from these models.

Within one version of the format, fields may be added, and none is removed or changes its meaning.
Numbers that JSON has no literal for stand as the texts NaN, Infinity and -Infinity.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

import harness
from harness.comparison import Extreme
from harness.traces.alignment import Alignment
from harness.traces.comparing import Compared, Comparison
from harness.traces.trace import Trace

SCHEMA_FILE = Path(__file__).with_name("comparison.schema.json")
Number = Annotated[
    float,
    WithJsonSchema({"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]}),
]


class Model(BaseModel):
    """Frozen, and written with its infinities."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class TraceEntry(Model):
    """One of the two traces."""

    source: str = Field(description="its file, its case, or its script and function")
    framework: str | None
    framework_version: str | None
    device: str | None
    optimizer: str | None
    scheduler: str | None
    steps_per_epoch: int | None
    updates: int = Field(description="how many steps it has")
    first_step: int | None
    last_step: int | None
    resumed: list[int] = Field(description="steps before which the run went on in a new process")
    problems: list[str] = Field(description="what was wrong with it, and how that was treated")
    stepped: str | None = Field(
        description="how its schedule is driven, in words; null where that is not known"
    )


class AlignmentEntry(Model):
    """Which step of the second belongs to a step of the first."""

    offset: int = Field(description="update n of the first is update n + offset of the second")
    steps_per_epoch: int = Field(description="updates for each step of the one that counts epochs")
    epochs_in: Literal["first", "second"] = Field(description="the one that counts epochs")


class ExtremeEntry(Model):
    """The greatest of something, and the step where it occurs."""

    value: Number
    step: int


class FirstEntry(Model):
    """The first step at which the two differ by more than is allowed."""

    step: int
    first: Number
    second: Number
    allowed: Number


class HoleEntry(Model):
    """The longest stretch of which one of them says nothing."""

    step: int
    length: int


class SequenceEntry(Model):
    """A sequence that both have; steps are counted as the first does."""

    name: str
    precision: str = Field(description="the coarser of the two, in whose units `ulp` is")
    compared: int = Field(description="at how many steps both have a rate")
    diverging: int = Field(description="at how many they differ by more than is allowed")
    first: FirstEntry | None
    absolute: ExtremeEntry | None
    relative: ExtremeEntry | None = Field(description="to the first")
    ulp: ExtremeEntry | None
    share: ExtremeEntry | None = Field(description="the error in parts of what is allowed")
    only_in_one: int = Field(description="rates of the first without a counterpart in the second")
    only_in_other: int
    hole: HoleEntry | None


class DiagnosisEntry(Model):
    """What reproduces every value of one trace from the other."""

    cause: str
    parameters: dict[str, int | Number | str]
    sentence: str
    sequences: list[str]


class ComparisonDocument(Model):
    """Two traces and what they have to do with each other."""

    format: Literal[1] = 1
    suite_version: str
    verdict: Literal["agree", "differ", "incomplete", "nothing to compare"]
    traces: list[TraceEntry] = Field(min_length=2, max_length=2)
    alignment: AlignmentEntry
    sequences: list[SequenceEntry]
    missing: list[str] = Field(description="sequences that one of them lacks")
    diagnosis: DiagnosisEntry | None = Field(description="null where nothing explains it")
    proposed: AlignmentEntry | None = Field(
        description="under which they would match; null where there is none, or no need"
    )
    notes: list[str]
    stopped_early: bool = Field(description="whether the runs were ended at the first difference")


def document(
    traces: tuple[Trace, Trace],
    comparison: Comparison,
    alignment: Alignment,
    stepped: tuple[str | None, str | None] = (None, None),
    stopped_early: bool = False,
) -> ComparisonDocument:
    """A comparison for programs."""
    diagnosis, proposed = comparison.diagnosis, comparison.proposed
    return ComparisonDocument(
        suite_version=harness.__version__,
        verdict=comparison.verdict.value,
        traces=[_trace(*one) for one in zip(traces, stepped, strict=True)],
        alignment=AlignmentEntry.model_validate(asdict(alignment)),
        sequences=[_sequence(sequence) for sequence in comparison.sequences],
        missing=list(comparison.missing),
        diagnosis=diagnosis
        and DiagnosisEntry(
            cause=diagnosis.cause.value,
            parameters=diagnosis.parameters,
            sentence=diagnosis.sentence,
            sequences=list(diagnosis.sequences),
        ),
        proposed=proposed and AlignmentEntry.model_validate(asdict(proposed)),
        notes=list(comparison.notes),
        stopped_early=stopped_early,
    )


def schema_text() -> str:
    """The text of `harness/traces/comparison.schema.json`."""
    schema = ComparisonDocument.model_json_schema(mode="serialization")
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps({**dialect, **schema}, indent=2, ensure_ascii=False) + "\n"


def _trace(trace: Trace, stepped: str | None) -> TraceEntry:
    steps = trace.steps
    return TraceEntry(
        **asdict(trace.header),
        updates=len(steps),
        first_step=int(steps[0]) if len(steps) else None,
        last_step=int(steps[-1]) if len(steps) else None,
        resumed=list(trace.resumed),
        problems=list(trace.problems),
        stepped=stepped,
    )


def _sequence(sequence: Compared) -> SequenceEntry:
    first = None
    if sequence.first is not None:
        one, other, allowed = sequence.at(sequence.first)
        first = FirstEntry(step=sequence.first, first=one, second=other, allowed=allowed)
    hole = None
    if sequence.hole is not None:
        hole = HoleEntry(step=sequence.hole[0], length=sequence.hole[1])
    return SequenceEntry(
        name=sequence.name,
        precision=sequence.precision.value,
        compared=sequence.compared,
        diverging=sequence.diverging,
        first=first,
        absolute=_extreme(sequence.absolute),
        relative=_extreme(sequence.relative),
        ulp=_extreme(sequence.ulp),
        share=_extreme(sequence.share),
        only_in_one=sequence.only_in_one,
        only_in_other=sequence.only_in_other,
        hole=hole,
    )


def _extreme(extreme: Extreme | None) -> ExtremeEntry | None:
    return None if extreme is None else ExtremeEntry(value=extreme.value, step=extreme.step)
