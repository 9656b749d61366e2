"""Whatever a file or an option holds, the command says what is wrong, and ends as it should."""

from __future__ import annotations

import re
import unicodedata

import pytest
from click.testing import CliRunner
from helpers.hostile import every

from harness.cli import main

HOSTILE = list(every())


@pytest.mark.parametrize(
    "hostile", HOSTILE, ids=[f"{n}: {h.name!r}" for n, h in enumerate(HOSTILE)]
)
def test_it_is_refused_with_its_exit_code_and_its_message(hostile, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = hostile.made(tmp_path)
    done = CliRunner().invoke(main, words)
    assert done.exit_code == hostile.code, done.output[-3000:]
    assert hostile.said in done.output, done.output[-3000:]
    assert "Traceback" not in done.output
    hidden = [c for c in done.output if unicodedata.category(c) in {"Cc", "Cf"} and c != "\n"]
    assert not hidden, hidden
    assert not re.search(r"^\s*::", done.output, re.MULTILINE)
    if hostile.code == 2:
        assert not (tmp_path / "reports").exists()


def test_there_are_many_of_them():
    assert len(HOSTILE) >= 150
    assert len({(hostile.name, str(hostile.command)) for hostile in HOSTILE}) == len(HOSTILE)
