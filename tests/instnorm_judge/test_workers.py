"""A cluster may lose its workers, or its scheduler, and no submission is lost with them."""

import threading
import time

import pytest
from distributed import LocalCluster
from distributed.utils import open_port

from instnorm_judge import workers
from instnorm_judge.hand_ins import Submission
from instnorm_judge.one_submission import GradedSubmission, Plan

PLAN = Plan({}, b"", "1")
# Clusters that are ended in the middle of their work complain.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.alone]


def cluster(port=0, count=2):
    """A cluster of threads in this process: what is tested is who is sent what, and when."""
    return LocalCluster(
        n_workers=count,
        threads_per_worker=1,
        processes=False,
        scheduler_port=port,
        protocol="tcp",
        host="127.0.0.1",
        dashboard_address=None,
        silence_logs=60,
    )


@pytest.fixture
def slowly(monkeypatch):
    """In place of grading: half a second, and a list of who was graded."""
    graded = []

    def grade(plan, submission):
        assert plan == PLAN
        time.sleep(0.3)
        graded.append(submission.student)
        return GradedSubmission(submission.student, log="graded")

    monkeypatch.setattr(workers, "grade", grade)
    return graded


def class_of(count):
    return [Submission(f"student-{k}", {}) for k in range(count)]


def check_everybody(found):
    """Once each, and with a result."""
    assert [each.failure for each in found if each.failure] == []
    assert sorted(each.student for each in found) == sorted(each.student for each in class_of(14))


def test_nobody_answers(monkeypatch):
    monkeypatch.setattr(workers.OnDask, "SECONDS", 2)
    start = time.monotonic()
    with (
        pytest.raises(SystemExit, match=r"No scheduler answers at tcp://127\.0\.0\.1:\d+\. Is it"),
        workers.on_dask(f"tcp://127.0.0.1:{open_port()}")(PLAN),
    ):
        pass
    assert time.monotonic() - start < 30  # 2 s, on a machine that is not busy


def test_what_is_no_address_is_said():
    with pytest.raises(SystemExit, match="No scheduler answers at nonsense://x"):
        workers.on_dask("nonsense://x").__call__(PLAN).__enter__()


def test_a_cluster_without_workers(monkeypatch):
    monkeypatch.setattr(workers.OnDask, "SECONDS", 2)
    with (
        cluster(count=0) as empty,
        pytest.raises(SystemExit, match=r"has no workers\. On each machine that is to help, run"),
        workers.on_dask(empty.scheduler_address)(PLAN),
    ):
        pass


def test_workers_that_die_together_lose_nothing(slowly):
    with cluster() as whole, workers.on_dask(whole.scheduler_address)(PLAN) as team:
        found = []
        for graded in team.grade(class_of(14)):
            found.append(graded)
            if len(found) == 1:
                for each in list(whole.workers.values()):
                    whole.sync(each.close, executor_wait=False, nanny=False)
                whole.scale(0)
                threading.Timer(1.0, whole.scale, [2]).start()
    check_everybody(found)


@pytest.mark.slow  # 3 s
def test_a_scheduler_that_is_started_anew_is_sent_everything_again(slowly, monkeypatch):
    port = open_port()
    first = cluster(port)
    second = []

    def restart():
        first.close()
        second.append(cluster(port))

    try:
        with workers.on_dask(first.scheduler_address)(PLAN) as team:
            found = []
            for graded in team.grade(class_of(14)):
                found.append(graded)
                if len(found) == 1:
                    threading.Thread(target=restart).start()
    finally:
        for each in (first, *second):
            each.close()
    assert second
    check_everybody(found)
