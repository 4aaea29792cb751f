"""The layout of a dry run, for readers who do not know CNI."""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import ip_address

from genie_cli.render import Block, Cell, Heading, Table, Text, Verbatim
from genie_cli.terminal import symbol
from genie_core.fields import counted
from genie_core.settings import IPAM_DIR
from genie_core.spec.addresses import host
from genie_core.tasks.dry_run.recorder import Note
from genie_core.tasks.dry_run.report import DryRunReport, PlannedNetwork, Thing
from genie_core.tasks.dry_run.runtime_call import Call, KeptRoute, Step

CONTAINER_ID_LENGTH = 64  # hexadecimal digits, as containerd and CRI-O make them

_MEANING = {
    "ADD": "ADD: the runtime attaches a new pod; genie runs the plugins",
    "CHECK": "CHECK: is everything still as after ADD?",
    "DEL": "DEL: the pod is removed, and everything is released",
    "DEL again": "DEL again: a runtime may repeat it",
    "GC": "GC: the runtime reports that nothing is attached any more",
}


def view(report: DryRunReport, wide: bool) -> Iterator[Block]:
    """The blocks, in the order of events."""
    asked = ", ".join(f'{key}: "{value}"' for key, value in report.annotations.items())
    yield Text(f"A pod with the annotation {asked}" if asked else "A pod without annotations", "strong")
    yield _where(report)
    if report.failed_add:
        yield from _problem(report.failed_add)
    for note in report.notes:
        yield Text(f"note: {note}", "warn")
    yield from _plan(report)
    if not report.calls:
        yield Heading("No plugin was run: --plan only shows the plan")
        return
    if wide:
        yield from _before(report)
    titled = list(zip(_titles(report), report.calls, strict=True))
    for title, call in titled[: len(report.pods)]:
        yield from _call(title, call, report, wide)
    for number in range(len(report.pods)):
        yield from _pod(report, number)
    yield from _written(report)
    yield from _reach(report)
    yield from _policies(report)
    yield from _appeared(report, wide)
    for title, call in titled[len(report.pods) :]:
        yield from _call(title, call, report, wide)
    yield from _left(report)
    yield from _summary(report)


def _where(report: DryRunReport) -> Text:
    if report.on_host:
        happened = "This happened" if report.calls else "This was decided"
        return Text(f"{happened} on the node itself: --on-host.", "warn")
    happened = "All of this happened" if report.calls else "This was decided"
    return Text(f"{happened} in a private copy of this node; the node itself is unchanged.", "dim")


def _titles(report: DryRunReport) -> list[str]:
    verbs = [(call.verb, call.pod) for call in report.calls]
    return [f"{verb} again" if (verb, pod) in verbs[:at] else verb for at, (verb, pod) in enumerate(verbs)]


def _plan(report: DryRunReport) -> Iterator[Block]:
    if report.plan:
        yield Heading("The plan: which networks, and why")
        yield Table(
            ("INTERFACE", "NETWORK", "PLUGINS", "ASKED FOR BY"),
            [
                (Cell(planned.interface, "strong"), planned.network, " + ".join(planned.plugins), planned.why)
                for planned in report.plan
            ],
        )
        yield Table(
            ("NETWORK", "CONFIGURATION"), [(planned.network, _source(planned)) for planned in report.plan]
        )


def _source(planned: PlannedNetwork) -> str:
    return f"{planned.source} (made up)" if planned.made_up else planned.source


def _call(title: str, call: Call, report: DryRunReport, wide: bool) -> Iterator[Block]:
    which = f"Pod {call.pod}, " if call.pod and len(report.pods) > 1 else ""
    yield Heading(f"{which}{_MEANING[title]} ({call.ms:.0f} ms)")
    if call.steps:
        yield Table(
            ("", "INTERFACE", "NETWORK", "PLUGIN", "MS"),
            [_step(step, call.verb) for step in call.steps],
            right=("MS",),
        )
    for step in call.steps if wide else ():
        if step.note:
            yield from _note(step.note, f"{step.plugin} for {step.interface}, {step.verb}")
    for warning in call.warnings:
        yield Text(f"warning: {warning}", "warn", 2)
    if call.problem and call is report.failed_add:
        yield Text(f"{symbol('fail')} failed, see above", "bad", 2)
    elif call.problem:
        yield from _problem(call)
    elif not call.steps:
        yield Text(f"{symbol('ok')} done", "good", 2)


def _problem(call: Call) -> Iterator[Block]:
    """The error of a call."""
    if call.problem:
        code, text = call.problem.code, call.problem.msg
        yield Text(f"{symbol('fail')} failed with CNI error {code}: {text}", "bad", 2)
        if call.problem.details:
            yield Text(call.problem.details, indent=4)


def _note(note: Note, title: str) -> Iterator[Block]:
    """The input and output of a plugin; then those of the plugins that it called."""
    yield Text(f"{title}: environment, input, output", "strong", 2)
    yield Verbatim("\n".join(f"{key}={value}" for key, value in note.environment.items()), indent=4)
    yield Verbatim(_json(note.input), indent=4)
    yield Verbatim(_json(note.output) if note.output is not None else "(nothing)", indent=4)
    if note.stderr.strip():
        yield Verbatim(note.stderr.strip(), indent=4)
    for inner in note.inner:
        yield from _note(inner, f"{inner.plugin}, called by {note.plugin}")


def _json(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def _step(step: Step, verb: str) -> tuple[str | Cell, ...]:
    """One delegate's run; a DEL inside an ADD undoes it."""
    plugin = step.plugin if step.verb == verb else f"{step.plugin} ({step.verb})"
    mark = Cell(symbol("ok"), "good") if step.status == 0 else Cell(symbol("fail"), "bad")
    return mark, step.interface, step.network, plugin, f"{step.ms:.1f}"


def _pod(report: DryRunReport, number: int) -> Iterator[Block]:
    pod = report.pods[number]
    yield Heading("What the pod has now" if len(report.pods) == 1 else f"What pod {number + 1} has now")
    if not pod.interfaces:
        yield Text("no interface", indent=2)
        return
    rows = [
        (Cell(interface.name, "strong"), interface.kind, address, interface.mac, str(interface.mtu))
        for interface in pod.interfaces
        for address in _own(interface.addresses)
    ]
    yield Table(("INTERFACE", "KIND", "ADDRESS", "MAC", "MTU"), rows, fold=("ADDRESS",))
    if pod.routes:
        yield Table(
            ("ROUTE TO", "VIA", "INTERFACE"),
            [(route.to, route.via or "-", route.interface) for route in pod.routes],
        )
    for call in report.calls:
        for kept in call.default_routes if call.pod == number + 1 else ():
            yield Text(_kept(kept), indent=2)
    if pod.rules:
        yield Table(("POLICY RULE",), [(rule,) for rule in pod.rules])


def _kept(kept: KeptRoute) -> str:
    """Default routes that Genie removed, which the table of routes does not show."""
    return f"{kept.family} default route: {kept.kept} keeps its own; that of {', '.join(kept.removed)} was removed"


def _written(report: DryRunReport) -> Iterator[Block]:
    for key, value in report.written.items():
        yield Heading(f"What genie wrote into the pod's annotation {key}")
        yield Text(value, indent=2)


def _reach(report: DryRunReport) -> Iterator[Block]:
    if not report.reach:
        return
    yield Heading("Reachability")
    yield Table(
        ("", "FROM", "ADDRESS", "WHOSE"),
        [
            (
                Cell(symbol("ok"), "good") if reach.reached else Cell(symbol("fail"), "warn"),
                f"pod {reach.pod}" if len(report.pods) > 1 else "the pod",
                reach.address,
                reach.what if reach.reached else f"{reach.what}: no answer here",
            )
            for reach in report.reach
        ],
    )


def _policies(report: DryRunReport) -> Iterator[Block]:
    if not report.policies:
        return
    yield Heading("What the policies do, tried with real packets")
    yield Table(
        ("", "FROM", "TO", "PORT", "POLICY"),
        [
            (
                Cell(one.verdict, "good" if one.verdict == "allow" else "bad"),
                one.source,
                one.target,
                f"{one.port}/{one.protocol}",
                one.policy or "-",
            )
            for one in report.policies
        ],
    )


def _own(addresses: tuple[str, ...]) -> list[str]:
    return [address for address in addresses if not address.startswith("fe80:")] or ["-"]


def _before(report: DryRunReport) -> Iterator[Block]:
    if report.before is None:
        return
    yield Heading("The node before it" if report.on_host else "The private node before it")
    yield Table(
        ("INTERFACE", "KIND", "ADDRESS", "MTU"),
        [(i.name, i.kind, a, str(i.mtu)) for i in report.before.interfaces for a in _own(i.addresses)],
    )
    yield Table(
        ("ROUTE TO", "VIA", "INTERFACE"),
        [(route.to, route.via or "-", route.interface) for route in report.before.routes],
    )


def _appeared(report: DryRunReport, wide: bool) -> Iterator[Block]:
    shown = [thing for thing in report.appeared if wide or thing[0] != "firewall"]
    if report.appeared:
        yield Heading("Changes on the node")
        yield _things(shown)
    if hidden := len(report.appeared) - len(shown):
        yield Text(
            f"and {counted(hidden, 'firewall rule or chain', 'firewall rules and chains')} (-o wide shows them)",
            "dim",
            2,
        )


def _things(things: list[Thing] | tuple[Thing, ...]) -> Table:
    return Table(("WHAT", "NAME"), [_thing(kind, name) for kind, name in things])


def _thing(kind: str, name: str) -> tuple[str, str]:
    """The description of a thing: a file of host-local for an address is a lease; a container ID is shortened."""
    *_, network, last = ["", *name.split("/")]
    if kind == "file" and name.startswith(f"{IPAM_DIR}/") and _is_address(last):
        return "lease", f"{last} of network {network}"
    container, at, interface = last.partition("@")
    if at and len(container) == CONTAINER_ID_LENGTH:
        return kind, f"{name.removesuffix(last)}{container[:12]}...@{interface}"
    return kind, name


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _left(report: DryRunReport) -> Iterator[Block]:
    if not report.released:
        return
    yield Heading("What is left after it")
    if report.left:
        yield Text(f"{symbol('fail')} each such pod leaves these behind:", "bad", 2)
        yield _things(report.left)
    else:
        yield Text(f"{symbol('ok')} nothing of the pod", "good", 2)
    if report.stays and report.failed_add:
        yield Text(
            "This is there since the ADD failed; a network makes some of it once for all its pods:", "warn", 2
        )
        yield _things(report.stays)
    elif report.stays:
        yield Text("What the networks made for all their pods stays, as it should:", indent=2)
        yield _things(report.stays)


def _summary(report: DryRunReport) -> Iterator[Block]:
    yield Heading(_verdict(report))


def _verdict(report: DryRunReport) -> str:
    failed = [title for title, call in zip(_titles(report), report.calls, strict=True) if call.problem]
    if report.expired:
        is_cut = report.calls[-1].problem is not None
        where = (
            f"during {_titles(report)[-1]}" if is_cut else "before it was known what every pod leaves behind"
        )
        return f"timed out after {report.ms / 1000:.1f} s, {where}"
    if failed:
        return f"failed: {', '.join(failed)}"
    if report.left:
        return f"failed: {counted(len(report.left), 'thing is', 'things are')} left after DEL"
    addresses = ", ".join(host(address) for address in report.addresses) or "no address"
    released = "; after DEL nothing is left" if report.released else ""
    return f"ok: attached with {addresses}{released} ({report.ms / 1000:.1f} s)"
