"""Reading `report.json` back, of this minor version of the format or any other of its major one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from json import JSONDecodeError
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from harness.attempt import refuse_unfinished
from harness.errors import DuplicateKey, ReportUnreadable
from harness.files import read_bytes
from harness.report.model import Report
from harness.report.unique import loads
from harness.verdict import Verdict

NAME = "report.json"
(FORMAT,) = get_args(Report.model_fields["format"].annotation)
MAJOR, MINOR = map(int, FORMAT.split("."))
_ANEW = "write it anew with: conform run"


def read(path: Path) -> Report:
    """The report in a file, or in the `report.json` of a folder.

    What a later minor version has added is left out; what an earlier one did not have yet has its
    default. NaN and infinities come back as numbers.

    Raises:
        ReportUnreadable: there is none, a later run has not finished, it is damaged, or it is of
            another major version.
    """
    file = path / NAME if path.is_dir() else path
    refuse_unfinished(file.parent)
    try:
        text = read_bytes(file)
    except OSError as error:
        raise ReportUnreadable(
            f"cannot read {file}: {error.strerror}; name a folder with a {NAME}, or such a file"
        ) from None
    return parse(text, str(file))


def parse(text: bytes | str, file: str) -> Report:
    """The report that `text`, the content of `file`, describes.

    Raises:
        ReportUnreadable: as `read` does.
    """
    try:
        content = loads(text)
    except DuplicateKey as error:
        raise ReportUnreadable(f"{file} {error}; {_ANEW}") from None
    except (ValueError, RecursionError) as error:
        cut = " (it is cut short)" if _is_cut(error) else ""
        raise ReportUnreadable(f"{file} is not JSON{cut}: {error}; {_ANEW}") from None
    minor = _minor(content, file)
    content["format"] = FORMAT
    problems: list[ErrorDetails] = []
    try:
        report = Report.model_validate(content)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        if minor > MINOR:
            problems = [problem for problem in problems if not _dropped(content, problem)]
        if not problems:
            report = Report.model_validate(content)
    faults = (
        (f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in problems)
        if problems
        else _inconsistencies(report)
    )
    if fault := next(iter(faults), ""):
        raise ReportUnreadable(f"{file} is not a report of this suite: {fault}; {_ANEW}")
    return report


def _inconsistencies(report: Report) -> Iterator[str]:
    """What a report cannot hold, although each of its entries is well-formed."""
    for what, names in {
        "trial": [trial.id for trial in report.trials],
        "case": [case.name for case in report.cases],
        "environment": [environment.name for environment in report.environments],
    }.items():
        counted = Counter(names)
        yield from (f"the {what} {name} is there twice" for name in names if counted[name] > 1)
    cases, verdicts = {case.name for case in report.cases}, {each.value for each in Verdict}
    for trial in report.trials:
        if trial.case not in cases:
            yield f"the trial {trial.id} is of a case that is not there"
        if trial.verdict not in verdicts:
            yield f"the trial {trial.id} has the unknown verdict {trial.verdict!r}"


def _is_cut(error: ValueError | RecursionError) -> bool:
    """Whether it is the end of the text at which it is not JSON, a part of a word before it."""
    if not isinstance(error, JSONDecodeError):
        return False
    return error.msg.startswith("Unterminated") or error.pos >= len(error.doc.rstrip()) - 5


def _minor(content: Any, file: str) -> int:
    version = content.get("format") if isinstance(content, dict) else None
    match = re.fullmatch(r"(\d{1,9})\.(\d{1,9})", version) if isinstance(version, str) else None
    if match is None:
        raise ReportUnreadable(f"{file} is not a report of this suite: it has no format; {_ANEW}")
    if int(match[1]) != MAJOR:
        raise ReportUnreadable(
            f"{file} is in format {version}, and this version of the suite reads {MAJOR}.x; "
            f"read it with the version that wrote it, or {_ANEW}"
        )
    return int(match[2])


def _dropped(content: Any, problem: ErrorDetails) -> bool:
    """Whether the problem was a field that this version does not know, which is gone now."""
    if problem["type"] != "extra_forbidden":
        return False
    *path, name = problem["loc"]
    for key in path:
        content = content[key]
    del content[name]
    return True
