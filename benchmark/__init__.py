"""A baseline-comparison suite for continual learning: task streams, training, records, tables and figures.

`run`, `table` and `load_results` do in Python what the commands do. They are loaded on first use, so that the command
line's help needs neither PyTorch nor pandas.
"""

from typing import TYPE_CHECKING

__all__ = ["__version__", "load_results", "metric", "run", "table"]
__version__ = "0.1.0"

if TYPE_CHECKING:
    from benchmark.api import load_results, metric, run, table
else:

    def __getattr__(name: str) -> object:
        if name in __all__:
            from benchmark import api  # loads pandas

            return getattr(api, name)
        raise AttributeError(f"module 'benchmark' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
