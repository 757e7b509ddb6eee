"""Executors that people bring: by a file or an entry point; what is said of bad ones."""

import importlib.metadata
import sys
from pathlib import Path

import pytest

from benchmark.cli.main import main
from benchmark.records import store
from benchmark.runs import executors
from methods.errors import InputError
from methods.literals import class_with_id
from tests.support.writers import numbers

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "executor.py"
COMMAND = ["run", "--method", "naive", "--method", "agem", "--stream", "split-digits", "--stream", "rotated-digits"]
COMMAND += ["--seeds", "2", "--set", "tasks=2", "--set", "train_examples=30"]
SOURCE = """\
class Mine:
    options = ("place",)

    def __init__(self, jobs, options):
        self.place = options.get("place", "here")

    def manner(self, units, where):
        return f"at {self.place}"

    def run(self, units, where, show):
        pass
"""


pytestmark = pytest.mark.usefixtures("one_core")


@pytest.fixture
def mine(tmp_path, monkeypatch) -> Path:
    """A file with a sound executor that trains nothing, in the current directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.py"
    path.write_text(SOURCE)
    return path


def test_the_example_records_what_the_local_executor_records(tmp_path, capsys):
    here, there, log = tmp_path / "here", tmp_path / "there", tmp_path / "units.log"
    assert main([*COMMAND, "--jobs", "1", "--results", str(here)]) == 0
    capsys.readouterr()
    given = ["--executor", str(EXAMPLE), "--executor-option", f"log={log}"]
    assert main([*COMMAND, *given, "--results", str(there)]) == 0
    assert f"8 to do on cpu, one by one with a log in {log}" in capsys.readouterr().out
    assert numbers(there) == numbers(here) and len(numbers(there)) == 8
    assert sorted(line.split(":")[0] for line in log.read_text().splitlines()) == [
        f"{method} on {stream}, seeds 0, 1"
        for method in ("agem", "naive")
        for stream in ("rotated-digits", "split-digits")
    ]
    assert {record.provenance.code for record in store.load_all(there)} == {
        record.provenance.code for record in store.load_all(here)
    }


def test_an_executor_that_leaves_runs_without_a_record_is_told(mine, capsys):
    assert main([*COMMAND, "--executor", "./mine.py", "--results", "results"]) == 2
    assert "--executor: Mine returned, but 8 of 8 runs have no record" in capsys.readouterr().err


def test_an_executor_is_named_by_its_file_its_module_or_an_entry_point(mine, monkeypatch, capsys):
    assert executors.named("./mine.py", None, {"place": "there"}).place == "there"
    monkeypatch.syspath_prepend(str(mine.parent))
    (mine.parent / "clbench_test_executor.py").write_text(SOURCE)
    assert executors.named("clbench_test_executor:Mine").manner([], None) == "at here"
    point = importlib.metadata.EntryPoint("other-name", "clbench_test_executor:Mine", executors.GROUP)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [point] if group == executors.GROUP else [])
    assert type(executors.named("other-name")) is sys.modules["clbench_test_executor"].Mine
    assert main([*COMMAND, "--executor", "other-name", "--results", "results"]) == 2
    assert "8 to do on cpu, at here" in capsys.readouterr().out
    del sys.modules["clbench_test_executor"]


def test_an_unknown_name_is_told_with_the_nearest(mine, monkeypatch, capsys):
    point = importlib.metadata.EntryPoint("kubernetes", "somewhere:Cluster", executors.GROUP)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [point] if group == executors.GROUP else [])
    assert main([*COMMAND, "--executor", "kubernets"]) == 2
    assert "--executor: there is no 'kubernets', did you mean 'kubernetes'?" in capsys.readouterr().err
    with pytest.raises(InputError, match="there is no 'kubernets', choose from local, ray, slurm, kubernetes"):
        executors.named("kubernets")
    assert main([*COMMAND, "--executor", "kubernetes"]) == 2
    assert "--executor: somewhere:Cluster: No module named 'somewhere'" in capsys.readouterr().err


BAD = {
    "no such file": (None, [], "bad.py (No such file"),
    "a syntax error": ("x = 1\ndef f(:\n", [], "bad.py, line 2: SyntaxError"),
    "no class": (
        "x = 1\n",
        [],
        "bad.py must hold exactly one class with methods manner and run; it holds no such class, but: none",
    ),
    "a class without run": (SOURCE.replace("def run", "def walk"), [], "it holds no such class, but: Mine"),
    "a class without manner": (
        SOURCE.replace("def manner", "def manners"),
        [],
        "Mine needs manner(self, units, where)",
    ),
    "two classes": (f"{SOURCE}\nclass Other(Mine):\n    pass\n", [], "it holds several: Mine, Other"),
    "too few parameters": (SOURCE.replace(", show", ""), [], "Mine needs run(self, units, where, show)"),
    "no options": (SOURCE.replace(", options", ""), [], "Mine needs __init__(self, jobs, options)"),
    "an unknown option": (SOURCE, ["--executor-option", "plac=x"], "takes no 'plac'; it takes place"),
    "no pair": (SOURCE, ["--executor-option", "place"], "--executor-option: 'place' is not KEY=VALUE"),
    "an error in the making": (
        SOURCE.replace('options.get("place", "here")', "1 / 0"),
        [],
        "bad.py, line 5: ZeroDivision",
    ),
    "an error in its manner": (SOURCE.replace('f"at {self.place}"', "1 / 0"), [], "bad.py, line 8: ZeroDivisionError"),
    "an error in a run": (
        SOURCE.replace("pass", "units[7]"),
        [],
        "bad.py, line 11: IndexError: list index out of range; fin",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_executor_is_one_line_and_a_two(case, mine, capsys):
    source, given, said = BAD[case]
    if source is not None:
        mine.with_name("bad.py").write_text(source)
    assert main([*COMMAND, "--executor", "./bad.py", *given, "--results", "results"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and said in err and "--executor" in err, err


def test_a_defect_of_the_suite_keeps_its_traceback(mine):
    mine.write_text(SOURCE.replace("pass", "from benchmark.records import metrics\n        metrics.summarize(None)"))
    with pytest.raises(ValueError, match="square"):
        main([*COMMAND, "--executor", "./mine.py", "--results", "results"])


def test_built_in_executors_refuse_options_that_they_do_not_take(tmp_path, capsys):
    assert main([*COMMAND, "--executor-option", "log=x", "--results", str(tmp_path)]) == 2
    assert "--executor-option: local takes no 'log'; it takes none" in capsys.readouterr().err


def test_a_built_in_executor_says_what_it_needs_in_its_own_file(tmp_path):
    assert list(executors.EXECUTORS) == ["local", "ray", "slurm"]
    (tmp_path / "pbs.py").write_text(f"import no_such_library\n{SOURCE}    id = 'pbs'\n    library = extra = 'pbs'\n")
    (tmp_path / "part.py").write_text("class Part:\n    size = 1\n")
    assert class_with_id(tmp_path / "part.py") is None
    found = executors.described(tmp_path)
    assert found == {"pbs": executors.Description("benchmark.runs.executors.pbs", "Mine", "pbs", "pbs")}
    (tmp_path / "pbs.py").write_text(f"{SOURCE}    id = 'pbs'\n    library = 3\n")
    with pytest.raises(InputError, match='pbs.py, line 13: class Mine needs a literal library, as library = "ray"'):
        executors.described(tmp_path)
