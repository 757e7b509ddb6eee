"""python -m benchmark check: cells in their bands, tables that follow from the records, one run repeated."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmark.cli.main import main
from benchmark.common.files import insert
from benchmark.records import store
from benchmark.records.verify import verify
from benchmark.studies import paper_grid, trials
from benchmark.studies.checks import bands, cells, tables
from benchmark.studies.checks.bands import Comparison, Level
from benchmark.studies.checks.cells import Probe
from methods.catalogue import METHOD_ROWS
from methods.registry import METHODS
from tests.support.checking import RUN, check
from tests.support.literal import record
from tests.support.process import ROOT

SMALL = Probe("split-digits", {"tasks": 2, "train_examples": 60, "hidden": 16, "learning_rate": 0.5}, 2)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(cells, "PROBES", (SMALL,))


@pytest.fixture(scope="module")
def accepted(tmp_path_factory):
    """The text of references made of the small probe, and what that command said."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "PROBES", (SMALL,))
        results = tmp_path_factory.mktemp("accepted")
        assert main(["check", "--accept", "--results", str(results), "--jobs", "1"]) == 0
    return (results / "reference.json").read_text()


@pytest.fixture
def results(accepted, tmp_path):
    """References, two records and their tables."""
    folder = tmp_path / "results"
    for seed, last in enumerate((0.512345, 0.623456)):
        store.save(folder, record("ewc", "permuted-mnist", seed, [[0.8, 0.1], [last, 0.9]], tasks=2))
    for name in ("table2.md", "table2.csv", "table2.json"):
        assert main(["table", "--results", str(folder), "--output", str(folder / name)]) == 0
    (tmp_path / "README.md").write_text("# A\n<!-- table -->\n<!-- /table -->\n")
    assert main(["table", "--results", str(folder), "--insert", str(tmp_path / "README.md")]) == 0
    (folder / "reference.json").write_text(accepted)
    return folder


def with_level(results: Path, mean: float) -> None:
    """Make another reference of one metric of one cell."""
    path = results / "reference.json"
    content = json.loads(path.read_text())
    content["streams"]["split-digits"]["methods"]["agem"]["average_accuracy"]["mean"] = mean
    path.write_text(json.dumps(content))


def test_what_did_not_move_is_one_line_and_a_zero(results, capsys):
    capsys.readouterr()
    assert check(results) == 0
    out, err = capsys.readouterr()
    assert (err, out) == (
        "",
        "6 cells, 0 moved, the largest difference 0.00 of its band; 2 sound records, 4 tables rebuilt, 0 wrong\n",
    )


def test_a_cell_that_moved_is_named_with_its_metric_and_band(results, capsys):
    with_level(results, 0.125)
    capsys.readouterr()
    assert check(results) == 1
    line, last = capsys.readouterr().out.splitlines()
    assert line.startswith("moved: agem on split-digits: average accuracy 0.") and ", band 0." in line
    assert "forgetting" not in line and last.startswith("6 cells, 1 moved")


def test_a_defect_in_a_method_moves_its_cell(results, capsys, monkeypatch):
    monkeypatch.setattr(METHODS["stable-sgd"], "learning_rate", lambda self, phase: 1e-4)
    capsys.readouterr()
    assert check(results) == 1
    line, _ = capsys.readouterr().out.splitlines()
    assert line.startswith("moved: stable-sgd on split-digits: ") and "learning accuracy" in line


def test_accepting_renews_and_says_what_moved(results, accepted, capsys):
    with_level(results, 0.125)
    capsys.readouterr()
    assert check(results, "--accept") == 0
    moved, others, _ = capsys.readouterr().out.splitlines()
    assert moved.startswith("moved: agem on split-digits: average accuracy 0.") and "band 0." in moved
    assert others == "0 other cells changed within their bands"
    assert (results / "reference.json").read_text() == accepted


def test_accepting_keeps_streams_that_were_not_measured(accepted):
    before = bands.Reference.model_validate_json(accepted)
    values = {metric: np.array([0.25, 0.75]) for metric in cells.METRICS}
    after = bands.compose([Probe("rotated-digits", {}, 2)], [{("ewc", "rotated-digits"): values}], before)
    assert after.streams["split-digits"] == before.streams["split-digits"]
    assert after.streams["rotated-digits"].methods["ewc"]["learning_accuracy"] == Level(mean=0.5, spread=0.353553)
    assert bands.changes(before, after) == ["new: ewc on rotated-digits", "0 other cells changed within their bands"]


def test_a_band_is_standard_errors_wide_on_both_sides(monkeypatch):
    monkeypatch.setattr(bands, "WIDTH", 2.0)
    level = Level(mean=0.5, spread=0.06)
    reference = bands.Reference(
        processor="p",
        versions={},
        streams={"s": bands.StreamLevels(changes={}, seeds=9, methods={"m": {"average_accuracy": level}})},
    )

    def moved(*values):
        measured = {("m", "s"): {"average_accuracy": np.array(values)}}
        return bands.moved(bands.compare([Probe("s", {}, 9)], measured, reference))

    assert moved(0.43, 0.4902) == moved(0.53, 0.5498) == []
    assert moved(0.45, 0.46) == ["m on s: average accuracy 0.4550, band 0.4600 to 0.5400"]
    assert moved(0.54, 0.545) == ["m on s: average accuracy 0.5425, band 0.4600 to 0.5400"]
    assert moved(0.5, np.nan) == ["m on s: average accuracy diverged, band 0.4600 to 0.5400"]


def test_a_share_is_measured_in_half_bands():
    assert Comparison(("m", "s"), "a", 0.52, Level(mean=0.5, spread=0), 0.04).share == pytest.approx(0.5)


@pytest.mark.parametrize("text", [None, "", "{}", "[1]", '{"streams": 3}'])
def test_references_that_are_missing_or_damaged_are_bad_input(results, text, capsys):
    path = results / "reference.json"
    path.unlink() if text is None else path.write_text(text)
    capsys.readouterr()
    assert check(results) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "reference.json" in err and "--accept" in err


def test_references_of_other_settings_are_bad_input(results, capsys, monkeypatch):
    monkeypatch.setattr(cells, "PROBES", (Probe(SMALL.stream, {**SMALL.changes, "hidden": 8}, 2),))
    capsys.readouterr()
    assert check(results) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "split-digits" in err and "--accept" in err


def test_mnist_is_left_out_where_it_is_not_at_hand(tmp_path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("BENCHMARK_DATA", raising=False)
    assert [probe.stream for probe in cells.at_hand(None)] == ["permuted-digits", "rotated-digits", "split-digits"]


def test_a_data_directory_that_is_none_is_told_before_training(results, monkeypatch, capsys):
    monkeypatch.setattr(cells, "PROBES", (Probe("permuted-mnist", {}, 1),))
    capsys.readouterr()
    assert check(results, "--data", "/no/such/place") == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "--data" in err and "/no/such/place" in err


def test_mnist_is_taken_in_where_it_is_at_hand(real_data, monkeypatch):
    monkeypatch.undo()
    assert {probe.stream for probe in cells.at_hand(real_data)} > {"permuted-mnist", "rotated-mnist"}


def test_the_committed_references_are_those_of_the_probes(monkeypatch):
    monkeypatch.undo()
    reference = bands.load(ROOT / "results")
    assert {probe.stream: (probe.changes, probe.seeds) for probe in cells.PROBES} == {
        stream: (levels.changes, levels.seeds) for stream, levels in reference.streams.items()
    }
    for levels in reference.streams.values():
        assert set(levels.methods) == set(METHOD_ROWS)
        assert all(set(metrics) == set(cells.METRICS) for metrics in levels.methods.values())


def test_references_are_no_record(results):
    assert len(store.load_all(results)) == verify(results).records == 2
    assert not any("reference.json" in note for note in verify(results).notes)


@pytest.mark.parametrize("name", ["table2.md", "table2.csv", "table2.json", "../README.md"])
def test_a_table_that_does_not_follow_from_the_records_is_found(results, name):
    assert tables.recompute(results).lines == []
    path = results / name
    text = path.read_text()
    figure = "73.4" if name.endswith(".md") else "73.39"
    assert figure in text
    path.write_text(text.replace(figure, "71" + figure[2:], 1))
    (line,) = tables.recompute(results).lines
    assert path.name in line and "71." in line and figure in line and "make table2" in line


def test_a_figure_edited_in_a_record_is_found(results, capsys):
    path = sorted(results.glob("*/*/*.json"))[0]
    path.write_text(path.read_text().replace("0.512345", "0.612345"))
    capsys.readouterr()
    assert check(results) == 1
    assert capsys.readouterr().out.startswith(f"unsound: {path} ")


@pytest.mark.parametrize("folder", [store.SEARCH_FOLDER, store.GPU_FOLDER])
def test_an_unsound_record_beside_the_tables_own_is_found(results, folder):
    path = store.save(results / folder, record("naive", "permuted-mnist", 100, [[0.5] * 20] * 20))
    assert tables.recompute(results).lines == []
    path.write_text(path.read_text().replace("0.5", "0.6", 1))
    (line,) = tables.recompute(results).lines
    assert line.startswith(f"unsound: {path} ")


@pytest.mark.parametrize(
    ("kept", "made", "said"),
    [
        ("a 0.3333333333333333 b", "a 0.3333333333333334 b\n", None),
        ("a,1e-05,-2.5", "a,1e-05,-2.5", None),
        ("48.7 ±2.33", "48.8 ±2.33", "line 1 reads '48.7 ±2.33', the records give '48.8 ±2.33'"),
        ("a 0.333333", "a 0.333334", "line 1 reads 'a 0.333333', the records give 'a 0.333334'"),
        ("x\nnaive 1", "x\newc 1", "line 2 reads 'naive 1', the records give 'ewc 1'"),
        ("x\ny", "x", "it has 2 lines, the records give 1"),
        ("x", "", "it has 1 lines, the records give 0"),
    ],
)
def test_tables_may_differ_in_the_last_digits_of_a_float_alone(kept, made, said):
    assert tables.differing(kept, made) == said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--method", "ewc"], ["--stream", "--seed"]),
        (["--set", "tasks=2"], ["--set", "--method"]),
        ([*RUN, "--seed", "0", "--accept"], ["--accept"]),
        ([*RUN, "--seed", "7"], ["seed-7", "no record", "run"]),
        (["--method", "ewcc", "--stream", "split-digits", "--seed", "0"], ["did you mean 'ewc'?"]),
    ],
)
def test_bad_input_is_one_line_and_a_two(results, arguments, said, capsys):
    capsys.readouterr()
    assert check(results, *arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1
    assert all(part in err for part in said)


def test_a_table_of_the_search_that_does_not_follow_from_its_records_is_found(results):
    first = paper_grid.trials("naive", "permuted-mnist")[0]
    store.save(results / "search", record("naive", "permuted-mnist", paper_grid.SEED, [[0.5] * 20] * 20, **first))
    document = results / "../docs/reproduction.md"
    document.parent.mkdir()
    document.write_text("<!-- search permuted-mnist -->\n<!-- /search permuted-mnist -->\n")
    insert(trials.text(list(METHOD_ROWS), "permuted-mnist", results), document, "search permuted-mnist")
    assert tables.recompute(results).lines == [] and tables.recompute(results).tables == 5

    document.write_text(document.read_text().replace(" 50.0 ", " 51.0 "))
    (line,) = tables.recompute(results).lines
    assert "reproduction.md" in line and "51.0" in line and "tune --insert" in line
