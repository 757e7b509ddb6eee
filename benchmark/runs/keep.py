"""Record a finished run, and combine it with an earlier record of the same run.

A recorded run is trained again if its record lacks a requested measurement. Measuring does not change a run's numbers.
On the same machine, the new run therefore has the numbers of the record; it replaces the record and takes over the
record's other measurements. If the numbers differ (another processor, other versions, other seeds trained together),
the record stays, because tables were made from it, and one line says so. A record never combines the measurements of
one run with the numbers of another. --force records the new run in any case.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from benchmark.records import store
from benchmark.records.schema import Record
from benchmark.runs.progress import Event, Notice, Saved
from methods.errors import InputError


def keep(results: Path, made: Record, force: bool, tell: Callable[[Event], None]) -> None:
    """Record a run, or tell why the existing record stays."""
    old = _known(results, made)
    if old is not None and _numbers(old) == _numbers(made):
        both = (old.measurements or {}) | (made.measurements or {})
        made = made.model_copy(update={"measurements": both or None})
    elif old is not None and made.measurements and not force:
        tell(Notice(_why(old, made)))
        return
    tell(Saved(store.save(results, made), made))


def _known(results: Path, made: Record) -> Record | None:
    """The existing record of this run, if it was made with the same code and the same data."""
    path = store.path_of(results, made.method, made.stream, made.seed, made.settings)
    with suppress(InputError, FileNotFoundError):
        old = store.load_placed(path, results)
        if (old.provenance.code, old.provenance.data) == (made.provenance.code, made.provenance.data):
            return old
    return None


def _numbers(record: Record) -> tuple[object, ...]:
    return record.accuracy_matrix, record.status, record.diverged


def _why(old: Record, made: Record) -> str:
    """A line that says that the record stays, and which conditions of the two runs differ."""
    before, now = old.provenance, made.provenance
    names = ("seeds_together", "threads", "processor", "device", "versions")
    differ = [name.replace("_", " ") for name in names if getattr(before, name) != getattr(now, name)]
    because = f"; {', '.join(differ)} differ" if differ else ""
    return (
        f"{made.method} on {made.stream}, seed {made.seed}: the measured run gave other numbers than its record"
        f"{because}; the record is kept without the measurements; replace it with --force"
    )
