"""Worker processes of this machine: each trains one unit at a time and tells the parent what happens.

Every worker has a pipe of its own, so the death of one is noticed at once and disturbs no other. Workers are forked
from a server process that has loaded the suite once and has never run a method.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from benchmark.records.provenance import PROJECT
from benchmark.runs.executors.base import Where
from benchmark.runs.progress import Event
from benchmark.runs.unit import Unit
from methods.errors import InputError, UnitError

GRACE = 5.0
"""Seconds that a worker has to end after SIGTERM; then it is killed."""
START = "forkserver" if sys.platform == "linux" else "spawn"
"""A fork of this process may hang in PyTorch's threads; a server that has started none is safe to fork on Linux."""


@dataclass(frozen=True)
class Left:
    """A unit is done with; `unit` is to be tried again later where another process computes some of its runs."""

    unit: Unit | None


@dataclass(frozen=True)
class Wrong:
    """A unit came to nothing: why, and whether this concerns the unit alone."""

    line: str
    unit_alone: bool

    def error(self) -> InputError:
        """The same as an error."""
        return UnitError(self.line) if self.unit_alone else InputError(self.line)


@dataclass(frozen=True)
class Defect:
    """The suite itself failed: the traceback."""

    text: str


class Died(Exception):
    """A worker ended without saying that its unit was done: its exit code."""


class Worker:
    """One process. It is given a unit by `begin`, and `hear` gives what it tells until the unit is done."""

    def __init__(self, where: Where) -> None:
        context: Any = multiprocessing.get_context(START)  # the types of BaseContext lack Process
        if START == "forkserver":
            context.set_forkserver_preload(["benchmark.runs.work"])
        self.pipe, other = context.Pipe()
        environment = dict(os.environ)
        with _starting():
            self.process: BaseProcess = context.Process(target=_serve, args=(other, where, environment), daemon=True)
            self.process.start()
        other.close()

    def begin(self, index: int, unit: Unit) -> None:
        """Give it a unit. Raises Died where it has ended."""
        try:
            self.pipe.send((index, unit))
        except OSError:
            raise Died(self._code()) from None

    def hear(self) -> Iterator[Event | Left | Wrong | Defect]:
        """What it has told since. Raises Died where it has ended in the midst of a unit."""
        while self.pipe.poll():
            try:
                yield self.pipe.recv()
            except (EOFError, OSError):
                raise Died(self._code()) from None
            except Exception:  # it was killed while it wrote
                raise Died(self._code()) from None
        if not self.process.is_alive() and not self.pipe.poll():
            raise Died(self._code())

    def end(self) -> None:
        """End the process, by force where it does not end in time."""
        self.process.terminate()
        self.process.join(GRACE)
        if self.process.is_alive():
            self._kill()
        self.pipe.close()

    def _code(self) -> int | None:
        self.process.join(1)
        self._kill()  # the server that forked it may be what died
        return self.process.exitcode

    def _kill(self) -> None:
        with suppress(OSError, AttributeError):
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.join()


def ready(workers: list[Worker], timeout: float) -> None:
    """Wait until one of the workers tells something or ends, or the time is over."""
    wait([worker.pipe for worker in workers] + [worker.process.sentinel for worker in workers], timeout)


@contextmanager
def _starting() -> Iterator[None]:
    """Processes started inside the block ignore SIGINT for good: at Ctrl-C the parent ends them, in silence.

    They do not run the caller's script again, as new processes do by default: it would call `run` once more, and they
    need nothing of it.
    """
    script = vars(sys.modules["__main__"])
    named = {name: script.pop(name) for name in ("__file__", "__spec__") if name in script}
    script["__spec__"] = None
    main = threading.current_thread() is threading.main_thread()  # which alone may set handlers
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if main else None
    path = os.environ.get("PYTHONPATH")  # Python 3.11's server does not take sys.path over: it would load other code
    os.environ["PYTHONPATH"] = os.pathsep.join([str(PROJECT), *filter(None, [path])])
    try:
        yield
    finally:
        script.update(named)
        if path is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = path
        if main:
            signal.signal(signal.SIGINT, before)


def _serve(pipe: Connection, where: Where, environment: dict[str, str]) -> None:
    """A worker's life: units from the pipe, one after another."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(2, 1)  # standard output is the parent's: lines of JSON, or the table of a run
    torch.set_num_threads(where.threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):  # the parent has ended, or wants no more
        while True:
            index, unit = pipe.recv()
            pipe.send(_outcome(index, unit, where, pipe))


def _outcome(index: int, unit: Unit, where: Where, pipe: Connection) -> Left | Wrong | Defect:
    from benchmark.runs.work import work

    try:
        return Left(work(index, unit, where.results, where.data, where.device, pipe.send))
    except InputError as error:
        return Wrong(str(error), isinstance(error, UnitError))
    except (KeyboardInterrupt, SystemExit, GeneratorExit) as error:
        said = f"{type(error).__name__} {error}".strip()
        return Wrong(f"{unit.title}: it was ended by its own code ({said}); finished runs are recorded", True)
    except Exception:
        return Defect(traceback.format_exc())


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
