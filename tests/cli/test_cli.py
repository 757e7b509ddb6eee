"""The command line: what it says, what it refuses and how; running and resuming is in test_runner.py."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from benchmark.cli.main import main
from benchmark.cli.options import FORMATS
from benchmark.records import schema, store
from benchmark.streams.kinds import PAPER_STREAMS, STREAMS
from benchmark.tables import formats
from methods.catalogue import METHOD_ROWS
from methods.settings import settings_for
from tests.support.process import ROOT, python, typed

BAD = [
    (["run", "--method", "ewcc"], ["--method", "'ewcc'", "did you mean 'ewc'?"]),
    (["run", "--method", "zzz"], ["--method", *METHOD_ROWS]),
    (["run", "--method", ""], ["--method"]),
    (["run", "--method"], ["--method", "argument"]),
    (["run", "--stream", "permuted-mnst"], ["--stream", "'permuted-mnist'"]),
    (["run", "--seeds", "0"], ["--seeds", "1"]),
    (["run", "--seeds", "five"], ["--seeds", "integer"]),
    (["run", "--seed", "-1"], ["--seed", "0"]),
    (["run", "--seed", str(2**32)], ["--seed", str(2**32 - 1)]),
    (["run", "--seed", "1", "--seeds", "5"], ["--seed ", "--seeds"]),
    (["run", "--jobs", "0"], ["--jobs", "1"]),
    (["run", "--device", "gpu"], ["--device", "'gpu'"]),
    (["run", "--set", "tasks"], ["--set", "'tasks'", "KEY=VALUE"]),
    (["run", "--set", "=3"], ["--set", "KEY=VALUE"]),
    (["run", "--set", "taks=3"], ["--set", "'taks'", "did you mean 'tasks'?"]),
    (["run", "--set", "tasks=0"], ["--set", "'tasks'", "1"]),
    (["run", "--set", "tasks=2.5"], ["--set", "'tasks'", "integer"]),
    (["run", "--set", "learning_rate=nan"], ["--set", "'learning_rate'", "finite"]),
    (["run", "--set", "tasks=2", "--set", "tasks=3"], ["--set", "'tasks'", "twice"]),
    (["run", "--stream", "split-digits", "--set", "tasks=9"], ["tasks", "split-digits", "5"]),
    (["run", "--stream", "split-digits", "--results", str(ROOT / "Makefile")], ["--results", "Makefile"]),
    (["run", "--results", ""], ["--results", "empty"]),
    (["run", "--data", "/no/such/place"], ["--data", "/no/such/place"]),
    (["run", "--frobnicate"], ["--frobnicate"]),
    (["run", "naive"], ["naive"]),
    (["rum"], ["'rum'", "'run'"]),
    (["table", "--format", "markdwn"], ["--format", "did you mean 'markdown'?"]),
    (["table", "--output", "table.pdf"], ["--output", "table.pdf", ".csv"]),
    (["table", "--results", "/no/such/place"], ["/no/such/place", "run"]),
    (["table", "--figure", "."], ["--figure", "folder"]),
    (["table", "--figure", "out/.."], ["--figure", "folder"]),
    (["table", "--heatmaps", "/"], ["--heatmaps", "folder"]),
    (["table", "--stream", "mnist"], ["--stream", "'mnist'"]),
    (["list", "--method", "steble-sgd"], ["--method", "'stable-sgd'"]),
    (["data", "--data", "/no/such/place"], ["--data", "/no/such/place"]),
]


@pytest.mark.parametrize(("arguments", "said"), BAD, ids=[" ".join(arguments)[-40:] for arguments, _ in BAD])
def test_bad_input_is_one_line_and_a_two(arguments, said, capsys):
    code = main(arguments)
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1 and err.endswith("\n")
    for part in said:
        assert part in err


def record(method: str, seed: int, accuracy: float) -> schema.Record:
    settings = settings_for(method, "split-digits", {"tasks": 2})
    origin = dict(
        commit=None,
        clean=None,
        code="1-x",
        versions={},
        device="cpu",
        threads=1,
        processor="p",
        data={},
        started="2020-01-01T00:00:00+00:00",
        seeds_together=[seed],
    )
    matrix = [[0.9, 0.1], [accuracy, accuracy]]
    return schema.compose(method, "split-digits", seed, settings, matrix, 1.0, None, origin)


@pytest.fixture
def results(tmp_path) -> Path:
    """Two runs of naive and one of ewc on split-digits."""
    for method, seed, accuracy in [("naive", 0, 0.5), ("naive", 1, 0.7), ("ewc", 0, 0.8)]:
        store.save(tmp_path / "results", record(method, seed, accuracy))
    return tmp_path / "results"


def test_table_formats_are_those_that_can_be_rendered():
    assert set(FORMATS) == set(formats.FORMATS)


def test_table_prints_what_the_records_say(results, capsys):
    assert main(["table", "--results", str(results), "--format", "json"]) == 0
    naive, ewc = json.loads(capsys.readouterr().out)["cells"]
    assert (naive["method"], naive["seeds"], ewc["method"], ewc["seeds"]) == ("naive", 2, "ewc", 1)
    assert naive["accuracy_mean"] == pytest.approx(60) and ewc["accuracy_mean"] == pytest.approx(80)


def test_table_shows_only_the_methods_and_streams_asked_for(results, capsys):
    assert main(["table", "--results", str(results), "--format", "json", "--method", "ewc"]) == 0
    assert [row["method"] for row in json.loads(capsys.readouterr().out)["cells"]] == ["ewc"]
    assert main(["table", "--results", str(results), "--stream", "permuted-mnist"]) == 2
    assert "no such records" in capsys.readouterr().err


@pytest.mark.parametrize(("form", "suffix"), FORMATS.items())
def test_table_output_takes_its_format_from_the_file_name(form, suffix, results, tmp_path, capsys):
    target = tmp_path / "new folder" / f"table{suffix}"
    assert main(["table", "--results", str(results), "--output", str(target)]) == 0
    capsys.readouterr()
    assert main(["table", "--results", str(results), "--format", form]) == 0
    assert target.read_text(encoding="utf-8") == capsys.readouterr().out


def test_table_takes_the_results_directory_from_the_environment(results, capsys, monkeypatch):
    monkeypatch.setenv("BENCHMARK_RESULTS", str(results))
    assert main(["table", "--format", "csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_table_draws_the_figure(results, tmp_path, capsys):
    assert main(["table", "--results", str(results), "--figure", str(tmp_path / "curves")]) == 0
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "curves.svg").read_text(encoding="utf-8")
    assert str(tmp_path / "curves.png") in capsys.readouterr().out


def test_a_damaged_record_is_named_in_one_line(results, capsys):
    damaged = next(results.glob("*/ewc/*.json"))
    damaged.write_text("{", encoding="utf-8")
    assert main(["table", "--results", str(results)]) == 2
    err = capsys.readouterr().err
    assert str(damaged) in err and err.count("\n") == 1


@pytest.mark.parametrize("command", ["run", "table", "list", "data"])
def test_help_shows_examples(command, capsys):
    assert main([command, "--help"]) == 0
    assert f"python -m benchmark {command}" in " ".join(capsys.readouterr().out.split("Example")[1].split())


def test_no_arguments_show_the_commands(capsys):
    assert main([]) == 0
    out = capsys.readouterr().out
    assert all(f" {command} " in out for command in ("run", "table", "list", "data"))


def test_list_shows_every_method_and_stream_with_its_source(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in [*METHOD_ROWS, *STREAMS])
    words = " ".join(out.split())
    assert all(kind.source in words for kind in STREAMS.values())
    assert "PNAS 2017" in words and "CC BY-SA 3.0" in words


def test_list_settings_shows_each_value_beside_its_source(capsys):
    assert main(["list", "--settings", "--method", "stable-sgd", "--stream", "rotated-mnist"]) == 0
    lines = capsys.readouterr().out.splitlines()
    decay = next(line for line in lines if line.startswith("learning_rate_decay"))
    assert "0.55" in decay and "author's correction" in decay
    assert len(lines) == 3 + len(settings_for("stable-sgd", "rotated-mnist").model_dump())


def test_list_settings_covers_the_papers_cells_unless_told(capsys):
    assert main(["list", "--settings"]) == 0
    headings = [line for line in capsys.readouterr().out.splitlines() if line.split(" on ")[0] in METHOD_ROWS]
    assert headings[: len(METHOD_ROWS)] == [f"{method} on {PAPER_STREAMS[0]}" for method in METHOD_ROWS]
    assert len(headings) == len(METHOD_ROWS) * len(PAPER_STREAMS)


def test_data_says_what_is_missing_and_what_is_there(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("BENCHMARK_DATA", raising=False)
    assert main(["data"]) == 0
    out = capsys.readouterr().out
    assert "mnist  MNIST: missing" in out and "digits  Digits: ok" in out and "CC BY 4.0" in out


def test_data_shows_the_digests_of_what_it_finds(real_data, capsys):
    assert main(["data", "--data", str(real_data)]) == 0
    out = capsys.readouterr().out
    assert str(real_data.resolve()) in out and "train-images-idx3-ubyte 6bbc9ace898e44ae57da46a324031adb" in out


def test_help_and_list_load_neither_torch_nor_pandas_nor_numpy():
    code = (
        "import sys; from benchmark.cli.main import main; main(['run', '--help']); main(['list', '--settings']); "
        "print({'torch', 'pandas', 'numpy', 'avalanche', 'matplotlib'} & set(sys.modules), file=sys.stderr)"
    )
    done = python("-c", code)
    assert (done.returncode, done.stderr) == (0, "set()\n")


def test_as_typed_in_a_shell():
    done = typed("--version")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("clbench-table2 ")
    done = typed("run", "--seeds", "none")
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.count("\n") == 1


def test_a_reader_that_leaves_early_is_no_error():
    read, write = os.pipe()
    os.close(read)
    done = typed("list", "--settings", stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert done.stderr == ""
