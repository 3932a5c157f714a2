"""The gate itself: what fails is seen, what hides is found, what is interrupted ends."""

import json
import os
import re
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import run

from benchmarks import proofs

WAIT = "import time; time.sleep(600)"


@pytest.fixture(autouse=True)
def stages(monkeypatch):
    monkeypatch.setattr(run, "STARTED", [])
    return run.STARTED


# --- make test ------------------------------------------------------------------------------------


def test_a_stage_tells_what_it_cost_and_whether_it_failed():
    burn = "import time\nwhile time.process_time() < 0.2: pass\nraise SystemExit(3)"
    stage = run.Stage("burn", sys.executable, "-c", burn).end()
    assert (stage.failed, stage.status) == (True, 3)
    assert 0.2 < stage.cpu <= 5
    assert not run.Stage("nothing", sys.executable, "-c", "").end().failed


def test_of_a_log_the_end_and_the_warnings_are_shown_where_it_failed(tmp_path, capfd):
    source = "print('some WARNING: x'); print('line\\n' * 60); print('the', 'end'); exit({})"
    run.Stage("book", sys.executable, "-c", source.format(0), log=tmp_path / "log").end()
    assert "the end" not in capfd.readouterr().out
    run.Stage("book", sys.executable, "-c", source.format(1), log=tmp_path / "log").end()
    told = capfd.readouterr().out.partition("book failed")[2]
    assert "some WARNING: x" in told
    assert "the end" in told
    assert told.count("line\n") < 50


def test_what_is_interrupted_ends_with_all_that_it_started(tmp_path):
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {WAIT!r}])"
    stage = run.Stage("waits", sys.executable, "-c", child)
    group = stage.process.pid
    time.sleep(0.3)
    stage.kill()
    assert stage.failed
    deadline = time.monotonic() + 10
    while lives(group) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not lives(group)


def lives(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("breaks", ["lint", "book", "tests", "tests of the book", "tests alone"])
def test_whatever_fails_the_rest_is_run_and_the_verdict_is_no(breaks, monkeypatch, tmp_path):
    ran = []

    class Stage(SimpleNamespace):
        def __init__(self, name, *command, log=None):
            super().__init__(name=name, failed=name == breaks)
            ran.append(name)
            run.STARTED.append(self)

        def end(self):
            return self

    monkeypatch.setattr(run, "Stage", Stage)
    monkeypatch.setattr(run, "LOGS", tmp_path)
    assert run.verdict("test") is False
    everything = ["set-up", "lint", "book", "tests", "tests of the book", "tests alone", "stale"]
    skipped = {"tests of the book"} if breaks == "book" else set()
    assert ran == [name for name in everything if name not in skipped]


FAILED = """<testsuites><testsuite><testcase classname="tests.some" name="test_it" time="1">
<failure message="assert 0"/></testcase><testcase classname="tests.some" name="test_two" time="1"/>
</testsuite></testsuites>"""


@pytest.mark.parametrize(
    ("second", "reports", "forgets", "holds"),
    [
        pytest.param(0, FAILED, False, True, id="held the second time"),
        pytest.param(1, FAILED, False, False, id="failed again"),
        pytest.param(0, FAILED, True, False, id="was not tried"),
        pytest.param(0, None, False, False, id="no report"),
        pytest.param(0, FAILED.replace("failure", "x"), False, False, id="no test failed"),
    ],
)
def test_what_fails_has_a_second_chance_by_itself(
    second, reports, forgets, holds, monkeypatch, tmp_path
):
    """And only tests have one: not a run that broke off."""

    class Stage(SimpleNamespace):
        def __init__(self, name, *command, log=None):
            status = {"tests": 1, "second time": second}.get(name, 0)
            super().__init__(name=name, failed=status != 0, status=status)
            run.STARTED.append(self)
            if name == "tests" and reports:
                (tmp_path / "tests.xml").write_text(reports)
            if name == "second time":
                count = 0 if status == 0 and forgets else 1
                cases = "<testcase/>" * count
                (tmp_path / "second-time.xml").write_text(f"<testsuites>{cases}</testsuites>")

        def end(self):
            return self

    monkeypatch.setattr(run, "Stage", Stage)
    monkeypatch.setattr(run, "LOGS", tmp_path)
    assert run.verdict("test") is holds
    assert [stage.name for stage in run.STARTED].count("second time") == (reports == FAILED)


# --- skips ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ci", "reason", "outcome"),
    [
        ("1", "NO BROWSER, so the pages are not tested", "failed"),
        ("1", "needs g++ 12 or later on x86-64 Linux", "failed"),
        ("1", "CuPy finds no CUDA GPU here", "skipped"),
        ("", "NO BROWSER, so the pages are not tested", "skipped"),
    ],
)
def test_where_ci_is_set_a_missing_tool_is_a_failure(ci, reason, outcome, monkeypatch, request):
    conftest = request.config.pluginmanager.get_plugin(str(Path(__file__).with_name("conftest.py")))
    monkeypatch.setenv("CI", ci)
    report = SimpleNamespace(skipped=True, outcome="skipped", longrepr=("file", 1, reason))
    assert conftest._no_skip_hides(report).outcome == outcome


# --- make proof -----------------------------------------------------------------------------------


@pytest.fixture
def proof(monkeypatch, tmp_path):
    """A proof that holds as long as the file `source` says so."""
    monkeypatch.setattr(proofs, "ROOT", tmp_path)
    monkeypatch.setattr(proofs, "RESULTS", tmp_path / "results")
    source = "import pathlib; print('seen'); exit(pathlib.Path('source').read_text() != 'right')"
    proof = proofs.Proof("some", "that it is right", ("-c", source), ("sour*",))
    monkeypatch.setattr(proofs, "PROOFS", (proof,))
    (tmp_path / "source").write_text("right")
    return proof


def test_a_proof_is_run_once_and_again_when_its_sources_change(proof, tmp_path, capfd):
    assert proofs.main(["stale"]) == 1
    assert "has never been run" in capfd.readouterr().out
    assert proofs.main(["run"]) == 0
    about = json.loads(proof.result.read_text())
    assert about["said"] == "seen"
    assert about["date"].startswith("20")
    assert proofs.main(["stale"]) == 0
    capfd.readouterr()
    assert proofs.main(["run"]) == 0
    assert "seen" not in capfd.readouterr().out
    (tmp_path / "source").write_text("wrong")
    assert proofs.main(["stale"]) == 1
    assert f"older than its sources: {about['date']}" in capfd.readouterr().out


def test_what_does_not_hold_leaves_no_result(proof, tmp_path, capfd):
    (tmp_path / "source").write_text("wrong")
    assert proofs.main(["run"]) == 1
    assert not proof.result.exists()
    assert "NOT PROVED: some" in capfd.readouterr().out


def test_a_result_says_nothing_of_sources_that_changed_meanwhile(proof, monkeypatch, tmp_path):
    changes = "import pathlib; pathlib.Path('source').write_text('other')"
    changing = proofs.Proof("some", "", ("-c", changes), ("sour*",))
    assert not changing.run()
    assert not changing.result.exists()


def test_every_proof_names_sources_that_exist():
    for each in proofs.PROOFS:
        assert len(each.hash()) == 64


def test_result_on_a_chapter_hangs_on_its_code_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(proofs, "ROOT", tmp_path)
    (tmp_path / "book").mkdir()
    chapter = tmp_path / "book" / "a.md"
    proof = proofs.Proof("some", "that it prints", ("-c", ""), ("book/*.md",))

    def hashed(told="Once.", code="print(1)", tags="[hide-input]"):
        cell = f"```{{code-cell}} ipython3\n:tags: {tags}\n{code}\n```"
        chapter.write_text(f"# A\n\n{told}\n\n{cell}\n\nMore.\n")
        return proof.hash()

    assert hashed() == hashed(told="Twice.\n\n```\nplain\n```")
    assert len({hashed(), hashed(code="print(2)"), hashed(tags="[remove-cell]")}) == 3


def test_no_test_that_runs_alone_or_asks_for_the_book_is_forgotten():
    """The passes for these read only the files that are named."""
    files = [path for path in (run.ROOT / "tests").rglob("test_*.py") if path != Path(__file__)]
    alone = [p for p in files if re.search(r"mark\.alone\b", p.read_text("utf-8"))]
    assert sorted(str(path.relative_to(run.ROOT)) for path in alone) == run.ALONE
    of_the_book = [p for p in files if re.search(r"mark\.book\b", p.read_text("utf-8"))]
    assert {str(path.parent.relative_to(run.ROOT)) for path in of_the_book} == {*run.OF_THE_BOOK}
