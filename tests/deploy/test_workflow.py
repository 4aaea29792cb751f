"""The workflow runs what CI runs here, and the form for bugs names commands that exist."""

import re
import subprocess
import sys
from pathlib import Path

import yaml

from genie_cli.table import COMMANDS
from tests.test_lint import ROOT


def test_the_workflow_runs_ci_and_builds_what_is_released():
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yaml").read_text())
    commands = {
        name: [step.get("run", "") for step in job["steps"]] for name, job in workflow["jobs"].items()
    }
    assert ".ci/run" in commands["test"]
    assert workflow["permissions"] == {"contents": "read"}
    text = "\n".join(commands["artefacts"])
    programs = set(re.findall(r"(?:deploy|\.ci|build/helm)/[\w-]+", text))
    assert {"deploy/build-rootfs", "deploy/Containerfile", "deploy/build-deb", "deploy/helm"} < programs
    assert all((ROOT / program).exists() for program in programs)
    # the image is built as the Containerfile says
    (words,) = (line for line in commands["artefacts"] if line.startswith("buildah build"))
    head = (ROOT / "deploy/Containerfile").read_text().replace("\\\n#", "")
    (said,) = re.findall(r"^# buildah build (.*)$", head, re.MULTILINE)
    assert set(said.split()) < set(words.split())


def test_each_step_of_the_workflow_is_sound_shell():
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yaml").read_text())
    steps = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    assert len(steps) > 8
    program = [str(Path(sys.executable).with_name("shellcheck")), "--shell=sh", "-"]
    for text in steps:
        done = subprocess.run(program, input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_the_form_for_bugs_asks_for_a_bundle_by_commands_that_exist():
    text = (ROOT / ".github/ISSUE_TEMPLATE/bug.yaml").read_text()
    form = yaml.safe_load(text)
    required = [item["id"] for item in form["body"] if item.get("validations", {}).get("required")]
    assert required == ["what", "bundle", "version"]
    named = re.findall(r"`genie ([a-z-]+(?: [a-z]+)?)", text)
    assert "debug bundle" in named
    assert all(words in COMMANDS or words.split()[0] in COMMANDS for words in named)
