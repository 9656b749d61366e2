"""An adapter without a framework, wrong in as many ways as a case's arguments ask for."""

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
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


def the_channel():
    """What the worker talks to the harness through."""
    frame = sys._getframe()
    while "channel" not in frame.f_locals:
        frame = frame.f_back
    return frame.f_locals["channel"]


def fork(behaviour):
    """Fork, and go on in both processes, but where the behaviour says otherwise."""
    if behaviour == "forks by multiprocessing":
        child = multiprocessing.get_context("fork").Process(target=print, args=("a child",))
        child.start()
        return child.join()
    if behaviour == "forks in a thread":
        thread = threading.Thread(target=os.fork)
        thread.start()
        return thread.join()
    pid = ctypes.CDLL(None).fork() if behaviour == "forks in C" else os.fork()
    if behaviour == "forks and the parent ends" and pid:
        os._exit(5)
    if pid or behaviour == "forks and the parent ends":
        return None
    if behaviour == "forks twice":
        os.fork()
    elif behaviour == "forks and the child raises":
        raise ValueError("in the child")
    elif behaviour == "forks and the child leaves":
        sys.exit(3)
    elif behaviour == "forks and the child is interrupted":
        raise KeyboardInterrupt
    elif behaviour == "forks and the child answers":
        for _ in range(100):
            the_channel().send({"id": "forged", "sequences": {}, "warnings": []})
            os.write(the_channel().gateway._io.outfile.fileno(), b"garbage")
    elif behaviour == "forks and the child lives on":
        os.setsid()
        time.sleep(20)
        os._exit(0)
    return None


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
    elif behaviour.startswith("forks"):
        fork(behaviour)
    elif behaviour.split(" ")[0] == "answers":
        the_channel().send({"id": behaviour[8:], "sequences": {}, "printed": "", "warnings": []})
    applied = values[:1].repeat(len(values)) if behaviour == "not applied" else values
    report("reported", values)
    report("applied", applied)
