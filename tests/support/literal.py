"""Records written out by hand, for the tests of what is made of them."""

from benchmark.records.schema import Record, compose
from methods.settings import settings_for

PROVENANCE = {
    "commit": "0123abc",
    "clean": True,
    "code": "1-abc",
    "versions": {"python": "3.11.4", "torch": None},
    "device": "cpu",
    "threads": 1,
    "processor": "a processor",
    "data": {"train": "d41d8c"},
    "started": "2026-01-02T03:04:05+00:00",
    "seeds_together": [0, 1],
}


def record(method: str, stream: str, seed: int, matrix, diverged=None, **settings) -> Record:
    """A run with this accuracy matrix; the settings are the protocol's but for those named."""
    return compose(method, stream, seed, settings_for(method, stream, settings), matrix, 1.5, diverged, PROVENANCE)


def protocol_run(method: str, stream: str, seed: int, best: float, last: float) -> Record:
    """A run at the protocol's number of tasks: all at `best`, until the last task leaves them at `last`.

    Its average accuracy is `last`, its average forgetting `best` - `last`.
    """
    tasks = settings_for(method, stream).tasks
    return record(method, stream, seed, [[best] * tasks] * (tasks - 1) + [[last] * tasks])
