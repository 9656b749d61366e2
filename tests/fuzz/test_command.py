"""`conform fuzz` at a desk: what it refuses, prints, writes, and how it ends."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest
from click.testing import CliRunner
from helpers.command import conform, conform_call

from harness.cli import main


@pytest.mark.parametrize(
    ("arguments", "telling"),
    [
        (["--examples", "0"], "0 is not in the range"),
        (["--examples", "many"], "'many' is not a valid integer"),
        (["--seconds", "0"], "0.0 is not in the range"),
        (["--seed", "-1"], "-1 is not in the range"),
        (["--family", "cosin"], "did you mean 'cosine'?"),
        (["--implementation", "NoLR"], "no implementation fits 'NoLR'"),
        (["--report", "/dev/null/here"], "cannot write the report"),
    ],
)
def test_what_cannot_be_searched_is_refused_with_a_reason(arguments, telling):
    ended = CliRunner().invoke(main, ["fuzz", *arguments])
    assert ended.exit_code == 2
    assert telling in ended.output


@pytest.mark.frameworks
@pytest.mark.usefixtures("quick_python")
def test_a_search_without_a_finding_prints_its_seed_and_a_table_and_ends_with_0(tmp_path):
    ended = conform("fuzz", "--family", "pi*", "--examples", 6, "--seed", 3, "--report", tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "seed 3" in ended.stderr
    assert "6 of 6 examples" in ended.stderr
    assert "piecewise" in ended.stdout
    assert "6 of 6 examples in " in ended.stdout
    assert "0 new findings; all examples done" in ended.stdout
    written = json.loads((tmp_path / "fuzz.json").read_text())
    assert written["seed"] == 3
    assert written["families"]["piecewise"]["examples"] == 6
    assert written["new"] == []


@pytest.mark.frameworks
@pytest.mark.usefixtures("quick_python")
def test_an_interrupted_search_says_how_far_it_was_and_ends_with_130(tmp_path):
    arguments = ["fuzz", "--family", "cosine", "--examples", "300", "--report", str(tmp_path)]
    search = subprocess.Popen(
        conform_call(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert search.stderr.readline().startswith("seed ")
    assert search.stderr.readline().endswith(" of 300 examples\n")
    search.send_signal(signal.SIGINT)
    out, err = search.communicate(timeout=60)
    assert search.returncode == 130
    assert "interrupted after" in out
    assert f"what was found is in {tmp_path}" in err
    assert json.loads((tmp_path / "fuzz.json").read_text())["end"] == "interrupted"
