"""What "Roofline" computes, against the plans of the kernels."""

import pytest

from instnorm.rows import teams

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
def js(js):
    return js("roofline")


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("arrays", [1, 2])
def test_the_teams_are_those_of_the_kernels(js, device, dtype, arrays):
    shapes = [(rows, side * side) for rows in ROWS for side in SIDES]
    given = js("DEVICES")[device]
    kinds = set()
    for rows, length in shapes:
        theirs = js("plan", given, rows, length, DTYPES[dtype], arrays)
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
    h100 = js("DEVICES")["h100"]
    assert js("readAgain", h100, 1000, 512 * 512, 4, 1) == 0
    large = js("readAgain", h100, 4, 8192**2, 4, 1)
    plan = teams.plan(DEVICES["h100"], 4, 8192**2, "float32", 1, 1)
    waits = plan.room * plan.threads[1] * plan.blocks * 16
    assert large == pytest.approx(1 - waits / (4 * 8192**2))


def test_bytes_are_sweeps_over_the_array(js):
    devices = js("DEVICES")
    forward = js("traffic", devices["h100"], 64, 56 * 56, 4, "forward")
    backward = js("traffic", devices["a100"], 64, 56 * 56, 2, "backward")
    array = 64 * 56 * 56
    assert forward == {"steps": 8 * 4 * array, "torch": 3 * 4 * array, "ours": 2 * 4 * array}
    assert backward == {"steps": 22 * 2 * array, "torch": 5 * 2 * array, "ours": 3 * 2 * array}


def test_the_roof(js):
    h100, a100 = (js("DEVICES")[name] for name in ("h100", "a100"))
    assert [js("attainable", h100, v) for v in (1, 20, 1000)] == [3.35e12, 67e12, 67e12]
    assert js("attainable", a100, 2) == pytest.approx(4.078e12)


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_no_more_planes_than_the_memory_holds(js, direction):
    arrays = {"forward": 2, "backward": 3}[direction]
    for device in js("DEVICES").values():
        for length in (16, 8192**2):
            most = js("mostPlanes", device, length, 4, direction)
            assert most * length * 4 * arrays <= device["memory"] < 2 * most * length * 4 * arrays
