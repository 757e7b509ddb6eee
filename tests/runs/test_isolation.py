"""External code in a process of its own: it changes no number of the suite's methods and ends no command."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
import torch

from benchmark.cli.main import main
from benchmark.common import process_state
from benchmark.records import store
from benchmark.runs.executors import base, local
from benchmark.runs.executors.base import Where
from benchmark.runs.progress import Advance, Notice
from benchmark.runs.unit import Unit
from methods.settings import settings_for

SMALL = ["--stream", "permuted-digits", "--seeds", "2", "--set", "tasks=2", "--set", "train_examples=60"]
METHOD = """{top}
import os, random, sys, numpy, torch
from methods.method import Method

class Bad(Method):
    id = "bad"

    def direction(self, net, batch):
        self.count = getattr(self, "count", 0) + 1
        if self.count > 3:
            {body}
        return net.gradient(batch)
"""


def run(folder: Path, body: str, top: str = "", jobs: str = "1") -> int:
    """The exit code of a command that trains an external method and two of the suite's."""
    (folder / "bad.py").write_text(METHOD.format(top=top, body=body))
    words = ["--method", str(folder / "bad.py"), "--method", "naive", "--method", "er-reservoir", *SMALL]
    return main(["run", *words, "--jobs", jobs, "--threads", "1", "--results", str(folder / "r")])


def numbers(results: Path) -> dict[tuple, list]:
    return {(r.method, r.seed): r.accuracy_matrix for r in store.load_all(results)}


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> dict[tuple, list]:
    """What the suite's methods give when no external code runs."""
    folder = tmp_path_factory.mktemp("clean")
    words = ["--method", "naive", "--method", "er-reservoir", *SMALL]
    assert main(["run", *words, "--jobs", "1", "--threads", "1", "--results", str(folder)]) == 0
    return numbers(folder)


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("end", ["sys.exit(0)", "raise KeyboardInterrupt", "raise GeneratorExit('x')", "os._exit(0)"])
def test_a_method_that_ends_its_process_is_named_and_the_other_units_go_on(end, jobs, clean, tmp_path, capfd):
    assert run(tmp_path, end, jobs=jobs) == 2
    err = capfd.readouterr().err
    assert err.count("error:") == 1 and "bad" in err and "Traceback" not in err
    assert numbers(tmp_path / "r") == clean


LEFT = {
    "images": ("", "batch.images.zero_()", "changes batch.images in place"),
    "labels": ("", "batch.labels.zero_()", "changes batch.labels in place"),
    "dtype": ("import torch; torch.set_default_dtype(torch.float64)", "pass", "default dtype"),
    "seed": ("", "torch.manual_seed(1)", "torch's random state"),
    "threads": ("", "torch.set_num_threads(7)", "number of threads"),
    "directory": ("", "os.chdir('/')", "the current directory"),
    "patch": ("", "torch.relu = torch.sigmoid", "functions of torch"),
}


@pytest.mark.parametrize("left", LEFT)
def test_what_a_method_leaves_changed_is_named_and_reaches_no_other(left, clean, tmp_path, capfd):
    top, body, said = LEFT[left]
    before = process_state.state()
    assert run(tmp_path, body, top) == 2
    assert not [name for name in process_state.changed(before) if "random state" not in name]
    err = capfd.readouterr().err
    assert err.count("error:") == 1 and "bad.py" in err and said in err
    assert numbers(tmp_path / "r") == clean


def test_what_a_method_prints_stays_off_standard_output(tmp_path, capfd):
    (tmp_path / "bad.py").write_text(METHOD.format(top="", body="print('noise')"))
    words = ["--method", str(tmp_path / "bad.py"), *SMALL, "--jobs", "1", "--results", str(tmp_path / "r")]
    assert main(["run", "--json", *words]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert [json.loads(line)["method"] for line in lines] == ["bad", "bad"]


DIRECTIONS = ["g[:1]", "g[0]", "g[:, :1]", "g.mean()", "g[None]", "g.double()", "(g * 1000).long()", "g > 0",
              "g.to_sparse()", "g.numpy()", "None", "0.001", "(row for row in g)"]  # fmt: skip


@pytest.mark.parametrize("given", DIRECTIONS)
def test_a_direction_of_a_wrong_shape_or_type_is_refused_at_the_first_step(given, tmp_path, capfd):
    body = f"return {given}".replace("g", "net.gradient(batch).dense()", 1) if given.startswith("g") else None
    body = body or f"g = net.gradient(batch).dense(); return {given}"
    (tmp_path / "bad.py").write_text(METHOD.format(top="", body=body).replace("> 3", "> 0"))
    words = ["--method", str(tmp_path / "bad.py"), *SMALL, "--jobs", "1", "--results", str(tmp_path / "r")]
    assert main(["run", *words]) == 2
    err = capfd.readouterr().err
    assert err.count("\n") == 1 and "direction() gives" in err
    assert store.load_all(tmp_path / "r") == []


def test_a_worker_that_dies_is_noticed_within_seconds_and_its_unit_tried_once_more(tmp_path):
    settings = settings_for("naive", "permuted-digits", {"tasks": 2, "epochs": 30})
    units = [Unit(m, "permuted-digits", (0,), dict(settings), 1.0, spec=m) for m in ("naive", "stable-sgd")]
    said, killed = [], []

    def watch(event) -> None:
        if isinstance(event, Advance) and not killed:
            victims = [p for p in local_workers() if p != os.getpid()]
            killed.append(time.monotonic())
            os.kill(victims[0], signal.SIGKILL)
        if isinstance(event, Notice):
            said.append((time.monotonic() - killed[0], event.line))

    base.run(local.Local(2), units, Where(tmp_path, None, "cpu", 1), watch)
    assert len(said) == 1 and said[0][0] < 5 and "its worker process ended" in said[0][1]
    assert {(r.method, r.status) for r in store.load_all(tmp_path)} == {
        ("naive", "complete"),
        ("stable-sgd", "complete"),
    }


def local_workers() -> list[int]:
    import multiprocessing

    return [child.pid for child in multiprocessing.active_children()]


def test_a_unit_whose_workers_die_twice_is_named(tmp_path):
    (tmp_path / "bad.py").write_text(METHOD.format(top="", body="os.kill(os.getpid(), 9)"))
    settings = settings_for("naive", "permuted-digits", {"tasks": 1, "train_examples": 60})
    unit = Unit("bad", "permuted-digits", (0,), dict(settings), 1.0, spec=str(tmp_path / "bad.py"))
    with pytest.raises(base.InputError, match=r"bad on permuted-digits.*exit code -9\) 2 times"):
        base.run(local.Local(1), [unit], Where(tmp_path / "r", None, "cpu", 1), lambda event: None)


def test_a_worker_that_ignores_sigterm_is_killed(tmp_path, monkeypatch):
    from benchmark.runs.executors import workers

    monkeypatch.setattr(workers, "GRACE", 0.5)
    body = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    (tmp_path / "bad.py").write_text(METHOD.format(top="", body=body))
    worker = workers.Worker(Where(tmp_path / "r", None, "cpu", 1))
    settings = settings_for("naive", "permuted-digits", {"tasks": 1, "train_examples": 60})
    worker.begin(0, Unit("bad", "permuted-digits", (0,), dict(settings), 1.0, spec=str(tmp_path / "bad.py")))
    time.sleep(2)
    started = time.monotonic()
    worker.end()
    assert time.monotonic() - started < 10 and not worker.process.is_alive()


def test_kept_puts_back_what_can_be_put_back():
    with process_state.kept() as names:
        torch.set_default_dtype(torch.float64)
        torch.manual_seed(3)
        os.environ["CLBENCH_TEST"] = "1"
    assert set(names) == {"torch's default dtype", "torch's random state", "the environment variables"}
    assert torch.get_default_dtype() is torch.float32 and "CLBENCH_TEST" not in os.environ
