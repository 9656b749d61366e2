"""A finding as a case file: the smallest example with the rates that are due, and a record of it.

The record is a draft: it says what was observed and what was due, and leaves the explanation to
people.
"""

from __future__ import annotations

import os
import textwrap
from pathlib import Path
from typing import Any

import yaml

from harness import recording
from harness.case import CaseFile, ScheduleCase
from harness.comparison import REPORTED
from harness.errors import ReportUnwritable
from harness.fuzz.examples import TAG, Content
from harness.fuzz.search import Finding
from harness.judgement import Judgement
from harness.verdict import Verdict

_RECORDABLE = {Verdict.DIVERGES, Verdict.REFUSED, Verdict.ACCEPTED}


def text(finding: Finding, seed: int, version: str) -> str:
    """The file of a finding: a case, and unless it is a crash or a hang a draft of its record.

    Args:
        finding: what was found.
        seed: of the search.
        version: of the framework that it was found in.
    """
    name = f"{TAG}/{finding.origin}"
    content: Content = {"format": 1, "cases": [_case(finding, name, seed)]}
    if finding.judgement.verdict in _RECORDABLE:
        content["known_divergences"] = [_record(finding, name, version.partition("+")[0])]
    CaseFile.model_validate(content)
    body = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return f"# Found by conform fuzz; the record is a draft, and wants an explanation.\n{body}"


def write(folder: Path, file: str, content: str) -> Path:
    """Write a file into a folder, whole or not at all.

    Raises:
        ReportUnwritable: with the reason.
    """
    path = folder / file
    aside = folder / f".{file}.new"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with aside.open("w", encoding="utf-8") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        aside.replace(path)
    except OSError as error:
        raise ReportUnwritable(f"cannot write {path}: {error.strerror}") from None
    return path


def _case(finding: Finding, name: str, seed: int) -> Content:
    case, api = _case_of(finding), finding.trial.implementation.api
    content = {
        "name": name,
        "description": f"A random {case.family} schedule on {finding.trial.implementation.short} "
        "goes as the family's formula has it.",
        "source": f"found by conform fuzz, seed {seed}; the rates are those of the reference model",
        **finding.content,
        "implementations": [api],
        "modes": [finding.trial.target.mode],
    }
    if "expected" not in content:
        content["expected"] = {"values": case.reference.tolist()}
        for number, group in enumerate(content.get("groups", []), start=1):
            group["values"] = case.reference_of(number).tolist()
    return content


def _record(finding: Finding, name: str, version: str) -> Content:
    judgement, trial, case = finding.judgement, finding.trial, _case_of(finding)
    validates = case.dimension == "validation"
    due = "an exception" if case.expected.raises else "the rates of the case, and no exception"
    return {
        "name": name.replace("/", "-"),
        "description": f"{trial.implementation.short} does not do what is due in a random case.",
        "source": f"the formula of the {case.family} family"
        if not validates
        else "the suite's own case of that input",
        "cases": [name],
        "implementations": [trial.implementation.api],
        "target": str(trial.target),
        "versions": f">={version}",
        "seen": [version],
        "kind": _kind(judgement, case),
        "severity": {Verdict.DIVERGES: "wrong rates", Verdict.REFUSED: "fails"}.get(
            judgement.verdict, "misleads"
        )
        if not validates
        else "misleads",
        "observed": recording.observed(judgement),
        "expected": due,
        "explanation": _explanation(judgement),
        "remedy": "Whom it bites is to be said once it is understood.",
        "until": "the case conforms",
    }


def _kind(judgement: Judgement, case: ScheduleCase) -> str:
    if case.dimension == "validation":
        return "validation"
    if case.resume:
        return "resume"
    if case.modes:
        return "mode"
    reported_is_right = judgement.first and not judgement.first.sequence.startswith(REPORTED)
    return "applied-vs-reported" if reported_is_right else "semantics"


def _explanation(judgement: Judgement) -> str:
    reasons = "; ".join(textwrap.shorten(reason, 300) for reason in judgement.reasons)
    said = f" Diagnosis: {judgement.diagnosis}." if judgement.diagnosis else ""
    return f"Not explained yet: {reasons}.{said}"


def _case_of(finding: Finding) -> ScheduleCase:
    case = finding.trial.case
    assert isinstance(case, ScheduleCase)
    return case


class _Dumper(yaml.SafeDumper):
    """Without anchors, which case files may not have, and lists and small mappings in one line."""

    def ignore_aliases(self, _: Any) -> bool:
        return True


def _mapping(dumper: yaml.SafeDumper, data: dict[Any, Any]) -> yaml.Node:
    in_one_line = not any(isinstance(value, list | dict) for value in data.values())
    return dumper.represent_mapping(
        "tag:yaml.org,2002:map", data.items(), flow_style=in_one_line and len(data) < 10
    )


def _list(dumper: yaml.SafeDumper, data: list[Any]) -> yaml.Node:
    in_one_line = not any(isinstance(value, dict) for value in data)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=in_one_line)


_Dumper.add_representer(dict, _mapping)
_Dumper.add_representer(list, _list)
