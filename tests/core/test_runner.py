"""Running checks: one that crashes costs only itself, and what is chosen has to exist."""

import ast
import re
from pathlib import Path

import pytest

import genie_core
from genie_core.checks import node_explanations as file_codes
from genie_core.checks import node_registry as of_files
from genie_core.checks import pod_explanations as of_pods
from genie_core.checks import registry, runner
from genie_core.checks.check import PodCheck
from genie_core.checks.node_registry import NodeCheck, run_checks
from genie_core.errors import GenieError
from genie_core.findings import Finding, Severity, Status, Subject, summary_line
from genie_core.net.case import Case
from genie_core.survey.facts import Facts
from genie_core.survey.node_facts import NodeFacts

ALL: tuple[runner.Named, ...] = (*registry.ALL, *of_files.CHECKS)
SOURCES = Path(genie_core.__file__).parent


def finding(code):
    return Finding(code=code, severity=Severity.ERROR, title=code, object=Subject(kind="file"))


def found(_facts):
    yield finding("GN1001")
    yield finding("GN1002")


def crashes(_facts):
    yield finding("GN1003")
    raise TypeError("a None where nobody expected one")


def check(id_, run, codes=("GN1001", "GN1002", "GN1003")):
    return NodeCheck(id=id_, codes=codes, title=id_, run=run)


@pytest.mark.parametrize("error", [TypeError, RecursionError, OSError, UnicodeDecodeError])
def test_a_crashing_check_is_its_own_error_and_the_others_go_on(error):
    def crash(_facts):
        yield finding("GN1003")
        raise error(*(("utf-8", b"", 0, 1, "x") if error is UnicodeDecodeError else ("an absent key",)))

    pod_check = PodCheck(id="a", codes=("GN1003",), title="a", run=crash)
    for findings, outcomes in (
        run_checks(NodeFacts(), [check("a", crash), check("b", found)]),
        registry.run(Case(Facts()), [pod_check, PodCheck(id="b", codes=(), title="b", run=found)]),
    ):
        assert [f.code for f in findings] == ["GN1003", "GN1001", "GN1002"]
        assert [(c.id, c.status) for c in outcomes] == [("a", Status.ERROR), ("b", Status.FAIL)]
        assert outcomes[0].reason.startswith(error.__name__)


def test_a_code_chooses_the_checks_and_the_findings_that_have_it():
    checks = [check("conf-a", found, ("GN1001", "GN1002")), check("conf-b", found, ("GN1003",))]
    for only, skip in (
        (["GN1002"], []),
        (["gn1002"], []),
        ([], ["GN1001", "conf-b"]),
        (["conf"], ["GN100[13]"]),
    ):
        chosen = runner.selection(only, skip, checks)
        findings, outcomes = run_checks(NodeFacts(), chosen.of(checks), chosen)
        assert [f.code for f in findings] == ["GN1002"]
        assert [c.id for c in outcomes] == ["conf-a"]


@pytest.mark.parametrize(
    "only, skip, said, hint",
    [
        (["nosuch"], [], "--only 'nosuch'", "--list-checks"),
        ([], ["nosuch"], "--skip 'nosuch'", "--list-checks"),
        (["conf", "leses-free"], [], "'leses-free'", "did you mean leases-free"),
        (["GN0299"], [], "no check of this command reports it", "did you mean GN02"),
        (["GN9999"], [], "no check of this command reports it", "genie explain GN9999"),
        (["("], [], "not a regular expression", ""),
        (["leases-free"], ["leases"], "no check to run", "--list-checks"),
    ],
)
def test_a_choice_of_what_is_not_there_is_wrong_usage(only, skip, said, hint):
    with pytest.raises(GenieError) as caught:
        runner.selection(only, skip, ALL)
    assert caught.value.exit_code == 2
    assert said in caught.value.msg
    assert hint in caught.value.hint


def test_no_check_at_all_is_not_called_ok():
    assert "ok" not in summary_line([], [])
    skipped = run_checks(NodeFacts(missing={"conf": "it needs root"}), [of_files.CHECKS[0]])
    assert summary_line(*skipped) == "no check ran, 1 skipped (it needs root)"


def test_every_code_in_the_checks_sources_is_declared_by_a_check_and_explained():
    """A code that no check declares could not be chosen."""
    written = set()
    sources = [path for path in SOURCES.glob("checks/*.py") if not path.stem.endswith("_explanations")]
    for path in (*sources, *SOURCES.glob("catalog/*.py")):
        strings = (
            node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)
        )
        written |= {text for text in strings if isinstance(text, str) and re.fullmatch(r"GN\d{4}", text)}
    declared = {code for check in ALL for code in check.codes}
    explained = {*of_pods.EXPLANATIONS, *file_codes.EXPLANATIONS}
    assert len(written) > 100
    assert written - declared == set()
    assert declared - explained == set()
