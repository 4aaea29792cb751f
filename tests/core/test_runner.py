"""Running checks: one that crashes costs only itself, and what is chosen has to exist."""

import copy

import pytest

from genie_core.checks import runner
from genie_core.checks.check import Check
from genie_core.checks.check import check as declare
from genie_core.checks.registry import FILES, NETWORK, TRACE
from genie_core.errors import GenieError
from genie_core.findings import Code, Effect, Finding, Severity, Status, Subject, summary_line
from genie_core.net.case import Case
from genie_core.survey.facts import Facts

ALL = (*NETWORK, *FILES, *TRACE)


def finding(code):
    return Finding(code=Code.declared[code], severity=Severity.ERROR, title=code, object=Subject(kind="file"))


def found(_facts):
    yield finding("GN1001")
    yield finding("GN1002")


def check(id_, run, codes=("GN1001", "GN1002", "GN1003")):
    return Check(id=id_, codes=tuple(Code.declared[code] for code in codes), title=id_, run=run)


@pytest.mark.parametrize("error", [TypeError, RecursionError, OSError, UnicodeDecodeError])
def test_a_crashing_check_is_its_own_error_and_the_others_go_on(error):
    def crash(_facts):
        yield finding("GN1003")
        raise error(*(("utf-8", b"", 0, 1, "x") if error is UnicodeDecodeError else ("an absent key",)))

    checks = [check("a", crash), check("b", found)]
    for findings, outcomes in (runner.run(Facts(), checks), runner.run(Case(Facts()), checks)):
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
        findings, outcomes = runner.run(Facts(), checks, chosen)
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
def test_an_unknown_check_or_code_is_wrong_usage(only, skip, said, hint):
    with pytest.raises(GenieError) as caught:
        runner.selection(only, skip, ALL)
    assert caught.value.exit_code == 2
    assert said in caught.value.msg
    assert hint in caught.value.hint


def test_no_check_at_all_is_not_called_ok():
    assert "ok" not in summary_line([], [])
    skipped = runner.run(Facts(missing={"conf": "it needs root"}), FILES[:1])
    assert summary_line(*skipped) == "no check ran, 1 skipped (it needs root)"


def test_a_check_that_reports_a_code_of_another_check_is_broken():
    """It could not be chosen by that code, and --list-checks would not have it."""
    findings, (outcome,) = runner.run(Facts(), [check("a", found, ("GN1001",))])
    assert [f.code for f in findings] == ["GN1001"]
    assert (outcome.status, outcome.reason) == (
        Status.ERROR,
        "LookupError: GN1002 is not a code of this check",
    )


def test_a_check_cannot_need_an_unknown_source():
    """It would never be skipped, and be called ok without a look."""
    with pytest.raises(ValueError, match="check x needs leaseses: no such source"):
        declare("x", Code.declared["GN1001"], title="x", needs=("conf", "leaseses"))


def test_no_finding_has_a_code_that_is_not_declared():
    """The type checker refuses it as well: else it would say here that the comment is not needed."""
    text = "GN1001"
    with pytest.raises(TypeError, match="no declared code"):
        Finding(code=text, severity=Severity.ERROR, title="x", object=Subject(kind="file"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="declared twice"):
        Code("GN1001", "x", cause="x", confirm="x", fix="x")
    assert copy.deepcopy(Code.declared["GN1001"]) is Code.declared["GN1001"]


def test_every_declared_code_is_reported_by_a_check_and_explained_by_codes_that_are():
    declared = {code for code in Code.declared if code.startswith("GN")}
    assert declared == {code for check in ALL for code in check.codes}
    for code in declared:
        known = Code.declared[code]
        assert set(known.explained_by) <= declared | set(Effect), code
        assert all((known.fault, known.cause, known.confirm, known.fix)), code


def test_every_check_has_a_name_of_its_own_and_a_code():
    assert len({check.id for check in ALL}) == len(ALL)
    assert all(check.codes and check.title for check in ALL)


def test_no_code_explains_itself_by_way_of_others():
    """Of two findings that explain each other, neither would be the cause."""
    causes = {
        code: {cause for cause in Code.declared.values() if {cause, *cause.breaks} & set(code.explained_by)}
        for code in Code.declared.values()
    }
    settled: set[Code] = set()
    while more := {code for code, of in causes.items() if of <= settled} - settled:
        settled |= more
    assert set(causes) - settled == set()
