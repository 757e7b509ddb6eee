"""The record of a run: its fields, how they are checked, and its text."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    ValidationError,
    model_serializer,
    model_validator,
)

from benchmark.records import metrics
from benchmark.records.fields import Fraction, Identifier, Part, Text, Value
from benchmark.records.measurement import Measurement, measurements_text

_IDENTIFIER = TypeAdapter(Identifier)
_SETTINGS = TypeAdapter(dict[Identifier, Value], config=ConfigDict(allow_inf_nan=False))


class Metrics(Part):
    """The metrics of benchmark.records.metrics, as fractions; all None for a diverged run."""

    average_accuracy: float | None
    average_forgetting: float | None
    learning_accuracy: float | None
    backward_transfer: float | None


class Divergence(Part):
    """A parameter became NaN or infinite: in which task, and at which step of it. Indices are zero-based."""

    task: int = Field(ge=0)
    step: int = Field(ge=0)


class Provenance(Part):
    """The code, data and machine that the numbers come from; see benchmark.records.provenance."""

    commit: str | None
    clean: bool | None
    code: str
    versions: dict[str, str | None]
    device: str
    threads: int = Field(ge=1)
    processor: str
    data: dict[str, str]
    started: str
    seeds_together: list[int]
    digest: str | None = None  # of the rest of the record, see `digest`; set only in files


class About(Part):
    """The description of an external method, from attributes of its class."""

    title: Text | None = None
    memoryless: bool | None = None
    reference: Text | None = None


class Record(Part):
    """One run: a method on a stream with a seed and settings."""

    method: Identifier
    stream: Identifier
    seed: int = Field(ge=0)
    settings: dict[Identifier, Value]
    accuracy_matrix: list[list[Fraction | None]]  # [T, T], None: task not yet seen; rows end where a run diverged
    metrics: Metrics
    seconds: float = Field(ge=0)
    status: Literal["complete", "diverged"]
    diverged: Divergence | None
    provenance: Provenance
    about: About | None = None
    measurements: dict[Identifier, Measurement] | None = None  # by probe

    @model_serializer(mode="wrap")
    def _without_what_is_unset(self, serialize: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Leave optional fields that are None out of text and digest, so that older records stay valid."""
        unset = {name for name in ("about", "measurements") if getattr(self, name) is None}
        return {name: value for name, value in serialize(self).items() if name not in unset}

    @model_validator(mode="after")
    def _follows_from_its_matrix(self) -> "Record":
        if (self.status == "diverged") != (self.diverged is not None):
            raise ValueError("status and diverged contradict each other")
        tasks = self.settings.get("tasks", len(self.accuracy_matrix))
        if any(len(row) != tasks for row in self.accuracy_matrix):
            raise ValueError("a row of accuracy_matrix is not one number a task")
        if any(None in row[: task + 1] for task, row in enumerate(self.accuracy_matrix)):
            raise ValueError("accuracy_matrix lacks the accuracy on a task that was trained")
        rows = len(self.accuracy_matrix)
        if self.status == "complete" and (tasks == 0 or rows != tasks):
            raise ValueError("accuracy_matrix is not one row a task")
        if self.status == "diverged" and rows and rows >= tasks:
            raise ValueError("accuracy_matrix has a row for every task, though the run diverged")
        if self.measurements == {}:
            raise ValueError("measurements is empty; leave it out")
        if not _agree(dict(self.metrics), _metrics(self.accuracy_matrix, self.status)):
            raise ValueError("metrics do not follow from accuracy_matrix")
        if self.provenance.digest not in (None, digest(self)):
            raise ValueError("its digest does not follow from the rest: it was edited")
        return self


def _metrics(matrix: Sequence[Sequence[float | None]], status: str) -> dict[str, float | None]:
    return metrics.summarize(matrix) if status == "complete" else dict.fromkeys(Metrics.model_fields)


def _agree(ours: Mapping[str, float | None], theirs: Mapping[str, float | None]) -> bool:
    return all(
        (ours[name] is None) == (theirs[name] is None) and (ours[name] is None or abs(ours[name] - theirs[name]) < 1e-9)
        for name in theirs
    )


def compose(
    method: str,
    stream: str,
    seed: int,
    settings: Mapping[str, Value] | BaseModel,
    matrix: Sequence[Sequence[float | None]],
    seconds: float,
    diverged: Mapping[str, int] | None,
    provenance: Mapping[str, object],
    about: About | None = None,
    measurements: Mapping[str, object] | None = None,
) -> Record:
    """The record of a run. The metrics are computed from the accuracy matrix.

    matrix: fractions [T, T], or the rows before the run diverged. seconds: the share of this seed in the time of all
    seeds trained with it. about: only for an external method. measurements: by probe, in the form of Measurement.
    """
    status = "complete" if diverged is None else "diverged"
    return Record(
        method=method,
        stream=stream,
        seed=seed,
        settings=dict(settings),
        accuracy_matrix=matrix,
        metrics=_metrics(matrix, status),
        seconds=seconds,
        status=status,
        diverged=diverged,
        provenance=provenance,
        about=about,
        measurements=measurements or None,
    )


def unrecordable(settings: Mapping[str, object] | BaseModel) -> str | None:
    """The name of the first setting that no record can hold, such as a text that is too long; None if there is none."""
    try:
        _SETTINGS.validate_python(dict(settings))
    except ValidationError as error:
        return str(error.errors()[0]["loc"][0])
    return None


def is_identifier(name: object) -> bool:
    """Whether a record can hold `name` as the id of a method or a stream."""
    try:
        _IDENTIFIER.validate_python(name)
    except ValidationError:
        return False
    return True


def summary(record: Record) -> dict[str, object]:
    """The record without its matrix, provenance and measurements, ready for JSON."""
    return record.model_dump(mode="json", exclude={"accuracy_matrix", "provenance", "measurements"})


def digest(record: Record) -> str:
    """sha256, in hex, of the content of a record. It depends neither on the layout nor on the digest in the record."""
    said = record.model_dump(mode="json", exclude={"provenance": {"digest"}})
    canonical = json.dumps(said, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def sealed(record: Record, seal: str | None) -> Record:
    """The record with the digest `seal` in its provenance. The digest is not checked."""
    return record.model_copy(update={"provenance": record.provenance.model_copy(update={"digest": seal})})


def text(record: Record) -> str:
    """The record with its digest as indented JSON. Floats are exact, and each row of the matrix is one line."""
    document = sealed(record, digest(record)).model_dump(mode="json")
    rows = ",\n  ".join(json.dumps(row, allow_nan=False) for row in document["accuracy_matrix"])
    document["accuracy_matrix"] = None
    measured = document.pop("measurements", None)
    whole = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    # the line break and one space distinguish the key from a setting with the same name
    whole = whole.replace('\n "accuracy_matrix": null', f'\n "accuracy_matrix": [\n  {rows}\n ]', 1)
    return whole.removesuffix("\n}") + measurements_text(measured) + "\n}\n"
