"""What a type checker sees of the public functions."""

import json
import shutil
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
number: int = benchmark.table()
benchmark.table(format="markdwn")
benchmark.rum()
"""


def complaints(folder: Path, script: str) -> set[int]:
    """The lines of a script that pyright refuses, from 1."""
    pyright = shutil.which("pyright", path=str(Path(sys.executable).parent)) or shutil.which("pyright")
    if pyright is None:
        pytest.skip("pyright is not installed")
    (folder / "script.py").write_text(script)
    settings = {"include": ["script.py"], "extraPaths": [str(ROOT)], "typeCheckingMode": "standard"}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [pyright, "--outputjson", "--pythonpath", sys.executable, "--project", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250)
    if not done.stdout.startswith("{"):
        pytest.skip(f"pyright does not start here: {done.stderr[-200:]}")
    found = json.loads(done.stdout)
    assert found["summary"]["filesAnalyzed"] == 1
    return {each["range"]["start"]["line"] + 1 for each in found["generalDiagnostics"] if each["severity"] == "error"}


def test_signatures_are_seen_though_they_are_loaded_late(tmp_path):
    assert complaints(tmp_path, RIGHT) == set()
    assert complaints(tmp_path, WRONG) == set(range(2, WRONG.count("\n") + 1))


def test_both_packages_say_that_they_are_typed():
    assert (ROOT / "benchmark/py.typed").is_file() and (ROOT / "methods/py.typed").is_file()
