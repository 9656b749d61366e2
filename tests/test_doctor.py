"""What doctor says of an environment."""

from __future__ import annotations

import pytest
from helpers.fake_workers import spec
from rich.console import Console

from harness import doctor
from harness.workers import Environment


@pytest.mark.parametrize(
    ("framework", "version", "numpy", "bad"),
    [
        ("mindspore", "2.10.0", "2.4.6", True),
        ("mindspore", "2.10.0", "1.26.4", False),
        ("mindspore", "2.0.0", "2.0.0", True),
        ("torch", "2.13.0+cpu", "2.4.6", False),
        ("mindspore", "unknown", "2.4.6", False),
    ],
)
def test_mindspore_with_numpy_2_is_the_known_bad_combination(framework, version, numpy, bad):
    environment = Environment(
        framework, framework, version=version, packages={"numpy": numpy}, devices=("cpu",)
    )
    assert any(known.applies(environment) for known in doctor.BAD_COMBINATIONS) is bad


@pytest.mark.parametrize(
    ("adapters", "code", "telling"),
    [
        (["fake"], 0, "no cuda: a fake has none"),
        (["missing"], 3, "remedy: pip install torch"),
        (["broken"], 3, "the driver is too old"),
        (["fake", "missing"], 0, "remedy: pip install torch"),
        (["fake", "broken"], 1, "remedy: pip install --force-reinstall torch"),
    ],
)
def test_doctor_says_what_is_wrong_and_what_to_do(
    adapters, code, telling, plain_python, monkeypatch, capsys
):
    monkeypatch.setattr(
        doctor, "default_environments", lambda: [spec(each, each) for each in adapters]
    )
    assert doctor.examine(Console()) == code
    assert telling in capsys.readouterr().out


def test_doctor_names_the_trouble_and_its_remedy(plain_python, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "default_environments", lambda: [spec()])
    always = doctor.BadCombination("torch", ">=0", "numpy", ">=0", "nothing works", "use another")
    monkeypatch.setattr(doctor, "BAD_COMBINATIONS", (always,))
    doctor.examine(Console())
    said = capsys.readouterr().out
    assert "nothing works" in said
    assert "remedy: use another" in said
