"""Claims on runs: of several processes that write to the same results, one at a time computes a run."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from filelock import FileLock, Timeout

from methods.errors import InputError

FOLDER = ".locks"


class Claims(ExitStack):
    """Runs that only this process computes, until the `with` block or the process ends.

    A claim is an flock on a file below <results>/.locks/. The kernel releases it when its owner dies. Claims work
    between processes of one machine on local file systems, and between machines on NFSv4. They do not work on NFSv3
    without a lock daemon, nor on some FUSE mounts such as sshfs: two machines may then compute the same run, which
    wastes time but loses no record. The lock files are empty and are never removed: after a removal, two processes
    could each lock a file of the same name.
    """

    def __init__(self, results: Path) -> None:
        super().__init__()
        self.results = Path(results)
        self._held: set[Path] = set()

    def take(self, runs: Iterable[Path]) -> bool:
        """Claim the runs whose records belong at these paths, all or none. Returns whether it claimed them.

        Raises InputError if the file system does not support locks.
        """
        with ExitStack() as taken:
            new = sorted(set(runs) - self._held)
            for run in new:
                lock = self._lock(run)
                if lock is None:
                    return False
                taken.callback(lock.release)
            self.push(taken.pop_all())
            self._held |= set(new)
        return True

    def _lock(self, run: Path) -> FileLock | None:
        place = self.results / FOLDER / run.relative_to(self.results).with_suffix(".lock")
        lock = FileLock(place, timeout=0, fallback_to_soft=False)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout:
            return None
        except OSError as error:
            reason = error.strerror or error
            raise InputError(f"cannot lock {place} ({reason}); name another directory with --results") from None
        return lock
