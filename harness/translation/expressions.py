"""Values and functions worked out from a syntax tree, without running any code of the user's."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

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
_MODULES: dict[str, Any] = {"math": math, "np": np, "numpy": np}
_MAX_DIGITS = 4096
"""Bits of a whole number: no longer power is worked out."""


class NotLiteral(ValueError):
    """What cannot be worked out from the syntax tree alone.

    `node` is the place; `unknown` the name, where nothing but its value is missing.
    """

    def __init__(self, node: ast.AST, what: str, unknown: str = "") -> None:
        self.node, self.what, self.unknown = node, what, unknown
        super().__init__(what)


Names = Mapping[str, Any]
"""What a name stands for, also one with dots (`args.lr`): a value, or the tree of an expression or
function."""


def value(node: ast.expr, names: Names) -> Any:
    """What an expression of literals, arithmetic and known names is: numbers, texts, lists.

    Raises:
        NotLiteral: it has to be run to be known.
    """
    try:
        return _value(node, names, depth=0)
    except (ArithmeticError, TypeError, ValueError, IndexError, RecursionError) as error:
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
    if len(parameters.posonlyargs + parameters.args) != 1 or parameters.vararg or parameters.kwarg:
        raise NotLiteral(function, "a function of one argument is due")
    (parameter,) = parameters.posonlyargs + parameters.args
    known = {**names, parameter.arg: argument}
    if isinstance(function, ast.Lambda):
        result = value(function.body, known)
    else:
        result = _returned(function.body, known)
    if isinstance(result, bool) or not isinstance(result, int | float | np.floating):
        raise NotLiteral(function, f"gives {result!r} at {argument}, which is no number")
    return float(result)


def _returned(body: list[ast.stmt], names: dict[str, Any]) -> Any:
    for statement in body:
        if isinstance(statement, ast.Return) and statement.value is not None:
            return value(statement.value, names)
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            names[statement.targets[0].id] = value(statement.value, names)
        elif isinstance(statement, ast.If):
            branch = statement.body if value(statement.test, names) else statement.orelse
            result = _returned(branch, names)
            if result is not None:
                return result
        elif not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            raise NotLiteral(statement, f"`{ast.unparse(statement)}` would have to be run")
    return None


def free_names(node: ast.AST) -> set[str]:
    """The names, with their dots, that a function takes from around it."""
    own = {argument.arg for argument in ast.walk(node) if isinstance(argument, ast.arg)}
    own |= {
        n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }
    dotted = {
        ast.unparse(n)
        for n in ast.walk(node)
        if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)
    }
    bare = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    prefixes = {name.partition(".")[0] for name in dotted}
    return {n for n in dotted | (bare - prefixes) if n.partition(".")[0] not in own}


def modules(node: ast.AST) -> set[str]:
    """The modules that a function needs, as it calls them: `math`, `np`."""
    return {n.partition(".")[0] for n in free_names(node)} & set(_MODULES)


def is_known(name: str) -> bool:
    """Whether a free name is Python's own, or of a module that is understood."""
    return name in _BUILTINS or name.partition(".")[0] in _MODULES


def _value(node: ast.expr, names: Names, depth: int) -> Any:  # noqa: PLR0912 - a kind each
    if depth > 60:
        raise NotLiteral(node, "is nested too deeply")

    def inner(part: ast.expr) -> Any:
        return _value(part, names, depth + 1)

    match node:
        case ast.Constant(value=constant):
            return constant
        case ast.Name() | ast.Attribute():
            return _named(node, names, depth)
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
            return _function(func)(*(inner(argument) for argument in args))
    raise NotLiteral(node, f"`{ast.unparse(node)}` would have to be run to be known")


def _named(node: ast.expr, names: Names, depth: int) -> Any:
    name = ast.unparse(node)
    if name in names:
        known = names[name]
        return _value(known, names, depth + 1) if isinstance(known, ast.expr) else known
    module, _, constant = name.partition(".")
    if module in _MODULES and constant in {"pi", "e", "inf"}:
        return getattr(_MODULES[module], constant)
    raise NotLiteral(node, f"`{name}` is not known", name)


def _function(node: ast.expr) -> Callable[..., Any]:
    name = ast.unparse(node)
    module, _, function = name.partition(".")
    if name in _BUILTINS:
        return _BUILTINS[name]
    if module in _MODULES and function in _FUNCTIONS:
        return getattr(_MODULES[module], function)  # type: ignore[no-any-return]
    raise NotLiteral(node, f"`{name}` is not called while reading")


def _number(node: ast.expr, number: Any) -> Any:
    if not isinstance(number, int | float | np.floating):
        raise NotLiteral(node, f"`{ast.unparse(node)}` is no number")
    return number


def _power(node: ast.expr, base: Any, exponent: Any) -> Any:
    whole = isinstance(base, int) and isinstance(exponent, int)
    if whole and abs(base).bit_length() * abs(exponent) > _MAX_DIGITS:
        raise NotLiteral(node, f"`{ast.unparse(node)}` is too large a power")
    return _number(node, base**exponent)
