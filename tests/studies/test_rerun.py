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


def test_a_sample_is_drawn_by_its_seed_and_every_run_told(recorded, tmp_path, capsys):
    def lines(results, *options: str) -> tuple[int, list[str]]:
        capsys.readouterr()
        code = main(["check", "--results", str(results), *options])
        return code, capsys.readouterr().out.splitlines()

    code, (first, second, last) = lines(recorded, "--sample", "2")
    assert code == 0 and last == "2 of 2 records agree, drawn at random with --sample-seed 0"
    assert all(line.endswith("equal to its record, bit for bit") for line in (first, second)) and first != second
    assert lines(recorded, "--sample", "2", "--sample-seed", "0") == (0, [first, second, last])
    matrix = store.load_all(recorded)[1].accuracy_matrix
    matrix[1][0] += 1 / 4096
    code, said = lines(changed(recorded, tmp_path, matrix), "--sample", "99")
    assert code == 1 and len(said) == 5 and said[-1].startswith("3 of 4 records agree")
    assert sum("they must be equal" in line for line in said) == 1


def test_every_record_of_built_in_parts_can_be_drawn_and_no_other(tmp_path, monkeypatch):
    runs = [record("naive", "split-digits", seed, [[0.5] * 5] * 5) for seed in range(4)]
    theirs = [
        runs[0].model_copy(update={"method": "their_own"}),
        runs[0].model_copy(update={"stream": "their_stream"}),
        runs[0].model_copy(update={"settings": runs[0].settings | {"network": "their_network"}}),
    ]
    for each in [*runs, *theirs]:
        store.save(tmp_path, each)
    monkeypatch.setattr(rerun, "_again", lambda kept, *_: kept.seed if kept in runs else "external")
    drawn = [tuple(rerun.sample(tmp_path, 2, draw, None)) for draw in range(30)]
    assert len(set(drawn)) > 3 and {seed for pair in drawn for seed in pair} == {0, 1, 2, 3}
    assert all(one < other for one, other in drawn) and drawn[3] == tuple(rerun.sample(tmp_path, 2, 3, None))


@pytest.mark.parametrize("options", [["--sample", "1", "--seed", "1", *RUN], ["--sample", "1", "--accept"]])
def test_a_sample_is_not_named_besides(options, recorded, capsys):
    options = [each for each in options if not each.startswith("--set") and "=" not in each]
    assert main(["check", "--results", str(recorded), *options]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_where_nothing_can_be_drawn_it_is_said(tmp_path, capsys):
    assert main(["check", "--results", str(tmp_path), "--sample", "1"]) == 2
    assert "holds no records of built-in methods" in capsys.readouterr().err
