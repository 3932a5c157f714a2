"""Handing work over to other threads inside compiled code, where nobody needs Python's lock.

Numba has threads of its own, but its layers abort when two callers come at once, or in a forked
process; these do neither. And a sleeping thread needs some 50 microseconds to wake up, as long as
all the work may take; one that waits actively is there at once.

A job is a kernel, its arguments and the number of its blocks, which its workers share: the leader,
worker 0, and the helpers. It lies on the stack of the thread that leads it, which so must not
return before the job has ended. Each helper has a slot, a word in memory that says what it does:

    0          it has nothing to do
    job        here is a job for it, which it may begin, and the leader may take back
    job + 1    it works on the job

The word after it is the processor that the helper was last seen on.
"""

import os
import platform

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .jit import jit

SLOT = 8  # words from one slot to the next, so that they lie in different lines of the cache
PATIENCE = 10_000  # turns that the leader waits actively for a helper to finish its last block
PAUSE = "llvm.x86.sse2.pause"

_WORD = ir.IntType(64)
# What a job begins with: its code, how many blocks there are, how many threads may work, how many
# blocks have failed, and where the counters of the threads are.
CODE, BLOCKS, WORKERS, FAILED, COUNTERS, _HEAD = range(6)


@intrinsic
def job(typing_context, kernel, helpers, blocks, given):
    """The address of a job: kernel(*given, block) for each block in range(blocks).

    So many helpers may work on it, besides the leader.
    """
    signature = kernel.get_call_type(typing_context, (*given, types.int64), {})

    def generate(context, builder, _, arguments):
        _, helpers, blocks, given = arguments
        result = kernel.dispatcher.get_compile_result(signature)
        context.add_linking_libs([result.library])
        kind = ir.LiteralStructType([*[_WORD] * _HEAD, given.type])
        code = ir.Function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [_WORD, _WORD]),
            builder.module.get_unique_name("block_of_a_job"),
        )
        code.linkage = "internal"
        _block(context, code, kind, result.fndesc, signature)
        workers = builder.add(helpers, _WORD(1))
        counters = builder.alloca(_WORD, workers)
        addresses = (builder.ptrtoint(p, _WORD) for p in (code, counters))
        place = cgutils.alloca_once(builder, kind)
        head = dict(zip((CODE, COUNTERS), addresses, strict=True))
        head |= {BLOCKS: blocks, WORKERS: workers, FAILED: _WORD(0)}
        for i, value in head.items():
            builder.store(value, cgutils.gep_inbounds(builder, place, 0, i))
        builder.store(given, cgutils.gep_inbounds(builder, place, 0, _HEAD))
        return builder.ptrtoint(place, _WORD)

    return types.int64(kernel, types.int64, types.int64, given), generate


def _block(context, code, kind, fndesc, signature):
    """Writes the code of a job: work on a block."""
    builder = ir.IRBuilder(code.append_basic_block())
    job, block = code.args
    place = builder.inttoptr(job, kind.as_pointer())
    given = builder.load(cgutils.gep_inbounds(builder, place, 0, _HEAD))
    given = [*cgutils.unpack_tuple(builder, given), block]
    status, _ = context.call_internal_no_propagate(builder, fndesc, signature, given)
    with builder.if_then(status.is_error):
        failed = cgutils.gep_inbounds(builder, place, 0, FAILED)
        builder.atomic_rmw("add", failed, _WORD(1), "seq_cst")
    builder.ret_void()


def _pointer(builder, address, kind=_WORD):
    return builder.inttoptr(address, kind.as_pointer())


@intrinsic
def work_on(typing_context, job, block):
    def generate(context, builder, signature, arguments):
        job, _ = arguments
        kind = ir.FunctionType(ir.VoidType(), [_WORD, _WORD])
        builder.call(_pointer(builder, builder.load(_pointer(builder, job)), kind), arguments)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def take(typing_context, counter):
    """The number that a counter is at; it goes on to the next."""

    def generate(context, builder, signature, arguments):
        counter = _pointer(builder, arguments[0])
        return builder.atomic_rmw("add", counter, _WORD(1), "seq_cst")

    return types.int64(types.int64), generate


@intrinsic
def settle(typing_context):
    """Let all that was written come before what follows; past the cache it would come later."""

    def generate(context, builder, signature, arguments):
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def load(typing_context, address):
    def generate(context, builder, signature, arguments):
        return builder.load_atomic(_pointer(builder, arguments[0]), "seq_cst", 8)

    return types.int64(types.int64), generate


@intrinsic
def store(typing_context, address, value):
    def generate(context, builder, signature, arguments):
        address, value = arguments
        builder.store_atomic(value, _pointer(builder, address), "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def exchange(typing_context, address, old, new):
    """Put `new` where `old` is; False if that is not there."""

    def generate(context, builder, signature, arguments):
        address, old, new = arguments
        pair = builder.cmpxchg(_pointer(builder, address), old, new, "seq_cst", "seq_cst")
        return builder.extract_value(pair, 1)

    return types.boolean(types.int64, types.int64, types.int64), generate


@intrinsic
def relax(typing_context):
    """Tell the processor that this thread waits actively."""

    def generate(context, builder, signature, arguments):
        if platform.machine() in ("x86_64", "AMD64"):
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, PAUSE), [])
        return context.get_dummy_value()

    return types.void(), generate


if os.name == "posix":
    nap = types.ExternalFunction("usleep", types.int32(types.uint32))
else:

    @jit
    def nap(microseconds):
        relax()


if hasattr(os, "sched_setaffinity"):
    _processor = types.ExternalFunction("sched_getcpu", types.int32())
else:

    @jit
    def _processor():
        return -1


@jit
def processor():
    """The number of the processor that this thread is on; -1 where nobody knows."""
    return np.int64(_processor())


@jit
def first(job, worker):
    """The first of the blocks that a worker begins with."""
    return load(job + 8 * BLOCKS) * worker // load(job + 8 * WORKERS)


@jit
def begin(job):
    """Let each worker's counter be at the first of its blocks."""
    for i in range(load(job + 8 * WORKERS)):
        store(load(job + 8 * COUNTERS) + 8 * i, first(job, i))


@jit
def call(job, worker):
    """Work on the job until none of its blocks is left.

    Each worker begins with blocks of its own, the same in each job of so many: what it wrote the
    last time may still be in its cache. Then it helps the others.
    """
    workers, counters = load(job + 8 * WORKERS), load(job + 8 * COUNTERS)
    for i in range(workers):
        whose = (worker + i) % workers
        end = first(job, whose + 1)
        block = take(counters + 8 * whose)
        while block < end:
            work_on(job, block)
            block = take(counters + 8 * whose)
    settle()


@jit
def lead(slots, job):
    """Work on the job, with its helpers. Returns how many blocks have failed.

    A helper that does not come, or no longer exists, is not waited for.
    """
    begin(job)
    workers = load(job + 8 * WORKERS)
    for i in range(workers - 1):
        exchange(slots + 8 * SLOT * i, 0, job)
    call(job, 0)
    for i in range(workers - 1):
        slot = slots + 8 * SLOT * i
        turns = 0
        if not exchange(slot, job, 0):
            while load(slot) == job + 1:
                relax()
                turns += 1
                if turns > PATIENCE:
                    nap(50)
    return load(job + 8 * FAILED)


@jit
def serve(slot, number, turns):
    """Work on the jobs that come to slot `number`, until none has come for so many turns."""
    waited = 0
    while waited < turns:
        exchange(slot + 8, load(slot + 8), processor())
        job = load(slot)
        if job != 0 and exchange(slot, job, job + 1):
            call(job, number + 1)
            exchange(slot, job + 1, 0)
            waited = 0
        relax()
        waited += 1
