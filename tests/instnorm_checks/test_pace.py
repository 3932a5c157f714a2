"""Timing answers: by ratio, without being fooled, and without waiting for ever."""

import platform
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

from instnorm_checks import EXERCISES, check
from instnorm_checks.engine.calling import Outcome, call
from instnorm_checks.engine.exercise import Pace
from instnorm_checks.engine.pace import HOPELESS, MOST, Lane, _change, speed_of

pytestmark = pytest.mark.alone  # what else the machine does would be timed too

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


@pytest.mark.parametrize(("times", "calls"), [(4 * HOPELESS, 2), (4 * HOPELESS**2, 1)])
def test_a_hopeless_answer_is_not_called_again_and_again(times, calls):
    function = work(times)
    assert speed(function, work(1)) < 1 / HOPELESS
    assert function.calls == calls


def test_what_travelled_for_the_first_call_makes_no_answer_hopeless():
    function = work(1)
    first = call(function, ARGUMENTS, ("y",))
    first = Outcome(first.parts, busy=3 * HOPELESS * first.busy)
    assert speed_of(function, first, Pace(work(1), 0.8), ARGUMENTS, ("y",)) > 0.8


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


class Disturbed(Lane):
    """A lane whose turns last as long as those of a machine on which two turns of three are spoilt.

    The spoilt ones take up to five times as long.
    """

    def __init__(self, seconds, rng):
        super().__init__(np.sqrt, [ARGUMENTS["x"]])
        spoilt = rng.random(MOST) < 2 / 3
        longer = 0.03 * rng.random(MOST) + spoilt * rng.uniform(0, 4, MOST)
        self.turns = iter(seconds * (1 + longer))

    def __call__(self, *change):
        self.busy = next(self.turns)
        return super().__call__(*change)


def test_what_disturbs_the_turns_makes_no_answer_fast_or_slow(monkeypatch):
    rng = np.random.default_rng(0)
    monkeypatch.setattr("instnorm_checks.engine.pace.Lane", lambda *_: Disturbed(1.0, rng))

    def seems(truth):
        def answer(x):
            return np.sqrt(x)

        answer.lane = lambda _: Disturbed(1 / truth, rng)
        return speed(answer, np.sqrt)

    for truth in (0.6, 1.0, 1.7):
        assert [seems(truth) for _ in range(50)] == pytest.approx([truth] * 50, rel=0.2)


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
@pytest.mark.parametrize("before", ["nothing", "just under what malloc keeps at most"])
def test_new_memory_costs_the_same_in_every_process(before):
    """Small blocks cost next to nothing, and large arrays are faulted in, each time.

    What was freed `before` makes malloc judge otherwise. So this needs a process of its own.
    """
    program = f"""
        import resource
        import numpy as np
        from instnorm_checks.engine.pace import ROOM, Lane

        def faults(function):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            function()
            return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

        def pages(x):
            large = [faults(lambda: np.ones(2 * ROOM, np.uint8)) for _ in range(5)]
            rows = x.reshape(-1, 2**16)
            small = faults(lambda: [len([row * k for k in range(8)]) for row in rows])
            return np.array([small, min(large)])

        x = np.zeros((128, 2**16))
        if {before != "nothing"}:
            np.empty(31 << 20, np.uint8)
            parts = [np.ones(20 << 20, np.uint8) for _ in range(3)]
            del parts
        lane = Lane(pages, [x])
        lane.ready()
        small, large = lane(0, 0, 1, x[:, 0])
        print(small, large)
    """
    program = [sys.executable, "-c", textwrap.dedent(program)]
    small, large = map(int, subprocess.check_output(program, text=True, timeout=60).split())
    assert small < 3000  # 1024 for the first row alone, and then no more
    assert large >= 16  # of 2 MiB each, at most


def test_a_slow_answer_keeps_its_other_points_and_is_told_why(capsys):
    naive = EXERCISES["blocked-instance-norm"].aspect("speed").pace.naive
    assert check("blocked-instance-norm", naive) == 5
    text = " ".join(capsys.readouterr().out.split())
    assert "the-whole-array-at-a-time: Your numbers are right" in text
    assert "% of the naive version's time, where 83 % is the most." in text


@pytest.mark.parametrize("wrong", [np.negative, np.zeros_like])
def test_a_wrong_answer_is_not_timed(wrong, capsys):
    naive = EXERCISES["blocked-instance-norm"].aspect("speed").pace.naive
    assert check("blocked-instance-norm", lambda *a: wrong(naive(*a))) == 0
    assert "the most" not in capsys.readouterr().out
