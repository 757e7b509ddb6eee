"""Run records as a DataFrame."""

from pathlib import Path

import pandas as pd
import pytest

import benchmark
from benchmark.records import store
from methods.errors import InputError
from tests.support.literal import record
from tests.support.process import python


@pytest.fixture
def results(tmp_path) -> Path:
    """Two complete runs of ewc and a diverged one of naive."""
    store.save(tmp_path, record("ewc", "split-digits", 0, [[0.75, 0.0], [0.5, 1.0]], tasks=2))
    store.save(tmp_path, record("ewc", "split-digits", 1, [[1.0, 0.0], [1.0, 0.5]], tasks=2))
    store.save(tmp_path, record("naive", "split-digits", 0, [[0.5, 0.25]], {"task": 1, "step": 7}, tasks=2))
    return tmp_path


def test_a_row_is_a_run(results):
    frame = benchmark.load_results(results)
    assert list(frame["method"]) == ["ewc", "ewc", "naive"] and list(frame["seed"]) == [0, 1, 0]
    assert list(frame["status"]) == ["complete", "complete", "diverged"]
    assert list(frame["average_accuracy"][:2]) == [0.75, 0.75] and list(frame["average_forgetting"][:2]) == [0.25, 0.0]
    assert set(frame["settings.tasks"]) == {2} and set(frame["settings.hidden"]) == {256}
    assert set(frame["seconds"]) == {1.5} and set(frame["provenance.commit"]) == {"0123abc"}
    assert frame["provenance.seeds_together"][0] == [0, 1]
    assert frame["accuracy_matrix"][0].tolist() == [[0.75, 0.0], [0.5, 1.0]]


def test_a_diverged_run_has_no_metrics_and_says_where(results):
    *complete, diverged = benchmark.load_results(results).to_dict("records")
    assert all(pd.isna(diverged[name]) for name in ("average_accuracy", "backward_transfer"))
    assert (diverged["diverged.task"], diverged["diverged.step"]) == (1, 7)
    assert all(pd.isna(run["diverged.task"]) for run in complete)
    assert diverged["accuracy_matrix"].tolist() == [[0.5, 0.25]]


def test_a_run_that_diverged_in_its_first_task_has_no_rows(tmp_path):
    store.save(tmp_path, record("naive", "split-digits", 0, [], {"task": 0, "step": 7}, tasks=2))
    (diverged,) = benchmark.load_results(tmp_path).to_dict("records")
    assert diverged["status"] == "diverged" and len(diverged["accuracy_matrix"]) == 0


def test_what_was_measured_is_a_column_a_probe(results):
    values = {"phase": [0, 0, 1, 1], "step": [1, 2, 3, 4], "accuracy": [[0.5], [0.75], [0.25, 0.5], [0.5, 1.0]]}
    measured = {"continual": {"options": {"every": 1}, "code": "1-abc", "values": values}}
    run = record("ewc", "split-digits", 0, [[0.75, 0.0], [0.5, 1.0]], tasks=2)
    store.save(results, store.Record.model_validate(run.model_dump() | {"measurements": measured}))
    first, second, third = benchmark.load_results(results).to_dict("records")
    assert first["measurements.continual"] == measured["continual"]
    assert (first["worst_case_accuracy"], first["stability_gap"]) == ((0.25 + 1.0) / 2, 0.25)
    assert all(pd.isna(run[name]) for run in (second, third) for name in ("measurements.continual", "stability_gap"))


def test_pandas_does_its_part(results):
    frame = benchmark.load_results(str(results)).query("status == 'complete'")
    assert frame.groupby(["stream", "method"])["average_accuracy"].agg(["mean", "count"]).to_dict("index") == {
        ("split-digits", "ewc"): {"mean": 0.75, "count": 2}
    }


def test_no_records_are_no_rows_and_no_directory_is_an_error(tmp_path):
    frame = benchmark.load_results(tmp_path)
    assert len(frame) == 0 and {"method", "average_accuracy", "accuracy_matrix"} <= set(frame.columns)
    with pytest.raises(InputError, match="nowhere is not a directory"):
        benchmark.load_results(tmp_path / "nowhere")


def test_importing_the_package_loads_no_pandas():
    script = (
        "import sys, benchmark; assert 'pandas' not in sys.modules; "
        "benchmark.load_results; assert 'pandas' in sys.modules"
    )
    python("-c", script, check=True)
    with pytest.raises(AttributeError, match="no attribute 'load_result'"):
        benchmark.load_result
