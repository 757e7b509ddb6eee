"""Metrics worked out of a record when it is read; one decorated function in a file of this package adds one.

A record itself holds only the four metrics of benchmark.records.metrics. This file and the metrics load neither NumPy
nor PyTorch, so that `list` is instant.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.common.loading import module_of_file, place_of
from methods.errors import InputError

if TYPE_CHECKING:
    from benchmark.records.schema import Record

GROUP = "clbench.metrics"
"""Entry points of installed packages: each names a module whose decorated functions are metrics."""

Function = Callable[["Record"], float | None]
_REGISTERED: dict[str, Metric] = {}


@dataclass(frozen=True)
class Metric:
    """A number of a complete run, worked out of its record."""

    name: str
    title: str
    unit: str  # "%": the function returns a fraction, and tables show percent
    source: str
    function: Function

    @property
    def about(self) -> str:
        """The first paragraph of the function's docstring, on one line."""
        return " ".join((self.function.__doc__ or "").strip().partition("\n\n")[0].split())

    @property
    def header(self) -> str:
        """What a column is called."""
        return f"{self.title} {self.unit}".strip()

    @property
    def scale(self) -> int:
        """What a value is multiplied by in a table."""
        return 100 if self.unit == "%" else 1

    def __call__(self, run: Record) -> float:
        """The value for one run; NaN where it is undefined, as for every diverged run.

        Raises InputError where the function fails or returns no number.
        """
        if run.status != "complete":
            return math.nan
        try:
            value = self.function(run)
            value = math.nan if value is None else float(value)
        except Exception as error:
            if self.function.__module__.startswith("benchmark."):
                raise  # a defect of the suite
            file = getattr(sys.modules.get(self.function.__module__), "__file__", None)
            raise InputError(f"metric '{self.name}': {place_of(error, file)}") from error
        if math.isinf(value):
            raise InputError(f"metric '{self.name}' is infinite; return None where it is undefined")
        return value


def metric(title: str, *, unit: str = "", source: str = "") -> Callable[[Function], Function]:
    """Make a function of a record a metric, known by the function's name; its docstring gives the formula.

    unit: "%" where the function returns a fraction; source: paper and equation. The function reads
    `run.accuracy_matrix`, a[t][i] (None where task i was not met yet), `run.metrics` and `run.measurements`, and
    returns None or NaN where it is undefined. Raises InputError where the name is taken.
    """

    def register(function: Function) -> Function:
        name, module = function.__name__, function.__module__
        known = _REGISTERED.get(name)
        if name in _taken() or (known is not None and known.function.__module__ != module):
            raise InputError(f"metric '{name}' in {module}: the name is taken; rename the function")
        _REGISTERED[name] = Metric(name, title, unit, source, function)
        return function

    return register


def metrics() -> dict[str, Metric]:
    """All metrics by name: the suite's own, those of installed packages, and what was decorated in this process."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    from importlib.metadata import entry_points

    for point in entry_points(group=GROUP):
        try:
            importlib.import_module(point.module)
        except InputError:
            raise
        except Exception as error:
            raise InputError(f"the metrics of {point.value} cannot be loaded: {place_of(error, None)}") from error
    return dict(_REGISTERED)


def metrics_of_file(file: str) -> list[Metric]:
    """The metrics that a Python file decorates. Raises InputError where it cannot be run or holds none."""
    metrics()  # the suite's own take their names first
    module = module_of_file(file, "--columns")
    found = [each for each in _REGISTERED.values() if each.function.__module__ == module.__name__]
    if not found:
        raise InputError(f"--columns: {file} holds no metric; decorate a function with @benchmark.metric('its title')")
    return found


def _taken() -> tuple[str, ...]:
    """Names that columns of the table and of the DataFrame have."""
    return (
        *("method", "stream", "seed", "status", "seconds", "accuracy_matrix"),
        *("accuracy", "forgetting", "average_accuracy", "average_forgetting", "paper_accuracy", "paper_forgetting"),
    )
