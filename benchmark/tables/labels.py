"""What rows, streams and settings are called in tables and figures."""

from __future__ import annotations

import re

from benchmark.streams.kinds import STREAMS
from methods.catalogue import METHOD_ROWS

LACKS = "without "
"""Begins the name of a setting that others have and these runs have not."""
_UNCLEAR, _WORDS = re.compile(r"[\s=\[\]'\"]|^$"), ("None", "True", "False")


def row_label(method: str, variant: dict[str, object], title: str | None = None) -> str:
    """What a row or a curve is called: the method's title, and in brackets the settings that were changed.

    title: of an external method; by default its id.
    """
    title = METHOD_ROWS[method].title if method in METHOD_ROWS else f"{title or method} (external)"
    return f"{title} [{variant_label(variant)}]" if variant else title


def variant_label(variant: dict[str, object]) -> str:
    """The changed settings as KEY=VALUE, as the command line takes them; different settings give different texts."""
    return " ".join(name if name.startswith(LACKS) else f"{name}={_value(value)}" for name, value in variant.items())


def _value(value: object) -> str:
    """Text that could be taken for a number, None or two settings stands in quotes."""
    if not isinstance(value, str):
        return str(value)
    return repr(value) if _UNCLEAR.search(value) or value in _WORDS or _reads_as_number(value) else value


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def stream_label(stream: str) -> str:
    """The stream's title; the id of one that is not the suite's own."""
    return STREAMS[stream].title if stream in STREAMS else stream


def cut(text: str, width: int) -> str:
    """The text, or its beginning where it is longer than `width` letters."""
    return text if len(text) <= width else f"{text[: width - 2]} …"
