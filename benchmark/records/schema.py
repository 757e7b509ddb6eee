"""A run's record: what it says, how it is checked, and its text."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

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

# What a file says is foreign: it must not steer the terminal that shows it.
Text = Annotated[str, Field(pattern=r"^[^\p{C}\p{Zl}\p{Zp}]*$", max_length=500)]
Value = bool | int | float | Text | None
Fraction = Annotated[float, Field(ge=0, le=1)]
Identifier = Annotated[str, Field(pattern=r"^\w[\w.:+-]*$", max_length=200)]  # it becomes a folder's name

_IDENTIFIER = TypeAdapter(Identifier)
_SETTINGS = TypeAdapter(dict[Identifier, Value], config=ConfigDict(allow_inf_nan=False))


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Metrics(_Part):
    """What benchmark.records.metrics makes of the matrix, fractions; all None for a diverged run."""

    average_accuracy: float | None
    average_forgetting: float | None
    learning_accuracy: float | None
    backward_transfer: float | None


class Divergence(_Part):
    """Where a parameter was no number any more: the task, and the step in that task, both from 0."""

    task: int = Field(ge=0)
    step: int = Field(ge=0)


class Provenance(_Part):
    """Where the numbers come from; see benchmark.records.provenance."""

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
    digest: str | None = None  # in a file only: of the rest of the record, see `digest`


class About(_Part):
    """What the class of an external method says about it."""

    title: Text | None = None
    memoryless: bool | None = None
    reference: Text | None = None


class Record(_Part):
    """One run: a method on a stream with a seed, under settings that are all written out."""

    method: Identifier
    stream: Identifier
    seed: int = Field(ge=0)
    settings: dict[Identifier, Value]
    accuracy_matrix: list[list[Fraction | None]]  # [T, T], None: not met yet; of a diverged run the rows before it
    metrics: Metrics
    seconds: float = Field(ge=0)
    status: Literal["complete", "diverged"]
    diverged: Divergence | None
    provenance: Provenance
    about: About | None = None  # left out of text and digest where it is None

    @model_serializer(mode="wrap")
    def _without_what_is_unset(self, serialize: SerializerFunctionWrapHandler) -> dict[str, object]:
        return {name: value for name, value in serialize(self).items() if name != "about" or value is not None}

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
) -> Record:
    """The record of a run, its metrics worked out of the matrix of fractions.

    matrix: [T, T], or the rows before the run diverged; seconds: this seed's share of the time; about: of an external
    method.
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
    )


def unrecordable(settings: Mapping[str, object] | BaseModel) -> str | None:
    """The name of the first setting that no record can hold, as a text that is too long or steers a terminal."""
    try:
        _SETTINGS.validate_python(dict(settings))
    except ValidationError as error:
        return str(error.errors()[0]["loc"][0])
    return None


def is_identifier(name: object) -> bool:
    """Whether a record can hold it as the name of a method or a stream."""
    try:
        _IDENTIFIER.validate_python(name)
    except ValidationError:
        return False
    return True


def summary(record: Record) -> dict[str, object]:
    """What a run came to, without its matrix and where it comes from, ready for JSON."""
    return record.model_dump(mode="json", exclude={"accuracy_matrix", "provenance"})


def digest(record: Record) -> str:
    """sha256, in hex, of everything a record says, whatever its layout; its own digest left out."""
    said = record.model_dump(mode="json", exclude={"provenance": {"digest"}})
    canonical = json.dumps(said, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def sealed(record: Record, seal: str | None) -> Record:
    """The record with this digest in its provenance, right or not."""
    return record.model_copy(update={"provenance": record.provenance.model_copy(update={"digest": seal})})


def text(record: Record) -> str:
    """The record, with its digest, as indented JSON, every float exact, the matrix one row a line."""
    document = sealed(record, digest(record)).model_dump(mode="json")
    rows = ",\n  ".join(json.dumps(row, allow_nan=False) for row in document["accuracy_matrix"])
    document["accuracy_matrix"] = None
    whole = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    # the line break and one space tell the key from a setting of that name
    return whole.replace('\n "accuracy_matrix": null', f'\n "accuracy_matrix": [\n  {rows}\n ]', 1) + "\n"
