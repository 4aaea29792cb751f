"""How many calls there were, how they ended, how long they took: counters in Prometheus' text format.

The file is what node_exporter's textfile collector reads; there is no daemon that could serve it. Pure; imported
only where `metrics_file` is set. Source: prometheus.io/docs/instrumenting/exposition_formats.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# A pod's author chooses among networks, not how many there are; a file that grows all the same stops here.
MAX_SERIES = 5000

_FAMILIES = (
    ("genie_calls_total", "counter", "Calls of the plugin; code 0 is success, others are CNI's."),
    ("genie_call_duration_seconds", "summary", "Time inside the plugin, its delegates included."),
    ("genie_delegate_calls_total", "counter", "Runs of delegate plugins."),
    ("genie_delegate_duration_seconds", "summary", "Time that delegate plugins took."),
)


class Run:
    """One run of a delegate plugin. `seconds` includes its start and end."""

    __slots__ = ("network", "ok", "plugin", "seconds", "verb")

    def __init__(self, verb: str, network: str, plugin: str, ok: bool, seconds: float) -> None:
        self.verb = verb
        self.network = network
        self.plugin = plugin
        self.ok = ok
        self.seconds = seconds


def counted(text: str, verb: str, code: int, seconds: float, runs: "Iterable[Run]") -> str:
    """The file's text with one call more. Lines of `text` that are no samples are dropped."""
    samples = _parse(text)
    _add(samples, _series("genie_calls_total", {"verb": verb, "code": str(code)}), 1)
    _observe(samples, "genie_call_duration_seconds", {"verb": verb}, seconds)
    for run in runs:
        labels = {"verb": run.verb, "network": run.network, "plugin": run.plugin}
        result = "ok" if run.ok else "failed"
        _add(samples, _series("genie_delegate_calls_total", {**labels, "result": result}), 1)
        _observe(samples, "genie_delegate_duration_seconds", labels, run.seconds)
    return _render(samples)


def _observe(samples: dict[str, float], name: str, labels: "Mapping[str, str]", seconds: float) -> None:
    _add(samples, _series(f"{name}_sum", labels), seconds)
    _add(samples, _series(f"{name}_count", labels), 1)


def _add(samples: dict[str, float], series: str, amount: float) -> None:
    if series in samples or len(samples) < MAX_SERIES:
        samples[series] = samples.get(series, 0) + amount


def _series(name: str, labels: "Mapping[str, str]") -> str:
    pairs = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items())
    return f"{name}{{{pairs}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _parse(text: str) -> dict[str, float]:
    samples: dict[str, float] = {}
    for line in text.splitlines():
        series, space, number = line.rpartition(" ")
        try:
            value = float(number)
        except ValueError:
            continue
        if space and not line.startswith("#") and 0 <= value < float("inf"):
            samples[series] = value
    return samples


def _render(samples: "Mapping[str, float]") -> str:
    """Every family with its samples below it, in the order of their names: the format wants them together."""
    lines = []
    for name, kind, help_ in _FAMILIES:
        own = [
            series
            for series in samples
            if series.partition("{")[0].removesuffix("_sum").removesuffix("_count") == name
        ]
        if own:
            lines += [f"# HELP {name} {help_}", f"# TYPE {name} {kind}"]
            lines += [f"{series} {_number(samples[series])}" for series in sorted(own)]
    return "".join(line + "\n" for line in lines)


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.6f}"
