"""What a type checker sees of the public functions."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RIGHT = """\
import pandas as pd
import benchmark
from methods.method import Method

class Mine(Method):
    id = "mine"

runs: pd.DataFrame = benchmark.run("ewc", ["permuted-digits"], seeds=[0, 3], settings={"tasks": 3, "momentum": 0.5})
runs = benchmark.run([Mine, "naive"], seeds=range(3), device="cpu", jobs=2)
text: str = benchmark.table("results", format="markdown")
cells: pd.DataFrame = benchmark.table("results", "ewc")
loaded: pd.DataFrame = benchmark.load_results()
"""
WRONG = """\
import benchmark
benchmark.run(seeds="five")
benchmark.run(seed=3)
benchmark.run(device="gpu")
number: int = benchmark.table(format="markdown")
benchmark.table(format="markdwn")
benchmark.rum()
"""


def complaints(folder: Path, script: str) -> set[int]:
    """The lines of a script that mypy refuses, counted from 1."""
    pytest.importorskip("mypy")
    (folder / "script.py").write_text(script)
    options = ["--follow-imports=silent", "--ignore-missing-imports", "--check-untyped-defs", "--config-file="]
    command = [sys.executable, "-m", "mypy", *options, "script.py"]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"MYPYPATH": str(ROOT)}, capture_output=True, text=True, timeout=250
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    lines = [line.split(":") for line in done.stdout.splitlines() if line.startswith("script.py:")]
    return {int(number) for _, number, kind, *_ in lines if kind.strip() == "error"}


def test_signatures_are_seen_though_they_are_loaded_late(tmp_path):
    assert complaints(tmp_path, RIGHT) == set()
    assert complaints(tmp_path, WRONG) == set(range(2, WRONG.count("\n") + 1))


def test_both_packages_say_that_they_are_typed():
    assert (ROOT / "benchmark/py.typed").is_file() and (ROOT / "methods/py.typed").is_file()
