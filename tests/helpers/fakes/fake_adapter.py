"""An adapter without a framework, wrong in as many ways as a case's arguments ask for."""

import os
import signal
import sys
import time
import warnings

import numpy as np


def describe():
    return {
        "framework": "torch",
        "version": "1.0",
        "packages": {"numpy": np.__version__},
        "devices": ["cpu"],
        "absent_devices": {"cuda": "a fake has none"},
    }


def run(request, report):
    arguments = dict(request["arguments"])
    behaviour = arguments.pop("behaviour", "exact")
    steps = request["steps"]
    values = np.array(
        [request["groups"][0]["base_lr"] * arguments["gamma"] ** step for step in steps]
    )
    if behaviour == "one step late":
        values = np.concatenate([values[:1], values[:-1]])
    elif behaviour == "wrong once":
        values[2] *= 1 + 1e-9
    elif behaviour == "not a number":
        values[1] = np.nan
    elif behaviour == "too short":
        values = values[:-1]
    elif behaviour == "raises":
        raise ValueError("no such decay <b>here</b>")
    elif behaviour == "hangs":
        time.sleep(3600)
    elif behaviour == "slow":
        time.sleep(0.4)
    elif behaviour == "killed":
        print("last words", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    elif behaviour == "exits":
        os._exit(7)
    elif behaviour == "chatty":
        print("said by Python")
        os.system("echo said by a child")
        sys.stderr.write("said to stderr\n")
        warnings.warn("mind the step", DeprecationWarning, stacklevel=1)
    elif behaviour == "floods":
        for _ in range(3000):
            print("x" * 1000)
        print("the end")
    elif behaviour == "leaves":
        sys.exit(3)
    elif behaviour == "half precision":
        values = values.astype(np.float16)
    elif behaviour == "whole numbers":
        values = np.array([1, 0, 0, 0])
    elif behaviour == "words":
        values = np.array(["a", "b"])
    elif behaviour == "unspeakable":
        raise ValueError("half a pair: \ud800")
    applied = values[:1].repeat(len(values)) if behaviour == "not applied" else values
    report("reported", values)
    report("applied", applied)
