"""Python files and classes that people bring: loaded, named in messages, and blamed for their own errors."""

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

from methods.errors import InputError

if TYPE_CHECKING:
    from methods.method import Method


@contextmanager
def errors_told(method: type[Method]) -> Iterator[None]:
    """What a method from elsewhere raises here becomes an InputError that names its file and line."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if method.__module__.partition(".")[0] in ("benchmark", "methods"):
            raise  # the suite's own defect
        raise InputError(
            f"{place_of(error, file_of(method))}; its run ends here, finished runs are "
            "recorded and the same command goes on from there; python -m benchmark check-method may tell more"
        ) from error


def place_of(error: BaseException, file: str | None) -> str:
    """'my_method.py, line 7: NameError: ...': the last line of `file` that the error came through."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    reason = str(error)
    if isinstance(error, SyntaxError) and error.filename == file:
        lines, reason = [error.lineno], error.msg
    where = f"{shown(file)}, line {lines[-1]}" if lines else shown(file)
    text = " ".join(f"{type(error).__name__}: {reason}".split())
    return f"{where}: {''.join(letter if letter.isprintable() else ' ' for letter in text[:300])}"


def file_of(method: type[Method]) -> str | None:
    """The file that holds a method."""
    return getattr(sys.modules[method.__module__], "__file__", None)


def shown(file: str | None) -> str:
    """A path for people: from the current directory where it lies below."""
    here = Path.cwd()
    return str(Path(file).relative_to(here)) if file and Path(file).is_relative_to(here) else str(file)


def attribute(module: str, path: str, option: str) -> object:
    """What an installed module has at a path of attributes, as an entry point names it.

    Raises InputError, one line, where it cannot be loaded.
    """
    file = None
    try:
        found = find_spec(module)
        if found is None:
            raise ModuleNotFoundError(f"No module named '{module}'")
        file, value = found.origin, import_module(module)
        for name in path.split("."):
            value = getattr(value, name)
    except (Exception, SystemExit) as error:
        raise InputError(f"{option}: {module}:{path}: {place_of(error, file) if file else error}") from error
    return value


def classes_of(module: ModuleType) -> list[type]:
    """The classes that a module defines itself."""
    return [value for value in vars(module).values() if isinstance(value, type) and value.__module__ == module.__name__]


def module_of_file(file: str, option: str = "--method") -> ModuleType:
    """Run a file as a module of its own.

    Its text is kept as it was read: the code's version, and lines that errors name, are those of the code that
    runs, should the file be edited meanwhile.
    """
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        raise InputError(f"{option}: cannot read {shown(file)} ({error.strerror}); name a Python file") from None
    module = ModuleType(f"clbench_{Path(file).stem}_{sha256(file.encode()).hexdigest()[:8]}")
    module.__file__ = file
    sys.modules[module.__name__] = module
    folder = os.path.dirname(file)
    if folder not in sys.path:
        sys.path.append(folder)  # last: what lies beside the file may be imported, and take the place of nothing
    try:
        exec(compile(content, file, "exec"), module.__dict__)
        text = decode_source(content)
    except (Exception, SystemExit) as error:
        del sys.modules[module.__name__]
        raise InputError(f"{option}: {place_of(error, file)}") from error
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    return module
