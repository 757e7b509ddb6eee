"""Metrics computed from a record when it is read. A decorated function in a file of this package adds a metric.

A record itself holds only the four metrics of benchmark.records.metrics. This package imports neither NumPy nor
PyTorch, so that `list` is instant.
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
"""Group of entry points. Each entry point of an installed package names a module with decorated functions."""

Function = Callable[["Record"], float | None]
_REGISTERED: dict[str, Metric] = {}


@dataclass(frozen=True)
class Metric:
    """A number computed from the record of a complete run."""

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
        """The header of its column in a table."""
        return f"{self.title} {self.unit}".strip()

    @property
    def scale(self) -> int:
        """The factor by which a table multiplies the value."""
        return 100 if self.unit == "%" else 1

    def __call__(self, run: Record) -> float:
        """The value for one run; NaN if it is undefined or the run diverged.

        Raises InputError if the function fails or does not return a finite number.
        """
        if run.status != "complete":
            return math.nan
        try:
            value = self.function(run)
            value = math.nan if value is None else float(value)
        except Exception as error:
            if self.function.__module__.startswith("benchmark."):
                raise  # a defect of the suite, which needs its traceback
            file = getattr(sys.modules.get(self.function.__module__), "__file__", None)
            raise InputError(f"metric '{self.name}': {place_of(error, file)}") from error
        if math.isinf(value):
            raise InputError(f"metric '{self.name}' is infinite; return None if it is undefined")
        return value


def metric(title: str, *, unit: str = "", source: str = "") -> Callable[[Function], Function]:
    """Decorator that makes a function of a record a metric. The function's name is the metric's name.

    title: the header of its column. unit: "%" if the function returns a fraction. source: paper and equation. The
    docstring of the function gives the formula.
    The function may read `run.accuracy_matrix` (a[t][i], None if task i was not yet seen), `run.metrics` and
    `run.measurements`. It returns None or NaN if the metric is undefined. Raises InputError if the name is taken.
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
    """All metrics by name: the suite's own, those of installed packages, and those decorated in this process."""
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
    """The metrics in a Python file. Raises InputError if the file fails or has none."""
    metrics()  # first, so that a file cannot take the name of one of the suite's metrics
    module = module_of_file(file, "--columns")
    found = [each for each in _REGISTERED.values() if each.function.__module__ == module.__name__]
    if not found:
        raise InputError(f"--columns: {file} has no metric; decorate a function with @benchmark.metric('its title')")
    return found


def _taken() -> tuple[str, ...]:
    """Names of other columns of the table and the DataFrame."""
    return (
        *("method", "stream", "seed", "status", "seconds", "accuracy_matrix"),
        *("accuracy", "forgetting", "average_accuracy", "average_forgetting", "paper_accuracy", "paper_forgetting"),
    )
