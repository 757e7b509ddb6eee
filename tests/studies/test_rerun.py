"""python -m benchmark check --method ... --seed K: a recorded run trained again and compared."""

from pathlib import Path

import pytest
import torch

from benchmark.cli.main import main
from benchmark.records import schema, store
from benchmark.studies.checks import rerun
from tests.support.checking import RUN, check
from tests.support.literal import record


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, one_core):
    """Four seeds of a small cell, trained side by side."""
    folder = tmp_path_factory.mktemp("recorded")
    assert main(["run", *RUN, "--seeds", "4", "--jobs", "1", "--results", str(folder)]) == 0
    return folder


def changed(results: Path, folder: Path, matrix=None, **origin) -> Path:
    """The records, seed 1 with another matrix or another origin."""
    for kept in store.load_all(results):
        if kept.seed == 1:
            kept = schema.compose(
                kept.method,
                kept.stream,
                1,
                kept.settings,
                matrix or kept.accuracy_matrix,
                1.0,
                None,
                kept.provenance.model_dump() | origin,
            )
        store.save(folder, kept)
    return folder


def test_a_run_repeated_here_equals_its_record(recorded, capsys):
    capsys.readouterr()
    assert check(recorded, *RUN, "--seed", "1") == 0
    assert capsys.readouterr().out == "er-reservoir on rotated-digits, seed 1: equal to its record, bit for bit\n"


def test_a_run_that_differs_where_equality_is_due_fails(recorded, tmp_path, capsys):
    matrix = store.load_all(recorded)[1].accuracy_matrix
    matrix[1][0] += 1 / 4096
    other = changed(recorded, tmp_path, matrix)
    capsys.readouterr()
    assert check(other, *RUN, "--seed", "1") == 1
    line = capsys.readouterr().out
    assert line.count("\n") == 1 and "(recorded 0." in line and "they must be equal" in line


def test_a_run_of_a_gpu_is_repeated_where_there_is_none(recorded, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    other = changed(recorded, tmp_path, device="cuda", processor="a GPU")
    capsys.readouterr()
    assert check(other, *RUN, "--seed", "1") == 0
    assert "not equality: another device and another processor" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("stream", "reasons"),
    [("split-cifar100", ["a GPU sums convolutions in a different order each time"]), ("permuted-mnist", [])],
)
def test_equality_of_two_runs_on_a_gpu_is_due_where_nothing_is_convolved(stream, reasons):
    run = record("naive", stream, 0, [[0.5] * 20] * 20)
    run = run.model_copy(update={"provenance": run.provenance.model_copy(update={"device": "cuda"})})
    assert rerun._inexact(run, run) == reasons


@pytest.mark.parametrize(("shift", "code"), [(0.0, 0), (-0.4, 1)])
def test_a_run_of_another_processor_is_due_within_the_cells_spread(recorded, tmp_path, shift, code, capsys):
    matrix = [
        [value + shift if value and value + shift > 0 else value for value in row]
        for row in store.load_all(recorded)[1].accuracy_matrix
    ]
    other = changed(recorded, tmp_path, matrix, processor="another")
    capsys.readouterr()
    assert check(other, *RUN, "--seed", "1") == code
    line = capsys.readouterr().out
    assert line.count("\n") == 1 and "not equality: another processor" in line
