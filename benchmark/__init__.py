"""Six continual-learning methods on three task streams: streams, training, records, table and figures.

This file stays free of heavy imports, so that the command line's help needs no PyTorch.
"""

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name == "load_results":  # loads pandas
        from benchmark.records.frames import load_results

        return load_results
    if name == "metric":
        from benchmark.records.derived import metric

        return metric
    raise AttributeError(f"module 'benchmark' has no attribute {name!r}")
