"""Which threads work on a row: the plan of a launch of `rows.cu`. Needs no GPU.

The kinds of team, as in `rows.cu`:

    WARP     some lanes of a warp, for a short row
    BLOCK    a block of threads, for a row that can wait in its shared memory
    CLUSTER  8 blocks (Hopper and later), for a row that can wait in theirs
    GRID     an equal share of the whole device, for any other row

A row also gets a larger team than it needs when there are too few rows to keep the device busy.
"""

import functools
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).with_name("rows.cu")
OPTIONS = ("-std=c++17",)
TYPES = {"float16": "Half", "bfloat16": "BFloat16", "float32": "float", "float64": "double"}
ITEMSIZES = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}
VECTOR = 16  # bytes
CLUSTER_BLOCKS = 8

# A row of at most SHORT vectors is short. A thread should have about VECTORS_EACH vectors to work
# on. Less than SMALL bytes are not worth a block of their own.
SHORT = 256
VECTORS_EACH = 8
SMALL = 16 * 1024


class Device(NamedTuple):
    """The properties of a GPU that the choice of a team depends on."""

    multiprocessors: int
    shared_memory: int  # bytes, the most that one block can have
    has_clusters: bool


class Plan(NamedTuple):
    """Who works on which rows."""

    kind: str
    teams: int  # that work at the same time in different blocks
    blocks: int  # in each team
    threads: tuple  # (x, y) in each block: (members, columns) for WARP, else (columns, members)
    scratch: int  # vectors of shared memory for joining moments
    room: int  # vectors of each array that one thread can have waiting
    shared_memory: int  # bytes in all

    @property
    def columns(self):
        """Rows, or vectors of neighbouring rows, that a block works on at the same time."""
        return self.threads[1] if self.kind == "WARP" else self.threads[0]


def lanes(dtype):
    """Numbers of this dtype in a vector: the channels that lie in it in channels-last memory."""
    return VECTOR // ITEMSIZES[dtype]


def entry_point(direction, dtype, kind, lanes):
    """The name of a kernel in rows.cu: 'forward<float, BLOCK, 1>'."""
    if kind == "CLUSTER":
        return f"{direction}_cluster<{TYPES[dtype]}, {lanes}>"
    return f"{direction}<{TYPES[dtype]}, {kind}, {lanes}>"


def entry_points(dtype):
    """The names of all kernels in rows.cu that `plan` can choose for this dtype."""
    kinds = [(kind, n) for n in (1, lanes(dtype)) for kind in ("WARP", "BLOCK", "CLUSTER", "GRID")]
    kinds.remove(("WARP", lanes(dtype)))
    names = [entry_point(d, dtype, kind, n) for d in ("forward", "backward") for kind, n in kinds]
    return [*names, f"apply<{TYPES[dtype]}>"]


def message(lanes, arrays):
    """Numbers in the moments that one block of a team sends to another."""
    return 1 + 2 * arrays * lanes


@functools.cache
def plan(device, rows, length, dtype, lanes, arrays):
    """The teams for `rows` rows of `length` numbers.

    Parameters
    ----------
    device : Device
    rows, length : int
    dtype : str, a key of TYPES
    lanes : 1, or lanes(dtype) for channels-last memory
    arrays : how many arrays are read: 1 forward, 2 backward

    Returns
    -------
    Plan
    """
    itemsize = ITEMSIZES[dtype]
    bundles = rows // lanes
    vectors = length if lanes > 1 else -(-length * itemsize // VECTOR)  # in each bundle

    def team(kind, blocks, columns, threads=None):
        """A plan for teams of `blocks` blocks, each `columns` bundles wide."""
        share = -(-vectors // blocks)
        if threads is None:
            threads = max(64, share * columns // VECTORS_EACH, blocks * columns)
            threads = min(-(-threads // 32) * 32, _most_threads(lanes))
        members = threads // columns
        numbers = max(threads // 32 * (1 + arrays * lanes), message(lanes, arrays)) * columns
        scratch = 0 if kind == "WARP" else -(-numbers * max(4, itemsize) // VECTOR)
        room = -(-share // members)
        if kind == "GRID":
            free = max(0, device.shared_memory // VECTOR - scratch)
            room = min(room, free // (arrays * threads))
        return Plan(
            kind,
            teams=-(-bundles // columns),
            blocks=blocks,
            threads=(members, columns) if kind == "WARP" else (columns, members),
            scratch=scratch,
            room=room,
            shared_memory=VECTOR * (scratch + room * arrays * threads),
        )

    if lanes == 1 and vectors <= SHORT:
        members = min(max(4, _power_of_two(-(-vectors // 4))), 32)
        columns = max(32 // members, _power_of_two(rows // device.multiprocessors))
        columns = min(columns, 256 // members)
        return team("WARP", 1, columns, members * columns)

    widths = [n for n in (8, 4, 2, 1) if n <= bundles] if lanes > 1 else [1]
    for kind, blocks in {"BLOCK": 1, "CLUSTER": CLUSTER_BLOCKS}.items():
        for columns in widths:
            candidate = team(kind, blocks, columns)
            part = VECTOR * vectors * columns * arrays // blocks
            busy = 2 * candidate.teams * blocks >= device.multiprocessors
            fits = candidate.shared_memory <= device.shared_memory
            exists = kind == "BLOCK" or device.has_clusters
            if exists and fits and (busy or part < SMALL):
                return candidate

    # As many teams at a time as can have their rows waiting, and all blocks shared among them.
    columns = widths[min(1, len(widths) - 1)]
    one_block = team("GRID", 1, columns)
    waiting = one_block.room * (one_block.threads[1])
    teams = max(1, min(one_block.teams, device.multiprocessors * waiting // vectors))
    blocks = min(device.multiprocessors // teams, _most_threads(lanes) // columns)
    return team("GRID", blocks, columns)._replace(teams=teams)


def _most_threads(lanes):
    return 512 if lanes == 1 else 256  # THREADS in rows.cu


def _power_of_two(n):
    """The smallest that is not below n."""
    return 1 << max(0, n - 1).bit_length()
