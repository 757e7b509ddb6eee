"""A finished run put beside what is recorded of it already.

A run is recorded once more where a measurement is asked for that its record does not hold. What is measured does not
change a run's numbers, so on the same machine the new run gives the numbers of the record: the new record then takes
its place, with the old one's other measurements. Where the numbers differ (another processor, other versions, other
seeds trained together) the record stays as it is, for tables were made of it, and one line says so: no measurement is
ever put beside numbers of another run. --force records the new run.
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
    """Record a run, or tell why the record that is there stays."""
    old = _known(results, made)
    if old is not None and _numbers(old) == _numbers(made):
        both = (old.measurements or {}) | (made.measurements or {})
        made = made.model_copy(update={"measurements": both or None})
    elif old is not None and made.measurements and not force:
        tell(Notice(_why(old, made)))
        return
    tell(Saved(store.save(results, made), made))


def _known(results: Path, made: Record) -> Record | None:
    """The record of this run, made by the same code of the same data, if there is one."""
    path = store.path_of(results, made.method, made.stream, made.seed, made.settings)
    with suppress(InputError, FileNotFoundError):
        old = store.load_placed(path, results)
        if (old.provenance.code, old.provenance.data) == (made.provenance.code, made.provenance.data):
            return old
    return None


def _numbers(record: Record) -> tuple[object, ...]:
    return record.accuracy_matrix, record.status, record.diverged


def _why(old: Record, made: Record) -> str:
    """One line: the record stays, and what was different, as far as the two records tell."""
    before, now = old.provenance, made.provenance
    names = ("seeds_together", "threads", "processor", "device", "versions")
    differ = [name.replace("_", " ") for name in names if getattr(before, name) != getattr(now, name)]
    because = f"; {', '.join(differ)} differ" if differ else ""
    return (
        f"{made.method} on {made.stream}, seed {made.seed}: the run that was measured gave other numbers than its "
        f"record{because}: the record stays as it is, without the measurements; --force replaces it"
    )
