"""The compiled kernels: threads, forks, Ctrl-C, the folder of compiled code, memory."""

import math
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import instnorm
from instnorm import rows
from instnorm.rows import numpy as plain
from instnorm.rows import threads

numba = pytest.importorskip("numba", reason="needs Numba: pip install numba")

BUSY = """
    import os, threading, time, warnings
    import numpy as np
    import instnorm
    from instnorm.rows import threads

    warnings.simplefilter("ignore", DeprecationWarning)  # that fork and threads are delicate
    threads.count = lambda: 3
    x = np.random.default_rng(0).standard_normal((4, 16, 128, 128), np.float32)
    y = instnorm.instance_norm(x)

    def work():
        while True:
            assert (instnorm.instance_norm(x) == y).all()

    for _ in range(2):
        threading.Thread(target=work, daemon=True).start()
    time.sleep(0.3)
"""


def run(program, **options):
    code = textwrap.dedent(BUSY) + textwrap.dedent(program)
    return subprocess.run([sys.executable, "-c", code], timeout=120, **options)


def test_large_arrays_are_compiled_for_and_small_ones_are_not():
    assert rows._kernels(np.empty((1, 1, 1, rows.LARGE))).__name__ == "instnorm.rows.numba"
    assert rows._kernels(np.empty((1, 1, 1, rows.LARGE - 1))) is plain


def test_numba_is_not_imported_before_it_is_needed():
    program = """
        import sys, numpy, instnorm
        x = numpy.ones((1, 2, 8, 8))
        instnorm.instance_norm(x), instnorm.instance_norm_backward(x, x)
        assert "numba" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=60)


@pytest.mark.parametrize(
    "before",
    [
        "import os; os.environ['NUMBA_DISABLE_JIT'] = '1'",
        "import sys; sys.modules['numba'] = None; from importlib import util; "
        "find = util.find_spec; util.find_spec = lambda n: None if n == 'numba' else find(n)",
    ],
    ids=["disabled", "missing"],
)
def test_where_numba_cannot_compile_the_plain_kernels_do_it(before):
    program = f"""
        {before}
        import numpy as np
        from instnorm import instance_norm, rows
        from instnorm.rows import numpy as plain
        x = np.random.default_rng(0).standard_normal((2, 4, 128, 128))
        assert rows._kernels(x) is plain
        assert abs(instance_norm(x).std() - 1) < 1e-3
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=60)


@pytest.mark.slow
def test_where_no_folder_can_be_written_it_compiles_without():
    """Compiles anew: some 15 seconds."""
    program = """
        from numba.core import caching
        caching.CacheImpl._locator_classes = []
        import numpy as np
        from instnorm import instance_norm
        from instnorm.rows import numba
        x = np.random.default_rng(0).standard_normal((2, 4, 128, 128), np.float32)
        assert abs(instance_norm(x).std() - 1) < 1e-3
        assert not numba.forward_rows.stats.cache_path
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=120)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_process_forked_while_others_are_busy_computes():
    run(
        """
        for _ in range(4):
            child = os.fork()
            if child == 0:
                os._exit(0 if (instnorm.instance_norm(x) == y).all() else 3)
            _, status = os.waitpid(child, 0)
            assert os.waitstatus_to_exitcode(status) == 0
        """,
        check=True,
    )


def test_a_program_may_end_while_others_are_busy():
    assert run("", capture_output=True).returncode == 0


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is a signal on POSIX systems")
def test_ctrl_c_stops_the_work_and_the_next_call_works():
    program = """
        import signal
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print("ready", flush=True)
        try:
            while True:
                instnorm.instance_norm_backward(x, x)
        except KeyboardInterrupt:
            assert (instnorm.instance_norm(x) == y).all()
            print("stopped", flush=True)
    """
    code = textwrap.dedent(BUSY) + textwrap.dedent(program)
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        try:
            out, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, out) == (0, "stopped\n")


def test_numpy_errors_and_settings_are_left_as_they_were(rng):
    x = rng.standard_normal((2, 4, 128, 128), np.float32)
    x[0, 0] = 1e30
    before = np.getbufsize(), np.geterr()
    instnorm.instance_norm(x)
    instnorm.instance_norm_backward(x, x)
    assert (np.getbufsize(), np.geterr()) == before


def channels_last(a):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1)


CALLS = {
    "instance": ((8, 16, 128, 128), instnorm.instance_norm, instnorm.instance_norm_backward),
    "layer, a weight for each element": (
        (4096, 768),
        instnorm.layer_norm,
        instnorm.layer_norm_backward,
    ),
    "layer, short rows": ((50_000, 16), instnorm.layer_norm, instnorm.layer_norm_backward),
    "batch": ((8, 16, 128, 128), instnorm.batch_norm, instnorm.batch_norm_backward),
    "few long rows": ((1, 1, 2048, 1024), instnorm.instance_norm, instnorm.instance_norm_backward),
}


@pytest.mark.alone
@pytest.mark.parametrize("layout", ["channels first", "channels last"])
@pytest.mark.parametrize("call", CALLS)
def test_no_more_memory_than_what_comes_and_goes(call, layout, rng):
    """At most 1.2 times inputs and outputs, at any time."""
    shape, forward, backward = CALLS[call]
    x, dy = rng.standard_normal((2, *shape), np.float32)
    gamma = rng.standard_normal(shape[1]).astype(np.float32)
    if layout == "channels last":
        x, dy = channels_last(x), channels_last(dy)
    for arrays, function in (((x,), forward), ((dy, x), backward)):
        function(*arrays, gamma)
        tracemalloc.start()
        result = function(*arrays, gamma)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        y = result if isinstance(result, np.ndarray) else result[0]
        assert y.strides == x.strides
        assert peak + x.nbytes * len(arrays) <= 1.2 * x.nbytes * (len(arrays) + 1)


def test_memory_does_not_grow_with_the_square_of_the_channels():
    """What compiled loops ask for, tracemalloc does not see. A process of its own: 4 seconds."""
    pytest.importorskip("resource")
    program = """
        import resource
        import numpy as np
        import instnorm
        from instnorm.rows import numba, threads

        threads.count = lambda: 2
        x = np.random.default_rng(0).standard_normal((1, 1 << 17, 16), np.float32)
        gamma = np.ones(1 << 17, np.float32)
        some = np.ascontiguousarray(x[:, :4096])
        instnorm.layer_norm_backward(some, some, gamma[:4096])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        instnorm.layer_norm_backward(x, x, gamma)
        assert all(plan.parts for plan in numba._plans.values())
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    kilobytes = int(subprocess.run(command, check=True, timeout=60, capture_output=True).stdout)
    assert kilobytes < 80_000  # x has 8,000; it was 282,000 with room for each channel in each part


@pytest.mark.parametrize("value", [3.0, 1e9, np.nan])
def test_a_scale_of_one_number_that_takes_no_memory(value, rng):
    from instnorm.rows import numba as compiled

    x, dy = rng.standard_normal((2, 3, 4, 5, 60)).astype(np.float32)
    scale = np.broadcast_to(value, (4, 5))
    ours = compiled.backward(dy, x, 1e-5, scale)
    for a, b in zip(ours, plain.backward(dy, x, 1e-5, scale), strict=True):
        assert a.shape == b.shape
        assert_allclose(a, b, rtol=1e-5, atol=1e-5 * np.nan_to_num(np.abs(b)).max())


def test_sums_over_many_rows_lose_no_digits(rng):
    dy = np.broadcast_to(rng.standard_normal((1, 1, 3)), (400_000, 1, 3)).copy()
    _, _, dbeta = instnorm.instance_norm_backward(dy, rng.standard_normal(dy.shape), np.ones(1))
    assert_allclose(
        dbeta, math.fsum(dy.ravel()), rtol=1e-14 * np.abs(dy[0]).sum() / abs(dy[0].sum())
    )


def test_a_row_whose_weights_are_0_is_not_rough(rng):
    from instnorm.rows import loops

    dy = rng.standard_normal((1, 3, 20)).astype(np.float32)
    dy[0, 1, :10] = 0
    for scale, expected in (
        (np.zeros((1, 1, 20)), [False] * 3),
        (np.repeat([[[0.0, 1.0]]], 10, axis=2), [True, True, True]),
        (np.repeat([[[1.0, 0.0]]], 10, axis=2), [True, False, True]),
    ):
        assert [loops.has_gradient(dy, np.uint64(r), scale) for r in range(3)] == expected


FORMS = {
    "few long rows": ((1, 2, 1, 300_000), None),
    "few long rows with segments": ((1, 1, 3, 200_000), None),
    "few long rows, segments shorter than a part": ((3, 1, 100, 2001), None),
    "short segments": ((40, 2, 30, 4), None),
    "a weight for each element": ((40, 1, 90, 1), None),
    "short rows": ((150, 1, 20, 1), None),
    "channels last": ((3, 8, 1, 900), (0, 3, 1, 2)),
    "channels last, groups": ((3, 4, 5, 900), (0, 3, 1, 2)),
    "a batch": ((1, 6, 7, 500), (0, 2, 1, 3)),
    "a batch, channels last": ((1, 6, 7, 500), (0, 2, 3, 1)),
    "a batch of vectors": ((1, 6, 900, 1), (0, 2, 1, 3)),
    "every other number": ((2, 4, 1, 600), "strided"),
}


@pytest.mark.parametrize("centre", [True, False])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_memory_gives_what_the_plain_kernels_give(form, dtype, centre, rng):
    from instnorm.rows import numba as compiled

    shape, order = FORMS[form]
    x, dy = (rng.standard_normal((2, *shape)) * 2 + 1).astype(dtype)
    if order == "strided":
        x, dy = (np.repeat(a, 2, axis=3)[..., ::2] for a in (x, dy))
    elif order:
        x, dy = (
            np.ascontiguousarray(a.transpose(order)).transpose(np.argsort(order)) for a in (x, dy)
        )
    scale, shift = rng.standard_normal((2, shape[1], 1 if shape[0] == 1 and order else shape[2]))
    wide = [a.astype(np.float64) for a in (x, dy)]
    tolerance = {np.float16: 1e-3, np.float32: 1e-6, np.float64: 1e-13}[dtype]
    for ours, exact in (
        (
            compiled.forward(x, 1e-5, scale, shift, centre=centre),
            plain.forward(wide[0], 1e-5, scale, shift, centre=centre),
        ),
        (
            compiled.backward(dy, x, 1e-5, scale, centre=centre),
            plain.backward(wide[1], wide[0], 1e-5, scale, centre=centre),
        ),
        (
            compiled.backward(
                dy, x, 1e-5, scale, compiled.forward(x, 1e-5, centre=centre)[1:], centre=centre
            ),
            plain.backward(wide[1], wide[0], 1e-5, scale, centre=centre),
        ),
    ):
        assert ours[0].dtype == dtype
        # A mean that is off by a rounding error takes as much of dshift into dscale.
        lost = [0, np.finfo(dtype).eps / 2 * abs(exact[2]).max(), 0]
        for a, b, more in zip(ours, exact, lost, strict=True):
            atol = tolerance * abs(b).max() + more
            assert_allclose(a.astype(np.float64), b, rtol=tolerance, atol=atol)


@pytest.mark.parametrize(
    "form", ["few long rows", "channels last", "a batch", "rows", "short segments", "short rows"]
)
def test_what_is_not_ordinary_is_left_to_the_plain_kernels(form, rng):
    """A set of NaN, one of 1e30, a constant one, and one whose gradient is of size 1e-30."""
    from instnorm.rows import numba as compiled

    shape, order = FORMS.get(form, ((2, 6, 1, 900), None))
    x, dy = rng.standard_normal((2, *shape)).astype(np.float32)
    for special in range(4):
        a, d = x.copy(), dy.copy()
        if special < 3:
            a[-1, -1] = [np.nan, 1e30 * a[-1, -1], 7][special]
        else:
            d[-1, -1] *= np.float32(1e-30)
        if order:
            a, d = (
                np.ascontiguousarray(b.transpose(order)).transpose(np.argsort(order))
                for b in (a, d)
            )
        scale = np.ones((shape[1], shape[2] if "short" in form else 1))
        ours = *compiled.forward(a, 0.0), *compiled.backward(d, a, 0.0, scale)
        exact = *plain.forward(a, 0.0), *plain.backward(d, a, 0.0, scale)
        for p, q in zip(ours, exact, strict=True):
            assert_array_equal(np.isnan(p), np.isnan(q))
            assert_allclose(p, q, rtol=2e-6, atol=1e-6 + 2e-6 * np.nan_to_num(np.abs(q)).max())
        dx, exact_dx = ours[3][-1, -1], exact[3][-1, -1]
        assert_allclose(dx, exact_dx, rtol=0, atol=4e-6 * np.abs(exact_dx).max())
        inplace = a.copy("K")
        compiled.forward(inplace, 0.0, out=inplace)
        assert_allclose(inplace, ours[0], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("form", ["whole rows", "short segments", "a weight for each element"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_written_past_the_cache_lies_where_it_should(form, dtype, rng):
    """Large results, at several distances from a line of the cache; some 0.5 s each.

    A part that is not large gets the same numbers in the ordinary way.
    """
    from instnorm.rows import loops
    from instnorm.rows import numba as compiled

    shape = {"whole rows": (190, 20, 1, 1171), "short segments": (190, 20, 57, 20)}.get(
        form, (5600, 1, 779, 1)
    )
    x, dy = (rng.standard_normal((2, *shape), np.float32) + 1).astype(dtype)
    scale, shift = rng.standard_normal((2, *shape[1:3]))
    part = len(x) // 20
    assert x.nbytes > loops.LARGE > loops.LARGE_GRADIENT > part * x[0].nbytes
    memory = np.full(x.nbytes + 256, 7, np.uint8)
    for large, call in (
        (loops.LARGE, lambda n, **out: compiled.forward(x[:n], 1e-5, scale, shift, **out)),
        (
            loops.LARGE_GRADIENT,
            lambda n, **out: compiled.backward(dy[:n], x[:n], 1e-5, scale, **out),
        ),
    ):
        number = large // x[0].nbytes + 1
        expected = call(number)[0]
        assert_array_equal(expected[:part], call(part)[0])
        for offset in (0, dtype(0).itemsize, 40, 1):  # bytes; the last is no dtype's own
            begin = -memory.ctypes.data % 64 + 64 + offset
            end = begin + number * x[0].nbytes
            memory[begin - 64 : begin] = memory[end : end + 64] = 7
            out = memory[begin:end].view(dtype).reshape(number, *shape[1:])
            call(number, out=out)
            assert_array_equal(out, expected)
            assert (memory[begin - 64 : begin] == 7).all()
            assert (memory[end : end + 64] == 7).all()


def kernels_of_a_test():
    """A kernel that counts how often it sees each block, and one that fails for one of them."""
    from instnorm.rows.parallel import job, lead

    @numba.njit
    def count(seen, block):
        for _ in range(1000):
            seen[block] += 1

    @numba.njit
    def fail(seen, block):
        if block == 7:
            raise ValueError
        seen[block] += 1

    @numba.njit(nogil=True)
    def counting(slots, helpers, blocks, *given):
        return -lead(slots, job(count, helpers, blocks, given))

    @numba.njit(nogil=True)
    def failing(slots, helpers, blocks, *given):
        return -lead(slots, job(fail, helpers, blocks, given))

    return counting, failing


def test_each_block_is_worked_on_once_and_one_that_fails_is_told(monkeypatch):
    """With callers that come at once, too. Compiles: some 2 seconds."""
    counting, failing = kernels_of_a_test()
    monkeypatch.setattr(threads, "count", lambda: 3)

    def call():
        for _ in range(200):
            seen = np.zeros(100, np.int64)
            threads.share(counting, 100, seen)
            assert_array_equal(seen, 1000)

    threads.share(counting, 100, np.zeros(100, np.int64))
    errors = []

    def caller():
        try:
            call()
        except BaseException as error:
            errors.append(error)

    callers = [threading.Thread(target=caller) for _ in range(3)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join()
    assert not errors
    for _ in range(20):
        seen = np.zeros(100, np.int64)
        with pytest.raises(MemoryError):
            threads.share(failing, 100, seen)
        assert seen.sum() == 99


@pytest.mark.parametrize(
    ("worker", "expected"),
    [
        (0, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (1, [3, 4, 5, 6, 7, 8, 9, 0, 1, 2]),
        (2, [6, 7, 8, 9, 0, 1, 2, 3, 4, 5]),
    ],
)
def test_a_worker_begins_with_its_own_blocks_and_then_helps_the_others(worker, expected):
    """So that it finds in its cache what it wrote the last time. Compiles: a second each."""
    from instnorm.rows.parallel import begin, call, job

    @numba.njit
    def note(order, number, block):
        order[number[0]] = block
        number[0] += 1

    @numba.njit
    def alone(worker, helpers, blocks, *given):
        one = job(note, helpers, blocks, given)
        begin(one)
        call(one, worker)

    order = np.full(10, -1)
    alone(worker, 2, 10, order, np.zeros(1, np.int64))
    assert_array_equal(order, expected)


def test_a_block_that_fails_after_the_leader_has_done_its_own_is_told(monkeypatch):
    """Compiles: a second."""
    from instnorm.rows.parallel import job, lead, nap

    @numba.njit
    def fail_late(seen, block):
        if block == 0:
            for _ in range(20_000):
                if seen[1]:  # the other one is at work
                    return
                nap(10)
        else:
            seen[1] = 1
            nap(20_000)
            raise ValueError

    @numba.njit(nogil=True)
    def kernel(slots, helpers, blocks, *given):
        return -lead(slots, job(fail_late, helpers, blocks, given))

    monkeypatch.setattr(threads, "count", lambda: 2)
    monkeypatch.setattr(threads, "_crew", None)
    for begun in (1, 0, 0, 0, 0):  # while the first call compiles, the helper goes to sleep
        with pytest.raises(MemoryError):
            threads.share(kernel, 2, np.array([0, begun]))


def test_helpers_that_do_not_come_are_not_waited_for(monkeypatch):
    """Slots that nobody serves: the threads died, or have not yet been given a processor."""
    counting, _ = kernels_of_a_test()
    monkeypatch.setattr(threads._Crew, "help", lambda crew, i: None)
    monkeypatch.setattr(threads, "count", lambda: 4)
    monkeypatch.setattr(threads, "_crew", None)
    seen = np.zeros(100, np.int64)
    threads.share(counting, 100, seen)
    assert_array_equal(seen, 1000)
    assert threads._crew.number == 3
    assert not threads._crew.slots[:, 0].any()  # the jobs have been taken back


def test_a_job_that_comes_while_a_helper_goes_to_sleep_is_done(monkeypatch):
    """The leader looked when nobody slept, and gave its job when the helper had just given up."""
    given, done = threading.Event(), threading.Event()

    def serve(slot, number, turns):
        if not given.wait(0 if given.is_set() else 5):
            return
        if not crew.looked:
            crew.woken(1)
            crew.slots[0, 0] = 8  # the job comes when this call has ended
        elif crew.slots[0, 0]:
            crew.slots[0, 0] = 0
            done.set()

    monkeypatch.setattr(threads, "_turns", lambda slot: 100)
    monkeypatch.setattr(threads, "count", lambda: 2)
    monkeypatch.setattr(threads, "serve", serve)
    crew = threads._Crew(1)
    given.set()
    assert done.wait(5)


def test_where_no_thread_can_be_started_the_caller_works_alone(monkeypatch):
    counting, _ = kernels_of_a_test()

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr(threads, "count", lambda: 4)
    monkeypatch.setattr(threads, "_crew", None)
    seen = np.zeros(10, np.int64)
    threads.share(counting, 10, seen)
    assert_array_equal(seen, 1000)


def test_how_many_threads_may_work_is_asked_again(monkeypatch):
    """A program may be given more or fewer processors while it runs."""
    monkeypatch.setattr(threads, "_crew", None)
    x, seen, woken = np.ones((4, 16, 128, 128), np.float32), [], threads._Crew.woken
    monkeypatch.setattr(
        threads._Crew, "woken", lambda *given: seen.append(woken(*given)) or seen[-1]
    )
    for number in (3, 1, 2):
        monkeypatch.setattr(threads, "count", lambda number=number: number)
        time.sleep(2 * threads.LOOK)
        for _ in range(5):
            instnorm.instance_norm(x)
        assert max(seen[-3:]) == min(seen[-3:]) == number - 1 or number == 1
        assert (number == 1) == (threads.blocks_for(x.size, 64) == 1)
    assert 0 in seen


@pytest.mark.alone
def test_helpers_go_to_sleep_and_wake_up(monkeypatch):
    """Idle, the process takes no time; then a helper comes again."""
    monkeypatch.setattr(threads, "count", lambda: 2)
    x = np.ones((4, 16, 128, 128), np.float32)
    for _ in range(3):
        instnorm.instance_norm(x)
        deadline = time.monotonic() + 30
        while len(threads._crew.asleep) < threads._crew.number:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        before = time.process_time()
        time.sleep(0.3)
        assert time.process_time() - before < 0.1


@pytest.mark.parametrize("moments", [False, True])
@pytest.mark.parametrize("segments", [1, 3])
def test_all_threads_work_on_a_long_row_and_its_result_does_not_depend_on_their_number(
    segments, moments, monkeypatch, rng
):
    """Its centre is first guessed 1e4 too high: the samples are. Half a second each."""
    from instnorm.rows import numba as compiled

    x, dy = rng.standard_normal((2, 1, 1, segments, 300_000 // segments)).astype(np.float32)
    x.reshape(-1)[compiled._tables(1, x.size, segments)[1][:, 1]] += 1e4
    scale, shift = rng.standard_normal((2, 1, segments))
    exact = plain.forward(x.astype(np.float64), 1e-5, scale, shift)
    exact += plain.backward(dy.astype(np.float64), x.astype(np.float64), 1e-5, scale)
    seen = []
    for number in (2, 5):
        monkeypatch.setattr(threads, "allowed", lambda number=number: number)
        monkeypatch.setattr(compiled, "_plans", {})
        ours = compiled.forward(x, 1e-5, scale, shift)
        given = ours[1:] if moments else None
        ours += compiled.backward(dy, x, 1e-5, scale, given)
        (plan,) = compiled._plans.values()
        assert plan.parts == 300_000 // compiled.PART
        seen.append(ours)
    for a, b, c in zip(*seen, exact, strict=True):
        assert_array_equal(a, b)
        assert_allclose(a, c, rtol=2e-6, atol=2e-6 * abs(c).max())


@pytest.mark.parametrize(
    ("shape", "workers", "parts"),
    [
        ((1, 3, 1, 1 << 16), 2, 4),
        ((1, 4, 1, 1 << 16), 2, 0),  # enough for each thread
        ((1, 3, 1, (1 << 16) - 1), 2, 0),  # not long
        ((1, 1, 1, 1 << 16), 1, 0),  # nobody to share with
        ((1, 1, 1 << 13, 8), 2, 0),  # segments so short that a scale is written out
    ],
)
def test_all_threads_work_on_a_row_where_rows_are_few_and_long(shape, workers, parts, monkeypatch):
    from instnorm.rows import numba as compiled

    monkeypatch.setattr(threads, "allowed", lambda: workers)
    monkeypatch.setattr(compiled, "_plans", {})
    assert compiled._plan(np.empty(shape, np.float32), shape[2]).parts == parts
