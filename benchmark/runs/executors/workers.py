"""Worker processes on this machine. Each trains one unit at a time and sends events to its parent.

Every worker has its own pipe, so that the death of a worker is noticed at once and does not affect others. On Linux,
workers are forked from a server process that has loaded the suite once and never runs a method.
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
"""Seconds between SIGTERM and SIGKILL for a worker."""
START = "forkserver" if sys.platform == "linux" else "spawn"
"""A fork of this process may hang in PyTorch's threads. On Linux, a server without threads is safe to fork."""


@dataclass(frozen=True)
class Left:
    """A worker is done with its unit."""

    unit: Unit | None  # to try again later: another process computes some of its runs


@dataclass(frozen=True)
class Wrong:
    """A unit failed because of wrong input or external code."""

    line: str  # the reason
    unit_alone: bool  # whether other units can still be trained

    def error(self) -> InputError:
        """The failure as an exception."""
        return UnitError(self.line) if self.unit_alone else InputError(self.line)


@dataclass(frozen=True)
class Defect:
    """The suite itself failed."""

    text: str  # the traceback


class Died(Exception):
    """A worker ended before its unit was finished. The argument is its exit code."""


class Worker:
    """A worker process. `begin` gives it a unit; `hear` returns its messages until the unit is finished."""

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
        """Give the worker a unit. Raises Died if the process has ended."""
        try:
            self.pipe.send((index, unit))
        except OSError:
            raise Died(self._code()) from None

    def hear(self) -> Iterator[Event | Left | Wrong | Defect]:
        """The messages since the last call. Raises Died if the process ended before its unit was finished."""
        while self.pipe.poll():
            try:
                yield self.pipe.recv()
            except (EOFError, OSError):
                raise Died(self._code()) from None
            except Exception:  # killed while it wrote: the message cannot be unpickled
                raise Died(self._code()) from None
        if not self.process.is_alive() and not self.pipe.poll():
            raise Died(self._code())

    def end(self) -> None:
        """End the process: SIGTERM, then SIGKILL after GRACE seconds."""
        self.process.terminate()
        self.process.join(GRACE)
        if self.process.is_alive():
            self._kill()
        self.pipe.close()

    def _code(self) -> int | None:
        self.process.join(1)
        self._kill()  # if the fork server died instead, the process still runs
        return self.process.exitcode

    def _kill(self) -> None:
        with suppress(OSError, AttributeError):
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.join()


def ready(workers: list[Worker], timeout: float) -> None:
    """Wait until a worker sends a message or ends, at most `timeout` seconds."""
    wait([worker.pipe for worker in workers] + [worker.process.sentinel for worker in workers], timeout)


@contextmanager
def _starting() -> Iterator[None]:
    """Prepare this process for starting workers.

    Processes started inside the block ignore SIGINT: at Ctrl-C, the parent ends them silently. They do not import the
    caller's script, as new processes do by default: they do not need it, and it would call `run` again.
    """
    script = vars(sys.modules["__main__"])
    named = {name: script.pop(name) for name in ("__file__", "__spec__") if name in script}
    script["__spec__"] = None
    main = threading.current_thread() is threading.main_thread()  # only the main thread may set signal handlers
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if main else None
    path = os.environ.get("PYTHONPATH")  # Python 3.11's server ignores sys.path and could load another installation
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
    """The main loop of a worker: train the units from the pipe, one after another."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(2, 1)  # the parent may write JSON to standard output, so a worker's output goes to standard error
    torch.set_num_threads(where.threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):  # the parent has ended or closed the pipe
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
        return Wrong(f"{unit.title}: its own code ended it ({said}); finished runs are recorded", True)
    except Exception:
        return Defect(traceback.format_exc())


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
