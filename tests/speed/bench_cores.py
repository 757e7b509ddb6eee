"""How busy the cores are while the suite trains a cell, as a user starts it."""

import os
import subprocess
import sys
import time

import psutil
import pytest

from benchmark.records.provenance import PROJECT

pytestmark = pytest.mark.usefixtures("real_data")


def bench_cores(labelled, tmp_path):
    """A seed a core of naive SGD on four tasks of Split CIFAR-100, start and end of the processes included."""
    cores, shares = len(os.sched_getaffinity(0)), []
    command = [
        sys.executable,
        "-m",
        "benchmark",
        "run",
        "--stream",
        "split-cifar100",
        "--method",
        "naive",
        "--seeds",
        str(cores),
        "--set",
        "tasks=4",
        "--results",
        str(tmp_path),
    ]

    def work():
        before, started = psutil.Process().cpu_times(), time.perf_counter()
        subprocess.run(command, check=True, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after, wall = psutil.Process().cpu_times(), time.perf_counter() - started
        used = sum(getattr(after, part) - getattr(before, part) for part in ("children_user", "children_system"))
        shares.append(used / (wall * cores))

    info = labelled("cores", "naive on split-cifar100", "ours", work)
    info["busy"] = shares[-1]
