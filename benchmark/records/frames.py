"""Run records as a pandas DataFrame, for analyses of one's own."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.records.schema import Metrics, Provenance, Record
from benchmark.records.store import load_all
from methods.errors import InputError

_FIRST = ["method", "stream", "seed", "status", *Metrics.model_fields, "seconds", "diverged.task", "diverged.step"]
_LAST = [*(f"provenance.{name}" for name in Provenance.model_fields if name != "digest"), "accuracy_matrix"]


def load_results(results: str | os.PathLike[str] = "results") -> pd.DataFrame:
    """The run records below a results directory, one row a run, in the order of their paths.

    Columns: method, stream, seed, status ("complete" or "diverged"); average_accuracy, average_forgetting,
    learning_accuracy and backward_transfer, fractions, NaN for a diverged run; seconds; diverged.task and
    diverged.step, both from 0, <NA> for a complete run; settings.<name> for every setting; provenance.<name>
    (versions and data are dicts, seeds_together a list); accuracy_matrix, float64 [T, T], a[t, i] the accuracy on
    task i after task t, of a diverged run the rows before it.
    Raises InputError where there is no such directory or a record is not sound.
    """
    results = Path(results).expanduser()
    if not os.path.isdir(results):
        raise InputError(f"{results} is not a directory; name one that holds records")
    return frame_of(load_all(results))


def frame_of(records: Sequence[Record]) -> pd.DataFrame:
    """The records as `load_results` gives them, in their order."""
    rows = [_row(record) for record in records]
    settings = dict.fromkeys(name for row in rows for name in row if name.startswith("settings."))
    frame = pd.DataFrame(rows, columns=[*_FIRST, *settings, *_LAST])
    kinds = dict.fromkeys(Metrics.model_fields, float)
    return frame.astype(kinds | {"diverged.task": "Int64", "diverged.step": "Int64"})


def _row(record: Record) -> dict[str, object]:
    said, tasks = record.model_dump(), len(record.accuracy_matrix[0]) if record.accuracy_matrix else 0
    return {
        **{name: said[name] for name in ("method", "stream", "seed", "status", "seconds")},
        **said["metrics"],
        **{f"diverged.{name}": value for name, value in (said["diverged"] or {}).items()},
        **{f"settings.{name}": value for name, value in said["settings"].items()},
        **{f"provenance.{name}": value for name, value in said["provenance"].items()},
        "accuracy_matrix": np.array(record.accuracy_matrix, dtype=float).reshape(len(record.accuracy_matrix), tasks),
    }
