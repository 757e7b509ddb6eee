"""Run records: one JSON file a run, written whole or not at all."""

import hashlib
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from benchmark import metrics
from methods.errors import InputError

Value = bool | int | float | str | None
Fraction = Annotated[float, Field(ge=0, le=1)]
Identifier = Annotated[str, Field(pattern=r"^\w[\w.:+-]*$", max_length=200)]  # it becomes a folder's name


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Metrics(_Part):
    """What benchmark.metrics makes of the matrix, fractions; all None for a diverged run."""

    average_accuracy: float | None
    average_forgetting: float | None
    learning_accuracy: float | None
    backward_transfer: float | None


class Divergence(_Part):
    """Where a parameter was no number any more: the task, and the step in that task, both from 0."""

    task: int = Field(ge=0)
    step: int = Field(ge=0)


class Provenance(_Part):
    """Where the numbers come from; see benchmark.provenance."""

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


class Record(_Part):
    """One run: a method on a stream with a seed, under settings that are all written out."""

    method: Identifier
    stream: Identifier
    seed: int = Field(ge=0)
    settings: dict[str, Value]
    accuracy_matrix: list[list[Fraction]]  # [T, T]; of a diverged run only the rows before it
    metrics: Metrics
    seconds: float = Field(ge=0)
    status: Literal["complete", "diverged"]
    diverged: Divergence | None
    provenance: Provenance

    @model_validator(mode="after")
    def _follows_from_its_matrix(self) -> "Record":
        if (self.status == "diverged") != (self.diverged is not None):
            raise ValueError("status and diverged contradict each other")
        tasks = self.settings.get("tasks", len(self.accuracy_matrix))
        if any(len(row) != tasks for row in self.accuracy_matrix):
            raise ValueError("a row of accuracy_matrix is not one number a task")
        if self.status == "complete" and (tasks == 0 or len(self.accuracy_matrix) != tasks):
            raise ValueError("accuracy_matrix is not one row a task")
        if not _agree(dict(self.metrics), _metrics(self.accuracy_matrix, self.status)):
            raise ValueError("metrics do not follow from accuracy_matrix")
        return self


def _metrics(matrix: Sequence[Sequence[float]], status: str) -> dict[str, float | None]:
    return metrics.summarize(matrix) if status == "complete" else dict.fromkeys(Metrics.model_fields)


def _agree(ours: Mapping[str, float | None], theirs: Mapping[str, float | None]) -> bool:
    return all(
        (ours[name] is None) == (theirs[name] is None)
        and (ours[name] is None or abs(ours[name] - theirs[name]) < 1e-9)
        for name in theirs
    )


def compose(
    method: str, stream: str, seed: int, settings: Mapping[str, Value] | BaseModel,
    matrix: Sequence[Sequence[float]], seconds: float, diverged: Mapping[str, int] | None,
    provenance: Mapping[str, object],
) -> Record:
    """The record of a run, its metrics worked out of the matrix of fractions.

    matrix: [T, T], or the rows before the run diverged; seconds: this seed's share of the time.
    """
    status = "complete" if diverged is None else "diverged"
    return Record(
        method=method, stream=stream, seed=seed, settings=dict(settings), accuracy_matrix=matrix,
        metrics=_metrics(matrix, status), seconds=seconds, status=status, diverged=diverged,
        provenance=provenance,
    )


def path_of(
    results: Path, method: str, stream: str, seed: int, settings: Mapping[str, Value] | BaseModel
) -> Path:
    """Where a run's record lies: <results>/<stream>/<method>/seed-<seed>-<digest of settings>.json."""
    canonical = json.dumps(dict(settings), sort_keys=True, separators=(",", ":"), allow_nan=False)
    digest = hashlib.sha256(canonical.encode()).hexdigest()[:8]
    return Path(results) / stream / method / f"seed-{seed}-{digest}.json"


def text(record: Record) -> str:
    """The record as indented JSON, every float exact, the matrix one row a line."""
    document = record.model_dump(mode="json")
    rows = ",\n  ".join(json.dumps(row, allow_nan=False) for row in document["accuracy_matrix"])
    document["accuracy_matrix"] = None
    whole = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    return whole.replace('"accuracy_matrix": null', f'"accuracy_matrix": [\n  {rows}\n ]', 1) + "\n"


def save(results: Path, record: Record) -> Path:
    """Write the record to its place, in whole or not at all, and return the place.

    Raises InputError where the folder cannot be written or the disk is full; what was there before stays.
    """
    path = path_of(results, record.method, record.stream, record.seed, record.settings)
    draft = path.with_name(f".{path.stem}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(draft, "x", encoding="utf-8") as file:
                file.write(text(record))
                file.flush()
                os.fsync(file.fileno())  # the name must never point at text that a power cut can still lose
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"cannot write {path} ({reason}); make room or name other --results") from None
    return path


def load(path: Path) -> Record:
    """Read one record. Raises InputError, one line naming the file, for whatever is not a sound record."""
    try:
        return Record.model_validate_json(Path(path).read_bytes())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}; check its permissions") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) + ": " if first["loc"] else ""
        reason = " ".join(f"{where}{first['msg']}".split())[:200]
        raise InputError(f"{path} is not a sound record ({reason}); remove it and run it again") from None


def load_all(results: Path) -> list[Record]:
    """Every record below a results directory, in the order of the paths; none if there is no such directory.

    Raises InputError at the first file that is not a sound record or not in its place: no table is made of
    less, or of other numbers, than the directory seems to hold.
    """
    results = Path(results)
    if results.exists() and not results.is_dir():
        raise InputError(f"{results} is not a directory; name a results directory with --results")
    records = []
    for path in sorted(results.glob("*/*/*.json")):
        record = load(path)
        home = path_of(results, record.method, record.stream, record.seed, record.settings)
        if home != path:
            raise InputError(
                f"{path} does not belong there: its method, stream, seed and settings belong to {home}; "
                "it was renamed, copied or edited, so remove it and run it again"
            )
        records.append(record)
    return records


def recorded(
    results: Path, method: str, stream: str, seed: int, settings: Mapping[str, Value] | BaseModel,
    code: str, data: Mapping[str, str],
) -> bool:
    """Whether the run is recorded, complete or diverged, under the same settings, code and data.

    Raises InputError where its record is damaged.
    """
    path = path_of(results, method, stream, seed, settings)
    if not path.exists():
        return False
    record = load(path)
    return (
        (record.method, record.stream, record.seed, record.settings) == (method, stream, seed, dict(settings))
        and record.provenance.code == code
        and record.provenance.data == dict(data)
    )
