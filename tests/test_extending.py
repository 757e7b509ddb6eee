"""The files, commands and diffs of docs/extending.md do what the page says."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.cli.main import main
from tests.support.process import ROOT

PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
SMALL = ["--set", "tasks=2", "--set", "train_examples=40", "--jobs", "1", "--threads", "1"]
COMMANDS = re.findall(r"^\$ python -m benchmark (.*)$", PAGE.replace("\\\n", ""), re.MULTILINE)
BUILT_IN = """
from benchmark.cli.main import main
some = ["--method", "l2", "--stream", "split-digits"]
small = ["--set", "tasks=2", "--set", "train_examples=40", "--set", "l2_lambda=0.5", "--seeds", "2", "--threads", "1"]
schedule = ["--set", "schedule=polynomial", "--set", "schedule.power=2"]
codes = [
    main(["list"]), main(["list", "--settings", *some]), main(["run", *some, "--network", "linear", *small, *schedule]),
    main(["table", "--columns", "remembering", "--format", "json"]),
]
assert codes == [0, 0, 0, 0], codes
"""


@pytest.fixture(scope="module")
def built_in(tmp_path_factory) -> str:
    """What commands say in a copy of the suite with all diffs of the page applied."""
    folder, diffs = tmp_path_factory.mktemp("suite"), _blocks("diff")
    assert len(diffs) == 4
    for name in ("benchmark", "methods"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(folder.parent), "PYTHONPATH": str(folder)}
    for diff in diffs:
        assert diff.count("diff --git") == 1  # each touches one file
        command = ["git", "apply", "-"]
        done = subprocess.run(command, cwd=folder, env=environment, input=diff, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    command = [sys.executable, "-c", BUILT_IN]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_diff_of_one_file_adds_a_method_with_settings_of_its_own(built_in):
    assert re.search(r"^l2 +L2 +yes +the baseline of Kirkpatrick", built_in, re.MULTILINE)
    assert re.search(r"^l2_lambda +0\.1 +ours, not tuned", built_in, re.MULTILINE)
    (cell,) = _table(built_in)
    assert cell["method"] == "l2" and cell["variant"]["l2_lambda"] == 0.5


@pytest.mark.slow
def test_a_diff_of_one_file_adds_a_network(built_in):
    assert re.search(r"^linear +softmax regression", built_in, re.MULTILINE)
    (cell,) = _table(built_in)
    assert cell["variant"]["network"] == "linear"


@pytest.mark.slow
def test_a_diff_of_one_file_adds_a_schedule(built_in):
    assert re.search(r"^polynomial +\(1 - t / total\)\^power +power=1\.0", built_in, re.MULTILINE)
    (cell,) = _table(built_in)
    assert cell["variant"]["schedule"] == "polynomial" and cell["variant"]["schedule.power"] == 2


@pytest.mark.slow
def test_a_diff_of_one_file_adds_a_metric(built_in):
    assert re.search(r"^remembering +REM: 1 - ", built_in, re.MULTILINE)
    (cell,) = _table(built_in)
    assert 0 < cell["remembering_mean"] <= 100 and cell["remembering_seeds"] == 2


@pytest.fixture
def files(tmp_path, monkeypatch) -> Path:
    """A directory with the files that the page shows, and its examples, as the current one."""
    shutil.copytree(ROOT / "docs" / "examples", tmp_path / "docs" / "examples")
    for block in _blocks("py"):
        name = re.match(r"# (\w+\.py)\n", block)
        if name:
            (tmp_path / name[1]).write_text(block, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("check-")])
def test_each_file_passes_its_check(files, capsys, command):
    assert main(shlex.split(command)) == 0
    assert "all hold" in capsys.readouterr().out


@pytest.mark.slow
def test_each_run_of_the_page_trains_and_the_metric_is_a_column(files, capsys):
    runs = [c for c in COMMANDS if c.startswith("run ")]
    assert len(runs) == 8
    for command in runs:
        words = shlex.split(re.sub(r"--results \S+", "", command))
        assert main([*words, *SMALL]) == 0, (command, capsys.readouterr().err)
    assert (files / "units.log").read_text().count("\n") == 1
    capsys.readouterr()
    (column,) = [c for c in COMMANDS if "--columns" in c]
    assert main([*shlex.split(column), "--format", "json"]) == 0
    assert all(0 <= cell["first_task_accuracy_mean"] <= 100 for cell in _table(capsys.readouterr().out))


def _blocks(language: str) -> list[str]:
    return [part.split("```")[0] for part in PAGE.split(f"```{language}\n")[1:]]


def _table(out: str) -> list[dict]:
    return json.loads(out[re.search(r"^\{", out, re.MULTILINE).start() :])["cells"]
