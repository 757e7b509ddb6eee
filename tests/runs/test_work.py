"""Planning, running, resuming and stopping, mostly as typed in a shell, on small digit streams."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from benchmark.cli.main import main
from benchmark.networks.registry import NETWORKS
from benchmark.records import store
from benchmark.runs import plan as planning
from benchmark.runs import unit as unit_
from benchmark.runs import work
from benchmark.runs.executors import base, local
from benchmark.runs.executors.base import Where
from methods.errors import InputError
from methods.settings import settings_for
from tests.support.process import ROOT

SMALL = ["--set", "tasks=2", "--set", "train_examples=50"]
CELLS = ["--method", "naive", "--method", "agem", "--stream", "permuted-digits", "--stream", "split-digits"]


def started(*arguments: str) -> subprocess.Popen:
    """The command as a shell's foreground job: one in the background may have been told to ignore SIGINT."""
    command = [sys.executable, "-m", "benchmark", "run", *arguments]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> tuple[Path, str, str]:
    """A results directory with eight runs made by two processes, and what that command printed."""
    results = tmp_path_factory.mktemp("small") / "results"
    process = started(*CELLS, *SMALL, "--seeds", "2", "--jobs", "2", "--results", str(results))
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return results, out, err


def matrices(results: Path) -> dict[tuple, list]:
    return {(r.method, r.stream, r.seed): r.accuracy_matrix for r in store.load_all(results)}


def test_every_run_is_recorded_with_its_settings_and_data(small):
    found = store.load_all(small[0])
    assert len(found) == 8 and {record.status for record in found} == {"complete"}
    for record in found:
        settings = settings_for(record.method, record.stream, {"tasks": 2, "train_examples": 50})
        assert record.settings == dict(settings)
        assert set(record.provenance.data) == {"digits"} and record.provenance.threads >= 1


def test_output_is_plain_lines_where_there_is_no_terminal(small):
    _, out, err = small
    first, *lines, last = out.splitlines()
    assert first.startswith("4 cells of 2 seeds: 8 runs, 0 recorded already, 8 to do on cpu")
    assert len(lines) == 8 and all("accuracy" in line for line in lines)
    assert str(small[0]) in last and "python -m benchmark table" in last
    assert err == "" and "\x1b" not in out


def test_what_is_recorded_is_not_run_again(small, capsys):
    before = {path: path.stat().st_mtime_ns for path in small[0].glob("*/*/*.json")}
    assert main(["run", *CELLS, *SMALL, "--seeds", "2", "--results", str(small[0])]) == 0
    assert "8 recorded already, none to do" in capsys.readouterr().out
    assert before == {path: path.stat().st_mtime_ns for path in small[0].glob("*/*/*.json")}


def test_one_process_gives_the_records_of_two(small, tmp_path, capsys):
    assert main(["run", *CELLS, *SMALL, "--seeds", "2", "--jobs", "1", "--results", str(tmp_path)]) == 0
    assert matrices(tmp_path) == matrices(small[0])


def test_more_seeds_run_only_what_is_missing_and_force_runs_all(tmp_path, capsys):
    command = ["run", "--method", "naive", "--stream", "split-digits", *SMALL, "--jobs", "1"]
    command += ["--results", str(tmp_path)]
    assert main([*command, "--seed", "1"]) == 0
    first = next(tmp_path.glob("*/*/*.json"))
    text, before = first.read_text(encoding="utf-8"), store.load(first).accuracy_matrix
    assert main([*command, "--seeds", "3"]) == 0
    assert "3 runs, 1 recorded already, 2 to do" in capsys.readouterr().out
    assert first.read_text(encoding="utf-8") == text and len(matrices(tmp_path)) == 3
    assert main([*command, "--seed", "1", "--force"]) == 0
    assert first.read_text(encoding="utf-8") != text
    assert store.load(first).accuracy_matrix == before


def test_changed_settings_make_another_record(tmp_path, capsys):
    command = ["run", "--method", "naive", "--stream", "split-digits", "--seed", "0", "--jobs", "1", *SMALL]
    assert main([*command, "--results", str(tmp_path)]) == 0
    assert main([*command, "--results", str(tmp_path), "--set", "hidden=16"]) == 0
    assert {record.settings["hidden"] for record in store.load_all(tmp_path)} == {16, 256}


def plan(results: Path, **changes) -> list[unit_.Unit]:
    given = dict(
        methods=["naive", "agem"],
        streams=["permuted-digits", "split-digits"],
        seeds=[0, 1],
        overrides={"tasks": "2", "train_examples": "50"},
        results=results,
        data=None,
        device="cpu",
    )
    return planning.plan(**given | changes)


def test_records_of_other_code_or_data_are_run_again(small, monkeypatch):
    assert plan(small[0]) == []
    monkeypatch.setattr(planning, "code_version", lambda method, network: "other")
    assert sum(len(unit.seeds) for unit in plan(small[0])) == 8
    monkeypatch.undo()
    whole = planning.build
    monkeypatch.setattr(planning, "build", lambda *given: replace(whole(*given), digests={"digits": "other"}))
    assert sum(len(unit.seeds) for unit in plan(small[0])) == 8


def test_seeds_of_a_small_network_train_together_and_a_resnets_alone_on_a_cpu(tmp_path, monkeypatch):
    assert [unit.seeds for unit in plan(tmp_path)] == [(0, 1)] * 4
    assert NETWORKS["mlp"].stacked_on_cpu and not NETWORKS["resnet18"].stacked_on_cpu
    monkeypatch.setitem(NETWORKS, "mlp", replace(NETWORKS["mlp"], stacked_on_cpu=False))
    assert [unit.seeds for unit in plan(tmp_path, streams=["split-digits"])] == [(0,), (1,), (0,), (1,)]
    assert [unit.seeds for unit in plan(tmp_path, streams=["split-digits"], device="cuda")] == [(0, 1)] * 2


def test_the_longest_units_come_first_and_the_order_is_stable(tmp_path):
    units = plan(tmp_path, overrides={"tasks": "2"})
    assert [unit.stream for unit in units] == ["permuted-digits"] * 2 + ["split-digits"] * 2
    assert [unit.method for unit in units] == ["naive", "agem"] * 2
    assert units[0].cost > units[-1].cost


def test_workers_are_no_more_than_units_and_one_on_a_gpu():
    assert base.at_once(4, "cpu", 64) == 4 and base.at_once(4, "cpu", 3) == 3
    assert base.at_once(4, "cuda", None) == 1
    assert base.at_once(4, "cpu", None) == min(4, work.cores())


def test_seeds_whose_tasks_differ_in_length_are_grouped_by_length(tmp_path):
    streams = [work.build("split-digits", seed, 2) for seed in (0, 1, 2, 1)]
    groups = work._of_one_form(streams)
    assert sorted(stream.seed for group in groups for stream in group) == [0, 1, 1, 2]
    for group in groups:
        assert len({tuple(map(len, stream.train)) for stream in group}) == 1
    assert any([stream.seed for stream in group].count(1) == 2 for group in groups)


def test_a_diverged_run_is_recorded_and_said_to_be(tmp_path, capsys):
    command = ["run", "--method", "naive", "--stream", "split-digits", "--seed", "0", "--jobs", "1", *SMALL]
    assert main([*command, "--set", "learning_rate=1e30", "--results", str(tmp_path)]) == 0
    assert "seed 0: diverged in task 1" in capsys.readouterr().out
    assert [record.status for record in store.load_all(tmp_path)] == ["diverged"]


def test_sigterm_in_one_process_keeps_what_is_finished(tmp_path, capsys, monkeypatch):
    def one_then_stopped(index, *given):
        if index:
            os.kill(os.getpid(), signal.SIGTERM)
        work.work(index, *given)

    monkeypatch.setattr(local, "work", one_then_stopped)
    before = signal.getsignal(signal.SIGTERM)
    assert main(["run", *CELLS, *SMALL, "--seeds", "2", "--jobs", "1", "--results", str(tmp_path)]) == 130
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "the same command continues" in err
    assert len(store.load_all(tmp_path)) == 2 and signal.getsignal(signal.SIGTERM) == before


def test_what_is_wrong_in_a_worker_is_one_input_error(tmp_path):
    impossible = settings_for("naive", "split-digits", {"tasks": 9})
    unit = unit_.Unit("naive", "split-digits", (0,), impossible, 1.0)
    with pytest.raises(InputError, match="split-digits cannot have 9 tasks"):
        base.run(local.Local(2), [unit, unit], Where(tmp_path, None, "cpu", 1))
    assert workers_of(os.getpid()) == []


def workers_of(pid: int) -> list[psutil.Process]:
    """The worker processes under it, as the kernel sees them: forks of the server, or spawned."""
    servers = [child for child in psutil.Process(pid).children() if "forkserver" in " ".join(child.cmdline())]
    forked = [child for server in servers for child in server.children()]
    children = psutil.Process(pid).children(recursive=True)
    return [*forked, *(child for child in children if "spawn_main" in " ".join(child.cmdline()))]


def interrupted(results: Path, stop) -> tuple[int, str, list[psutil.Process]]:
    """Start twelve cells in two processes, call `stop(process, workers)` after the first record, and wait."""
    process = started(
        "--stream",
        "permuted-digits",
        "--stream",
        "rotated-digits",
        "--seed",
        "0",
        "--set",
        "epochs=2",
        "--jobs",
        "2",
        "--results",
        str(results),
    )
    process.stdout.readline()
    assert "seed 0" in process.stdout.readline()
    children = psutil.Process(process.pid).children(recursive=True)
    spawned = workers_of(process.pid)
    assert len(spawned) == 2
    stop(process, spawned)
    _, err = process.communicate(timeout=60)
    return process.returncode, err, children


STOPS = {
    "SIGINT": (lambda process, _: process.send_signal(signal.SIGINT), 130, "the same command continues"),
    "SIGKILL": (lambda process, _: process.kill(), -signal.SIGKILL, None),
}


@pytest.mark.parametrize("stop", STOPS)
def test_stopping_in_mid_run_keeps_finished_runs_and_leaves_no_process(stop, tmp_path):
    act, expected, said = STOPS[stop]
    code, err, children = interrupted(tmp_path, act)
    assert code == expected
    assert said is None or (said in err and err.count("\n") == 1)
    deadline = time.monotonic() + 20
    while any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children):
        assert time.monotonic() < deadline, "a process outlives the run"
        time.sleep(0.1)
    finished = store.load_all(tmp_path)
    assert 1 <= len(finished) < 12
    left = plan(
        tmp_path,
        methods=["naive", "ewc", "agem", "er-reservoir", "stable-sgd", "multitask"],
        streams=["permuted-digits", "rotated-digits"],
        seeds=[0],
        overrides={"epochs": "2"},
    )
    assert len(left) == 12 - len(finished)
