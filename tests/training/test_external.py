"""Methods from elsewhere: how they are named and loaded, what is said of bad ones, their runs and rows."""

import importlib.metadata
import json
import pickle
import sys
from pathlib import Path

import pytest

from benchmark.cli.main import main
from benchmark.common import loading
from benchmark.records import store
from benchmark.records.code_version import code_version
from benchmark.runs.unit import Unit
from benchmark.training import external
from methods.errors import InputError
from methods.registry import METHODS
from tests.support.process import ROOT, python

pytestmark = pytest.mark.usefixtures("one_core")
SOURCE = '''\
"""A method."""
from pydantic import Field
from methods.method import Method
from methods.settings import Rate

class Mine(Method):
    id = "mine"

    class Settings(Method.Settings):
        learning_rate: Rate = Field(0.05, description="our search")
        scale: float = Field(2.0, gt=0, lt=10, description="a guess")
        mode: str = Field("mild", description="a guess")

    def direction(self, net, batch):
        return net.gradient(batch).dense() * self.settings.scale
'''
RUN = ["run", "--stream", "split-digits", "--seeds", "2", "--set", "tasks=2", "--set", "train_examples=30"]


@pytest.fixture
def mine(tmp_path, monkeypatch) -> Path:
    """A file with a sound method, in the current directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.py"
    path.write_text(SOURCE)
    return path


def test_a_method_is_named_by_its_id_or_its_file(mine):
    assert external.method_named("ewc") is METHODS["ewc"]
    method = external.method_named("./mine.py")
    assert method.id == "mine" and method is external.method_named(str(mine)) is external.method_named("mine.py")


def test_a_method_is_named_by_its_module_or_an_entry_point(mine, monkeypatch):
    monkeypatch.syspath_prepend(str(mine.parent))
    (mine.parent / "clbench_test_package.py").write_text(SOURCE)
    method = external.method_named("clbench_test_package:Mine")
    assert method is sys.modules["clbench_test_package"].Mine
    point = importlib.metadata.EntryPoint("other-name", "clbench_test_package:Mine", external.GROUP)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [point] if group == external.GROUP else [])
    assert external.method_named("other-name") is method
    del sys.modules["clbench_test_package"]


def test_the_code_s_version_is_that_of_the_text_that_was_loaded(mine):
    method = external.method_named(str(mine))
    before = code_version(method)
    other = mine.with_name("other.py")
    other.write_text(SOURCE.replace("* self.settings.scale", "* 3"))
    commented = mine.with_name("commented.py")
    commented.write_text(SOURCE.replace('"""A method."""', "# only a comment"))
    mine.write_text(other.read_text())
    assert code_version(method) == before == code_version(external.method_named(str(commented)))
    assert code_version(external.method_named(str(other))) != before


def test_own_settings_stand_beside_their_sources_and_can_be_set(mine, capsys):
    assert main(["list", "--settings", "--method", "./mine.py", "--stream", "split-digits"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["mine", "on", "split-digits"] in lines and ["scale", "2.0", "a", "guess"] in lines
    assert ["learning_rate", "0.05", "our", "search"] in lines
    settings = external.settings_of(str(mine), "split-digits", {"scale": "3", "tasks": "2"})
    assert (settings.scale, settings.tasks, settings.learning_rate, settings.batch_size) == (3.0, 2, 0.05, 10)


def test_its_runs_are_recorded_and_shown_as_external(mine, capsys):
    results = str(mine.parent / "results")
    command = [*RUN, "--jobs", "1", "--method", "./mine.py", "--method", "naive", "--results", results]
    assert main(command) == 0
    made = {(record.method, record.settings.get("scale")) for record in store.load_all(Path(results))}
    assert made == {("mine", 2.0), ("naive", None)}
    assert main(command) == 0 and "4 recorded already" in capsys.readouterr().out
    assert main(["table", "--results", results]) == 0
    assert "| mine (external) [tasks=2 train_examples=30] |" in " ".join(capsys.readouterr().out.split())
    assert main(["table", "--results", results, "--method", "mine", "--format", "json"]) == 0
    assert [row["method"] for row in json.loads(capsys.readouterr().out)["cells"]] == ["mine"]
    assert main(["table", "--results", results, "--method", "mone"]) == 2
    assert "did you mean 'mine'?" in capsys.readouterr().err


SAID = SOURCE.replace(
    'id = "mine"\n',
    'id = "mine"\n    title = "My method"\n    memoryless = False\n    reference = "a draft of ours"\n'
    '    stream_settings = {"split-digits": {"batch_size": (5, "for few examples"), "scale": (3.0, "our search")}}\n',
)


def test_what_its_class_says_about_it_is_used(mine, capsys):
    """Its settings on a stream; its title wherever a row is named."""
    mine.write_text(SAID)
    assert main(["list", "--method", "./mine.py", "--stream", "split-digits"]) == 0
    out = capsys.readouterr().out
    lines = [line.split() for line in out.splitlines()]
    assert ["batch_size", "5", "for", "few", "examples"] in lines and ["scale", "3.0", "our", "search"] in lines
    assert "mine  My method, not memoryless: a draft of ours" in out
    command = [*RUN, "--jobs", "1", "--method", "./mine.py", "--method", "naive", "--results", "results"]
    assert main(command) == 0
    (record, other) = store.load_all(Path("results"))[::2]
    assert dict(record.about) == {"title": "My method", "memoryless": False, "reference": "a draft of ours"}
    assert (record.settings["batch_size"], record.settings["scale"], other.about) == (5, 3.0, None)
    mine.write_text(SAID.replace("a draft of ours", "our paper").replace("My method", "Mine"))
    capsys.readouterr()
    assert main(command) == 0 and "4 recorded already" in capsys.readouterr().out
    for form in ("markdown", "latex", "html"):
        assert main(["table", "--results", "results", "--format", form]) == 0
        assert "My method (external)" in capsys.readouterr().out
    assert main(["table", "--results", "results", "--format", "csv"]) == 0
    first, *rows = [line.split(",") for line in capsys.readouterr().out.splitlines()]
    assert [(row[0], row[first.index("title")]) for row in rows] == [("naive", ""), ("mine", "My method")]
    assert main(["report", "--results", "results"]) == 0
    assert Path("results/report.html").read_text(encoding="utf-8").count("My method (external)") > 3


def test_worker_processes_load_it_again_and_get_the_same_numbers(mine):
    command = [*RUN, "--method", "./mine.py", "--stream", "permuted-digits"]
    assert main([*command, "--jobs", "1", "--results", str(mine.parent / "one")]) == 0
    assert main([*command, "--jobs", "2", "--results", str(mine.parent / "two")]) == 0
    one, two = (store.load_all(mine.parent / name) for name in ("one", "two"))
    assert len(one) == 4 and [r.accuracy_matrix for r in one] == [r.accuracy_matrix for r in two]
    assert {r.provenance.code for r in one} == {r.provenance.code for r in two}


def test_a_unit_holds_no_class(mine):
    unit = Unit("mine", "split-digits", (0,), {"scale": 3.0}, 1.0, spec=str(mine))
    assert b"clbench_" not in pickle.dumps(unit) and pickle.loads(pickle.dumps(unit)) == unit
    assert unit.settings.scale == 3.0 and unit.load().id == "mine"


CLASS = "from methods.method import Method\nclass Mine(Method):\n    id = 'mine'\n"
BAD = {
    "no such file": (None, ["bad.py", "No such file"]),
    "a syntax error": ("x = 1\ndef f(:\n", ["bad.py, line 2", "SyntaxError"]),
    "a failing import": ("import os\nimport no_such_module_here\n", ["bad.py, line 2", "no_such_module_here"]),
    "an error": ("\n\nx = 1 / 0\n", ["bad.py, line 3", "ZeroDivisionError"]),
    "a script that ends": ("import sys\nsys.exit(3)\n", ["bad.py, line 2", "SystemExit"]),
    "not text": ("x = '\0'\n", ["bad.py", "null bytes"]),
    "no method": ("class A: pass\n", ["bad.py", "one subclass of Method", "A"]),
    "two methods": (CLASS + "class Other(Mine):\n    id = 'other'\n", ["bad.py", "Mine, Other"]),
    "no id": (CLASS.replace("    id = 'mine'", "    pass"), ["bad.py, line 2", "needs an id"]),
    "an unsound id": (CLASS.replace("'mine'", "'../x'"), ["bad.py", "'../x'"]),
    "a built-in id": (CLASS.replace("'mine'", "'ewc'"), ["bad.py", "'ewc' is a built-in"]),
    "too few parameters": (CLASS + "    def direction(self, net): pass\n", ["bad.py, line 4", "self, net, batch"]),
    "no class method": (CLASS + "    def phases(self, tasks): pass\n", ["bad.py, line 4", "class method"]),
    "a task left out": (CLASS + "    @classmethod\n    def phases(cls, tasks): return [(0,)]\n", ["each task"]),
    "tasks from the last to the first": (
        CLASS + "    @classmethod\n    def phases(cls, tasks): return [(t,) for t in range(tasks)][::-1]\n",
        ["in ascending order"],
    ),
    "a training loop": (CLASS + "    def train(self): pass\n", ["bad.py, line 4", "another name"]),
    "a setting without default": (
        CLASS + "    class Settings(Method.Settings):\n        a: int\n",
        ["'a' needs a default"],
    ),
    "a setting that no record holds": (
        CLASS + "    class Settings(Method.Settings):\n        a: tuple = (1, 2)\n",
        ["'a' cannot be recorded"],
    ),
    "a title that no record holds": (CLASS + "    title = 7\n", ["its title cannot be '7'", "string"]),
    "settings on a stream without a source": (
        CLASS + "    stream_settings = {'split-digits': {'epochs': 2}}\n",
        ["bad.py, line 2", "'epochs' must be a value and its source"],
    ),
    "an unknown setting on a stream": (
        CLASS + "    stream_settings = {'split-digits': {'epoch': (2, 'a guess')}}\n",
        ["stream_settings of 'split-digits'", "no setting 'epoch'"],
    ),
    "an impossible setting on a stream": (
        CLASS + "    stream_settings = {'split-digits': {'epochs': (0, 'a guess')}}\n",
        ["stream_settings of 'split-digits'", "'epochs' cannot be 0"],
    ),
    "an impossible default": (
        CLASS + "    class Settings(Method.Settings):\n        learning_rate: float = -1.0\n",
        ["'learning_rate'", "greater"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_one_line_and_a_two(case, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    source, said = BAD[case]
    if source is not None:
        (tmp_path / "bad.py").write_text(source)
    assert main([*RUN, "--method", "./bad.py", "--results", "results"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and all(part in err for part in said), err
    assert "Traceback" not in err and not Path("results").exists()


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("no_such_module_here:A", "No module named"),
        ("benchmark.records.metrics:nothing", "nothing"),
        ("benchmark.records.schema:Record", "is not a subclass"),
        ("a:", ""),
        (":", ""),
        ("./", "directory"),
    ],
)
def test_a_bad_name_is_one_line_and_a_two(spec, said, capsys):
    assert main([*RUN, "--method", spec]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and said in err and "--method" in err


def test_two_methods_of_one_id_are_refused(mine, capsys):
    mine.with_name("twin.py").write_text(SOURCE)
    assert main([*RUN, "--method", "./mine.py", "--method", "./twin.py", "--results", "results"]) == 2
    assert "mine.py and twin.py share the id 'mine'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("scale=11", "'scale'"),
        ("learning_rate=-1", "'learning_rate'"),
        ("scall=1", "did you mean 'scale'?"),
        ("mode=\x1b[2J", "'mode' cannot be recorded"),
        (f"mode={'x' * 501}", "'mode' cannot be recorded"),
    ],
)
def test_its_settings_are_checked(mine, change, said, capsys):
    assert main([*RUN, "--method", "./mine.py", "--set", change]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_what_it_raises_in_a_run_is_told_with_its_line(mine, jobs, capsys):
    failing = "        if batch.task == 1:\n            1 / 0\n        return net"
    mine.write_text(SOURCE.replace("        return net", failing))
    streams = ["--stream", "permuted-digits"] if jobs == "2" else []
    command = [*RUN, *streams, "--method", "naive", "--method", "./mine.py", "--results", "results", "--jobs", jobs]
    assert main(command) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "mine.py, line 16: ZeroDivisionError" in err and "finished runs are recorded" in err
    if jobs == "1":
        assert [record.method for record in store.load_all(Path("results"))] == ["naive", "naive"]


def test_a_direction_of_another_shape_is_told(mine, capsys):
    mine.write_text(SOURCE.replace("* self.settings.scale", "[:, :7]"))
    assert main([*RUN, "--method", "./mine.py", "--results", "results", "--jobs", "1"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "mine.py: direction() returns torch.float32 [2, 7]" in err and "[2, " in err


def test_the_suite_s_own_defects_keep_their_traceback():
    with pytest.raises(ZeroDivisionError), loading.errors_told(METHODS["ewc"]):
        1 / 0


def test_an_unknown_method_named_in_code_is_an_input_error():
    with pytest.raises(InputError, match="there is no method 'ewcc'"):
        external.method_named("ewcc")


def test_new_method_writes_a_file_that_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["new-method", "fresh_idea"]) == 0
    text = Path("fresh_idea.py").read_text()
    assert text.count("\n") < 40 and max(map(len, text.splitlines())) <= 120
    assert main([*RUN, "--method", "./fresh_idea.py", "--results", "results", "--jobs", "1"]) == 0
    assert {record.method for record in store.load_all(Path("results"))} == {"fresh-idea"}
    capsys.readouterr()
    assert main(["new-method", "fresh_idea"]) == 2 and Path("fresh_idea.py").read_text() == text
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["", "../x", "Naive", "a b", "1st", "ewc", "er_reservoir", "a.py", "_", "a__b", "random", "torch"]
)
def test_new_method_refuses_a_name_that_will_not_do(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["new-method", name]) == 2
    assert capsys.readouterr().err.count("\n") == 1 and not list(tmp_path.iterdir())


def test_check_method_has_a_line_a_clause_and_fails_with_a_one(mine, capsys):
    assert main(["check-method", "./mine.py"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "all hold"
    mine.with_name("bad.py").write_text(SOURCE.replace("gt=0, lt=10, ", ""))
    assert main(["check-method", "./bad.py"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["ok"] * 6 + ["failed", "1"]
    assert main(["check-method", "ewcc"]) == 2 and "did you mean 'ewc'?" in capsys.readouterr().err


def test_check_method_says_what_it_cannot_check(capsys):
    assert main(["check-method", "avalanche:Naive"]) == 2
    assert "trains in Avalanche's own loop" in capsys.readouterr().err


def test_the_table_takes_a_method_as_the_run_does(mine, capsys):
    assert main([*RUN, "--method", "./mine.py", "--method", "naive", "--results", "results", "--jobs", "1"]) == 0
    capsys.readouterr()
    assert main(["table", "--results", "results", "--method", "./mine.py", "--format", "csv"]) == 0
    assert [line.split(",")[0] for line in capsys.readouterr().out.splitlines()] == ["method", "mine"]


def test_what_lies_beside_a_file_can_be_imported(mine, monkeypatch, capsys):
    monkeypatch.setattr(sys, "path", [*sys.path])
    folder = mine.parent / "package"
    folder.mkdir()
    (folder / "clbench_test_helper.py").write_text("SCALE = 1.5")
    (folder / "neighbour.py").write_text(
        SOURCE.replace("Field(2.0,", "Field(SCALE,").replace(
            "from pydantic", "from clbench_test_helper import SCALE\nfrom pydantic"
        )
    )
    assert external.method_named("./package/neighbour.py").Settings.model_fields["scale"].default == 1.5
    del sys.modules["clbench_test_helper"]


def test_an_installed_command_finds_modules_here_too(mine):
    script = (
        "import sys; sys.path = [p for p in sys.path if p not in ('', sys.argv[1])]; sys.path.append(sys.argv[2]); "
        "sys.argv = ['clbench', 'list', '--method', 'mine:Mine']; "
        "from benchmark.__main__ import main; sys.exit(main())"
    )
    done = python("-c", script, mine.parent, ROOT, cwd=mine.parent)
    assert done.returncode == 0 and "scale" in done.stdout, done.stderr
