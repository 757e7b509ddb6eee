"""External code, that is Python files and classes of users: loading it, and reporting its errors by file and line."""

from __future__ import annotations

import linecache
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib import import_module
from importlib.util import decode_source, find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from methods.errors import InputError, UnitError

if TYPE_CHECKING:
    from methods.method import Method


@contextmanager
def errors_told(method: type[Method]) -> Iterator[None]:
    """Inside the block, an exception of an external method becomes a UnitError that names its file and line."""
    try:
        yield
    except InputError:
        raise
    except (Exception, SystemExit, GeneratorExit) as error:
        if not is_external(method):
            raise  # a defect of the suite, which needs its traceback
        raise UnitError(
            f"{place_of(error, file_of(method))}; this run ends, finished runs are recorded, and the same command "
            "continues from there; python -m benchmark check-method may tell more"
        ) from error


def is_external(method: type[Method]) -> bool:
    """Whether a method is not one of the suite's own."""
    return method.__module__.partition(".")[0] not in ("benchmark", "methods")


def place_of(error: BaseException, file: str | None) -> str:
    """The error and its place, as 'my_method.py, line 7: NameError: ...': the last line of `file` in the traceback."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    reason = str(error)
    if isinstance(error, SyntaxError) and error.filename == file:
        lines, reason = [error.lineno], error.msg
    where = f"{shown(file)}, line {lines[-1]}" if lines else shown(file)
    text = " ".join(f"{type(error).__name__}: {reason}".split())
    return f"{where}: {''.join(letter if letter.isprintable() else ' ' for letter in text[:300])}"


def file_of(method: type[Method]) -> str | None:
    """The file that defines a method; None if it was not loaded from a file."""
    return getattr(sys.modules[method.__module__], "__file__", None)


def shown(file: str | None) -> str:
    """A path as messages show it: relative to the current directory if it lies below it."""
    here = Path.cwd()
    return str(Path(file).relative_to(here)) if file and Path(file).is_relative_to(here) else str(file)


_changed: dict[str, list[str]] = {}
"""By module: the parts of the process's state that loading it changed. They were restored."""
_HARMLESS = ("the environment variables", "torch's random state", "NumPy's random state", "Python's random state")
"""Importing a library often changes these parts. No number of a run depends on them."""


@contextmanager
def sheltered() -> Iterator[list[str]]:
    """Inside the block, external code cannot end the process by os._exit. After it, the process's state is restored.

    Yields a list. After the block, it holds the names of the parts of the state that the code had changed.
    """
    from benchmark.common.process_state import kept  # loads torch

    def refuse(code: int) -> None:
        raise SystemExit(f"os._exit({code})")

    leave = os._exit
    os._exit = refuse
    try:
        with kept() as names:
            yield names
    finally:
        os._exit = leave


@contextmanager
def unchanged(method: type[Method]) -> Iterator[None]:
    """Raises UnitError if an external method changes the state of the process inside the block."""
    if not is_external(method):
        yield
        return
    from benchmark.common import process_state  # loads torch

    before = process_state.state()
    yield
    names = process_state.changed(before)
    if names:
        raise UnitError(f"{shown(file_of(method))} {LEAVE_AS_FOUND.format(' and '.join(names))}")


def check_import(method: type[Method]) -> None:
    """Raises UnitError if loading the module of an external method changed the state of the process."""
    names = [name for name in _changed.get(method.__module__, ()) if name not in _HARMLESS]
    if names:
        raise UnitError(f"{shown(file_of(method))} {LEAVE_AS_FOUND.format(' and '.join(names))} (when it is loaded)")


LEAVE_AS_FOUND = "changes {}; a method must not change the state of the process"


def _content(file: str, option: str) -> bytes:
    try:
        if os.path.exists(file) and not (
            os.path.isfile(file) or os.path.isdir(file)
        ):  # reading a device or a pipe may never end
            raise InputError(f"{option}: {shown(file)} is not a regular file; name a Python file")
        return Path(file).read_bytes()
    except OSError as error:
        raise InputError(f"{option}: cannot read {shown(file)} ({error.strerror}); name a Python file") from None


def attribute(module: str, path: str, option: str) -> object:
    """The object at a dotted path of attributes in an installed module, as an entry point names it.

    Raises InputError, one line, if it cannot be loaded.
    """
    file = None
    try:
        found = find_spec(module)
        if found is None:
            raise ModuleNotFoundError(f"No module named '{module}'")
        with sheltered():
            file, value = found.origin, import_module(module)
        for name in path.split("."):
            value = getattr(value, name)
    except (Exception, SystemExit, GeneratorExit) as error:
        raise InputError(f"{option}: {module}:{path}: {place_of(error, file) if file else error}") from error
    return value


def classes_of(module: ModuleType) -> list[type]:
    """The classes that a module defines itself, not those that it imports."""
    return [value for value in vars(module).values() if isinstance(value, type) and value.__module__ == module.__name__]


def module_of_file(file: str, option: str = "--method") -> ModuleType:
    """Load a Python file as a new module.

    option: the option of the command line that named the file, for messages. Raises InputError, one line, if the file
    cannot be read or fails. `linecache` keeps the text that was read. So if somebody edits the file later, the code's
    version and the lines in errors are still those of the running code.
    """
    content = _content(file, option)
    module = ModuleType(f"clbench_{Path(file).stem}_{sha256(file.encode()).hexdigest()[:8]}")
    module.__file__ = file
    sys.modules[module.__name__] = module
    folder = os.path.dirname(file)
    if folder not in sys.path:
        sys.path.append(folder)  # last, so that modules in the folder of the file hide no installed module
    try:
        with sheltered() as _changed[module.__name__]:
            exec(compile(content, file, "exec"), module.__dict__)
        text = decode_source(content)
    except (Exception, SystemExit, GeneratorExit) as error:
        del sys.modules[module.__name__]
        raise InputError(f"{option}: {place_of(error, file)}") from error
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    return module
