"""Reports made by hand, and the gate between two of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import numpy as np
from click.testing import CliRunner

from harness.cli import main
from harness.gate import baseline_of, compare, write
from harness.report import json_file
from harness.report.model import DivisionEntry, Report, from_run
from helpers.making import HALVES, TORCH_EXPONENTIAL, judged, run_of, schedule_case, seen, trial

UP = [*HALVES[:2], float(np.nextafter(HALVES[2], 1)), HALVES[3]]
DOWN = [*HALVES[:2], float(np.nextafter(HALVES[2], 0)), HALVES[3]]
"""The halves with one of them one ULP up, and half an ULP down."""
STILL = [0.5] * 4


def judgement(rates=HALVES, *records, name="halves", api=TORCH_EXPONENTIAL, **fields):
    """What is said of `rates`, seen in a trial of a case that halves."""
    made = trial(schedule_case(name=name, **fields), api)
    return judged(made, seen(made, rates), *records)


def report(*judgements, **fields) -> Report:
    """The report on these judgements, without a look at git, which takes longer than all else."""
    with patch("harness.report.model.revision", return_value=None):
        return from_run(run_of(*judgements, **fields))


def sharded(part: Report, shard: str, cases: Sequence[str] = (), costs: str = "kept") -> Report:
    """The report as that of a shard; by its number each has one of these cases, or of letters."""
    index, count = map(int, shard.split("/"))
    names = [[name] for name in cases or "abcdefgh"[:count]]
    division = DivisionEntry(shards=[index], digest=f"{costs} {count}", cases=names)
    selection = {**part.selection, "shard": shard}
    return part.model_copy(update={"selection": selection, "division": division})


def outcome(before: Report, now: Report, **options):
    """What the gate finds between two reports."""
    return compare(now, baseline_of(before), "reports/baseline.json", **options)


def told(before: Report, now: Report, **options):
    """Kind, subject and text of each change, and whether it closes the gate."""
    changes = outcome(before, now, **options).entry.changes
    return [(c.kind, c.subject, c.text, c.fails) for c in changes]


def folder(path: Path, made: Report) -> Path:
    """A folder with `made` in it, as a run leaves it."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "report.json").write_text(json_file.render(made))
    return path


def gate(tmp_path: Path, before: Report | None, now: Report, *options):
    """`conform gate` of `now` against the baseline of `before`."""
    kept = tmp_path / "baseline.json"
    if before is not None:
        write(baseline_of(before), kept)
    return conform("gate", folder(tmp_path / "latest", now), "--baseline", kept, *options)


def conform(*arguments):
    """A command's result, exit code and all."""
    return CliRunner().invoke(main, list(map(str, arguments)))


def as_json(result):
    """What a command printed for programs."""
    return json.loads(result.stdout)
