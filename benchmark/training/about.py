"""The description of an external method, for records and tables."""

from __future__ import annotations

from benchmark.common.loading import is_external
from benchmark.records.schema import About
from methods.method import Method


def about(method: type[Method]) -> About | None:
    """The title, memoryless and reference of an external method; None if it has none of them or is built in."""
    given = {name: getattr(method, name) for name in About.model_fields if getattr(method, name, None) is not None}
    return About(**given) if given and is_external(method) else None
