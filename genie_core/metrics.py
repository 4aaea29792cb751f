"""How many calls there were, how they ended, how long they took: counters in Prometheus' text format.

The file is what node_exporter's textfile collector reads, and what `genie agent` serves with its own metrics. Pure;
imported only where `metrics_file` is set. Source: prometheus.io/docs/instrumenting/exposition_formats.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# A pod's author chooses among networks, not how many there are; a file that grows nevertheless stops here.
MAX_SERIES = 5000

_FAMILIES = (
    ("genie_calls_total", "counter", "Calls of the plugin; code 0 is success, others are CNI's."),
    ("genie_call_seconds", "histogram", "Time inside the plugin, its delegates included."),
    ("genie_plugin_seconds", "histogram", "Time that runs of delegate plugins took."),
)
# Upper bounds in seconds: a delegate takes some 10 ms, and is given up after 60 s.
BOUNDS = ("0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "10.0", "60.0")


class Run:
    """One run of a delegate plugin. `seconds` includes its start and end."""

    __slots__ = ("network", "plugin", "seconds", "verb")

    def __init__(self, verb: str, network: str, plugin: str, seconds: float) -> None:
        self.verb = verb
        self.network = network
        self.plugin = plugin
        self.seconds = seconds


def counted(text: str, verb: str, code: int, seconds: float, runs: "Iterable[Run]") -> str:
    """The file's text with one call more. Lines of `text` that are no samples are dropped."""
    samples = _parse(text)
    _add(samples, _series("genie_calls_total", {"verb": verb, "code": str(code)}), 1)
    _observe(samples, "genie_call_seconds", {"verb": verb}, seconds)
    for run in runs:
        labels = {"network": run.network, "plugin": run.plugin, "verb": run.verb}
        _observe(samples, "genie_plugin_seconds", labels, run.seconds)
    return _render(samples)


def families_of(text: str) -> str:
    """The plugin's own families of a file's text, and nothing else that is in it."""
    return _render(_parse(text))


def _observe(samples: dict[str, float], name: str, labels: "Mapping[str, str]", seconds: float) -> None:
    """Add to a histogram, whose lines are made together."""
    count = _series(f"{name}_count", labels)
    if count not in samples and len(samples) + len(BOUNDS) + 3 > MAX_SERIES:
        return
    for bound in (*BOUNDS, "+Inf"):
        within = bound == "+Inf" or seconds <= float(bound)
        _add(samples, _series(f"{name}_bucket", {**labels, "le": bound}), 1 if within else 0)
    _add(samples, _series(f"{name}_sum", labels), seconds)
    _add(samples, count, 1)


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
    """Every family with its samples below it, in the order of their coming: the format wants them together."""
    lines = []
    for name, kind, help_ in _FAMILIES:
        own = [series for series in samples if _family(series.partition("{")[0]) == name]
        if own:
            lines += [f"# HELP {name} {help_}", f"# TYPE {name} {kind}"]
            lines += [f"{series} {_number(samples[series])}" for series in own]
    return "".join(line + "\n" for line in lines)


def _family(name: str) -> str:
    for suffix in ("_bucket", "_sum", "_count"):
        name = name.removesuffix(suffix)
    return name


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.6f}"
