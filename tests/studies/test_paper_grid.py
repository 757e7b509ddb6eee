"""The search over the paper's grid: its trials, its rule, and the command that runs it."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmark.cli.main import main
from benchmark.records.metrics import summarize
from benchmark.records.store import load_all
from benchmark.streams.kinds import PAPER_STREAMS
from benchmark.studies import paper_grid, trials
from benchmark.studies.paper_grid import SEARCHED, Trial, chosen, distance
from benchmark.tables.published import PUBLISHED, Figure
from methods.catalogue import METHOD_ROWS
from methods.settings import Settings, settings_for

RESULTS = Path(__file__).parents[2] / "results"

# The paper's grids (appendix) and the author's corrections of single values.
GRID = {
    "learning_rate": {0.25, 0.1, 0.03, 0.01, 0.001} | {0.15},
    "momentum": {0.0, 0.8},
    "batch_size": {10, 32, 64},
    "memory_batch": {10, 64, 100},
    "ewc_lambda": {1.0, 10.0, 100.0},
    "learning_rate_decay": {0.5, 0.55, 0.6, 0.65, 0.7, 0.8, 0.85},
    "dropout": {0.0, 0.1, 0.25, 0.5},
}


def run_of(accuracy: float, forgetting: float, status: str = "complete") -> SimpleNamespace:
    metrics = SimpleNamespace(average_accuracy=accuracy, average_forgetting=forgetting)
    return SimpleNamespace(status=status, metrics=metrics)


def trial_at(first: float, distance: float | None = None, method="naive", stream="permuted-mnist") -> Trial:
    cell = SimpleNamespace(method=method, stream=stream)
    seeds = 1 if distance is None else 1 + len(paper_grid.MORE_SEEDS)
    return Trial({}, (cell,) * seeds, first, first if distance is None else distance)


@pytest.mark.parametrize("stream", PAPER_STREAMS)
def test_every_method_of_a_stream_has_equally_many_trials_each_of_the_grid_and_once(stream):
    tried = {method: paper_grid.trials(method, stream) for method in SEARCHED}
    assert len({len(of_method) for of_method in tried.values()}) == 1
    for method, of_method in tried.items():
        assert len({tuple(changes.items()) for changes in of_method}) == len(of_method) >= 2
        for changes in of_method:
            assert set(changes) == set(SEARCHED[method])
            assert all(value in GRID[name] for name, value in changes.items())
            settings_for(method, stream, changes)  # within its ranges


def test_the_seeds_of_the_search_are_none_that_the_table_reports():
    assert not {paper_grid.SEED, *paper_grid.MORE_SEEDS} & set(range(5))


def test_the_protocol_names_what_the_search_names():
    for keys in SEARCHED.values():
        assert set(keys) <= set(Settings.model_fields)


def test_distance_counts_in_what_a_verdict_allows():
    paper = Figure(70.0, 1.0, 0.20, 0.01)
    assert distance([run_of(0.715, 0.20)], paper) == pytest.approx(0.5)
    assert distance([run_of(0.70, 0.30)], paper) == pytest.approx(2.0)
    assert distance([run_of(0.64, 0.21)], paper) == pytest.approx(2.0)
    assert distance([run_of(0.64, 0.21), run_of(0.79, 0.18)], paper) == pytest.approx(0.5)  # of the means
    assert distance([run_of(0.7, 0.2), run_of(0, 0, "diverged")], paper) == float("inf")


@pytest.mark.parametrize(
    "distances, taken",
    [
        ([1.0, 0.2], 0),  # the published code's own value, where it reproduces
        ([1.1, 0.2, 0.1], 2),
        ([1.1, 3.0], 0),
        ([float("inf"), 5.0], 1),
    ],
)
def test_the_rule(distances, taken):
    assert chosen([trial_at(value, value) for value in distances]) == taken


def test_the_means_over_more_seeds_decide_among_the_near_ones_alone():
    settled, near, nearer, far = trial_at(0.9), trial_at(0.2, 0.8), trial_at(0.9, 0.3), trial_at(1.1, 0.1)
    assert chosen([far, near, nearer]) == 2  # far is not run with them: its distance on more seeds does not count
    assert chosen([far, near, nearer, trial_at(0.7)]) is None  # not before the last has been run with them
    assert chosen([settled, near, trial_at(0.7)]) == 0
    assert paper_grid.near([far, near, nearer]) == [near, nearer]
    assert paper_grid.near([far, near]) == []
    assert paper_grid.near([settled, near, nearer]) == [] and chosen([settled, near, nearer]) == 0


def test_the_rule_takes_what_the_published_code_confirms():
    ((method, stream),) = paper_grid.CONFIRMED
    assert chosen([trial_at(value, method=method, stream=stream) for value in (4.0, 3.0)]) == 0

    matrix = json.loads((RESULTS / "published.json").read_text())["Stable SGD, the author's correction"]
    given = SimpleNamespace(status="complete", metrics=SimpleNamespace(**summarize(matrix["accuracy_matrix"])))
    assert distance([given], PUBLISHED[method, stream]) <= 1


@pytest.mark.parametrize("stream", PAPER_STREAMS)
def test_the_protocol_takes_what_the_rule_takes(stream):
    for method in SEARCHED:
        run = trials.recorded(method, stream, RESULTS)
        if run:
            taken = chosen(run)
            allowed = [trial.changes for trial in (paper_grid.near(run) if taken is None else [run[taken]])]
            assert {name: getattr(settings_for(method, stream), name) for name in SEARCHED[method]} in allowed, method


@pytest.fixture
def small(monkeypatch):
    """A search of seconds: two trials of two methods on a digit stream."""
    monkeypatch.setattr(
        paper_grid,
        "_TRIALS",
        {"split-digits": {"naive": ((0.01, 0.8, 10), (0.1, 0.0, 10)), "multitask": ((0.01, 0.8, 10), (0.1, 0.0, 10))}},
    )
    for method in ("naive", "multitask"):
        monkeypatch.setitem(PUBLISHED, (method, "split-digits"), Figure(90.0, 1.0, 0.1, 0.01))


def test_trials_are_recorded_apart_and_not_run_again(small, tmp_path, monkeypatch):
    methods, streams = ["naive", "multitask"], ["split-digits"]
    trials.run(methods, streams, tmp_path, None, 1)
    run = load_all(tmp_path / "search")
    assert sorted((r.method, r.settings["learning_rate"], r.seed) for r in run) == [
        ("multitask", 0.01, 100),
        ("multitask", 0.1, 100),
        ("naive", 0.01, 100),
        ("naive", 0.1, 100),
    ]
    assert load_all(tmp_path) == []  # no trial gets into the table

    monkeypatch.setattr("benchmark.runs.executors.base.run", lambda *_: pytest.fail("a recorded trial is run again"))
    trials.run(methods, streams, tmp_path, None, 1)


def test_where_the_first_trial_is_taken_the_others_are_not_run(small, tmp_path, monkeypatch):
    monkeypatch.setitem(PUBLISHED, ("naive", "split-digits"), Figure(50.0, 1.0, 0.5, 0.01))
    monkeypatch.setattr(paper_grid, "ACCURACY_POINTS", 100)
    monkeypatch.setattr(paper_grid, "FORGETTING", 1)
    trials.run(["naive"], ["split-digits"], tmp_path, None, 1)
    assert [r.settings["learning_rate"] for r in load_all(tmp_path / "search")] == [0.01]
    assert "0.1, momentum 0.0" not in trials.text(["naive"], "split-digits", tmp_path)


def test_near_trials_are_run_with_more_seeds(small, tmp_path, monkeypatch):
    monkeypatch.setitem(paper_grid._TRIALS["split-digits"], "naive", ((0.001, 0.0, 64), (0.1, 0.0, 10), (0.1, 0.0, 32)))
    monkeypatch.setattr(paper_grid, "ACCURACY_POINTS", 15)
    monkeypatch.setattr(paper_grid, "FORGETTING", 1)
    trials.run(["naive"], ["split-digits"], tmp_path, None, 1)
    found = sorted((r.settings["batch_size"], r.seed) for r in load_all(tmp_path / "search"))
    assert found == [(size, seed) for size in (10, 32) for seed in (100, *paper_grid.MORE_SEEDS)] + [(64, 100)]


def test_the_table_shows_between_which_trials_it_is_open(small, tmp_path, monkeypatch):
    monkeypatch.setitem(paper_grid._TRIALS["split-digits"], "naive", ((0.001, 0.0, 64), (0.1, 0.0, 10), (0.1, 0.0, 32)))
    monkeypatch.setattr(paper_grid, "ACCURACY_POINTS", 15)
    monkeypatch.setattr(paper_grid, "FORGETTING", 1)
    trials.run(["naive"], ["split-digits"], tmp_path, None, 1)
    next((tmp_path / "search").rglob("seed-104-*.json")).unlink()
    *_, far, near, nearer = trials.text(["naive"], "split-digits", tmp_path).splitlines()
    assert ["near" in line for line in (far, near, nearer)] == [
        False,
        True,
        True,
    ] and "taken" not in far + near + nearer


def test_the_table_shows_each_trial_and_the_one_taken(small, tmp_path):
    trials.run(["naive"], ["split-digits"], tmp_path, None, 1)
    lines = trials.text(["naive"], "split-digits", tmp_path).splitlines()
    assert len(lines) == 5 and "the paper's figures" in lines[2] and "90.0" in lines[2]
    assert "learning rate 0.01, momentum 0.8, batch size 10" in lines[3]
    assert sum("taken" in line for line in lines) == 1


def test_a_stream_that_is_not_the_papers_is_refused(capsys):
    assert main(["tune", "--stream", "split-digits"]) == 2
    assert "--stream: there is no 'split-digits'" in capsys.readouterr().err


def test_the_search_of_one_method_keeps_the_others_rows(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(trials, "run", lambda *_: None)  # all are recorded, but to see that takes MNIST
    document = tmp_path / "reproduction.md"
    document.write_text("<!-- search permuted-mnist -->\n\n<!-- /search permuted-mnist -->\n")
    command = ["tune", "--stream", "permuted-mnist", "--method", "ewc", "--results", str(RESULTS)]
    assert main([*command, "--insert", str(document)]) == 0
    assert "A-GEM" not in capsys.readouterr().out
    assert trials.text(list(METHOD_ROWS), "permuted-mnist", RESULTS) in document.read_text()
