"""Metrics as columns: one decorated function is in the table, in CSV and JSON, and in the DataFrame."""

import csv
import importlib.metadata
import io
import json
import statistics
import sys

import pytest

import benchmark
from benchmark.cli.main import main
from benchmark.records import derived, store
from benchmark.tables.statistics import interval
from tests.support.literal import record

FILE = '''
import benchmark


@benchmark.metric("first task", unit="%", source="Somebody, 2020, equation 1")
def first_task_accuracy(run):
    """Accuracy on the first task after the last one.

    More words.
    """
    return run.accuracy_matrix[-1][0] if run.seed < 2 else None
'''
MATRICES = [[[0.75, None], [0.5, 1.0]], [[1.0, None], [0.25, 0.5]], [[1.0, None], [1.0, 1.0]]]


@pytest.fixture
def results(tmp_path):
    """Three runs of ewc on split-digits."""
    for seed, matrix in enumerate(MATRICES):
        store.save(tmp_path / "results", record("ewc", "split-digits", seed, matrix, tasks=2))
    return tmp_path / "results"


@pytest.fixture
def file(tmp_path):
    """A file with a metric, which is forgotten afterwards."""
    path = tmp_path / "my_metric.py"
    path.write_text(FILE)
    yield path
    derived._REGISTERED.pop("first_task_accuracy", None)


def table(results, capsys, *more: str) -> str:
    assert main(["table", "--results", str(results), *more]) == 0
    return capsys.readouterr().out


def test_a_decorated_function_is_in_every_format(results, file, capsys):
    columns = ["--columns", f"min_accuracy,{file}"]
    shown = table(results, capsys, *columns)
    header, _, row = shown.splitlines()[2:5]
    assert [cell.strip() for cell in header.split("|")[-4:-1]] == ["min-ACC %", "first task %", "seeds"]
    assert [cell.strip() for cell in row.split("|")[-4:-1]] == ["58.3 ±38.19", "37.5 ±17.68 (2 of 3 seeds)", "3/5"]
    told = "First task: Accuracy on the first task after the last one (Somebody, 2020, equation 1)."
    assert told in shown and "More words" not in shown
    for form in ("latex", "html"):
        assert "first task" in (other := table(results, capsys, *columns, "--format", form)) and told in other


def test_programs_read_mean_deviation_and_interval(results, file, capsys):
    columns = ["--columns", str(file), "--columns", "average_anytime_accuracy"]
    (cell,) = json.loads(table(results, capsys, *columns, "--format", "json"))["cells"]
    (line,) = csv.DictReader(io.StringIO(table(results, capsys, *columns, "--format", "csv")))
    first, anytime = [50.0, 25.0], [75.0, 68.75, 100.0]
    for name, values in (("first_task_accuracy", first), ("average_anytime_accuracy", anytime)):
        cut = None if name == "first_task_accuracy" else (0, 100)  # what a metric of others can be is not known
        expected = [statistics.fmean(values), statistics.stdev(values), *interval(values, cut), len(values)]
        keys = [f"{name}_{part}" for part in ("mean", "std", "low", "high", "seeds")]
        assert [cell[key] for key in keys] == pytest.approx(expected)
        assert [float(line[key]) for key in keys] == pytest.approx(expected)


def test_the_frame_has_a_column_a_metric(results, file, capsys):
    table(results, capsys, "--columns", str(file))
    frame = benchmark.load_results(results)
    assert list(frame["first_task_accuracy"][:2]) == [0.5, 0.25] and frame["first_task_accuracy"].isna()[2]
    assert list(frame["min_accuracy"]) == [0.5, 0.25, 1.0] and frame["stability_gap"].isna().all()


def test_without_columns_the_table_says_nothing_of_them(results, file, capsys):
    before = {form: table(results, capsys, "--format", form) for form in ("markdown", "csv", "json")}
    table(results, capsys, "--columns", str(file))
    assert {form: table(results, capsys, "--format", form) for form in before} == before
    assert "min_accuracy" not in "".join(before.values())


def test_a_metric_that_is_nowhere_defined_is_a_dash(results, capsys):
    row = table(results, capsys, "--columns", "stability_gap").splitlines()[4]
    assert row.split("|")[-3].strip() == "–"
    (cell,) = json.loads(table(results, capsys, "--columns", "stability_gap", "--format", "json"))["cells"]
    assert cell["stability_gap_mean"] is None and cell["stability_gap_seeds"] == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("min_acc", ["no metric 'min_acc'", "did you mean 'min_accuracy'?"]),
        ("Min-Accuracy", ["did you mean 'min_accuracy'?"]),
        ("", ["no metric ''", "average_anytime_accuracy"]),
        ("./no_such_file.py", ["--columns", "no_such_file.py"]),
    ],
)
def test_a_name_that_is_not_known_is_one_line(text, said, results, capsys):
    assert main(["table", "--results", str(results), "--columns", text]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and all(part in error for part in said)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return 1 / 0", ["metric 'broken'", "line 4", "ZeroDivisionError"]),
        ("return 'high'", ["metric 'broken'", "ValueError"]),
        ("return float('inf')", ["metric 'broken'", "infinite"]),
    ],
)
def test_a_metric_that_fails_is_one_line_that_names_it(body, said, results, tmp_path, capsys):
    (tmp_path / "bad.py").write_text(f"import benchmark\n@benchmark.metric('b')\ndef broken(run):\n    {body}\n")
    try:
        assert main(["table", "--results", str(results), "--columns", str(tmp_path / "bad.py")]) == 2
    finally:
        derived._REGISTERED.pop("broken", None)
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and all(part in error for part in said)


def test_a_file_without_a_metric_is_one_line(results, tmp_path, capsys):
    (tmp_path / "empty.py").write_text("x = 1\n")
    assert main(["table", "--results", str(results), "--columns", str(tmp_path / "empty.py")]) == 2
    assert "empty.py has no metric; decorate" in capsys.readouterr().err


def test_an_installed_package_brings_metrics(results, file, monkeypatch, capsys):
    monkeypatch.syspath_prepend(file.parent)
    point = importlib.metadata.EntryPoint("mine", "my_metric", derived.GROUP)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [point] if group == derived.GROUP else [])
    shown = table(results, capsys, "--columns", "first_task_accuracy")
    assert "37.5 ±17.68 (2 of 3 seeds)" in shown
    assert main(["list"]) == 0 and "first_task_accuracy" in capsys.readouterr().out
    sys.modules.pop("my_metric")


def test_list_shows_metrics_and_probes_for_people_and_programs(capsys):
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("average_anytime_accuracy", "WC-ACC", "continual", "every=10"))
    assert main(["list", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {metric["id"] for metric in told["metrics"]} >= {"min_accuracy", "stability_gap"}
    assert told["probes"][0]["options"] == {"every": 10, "examples": 100}
