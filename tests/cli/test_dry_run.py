"""`run --dry-run`: what would be run, and nothing else."""

import json
import os
from pathlib import Path

import pytest
import torch

from benchmark.cli.main import main
from benchmark.cli.preview import duration, span
from benchmark.records import store
from benchmark.runs import plan
from benchmark.runs.executors import base
from benchmark.streams import archives
from methods.settings import settings_for
from tests.support.literal import record

RUN = ["run", "--method", "ewc", "--stream", "split-digits", "--seeds", "3", "--jobs", "2"]
SMALL = ["--set", "tasks=2", "--set", "train_examples=40"]
MATRIX = [[0.5, None], [0.5, 0.75]]


@pytest.fixture(autouse=True)
def nothing_is_trained_or_downloaded(monkeypatch):
    """Whatever a dry run must not do fails the test."""
    monkeypatch.setattr(base, "run", lambda *given: pytest.fail("something is trained"))
    monkeypatch.setattr(archives, "_download", lambda *given: pytest.fail("something is downloaded"))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    """Seeds 0 and 1 of ewc on small tasks."""
    results = tmp_path_factory.mktemp("recorded") / "results"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "cores", lambda: 1)
        assert main([*RUN[:-4], "--seeds", "2", "--jobs", "1", *SMALL, "--results", str(results)]) == 0
    torch.set_num_threads(1)
    return results


def files(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def planned(capsys, *arguments: object) -> dict:
    assert main([*RUN, "--dry-run", "--json", *map(str, arguments)]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_cells_are_printed_and_nothing_is_written(tmp_path, capsys):
    results = tmp_path / "results"
    assert main([*RUN, "--dry-run", "--set", "tasks=3", "--results", str(results)]) == 0
    out, err = capsys.readouterr()
    first, blank, head, rule, row, *rest = out.splitlines()
    assert first == "1 cells of 3 seeds: 3 runs, 0 recorded already, 3 to do on cpu, 1 at a time" and err == ""
    assert row.split()[:7] == ["ewc", "split-digits", "tasks=3", "none", "0", "to", "2"] and "unknown" in row
    assert "time of ewc on split-digits: nothing to estimate from" in out
    assert "memory: about" in out and not list(tmp_path.iterdir())


def test_where_all_is_recorded_there_is_none_to_do(recorded, capsys):
    before = files(recorded)
    assert main([*RUN[:-4], "--seeds", "2", "--dry-run", *SMALL, "--results", str(recorded)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("1 cells of 2 seeds: 2 runs, 2 recorded already, none to do\n")
    assert "time of" not in out and "memory:" not in out and files(recorded) == before


def test_a_run_after_it_does_what_it_said(recorded, tmp_path, capsys, monkeypatch):
    found = planned(capsys, *SMALL, "--results", recorded)
    monkeypatch.setattr(base, "run", lambda trainer, units, *given: print([unit.seeds for unit in units]))
    assert main([*RUN, *SMALL, "--results", str(recorded)]) == 0
    assert "[(2,)]" in capsys.readouterr().out
    (cell,) = found["cells"]
    assert (found["runs"], found["to_do"], found["device"], found["processes"]) == (3, 1, "cpu", 1)
    assert (cell["recorded"], cell["to_do"], cell["outdated"]) == ([0, 1], [2], [])
    assert cell["changed"] == {"tasks": 2, "train_examples": 40}
    assert cell["settings"] == dict(settings_for("ewc", "split-digits", {"tasks": 2, "train_examples": 40}))


def test_time_comes_from_the_recorded_runs(recorded, capsys):
    times = [run.seconds for run in store.load_all(recorded)]
    found = planned(capsys, *SMALL, "--results", recorded, "--threads", "1")
    (cell,) = found["cells"]
    assert cell["seconds_a_seed"] == pytest.approx(sum(times) / 2) == found["seconds"] == found["elapsed_seconds"]
    assert cell["basis"] == "from 2 recorded runs of ewc on split-digits on this processor"
    assert cell["memory_bytes"] > 490 * 2**20
    twice = planned(capsys, *SMALL, "--results", recorded, "--threads", "1", "--force", "--set", "epochs=2")
    assert twice["cells"][0]["to_do"] == [0, 1, 2]
    assert twice["seconds"] == pytest.approx(3 * 2 * cell["seconds_a_seed"]) == twice["elapsed_seconds"]


def test_records_of_other_code_are_to_do_again(recorded, capsys, monkeypatch):
    monkeypatch.setattr(plan, "code_version", lambda *given, **named: "other")
    (cell,) = planned(capsys, *SMALL, "--results", recorded)["cells"]
    assert (cell["recorded"], cell["outdated"], cell["to_do"]) == ([], [0, 1], [0, 1, 2])


def test_data_that_are_missing_are_named_and_stay_missing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("BENCHMARK_DATA", raising=False)
    monkeypatch.setattr(base, "cores", lambda: 2)  # of which each of the two seeds of a ResNet takes one
    known = record("ewc", "split-cifar100", 0, MATRIX, tasks=2)
    store.save(Path("results"), known)
    monkeypatch.setattr(plan, "code_version", lambda *given, **named: known.provenance.code)
    asked = ["run", "--method", "ewc", "--stream", "split-cifar100", "--seeds", "2", "--set", "tasks=2", "--dry-run"]
    before = files(tmp_path)
    assert main(asked) == 0
    out = capsys.readouterr().out
    assert "0 (not checked against the data)" in out and "1 recorded already, 1 to do on" in out
    assert "data: CIFAR-100 is missing; a run downloads it" in out and files(tmp_path) == before
    assert main([*asked, "--json"]) == 0
    (cell,) = json.loads(capsys.readouterr().out)["cells"]
    assert (cell["recorded"], cell["recorded_unchecked"], cell["to_do"]) == ([], [0], [1])
    assert (cell["missing_data"], cell["memory_bytes"]) == ("CIFAR-100", None) and cell["seconds_a_seed"] == 1.5
    assert cell["basis"] == "from 1 recorded run of ewc on split-cifar100 on another processor"


def test_a_state_that_a_run_would_remove_stays(recorded, capsys, monkeypatch):
    monkeypatch.setattr(plan, "_tidy", lambda *given: pytest.fail("it tidies"))
    planned(capsys, *SMALL, "--results", recorded)


def test_a_record_that_is_damaged_tells_no_time_and_a_damaged_run_is_told(recorded, tmp_path, capsys):
    place = store.path_of(tmp_path, "naive", "split-digits", 0, settings_for("naive", "split-digits"))
    place.parent.mkdir(parents=True)
    place.write_text("{")
    assert planned(capsys, "--results", tmp_path)["cells"][0]["basis"] is None
    assert main([*RUN, "--dry-run", "--method", "naive", "--results", str(tmp_path)]) == 2
    assert "is not a sound record" in capsys.readouterr().err


def test_an_external_method_and_stream_are_planned(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(
        "from methods.method import Method\n\nclass Mine(Method):\n    id = 'mine'\n\n"
        "    class Settings(Method.Settings):\n        scale: float = 2.0\n"
    )
    Path("few.py").write_text(
        "from avalanche.benchmarks.classic import SplitMNIST\n"
        "from benchmark.streams.build import build\n\n"
        "def stream(seed, tasks_made=2):\n    return build('split-digits', seed, tasks_made, 30).benchmark\n"
    )
    asked = ["run", "--method", "./mine.py", "--stream", "./few.py", "--seeds", "2", "--dry-run", "--set", "scale=3"]
    assert main([*asked, "--set", "stream.tasks_made=3"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "mine few scale=3.0 stream.tasks_made=3 none 0 to 1 unknown" in out and "MiB" in out


def test_what_cannot_be_run_is_refused_as_a_run_refuses_it(tmp_path, capsys):
    for wrong in (["--set", "tasks=9"], ["--set", "taks=2"], ["--executor", "slrum"], ["--slurm", "time=3"]):
        said = []
        for more in ([], ["--dry-run"]):
            assert main([*RUN, "--results", str(tmp_path / "none"), *wrong, *more]) == 2
            said.append(capsys.readouterr())
        assert said[0] == said[1] and said[0].out == ""


def test_seeds_and_durations_are_said_for_people():
    assert (span([0, 1, 2, 7, 9, 10]), span([3]), span([])) == ("0 to 2, 7, 9 to 10", "3", "")
    said = [duration(seconds) for seconds in (0.01, 42.4, 99, 150, 5900, 9000)]
    assert said == ["1 s", "42 s", "99 s", "2 min", "98 min", "2.5 h"]


def test_the_committed_table_has_none_to_do(real_data, capsys):
    results = Path(__file__).resolve().parents[2] / "results"
    before = files(results)
    assert main(["run", "--dry-run", "--results", str(results), "--data", os.fspath(real_data)]) == 0
    assert capsys.readouterr().out.startswith("18 cells of 5 seeds: 90 runs, 90 recorded already, none to do\n")
    assert files(results) == before


def test_memory_is_near_what_was_measured(real_data, tmp_path, capsys):
    results = Path(__file__).resolve().parents[2] / "results"
    measured = json.loads((results / "speed.json").read_text())["memory_mib"]
    for name, peak in measured.items():
        method, _, stream, count, _ = name.replace(",", "").split()
        asked = ["run", "--method", method, "--stream", stream, "--seeds", count, "--device", "cpu", "--dry-run"]
        assert main([*asked, "--json", "--results", str(tmp_path), "--data", os.fspath(real_data)]) == 0
        (cell,) = json.loads(capsys.readouterr().out)["cells"]
        assert cell["memory_bytes"] / 2**20 == pytest.approx(peak, rel=0.15), name
