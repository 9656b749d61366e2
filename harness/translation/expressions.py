"""Values and functions worked out from a syntax tree, without running any code of the user's."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from harness.translation.scopes import NotLiteral, Scopes

_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_BUILTINS: dict[str, Callable[..., Any]] = {
    **{"min": min, "max": max, "abs": abs, "round": round, "int": int, "float": float},
    **{"bool": bool, "len": len, "sum": sum},
}
_FUNCTIONS = ("cos", "sin", "tanh", "exp", "log", "sqrt", "floor", "ceil")
_CONSTANTS = ("pi", "e", "inf")
_MODULES: dict[str, Any] = {"math": math, "numpy": np}
_USUAL = {"np": "numpy"}
_MAX_DIGITS = 4096
"""Bits of a whole number: no longer power is worked out."""


class Names:
    """What the names in an expression stand for.

    Args:
        given: values of names, also of ones with dots (`args.lr`), which count for more than the
            script's.
        scopes: the script; None where there is nothing but an expression, in which `math`, `np`
            and Python's own functions are what everybody calls so.
    """

    def __init__(self, given: Mapping[str, Any], scopes: Scopes | None = None) -> None:
        self.given, self.scopes = given, scopes
        self.compared: set[ast.AST] = set()
        self.contradicted: dict[str, tuple[int, Any]] = {}
        """What the script itself says of names that are given, and on which line it is used."""

    def of(self, node: ast.AST) -> Any:
        """A value, or the tree of an expression, function or class.

        Raises:
            NotLiteral: it has to be run to be known.
        """
        text = ast.unparse(node)
        if text in self.given:
            return self.given[text]
        if self.scopes is None:
            raise NotLiteral(node, f"`{text}` is not known", text)
        return self.scopes.of(node)

    def full(self, node: ast.AST) -> str:
        """The full name of a module's function or constant, or of Python's own; or nothing."""
        if self.scopes is None:
            first, dot, rest = ast.unparse(node).partition(".")
            return f"{_USUAL.get(first, first)}{dot}{rest}"
        return self.scopes.full(node) or ""

    def own(self, function: ast.AST) -> Set[str]:
        """The names that a function binds itself."""
        if self.scopes is not None:
            return self.scopes.own(function).bindings.keys()
        return {a.arg for a in ast.walk(function) if isinstance(a, ast.arg)}


@dataclass(frozen=True)
class _Frame:
    """A function that is applied: the names of its own, and the values of those that are set."""

    own: Set[str] = frozenset()
    values: dict[str, Any] = field(default_factory=dict)


def value(node: ast.expr, names: Names) -> Any:
    """What an expression of literals, arithmetic and known names is: numbers, texts, lists.

    Raises:
        NotLiteral: it has to be run to be known.
    """
    return _evaluated(node, names, _Frame())


def _evaluated(node: ast.expr, names: Names, frame: _Frame) -> Any:
    try:
        return _value(node, names, frame, depth=0)
    except (ArithmeticError, TypeError, ValueError, LookupError, RecursionError) as error:
        if isinstance(error, NotLiteral):
            raise
        raise NotLiteral(node, f"`{ast.unparse(node)}` gives {error}") from None


def applied(function: ast.Lambda | ast.FunctionDef, argument: float, names: Names) -> float:
    """What a function of one argument gives.

    Of a `def`, assignments, `if` and `return` are understood.

    Raises:
        NotLiteral: it does something else.
    """
    parameters = function.args
    every = [*parameters.posonlyargs, *parameters.args]
    if len(every) != 1 or parameters.vararg or parameters.kwarg or parameters.kwonlyargs:
        raise NotLiteral(function, "a function of one argument is due")
    frame = _Frame(names.own(function), {every[0].arg: argument})
    if isinstance(function, ast.Lambda):
        result = _evaluated(function.body, names, frame)
    elif function.decorator_list:
        decorator = ast.unparse(function.decorator_list[0])
        raise NotLiteral(function, f"what `@{decorator}` makes of the function is not known")
    else:
        result = _returned(function.body, names, frame)
    if isinstance(result, bool) or not isinstance(result, int | float | np.floating):
        raise NotLiteral(function, f"gives {result!r} at {argument}, which is no number")
    return float(result)


def _returned(body: list[ast.stmt], names: Names, frame: _Frame) -> Any:
    for statement in body:
        match statement:
            case ast.Return(value=ast.expr() as given):
                return _evaluated(given, names, frame)
            case ast.Assign(targets=[ast.Name(id=name)], value=given):
                frame.values[name] = _evaluated(given, names, frame)
            case ast.If(test=test, body=then, orelse=otherwise):
                branch = then if _evaluated(test, names, frame) else otherwise
                result = _returned(branch, names, frame)
                if result is not None:
                    return result
            case ast.Expr(value=ast.Constant()) | ast.Pass():
                pass
            case _:
                raise NotLiteral(statement, f"`{ast.unparse(statement)}` would have to be run")
    return None


def needed(function: ast.Lambda | ast.FunctionDef, names: Names) -> Iterator[str]:
    """The lines that have to stand before a function, so that it can be pasted elsewhere.

    Raises:
        NotLiteral: it needs what cannot be written in a line.
    """
    own, lines = names.own(function), set()
    inside = function.body if isinstance(function.body, list) else [function.body]
    nodes = [node for part in inside for node in ast.walk(part)]
    bases = {node.value for node in nodes if isinstance(node, ast.Attribute)}
    for node in nodes:
        if not isinstance(node, ast.Attribute | ast.Name) or node in bases:
            continue
        text = ast.unparse(node)
        first = text.partition(".")[0]
        if first in own or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)):
            continue
        full = names.full(node) if text not in names.given else ""
        module, _, last = full.rpartition(".")
        if module in _MODULES and "." not in text:
            lines.add(f"from {module} import {last}" + (f" as {text}" if text != last else ""))
        elif module in _MODULES:
            lines.add(f"import {module}" + (f" as {first}" if first != module else ""))
        elif full not in _BUILTINS:
            if "." in text:
                raise NotLiteral(node, f"write {text} out, so that the code can be pasted")
            lines.add(f"{text} = {value(node, names)!r}")
    yield from sorted(lines, key=lambda line: (not line.startswith(("import", "from")), line))


def _value(  # noqa: PLR0912 - a kind each
    node: ast.expr, names: Names, frame: _Frame, depth: int
) -> Any:
    if depth > 60:
        raise NotLiteral(node, "is nested too deeply")

    def inner(part: ast.expr) -> Any:
        return _value(part, names, frame, depth + 1)

    match node:
        case ast.Constant(value=constant):
            return constant
        case ast.Name() | ast.Attribute():
            return _named(node, names, frame, depth)
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [inner(item) for item in items]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_number(operand, inner(operand))
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _number(operand, inner(operand))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not inner(operand)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(node, _number(left, inner(left)), _number(right, inner(right)))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_number(left, inner(left)), _number(right, inner(right)))
        case ast.Compare(left=left, ops=ops, comparators=comparators) if all(
            type(op) in _COMPARISONS for op in ops
        ):
            values = [inner(part) for part in (left, *comparators)]
            pairs = pairwise(values)
            return all(_COMPARISONS[type(op)](a, b) for op, (a, b) in zip(ops, pairs, strict=True))
        case ast.BoolOp(op=op, values=parts):
            every = isinstance(op, ast.And)
            result: Any = every
            for part in parts:
                result = inner(part)
                if bool(result) != every:
                    break
            return result
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return inner(body) if inner(test) else inner(orelse)
        case ast.Subscript(value=items, slice=index):
            return inner(items)[inner(index)]
        case ast.Call(func=func, args=args, keywords=[]):
            return _function(func, names, frame)(*(inner(argument) for argument in args))
    raise NotLiteral(node, f"`{ast.unparse(node)}` would have to be run to be known")


def _named(node: ast.expr, names: Names, frame: _Frame, depth: int) -> Any:
    name = ast.unparse(node)
    first = name.partition(".")[0]
    if first in frame.own:
        if name not in frame.values:
            raise NotLiteral(node, f"`{name}` is not known here", name)
        return frame.values[name]
    if name not in names.given:
        try:
            module, _, constant = names.full(node).rpartition(".")
        except NotLiteral:
            module, constant = "", ""  # an object's own, which may be known all the same
        if module in _MODULES and constant in _CONSTANTS:
            return getattr(_MODULES[module], constant)
    known = names.of(node)
    if name in names.given and names.scopes is not None and node not in names.compared:
        names.compared.add(node)
        _compare_with_script(node, names, known)
    if isinstance(known, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
        raise NotLiteral(node, f"`{name}` would have to be run to be known")
    # What stands elsewhere knows nothing of the names of a function that is applied here.
    return _value(known, names, _Frame(), depth + 1) if isinstance(known, ast.expr) else known


def _compare_with_script(node: ast.expr, names: Names, given: Any) -> None:
    others = {name: known for name, known in names.given.items() if name != ast.unparse(node)}
    try:
        own = value(node, Names(others, names.scopes))
    except NotLiteral:
        return
    if own != given:
        names.contradicted[ast.unparse(node)] = node.lineno, own


def _function(node: ast.expr, names: Names, frame: _Frame) -> Callable[..., Any]:
    name = ast.unparse(node)
    if isinstance(node, ast.Name | ast.Attribute) and name.partition(".")[0] not in frame.own:
        full = names.full(node)
        module, _, function = full.rpartition(".")
        if full in _BUILTINS:
            return _BUILTINS[full]
        if module in _MODULES and function in _FUNCTIONS:
            return getattr(_MODULES[module], function)  # type: ignore[no-any-return]
    told = names.scopes.why(node) if names.scopes is not None else ""
    raise NotLiteral(node, f"`{name}` is not called while reading{told}")


def _number(node: ast.expr, number: Any) -> Any:
    if not isinstance(number, int | float | np.floating):
        raise NotLiteral(node, f"`{ast.unparse(node)}` is no number")
    return number


def _power(node: ast.expr, base: Any, exponent: Any) -> Any:
    whole = isinstance(base, int) and isinstance(exponent, int)
    if whole and abs(base).bit_length() * abs(exponent) > _MAX_DIGITS:
        raise NotLiteral(node, f"`{ast.unparse(node)}` is too large a power")
    return _number(node, base**exponent)
