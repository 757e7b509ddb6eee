"""What Python code calls: benchmark.run, benchmark.table, benchmark.load_results."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import benchmark
from benchmark.cli.main import main
from benchmark.cli.options import FORMATS
from benchmark.records import store
from benchmark.runs.executors import base, local
from benchmark.tables.table import frame
from methods.errors import InputError
from methods.method import Method
from methods.registry import METHODS

ROOT = Path(__file__).resolve().parents[1]
SMALL = {"tasks": 2, "train_examples": 40}
TYPED = ["--seeds", "2", "--set", "tasks=2", "--set", "train_examples=40", "--jobs", "1"]
SOURCE = """\
from methods.method import Method

class Mine(Method):
    id = "mine"

    def direction(self, net, batch):
        return net.gradient(batch).dense() * 0.5
"""


pytestmark = pytest.mark.usefixtures("one_core")


@pytest.fixture(scope="module")
def typed(tmp_path_factory) -> Path:
    """Four runs that the command line made."""
    results = tmp_path_factory.mktemp("typed") / "results"
    cells = ["--method", "naive", "--method", "agem", "--stream", "split-digits"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "cores", lambda: 1)
        assert main(["run", *cells, *TYPED, "--results", str(results)]) == 0
    return results


@pytest.fixture
def mine(tmp_path, monkeypatch) -> Path:
    """A file with a method, in the current directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.py"
    path.write_text(SOURCE)
    return path


def small(methods, results: Path, **more) -> pd.DataFrame:
    return benchmark.run(
        methods, "split-digits", **{"seeds": 2, "settings": SMALL, "jobs": 1, "results": results} | more
    )


def said(results: Path) -> dict[str, dict]:
    """What the records say but for the time and the state of the checkout, by their places."""
    found = {}
    for path in sorted(results.rglob("seed-*.json")):
        record = json.loads(path.read_text())
        del record["seconds"]
        for name in ("started", "commit", "clean", "digest"):
            del record["provenance"][name]
        found[str(path.relative_to(results))] = record
    return found


def test_a_run_from_python_gives_the_records_of_the_command_bit_for_bit(typed, tmp_path):
    small(["agem", "naive"], tmp_path / "results")
    assert said(tmp_path / "results") == said(typed) and len(said(typed)) == 4


def test_it_returns_the_runs_asked_for_and_trains_only_what_is_not_recorded(typed, tmp_path):
    results = tmp_path / "results"
    shutil.copytree(typed, results)
    before = {path: path.stat().st_mtime_ns for path in results.rglob("seed-*.json")}
    runs = small("naive", results, seeds=[2, 0, 2])
    assert list(runs["method"]) == ["naive", "naive"] and list(runs["seed"]) == [0, 2]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    everything = benchmark.load_results(results)
    assert len(everything) == 5
    mine = everything[(everything["method"] == "naive") & everything["seed"].isin([0, 2])].reset_index(drop=True)
    pd.testing.assert_frame_equal(runs, mine)
    small("naive", results, seeds=[0], force=True)
    again = {path for path, when in before.items() if path.stat().st_mtime_ns != when}
    assert {(path.parent.name, path.name[:6]) for path in again} == {("naive", "seed-0")}


def test_it_is_quiet_unless_told_and_leaves_the_process_as_it_was(tmp_path, capsys):
    torch.set_num_threads(2)
    handler = signal.getsignal(signal.SIGTERM)
    small("naive", tmp_path / "quiet")
    assert capsys.readouterr() == ("", "")
    assert torch.get_num_threads() == 2 and signal.getsignal(signal.SIGTERM) is handler
    small("naive", tmp_path / "told", seeds=1, verbose=True)
    first, second = capsys.readouterr().out.splitlines()
    assert first == "1 cells of 1 seeds: 1 runs, 0 recorded already, 1 to do on cpu, 1 at a time"
    assert second.startswith("naive on split-digits, seed 0: accuracy ")


def test_numbers_of_numpy_are_numbers(typed):
    runs = small("naive", typed, seeds=np.int64(1), settings={"tasks": np.int64(2), "train_examples": np.float64(40)})
    assert list(runs["seed"]) == [0] and set(runs["settings.train_examples"]) == {40}
    assert list(small("naive", typed, seeds=np.arange(2))["seed"]) == [0, 1]


def test_a_method_is_given_by_its_file_or_its_class(mine, typed, monkeypatch):
    monkeypatch.syspath_prepend(str(mine.parent))
    results = mine.parent / "results"
    by_file = small("./mine.py", results, seeds=1)
    pd.testing.assert_frame_equal(by_file, small(mine, results, seeds=1))
    Path("clbench_api_module.py").write_text(SOURCE)
    module = __import__("clbench_api_module")
    assert small(module.Mine, results, seeds=1)["seconds"].tolist() == by_file["seconds"].tolist()
    Path("clbench_api_module.py").write_text(SOURCE.replace("0.5", "0.25"))  # what was imported runs, and is recorded
    assert small(module.Mine, results, seeds=1)["seconds"].tolist() == by_file["seconds"].tolist()
    del sys.modules["clbench_api_module"]
    assert set(small(METHODS["naive"], typed)["method"]) == {"naive"}
    assert list(benchmark.table(results, mine)["method"]) == ["mine"]


def test_a_method_whose_file_was_edited_is_loaded_anew(mine):
    results = mine.parent / "results"
    before = small("./mine.py", results, seeds=1)
    mine.write_text(SOURCE.replace("0.5", "0.25"))
    after = small("./mine.py", results, seeds=1)
    assert len(said(results)) == 1 and list(before["provenance.code"]) != list(after["provenance.code"])
    assert before["accuracy_matrix"][0].tolist() != after["accuracy_matrix"][0].tolist()


def test_a_class_that_no_other_process_can_load_is_refused(tmp_path, monkeypatch):
    class Local(Method):
        id = "local"

    with pytest.raises(InputError, match="cannot load Local .* put it into a file of its own .*'./local.py'"):
        small(Local, tmp_path)
    monkeypatch.setattr(sys.modules["__main__"], "Typed", type("Typed", (Method,), {"__module__": "__main__"}), False)
    with pytest.raises(InputError, match="the training processes cannot load Typed"):
        small(sys.modules["__main__"].Typed, tmp_path)


BAD = [
    (dict(methods="ewcc"), "methods: there is no 'ewcc', did you mean 'ewc'?"),
    (dict(methods=[]), "methods: the list is empty"),
    (dict(methods=3), "methods: 3 is neither a name nor a list of names"),
    (dict(methods=[3]), "methods: 3 is not a name"),
    (dict(methods=int), "methods: int is not a subclass of methods.method.Method"),
    (dict(methods="./nowhere.py"), "methods: cannot read nowhere.py"),
    (dict(streams="permuted-mnst"), "streams: there is no 'permuted-mnst', did you mean 'permuted-mnist'?"),
    (dict(streams=("split-digits", None)), "streams: None is not a name"),
    (dict(seeds=0), "seeds: 0 is not a whole number from 1 to 1000"),
    (dict(seeds=True), "seeds: True is not a whole number"),
    (dict(seeds="five"), "seeds: 'five' is not a whole number"),
    (dict(seeds=[]), "seeds: the list is empty"),
    (dict(seeds=[0, -1]), "seeds: -1 is not a whole number from 0 to 4294967295"),
    (dict(seeds=1.5), "seeds: 1.5 is not a whole number"),
    (dict(settings={"taks": 3}), "settings: unknown setting 'taks' of naive: did you mean 'tasks'?"),
    (dict(settings={"tasks": 0}), "settings: setting 'tasks' cannot be 0"),
    (dict(settings={"tasks": [3]}), r"settings: 'tasks' cannot be \[3\]"),
    (dict(settings={3: 3}), "settings: 3 cannot be 3"),
    (dict(settings=["tasks"]), r"settings: \['tasks'\] is not a dict"),
    (dict(settings={"tasks": 9}), "split-digits cannot have 9 tasks"),
    (dict(device="gpu"), "device: there is no 'gpu'"),
    (dict(jobs=0), "jobs: 0 is not a whole number from 1 to 1024"),
    (dict(threads=2.5), "threads: 2.5 is not a whole number"),
    (dict(executor="slrum"), "executor: there is no 'slrum', did you mean 'slurm'?"),
    (dict(address="auto"), "address is the address of a Ray cluster; add executor ray"),
    (dict(slurm={"time": 5}), "slurm is for Slurm jobs; add executor slurm"),
    (dict(results=""), "results: '' is not a path"),
    (dict(results=ROOT / "Makefile"), "results: cannot write to .*Makefile"),
    (dict(data=3), "data: 3 is not a path"),
    (dict(data="/no/such/place", streams="permuted-mnist"), "data names /no/such/place, which is not a directory"),
    (dict(tensorboard=" "), "tensorboard: ' ' is not a path"),
]


@pytest.mark.parametrize(("wrong", "message"), BAD, ids=[str(wrong)[:40] for wrong, _ in BAD])
def test_what_is_wrong_is_one_line_that_names_the_argument(wrong, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = dict(methods="naive", streams="split-digits", settings={}, seeds=1, results=tmp_path / "results", jobs=1)
    with pytest.raises(InputError, match=message) as caught:
        benchmark.run(**asked | wrong)
    assert isinstance(caught.value, ValueError) and "\n" not in str(caught.value) and "--" not in str(caught.value)
    assert not list(tmp_path.rglob("*.json"))


def test_the_table_is_a_frame_or_the_text_of_the_command(typed, capsys):
    found = benchmark.table(typed)
    pd.testing.assert_frame_equal(found, frame(store.load_all(typed)))
    assert list(found["method"]) == ["naive", "agem"] and "<table" in found._repr_html_()
    for form in FORMATS:
        assert main(["table", "--results", str(typed), "--method", "agem", "--format", form]) == 0
        assert capsys.readouterr().out == f"{benchmark.table(typed, 'agem', 'split-digits', format=form)}\n"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(format="markdwn"), "format: there is no 'markdwn', did you mean 'markdown'?"),
        (dict(methods="agemm"), "methods: there is no 'agemm', did you mean 'agem'?"),
        (dict(streams="rotated-digits"), "results: .* holds no such records"),
        (dict(results="nowhere"), "results: nowhere holds no such records"),
        (dict(results=ROOT / "Makefile"), "Makefile is not a directory; name a results directory with results"),
    ],
)
def test_a_table_that_cannot_be_is_one_line(wrong, message, typed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        benchmark.table(**dict(results=typed) | wrong)


def test_an_interrupt_leaves_what_is_finished_and_the_same_call_goes_on(tmp_path, monkeypatch):
    work, calls = local.work, []

    def interrupted(index, *given):
        calls.append(index)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return work(index, *given)

    with monkeypatch.context() as patch:
        patch.setattr(local, "work", interrupted)
        with pytest.raises(KeyboardInterrupt):
            small(["naive", "agem"], tmp_path)
    assert len(said(tmp_path)) == 2
    kept = said(tmp_path)
    assert len(small(["naive", "agem"], tmp_path)) == 4 and kept.items() <= said(tmp_path).items()


SCRIPT = """
import threading, benchmark

def notebook():
    runs = benchmark.run(
        ["naive", "agem"], "split-digits", seeds=2, settings={"tasks": 2, "train_examples": 40},
        results="results", jobs=2, threads=1,
    )
    print(len(runs), "runs")

thread = threading.Thread(target=notebook)
thread.start()
thread.join()
"""


def test_a_script_needs_no_guard_and_may_call_from_any_thread(typed, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)  # the processes that train would run it again, were they told to
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "4 runs\n", "")
    assert said(tmp_path / "results") == said(typed)
