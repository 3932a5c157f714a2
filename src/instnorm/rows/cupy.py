"""Row kernels on the GPU, in CuPy: the contract of `rows.numpy`, the arithmetic of `rows.cu`.

Besides (R, M) rows, `forward` and `backward` take channels-last memory: an (N, M, C) array in which
each x[n, :, c] is a row, number n·C + c, and C numbers fill whole 16-byte vectors.
"""

import functools

import cupy as cp
import numpy as np

from . import teams

# `struct Task` in rows.cu.
TASK = np.dtype(
    [(name, np.uintp) for name in ("x", "g", "out", "scale", "shift", "stats", "mail", "arrivals")]
    + [("length", np.int64), ("eps", np.float64)]
    + [(name, np.int32) for name in ("rows", "channels", "segments", "period")]
    + [(name, np.int32) for name in ("blocks", "scratch", "room", "relu")],
    align=True,
)


def forward(x, eps, scale=None, shift=None, out=None, *, relu=False):
    """Standardise each row of `x`; then multiply by `scale` and add `shift`.

    Parameters
    ----------
    x : (R, M) float array, or (N, M, C) with R = N·C rows x[n, :, c]
    eps : float, added to the variance inside the root
    scale, shift : (P, K) arrays or None. P divides R, and row r uses line r % P. K divides M, and
        segment k of a row gets its own pair; K is 1 in channels-last memory
    out : array like x, C-contiguous, may be `x` itself; None makes one
    relu : replace negative results by 0. Its gradient is `backward(dy * (y > 0), ...)`

    Returns
    -------
    y : array like x
    mean, var : (R,) float64, the biased moments of each row
    """
    y = cp.empty(x.shape, x.dtype) if out is None else out
    readable = _readable(x)
    target = readable if y is x else y if _is_aligned(y) else cp.empty(x.shape, x.dtype)
    mean, var = _launch("forward", readable, None, target, eps, scale, shift, 2, relu)
    if target is not y:
        y[...] = target
    return y, mean, var


def forward_given(x, mean, var, eps, scale=None, shift=None, out=None):
    """Like `forward`, with moments from elsewhere: `mean` and `var` of shape (R,). Returns y."""
    y = cp.empty(x.shape, x.dtype) if out is None else out
    segments = max(1 if p is None else p.shape[1] for p in (scale, shift))
    rstd = _reciprocal_root(var.astype(np.float64) + eps)[:, None]
    scale = 1 if scale is None else _every_row(scale, x)
    shift = 0 if shift is None else _every_row(shift, x)
    return _apply(x, None, y, segments, mean[:, None], rstd, scale, shift, 0)


def backward(dy, x, eps, scale):
    """Gradients of `forward`: see `rows.numpy.backward`. dy and x may be channels-last."""
    if dy.dtype != x.dtype:
        return _in_one_dtype(backward, dy, x, eps, scale)
    if scale.shape[1] == 1:
        dx = cp.empty(x.shape, x.dtype)
        stats = _launch("backward", _readable(x), _readable(dy), dx, eps, scale, None, 2)
        return dx, *(_per_line(a, scale) for a in stats)
    # A row whose segments differ in scale: from the moments of its segments, those of the row.
    segments = _segment_moments(dy, x, eps, scale.shape[1])
    mean = segments[0].mean(1)
    var = (segments[1] + (segments[0] - mean[:, None]) ** 2).mean(1)
    return _backward_from(segments, dy, x, mean, var, eps, scale, through_moments=True)


def backward_given(dy, x, mean, var, eps, scale=None):
    """Gradients of `forward_given`, whose moments are constants. Returns dx, dscale, dshift."""
    if dy.dtype != x.dtype:
        return _in_one_dtype(backward_given, dy, x, mean, var, eps, scale)
    scale = cp.ones((x.shape[0], 1)) if scale is None else scale
    segments = _segment_moments(dy, x, eps, scale.shape[1])
    return _backward_from(segments, dy, x, mean, var, eps, scale, through_moments=False)


def is_channels_last(x):
    """Can (N, C, *spatial) `x` be worked on where it lies, as (N, M, C) channels-last memory?"""
    return (
        not x.flags.c_contiguous
        and cp.moveaxis(x, 1, -1).flags.c_contiguous
        and x.shape[1] % teams.lanes(x.dtype.name) == 0
    )


# --- launching --------------------------------------------------------------------------------


@functools.cache
def _device(number):
    device = cp.cuda.Device(number)
    return teams.Device(
        multiprocessors=device.attributes["MultiProcessorCount"],
        shared_memory=device.attributes["MaxSharedMemoryPerBlockOptin"],
        has_clusters=int(device.compute_capability) >= 90,
    )


@functools.cache
def _kernel(number, name, cooperative=False):
    """An entry point of rows.cu on one device, compiled when first asked for."""
    module = cp.RawModule(
        code=teams.SOURCE.read_text(encoding="utf-8"),
        options=teams.OPTIONS,
        name_expressions=(name,),
        enable_cooperative_groups=cooperative,
    )
    kernel = module.get_function(name)
    kernel.max_dynamic_shared_size_bytes = _device(number).shared_memory
    kernel.preferred_shared_memory_carveout = 100  # per cent: there is no other use for the cache
    return kernel


def _launch(direction, x, g, out, eps, scale, shift, stats, relu=False):
    """Run `direction` over the rows of `x`. Returns (stats, R) float64: what `report` reports."""
    outer, length, channels = (*x.shape, 1) if x.ndim == 2 else x.shape
    rows = outer * channels
    if max(length, rows) >= 2**31 - 2**16:
        raise ValueError(f"{rows} rows of {length} numbers: there may be 2**31 - 2**16 of neither")
    dtype, number = x.dtype.name, x.device.id
    lanes = 1 if x.ndim == 2 else teams.lanes(dtype)
    arrays = 1 if g is None else 2
    plan = teams.plan(_device(number), rows, length, dtype, lanes, arrays)
    cooperative = plan.kind == "GRID"
    kernel = _kernel(number, teams.entry_point(direction, dtype, plan.kind, lanes), cooperative)

    wide = np.float64 if dtype == "float64" else np.float32
    scale, shift = (None if p is None else cp.ascontiguousarray(p, wide) for p in (scale, shift))
    stats = cp.empty((stats, rows))
    blocks = plan.teams * plan.blocks
    mail = arrivals = None
    if cooperative:
        _check_all_run_at_once(kernel, blocks, plan)
        mail = cp.empty(2 * blocks * plan.columns * teams.letter(lanes, arrays), wide)
        arrivals = cp.zeros(plan.teams, np.uint32)

    task = np.zeros(1, TASK)
    pointers = (x, g, out, scale, shift, stats, mail, arrivals)
    for field, array in zip(TASK.names, pointers, strict=False):
        task[field] = 0 if array is None else array.data.ptr
    task["length"], task["eps"], task["rows"], task["channels"] = length, eps, rows, channels
    lines = next((p.shape for p in (scale, shift) if p is not None), (1, 1))
    task["period"], task["segments"] = lines
    task["blocks"], task["scratch"], task["room"] = plan.blocks, plan.scratch, plan.room
    task["relu"] = relu
    kernel((blocks,), plan.threads, (task,), shared_mem=plan.shared_memory)
    return stats


def _check_all_run_at_once(kernel, blocks, plan):
    """Blocks that wait for each other must all run. CuPy would launch fewer, and only warn."""
    each = cp.cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor(
        kernel.kernel.ptr, plan.threads[0] * plan.threads[1], plan.shared_memory
    )
    at_once = each * cp.cuda.Device().attributes["MultiProcessorCount"]
    if blocks > at_once:
        raise RuntimeError(f"{plan} has {blocks} blocks, of which this GPU runs {at_once} at once")


def _apply(x, g, out, segments, mean, rstd, a, b, c):
    """out = (x - mean) * rstd * a + g * c + b, the coefficients broadcast to (R, segments)."""
    coefficients = cp.empty((5, x.shape[0], segments))
    for line, values in zip(coefficients, (mean, rstd, a, b, c), strict=True):
        line[...] = values
    rows, length = x.shape[0] * segments, x.shape[1] // segments
    across = min(1 << (length - 1).bit_length(), 256)
    down = 256 // across
    splits = min(-(-length // (16 * across)), 65535)  # of a long row, among blocks
    kernel = _kernel(x.device.id, f"apply<{teams.TYPES[x.dtype.name]}>")
    g = None if g is None else cp.ascontiguousarray(g)
    arguments = (cp.ascontiguousarray(x), g, out, coefficients, rows, length)
    kernel((-(-rows // down), splits), (across, down), arguments)
    return out


def _segment_moments(dy, x, eps, segments):
    """Of each of the (R, segments) segments: mean and variance of x, mean of dy, covariance."""
    x, dy = (_readable(a).reshape(x.shape[0] * segments, -1) for a in (x, dy))
    return _launch("backward", x, dy, None, eps, None, None, 4).reshape(4, -1, segments)


def _backward_from(segments, dy, x, mean, var, eps, scale, *, through_moments):
    """dx, dscale and dshift from the moments of the segments and those of the rows."""
    mean_x, _, mean_dy, covariance = segments
    length = x.shape[1]
    w = _every_row(scale, x)
    rstd = _reciprocal_root(var.astype(np.float64) + eps)[:, None]
    mean = mean[:, None]
    dshift = mean_dy * (length // w.shape[1])
    dscale = (covariance + mean_dy * (mean_x - mean)) * rstd * (length // w.shape[1])
    a = b = 0
    if through_moments:
        a = -rstd * (w * dscale).sum(1, keepdims=True) / length
        b = -rstd * (w * dshift).sum(1, keepdims=True) / length
    dx = cp.empty(x.shape, x.dtype)
    _apply(x, dy, dx, w.shape[1], mean, rstd, a, b, w * rstd)
    return dx, _per_line(dscale, scale), _per_line(dshift, scale)


def _in_one_dtype(function, dy, x, *arguments):
    """A backward `function`, where the gradient is not stored in the dtype of x."""
    wide = np.float64 if np.float64 in (dy.dtype, x.dtype) else np.float32
    dx, dscale, dshift = function(dy.astype(wide), x.astype(wide), *arguments)
    return dx.astype(x.dtype), dscale, dshift


def _every_row(parameter, x):
    """(P, K) -> (R, K) float64: the lines of `scale` or `shift`, one for each row of x."""
    return cp.tile(parameter.astype(np.float64), (x.shape[0] // parameter.shape[0], 1))


def _per_line(values, scale):
    """(R, K) -> (P, K): summed over the rows that share a line of `scale`."""
    return values.reshape(-1, *scale.shape).sum(0)


def _reciprocal_root(v):
    """1 / sqrt(v), and 0 where v is 0."""
    return cp.where(v == 0, 0, 1 / cp.sqrt(cp.where(v == 0, 1, v)))


def _is_aligned(x):
    return x.flags.c_contiguous and x.data.ptr % teams.VECTOR == 0


def _readable(x):
    """`x` itself, or a copy that rows.cu can read in vectors."""
    return x if _is_aligned(x) else x.copy(order="C")
