"""Is a results directory sound? Every record read as the table reads it, and what the table does not ask."""

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.common.text import printable
from benchmark.records.mixtures import noted, refused
from benchmark.records.schema import Record
from benchmark.records.store import files, read_placed
from methods.errors import InputError


@dataclass
class Findings:
    """What is wrong with a results directory (`unsound`) and what is only worth knowing (`notes`), a line each."""

    records: int = 0  # sound ones
    unsound: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def text(self) -> str:
        """A line a finding, the unsound first, and a last line that counts."""
        lines = [f"unsound: {line}" for line in self.unsound] + [f"note: {line}" for line in self.notes]
        counts = f"{self.records} sound records, {len(self.unsound)} unsound, {len(self.notes)} notes"
        return "\n".join([*lines, counts])

    def json(self) -> str:
        """The same as an object with the keys records, unsound and notes."""
        return json.dumps({"records": self.records, "unsound": self.unsound, "notes": self.notes}, indent=1)


def verify(results: Path) -> Findings:
    """Go through a results directory and change nothing.

    Unsound is what the table refuses: a file in a record's place that cannot be read, is no record, lies under
    another name than its settings give, has metrics that do not follow from its matrix or a digest that does
    not follow from its contents; two records of one run, or of one stream made from different data; and saved state
    that cannot be gone on from. Notes: records without a digest, provenance that does not tell the code for certain,
    rows of the table that mix code, data, versions, devices or processors, rows that are equal in every accuracy,
    and files that are not read.
    Raises InputError where there is no such directory.
    """
    if not os.path.isdir(results):  # unlike Path.is_dir, also where the name is too long or a folder is closed
        raise InputError(f"--results: {results} is not a directory; name one that holds records")
    findings, records, doubts = Findings(), [], defaultdict(list)
    for path in files(results, lambda error: findings.unsound.append(printable(error))):
        if path.suffix != ".json":
            findings.notes.append(printable(f"{path} is not read: {_other(path)}"))
            continue
        try:
            record = read_placed(path, results)
        except InputError as error:
            findings.unsound.append(printable(error))
            continue
        records.append(record)
        for doubt in _doubts(record):
            doubts[doubt].append(path)
    for doubt, paths in doubts.items():
        others = f" and {len(paths) - 1} more:" if len(paths) > 1 else ":"
        findings.notes.append(printable(f"{paths[0]}{others} {doubt}"))
    findings.notes.extend(map(printable, noted(records)))
    findings.unsound.extend(map(printable, refused(records)))
    findings.unsound.extend(_damaged_states(results))
    findings.records = len(records)
    return findings


def _other(path: Path) -> str:
    draft = path.name.startswith(".") and path.suffix == ".tmp"
    return "a draft, left where a run was stopped while writing" if draft else "it is no record"


def _damaged_states(results: Path) -> Iterator[str]:
    places = sorted(results.glob(".state/*/*/*.safetensors"))
    if not places:
        return
    from benchmark.records import checkpoint  # loads PyTorch, which records alone do not need

    for place in places:
        try:
            checkpoint.load(place)
        except FileNotFoundError:
            continue  # its runs are recorded by now
        except checkpoint.Damaged as error:
            yield printable(f"{place} is no sound state ({error}); remove it, and its runs begin anew")


def _doubts(record: Record) -> list[str]:
    origin = record.provenance
    unknown = [name for name, version in origin.versions.items() if version is None]
    doubts = [
        (origin.digest is None, "it has no digest, so an edit that keeps its metrics right would not show"),
        (origin.commit is None, "made outside a checkout, its commit is unknown"),
        (origin.clean is False, f"made from changed files, commit {origin.commit} does not give them all"),
        (unknown, f"its version of {', '.join(unknown)} is unknown"),
        (not origin.data, "the digests of its data are unknown"),
        (record.seed not in origin.seeds_together, "its seed is not among those that it says were trained together"),
    ]
    return [doubt for holds, doubt in doubts if holds]
