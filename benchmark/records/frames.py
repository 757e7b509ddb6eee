"""Run records as a pandas DataFrame."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.records.derived import metrics
from benchmark.records.metrics import defined
from benchmark.records.schema import Metrics, Provenance, Record
from benchmark.records.store import load_all
from methods.errors import InputError

_FIRST = ["method", "stream", "seed", "status", *Metrics.model_fields, "seconds", "diverged.task", "diverged.step"]
_LAST = [*(f"provenance.{name}" for name in Provenance.model_fields if name != "digest"), "accuracy_matrix"]


def load_results(results: str | os.PathLike[str] = "results") -> pd.DataFrame:
    """The run records below a results directory, one row per run, sorted by path.

    Columns:
    - method, stream, seed, status ("complete" or "diverged");
    - average_accuracy, average_forgetting, learning_accuracy, backward_transfer: fractions, NaN for a diverged run
      and where a single task leaves them undefined;
    - seconds;
    - diverged.task, diverged.step: zero-based indices, <NA> for a complete run;
    - one column for each other metric (see benchmark.records.derived): NaN if it is undefined;
    - settings.<name>: one column for each setting;
    - measurements.<probe>: a dict of options, code and values, NaN if the run was not measured with the probe;
    - provenance.<name>: versions and data are dicts, seeds_together is a list;
    - accuracy_matrix: float64 [T, T], a[t, i] is the accuracy on task i after task t. A diverged run has only the rows
      before its divergence.
    Raises InputError if the directory does not exist or a record is damaged.
    """
    results = Path(results).expanduser()
    if not os.path.isdir(results):
        raise InputError(f"{results} is not a directory; name one that holds records")
    return frame_of(load_all(results))


def frame_of(records: Sequence[Record]) -> pd.DataFrame:
    """The records as a DataFrame in the form of `load_results`, in the given order."""
    others = [each for each in metrics().values() if each.name not in Metrics.model_fields]
    rows = [_row(record) | {each.name: each(record) for each in others} for record in records]
    named = dict.fromkeys(name for part in ("settings.", "measurements.") for name in _names(rows, part))
    frame = pd.DataFrame(rows, columns=[*_FIRST, *(each.name for each in others), *named, *_LAST])
    kinds = dict.fromkeys([*Metrics.model_fields, *(each.name for each in others)], float)
    return frame.astype(kinds | {"diverged.task": "Int64", "diverged.step": "Int64"})


def _names(rows: Sequence[Mapping[str, object]], part: str) -> dict[str, None]:
    return dict.fromkeys(name for row in rows for name in row if name.startswith(part))


def _row(record: Record) -> dict[str, object]:
    said, tasks = record.model_dump(), len(record.accuracy_matrix[0]) if record.accuracy_matrix else 0
    return {
        **{name: said[name] for name in ("method", "stream", "seed", "status", "seconds")},
        **defined(said["metrics"], len(record.accuracy_matrix)),
        **{f"diverged.{name}": value for name, value in (said["diverged"] or {}).items()},
        **{f"settings.{name}": value for name, value in said["settings"].items()},
        **{f"measurements.{name}": value for name, value in (said.get("measurements") or {}).items()},
        **{f"provenance.{name}": value for name, value in said["provenance"].items()},
        "accuracy_matrix": np.array(record.accuracy_matrix, dtype=float).reshape(len(record.accuracy_matrix), tasks),
    }
