"""A framework that never answers."""

import time


def describe():
    return {
        "framework": "torch",
        "version": "2.13.0",
        "packages": {"numpy": "1"},
        "devices": ["cpu"],
        "absent_devices": {},
    }


def run(request, report):
    time.sleep(3600)
