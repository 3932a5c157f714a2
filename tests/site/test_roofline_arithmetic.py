"""What "Roofline" computes, against the plans of the kernels."""

import json
import subprocess
from pathlib import Path

import pytest

from instnorm.rows import teams

MODULE = Path(__file__).parents[2] / "book" / "explorables" / "roofline.js"
CALL = f"""
import {{ readFileSync }} from "node:fs";
const module = await import({json.dumps(MODULE.resolve().as_uri())});
const [name, calls] = JSON.parse(readFileSync(0, "utf8"));
const device = (d) => module.DEVICES[d];
console.log(JSON.stringify(calls.map(([d, ...rest]) => module[name](device(d), ...rest))));
"""
# The same figures as in the module.
DEVICES = {
    "h100": teams.Device(multiprocessors=132, shared_memory=227 * 1024, has_clusters=True),
    "h200": teams.Device(multiprocessors=132, shared_memory=227 * 1024, has_clusters=True),
    "a100": teams.Device(multiprocessors=108, shared_memory=163 * 1024, has_clusters=False),
}
DTYPES = {"float32": 4, "float16": 2}
SIDES = [1, 3, 4, 8, 14, 28, 31, 32, 56, 64, 100, 112, 224, 240, 256, 300, 512, 1024, 2048, 4096]
ROWS = [1, 2, 3, 16, 64, 131, 132, 1000, 16384]


@pytest.fixture
def js(node):
    """Call a function of the module many times: its results, in the order of the arguments."""

    def call(name, calls):
        run = subprocess.run(
            [node, "--input-type=module", "--eval", CALL],
            input=json.dumps([name, calls]),
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(run.stdout)

    return call


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("arrays", [1, 2])
def test_the_teams_are_those_of_the_kernels(js, device, dtype, arrays):
    shapes = [(rows, side * side) for rows in ROWS for side in SIDES]
    calls = [(device, rows, length, DTYPES[dtype], arrays) for rows, length in shapes]
    kinds = set()
    for (rows, length), theirs in zip(shapes, js("plan", calls), strict=True):
        ours = teams.plan(DEVICES[device], rows, length, dtype, 1, arrays)
        kinds.add(ours.kind)
        assert theirs == {
            "kind": ours.kind,
            "teams": ours.teams,
            "blocks": ours.blocks,
            "threads": ours.threads[0] * ours.threads[1],
            "room": ours.room,
            "sharedMemory": ours.shared_memory,
        }, (rows, length)
    assert kinds == {"WARP", "BLOCK", "GRID"} | (
        {"CLUSTER"} if DEVICES[device].has_clusters else set()
    )


def test_what_waits_is_read_once(js):
    small, large = js("readAgain", [("h100", 1000, 512 * 512, 4, 1), ("h100", 4, 8192**2, 4, 1)])
    assert small == 0
    plan = teams.plan(DEVICES["h100"], 4, 8192**2, "float32", 1, 1)
    waits = plan.room * plan.threads[1] * plan.blocks * 16
    assert large == pytest.approx(1 - waits / (4 * 8192**2))


def test_bytes_are_sweeps_over_the_array(js):
    forward, backward = js(
        "traffic", [("h100", 64, 56 * 56, 4, "forward"), ("a100", 64, 56 * 56, 2, "backward")]
    )
    array = 64 * 56 * 56
    assert forward == {"steps": 8 * 4 * array, "torch": 3 * 4 * array, "ours": 2 * 4 * array}
    assert backward == {"steps": 22 * 2 * array, "torch": 5 * 2 * array, "ours": 3 * 2 * array}


def test_the_roof(js):
    speeds = js("attainable", [("h100", 1), ("h100", 20), ("h100", 1000), ("a100", 2)])
    assert speeds == [3.35e12, 67e12, 67e12, pytest.approx(4.078e12)]
