"""Records the learning rates of a training: drop this file beside your script.

    from lr_recorder import Recorder

    recorder = Recorder(optimizer, "trace.jsonl", steps_per_epoch=390)
    for ...:
        recorder.step()     # right before the update
        optimizer.step()    # MindSpore: optimizer(gradients), or the step function that calls it

Entry n of the trace is the rate with which update n is made, n counting from 0. With MindSpore's
`Model.train`, pass `callbacks=[recorder.callback()]` instead. It takes an optimizer of
`torch.optim`, of `mindspore.nn` or of `mindspore.experimental.optim`, needs Python 3.8 and nothing
beside the standard library.

Each step is written with one system call, so what ends the process, SIGKILL too, costs nothing that
was recorded; only a crash of the machine may. A rate that stands still is one line, whose `until`
is written anew. Where the file cannot be written any more, the recorder warns and the training goes
on. `Recorder(..., resume=True)` goes on after the last step in the file, or begins it; `resume=n`
goes on at update n, and what was recorded from there on counts no more.
"""

from __future__ import annotations

import json
import os
import time
import warnings
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

FORMAT, VERSION = "lr-trace", 1
_PAGE, _WIDTH = 4096, 12


class RecorderError(Exception):
    """A recording that cannot begin: what is wrong, and the remedy."""


def head(about: Dict[str, Any]) -> bytes:
    """The first line of a trace."""
    return json.dumps(dict({"format": FORMAT, "version": VERSION}, **about)).encode() + b"\n"


def entry(
    step: int, until: int, rates: Sequence[Tuple[str, Sequence[float]]], at: int = 0
) -> bytes:
    """The line of the steps from `step` to `until`, at so many bytes from the start of the file.

    `rates` has the names of the sequences and a rate for each parameter group. The field of `until`
    lies within one page, so that it is never half written.
    """
    begin = '{"step":%d,"until":' % step
    if (at + len(begin)) % _PAGE > _PAGE - _WIDTH:
        begin += " " * _WIDTH
    said = ",".join('"%s":[%s]' % (name, _numbers(values)) for name, values in rates)
    return ("%s%-12d,%s}\n" % (begin, until, said)).encode()


def _numbers(values: Sequence[float]) -> str:
    text = ",".join(map(repr, values))
    # JSON knows neither; Python's `nan` and `inf` have this letter, and no number has.
    return text.replace("nan", "null").replace("inf", "1e999") if "n" in text else text


class Recorder:
    """Notes the rate of each parameter group at each update.

    Args:
        optimizer: torch's or MindSpore's.
        path: the trace. In a distributed training let one process record, or give each its own.
        steps_per_epoch: for the trace's head.
        scheduler: the scheduler, or its name, for the trace's head.
        applied: note too by how much weights really move (PyTorch): each update moves one more
            weight in each group, which the optimizer gets right before it and loses right after.
        resume: see above.

    Raises:
        RecorderError: the optimizer is of no kind that it knows, the file exists or is in use, or
            cannot be written.
    """

    def __init__(
        self,
        optimizer: Any,
        path: Union[str, "os.PathLike[str]"],
        steps_per_epoch: Optional[int] = None,
        scheduler: Any = None,
        applied: bool = False,
        resume: Union[bool, int] = False,
    ) -> None:
        self.path = os.fspath(path)
        self._optimizer = optimizer
        self._file: Optional[int] = None
        self._probe: Optional[_Probe] = None
        if hasattr(optimizer, "param_groups"):
            self._rates = self._of_groups
        elif hasattr(optimizer, "get_lr") and hasattr(optimizer, "global_step"):
            self._members = _members(optimizer)
            # In MindSpore 2.0 `get_lr()` counts an update, and would change the training.
            code = getattr(type(optimizer).get_lr, "__code__", None)
            self._asking_counts = "assignadd" in getattr(code, "co_names", ())
            self._rates = self._asked
        else:
            raise RecorderError(
                "a %s is neither an optimizer of torch nor one of MindSpore"
                % type(optimizer).__name__
            )
        if applied:
            if _framework(optimizer) != "torch":
                raise RecorderError(
                    "applied rates are recorded with PyTorch alone; for MindSpore `conform verify` "
                    "sees them"
                )
            self._probe = _Probe(self)
        self._update = 0
        self._last: List[float] = []
        self._until = -1
        self._until_at = self._end = 0
        about = dict(
            _about(optimizer, scheduler),
            steps_per_epoch=steps_per_epoch,
            started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        )
        if self._probe is not None:
            about["precision"]["applied"] = self._probe.precision
        self._open(about, resume)

    def _open(self, about: Dict[str, Any], resume: Union[bool, int]) -> None:
        try:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        except OSError as error:
            raise RecorderError("%s cannot be written: %s" % (self.path, error.strerror)) from error
        try:
            if fcntl is not None:
                try:
                    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise RecorderError(
                        "another process records into %s: let one of them record, or put its rank "
                        "into the name" % self.path
                    ) from None
                except OSError:
                    pass  # a file system without locks
            if not os.fstat(file).st_size:
                self._file = file
                self._append(head(about))
            elif resume is False:
                raise RecorderError(
                    "%s exists: resume=True goes on with it, or remove it" % self.path
                )
            else:
                self._go_on(file, about, resume)
        except BaseException:
            self._file = None
            os.close(file)
            raise

    def _go_on(self, file: int, about: Dict[str, Any], resume: Union[bool, int]) -> None:
        """After the last whole line; what a crash left of another is cut off."""
        last, end = b"{}", 0
        # To close another descriptor of the file would end the lock.
        with open(file, "rb", closefd=False) as old:
            for line in old:
                if not line.endswith(b"\n") or line.startswith(b"\0"):
                    break
                if not end and b'"%s"' % FORMAT.encode() not in line:
                    break
                last, end = line, end + len(line)
        try:
            record: Any = json.loads(last) if end else None
            follows = record["until"] + 1 if "until" in record else record.get("resume", 0)
        except (TypeError, ValueError, AttributeError):
            raise RecorderError(
                "%s is no trace that can be gone on with: give the trace another name" % self.path
            ) from None
        self._file, self._end = file, end
        os.ftruncate(file, end)
        self._update = follows if resume is True else int(resume)
        self._append(json.dumps(dict({"resume": self._update}, **about)).encode() + b"\n")

    def _of_groups(self) -> List[float]:
        return [_number(group["lr"]) for group in self._optimizer.param_groups]

    def _asked(self) -> List[float]:
        """What an optimizer of mindspore.nn says of its next update, for a member of each group."""
        optimizer = self._optimizer
        if getattr(optimizer, "is_group_lr", False):
            rates = [optimizer.learning_rate[member] for member in self._members]
        elif self._asking_counts:
            rates = [optimizer.learning_rate]
        else:
            return [_number(optimizer.get_lr())] * len(self._members)
        if optimizer.dynamic_lr:
            rates = [rate(optimizer.global_step) for rate in rates]
        return [_number(rate) for rate in rates] * (len(self._members) // len(rates))

    def step(self, update: Optional[int] = None) -> None:
        """Note the rates of the update that comes next: right before it is made.

        Args:
            update: its number, if it is not the one after the last.

        Raises:
            ValueError: it comes before the last one.
        """
        if update is not None:
            if update < self._update:
                raise ValueError(
                    "update %d comes after update %d; a training that goes back makes a new "
                    "Recorder(..., resume=%d)" % (update, self._update - 1, update)
                )
            self._update = update
        if self._file is None:
            return
        rates = self._rates()
        if self._probe is not None:
            self._probe.expect(rates)
            return
        self._note(rates, None)

    def _note(self, rates: List[float], applied: Optional[List[float]]) -> None:
        update = self._update
        self._update = update + 1
        known = rates if applied is None else rates + applied
        if self._until == update - 1 and known == self._last:
            self._write(b"%-12d" % update, self._until_at)
        else:
            sequences = [("reported", rates)]
            if applied is not None:
                sequences.append(("applied", applied))
            line = entry(update, update, sequences, self._end)
            self._until_at = self._end + line.index(b",") + 9
            while line[self._until_at - self._end : self._until_at - self._end + 1] == b" ":
                self._until_at += 1
            self._append(line)
            self._last = known
        self._until = update

    def _append(self, line: bytes) -> None:
        if self._write(line, self._end):
            self._end += len(line)

    def _write(self, text: bytes, at: int) -> bool:
        file = self._file
        assert file is not None
        try:
            if _write_at(file, text, at) == len(text):
                return True
            reason = "the disk is full"
        except OSError as error:
            reason = str(error.strerror)
        self.close()
        warnings.warn(
            "%s cannot be written any more (%s): the recording ends before update %d"
            % (self.path, reason, self._update - 1),
            stacklevel=4,
        )
        return False

    def close(self) -> None:
        """End the recording; what is in the file stays as it is."""
        if self._probe is not None:
            self._probe.remove()
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def callback(self) -> Any:
        """For `mindspore.train.Model.train(..., callbacks=[recorder.callback()])`.

        Where the data set is sunk (`dataset_sink_mode=True`) it is called once for each sink, and
        the trace counts these.
        """
        from mindspore.train.callback import Callback

        recorder = self

        class Recording(Callback):  # type: ignore[misc]
            def on_train_step_begin(self, *_: Any) -> None:
                recorder.step()

            def on_train_end(self, *_: Any) -> None:
                recorder.close()

        return Recording()


class _Probe:
    """A weight more in each group of a torch optimizer, there for the time of an update only.

    It is 0 before the update and has a gradient of 1; the optimizer forgets it after the update, so
    it never gets into a checkpoint. What the optimizer does to it beside multiplying by the rate is
    found by an optimizer of the same class and settings at the rate 1.
    """

    def __init__(self, recorder: Recorder) -> None:
        import torch

        self._torch = torch
        self._recorder, self._optimizer = recorder, recorder._optimizer
        self._rates: Optional[List[float]] = None
        self._weights: List[Any] = []
        self._units: List[float] = []
        self._settings = ""
        dtypes = {self._weight(group).dtype for group in self._optimizer.param_groups}
        self.precision = str(dtypes.pop())[6:] if len(dtypes) == 1 else "float32"
        if not hasattr(self._optimizer, "register_step_pre_hook"):
            raise RecorderError("applied rates need torch 2.0 or later")
        self._hooks = [
            self._optimizer.register_step_pre_hook(self._before),
            self._optimizer.register_step_post_hook(self._after),
        ]

    def expect(self, rates: List[float]) -> None:
        """The next update has these rates; one that was expected and never came is not noted."""
        self._rates = rates

    def remove(self) -> None:
        """Leave the optimizer alone."""
        for hook in self._hooks:
            hook.remove()

    def _weight(self, group: Dict[str, Any]) -> Any:
        like = group["params"][0]
        weight = self._torch.nn.Parameter(
            self._torch.zeros(1, dtype=like.dtype, device=like.device)
        )
        weight.grad = self._torch.ones_like(weight)
        return weight

    def _before(self, *_: Any) -> None:
        self._take_back()  # an update that raised has left them there
        if self._rates is None:
            return
        groups = self._optimizer.param_groups
        settings = [
            {key: value for key, value in group.items() if key not in ("params", "lr")}
            for group in groups
        ]
        if repr(settings) != self._settings:
            self._settings = repr(settings)
            self._units = [self._moved_at_the_rate_1(group) for group in groups]
        for group in groups:
            self._weights.append(self._weight(group))
            group["params"].append(self._weights[-1])

    def _moved_at_the_rate_1(self, group: Dict[str, Any]) -> float:
        weight = self._weight(group)
        rate = group["lr"]
        one = self._torch.ones_like(rate) if isinstance(rate, self._torch.Tensor) else 1.0
        type(self._optimizer)([dict(group, params=[weight], lr=one)], lr=one).step()
        return float(weight.detach())

    def _after(self, *_: Any) -> None:
        rates, self._rates = self._rates, None
        moved = self._take_back()
        if rates is None or self._recorder._file is None:
            return
        applied = [m / unit if unit else float("nan") for m, unit in zip(moved, self._units)]
        self._recorder._note(rates, applied)

    def _take_back(self) -> List[float]:
        """Remove the weights, and say where they are now."""
        weights, self._weights = self._weights, []
        for group, weight in zip(self._optimizer.param_groups, weights):
            group["params"][:] = [p for p in group["params"] if p is not weight]
            self._optimizer.state.pop(weight, None)
        return [float(weight.detach()) for weight in weights]


def _write_at(file: int, text: bytes, at: int) -> int:
    if hasattr(os, "pwrite"):
        return os.pwrite(file, text, at)
    os.lseek(file, at, os.SEEK_SET)
    return os.write(file, text)


def _number(rate: Any) -> float:
    """A rate that may be a number, a tensor of torch, or a Tensor or Parameter of MindSpore."""
    if hasattr(rate, "asnumpy"):
        rate = rate.asnumpy().reshape(-1)[0]
    return float(rate)


def _members(optimizer: Any) -> List[int]:
    """The place of the first parameter of each group of an optimizer of mindspore.nn.

    It keeps a rate and a decay for each parameter; groups next to each other that share both are
    not told apart.
    """
    if not getattr(optimizer, "is_group", False):
        return [0]
    rates = [id(rate) for rate in optimizer.group_lr]
    decays = [d if isinstance(d, float) else id(d) for d in optimizer.group_weight_decay]
    kinds = list(zip(rates, decays))
    return [n for n, kind in enumerate(kinds) if n == 0 or kind != kinds[n - 1]]


def _framework(optimizer: Any) -> str:
    for base in type(optimizer).__mro__:
        name = base.__module__.split(".")[0]
        if name in ("torch", "mindspore"):
            return name
    return type(optimizer).__module__.split(".")[0]


def _about(optimizer: Any, scheduler: Any) -> Dict[str, Any]:
    import sys

    framework = _framework(optimizer)
    version = getattr(sys.modules.get(framework), "__version__", None)
    if framework == "mindspore":
        rate = getattr(optimizer, "learning_rate", None)
        rate = rate if isinstance(rate, list) or hasattr(rate, "construct") else None
        device = str(sys.modules[framework].get_context("device_target")).lower()
        known = {"_IteratorLearningRate": "list", "_ConvertToCell": "number"}
        if scheduler is None and rate is not None:
            cells = list(rate) if type(rate).__name__ == "CellList" else [rate]
            names = [known.get(type(cell).__name__, type(cell).__name__) for cell in cells]
            scheduler = " + ".join(dict.fromkeys(names))
        precision = "float32"
    else:
        group = optimizer.param_groups[0]
        device = str(getattr(group["params"][0], "device", None))
        precision = str(getattr(group["lr"], "dtype", "float64")).replace("torch.", "")
    if scheduler is not None and not isinstance(scheduler, str):
        scheduler = type(scheduler).__name__
    return {
        "framework": framework,
        "framework_version": None if version is None else str(version),
        "device": device,
        "optimizer": type(optimizer).__name__,
        "scheduler": scheduler,
        "precision": {"reported": precision},
    }
