"""What can be known of the GPU's row kernel without a GPU.

Every kernel in `rows.cu` compiles for Hopper (sm_90) and keeps its numbers in registers, and every
launch that `teams.plan` can choose fits on the device and reaches every row.
"""

import ctypes
import re
import sys
from importlib import metadata

import pytest

from instnorm.rows import teams

PACKAGE = "nvidia-cuda-nvrtc"
# What CuPy adds to our own options.
CUPY_OPTIONS = ("-ftz=true", "--device-as-default-execution-space")
OPTIONS = (*teams.OPTIONS, *CUPY_OPTIONS, "--ptxas-options=-v")
# Bytes that one thread may move between its registers and memory for want of registers.
MOST_SPILLED = 32

H100 = teams.Device(multiprocessors=132, shared_memory=227 * 1024, has_clusters=True)
RTX_4090 = teams.Device(multiprocessors=128, shared_memory=99 * 1024, has_clusters=False)
SMALL = teams.Device(multiprocessors=4, shared_memory=99 * 1024, has_clusters=True)
devices = pytest.mark.parametrize("device", [H100, RTX_4090, SMALL], ids=["H100", "4090", "small"])


# --- compiling ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nvrtc():
    """NVIDIA's run-time compiler, which needs no GPU."""
    if sys.platform == "darwin":
        pytest.skip(f"{PACKAGE}, NVIDIA's compiler, does not exist for macOS")
    try:
        files = [
            f for f in metadata.files(PACKAGE) or [] if "nvrtc" in f.name and ".alt." not in f.name
        ]
    except metadata.PackageNotFoundError:
        pytest.fail(
            f"NVIDIA's compiler is missing, so rows.cu can't be checked: pip install {PACKAGE}, "
            "or pip install -r requirements.txt"
        )
    # The compiler looks for its built-in functions by name, so they have to be loaded before it.
    libraries = [f for f in files if re.search(r"\.so(\.\d+)*$|\.dll$", f.name)]
    libraries.sort(key=lambda f: "builtins" not in f.name)
    return [ctypes.CDLL(str(f.locate()), mode=ctypes.RTLD_GLOBAL) for f in libraries][-1]


def compile_log(nvrtc, source, names, architecture="sm_90"):
    """The log of compiling `names` in `source`, and {the compiler's name: ours} for each."""

    def text(get_size, get):
        size = ctypes.c_size_t()
        get_size(program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        get(program, buffer)
        return buffer.value.decode()

    program = ctypes.c_void_p()
    assert not nvrtc.nvrtcCreateProgram(
        ctypes.byref(program), source.encode(), b"rows.cu", 0, None, None
    )
    for name in names:
        assert not nvrtc.nvrtcAddNameExpression(program, name.encode())
    options = [option.encode() for option in (*OPTIONS, f"-arch={architecture}")]
    failed = nvrtc.nvrtcCompileProgram(
        program, len(options), (ctypes.c_char_p * len(options))(*options)
    )
    log = text(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog)
    assert not failed, log
    compiled = {}
    for name in names:
        lowered = ctypes.c_char_p()
        assert not nvrtc.nvrtcGetLoweredName(program, name.encode(), ctypes.byref(lowered))
        compiled[lowered.value.decode()] = name
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return log, compiled


def resources(log, compiled):
    """{name: (registers of a thread, bytes spilled)}, read from the compiler's log."""
    found = {}
    for part in log.split("Compiling entry function ")[1:]:
        name = compiled[re.match(r"'(\w+)'", part)[1]]
        spilled = re.findall(r"(\d+) bytes spill", part)
        found[name] = int(re.search(r"Used (\d+) registers", part)[1]), sum(map(int, spilled))
    return found


@pytest.mark.slow  # ten seconds each
@pytest.mark.parametrize("dtype", teams.TYPES)
def test_every_kernel_compiles_for_hopper_without_spilling(nvrtc, dtype):
    names = teams.entry_points(dtype)
    found = resources(*compile_log(nvrtc, teams.SOURCE.read_text(encoding="utf-8"), names))
    assert set(found) == set(names)
    spilling = {name: spilled for name, (_, spilled) in found.items() if spilled > MOST_SPILLED}
    assert not spilling, f"more than {MOST_SPILLED} bytes spilled by each thread: {spilling}"
    for name, (registers, _) in found.items():
        short_or_side_by_side = "WARP" in name or "apply" in name or not name.endswith(" 1>")
        assert registers * (256 if short_or_side_by_side else 512) <= 65536, name


def test_older_gpus_do_without_clusters(nvrtc):
    names = [name for name in teams.entry_points("bfloat16") if "BLOCK, 1" in name]
    source = teams.SOURCE.read_text(encoding="utf-8")
    assert set(resources(*compile_log(nvrtc, source, names, "sm_80"))) == set(names)


def test_spills_are_seen(nvrtc):
    """The check above can fail: 256 numbers do not fit in the registers that 1024 threads leave."""
    source = """
    __global__ void __launch_bounds__(1024) crowded(float* x) {
        float v[256];
        #pragma unroll
        for (int i = 0; i < 256; ++i) v[i] = x[i * 1024 + threadIdx.x];
        __syncthreads();
        #pragma unroll
        for (int i = 0; i < 256; ++i) x[(255 - i) * 1024 + threadIdx.x] = v[i];
    }
    """
    _, spilled = resources(*compile_log(nvrtc, source, ["crowded"]))["crowded"]
    assert spilled > MOST_SPILLED


# --- planning -------------------------------------------------------------------------------------

LENGTHS = [1, 2, 7, 49, 64, 1000, 1024, 1025, 4096, 12_544, 58_000, 70_000, 300_000, 2**20, 2**24]


def plans(device):
    """(rows, length, dtype, lanes, arrays, plan) over a wide range of tasks."""
    for dtype in teams.TYPES:
        for lanes in (1, teams.lanes(dtype)):
            for arrays in (1, 2):
                for length in LENGTHS:
                    for bundles in (1, 2, 3, 5, 16, 100, 1000, 100_000):
                        task = bundles * lanes, length, dtype, lanes, arrays
                        yield *task, teams.plan(device, *task)


@devices
def test_every_plan_fits_on_the_device(device):
    for rows, length, dtype, lanes, arrays, plan in plans(device):
        case = f"{rows} rows of {length} {dtype}, {lanes} lanes, {arrays} arrays: {plan}"
        threads = plan.threads[0] * plan.threads[1]
        assert threads % 32 == 0, case
        assert threads <= (256 if plan.kind == "WARP" or lanes > 1 else 512), case
        assert plan.columns in (1, 2, 4, 8, 16, 32, 64), case
        assert plan.shared_memory <= device.shared_memory, case
        assert plan.kind != "CLUSTER" or device.has_clusters, case
        if plan.kind == "GRID":  # its blocks wait for each other
            assert plan.teams * plan.blocks <= device.multiprocessors, case
        if plan.blocks > 1:  # a thread for each block's message
            assert plan.blocks <= threads // plan.columns, case


@devices
def test_every_plan_reaches_every_row(device):
    for rows, length, dtype, lanes, arrays, plan in plans(device):
        case = f"{rows} rows of {length} {dtype}, {lanes} lanes, {arrays} arrays: {plan}"
        members = plan.threads[0] * plan.threads[1] // plan.columns
        vectors = length if lanes > 1 else length * teams.ITEMSIZES[dtype] / teams.VECTOR
        if plan.kind == "GRID":
            assert plan.teams >= 1, case
            assert plan.room >= 0, case
        else:
            assert plan.teams * plan.columns * lanes >= rows, case
            assert plan.room * members * plan.blocks >= vectors, case  # all can wait


def test_larger_teams_for_longer_rows_and_for_fewer():
    def kind(rows, side):
        return teams.plan(H100, rows, side * side, "float32", 1, 1).kind

    assert kind(4096, 16) == "WARP"
    assert kind(4096, 56) == kind(4096, 224) == "BLOCK"
    assert kind(4096, 300) == kind(4096, 600) == "CLUSTER"
    assert kind(64, 1024) == kind(4, 4096) == "GRID"
    assert kind(16, 224) == "CLUSTER"
    assert kind(3, 512) == "GRID"


def test_few_long_rows_keep_the_whole_device_busy():
    for rows in (1, 2, 3, 10, 64):
        plan = teams.plan(H100, rows, 2048 * 2048, "float32", 1, 1)
        assert plan.teams * plan.blocks > 0.9 * H100.multiprocessors
