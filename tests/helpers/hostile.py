"""Inputs that nobody means well: each with its command, its exit code and a part of its message.

`{}` in a command is the file; what stands in a file is made from small parts, so that each line
says what is wrong with it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ESC, BIDI, COMMAND = "\x1b[2J\x1b]0;owned\x07", "\u202egnp.exe", "\n::error::owned"
API = "torch.optim.lr_scheduler.ExponentialLR"
CASE: dict[str, Any] = {
    "name": "halves",
    "description": "The rate halves at every update.",
    "source": "by hand",
    "family": "exponential",
    "schedule": {"base_lr": 0.5, "decay_rate": 0.5, "decay_steps": 1},
    "steps": 2,
    "expected": {"values": [0.5, 0.25]},
    "implementations": [API],
}
REPORT_FORMAT = "2.0"


@dataclass(frozen=True)
class Hostile:
    """One input."""

    name: str
    command: str | list[str]
    content: bytes | Callable[[Path], object]
    code: int
    said: str

    def made(self, folder: Path) -> list[str]:
        """The words of the command, when the file is there."""
        path = folder / f"in{self.ending}"
        if isinstance(self.content, bytes):
            path.write_bytes(self.content)
        else:
            self.content(path)
        beside = folder / "plain.csv"
        beside.write_text("step,lr\n0,0.5\n1,0.25\n")
        words = self.command.split() if isinstance(self.command, str) else self.command
        return [word.replace("{}", str(path)).replace("{plain}", str(beside)) for word in words]

    @property
    def ending(self) -> str:
        """How the file's name ends."""
        if self.command == "compare schedule:{} {plain}":
            return ".py"
        command = self.command if isinstance(self.command, str) else self.command[0]
        kinds = {"check": ".yaml", "run": ".yaml", "environments": ".yaml", "compare": ".csv"}
        return kinds.get(command.split()[0], ".json")


def case(**fields: Any) -> bytes:
    return cases([{k: v for k, v in {**CASE, **fields}.items() if v is not None}])


def cases(content: Any) -> bytes:
    return json.dumps({"format": 1, "cases": content}, ensure_ascii=False).encode(
        errors="surrogateescape"
    )


def arguments(**given: Any) -> bytes:
    return case(arguments={API: given})


def named(name: str, value: Any = 1) -> bytes:
    return case(arguments={API: {name: value}})


def deep(opening: str, closing: str, times: int) -> bytes:
    return f"format: 1\ncases: {opening * times}{closing * times}\n".encode()


CHECK = "check {}"
CASES = [
    # What a name may be
    *(
        (f"a name that is {what}", CHECK, case(name=name), 2, said)
        for what, name, said in [
            ("empty", "", "should have at least 1 character"),
            ("blank", "   ", "neither begins nor ends with a blank"),
            ("blank before", " halves", "neither begins nor ends with a blank"),
            ("an option", "--report", "nor begins with '-'"),
            ("a short option", "-x", "nor begins with '-'"),
            ("two lines", f"halves{COMMAND}", "one printable line"),
            ("an escape", f"halves{ESC}", "one printable line"),
            ("turned", f"halves{BIDI}", "one printable line"),
            ("a return", "halves\rconforms", "one printable line"),
            ("an id", "a::b", "without '::'"),
            ("too long", "a" * 121, "at most 120 characters"),
            ("a number", 7, "should be a valid string"),
            ("a list", ["halves"], "should be a valid string"),
            ("NUL", "a\0b", "one printable line"),
            ("a zero width", "a\u200bb", "one printable line"),
        ]
    ),
    # What becomes code in a reproducer
    *(
        (f"an argument named {name!r}"[:60], CHECK, named(name), 2, "Python identifier")
        for name in [
            "gamma=1)\nimport os; os.system('x')#",
            "gamma, **__import__('os').environ",
            "a b",
            "a-b",
            "1a",
            "a.b",
            "lambda",
            "None",
            "a\n",
            "ｇａｍｍａ",
            "a#",
            "a=",
            "*a",
        ]
    ),
    ("an argument named by nothing", CHECK, named(""), 2, "at least 1 character"),
    *(
        (f"an argument that is {what}", CHECK, named("gamma", value), 2, said)
        for what, value, said in [
            ("a call of anything", {"api": "os.system", "arguments": {}}, "has no 'os.system'"),
            ("a mapping", {"x": 1}, "an argument is a plain value"),
            ("an unknown function", {"function": "eval", "a": 1}, "an argument is a plain value"),
            ("code for a number", {"function": "power", "a": "1)#"}, "an argument is a plain"),
            ("values of code", {"function": "table", "values": ["x"]}, "an argument is a plain"),
            ("another optimizer", {"optimizer": "SGD()#"}, "an argument is a plain value"),
            (
                "a part with a bad name",
                {"api": API, "arguments": {"a b": 1}},
                "Python identifier",
            ),
        ]
    ),
    (
        "arguments of a new object",
        CHECK,
        case(
            steps=3,
            expected={"values": {0: 0.5}},
            resume={"at": 1, "by": "state_dict", "into": {"x=1)#": 1}},
        ),
        2,
        "Python identifier",
    ),
    (
        "an input of a validation",
        CHECK,
        json.dumps(
            {
                "format": 1,
                "validations": [
                    {
                        "name": "v",
                        "source": "s",
                        "implementation": API,
                        "family": "exponential",
                        "schedule": {"base_lr": 0.5, "decay_rate": 0.5, "decay_steps": 1},
                        "inputs": {"gamma) #": [{"value": 1, "accepted": True}]},
                    }
                ],
            }
        ).encode(),
        2,
        "Python identifier",
    ),
    ("an optimizer of code", CHECK, case(optimizer="SGD()"), 2, "should be 'SGD'"),
    ("a reading of code", CHECK, case(reading="get_lr();x"), 2, "should be 'get_last_lr'"),
    ("a dtype of code", CHECK, case(lr_dtype="float32)"), 2, "should be 'float64'"),
    ("an API of another module", CHECK, case(implementations=["os.system"]), 2, "has no"),
    ("a family of code", CHECK, case(family="__import__"), 2, "neither a known family"),
    # Regular expressions
    *(
        (
            f"a pattern that is {what}",
            CHECK,
            case(expected={"raises": "ValueError", "message": pattern}),
            2,
            said,
        )
        for what, pattern, said in [
            ("open", "(", "not a regular expression"),
            ("nothing repeated", "*", "not a regular expression"),
            ("too long", "a" * 2_001, "more than 2,000 characters"),
            ("too deep", "(" * 900 + ")" * 900, "not a regular expression"),
            ("empty", "", "at least 1 character"),
            ("a bad set", "[b-a]", "not a regular expression"),
            ("a bad group", "(?P<a", "not a regular expression"),
            ("a huge count", "a{99999999999999999999}", "not a regular expression"),
        ]
    ),
    # Numbers
    *(
        (f"base_lr {what}", CHECK, case(schedule={**CASE["schedule"], "base_lr": lr}), 2, said)
        for what, lr, said in [
            ("a text", "0.5", "write a number, without quotes"),
            ("a list", [0.5], "should be a valid number"),
            ("true", True, "should be a valid number"),
        ]
    ),
    *(
        (f"steps {steps!r}", CHECK, case(steps=steps), 2, said)
        for steps, said in [
            (0, "greater than or equal to 1"),
            (-1, "greater than or equal to 1"),
            (10**9, "less than or equal to 100000"),
            (1.5, "valid integer"),
            ("2", "valid integer"),
            (True, "valid integer"),
            ([], "at least 1 item"),
            ([1, 0], "steps must increase"),
            ([0, 10**30], "less than"),
            ({"start": 5, "stop": 5}, "stop must exceed start"),
            ({"start": 0, "stop": 10**17}, "less than"),
        ]
    ),
    ("a rate of NaN", CHECK, case(expected={"values": [0.5, float("nan")]}), 2, "NaN"),
    ("too many values", CHECK, case(expected={"values": [0.5] * 3}), 2, "3 values for 2 steps"),
    # The file as such
    *(
        (f"a file that is {what}", CHECK, content, 2, said)
        for what, content, said in [
            ("empty", b"", "empty"),
            ("blank", b" \n\n", "empty"),
            ("binary", b"\x00\x01\x02", "not YAML"),
            ("Latin-1", b"format: 1 # \xb5", "not UTF-8 at byte 12"),
            ("UTF-16", "format: 1".encode("utf-16"), "not UTF-8"),
            ("half", b"format: 1\ncases:\n  - {name: a", "not YAML"),
            ("an alias bomb", b"a: &a [1]\nb: [*a,*a]\nformat: 1\n", "alias *a"),
            ("a tag", b"format: !!python/object/apply:os.system ['x']\n", "tag"),
            ("two documents", b"format: 1\n---\nformat: 1\n", "another document"),
            ("too deep", deep("[", "]", 10_000), "nested deeper than"),
            ("too large", b"#" * (2 << 20), "larger than 1,048,576 bytes"),
            ("a list", b"- 1\n", "valid dictionary"),
            ("a word", b"hello\n", "valid dictionary"),
            ("tabs", b"format:\t1\n\tcases: []\n", "not YAML"),
            ("a key twice", b"format: 1\nformat: 1\n", "given already in line 1"),
            ("a key of a list", b"? [a]\n: 1\nformat: 1\n", "not a plain key"),
            ("of a million digits", b"format: " + b"9" * 10_000, "a number of 10000 digits"),
            ("of another format", b"format: 2\ncases: []\n", "should be 1"),
            ("of format true", b"format: true\ncases: []\n", "should be 1"),
            ("without cases", b"format: 1\n", "neither cases nor"),
            ("with an unknown key", case(**{f"x{ESC}": 1}), "unknown key"),
            ("with a key in two lines", case(**{f"x{COMMAND}": 1}), "unknown key"),
        ]
    ),
    ("a file that is a folder", CHECK, lambda path: path.mkdir(), 2, "no *.yaml below"),
    ("a link to nowhere", CHECK, lambda path: path.symlink_to("gone"), 2, "which is not there"),
    ("a link to itself", CHECK, lambda path: path.symlink_to(path), 2, "leads to itself"),
    ("a path with NUL", "check a\0b", b"", 2, "NUL character"),
    ("a path that is too long", f"check {'x' * 300}", b"", 2, "File name too long"),
    ("a path below a file", "check {}/x.yaml", b"", 2, "no such file or folder"),
]
COMPARE = "compare {} {plain}"


def rows(*lines: str) -> bytes:
    return ("step,lr\n" + "".join(f"{line}\n" for line in lines)).encode()


TRACES = [
    *(
        (f"a step {step!r}", COMPARE, rows("0,0.5", f"{step},0.25"), 2, said)
        for step, said in [
            ("-1", "'-1' is not a step"),
            ("0.5", "'0.5' is not a step"),
            ("nan", "'nan' is not a step"),
            ("inf", "step inf is too large"),
            ("9007199254740992", "is too large: the largest is 2^53 - 1"),
            ("9007199254740993", "is too large"),
            ("1e999", "is too large"),
            ("1_0", "'1_0' is not a number"),
            ("0x10", "'0x10' is not a number"),
            ("１", "is not a number"),
            ("1,2", "3 columns, and 2 before"),
            ("x\x1b[2J", "is not a number"),
        ]
    ),
    *(
        (f"a step {step!r}", COMPARE, rows("0,0.5", f"{step},0.25"), 0, "agree")
        for step in (" 1 ", "+1", "1e0", "01", "1.0")
    ),
    *(
        (f"a rate {rate!r}", COMPARE, rows("0,0.5", f"1,{rate}"), code, said)
        for rate, code, said in [
            ("", 1, "left out: 1 row without a rate"),
            ("NA", 1, "left out: 1 row without a rate"),
            ("nan", 1, "is not a number; no rate is known there"),
            ("inf", 1, "is infinite"),
            ("1_0", 2, "is not a number"),
            ("high", 2, "is not a number"),
            ("0.25 ", 0, "agree"),
            ("2.5E-1", 0, "agree"),
        ]
    ),
    *(
        (f"a trace that is {what}", COMPARE, content, 2, said)
        for what, content, said in [
            ("empty", b"", "it is empty"),
            ("binary", b"\x89PNG\0\0", "neither text nor an event file"),
            ("Latin-1", b"step,lr\n0,0.1 \xb5\n", "UTF-8"),
            ("a list", b"[1, 2]", "one JSON list"),
            ("without rates", b"step,loss\n0,1\n", "name it with --column"),
            ("without rows", b"step,lr\n", "there is no rate in it"),
            ("of no rates", rows("0,", "1,"), "there is no rate in it"),
            ("an escape", f"step,{ESC}\n0,1\n".encode(), "name it with --column"),
            ("a command", b"step,::error::x\n0,1\n", "name it with --column"),
            ("a long line", b"step,lr\n0," + b"1" * 200_000, "field larger than"),
            ("a record of code", b'{"step": __import__, "lr": 1}\n', "no JSON"),
            ("a record of text", b'{"step": 0, "lr": "1"}\n', "'1' is not a number"),
            ("a deep record", b'{"step":' + b"[" * 5000 + b"\n", ":1: "),
            (
                "a far end",
                b'{"format":"lr-trace","version":1}\n'
                b'{"step":0,"until":9007199254740991,"reported":[1]}\n',
                "more than 50,000,000",
            ),
            ("another version", b'{"format":"lr-trace","version":9}\n', "version 9"),
            ("two heads", b'{"format":"lr-trace","version":1}\n' * 2, "a second head"),
            (
                "a bad head",
                b'{"format":"lr-trace","version":1,"steps_per_epoch":-1}\n',
                "steps_per_epoch is -1",
            ),
        ]
    ),
    ("a trace that is a folder", COMPARE, lambda p: p.mkdir(), 2, "a folder without event files"),
    ("a trace that is a link to itself", COMPARE, lambda p: p.symlink_to(p), 2, "cannot be read"),
    ("a trace with NUL in its name", "compare a\0b {plain}", b"", 2, "NUL character"),
    ("a trace that is blank", ["compare", "\u2003", "{plain}"], b"", 2, "cannot be read"),
    ("a case that is not there", "compare case:\x1b[2J {plain}", b"", 2, "no case fits"),
    ("no schedule", "compare schedule: {plain}", b"", 2, "is no call"),
    ("a schedule of code", "compare schedule:__import__('os') {plain}", b"", 2, "conform: "),
    ("a deep schedule", f"compare schedule:{'(' * 3000} {{plain}}", b"", 2, "conform: "),
    *(
        (f"a script that is {what}", "compare schedule:{} {plain}", content, 2, "conform: ")
        for what, content in [
            ("empty", b""),
            ("binary", b"\0\1\2"),
            ("Latin-1", b"# \xb5\n"),
            ("broken", b"def (:\n"),
            ("deep", b"(" * 5000),
            ("of escapes", b"x = '\x1b[2J'\n"),
        ]
    ),
]


def environment(**fields: Any) -> bytes:
    content = {"name": "a", "framework": "torch", "interpreter": "bin/python", **fields}
    content = {key: value for key, value in content.items() if value is not None}
    return json.dumps({"format": 1, "environments": [content]}).encode()


DECLARED = "environments list --environments {}"
ENVIRONMENTS = [
    *(
        (f"an interpreter that is {what}", DECLARED, environment(interpreter=path), 2, said)
        for what, path, said in [
            ("empty", "", "it is blank"),
            ("blank", "  ", "it is blank"),
            ("of nobody", "~nobody-there/bin/python", "no such user: ~nobody-there"),
            ("NUL", "a\0b", "not a path"),
            ("two lines", f"a{COMMAND}", "not a path"),
            ("an escape", f"a{ESC}", "not a path"),
            ("a number", 3, "valid string"),
        ]
    ),
    *(
        (f"an interpreter that is {what}", DECLARED, environment(interpreter=path), 0, said)
        for what, path, said in [
            ("a folder", "/", "is a folder, not a Python"),
            ("not to be executed", "plain.csv", "cannot be executed"),
            ("not there", "gone", "is not there"),
        ]
    ),
    *(
        (f"an environment named {name!r}", DECLARED, environment(name=name), 2, "match pattern")
        for name in ("", " ", "-x", "../x", "A", "a/b", "a\n", "a" * 65, ESC)
    ),
    ("an environment of the suite's name", DECLARED, environment(name="torch"), 2, "beside the"),
    ("another framework", DECLARED, environment(framework="x"), 2, "should be 'torch'"),
    ("neither", DECLARED, environment(interpreter=None), 2, "either interpreter or python"),
    ("a package of options", DECLARED, environment(packages=["--index-url x"]), 2, "requirement"),
    ("a Python of code", DECLARED, environment(interpreter=None, python="3.9; x"), 2, "pattern"),
    ("ssh without a host", DECLARED, environment(ssh="-p 22"), 2, "destination"),
    ("ssh with a command", DECLARED, environment(ssh="host rm"), 2, "destination"),
    ("ssh with a proxy", DECLARED, environment(ssh="-Z x host"), 2, "option"),
    ("no environments", DECLARED, b'{"format": 1, "environments": []}', 2, "at least 1 item"),
    ("environments in two lines", DECLARED, b"format: 1\nformat: 2\n", 2, "given already"),
]
REPORT, GATE = "report {} --report out", "gate {} --baseline {}"
REPORTS = [
    *(
        (f"a {kind} that is {what}", command, content, 2, said)
        for kind, command in (("report", REPORT), ("baseline", "gate --baseline {} {}"))
        for what, content, said in [
            ("empty", b"", "is not JSON"),
            ("half", b'{"format": "2', "is not JSON"),
            ("binary", b"\0\1", "is not JSON"),
            ("Latin-1", b'{"a": "\xb5"}', "is not JSON"),
            ("a list", b"[]", "not a report"),
            ("a number", b"1e999", "not a report"),
            ("deep", b"[" * 100_000, "is not JSON"),
            ("a key twice", b'{"format": "2.1", "format": "2.1"}', "twice"),
            ("of no format", b"{}", "it has no format"),
            ("of a bad format", b'{"format": "\x1b"}', "is not JSON"),
            ("of an escape", b'{"format": "\\u001b[2J"}', "it has no format"),
            ("of another format", b'{"format": "99.0"}', "in format 99.0"),
            ("of nothing else", b'{"format": "2.0"}', "not a report of this suite"),
        ]
    ),
    ("a report that is a folder", "report {}", lambda path: path.mkdir(), 2, "cannot read"),
    ("a report that is not there", "report {}x", b"", 2, "cannot read"),
]
OPTIONS = [
    *(
        (f"{command} {option} {value}", f"{command} {option} {value}", b"", 2, said)
        for command, option in [
            ("run {}", "--time-limit"),
            ("gate", "--max-drift"),
            ("strength", "--seconds"),
            ("fuzz", "--seconds"),
            ("compare {plain} {plain}", "--rtol"),
            ("compare {plain} {plain}", "--atol"),
            ("compare {plain} {plain}", "--max-ulp"),
            ("compare {plain} {plain}", "--lr"),
        ]
        for value, said in [("nan", "not a finite number"), ("inf", "not "), ("-inf", "not ")]
    ),
    *(
        (f"--report {what}", ["compare", "{plain}", "{plain}", "--report", name], b"", 2, said)
        for what, name, said in [
            ("nothing", "", "it is blank"),
            ("blanks", "  ", "it is blank"),
            ("NUL", "a\0b", "NUL"),
            ("a file", "{plain}", "is a file"),
            ("below a file", "{plain}/x", "Not a directory"),
            ("too long", "x" * 300, "File name too long"),
        ]
    ),
]


def every() -> Iterator[Hostile]:
    """All of them."""
    for name, command, content, code, said in (*CASES, *TRACES, *ENVIRONMENTS, *REPORTS, *OPTIONS):
        yield Hostile(name, command, copy.deepcopy(content), code, said)
