"""Writing a report: all of its files or none, and a reason where it cannot be done."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import tempfile
import threading
from pathlib import Path

import pytest
from helpers.making import HALVES, judged, run_of, schedule_case, seen, trial

from harness.errors import ConformError, ReportUnwritable
from harness.report import FILES, ensure_writable, write
from harness.report.model import from_run

NAMES = {
    "report.json",
    "index.html",
    "junit.xml",
    "ctrf-report.json",
    "summary.md",
    "badge.json",
}


def report(rates=HALVES, **fields):
    made = trial(schedule_case())
    return from_run(run_of(judged(made, seen(made, rates)), **fields))


GOOD, OTHER = report(), report([0.5] * 4, seconds=2.5)


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, hidden ones too."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_every_file_of_a_report_is_written(tmp_path):
    write(GOOD, tmp_path / "reports" / "latest")
    files = content(tmp_path / "reports" / "latest")
    assert set(files) == NAMES == set(FILES)
    assert json.loads(files["report.json"])["format"] == "2.3"
    assert files["summary.md"].decode() == FILES["summary.md"](GOOD)
    assert files["junit.xml"].decode() == FILES["junit.xml"](GOOD)
    assert files["index.html"].lstrip().lower().startswith(b"<!doctype html")


def test_others_may_read_the_files(tmp_path):
    write(GOOD, tmp_path)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {0o644}


def test_the_report_before_is_replaced_and_other_files_are_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "trace").mkdir()
    (tmp_path / "trace" / "a.csv").write_text("1")
    write(GOOD, tmp_path)
    before = content(tmp_path)
    write(OTHER, tmp_path)
    after = content(tmp_path)
    assert set(after) == NAMES | {"notes.txt"}
    assert after["notes.txt"] == b"mine"
    assert (tmp_path / "trace" / "a.csv").read_text() == "1"
    assert all(before[name] != after[name] for name in NAMES)


@pytest.mark.parametrize("name", sorted(NAMES))
@pytest.mark.parametrize("error", [ValueError("no"), OSError(errno.EIO, "no"), KeyboardInterrupt()])
def test_a_format_that_cannot_be_drawn_leaves_the_report_before(tmp_path, monkeypatch, name, error):
    write(GOOD, tmp_path)
    before = content(tmp_path)

    def broken(_):
        raise error

    monkeypatch.setitem(FILES, name, broken)
    with pytest.raises(type(error)):
        write(OTHER, tmp_path)
    assert content(tmp_path) == before


@pytest.mark.parametrize("after", range(len(NAMES)))
def test_a_full_disk_leaves_the_report_before_and_nothing_beside_it(tmp_path, monkeypatch, after):
    write(GOOD, tmp_path)
    before = content(tmp_path)
    synced = []

    def full(descriptor):
        synced.append(descriptor)
        if len(synced) > after:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ReportUnwritable, match="No space left on device"):
        write(OTHER, tmp_path)
    assert content(tmp_path) == before


@pytest.mark.parametrize("after", range(len(NAMES)))
def test_an_interruption_while_writing_leaves_the_report_before(tmp_path, monkeypatch, after):
    write(GOOD, tmp_path)
    before = content(tmp_path)
    synced = []

    def interrupted(descriptor):
        synced.append(descriptor)
        if len(synced) > after:
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(OTHER, tmp_path)
    assert content(tmp_path) == before


def test_an_interruption_between_two_files_waits_until_all_are_in_place(tmp_path, monkeypatch):
    write(GOOD, tmp_path)
    before = content(tmp_path)
    replace = Path.replace

    def interrupted(self, target):
        signal.raise_signal(signal.SIGINT)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(OTHER, tmp_path)
    after = content(tmp_path)
    assert set(after) == NAMES
    assert all(before[name] != after[name] for name in NAMES)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_folder_in_the_place_of_a_file_leaves_the_report_before(tmp_path, name):
    write(GOOD, tmp_path)
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    before = content(tmp_path)
    with pytest.raises(ReportUnwritable):
        write(OTHER, tmp_path)
    assert content(tmp_path) == before


def test_a_report_may_be_written_from_any_thread(tmp_path):
    thread = threading.Thread(target=write, args=(GOOD, tmp_path))
    thread.start()
    thread.join()
    assert set(content(tmp_path)) == NAMES


# Where nothing can be written.


def test_a_file_in_the_place_of_the_folder_is_said_before_the_run(tmp_path):
    place = tmp_path / "report"
    place.write_text("mine")
    for attempt in (lambda: ensure_writable(place), lambda: write(GOOD, place)):
        with pytest.raises(ReportUnwritable, match=r"cannot write the report to .*report: File"):
            attempt()
    assert place.read_text() == "mine"


def test_a_folder_below_a_file_is_said_before_the_run(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ReportUnwritable, match="Not a directory; name another with --report"):
        ensure_writable(tmp_path / "file" / "report")


def test_a_folder_without_permission_is_said_before_the_run(tmp_path, monkeypatch):
    # Root may write anywhere, so the refusal is the system's in name only.
    def refused(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    with pytest.raises(ReportUnwritable, match="Permission denied") as refusal:
        ensure_writable(tmp_path)
    assert isinstance(refusal.value, ConformError)
    assert refusal.value.exit_code == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_said_before_the_run(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ReportUnwritable, match="Permission denied"):
        ensure_writable(tmp_path)


def test_finding_out_makes_the_folder_and_leaves_nothing_in_it(tmp_path):
    ensure_writable(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []
