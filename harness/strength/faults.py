"""Small semantic faults that can be planted in a module's source, one at a time.

Each replaces one expression or statement and keeps every line where it is, so that what reads the
source back (tracebacks, MindSpore's graph mode) finds what runs.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Kind(StrEnum):
    """What sort of slip a fault is."""

    OPERATOR = "operator"
    COMPARISON = "comparison"
    CONSTANT = "constant"
    DEFAULT = "default"
    OFF_BY_ONE = "off by one"
    BRANCH = "branch"
    STATEMENT = "statement dropped"
    FUNCTION = "min/max, floor/ceil"
    VARIABLE = "wrong variable"


@dataclass(frozen=True)
class Fault:
    """One replacement in one module.

    `start` and `stop` count the bytes of the source in UTF-8; `line` counts from 1. `where` is the
    qualified name of the function or class, `statement` the first line of the statement it is in.
    `lines` are the first and the last of what has to be gone through to reach it. `function` and
    `function_line` are of the outermost function around it, empty and 0 outside of functions.
    """

    module: str
    where: str
    kind: Kind
    line: int
    statement: str
    before: str
    after: str
    start: int
    stop: int
    lines: tuple[int, int]
    function: str
    function_line: int

    @property
    def change(self) -> str:
        """What becomes of what, in one line."""
        return f"{_one_line(self.before)} → {_one_line(self.after)}"

    @property
    def padded(self) -> str:
        """The replacement, with as many lines as what it replaces."""
        return self.after + "\n" * (self.before.count("\n") - self.after.count("\n"))

    @property
    def id(self) -> str:
        """Unique in a version of the module."""
        return f"{self.module}:{self.line}:{self.start}:{self.change}"

    def planted(self, source: str) -> str:
        """The faulty source."""
        text = source.encode()
        return (text[: self.start] + self.padded.encode() + text[self.stop :]).decode()


def faults(module: str, source: str) -> list[Fault]:
    """Every fault that can be planted in the source of `module`, in its order."""
    planter = _Planter(module, source)
    planter.visit(ast.parse(source))
    unique = {(fault.start, fault.stop, fault.after): fault for fault in planter.found}
    return sorted(unique.values(), key=lambda fault: (fault.start, fault.stop, fault.after))


_OPERATORS: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "/"),
    ast.Mod: ("%", "//"),
    ast.Pow: ("**", "*"),
}
_COMPARISONS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.In: ("in", "not in"),
    ast.Is: ("is", "is not"),
    ast.IsNot: (r"is\s+not", "is"),
    ast.NotIn: (r"not\s+in", "in"),
}
_PAIRS = [
    ("min", "max"),
    ("floor", "ceil"),
    ("minimum", "maximum"),
    ("cos", "sin"),
    ("any", "all"),
    ("int", "round"),
    ("bisect_right", "bisect_left"),
]
_FUNCTIONS = {a: b for one, other in _PAIRS for a, b in ((one, other), (other, one))}
_WORDS = {
    a: b
    for one, other in [
        ("min", "max"),
        ("rel", "abs"),
        ("cos", "linear"),
        ("triangular", "triangular2"),
        ("cycle", "iterations"),
        ("momentum", "lr"),
        ("initial_lr", "lr"),
    ]
    for a, b in ((one, other), (other, one))
} | {"exp_range": "triangular", "lr": "initial_lr"}
_COUNTED = {
    "last_epoch",
    "epoch",
    "T_cur",
    "global_step",
    "current_step",
    "step_num",
    "total_steps",
}
_SAYING = {"warn", "warning", "info", "debug", "error", "print", "format"}

_Node: TypeAlias = ast.expr | ast.stmt


class _Planter(ast.NodeVisitor):
    """Goes through a module and collects faults."""

    def __init__(self, module: str, source: str) -> None:
        self.module, self.found = module, list[Fault]()
        self._text = source.encode()
        self._lines = self._text.splitlines(keepends=True)
        self._offsets = [0]
        for line in self._lines:
            self._offsets.append(self._offsets[-1] + len(line))
        self._names: list[str] = []
        self._class_lines = (1, len(self._lines))
        self._statement: ast.stmt | None = None
        self._function, self._function_line = "", 0
        self._others: dict[str, str] = {}

    def visit(self, node: ast.AST) -> None:
        """Note the statement on the way."""
        if isinstance(node, ast.stmt):
            before, self._statement = self._statement, node
            super().visit(node)
            self._statement = before
        else:
            super().visit(node)

    def _ends(self, node: _Node) -> tuple[int, int]:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return (
            self._offsets[node.lineno - 1] + node.col_offset,
            self._offsets[node.end_lineno - 1] + node.end_col_offset,
        )

    def _of(self, node: _Node) -> str:
        start, stop = self._ends(node)
        return self._text[start:stop].decode()

    def _plant(self, kind: Kind, start: int, stop: int, after: str) -> None:
        assert self._statement is not None
        line = self._text[:start].count(b"\n") + 1
        first = self._lines[self._statement.lineno - 1].decode().strip()
        before = self._text[start:stop].decode()
        where = ".".join(self._names)
        self.found.append(
            Fault(
                self.module,
                where,
                kind,
                line,
                first,
                before,
                after,
                start,
                stop,
                self._reach(self._statement),
                self._function,
                self._function_line,
            )
        )

    def _reach(self, statement: ast.stmt) -> tuple[int, int]:
        """The lines of a statement, of a compound one those of its head; in a class all of it."""
        if not self._function_line:
            return self._class_lines
        first, last = statement.lineno, statement.end_lineno or statement.lineno
        if isinstance(statement, ast.FunctionDef):
            first = min([first, *(d.lineno for d in statement.decorator_list)])
        body = getattr(statement, "body", None)
        return first, max(first, body[0].lineno - 1) if body else last

    def _replace(self, kind: Kind, node: _Node, after: str) -> None:
        self._plant(kind, *self._ends(node), after)

    def _between(self, kind: Kind, left: ast.expr, right: ast.expr, pattern: str, to: str) -> None:
        """Replace the operator that stands between two operands."""
        start, stop = self._ends(left)[1], self._ends(right)[0]
        gap = re.sub(rb"#[^\n]*", lambda m: b" " * len(m[0]), self._text[start:stop])
        found = re.search(pattern.encode(), gap)
        if found:
            self._plant(kind, start + found.start(), start + found.end(), to)

    # What holds no behaviour of the schedule.

    def visit_Raise(self, node: ast.Raise) -> None:
        self._replace(Kind.BRANCH, node, "pass")

    def visit_Import(self, node: ast.Import) -> None:
        pass

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        pass

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        pass

    def visit_Assert(self, node: ast.Assert) -> None:
        pass

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._names.append(node.name)
        around, self._class_lines = self._class_lines, (node.lineno, node.end_lineno or 0)
        self._each(node.body)
        self._class_lines = around
        self._names.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._names.append(node.name)
        outermost = not self._function_line
        if outermost:
            self._function = node.name
            self._function_line = min([node.lineno, *(d.lineno for d in node.decorator_list)])
        for default in [*node.args.defaults, *node.args.kw_defaults]:
            if default is not None:
                self._default(default)
        others = self._others
        self._others = _neighbours(node)
        self._each(node.body)
        self._others = others
        if outermost:
            self._function, self._function_line = "", 0
        self._names.pop()

    def _each(self, body: Iterable[ast.stmt]) -> None:
        for statement in body:
            self.visit(statement)

    def _default(self, node: ast.expr) -> None:
        for after in _other_constants(node):
            self._replace(Kind.DEFAULT, node, after)

    # Branches and statements.

    def visit_If(self, node: ast.If) -> None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return
        test = self._of(node.test)
        self._replace(Kind.BRANCH, node.test, f"not ({test})")
        self._replace(Kind.BRANCH, node.test, f"False and ({test})")
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._replace(Kind.BRANCH, node.test, f"not ({self._of(node.test)})")
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant):
            return  # a docstring
        self._replace(Kind.STATEMENT, node, "pass")
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        if self._names and self._names[-1] != "__init__":
            stored = all(isinstance(t, ast.Attribute | ast.Subscript) for t in node.targets)
            if stored and self._function_line:
                self._replace(Kind.STATEMENT, node, "pass")
        if any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return
        if not self._function_line and _is_text(node.value):
            return  # for users
        self.visit(node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._replace(Kind.STATEMENT, node, "pass")
        if type(node.op) in _OPERATORS:
            old, new = _OPERATORS[type(node.op)]
            self._between(Kind.OPERATOR, node.target, node.value, re.escape(old) + "=", new + "=")
        self.visit(node.value)

    # Expressions.

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if type(node.op) in _OPERATORS and not _is_text(node.left) and not _is_text(node.right):
            old, new = _OPERATORS[type(node.op)]
            self._between(Kind.OPERATOR, node.left, node.right, re.escape(old), new)
            for operand in (node.left, node.right):
                self._operand(operand)
        if not _is_text(node.left):
            self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        operands = [node.left, *node.comparators]
        for left, operator, right in zip(operands, node.ops, operands[1:], strict=False):
            old, new = _COMPARISONS[type(operator)]
            pattern = old if "\\" in old else re.escape(old)
            self._between(Kind.COMPARISON, left, right, pattern, new)
        for operand in operands:
            self._operand(operand)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        self._between(Kind.OPERATOR, node.values[0], node.values[1], rf"\b{old}\b", new)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.USub | ast.Not):
            self._replace(Kind.OPERATOR, node, f"({self._of(node.operand)})")
        if isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
            return
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = _name(node.func)
        if name in _FUNCTIONS:
            end = self._ends(node.func)[1]
            self._plant(Kind.FUNCTION, end - len(name), end, _FUNCTIONS[name])
        if name in _SAYING:
            return
        if name == "range":
            for argument in node.args:
                self._replace(Kind.OFF_BY_ONE, argument, f"({self._of(argument)}) + 1")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        for after in _other_constants(node):
            self._replace(Kind.CONSTANT, node, after)

    def _operand(self, node: ast.expr) -> None:
        """A variable that is calculated or compared with."""
        if not isinstance(node, ast.Name | ast.Attribute):
            return
        text = self._of(node)
        if text in self._others:
            self._replace(Kind.VARIABLE, node, self._others[text])
        if _name(node) in _COUNTED:
            self._replace(Kind.OFF_BY_ONE, node, f"({text} + 1)")


def _neighbours(function: ast.FunctionDef) -> dict[str, str]:
    """Another variable for each that a function calculates or compares with: the next, in turn."""
    seen: dict[str, None] = {}
    for node in ast.walk(function):
        operands: list[ast.expr] = []
        if isinstance(node, ast.BinOp):
            operands = [node.left, node.right]
        elif isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
        for operand in operands:
            if isinstance(operand, ast.Name | ast.Attribute):
                seen.setdefault(ast.unparse(operand))
    names = list(seen)
    return dict(zip(names, names[1:] + names[:1], strict=True)) if len(names) > 1 else {}


def _other_constants(node: ast.expr) -> Iterator[str]:
    negative = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    constant = node.operand if isinstance(node, ast.UnaryOp) and negative else node
    if not isinstance(constant, ast.Constant):
        return
    value = constant.value
    if isinstance(value, bool):
        yield str(not value)
    elif isinstance(value, int):
        signed = -value if negative else value
        yield str(signed + 1)
        yield str(signed - 1) if signed else "2"
    elif isinstance(value, float):
        yield repr(2 * value) if value else "1.0"
    elif isinstance(value, str) and value in _WORDS:
        yield repr(_WORDS[value])


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
