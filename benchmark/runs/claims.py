"""Runs claimed by one process among several that write to the same results."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from filelock import FileLock, Timeout

from methods.errors import InputError

FOLDER = ".locks"


class Claims(ExitStack):
    """Runs that this process alone computes until the `with` block, or the process, ends, however it ends.

    A run is claimed by an flock on a file below <results>/.locks/; the kernel gives it back when its owner
    dies. That holds between processes of one machine on local file systems, and between machines on NFSv4; not
    on NFSv3 without a lock daemon, nor on some FUSE mounts (sshfs for one), where two machines may compute the
    same run: no record is lost there, only time. The files are empty and stay, because removing one would let
    two processes hold 'the' file at once.
    """

    def __init__(self, results: Path) -> None:
        super().__init__()
        self.results = Path(results)
        self._held: set[Path] = set()

    def take(self, runs: Iterable[Path]) -> bool:
        """Claim the runs whose records belong at these paths: all of them, or none further; whether it did.

        Raises InputError where the file system knows no locks.
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
            raise InputError(f"cannot lock {place} ({reason}); name other --results") from None
        return lock
