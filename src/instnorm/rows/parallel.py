"""Handing work over to other threads inside compiled code, where nobody needs Python's lock.

Numba has threads of its own, but its layers abort when two callers come at once, or in a forked
process; these do neither. And a sleeping thread needs some 50 microseconds to wake up, as long as
all the work may take; one that waits actively is there at once.

A job is a kernel, its arguments and the number of its blocks; it lies on the stack of the thread
that leads it, which so must not return before the job has ended. Each helper has a slot, a word in
memory that says what it does:

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
_HEAD = 4  # what a job begins with: its code, the next block, how many there are, what has failed


@intrinsic
def job(typing_context, kernel, blocks, given):
    """The address of a job: kernel(*given, block) for each block in range(blocks)."""
    signature = kernel.get_call_type(typing_context, (*given, types.int64), {})

    def generate(context, builder, _, arguments):
        _, blocks, given = arguments
        result = kernel.dispatcher.get_compile_result(signature)
        context.add_linking_libs([result.library])
        kind = ir.LiteralStructType([*[_WORD] * _HEAD, given.type])
        code = ir.Function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [_WORD]),
            builder.module.get_unique_name("blocks_of_a_job"),
        )
        code.linkage = "internal"
        _work(context, code, kind, result.fndesc, signature)
        place = cgutils.alloca_once(builder, kind)
        for i, value in enumerate([builder.ptrtoint(code, _WORD), _WORD(0), blocks, _WORD(0)]):
            builder.store(value, cgutils.gep_inbounds(builder, place, 0, i))
        builder.store(given, cgutils.gep_inbounds(builder, place, 0, _HEAD))
        return builder.ptrtoint(place, _WORD)

    return types.int64(kernel, types.int64, given), generate


def _work(context, code, kind, fndesc, signature):
    """Writes the code of a job: take the next block and work on it, until there is none."""
    first, body, failed, end = map(code.append_basic_block, ("first", "body", "failed", "end"))
    start = ir.IRBuilder(first)
    place = start.inttoptr(code.args[0], kind.as_pointer())
    at = [cgutils.gep_inbounds(start, place, 0, i) for i in range(_HEAD + 1)]
    start.branch(body)
    builder = ir.IRBuilder(body)
    block = builder.atomic_rmw("add", at[1], _WORD(1), "seq_cst")
    with builder.if_then(builder.icmp_signed(">=", block, builder.load(at[2]))):
        builder.branch(end)
    given = cgutils.unpack_tuple(builder, builder.load(at[_HEAD]))
    status, _ = context.call_internal_no_propagate(builder, fndesc, signature, [*given, block])
    builder.cbranch(status.is_error, failed, body)
    builder = ir.IRBuilder(failed)
    builder.atomic_rmw("add", at[3], _WORD(1), "seq_cst")
    builder.branch(body)
    builder = ir.IRBuilder(end)
    builder.fence("seq_cst")  # what was written past the cache would come later than what follows
    builder.ret_void()


def _pointer(builder, address, kind=_WORD):
    return builder.inttoptr(address, kind.as_pointer())


@intrinsic
def call(typing_context, job):
    """Work on the job until none of its blocks is left. Returns how many blocks have failed."""

    def generate(context, builder, signature, arguments):
        (job,) = arguments
        kind = ir.FunctionType(ir.VoidType(), [_WORD])
        builder.call(_pointer(builder, builder.load(_pointer(builder, job)), kind), [job])
        failed = builder.gep(_pointer(builder, job), [_WORD(3)])
        return builder.load_atomic(failed, "seq_cst", 8)

    return types.int64(job), generate


@intrinsic
def load(typing_context, address):
    def generate(context, builder, signature, arguments):
        return builder.load_atomic(_pointer(builder, arguments[0]), "seq_cst", 8)

    return types.int64(types.int64), generate


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
def lead(slots, helpers, job):
    """Work on the job, with so many helpers. Returns how many blocks have failed.

    A helper that does not come, or no longer exists, is not waited for.
    """
    for i in range(helpers):
        exchange(slots + 8 * SLOT * i, 0, job)
    failed = call(job)
    for i in range(helpers):
        slot = slots + 8 * SLOT * i
        turns = 0
        if not exchange(slot, job, 0):
            while load(slot) == job + 1:
                relax()
                turns += 1
                if turns > PATIENCE:
                    nap(50)
    return failed


@jit
def serve(slot, turns):
    """Work on the jobs that come to this slot, until none has come for so many turns."""
    waited = 0
    while waited < turns:
        exchange(slot + 8, load(slot + 8), processor())
        job = load(slot)
        if job != 0 and exchange(slot, job, job + 1):
            call(job)
            exchange(slot, job + 1, 0)
            waited = 0
        relax()
        waited += 1
