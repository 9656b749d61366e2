"""A ConstantLR without a framework, which forgets its base rate where the factor lasts long."""

import numpy as np


def describe():
    return {
        "framework": "torch",
        "version": "2.13.0",
        "packages": {"numpy": np.__version__},
        "devices": ["cpu"],
        "absent_devices": {},
    }


def run(request, report):
    arguments = request["arguments"]
    length = request["steps_per_epoch"] if request["per_epoch"] else 1
    counts = np.array(request["steps"]) // length
    base = request["groups"][0]["base_lr"]
    after = 2 * base if arguments["total_iters"] >= 3 else base
    rates = np.where(counts < arguments["total_iters"], base * arguments["factor"], after)
    report("reported", rates)
    report("applied", rates)
