"""The flags that commands share."""

import pytest
import typer

from genie_cli.app import main
from genie_cli.options import host_and_port, parse_duration, parse_listen


@pytest.mark.parametrize(
    "text,seconds",
    [
        ("30s", 30),
        ("1m30s", 90),
        ("250ms", 0.25),
        ("1.5h", 5400),
        ("5", 5),
        (".5s", 0.5),
        ("2us", 2e-6),
        (60.0, 60),
    ],
)
def test_durations_are_written_as_in_go(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "s", "1x", "1m 30s", "-5s", "0", "0s", "nan", "inf", "1e9", "11d", "241h", "1s2"]
)
def test_an_invalid_duration(text):
    with pytest.raises(typer.BadParameter):
        parse_duration(text)


@pytest.mark.parametrize("text,parts", [("127.0.0.1:9452", ("127.0.0.1", 9452)), ("[::1]:0", ("::1", 0))])
def test_an_address_to_listen_on(text, parts):
    assert host_and_port(parse_listen(text)) == parts


@pytest.mark.parametrize("text", ["", "9451", ":9451", "h:", "h:x", "h:65536", "h:-1", "h:٣"])
def test_an_invalid_address_to_listen_on(text):
    with pytest.raises(typer.BadParameter):
        parse_listen(text)


@pytest.mark.root
def test_an_agent_for_a_process_that_does_not_exist_ends(capsys):
    """Each of its jobs would have failed, for ever."""
    assert main(["agent", "--once", "--host-pid", str(1 << 22)]) == 3
    assert f"error: --host-pid {1 << 22}: there is no such process" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["install --dry-run", "generate-config genie"])
@pytest.mark.parametrize("url", ["ftp://10.0.0.1", "https://a b", "10.0.0.1:x", "https://"])
def test_the_address_of_an_api_server_is_checked_before_it_is_written(command, url, capsys):
    """The plugin would fail with it at the first pod that names an object."""
    assert main([*command.split(), "--token-file", "/dev/null", "--api-server", url]) == 2
    assert "is not http(s)://host[:port]" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    "line, says",
    [
        ("--token-file T", "--token-file needs --api-server"),
        ("--ca-file C", "--ca-file needs --api-server"),
        ("--kubeconfig K --api-server https://10.0.0.1:6443 --token-file T", "exclude each other"),
    ],
)
def test_install_leaves_out_no_credential(line, says, capsys):
    assert main(["install", "--dry-run", *line.split()]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    [
        "install --dry-run --bin-dir=",
        "install --dry-run --conf-dir=",
        "uninstall --dry-run --state-dir=",
        "serve --bin-dir=",
        "discover --root=",
        "debug node --root=",
        "discover --conf-dir=",
        "gc --dry-run --ipam-dir=",
        "explain pod shop/web-0 --conf-dir=",
        "dry-run --bin-dir=",
        "generate-config bridge --bin-dir=",
    ],
)
def test_an_empty_path_is_not_the_current_directory(line, capsys):
    """With a variable that is not set, `genie install --bin-dir "$DIR"` would install into the current directory."""
    assert main(line.split()) == 2
    assert "a path is expected, and it is empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    ["status", "networks", "policy list", "dry-run --plan", "debug pod web-0", "sync pod web-0 --dry-run"],
)
def test_a_namespace_is_checked_before_it_becomes_a_part_of_a_url(line, capsys):
    assert main([*line.split(), "-n", "../x"]) == 2
    assert "'../x' cannot be the name of a namespace" in capsys.readouterr().err
