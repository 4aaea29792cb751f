"""Addresses as Go's `net` package reads and prints them: conformance A44-A46."""

import pytest

from genie_core.spec import addresses


@pytest.mark.parametrize(
    "text, printed",
    [
        ("10.0.0.1", "10.0.0.1"),
        ("FE80::0:1", "fe80::1"),
        ("2001:0DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("::", "::"),
        ("::1.2.3.4", "::102:304"),
        ("::1:2", "::1:2"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("::FFFF:0102:0304", "1.2.3.4"),
    ],
)
def test_a46_addresses_are_printed_in_one_form(text, printed):
    assert addresses.canonical_address(text) == printed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10.0.0",
        "10.0.0.256",
        "010.0.0.1",
        "1.2.3.4 ",
        "1.2.3.4\0",
        "fe80::1%eth0",
        "[::1]",
        "\udc80",
        "é",
        "::ffff:010.0.0.1",
    ],
)
def test_an_invalid_address(text):
    with pytest.raises(ValueError):
        addresses.canonical_address(text)


@pytest.mark.parametrize(
    "text, printed",
    [
        ("10.1.0.5/24", "10.1.0.5/24"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("FD00::5/64", "fd00::5/64"),
        ("10.0.0.1/32", "10.0.0.1/32"),
        ("::1/128", "::1/128"),
        ("::ffff:1.2.3.4/120", "1.2.3.4/24"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
    ],
)
def test_a44_a45_prefixes_keep_their_host_bits(text, printed):
    assert addresses.canonical_prefix(text) == printed


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.1",
        "10.0.0.1/",
        "10.0.0.1/255.255.255.0",
        "fe80::1%e/64",
        "1.2.3.4/99",
        "1.2.3.4/33",
        "::1/129",
        "1.2.3.4/-1",
        "1.2.3.4/+8",
        "1.2.3.4/ 8",
        "1.2.3.4/8/8",
        "1.2.3.4/٨",
        "1.2.3.4/²",
        "::ffff:1.2.3.4/64",
        "/24",
        "<nil>",
        "1.2.3.4/" + "9" * 5000,
    ],
)
def test_a44_an_invalid_prefix(text):
    with pytest.raises(ValueError):
        addresses.canonical_prefix(text)


def test_families_and_parts():
    assert addresses.is_v4("10.0.0.1/8")
    assert not addresses.is_v4("fd00::1")
    assert addresses.host("fd00::5/64") == "fd00::5"
    assert addresses.is_default("0.0.0.0/0")
    assert addresses.is_default("::/0")
    assert not addresses.is_default("10.0.0.0/10")


def test_the_first_gateway_of_each_family():
    ips = [
        {"address": "10.0.0.2/24"},
        {"address": "10.1.0.2/24", "gateway": "10.1.0.1"},
        {"address": "fd00::2/64", "gateway": "fd00::1"},
        {"address": "10.2.0.2/24", "gateway": "10.2.0.1"},
    ]
    assert addresses.first_gateways(ips) == {True: "10.1.0.1", False: "fd00::1"}
