"""As much of CuPy as `instnorm` uses, on NumPy: rows.cu runs on the CPU, through cuda.h.

Named `cupy` while the tests of test_cuda_on_cpu.py run.
"""

import ctypes
import hashlib
import mmap
import os
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from instnorm.rows import teams

HEADER = Path(__file__).with_name("cuda.h")
BUILT = Path(__file__).parents[3] / "_build" / "cuda_on_cpu"
COMPILE = ("g++", "-std=c++17", "-O1", "-shared", "-fPIC", "-ffp-contract=off", "-w")
# Six multiprocessors, each with the shared memory of a Hopper GPU.
ATTRIBUTES = {"MultiProcessorCount": 6, "MaxSharedMemoryPerBlockOptin": 227 * 1024}


# --- arrays ---------------------------------------------------------------------------------------


class ndarray(np.ndarray):
    """A NumPy array with the attributes of a CuPy array."""

    device = SimpleNamespace(id=0)

    @property
    def data(self):
        return SimpleNamespace(ptr=self.__array_interface__["data"][0])

    def get(self):
        return np.array(self)


def empty(shape, dtype=np.float64):
    """Full of NaNs, at a multiple of 16 bytes, and right before memory that may not be touched."""
    dtype = np.dtype(dtype)
    size = int(np.prod(shape)) * dtype.itemsize
    room = -(-max(size, 1) // mmap.PAGESIZE) * mmap.PAGESIZE
    memory = np.frombuffer(mmap.mmap(-1, room + mmap.PAGESIZE), np.uint8)
    protect = ctypes.CDLL(None).mprotect
    assert not protect(ctypes.c_void_p(memory.ctypes.data + room), mmap.PAGESIZE, 0)
    memory[:room] = 0xFF
    start = (room - size) // 16 * 16
    return memory[start : start + size].view(dtype).reshape(shape).view(ndarray)


def asarray(a, dtype=None):
    a = np.asarray(a, dtype)
    copy = empty(a.shape, a.dtype)
    copy[...] = a
    return copy


def zeros(shape, dtype=np.float64):
    return asarray(np.zeros(shape, dtype))


def ones(shape, dtype=np.float64):
    return asarray(np.ones(shape, dtype))


def ascontiguousarray(a, dtype=None):
    contiguous = np.ascontiguousarray(a, dtype)
    return a if np.may_share_memory(a, contiguous) else asarray(contiguous)


def __getattr__(name):
    """Any other function is NumPy's, with results that count as ours."""
    function = getattr(np, name)
    if not callable(function) or isinstance(function, type):
        return function

    def ours(*args, **kwargs):
        result = function(*args, **kwargs)
        return result.view(ndarray) if isinstance(result, np.ndarray) else result

    return ours


# --- the device -----------------------------------------------------------------------------------

cuda = SimpleNamespace(
    is_available=lambda: True,
    Device=lambda number=0: SimpleNamespace(attributes=ATTRIBUTES, compute_capability="90"),
    driver=SimpleNamespace(occupancyMaxActiveBlocksPerMultiprocessor=lambda *_: 1),
)


class RawModule:
    def __init__(self, code, options, name_expressions, enable_cooperative_groups):
        self.code, self.cooperative = code, enable_cooperative_groups

    def get_function(self, name):
        return Kernel(self.code, name, self.cooperative)


class Kernel:
    """A kernel of rows.cu, compiled for the CPU."""

    kernel = SimpleNamespace(ptr=0)
    launches = 0

    def __init__(self, code, name, cooperative):
        self.name, self.cooperative = name, cooperative
        dtype = next(d for d, t in teams.TYPES.items() if re.search(rf"<{t}\b", name))
        self.number = teams.entry_points(dtype).index(name)
        self.launch = ctypes.CDLL(str(library(code, dtype))).launch

    def __call__(self, grid, block, args, *, shared_mem=0):
        grid, block = ((*size, 1)[:2] for size in (grid, block))
        threads = block[0] * block[1]
        assert shared_mem <= ATTRIBUTES["MaxSharedMemoryPerBlockOptin"]
        assert threads <= 512
        assert self.cooperative == ("GRID" in self.name)
        at_once = 1
        if "cluster" in self.name:
            at_once = teams.CLUSTER_BLOCKS
            assert grid[0] % at_once == 0
        elif self.cooperative:
            at_once = grid[0]
            assert at_once <= ATTRIBUTES["MultiProcessorCount"]
        values = [as_argument(a) for a in args]
        pointers = (ctypes.c_void_p * len(values))(*(ctypes.addressof(v) for v in values))
        Kernel.launches += 1  # each launch has a schedule of its own
        shared = ctypes.c_size_t(shared_mem)
        self.launch(self.number, pointers, *grid, *block, shared, at_once, Kernel.launches)


def as_argument(a):
    if a is None:
        return ctypes.c_void_p()
    if isinstance(a, ndarray):
        return ctypes.c_void_p(a.data.ptr)
    if isinstance(a, np.ndarray):  # a struct, passed by value
        return (ctypes.c_char * a.nbytes).from_buffer(a)
    return ctypes.c_int64(a)


def library(code, dtype):
    """All kernels for `dtype`, in a shared library."""
    names = teams.entry_points(dtype)
    cases = "\n".join(
        f"if (number == {i}) cpu::kernel = cpu::bind(&{name}, arguments);"
        for i, name in enumerate(names)
    )
    source = f"""
        {HEADER.read_text(encoding="utf-8")}
        {on_cpu(code)}
        extern "C" void launch(int number, void** arguments, int gx, int gy, int bx, int by,
                               size_t shared, int at_once, int seed) {{
            {cases}
            cpu::dice.seed(seed);
            cpu::launch({{gx, gy}}, {{bx, by}}, shared, at_once);
        }}"""
    path = BUILT / (hashlib.sha256(source.encode()).hexdigest()[:20] + ".so")
    if not path.exists():
        BUILT.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(f".{os.getpid()}")
        command = (*COMPILE, "-x", "c++", "-", "-o", str(half))
        subprocess.run(command, input=source, text=True, check=True)
        half.replace(path)
    return path


def on_cpu(code):
    """rows.cu in plain C++: other words for shared memory and for what is written in assembly."""
    replacements = {
        r"extern __shared__ uint4 shared\[\];": "uint4* shared = cpu::self->block->shared.data();",
        r'asm\("cvt\.f32\.f16.*?;"[^;]*;': "f = widen_half(h.bits);",
        r'asm\("cvt\.rn\.f16\.f32.*?;"[^;]*;': "h.bits = narrow_to_half(f);",
        r'asm\("cvt\.rn\.bf16\.f32.*?;"[^;]*;': "b.bits = narrow_to_bfloat16(f);",
        r'asm volatile\("cp\.async\.cg.*?;"[^;]*;': "copy_later(to, from);",
        r'asm volatile\("cp\.async\.wait_all;"[^;]*;': "copy_now();",
    }
    for pattern, replacement in replacements.items():
        code, count = re.subn(pattern, replacement, code)
        assert count == 1, f"rows.cu has changed: {count} places match {pattern}"
    return code
