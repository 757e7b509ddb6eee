"""Choosing an executor, and what a node does with a unit, without a cluster."""

import socket
from pathlib import Path

import pytest

from benchmark.cli.main import main
from benchmark.records import store
from benchmark.runs import executors, resume
from benchmark.runs.executors import base, node
from benchmark.runs.executors.base import Where
from benchmark.runs.progress import Advance, Evaluated, Notice, Saved
from benchmark.runs.unit import Unit
from tests.support.writers import leftovers, numbers

COMMAND = ["run", "--method", "agem", "--stream", "rotated-digits", "--set", "tasks=3", "--set", "train_examples=100"]
UNIT = Unit("agem", "rotated-digits", (0, 1), {"tasks": 3, "train_examples": 100}, 1.0)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--executor", "kubernetes"], "--executor: there is no 'kubernetes', choose from local, ray, slurm"),
        (["--address", "auto"], "add --executor ray"),
        (["--slurm", "time=5"], "add --executor slurm"),
    ],
)
def test_options_that_do_not_fit_are_one_line(given, said, tmp_path, capsys):
    assert main([*COMMAND, *given, "--results", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1


@pytest.mark.parametrize(("name", "library"), [("ray", "ray"), ("slurm", "submitit")])
def test_a_library_that_is_not_installed_is_named_with_its_extra(name, library, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(executors, "find_spec", lambda wanted: None)
    assert main([*COMMAND, "--executor", name, "--results", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"error: --executor {name} needs {library}; install it: pip install 'clbench-table2[{name}]'\n"
    )


def test_threads_follow_from_cores_units_and_jobs_or_are_given(tmp_path, monkeypatch):
    monkeypatch.setattr(base, "cores", lambda: 8)
    units = [UNIT.__class__(**{**UNIT.__dict__, "among": among}) for among in (1, 4)]
    assert base.threads_of(units, "cpu", None) == 2 and base.threads_of(units, "cpu", 2) == 4
    assert base.threads_of(units, "cuda", None) == 8 and base.threads_of([], "cpu", None) == 8
    assert main([*COMMAND, "--seed", "0", "--threads", "2", "--jobs", "1", "--results", str(tmp_path)]) == 0
    assert [record.provenance.threads for record in store.load_all(tmp_path)] == [2]


def trained(begun: dict[Path, bytes], data: Path | None = None, unit: Unit = UNIT) -> tuple[str | None, list]:
    letters: list = []
    return node.train(7, unit, Where(Path("nowhere"), data, "cpu", 1), begun, letters.extend), letters


def places(results: Path) -> list[Path]:
    return [store.path_of(results, UNIT.method, UNIT.stream, seed, UNIT.settings) for seed in UNIT.seeds]


def test_a_node_sends_each_state_before_what_it_tells_next_and_the_records(monkeypatch, tmp_path):
    monkeypatch.setattr(resume, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(resume, "LARGEST_SHARE", float("inf"))
    monkeypatch.setattr(node, "TELL_EVERY", 0.0)
    monkeypatch.setattr(base, "cores", lambda: 1)
    wrong, letters = trained({})
    assert wrong is None and {index for index, _ in letters} == {7} and not Path("nowhere").exists()
    kinds = [type(letter).__name__ for _, letter in letters]
    # the state of runs that end together goes before the first record
    assert kinds[-6:] == ["Kept", "Evaluated", "Evaluated", "Saved", "Saved", "Advance"]
    assert kinds.count("Kept") == 3
    assert {letter.place for _, letter in letters if isinstance(letter, Evaluated | Saved)} == {
        place.relative_to(tmp_path) for place in places(tmp_path)
    }
    assert main([*COMMAND, "--seeds", "2", "--jobs", "1", "--results", str(tmp_path)]) == 0
    matrices = {letter.record.seed: letter.record.accuracy_matrix for _, letter in letters if isinstance(letter, Saved)}
    assert matrices == {seed: numbers(tmp_path)["agem", "rotated-digits", seed][0] for seed in (0, 1)}


def test_a_node_goes_on_from_a_state_that_another_sent(monkeypatch):
    monkeypatch.setattr(resume, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(resume, "LARGEST_SHARE", float("inf"))
    whole = trained({})[1]
    first = next(letter for _, letter in whole if isinstance(letter, node.Kept))
    wrong, letters = trained({first.path: first.content})
    assert wrong is None
    assert Notice("agem on rotated-digits, seeds 0, 1: resuming after task 1") in [letter for _, letter in letters]
    ends = [
        [letter.record.accuracy_matrix for _, letter in told if isinstance(letter, Saved)] for told in (whole, letters)
    ]
    assert ends[0] == ends[1] and len(ends[0]) == 2


def test_progress_is_sent_now_and_then(monkeypatch):
    monkeypatch.setattr(node, "TELL_EVERY", 3600.0)
    told = [letter for _, letter in trained({})[1]]
    assert sum(isinstance(letter, Advance) for letter in told) <= 1
    assert sum(isinstance(letter, Saved) for letter in told) == 2


def test_a_node_without_the_data_says_so_and_downloads_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    unit = Unit("naive", "permuted-mnist", (0,), {}, 1.0)
    (tmp_path / "empty").mkdir()
    wrong, letters = trained({}, tmp_path / "empty", unit)
    assert wrong.startswith(f"node {socket.gethostname()}: MNIST is not in {tmp_path}/empty, {tmp_path}/data, ")
    assert "--data" in wrong and letters == [] and leftovers(tmp_path) == []


def test_a_mailbox_gives_each_letter_once():
    box = node.Mailbox()
    box.put([(0, Notice("a")), (1, Notice("b"))])
    box.put([(0, Notice("c"))])
    assert [letter.line for _, letter in box.take()] == ["a", "b", "c"] and box.take() == []
