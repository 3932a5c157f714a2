"""Timing answers: by ratio, for information, and without waiting for ever."""

import re
import threading
import time

import numpy as np
import pytest

from instnorm_checks import EXERCISES, check, grade
from instnorm_checks.engine import diagnosis, pace
from instnorm_checks.engine.exercise import Pace
from instnorm_checks.engine.pace import HOPELESS, MOST, SECONDS, one_thread, speed_of

pytestmark = pytest.mark.alone  # what else the machine does would be timed too

ARGUMENTS = {"x": np.arange(200_000.0)}
BLOCKED = EXERCISES["blocked-instance-norm"]
NAIVE = BLOCKED.aspect("speed").pace.naive


@pytest.fixture(autouse=True)
def patience(request, monkeypatch):
    """A busy machine may take its time here, but where that is asked."""
    if "seconds" not in request.node.name and "waiting" not in request.node.name:
        monkeypatch.setattr(pace, "SECONDS", 60)


def work(times):
    """A function that takes `times` as long as `work(1)`."""

    def function(x):
        function.calls += 1
        for _ in range(20 * times):
            y = np.sqrt(x)
        return y - x.mean()

    function.calls = 0
    return function


def speed(function, naive, times=1.3, arguments=ARGUMENTS):
    return speed_of(function, Pace(naive, times), arguments, ("y",), naive)


def test_the_speed_is_a_ratio():
    assert 2 < speed(work(1), work(4)) < 8
    assert 0.7 < speed(work(1), work(1)) < 1.3
    assert 0.3 < speed(work(2), work(1), times=0.9) < 0.8


def test_a_hopeless_answer_is_not_called_again_and_again():
    function = work(4 * HOPELESS)
    assert speed(function, work(1)) < 1 / HOPELESS
    assert function.calls == 1


def test_an_answer_kept_from_before_is_of_no_use():
    kept = {}
    right = work(1)
    assert speed(lambda x: kept.setdefault("y", right(x)), work(4)) == 0


def test_an_answer_that_stops_working_is_of_no_use():
    right = work(1)

    def once(x):
        if right.calls:
            raise ValueError("enough")
        return right(x)

    assert speed(once, work(4)) == 0


def test_what_disturbs_the_turns_makes_no_answer_fast_or_slow(monkeypatch):
    """Two turns of three are spoilt, and take up to five times as long."""
    rng = np.random.default_rng(0)

    def seems(truth):
        def turn(function, arguments, returns):
            seconds = 1.0 if function is NAIVE else 1 / truth
            spoilt = (rng.random() < 2 / 3) * rng.uniform(0, 4)
            outcome = pace.call(np.sqrt, arguments, returns)
            return outcome, seconds * (1 + 0.03 * rng.random() + spoilt)

        monkeypatch.setattr(pace, "_turn", turn)
        return speed(np.sqrt, NAIVE, arguments={"x": np.ones(9)})

    for truth in (0.6, 1.0, 1.7):
        found = [seems(truth) for _ in range(50)]
        assert found == pytest.approx([truth] * 50, rel=0.2)


def test_a_machine_that_never_settles_does_not_keep_anybody_waiting(monkeypatch):
    def turn(function, arguments, returns):
        time.sleep(0.3)
        return pace.call(np.sqrt, arguments, returns), np.random.default_rng().uniform(1, 9)

    monkeypatch.setattr(pace, "_turn", turn)
    start = time.monotonic()
    assert speed(np.sqrt, NAIVE) is None
    assert time.monotonic() - start < SECONDS + 2
    assert MOST * 0.6 > SECONDS


def test_what_other_threads_do_meanwhile_does_not_count():
    """Threads of a linear algebra library burn time while they wait for work."""
    right = work(1)

    def noisy(x):
        others = [threading.Thread(target=work(20), args=(x,)) for _ in range(2)]
        for other in others:
            other.start()
        y = right(x)
        for other in others:
            other.join()
        return y

    assert 0.5 < speed(noisy, work(1), times=0.9) < 2


def test_linear_algebra_uses_one_thread_meanwhile():
    from threadpoolctl import threadpool_info, threadpool_limits

    with threadpool_limits(2):
        with one_thread():
            assert {each["num_threads"] for each in threadpool_info()} == {1}
        assert 2 in {each["num_threads"] for each in threadpool_info()}


def test_nothing_of_a_turn_can_be_known_before():
    seen = {float(pace._changed(ARGUMENTS)["x"][1]) for _ in range(5)}
    assert len(seen) == 5


def test_an_answer_may_overwrite_its_argument():
    right = work(1)

    def in_place(x):
        x[:] = right(x)
        return x

    assert speed(in_place, work(4)) > 1.3


# --- No points hang on a clock --------------------------------------------------------------------


def planes_in_place(x, gamma, beta, eps=1e-5):
    y = np.empty_like(x)
    for n, c in np.ndindex(x.shape[:2]):
        t = y[n, c]
        np.subtract(x[n, c], x[n, c].mean(), out=t)
        t *= gamma[c] / np.sqrt(np.vdot(t, t) / t.size + eps)
        t += beta[c]
    return y


def test_a_slow_answer_has_all_points_and_is_told_why_it_is_slow(capsys, monkeypatch):
    monkeypatch.setattr(diagnosis, "speed_of", lambda *_: 1.0)
    assert check("blocked-instance-norm", NAIVE) == BLOCKED.points == 7
    text = " ".join(capsys.readouterr().out.split())
    assert "the-whole-array-at-a-time: Your numbers are right" in text
    assert "% of the naive version's time, where 83 % is the most." in text


def test_a_right_answer_is_told_its_ratio_within_seconds(capsys):
    start = time.monotonic()
    assert check("blocked-instance-norm", planes_in_place) == 7
    print(f"{time.monotonic() - start:.1f} s")
    assert re.search("Yours takes|too busy to tell", capsys.readouterr().out)


def test_nothing_is_timed_where_marks_are_given(monkeypatch, capsys):
    def never(*_):
        raise AssertionError("there is no clock")

    monkeypatch.setenv("INSTNORM_GRADING_SEED", "7")
    monkeypatch.setattr(pace, "processor_seconds", never)
    assert grade("blocked-instance-norm", NAIVE) == 7
    assert "naive" not in capsys.readouterr().out


def broadcast(x, gamma, beta, eps=1e-5):
    """Takes all planes for equal, computes one, and shows it everywhere."""
    return np.broadcast_to(NAIVE(x[:1, :1], gamma[:1], beta[:1], eps), x.shape)


class Lazy:
    """Computes what is asked of it, and nothing else."""

    def __init__(self, *given):
        self.given = given

    def reshape(self, *_):
        return self

    def __getitem__(self, which):
        return NAIVE(*self.given).reshape(-1)[which]


def one_statistic(x, gamma, beta, eps=1e-5):
    """The mean and the variance of the whole array."""
    y = (x - x.mean()) / np.sqrt(x.var() + eps)
    return gamma[:, None, None] * y + beta[:, None, None]


@pytest.mark.parametrize("cheat", [broadcast, Lazy, one_statistic])
def test_who_would_deceive_the_clock_has_wrong_values(cheat, monkeypatch, capsys):
    """Each of these earned points for speed once: 7, 7 and 4."""
    monkeypatch.setenv("INSTNORM_GRADING_SEED", "7")
    assert grade("blocked-instance-norm", cheat) <= 3
    assert "0 points" not in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [np.negative, np.zeros_like])
def test_a_wrong_answer_is_not_timed(wrong, capsys):
    assert check("blocked-instance-norm", lambda *a: wrong(NAIVE(*a))) == 0
    assert "the most" not in capsys.readouterr().out
