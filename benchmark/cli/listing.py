"""What there is to run, as text: methods, streams, settings with their sources, data."""

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from tabulate import tabulate

from benchmark.records.derived import metrics
from benchmark.streams.kinds import STREAMS, StreamKind
from benchmark.streams.names import from_elsewhere, stream_id
from benchmark.training import external
from benchmark.training.probe import Probe
from benchmark.training.probes import probes
from methods.catalogue import METHOD_ROWS, memoryless

WIDTH = 100


def catalogue() -> str:
    """The methods with their papers, the streams with their origin, the metrics with their formulas, the probes."""
    methods = tabulate(
        [(id, row.title, memoryless(id), row.reference) for id, row in METHOD_ROWS.items()],
        headers=("method", "title", "memoryless", "source"),
        tablefmt="simple",
        maxcolwidths=[None, None, None, 60],
    )
    streams = "\n\n".join(stream(kind) for kind in STREAMS.values())
    return f"{methods}\n\nSTREAMS\n\n{streams}\n\nMETRICS (table --columns NAME)\n\n{_metrics()}{_probes()}"


def _probes() -> str:
    rows = [
        (name, " ".join(probe.__doc__.partition("\n\n")[0].split()), _options(probe))
        for name, probe in probes().items()
    ]
    table = tabulate(
        rows, headers=("probe", "what it measures", "options"), tablefmt="simple", maxcolwidths=[None, 60, 20]
    )
    return f"\n\nPROBES (run --measure NAME:KEY=VALUE)\n\n{table}"


def _options(probe: type[Probe]) -> str:
    return ", ".join(f"{name}={value}" for name, value in probe.Options())


def _metrics() -> str:
    return tabulate(
        [(name, f"{metric.title}: {metric.about}") for name, metric in metrics().items()],
        headers=("metric", "what it is"),
        tablefmt="simple",
        maxcolwidths=[None, 72],
    )


def catalogue_json() -> str:
    """The same as an object: methods, streams, metrics and probes, each by its id."""
    methods = [{"id": id, **row._asdict()} for id, row in METHOD_ROWS.items()]
    columns = [
        {"id": name, "title": metric.title, "unit": metric.unit, "about": metric.about, "source": metric.source}
        for name, metric in metrics().items()
    ]
    measured = [
        {"id": name, "about": probe.__doc__.strip(), "options": dict(probe.Options())}
        for name, probe in probes().items()
    ]
    streams = [asdict(kind) for kind in STREAMS.values()]
    return json.dumps({"methods": methods, "streams": streams, "metrics": columns, "probes": measured}, indent=1)


def stream(kind: StreamKind) -> str:
    """What a stream is and where it comes from."""
    network = {"mlp": "MLP", "resnet18": "reduced ResNet-18"}[kind.network]
    heads = "one head" if kind.heads == "one" else "one head a task"
    title = f"{kind.id}  {kind.title}, {kind.tasks} tasks, {network}, {heads}"
    place = "in the paper's table" if kind.in_paper else "not in the paper"
    text = textwrap.wrap(kind.source, WIDTH, initial_indent="  ", subsequent_indent="  ")
    return "\n".join([f"{title} ({place})", *text])


def settings(methods: Sequence[str], streams: Mapping[str, Mapping[str, object]]) -> str:
    """The settings of each method on each stream, every value beside its source; streams: with what is changed."""
    return "\n\n".join(_cell(method, stream, changes) for stream, changes in streams.items() for method in methods)


def settings_json(methods: Sequence[str], streams: Mapping[str, Mapping[str, object]]) -> str:
    """The same as a list: method, stream and settings, each with its value and source."""
    cells = []
    for stream, changes in streams.items():
        for method in methods:
            rows = {name: {"value": value, "source": source} for name, value, source in _rows(method, stream, changes)}
            cells.append({"method": external.id_of(method), "stream": stream_id(stream), "settings": rows})
    return json.dumps(cells, indent=1)


def _rows(method: str, stream: str, changes: Mapping[str, object]) -> list[tuple[str, object, str]]:
    sources = external.sources_of(method, stream) | dict.fromkeys(changes, "given here")
    if from_elsewhere(stream) and "tasks" in changes:
        sources["tasks"] = "given, or the stream's experiences"
    return [
        (name, value, sources[name])
        for name, value in external.settings_of(method, stream, changes).everything().items()
    ]


def _cell(method: str, stream: str, changes: Mapping[str, object]) -> str:
    rows = _rows(method, stream, changes)
    table = tabulate(rows, headers=("setting", "value", "source"), tablefmt="simple", disable_numparse=True)
    return f"{external.id_of(method)} on {stream_id(stream)}\n{table}"


def data(rows: Sequence[Mapping[str, str]]) -> str:
    """The data sets as benchmark.streams.datasets.describe gives them: where they lie, their digests, their source."""
    return "\n\n".join("\n".join(_data_set(row)) for row in rows)


def _data_set(row: Mapping[str, str]) -> Iterator[str]:
    yield f"{row['dataset']}  {row['title']}: {row['status']}"
    yield f"  place    {row['place'] or 'none: a run downloads it'}"
    for number, digest in enumerate(filter(None, row["digests"].split("; "))):
        yield f"  {'' if number else 'digests':8} {digest}"
    yield f"  source   {row['source']}"
