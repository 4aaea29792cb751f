"""What is known of plugins' errors: words as the reference plugins and the kernel print them."""

import pytest

from genie_core.spec.plugin_errors import hint_for


@pytest.mark.parametrize(
    "message, words",
    [
        ('"cni0" already has an IP address different from 10.244.1.1/24', "genie discover"),
        ("no IP addresses available in range set: 10.22.0.1-10.22.0.2", "genie gc"),
        ('failed to lookup master "eth9": Link not found', "not on this node"),
        ("failed to add route {Ifindex: 3 Dst: 10.79.0.1/32}: file exists", "genie dry-run"),
        ("failed to create ipvlan: operation not supported", "modprobe"),
        ('failed to find plugin "host-local" in path [/opt/cni/bin]', "install"),
        ("invalid range set 0: Network has host bits set", "10.1.0.0/16"),
    ],
)
def test_a_known_error_has_a_remedy(message, words):
    assert words in hint_for(message, {})


@pytest.mark.parametrize("message", ["", "busy", "no such device", "profile exists in the cluster"])
def test_an_unknown_one_has_none(message):
    assert hint_for(message, {}) == ""


def test_the_interface_that_is_missing_is_named():
    """The reference macvlan says "Link not found", and not which."""
    assert "(master eth9)" in hint_for("Link not found", {"type": "macvlan", "master": "eth9"})
