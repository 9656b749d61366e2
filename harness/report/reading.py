"""Reading `report.json` back, of this minor version of the format or any other of its major one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails, from_json

from harness.errors import ReportUnreadable
from harness.report.model import Report

NAME = "report.json"
(FORMAT,) = get_args(Report.model_fields["format"].annotation)
MAJOR, MINOR = map(int, FORMAT.split("."))
_ANEW = "write it anew with: conform run"


def read(path: Path) -> Report:
    """The report in a file, or in the `report.json` of a folder.

    What a later minor version has added is left out; what an earlier one did not have yet has its
    default. NaN and infinities come back as numbers.

    Raises:
        ReportUnreadable: there is none, it is damaged, or it is of another major version.
    """
    file = path / NAME if path.is_dir() else path
    try:
        text = file.read_bytes()
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
        content = from_json(text)
    except (ValueError, RecursionError) as error:
        cut = " (it is cut short)" if "EOF" in str(error) else ""
        raise ReportUnreadable(f"{file} is no JSON{cut}: {error}; {_ANEW}") from None
    minor = _minor(content, file)
    content["format"] = FORMAT
    try:
        return Report.model_validate(content)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
    if minor > MINOR:
        problems = [problem for problem in problems if not _dropped(content, problem)]
    if not problems:
        return Report.model_validate(content)
    where, what = ".".join(map(str, problems[0]["loc"])), problems[0]["msg"]
    raise ReportUnreadable(f"{file} is no report of this suite: {where}: {what}; {_ANEW}")


def _minor(content: Any, file: str) -> int:
    version = content.get("format") if isinstance(content, dict) else None
    match = re.fullmatch(r"(\d{1,9})\.(\d{1,9})", version) if isinstance(version, str) else None
    if match is None:
        raise ReportUnreadable(f"{file} is no report of this suite: it has no format; {_ANEW}")
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
