"""`attempt.json`: a run was begun, and its report is not there yet.

It lies beside `report.json` from the start of a run until the report is written. Where a run fails
or is interrupted it stays, and with it the report of an earlier run, which is then refused.
"""

from __future__ import annotations

import json
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import ReportUnreadable, ReportUnwritable
from harness.files import make_folder
from harness.revision import Checkout, checkout, revision

if TYPE_CHECKING:
    from harness.report.model import Report

NAME = "attempt.json"
SHORTEST = 7
"""Characters that a commit has at least, so that it is not mistaken."""


@dataclass(frozen=True)
class Attempt:
    """A run that is to write its report into a folder, and the checkout that it was begun in."""

    file: Path
    text: str
    checkout: Checkout

    @property
    def commits(self) -> list[str]:
        """Of the suite, and of the checkout with what is not committed."""
        return [revision() or "", self.checkout.commit or "", self.checkout.uncommitted]

    def signed(self, report: Report, **fields: object) -> Report:
        """The report with the checkout that it was made in, and with other `fields`."""
        return report.model_copy(update={**vars(self.checkout), **fields})

    def finish(self) -> None:
        """The report is written; another run that was begun meanwhile is still without its own."""
        _finish(self.file, self.text)

    def abandon(self) -> None:
        """The run was interrupted; where there was no report before, no trace of it is left."""
        _abandon(self.file, self.text)


def _finish(file: Path, text: str) -> None:
    with suppress(FileNotFoundError):
        if file.read_text(encoding="utf-8") == text:
            file.unlink()


def _abandon(file: Path, text: str) -> None:
    if not file.with_name("report.json").exists():
        _finish(file, text)


def begin(folder: Path) -> Attempt:
    """Note in a folder for a report that a run was begun.

    Raises:
        ReportUnwritable: with the reason.
    """
    started = datetime.now(UTC).isoformat(timespec="seconds")
    text = json.dumps({"started": started, "id": secrets.token_hex(8)}) + "\n"
    file = folder / NAME
    try:
        make_folder(folder)
        file.write_text(text, encoding="utf-8")
        revision()  # that of now, and not of the end of the run
        return Attempt(file, text, checkout(folder))
    except OSError as error:
        raise ReportUnwritable(
            f"cannot write the report to {folder}: {error.strerror}; name another with --report"
        ) from None
    except KeyboardInterrupt:
        _abandon(file, text)
        raise


def refuse_unfinished(folder: Path) -> None:
    """Refuse a report beside which a later run was begun.

    Raises:
        ReportUnreadable: with the run that has no report.
    """
    file = folder / NAME
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        when = f"at {content['started']}"
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError):
        when = "later"
    raise ReportUnreadable(
        f"{folder} has no report of the last run: it was begun {when} and has not finished "
        f"({file}); run again: conform run"
    )


def refuse_other_commit(report: Report, place: str, commit: str) -> None:
    """Refuse a report that is not of a commit.

    Raises:
        ReportUnreadable: with the commit that it is of.
    """
    made = _commit(report)
    if made is None:
        raise ReportUnreadable(
            f"{place} does not say of which commit it is, and has to be of {commit}; "
            "run again in a git repository: conform run"
        )
    if len(commit) < SHORTEST or not _is_same(made, commit) or report.uncommitted:
        changes = " with uncommitted changes" if report.uncommitted else ""
        raise ReportUnreadable(
            f"{place} is of commit {made}{changes}, and has to be of {commit}; "
            "check it out and run again: conform run"
        )


def refuse_other_tree(report: Report, place: str, folder: Path) -> None:
    """Refuse a report that is not of the code and the cases as they are now.

    Raises:
        ReportUnreadable: with both commits.
    """
    now = checkout(folder)
    made, here = _commit(report), (now.commit or revision() or "").rstrip("+") or None
    if not _is_same(made or "", here or ""):
        raise ReportUnreadable(
            f"{place} is of {_named(made)}, and the working tree is at {_named(here)}; run again: "
            "conform run, or say of which commit it has to be: --commit"
        )
    suite = report.suite.commit or ""
    if not _is_same(suite.rstrip("+"), (revision() or "").rstrip("+")):
        raise ReportUnreadable(
            f"{place} was made by the suite at {_named(suite)}, and this is the suite at "
            f"{_named(revision())}; run again: conform run"
        )
    if report.uncommitted != now.uncommitted:
        raise ReportUnreadable(
            f"{place} is not of the working tree as it is: code or cases (.py, .yaml) that are not "
            "committed have changed since; run again: conform run"
        )


def _commit(report: Report) -> str | None:
    """The commit that a report is of; that of the suite where it was run in its own repository."""
    return (report.commit or report.suite.commit or "").rstrip("+") or None


def _is_same(one: str, other: str) -> bool:
    """Whether two commits are one, of which one may be cut short; or both are none."""
    shortest = min(len(one), len(other))
    return one[:shortest].lower() == other[:shortest].lower() and bool(one) == bool(other)


def _named(commit: str | None) -> str:
    return f"commit {commit}" if commit else "no commit"
