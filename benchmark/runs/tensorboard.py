"""Write TensorBoard scalars while runs are trained."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from benchmark.records import metrics
from benchmark.records.schema import Measurement
from benchmark.runs.progress import Evaluated, Event, Saved
from methods.errors import InputError


class Board:
    """A log directory with one folder for each run, named like its record: <stream>/<method>/seed-<k>-<digest>.

    Step t is the end of task t; tasks are one-based. Scalars, as fractions: accuracy/task_<i> for each task seen,
    average_accuracy over tasks 1 to t, and forgetting after task t. When a run finishes, its measurements follow, by
    training step: <probe>/<name>, or <probe>/<name>_<i> with one-based i. Earlier scalars of the run are replaced.
    A context manager: on exit all pending scalars are written.
    """

    def __init__(self, folder: Path, results: Path) -> None:
        self.folder, self.results = folder, results
        self._open: dict[Path, tuple[SummaryWriter, int]] = {}  # writer and number of rows written, by record path

    def __enter__(self) -> "Board":
        with self._writable():
            self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        with self._writable() if kind is None else suppress(OSError):
            for writer, _ in self._open.values():
                writer.close()

    def watch(self, event: Event) -> None:
        """Write the scalars of an event."""
        if isinstance(event, Evaluated):
            self._add(event.place, event.accuracy_matrix)
        elif isinstance(event, Saved):
            self.add(event.place, event.record.accuracy_matrix, event.record.measurements)

    def add(
        self,
        place: Path,
        matrix: Sequence[Sequence[float | None]],
        measurements: Mapping[str, Measurement] | None = None,
    ) -> None:
        """Write a finished run: the remaining rows of its accuracy matrix, and its measurements."""
        self._add(place, matrix)
        with self._writable():
            writer, _ = self._open.pop(place)
            for probe, measured in (measurements or {}).items():
                _write_measured(writer, probe, measured.values)
            writer.close()

    def _add(self, place: Path, matrix: Sequence[Sequence[float | None]]) -> None:
        with self._writable():
            if place not in self._open:
                folder = self.folder / place.relative_to(self.results).with_suffix("")
                self._open[place] = SummaryWriter(str(folder), purge_step=1), 0
            writer, written = self._open[place]
            for task in range(written, len(matrix)):
                _write(writer, task + 1, [row[: task + 1] for row in matrix[: task + 1]], matrix[task])
            self._open[place] = writer, len(matrix)
            writer.flush()

    @contextmanager
    def _writable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or error
            raise InputError(
                f"--tensorboard: cannot write to {self.folder} ({reason}); make room or name another directory"
            ) from None


def _write(
    writer: SummaryWriter, step: int, seen: Sequence[Sequence[float | None]], row: Sequence[float | None]
) -> None:
    for number, accuracy in enumerate(row, 1):
        if accuracy is not None:
            writer.add_scalar(f"accuracy/task_{number:02}", accuracy, step)
    writer.add_scalar("average_accuracy", metrics.average_accuracy(seen), step)
    writer.add_scalar("forgetting", metrics.average_forgetting(seen), step)


def _write_measured(writer: SummaryWriter, probe: str, values: Mapping[str, object]) -> None:
    steps = values["step"]
    for name in values.keys() - {"phase", "step"}:
        for step, row in zip(steps, values[name], strict=True):
            named = {f"_{n:02}": part for n, part in enumerate(row, 1)} if isinstance(row, list) else {"": row}
            for suffix, value in named.items():
                if isinstance(value, int | float):
                    writer.add_scalar(f"{probe}/{name}{suffix}", value, step)
