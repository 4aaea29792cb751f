"""Removing secrets from texts that the authors of pods write: what is removed, and in which time."""

import time

import pytest

from genie_core.survey.redact import in_text

SIZE = 256 << 10  # what the API server takes as the annotations of an object
SECONDS = 2.0  # 50 ms are usual; in quadratic time it would be an hour


@pytest.mark.parametrize(
    "text, shown",
    [
        ("Bearer abcdef123", "Bearer (hidden)"),
        ("x-eyJhbGciOi.eyJzdWIi.c2ln rest", "x-(hidden) rest"),
        ("eyJ-eyJhbGciOi.eyJzdWIi", "(hidden)"),
        ("eyJabc.d", "eyJabc.d"),
        ("my-token=abc, --password: 'x'", "my-token=(hidden), --password: '(hidden)'"),
        ("https://me:word@host/path", "https://(hidden)@host/path"),
    ],
)
def test_secrets_are_removed(text: str, shown: str) -> None:
    assert in_text(text) == shown


@pytest.mark.parametrize(
    "part",
    ["a-", "eyJ-", "eyJ", "a.eyJ", "eyJabcdefg-.", "token", "secret ", "token  ", "bearer ", "://a", "a@"],
)
def test_the_time_grows_with_the_length_alone(part: str) -> None:
    began = time.process_time()

    in_text(part * (SIZE // len(part)))

    assert time.process_time() - began < SECONDS
