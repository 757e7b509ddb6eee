"""Measurements of probes in a record: their format, how they are checked, and their text."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, JsonValue

from benchmark.records.fields import Identifier, Part, Text, Value

MOST_NUMBERS = 1_000_000
"""Maximum number of values in a measurement, about 10 MB of text."""
_DEEPEST = 6  # nested lists


def numbers(value: object, depth: int = 0) -> Iterator[float | None]:
    """The numbers in nested lists. Raises ValueError for anything but finite numbers, None and lists of them."""
    if isinstance(value, list) and depth < _DEEPEST:
        for part in value:
            yield from numbers(part, depth + 1)
    elif value is None or (type(value) in (int, float) and math.isfinite(value)):
        yield value
    else:
        raise ValueError("a measurement holds finite numbers, None, and lists of these, at most six levels deep")


def _measured(values: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if sum(1 for value in values.values() for _ in numbers(value)) > MOST_NUMBERS:
        raise ValueError(f"a measurement holds at most {MOST_NUMBERS:,} numbers")
    return values


class Measurement(Part):
    """The values that a probe measured during a run; see benchmark.training.probe."""

    options: dict[Identifier, Value]
    code: Text  # digest of the probe's source, see benchmark.records.code_version
    values: Annotated[dict[Identifier, JsonValue], AfterValidator(_measured)]


def measurements_text(measured: Mapping[str, Mapping[str, Any]] | None) -> str:
    """The measurements as the last field of a record's JSON, the values of each name on one line; '' for None."""
    if measured is None:
        return ""
    blocks = []
    for probe, said in measured.items():
        lines = [f'"options": {json.dumps(said["options"])}', f'"code": {json.dumps(said["code"])}']
        values = [f"    {json.dumps(name)}: {json.dumps(value)}" for name, value in said["values"].items()]
        lines.append('"values": {\n' + ",\n".join(values) + "\n   }")
        blocks.append(f"  {json.dumps(probe)}: {{\n   " + ",\n   ".join(lines) + "\n  }")
    return ',\n "measurements": {\n' + ",\n".join(blocks) + "\n }"
