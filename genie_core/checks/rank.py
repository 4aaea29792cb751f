"""Causes first: which findings follow from others, and which of two names the same cause better."""

from __future__ import annotations

from dataclasses import replace

from genie_core.findings import About, Finding, Remedy, Severity, ordered

# A finding of the code on the left is explained by any of those on the right, the first that is there.
UNREACHABLE = (
    "GN0101", "GN0102", "GN0401", "GN0402", "GN0403", "GN0404", "GN0105", "GN0201", "GN0202", "GN0301", "GN0302",
    "GN0406", "GN0408", "GN0306", "GN0303", "GN0405", "GN0203", "GN0106", "GN0411", "GN0413", "GN0501", "GN0502",
    "GN0504", "GN0506", "GN0507", "GN0510", "GN0508", "GN0509", "GN0503", "GN0513", "GN0515", "GN0505", "GN0706",
    "GN0701", "GN0702", "GN0703", "GN0704", "GN0705", "GN0707", "GN0711", "GN0712", "GN0710", "GN0601", "GN0602",
    "GN0407", "GN0410", "GN0708", "GN0511", "GN0512", "GN0304", "GN0305", "GN0309", "GN0409", "GN0604", "GN0107",
    "GN0206", "GN0605", "GN0518", "GN0603", "GN0104", "GN0310", "GN0521", "GN0606", "GN0807", "GN0412",
)  # fmt: skip
# What keeps a question for a MAC, or its answer, from getting through.
SILENT_LINK = (
    "GN0101", "GN0102", "GN0401", "GN0402", "GN0403", "GN0404", "GN0405", "GN0105", "GN0106", "GN0107", "GN0203",
    "GN0302", "GN0406", "GN0408", "GN0409", "GN0507", "GN0510", "GN0509", "GN0707", "GN0104", "GN0515",
)  # fmt: skip
EXPLAINED: dict[str, tuple[str, ...]] = {
    "GN0805": (*UNREACHABLE, "GN0808"),
    "GN0808": UNREACHABLE,
    "GN0806": tuple(c for c in UNREACHABLE if c != "GN0710"),
    "GN0710": (
        "GN0512",
        "GN0411",
        "GN0807",
        "GN0706",
        "GN0712",
        "GN0701",
        "GN0702",
        "GN0703",
        "GN0704",
        "GN0705",
        "GN0707",
        "GN0711",
        "GN0503",
        "GN0513",
        "GN0404",
        "GN0406",
    ),
    "GN0601": ("GN0518",),
    "GN0608": ("GN0607",),
    "GN0705": ("GN0712", "GN0706"),
    "GN0703": ("GN0712", "GN0706"),
    "GN0704": ("GN0712",),
    "GN0202": ("GN0209",),
    "GN0301": ("GN0102", "GN0101", "GN0202"),
    "GN0408": ("GN0401",),
    "GN1024": ("GN0406", "GN0404", "GN0206", "GN1032"),
    "GN0523": ("GN0508",),
    "GN0306": ("GN0203",),
    "GN0511": ("GN0518", "GN0310"),
    "GN0413": (
        "GN0206",
        "GN0201",
        "GN0310",
        "GN0203",
        "GN0406",
        "GN0401",
        "GN0404",
        "GN0402",
        "GN0403",
        "GN0504",
    ),
    "GN0503": ("GN0303", "GN0413", "GN0504"),
    "GN0405": ("GN0401", "GN0404"),
    "GN0701": ("GN0706", "GN0504"),
    "GN0513": ("GN0504",),
    "GN1036": ("GN0413",),
    "GN0807": SILENT_LINK,
    "GN0206": ("GN0406",),
    "GN0203": ("GN0106",),
    "GN0903": ("GN1001", "GN1203"),
    "GN0904": ("GN1006", "GN1601", "GN1001"),
}
# What explains GN0901, by what the plugin's error is about.
OF_PLUGIN_ERROR = {
    About.NOT_FOUND: ("GN1101", "GN1107", "GN1201"),
    About.NOT_PERMITTED: ("GN1111", "GN1102"),
    About.NOT_EXECUTABLE: ("GN1103",),
    About.NO_ADDRESS: ("GN1302",),
    About.VERSION: ("GN1040",),
    About.OTHER_ADDRESS: ("GN1024", "GN0406"),
    About.NOT_JSON: ("GN1001",),
    About.NOT_READY: ("GN1203", "GN1001"),
}
BY_CHAIN = ("GN0711", "GN0708")
LO_IS_DOWN = "GN0103"
# What Kubernetes says of this very pod: it comes before what is wrong with the node in general.
REPORTED = "GN0901"


def ranked(findings: list[Finding]) -> list[Finding]:
    """Causes first, the worst first; consequences behind, marked; the same finding once."""
    unique = _with_cause_of_lo(list({(f.code, str(f.object), f.title): f for f in findings}.values()))
    serious = {f.code for f in unique if f.severity in (Severity.FATAL, Severity.ERROR)}
    marked = []
    for finding in unique:
        cause = next((c for c in _explaining(finding) if c in serious and c != finding.code), "")
        cause = cause or _related(finding, unique)
        marked.append(_consequence(finding, cause) if cause else finding)
    return sorted(
        ordered(marked), key=lambda finding: finding.code != REPORTED or bool(finding.consequence_of)
    )


def _is_loopback(finding: Finding) -> bool:
    """Whether a finding is about the plugin that sets lo up."""
    return (finding.object.kind, finding.object.name) == ("plugin", "loopback")


def _with_cause_of_lo(findings: list[Finding]) -> list[Finding]:
    """What is wrong with the plugin loopback matters once it shows: lo is down. Its remedy mends the pod, too."""
    down = next((f for f in findings if f.code == LO_IS_DOWN), None)
    if down is None or down.remedy is None:
        return [f for f in findings if not (_is_loopback(f) and f.severity is Severity.INFO)]
    return [_causing(f, down.remedy) if _is_loopback(f) else f for f in findings]


def _causing(finding: Finding, more: Remedy) -> Finding:
    mine = finding.remedy or Remedy(text="")
    text = f"{mine.text}; set lo up in the pods that were made without it"
    remedy = replace(mine, text=text, commands=(*mine.commands, *more.commands))
    title = f"{finding.title}: the pod's lo was never set up"
    return replace(finding, severity=Severity.ERROR, title=title, remedy=remedy)


def _related(finding: Finding, every: list[Finding]) -> str:
    """The code of a cause that codes alone do not tell."""
    serious = [f for f in every if f.severity in (Severity.FATAL, Severity.ERROR)]
    if finding.code == LO_IS_DOWN:
        return next((f.code for f in serious if _is_loopback(f)), "")
    if finding.about is About.NO_IPAM:
        return next((f.code for f in serious if f.code == "GN0209"), "")
    if finding.code == "GN0807" and finding.about is About.GATEWAY:
        # Between the pod and its gateway there is little else: what may drop the question has dropped it.
        on_way = (f for f in every if f.code in ("GN0519", "GN0515") and f.severity is Severity.WARNING)
        return next((f.code for f in on_way), "")
    if finding.code not in BY_CHAIN or not finding.chain:
        return ""
    # A chain that drops the tunnel's packets, or the node's ICMP, and the pod's alike is one cause.
    same = (f for f in serious if f.code in ("GN0506", "GN0507") and f.chain == finding.chain)
    return next((f.code for f in same), "")


def _explaining(finding: Finding) -> tuple[str, ...]:
    """The codes that would explain a finding."""
    if finding.code != REPORTED:
        return EXPLAINED.get(finding.code, ())
    return OF_PLUGIN_ERROR[finding.about] if finding.about else ()


def _consequence(finding: Finding, cause: str) -> Finding:
    """A consequence is never worse than a warning, and has no remedy: its cause is counted, and has to be mended."""
    severity = finding.severity if finding.severity.rank >= Severity.WARNING.rank else Severity.WARNING
    return replace(finding, consequence_of=cause, severity=severity, remedy=None)
