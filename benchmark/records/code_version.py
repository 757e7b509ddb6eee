"""Which code a record's numbers come from."""

from __future__ import annotations

import ast
import hashlib
import inspect
from collections.abc import Iterable
from functools import cache
from types import ModuleType

from methods.method import Method

RESULTS_VERSION = 1
"""Raised by hand whenever a change of the suite changes the numbers of a run; older records are then run again."""

DESCRIPTIVE = frozenset({"title", "memoryless", "reference", "order", "stream_settings"})
"""What a method's class says about itself. No number follows from it: a record holds all settings of its run."""

EQUAL = {
    "1-354d33a61004": "1-3f4594d5c580",  # methods/naive.py
    "1-9fcf59ad0481": "1-aaa1378a1bb0",  # methods/agem.py
    "1-cd7bfd7f2ad1": "1-286fb7db9b96",  # methods/er_reservoir.py
    "1-a76e91d66b45": "1-26a5620765d8",  # methods/stable_sgd.py
    "1-603898be2605": "1-5ebbac96f8f4",  # methods/multitask.py
}
"""Versions of which it is proven that they give the same bits, each with the older one whose name records keep.

tests/records/test_code_version.py has the proof: the files differ in `step_kind` alone, which says of every step what a
table of the suite said before, and the runs are equal bit for bit. An entry holds for one RESULTS_VERSION.
"""


@cache  # the code that runs is the one that was loaded, whatever happens to its file later
def code_version(method: type, base: type = Method, network: ModuleType | None = None) -> str:
    """Names the code that decides a run's numbers: RESULTS_VERSION and a digest of the method's own source.

    base: where the suite's part of the class begins; another class for a probe.

    Comments, docstrings and layout do not count, nor does the version of Python, nor the literals by which a class
    describes itself (DESCRIPTIVE) as long as nothing in its source reads them. A version in EQUAL has the older name.
    network: the module that holds an external network; a digest of its source follows.
    """
    version = f"{RESULTS_VERSION}-{digest(_sources(method, base))}"
    version = EQUAL.get(version, version)
    return version if network is None else f"{version}-{digest([('', inspect.getsource(network))])}"


def digest(sources: Iterable[tuple[str, str]]) -> str:
    """12 hex digits that stand for the code of classes, each given by its name and the text of its file."""
    trees = [(name, ast.parse(text)) for name, text in sources]
    bare = [_without(tree, name, DESCRIPTIVE) for name, tree in trees]
    ignored = DESCRIPTIVE - {name for tree in bare for name in _read(tree)}
    sha = hashlib.sha256()
    for name, tree in trees:
        sha.update(_skeleton(_without(tree, name, ignored)).encode())
    return sha.hexdigest()[:12]


def _sources(method: type, base: type) -> list[tuple[str, str]]:
    classes = method.__mro__[: method.__mro__.index(base)]
    return [(cls.__name__, inspect.getsource(inspect.getmodule(cls))) for cls in classes]


def _without(tree: ast.Module, name: str, attributes: Iterable[str]) -> ast.Module:
    """The file without these attributes of the class, where they are literals."""
    return ast.Module(
        [
            ast.ClassDef(**dict(ast.iter_fields(node)) | {"body": [e for e in node.body if not _is(e, attributes)]})
            if isinstance(node, ast.ClassDef) and node.name == name
            else node
            for node in tree.body
        ],
        tree.type_ignores,
    )


def _is(statement: ast.stmt, attributes: Iterable[str]) -> bool:
    """Whether the statement gives a literal to one of these attributes and does nothing else."""
    match statement:
        case (
            ast.Assign(targets=[ast.Name(id=name)], value=value) | ast.AnnAssign(target=ast.Name(id=name), value=value)
        ):
            return value is not None and name in attributes and _is_literal(value)
    return False


def _is_literal(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except (ValueError, TypeError):
        return False
    return True


def _read(tree: ast.Module) -> Iterable[str]:
    """All names that code can read an attribute by."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name) | ast.Name(id=name) | ast.Constant(value=str(name)):
                yield name


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
