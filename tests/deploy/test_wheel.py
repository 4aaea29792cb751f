"""The wheel: complete without the clone, with manual pages and completions where man and the shells look."""

import subprocess
import sys
import zipfile

import pytest

from genie_core import native
from tests.test_lint import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, unpacked as an installer would: modules and data."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "wheel"]
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder)]
    subprocess.run([*command, *options, str(ROOT)], check=True)
    (file,) = folder.glob("cni_genie-*-py3-none-any.whl")
    with zipfile.ZipFile(file) as archive:
        archive.extractall(folder / "site")
    (data,) = (folder / "site").glob("cni_genie-*.data/data/share")
    return folder / "site", data


def run(site, text):
    """A program of the wheel's alone, with the libraries that are installed."""
    program = f"import sys; sys.path.insert(0, {str(site)!r}); {text}"
    return subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)


def test_the_command_line_runs_from_it(wheel):
    site, _ = wheel
    text = "sys.argv = ['genie', 'explain', 'GN0402']; from genie_cli.start import main; main()"
    assert "GN0402" in run(site, text).stdout
    where = run(site, "import genie_core, genie_cli; print(genie_core.__file__, genie_cli.__file__)").stdout
    assert where.count(str(site)) == 2


def test_it_can_install_the_plugin(wheel, tmp_path):
    """`genie install` copies the plugin's modules: they are found in the wheel's folder."""
    site, _ = wheel
    found = "from genie_core.tasks.install.payload import plugin_files as files"
    text = f"{found}; print('\\n'.join(map(str, files().values())))"
    files = run(site, text).stdout.split()
    own = [file for file in files if "/genie_core/" in file]
    assert len(own) > 50
    assert all(file.startswith(str(site)) for file in own)


def test_manual_pages_and_completions_are_in_it(wheel):
    _, share = wheel
    pages = {path.name: path.read_bytes() for path in (ROOT / "docs/man").iterdir()}
    assert {path.name: path.read_bytes() for path in (share / "man/man1").iterdir()} == pages
    for shell, file in {
        "genie.bash": "bash-completion/completions/genie",
        "genie.fish": "fish/vendor_completions.d/genie.fish",
        "_genie": "zsh/site-functions/_genie",
    }.items():
        assert (share / file).read_bytes() == (ROOT / "completions" / shell).read_bytes()


def test_it_names_its_libraries(wheel):
    """What it needs is in its metadata: a clean environment has nothing else."""
    site, _ = wheel
    (metadata,) = site.glob("*.dist-info/METADATA")
    needed = [line for line in metadata.read_text().splitlines() if line.startswith("Requires-Dist:")]
    for name in ("kubernetes", "pyroute2", "pyyaml", "rich", "typer"):
        assert any(line.startswith(f"Requires-Dist: {name}") for line in needed)


def test_the_native_launcher_is_in_it(wheel):
    """Compiled for this machine where there is a compiler, as here; without one the wheel is made without it."""
    site, _ = wheel
    program = native.program()
    assert (site / "genie_core/native" / program.name).read_bytes() == program.read_bytes()
    assert "/no/such/cc" in native.build("/no/such/cc")
    assert program.exists()
