"""Timing answers: by ratio, without being fooled, and without waiting for ever."""

import platform
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

from instnorm.checks import EXERCISES, check
from instnorm.checks.calling import Outcome, call
from instnorm.checks.exercise import Pace
from instnorm.checks.pace import HOPELESS, Lane, _change, speed_of

ARGUMENTS = {"x": np.arange(200_000.0)}


def work(times):
    """A function that takes `times` as long as `work(1)`."""

    def function(x):
        function.calls += 1
        for _ in range(20 * times):
            y = np.sqrt(x)
        return y - x.mean()

    function.calls = 0
    return function


def speed(function, naive, times=1.3):
    outcome = call(function, ARGUMENTS, ("y",))
    return speed_of(function, outcome, Pace(naive, times), ARGUMENTS, ("y",))


def test_the_speed_is_a_ratio():
    assert 2 < speed(work(1), work(4)) < 8
    assert 0.7 < speed(work(1), work(1)) < 1.3
    assert 0.3 < speed(work(2), work(1), times=0.9) < 0.8


def test_a_hopeless_answer_is_called_once():
    function = work(3 * HOPELESS)
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


def test_a_proxy_says_how_long_its_function_was_busy():
    proxy = work(1)
    proxy.busy = 1e-9
    outcome = call(proxy, ARGUMENTS, ("y",))
    assert outcome.busy == 1e-9
    slow = Outcome(outcome.parts, busy=1e9)
    assert speed_of(proxy, slow, Pace(work(1), 1.3), ARGUMENTS, ("y",)) < 1e-6


def test_a_proxy_has_a_lane_of_its_own():
    class Proxy(Lane):
        busy, made = 1e-9, 0

        def ready(self):
            super().ready()
            Proxy.made += 1

    proxy = work(1)
    proxy.lane = lambda arguments: Proxy(proxy, arguments)
    assert speed(proxy, work(1)) > 1e3
    assert Proxy.made >= 2
    Proxy.busy = 1e9
    assert speed(proxy, work(1)) < 1e-6


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


def test_nothing_of_a_turn_can_be_known_before():
    places = {_change(ARGUMENTS["x"])["place"] for _ in range(5)}
    assert len(places) > 1


def test_an_answer_may_overwrite_its_argument():
    right = work(1)

    def in_place(x):
        x[:] = right(x)
        return x

    assert speed(in_place, work(4)) > 1.3


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the habits of glibc's malloc")
def test_a_turn_is_not_charged_for_the_habits_of_malloc():
    """Pages that go back to the system and return are seen as faults, in a process of its own."""
    program = """
        import resource
        import numpy as np
        from instnorm.checks.pace import Lane

        def pages(x):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            for row in x:
                [row * k for k in range(8)]
            return np.array([resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before])

        x = np.zeros((80, 2**16))
        lane = Lane(pages, [x])
        for _ in range(2):
            lane.ready()
            (faults,) = lane(0, 0, 1, x[:, 0])
        print(faults)
    """
    program = [sys.executable, "-c", textwrap.dedent(program)]
    assert int(subprocess.check_output(program, text=True, timeout=60)) < 1000


def test_a_slow_answer_keeps_its_other_points_and_is_told_why(capsys):
    naive = EXERCISES["blocked-instance-norm"].aspect("speed").pace.naive
    assert check("blocked-instance-norm", naive) == 5
    text = " ".join(capsys.readouterr().out.split())
    assert "the-whole-array-at-a-time: Your numbers are right" in text
    assert "% of the naive version's time, where 75 % is the most." in text


@pytest.mark.parametrize("wrong", [np.negative, np.zeros_like])
def test_a_wrong_answer_is_not_timed(wrong, capsys):
    naive = EXERCISES["blocked-instance-norm"].aspect("speed").pace.naive
    assert check("blocked-instance-norm", lambda *a: wrong(naive(*a))) == 0
    assert "the most" not in capsys.readouterr().out
