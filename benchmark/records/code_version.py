"""Which code a record's numbers come from."""

from __future__ import annotations

import ast
import hashlib
import inspect

from methods.method import Method

RESULTS_VERSION = 1
"""Raised by hand whenever a change of the suite changes the numbers of a run; older records are then run again."""


def code_version(method: type, base: type = Method) -> str:
    """Names the code that decides a run's numbers: RESULTS_VERSION and a digest of the method's own source.

    base: where the suite's part begins; another class for a probe. Comments, docstrings and layout do not count, nor
    does the version of Python.
    """
    digest = hashlib.sha256()
    for cls in method.__mro__[: method.__mro__.index(base)]:
        source = inspect.getsource(inspect.getmodule(cls))
        digest.update(_skeleton(ast.parse(source)).encode())
    return f"{RESULTS_VERSION}-{digest.hexdigest()[:12]}"


def _skeleton(node: object) -> str:
    """The syntax tree as text, without docstrings and without fields that only some versions of Python have."""
    if isinstance(node, list):
        return "".join(_skeleton(item) for item in node if not _is_docstring(item))
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = ((name, value) for name, value in ast.iter_fields(node) if value not in (None, []))
    return f"{type(node).__name__}({','.join(f'{name}={_skeleton(value)}' for name, value in fields)})"


def _is_docstring(node: object) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
