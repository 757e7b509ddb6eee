"""What there is to run, as text: methods, streams, optimizers, schedules, settings with their sources, data."""

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from tabulate import tabulate

from benchmark.networks.external import is_code
from benchmark.networks.registry import NETWORKS, title_of
from benchmark.records.derived import metrics
from benchmark.streams.kinds import STREAMS, StreamKind
from benchmark.streams.names import ARGUMENT, from_elsewhere, stream_id
from benchmark.training import external
from benchmark.training.optimizer_names import OPTIMIZERS
from benchmark.training.probe import Probe
from benchmark.training.probes import probes
from benchmark.training.schedules import SCHEDULES, arguments_taken, formula
from methods.catalogue import METHOD_ROWS, memoryless

WIDTH = 100


def catalogue() -> str:
    """All that there is to run and to show: methods, networks, streams, optimizers, schedules, metrics and probes."""
    methods = tabulate(
        [(id, row.title, memoryless(id), row.reference) for id, row in METHOD_ROWS.items()],
        headers=("method", "title", "memoryless", "source"),
        tablefmt="simple",
        maxcolwidths=[None, None, None, 60],
    )
    networks = tabulate(
        [(kind.id, kind.title, kind.takes) for kind in NETWORKS.values()],
        headers=("network", "title", "takes"),
        tablefmt="simple",
    )
    streams = "\n\n".join(stream(kind) for kind in STREAMS.values())
    metrics_text = f"METRICS (table --columns NAME)\n\n{_metrics()}{_probes()}"
    return f"{methods}\n\n{networks}\n\nSTREAMS\n\n{streams}\n\n{_optimizers()}\n\n{_schedules()}\n\n{metrics_text}"


def _optimizers() -> str:
    """The optimizers, each with the source of its rule."""
    rows = [(id, f"torch.optim.{row.torch_class}", row.reference) for id, row in OPTIMIZERS.items()]
    title = "OPTIMIZERS (--set optimizer=ID, --set optimizer.NAME=VALUE)"
    return f"{title}\n\n{tabulate(rows, headers=('optimizer', 'rule', 'source'), tablefmt='simple')}"


def _schedules() -> str:
    """The schedules, each with the formula of its factor and its arguments."""
    rows = [(id, formula(id), _shown(arguments_taken(id))) for id in SCHEDULES]
    title = "SCHEDULES (--set schedule=ID, --set schedule.NAME=VALUE): factor of the rate"
    every = _shown(arguments_taken())
    table = tabulate(
        rows,
        headers=("schedule", "factor at t of total", "arguments"),
        tablefmt="simple",
        maxcolwidths=[None, 60, 36],
        disable_numparse=True,
    )
    return f"{title}\n\n{table}\n\nEvery schedule takes {every}"


def _shown(arguments: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={'VALUE' if value is None else value}" for name, value in arguments.items())


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
    """The same as an object: methods, networks, streams, optimizers, schedules, metrics, probes, each by its id."""
    document = {
        "methods": [{"id": id, **row._asdict()} for id, row in METHOD_ROWS.items()],
        "networks": [{"id": kind.id, "title": kind.title, "takes": kind.takes} for kind in NETWORKS.values()],
        "streams": [asdict(kind) for kind in STREAMS.values()],
        "optimizers": [{"id": id, **row._asdict()} for id, row in OPTIMIZERS.items()],
        "schedules": [{"id": id, "factor": formula(id), "arguments": arguments_taken(id)} for id in SCHEDULES],
        "metrics": [
            {"id": name, "title": metric.title, "unit": metric.unit, "about": metric.about, "source": metric.source}
            for name, metric in metrics().items()
        ],
        "probes": [
            {"id": name, "about": probe.__doc__.strip(), "options": dict(probe.Options())}
            for name, probe in probes().items()
        ],
    }
    return json.dumps(document, indent=1)


def stream(kind: StreamKind) -> str:
    """What a stream is and where it comes from."""
    heads = "one head" if kind.heads == "one" else "one head a task"
    title = f"{kind.id}  {kind.title}, {kind.tasks} tasks, {title_of(kind.network)}, {heads}"
    place = "in the paper's table" if kind.in_paper else "not in the paper"
    text = textwrap.wrap(kind.source, WIDTH, initial_indent="  ", subsequent_indent="  ")
    return "\n".join([f"{title} ({place})", *text])


def external_method(spec: str) -> str:
    """What the class of an external method says about it; "" where that is nothing."""
    from benchmark.training.about import about  # loads torch, as the method does

    said, id = about(external.method_named(spec)), external.id_of(spec)
    if said is None:
        return ""
    kind = {True: "memoryless", False: "not memoryless", None: ""}[said.memoryless]
    head = ", ".join(filter(None, [f"{id}  {said.title or id}", kind]))
    return f"{head}: {said.reference}" if said.reference else head


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
    if "dropout" not in changes and is_code(str(changes.get("network", ""))):
        sources["dropout"] = "0: an external network has its own"
    if from_elsewhere(stream) and "tasks" in changes:
        sources["tasks"] = "given, or the stream's experiences"
        sources |= {
            name: "default of the stream's function"
            for name, value in changes.items()
            if _is_default(stream, name, value)
        }
    return [
        (name, value, sources[name])
        for name, value in external.settings_of(method, stream, changes).everything().items()
    ]


def _is_default(stream: str, name: str, value: object) -> bool:
    from benchmark.streams.external import default_arguments  # loads PyTorch

    known = default_arguments(stream) if name.startswith(ARGUMENT) else {}
    own = name.removeprefix(ARGUMENT)
    return own in known and known[own] == value


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
