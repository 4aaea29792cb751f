"""Versions of the CNI specification: conformance A25, A27, A28, B08, B09."""

import json

import pytest

from genie_core.errors import DecodingFailure, IncompatibleVersion
from genie_core.spec import versions


def test_a25_the_reply_to_version():
    assert versions.REPLY == (
        '{"cniVersion":"1.1.0","supportedVersions":["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]}'
    )
    assert json.loads(versions.REPLY)["supportedVersions"] == list(versions.SUPPORTED)


@pytest.mark.parametrize(
    "text, parsed",
    [
        ("1.1.0", (1, 1, 0)),
        ("0.10.0", (0, 10, 0)),
        ("1.0", (1, 0, 0)),
        ("1", (1, 0, 0)),
        ("", (0, 1, 0)),
    ],
)
def test_parse(text, parsed):
    assert versions.parse(text) == parsed


@pytest.mark.parametrize(
    "text", ["foo", "v1.0.0", "1.0.f", "1.0.0.0", "1..0", "-1.0.0", "1.0.0\n", "١.0.0", "²", "9" * 5000]
)
def test_an_invalid_version_cannot_be_parsed(text):
    with pytest.raises(DecodingFailure) as caught:
        versions.parse(text)
    assert len(str(caught.value)) < 200


def test_b09_versions_are_compared_by_number():
    assert versions.at_least("0.10.0", "0.9.0")
    assert not versions.at_least("0.9.0", "0.10.0")
    assert versions.at_least("1.1.0", "1.1.0")
    assert not versions.at_least("", "0.2.0")


@pytest.mark.parametrize("version", versions.SUPPORTED)
def test_supported_versions_are_accepted(version):
    versions.require_supported(version)


@pytest.mark.parametrize("version", ["1.0", "v1.0.0", "1.2.0", "foo", "", "1.0.0 "])
def test_a28_a_version_must_be_exactly_one_of_the_supported(version):
    with pytest.raises(IncompatibleVersion) as caught:
        versions.require_supported(version)
    assert caught.value.code == 1
    assert caught.value.msg == "incompatible CNI versions"
    assert caught.value.details == (
        f'config is "{version}", plugin supports ["0.1.0" "0.2.0" "0.3.0" "0.3.1" "0.4.0" "1.0.0" "1.1.0"]'
    )


def test_a28_a_hostile_version_stays_one_short_line():
    with pytest.raises(IncompatibleVersion) as caught:
        versions.require_supported('"\n\x1b[31m' + "x" * 10_000)
    assert caught.value.details.isprintable()
    assert len(caught.value.details) < 200


@pytest.mark.parametrize(
    "several, one, chosen",
    [
        (["1.1.0", "0.4.0", "1.0.0"], "", "1.1.0"),
        (["99.0.0", "1.1.0", "0.4.0", "1.0.0"], "", "1.1.0"),
        ([], "1.2.3", "1.2.3"),
        (["0.1.0", "0.4.0"], "1.0.0", "1.0.0"),
        ([], "", ""),
        ([], "0.4.0", "0.4.0"),
        (["0.4.0", "0.3.1"], "0.2.0", "0.4.0"),
        (["2.0.0"], "0.4.0", "0.4.0"),
        (["2.0.0"], "", ""),
        (["0.4.0"], "2.0.0", "0.4.0"),
        (["0.9.0", "0.10.0"], "", "0.10.0"),
    ],
)
def test_b08_the_highest_version_that_genie_supports_is_chosen(several, one, chosen):
    assert versions.choose(several, one) == chosen


@pytest.mark.parametrize("several, one", [(["1.1.0", "0.4.0", "1.0.f"], ""), (["1.1.0"], "foo")])
def test_b08_an_entry_that_is_no_version_fails(several, one):
    with pytest.raises(DecodingFailure):
        versions.choose(several, one)
