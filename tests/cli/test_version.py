"""`genie version`: what this is, and what is installed."""

import json
import platform
import subprocess

from genie_cli.app import main
from genie_core import __version__
from genie_core.tasks.install.run import InstallOptions, install
from tests.test_lint import ROOT


def test_versions(capsys, tmp_path):
    install(InstallOptions(bin_dir=tmp_path / "bin", conf_dir=tmp_path / "conf"))
    assert main(["version", "--bin-dir", str(tmp_path / "bin"), "-o", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["client"] == report["plugin"] == __version__
    assert report["pluginPath"] == f"{tmp_path}/bin/genie"
    assert report["kernel"] == platform.release()
    assert report["python"] == platform.python_version()
    assert report["specVersions"][-1] == "1.1.0"
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert report["commit"] == head.stdout.strip()


def test_nothing_installed(capsys, tmp_path):
    assert main(["version", "--bin-dir", str(tmp_path)]) == 0
    assert "not installed" in capsys.readouterr().out
    assert main(["version", "-o", "name"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"
