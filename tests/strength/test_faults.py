"""What is planted: one small change at a time, and every line where it was."""

from __future__ import annotations

import ast

import pytest
from helpers.draws import draws

from harness.strength.campaign import MODULES, source_of
from harness.strength.faults import Fault, Kind, faults

SOURCE = '''
"""A module."""
import math

class Decay:
    """A schedule."""
    warned = False

    def __init__(self, base_lr: float, gamma=0.5, last_epoch=-1):
        """Make it."""
        if not isinstance(gamma, float):
            raise TypeError(f"gamma is {gamma}")
        self.base_lr = base_lr

    def rate(self, epoch, end):
        self.seen = epoch
        for step in range(1, end):
            epoch += step  # adds + a step
        if epoch <= end and epoch != 0:
            return min(self.base_lr * self.gamma ** epoch,
                       math.floor(end))
        return self.base_lr if epoch is None else -epoch
'''


def made(kind: Kind, where: str = "") -> list[str]:
    return [f.change for f in faults("m", SOURCE) if f.kind is kind and f.where.endswith(where)]


def test_operators_become_their_neighbours():
    assert made(Kind.OPERATOR) == [
        "not isinstance(gamma, float) → (isinstance(gamma, float))",
        "+= → -=",
        "and → or",
        "* → /",
        "** → *",
        "-epoch → (epoch)",
    ]


def test_comparisons_lose_their_edge_or_turn_round():
    assert made(Kind.COMPARISON) == ["<= → <", "!= → ==", "is → is not"]


def test_numbers_move_by_one_and_flags_turn():
    assert made(Kind.CONSTANT) == ["False → True", "1 → 0", "1 → 2", "0 → 1", "0 → 2"]


def test_defaults_change():
    assert made(Kind.DEFAULT) == ["0.5 → 1.0", "-1 → -2", "-1 → 0"]


def test_bounds_move_by_one():
    assert made(Kind.OFF_BY_ONE) == [
        "1 → (1) + 1",
        "end → (end) + 1",
        "epoch → (epoch + 1)",
        "epoch → (epoch + 1)",
        "epoch → (epoch + 1)",
        "epoch → (epoch + 1)",
    ]


def test_branches_turn_round_or_go():
    assert made(Kind.BRANCH, "rate") == [
        "epoch <= end and epoch != 0 → False and (epoch <= end and epoch != 0)",
        "epoch <= end and epoch != 0 → not (epoch <= end and epoch != 0)",
        "epoch is None → not (epoch is None)",
    ]


def test_what_guards_an_argument_goes():
    assert 'raise TypeError(f"gamma is {gamma}") → pass' in made(Kind.BRANCH, "__init__")


def test_statements_go():
    assert made(Kind.STATEMENT) == ["self.seen = epoch → pass", "epoch += step → pass"]


@pytest.mark.parametrize("operator", ["+", "|", "&", "^", "<<", ">>", "@"])
def test_an_assignment_with_any_operator_goes(operator):
    changes = [f.change for f in faults("m", f"def f(a, b):\n    a {operator}= b\n    return a\n")]
    assert f"a {operator}= b → pass" in changes


def test_functions_become_their_counterparts():
    assert made(Kind.FUNCTION) == ["min → max", "floor → ceil"]


def test_a_variable_becomes_another_that_the_function_calculates_with():
    assert "self.base_lr → self.gamma" in made(Kind.VARIABLE)


def test_texts_and_annotations_are_left_alone():
    for fault in faults("m", SOURCE):
        assert "A schedule" not in fault.before
        assert fault.before != "float"


@pytest.mark.parametrize("source", [SOURCE, 'x = "ü"; y = 1 + 2\ndef f(ü): return ü * 2\n'])
def test_each_is_python_and_leaves_every_line_where_it_is(source):
    found = faults("m", source)
    assert found
    for fault in found:
        faulty = fault.planted(source)
        ast.parse(faulty)
        assert faulty != source
        assert faulty.count("\n") == source.count("\n")


@pytest.mark.parametrize("module", MODULES)
def test_each_fault_of_the_frameworks_is_python_and_has_a_name_of_its_own(module):
    path = source_of(module)
    assert path is not None, f"{module} is not installed"
    source = path.read_text()
    found = faults(module, source)
    assert len(found) > 100
    assert len({fault.id for fault in found}) == len(found)
    for fault in found[:: 1 + len(found) // draws(100)]:
        ast.parse(fault.planted(source))


def test_reaching_it_means_its_statement_and_in_a_class_body_all_of_the_class():
    def of(change: str) -> Fault:
        return next(fault for fault in faults("m", SOURCE) if fault.change == change)

    lines = SOURCE.splitlines()
    first, last = of("** → *").lines
    assert "return min" in lines[first - 1]
    assert "math.floor" in lines[last - 1]
    first, last = of("<= → <").lines
    assert first == last
    assert "if epoch <= end" in lines[first - 1]
    first, last = of("False → True").lines
    assert "class Decay" in lines[first - 1]
    assert last == len(lines)
