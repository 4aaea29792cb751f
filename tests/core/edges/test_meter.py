"""Measuring networks: counters of the kernel and of cAdvisor, leases, attachments (conformance D16-D18, X29)."""

import json
import os
import time

import pytest

import genie_core.edges.meter
from genie_core.edges.meter import LoadMeter, cadvisor_rates, kernel_counters, rates_between
from genie_core.edges.store import Store
from genie_core.errors import GenieError
from genie_core.model import Attachment, Plan
from genie_core.spec.conf import parse_network
from genie_core.steps import Attached, Released
from tests.core.cadvisor import cadvisor, sample
from tests.fakes_kube import Recorder


def network(name, **plugin):
    return parse_network(
        json.dumps({"name": name, "plugins": [{"type": name, **plugin}]}), f"10-{name}.conflist"
    )


@pytest.fixture
def store(tmp_path):
    found = Store(str(tmp_path / "state"))
    found.prepare()
    return found


def meter(store, cadvisor="", path=()):
    return LoadMeter(store, path, cadvisor)


def attach(store, found, container, host_side="veth0"):
    """Record a container that the network serves."""
    plan = Plan(container, "eth0", "/run/netns/x", [], None, "boot", [Attachment(found, "eth0", found.name)])
    store.save(plan)
    result = {"cniVersion": "1.0.0", "interfaces": [{"name": host_side}, {"name": "eth0", "sandbox": "/x"}]}
    store.record(Attached(plan, 0, json.dumps(result)))
    return plan


# --- what is counted


def test_kernel_counters_know_short_names():
    """CNI-Genie panicked on `lo` (X29)."""
    assert set(kernel_counters()) >= {"lo"}


def test_x29_rates_are_each_interfaces_own():
    first = {"lo": (10, 20), "new-counters": (100, 100)}
    second = {"lo": (30, 21), "new-counters": (1, 1), "appeared": (7, 7)}
    assert rates_between(first, second, 2.0) == {"lo": (10, 0.5), "new-counters": (0, 0), "appeared": (0, 0)}


def test_attachments_are_counted_by_network(store):
    blue, red = network("blue"), network("red")
    plans = [attach(store, blue, "one"), attach(store, blue, "two"), attach(store, red, "three")]
    store.record(Released(plans[1], 0))
    found = meter(store).measure({"blue": blue, "red": red})
    assert (found["blue"].attachments, found["red"].attachments) == (1, 1)


def test_leases_are_counted_in_the_range(store, tmp_path):
    folder = tmp_path / "leases" / "blue"
    folder.mkdir(parents=True)
    for name in ("10.1.0.2", "10.1.0.3", "fd00::2", "lock", "last_reserved_ip.0"):
        (folder / name).touch()
    ipam = {"type": "host-local", "dataDir": str(folder.parent), "ranges": [[{"subnet": "10.1.0.0/28"}]]}
    (found,) = meter(store).measure({"blue": network("blue", ipam=ipam)}).values()
    assert (found.addresses_used, found.addresses) == (2, 13)  # the gateway's is not given out


@pytest.fixture
def lease(tmp_path):
    """Lease addresses of the network `blue`; what host-local's configuration says of it."""
    folder = tmp_path / "leases" / "blue"
    folder.mkdir(parents=True)

    def lease(*addresses):
        for address in addresses:
            (folder / address).touch()
        return {"type": "host-local", "dataDir": str(folder.parent)}

    return lease


def test_the_limits_of_a_range_count(store, lease):
    """A full range of ten addresses in a /16."""
    ipam = lease(*(f"10.1.0.{number}" for number in range(10, 20)), "10.1.7.7")
    ipam["ranges"] = [[{"subnet": "10.1.0.0/16", "rangeStart": "10.1.0.10", "rangeEnd": "10.1.0.19"}]]
    blue = network("blue", ipam=ipam)
    (found,) = meter(store).measure({"blue": blue}).values()
    assert (found.addresses_used, found.addresses) == (10, 10)
    assert meter(store).is_full(blue)


@pytest.mark.parametrize("short", [False, True])
def test_a_pod_needs_an_address_of_each_set(store, lease, short):
    """Two to the 64th free IPv6 addresses are no help where IPv4 is used up."""
    ipam = lease("10.1.0.2", "fd00::2")
    sets = [[{"subnet": "10.1.0.0/30"}], [{"subnet": "fd00::/64"}]]
    ipam |= {"subnet": "10.1.0.0/30", "ranges": sets[1:]} if short else {"ranges": sets}
    blue = network("blue", ipam=ipam)
    (found,) = meter(store).measure({"blue": blue}).values()
    assert (found.addresses_used, found.addresses) == (1, 1)
    assert meter(store).is_full(blue)


def test_the_ranges_of_one_set_stand_in_for_each_other(store, lease):
    ipam = {**lease("10.1.0.2"), "ranges": [[{"subnet": "10.1.0.0/30"}, {"subnet": "10.2.0.0/30"}]]}
    assert not meter(store).is_full(network("blue", ipam=ipam))


def test_an_ipam_with_leases_elsewhere_is_never_full(store):
    assert not meter(store).is_full(network("blue", ipam={"type": "whereabouts", "range": "10.0.0.0/30"}))


# --- the node's own indicators


def program(path, script):
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def measure(store, monkeypatch):
    """What the programs say of the networks blue and red, and what was logged."""

    def measure(*indicators, seconds=60):
        monkeypatch.setattr(genie_core.edges.meter, "LIMIT_SECONDS", seconds)
        log = Recorder()
        found = LoadMeter(store, (), "", indicators, log).measure(
            {"blue": network("blue"), "red": network("red")}
        )
        problems = [
            fields["problem"] for _, event, fields in log.lines if event == "indicator without opinion"
        ]
        return {name: measures.others for name, measures in found.items()}, problems

    return measure


def test_a_program_gets_the_networks_name_as_last_argument(measure, tmp_path):
    path = program(tmp_path / "rtt", '[ "$1" = "a b" ] && [ "$2" = blue ] && echo 1.5 || echo " 2e1 "')
    assert measure(("rtt", [str(path), "a b"])) == ({"blue": {"rtt": 1.5}, "red": {"rtt": 20.0}}, [])


@pytest.mark.parametrize(
    "script, problem",
    [
        ("exit 3", "blue: exit status 3"),
        ('[ "$1" = blue ] && echo 1', "red: exit status 1"),
        ("echo", "not one number"),
        ("echo -1", "not one number"),
        ("echo nan", "not one number"),
        ("echo inf", "not one number"),
        ("echo 1 2", "not one number"),
        ("yes 1 | head -c 100000", "not one number"),
        ("sleep 600", "no answer in time"),
    ],
)
def test_a_program_that_fails_has_no_opinion_about_any_network(measure, tmp_path, script, problem):
    found, problems = measure(
        ("bad", [str(program(tmp_path / "bad", script))]),
        ("good", [str(program(tmp_path / "good", "echo 1"))]),
        seconds=8 if script == "sleep 600" else 60,  # a tenth of it is for what comes after
    )
    assert found == {"blue": {"good": 1.0}, "red": {"good": 1.0}}
    assert problem in problems[0]


@pytest.mark.parametrize(
    "change", ["missing", "others write", "another user's", "nobody's", "a folder", "not executable"]
)
def test_only_a_program_of_root_is_run(measure, tmp_path, change):
    path = program(tmp_path / "rtt", f"echo 1; touch {tmp_path}/ran")
    if change == "missing":
        path.unlink()
    elif change == "others write":
        path.chmod(0o757)
    elif change in ("another user's", "nobody's"):
        if os.geteuid():
            pytest.skip("needs root to give a file away")
        os.chown(path, 65534 if change == "nobody's" else 4711, -1)
    elif change == "a folder":
        path.unlink()
        path.mkdir()
    else:
        path.chmod(0o644)
    found, problems = measure(("rtt", [str(path)]))
    assert found == {"blue": {}, "red": {}}
    assert len(problems) == 1
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "ipam, size",
    [
        (None, 0),
        ({"type": "whereabouts", "range": "10.0.0.0/8"}, 0),
        ({"type": "host-local"}, 0),
        ({"type": "host-local", "subnet": "10.0.0.0/24"}, 253),
        ({"type": "host-local", "subnet": "10.0.0.5/24"}, 0),
        ({"type": "host-local", "ranges": [[{"subnet": "10.0.0.0/30"}, {"subnet": "10.0.1.0/30"}]]}, 2),
        ({"type": "host-local", "ranges": [1, [2], [{}], "x"]}, 0),
        ({"type": "host-local", "ranges": {}}, 0),
        ({"type": "host-local", "subnet": 5}, 0),
        ({"type": "host-local", "subnet": "x"}, 0),
        ({"type": "host-local", "dataDir": 5, "subnet": "10.0.0.0/24"}, 0),
        ({"type": "host-local", "dataDir": "a\0b", "subnet": "10.0.0.0/24"}, 253),
        (5, 0),
        ([], 0),
    ],
)
def test_x28_x29_an_odd_configuration_is_measured_without_a_crash(store, ipam, size):
    (found,) = meter(store).measure({"blue": network("blue", ipam=ipam)}).values()
    assert found.addresses == size


def test_usable_means_installed(store, tmp_path):
    (tmp_path / "blue").touch()
    (tmp_path / "bin" / "win-red").mkdir(parents=True)
    found = meter(store, path=[str(tmp_path)])
    assert found.usable(network("blue"))
    assert not found.usable(network("red"))


# --- cAdvisor


def rates(address):
    return cadvisor_rates(address, time.monotonic() + 60)


def test_d16_cadvisor_is_asked_as_cni_genie_asked_it():
    with cadvisor() as (address, asked):
        assert rates(address) == {"veth0": (200.0, 10.0), "lo": (0.0, 1.0)}
        assert asked == [("/api/v1.3/containers", b"null")]


def test_d18_a_trailing_slash():
    with cadvisor() as (address, asked):
        assert rates(address + "/")["veth0"] == (200.0, 10.0)
        assert asked[0][0] == "/api/v1.3/containers"


@pytest.mark.parametrize("status", [404, 500, 301])
def test_d18_an_answer_that_is_no_success(status):
    with (
        cadvisor(status=status) as (address, _),
        pytest.raises(GenieError, match=r'request "http:.*/api/v1.3/containers" failed with error'),
    ):
        rates(address)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"no",
        b"[]",
        b"5",
        b'{"stats": 5}',
        {"stats": []},
        {"stats": [sample(1)]},
        {"stats": [1, 2]},
        {"stats": [sample(1), sample(1)]},
        {"stats": [{}, {}]},
        {"stats": [sample(1), {**sample(2), "timestamp": "x"}]},
        {"stats": [sample(1), {**sample(2), "network": {"interfaces": [{"name": "x"}]}}]},
    ],
)
def test_d18_an_answer_that_makes_no_sense(answer):
    with cadvisor(answer) as (address, _), pytest.raises(GenieError, match=r'request ".*" '):
        rates(address)


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1", "ftp://x", "127.0.0.1:1", "x y", "http://", "file:///etc/passwd"]
)
def test_d18_an_address_without_a_host(address):
    with pytest.raises(GenieError):
        rates(address)


@pytest.mark.parametrize("fault", [{"before": 250.0}, {"drip": 1}])
def test_d17_x29_a_cadvisor_that_hangs_is_given_up(store, fault):
    with cadvisor(**fault) as (address, _), pytest.raises(GenieError):
        meter(store, address).measure({"blue": network("blue"), "red": network("red")})


def test_d16_rates_are_summed_by_network(store):
    """By recorded host side, by the bridge it names, and by CNI-Genie's prefixes."""
    blue, red, flannel = network("blue", bridge="br9"), network("red"), network("flannel")
    attach(store, blue, "one", "veth1")
    samples = [sample(0, **dict.fromkeys(("veth1", "br9", "veth2", "flannel.1"), (0, 0)))]
    samples += [sample(1, veth1=(1, 10), br9=(2, 20), veth2=(4, 40), **{"flannel.1": (8, 80)})]
    with cadvisor({"stats": samples}) as (address, _):
        found = meter(store, address).measure({"blue": blue, "red": red, "flannel": flannel})
    assert {name: (m.received, m.sent) for name, m in found.items()} == {
        "blue": (3, 30),
        "red": (0, 0),
        "flannel": (8, 80),
    }
    assert [name for name, m in found.items() if not m.seen] == ["red"]
