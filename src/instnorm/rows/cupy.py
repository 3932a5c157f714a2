"""Row kernels on the GPU, in CuPy: the contract of `rows.numpy`, the arithmetic of `rows.cu`.

`forward`, `backward` and their likes take (A, G, K, L) arrays, as all backends do. `rows.cu` works
on (R, M) rows; or on channels-last memory, an (N, M, C) array in which each x[n, :, c] is a row,
number n·C + c, and C numbers fill whole 16-byte vectors. Those are what the functions named
`rows_...` take.
"""

import functools

import cupy as cp
import numpy as np

from . import teams

# `struct Task` in rows.cu.
TASK = np.dtype(
    [(name, np.uintp) for name in ("x", "g", "out", "scale", "shift", "stats")]
    + [(name, np.uintp) for name in ("mailbox", "barrier_count")]
    + [("length", np.int64), ("eps", np.float64)]
    + [(name, np.int32) for name in ("rows", "channels", "segments", "period")]
    + [(name, np.int32) for name in ("blocks", "scratch", "room", "relu")],
    align=True,
)


def forward(x, eps, scale=None, shift=None, out=None, *, centre=True):
    """See `rows.numpy.forward`."""
    if not centre:
        return _by_mean_square(x, eps, scale, shift, out)
    y, mean, var = rows_forward(_rows(x), eps, scale, shift, _into(out, x))
    return _sets(y, x, out), mean.reshape(x.shape[:2]), var.reshape(x.shape[:2])


def backward(dy, x, eps, scale, moments=None, out=None, *, centre=True):
    """See `rows.numpy.backward`."""
    if centre:
        dx, dscale, dshift = rows_backward(_rows(dy, x), _rows(x), eps, scale)
        return _sets(dx, x, out), dscale, dshift
    dx, dscale, dshift = _by_mean_square_backward(dy, x, eps, scale)
    return _stored(dx, out), dscale, dshift


def forward_given(x, mean, var, eps, scale=None, shift=None, out=None):
    """See `rows.numpy.forward_given`."""
    mean, var = (cp.broadcast_to(m, x.shape[:2]).ravel() for m in (mean, var))
    y = rows_forward_given(_as_rows(x), mean, var, eps, scale, shift)
    return _sets(y, x, out)


def backward_given(dy, x, mean, var, eps, scale, out=None):
    """See `rows.numpy.backward_given`."""
    mean, var = (cp.broadcast_to(m, x.shape[:2]).ravel() for m in (mean, var))
    dx, dscale, dshift = rows_backward_given(_as_rows(dy), _as_rows(x), mean, var, eps, scale)
    return _sets(dx, x, out), dscale, dshift


# --- (A, G, K, L) as rows.cu takes it ---------------------------------------------------------


def _rows(x, like=None):
    """Channels-last memory where it lies, as (N, M, C), if `like` (or x) is that; else (R, M)."""
    if _is_channels_last(x if like is None else like):
        columns = x.transpose(0, 3, 1, 2)
        return cp.ascontiguousarray(columns).reshape(*columns.shape[:2], -1)
    return _as_rows(x)


def _as_rows(x):
    """(A, G, K, L) -> (A·G, K·L): a view where memory allows, else a copy."""
    a, g, k, n = x.shape
    return cp.ascontiguousarray(x).reshape(a * g, k * n)


def _into(out, x):
    """The memory of `out` as rows, if rows can be written there; else None."""
    if out is None or _is_channels_last(out) != _is_channels_last(x):
        return None
    return _rows(out) if out.flags.c_contiguous or _is_channels_last(x) else None


def _sets(rows, x, out=None):
    """The way back from rows, to the shape of x; copied to `out` unless it lies there."""
    if rows.ndim == 3:
        y = rows.reshape(*rows.shape, 1).transpose(0, 2, 3, 1)
    else:
        y = rows.reshape(x.shape)
    return _stored(y, out)


def _stored(y, out):
    """y, copied to `out` unless that is None or it lies there."""
    if out is None:
        return y
    if out.data.ptr != y.data.ptr:
        out[...] = y
    return out


def _is_channels_last(x):
    """Can (A, G, K, L) `x` be worked on where it lies, as (N, M, C) channels-last memory?"""
    return (
        x.shape[2] == 1
        and not x.flags.c_contiguous
        and x.transpose(0, 3, 1, 2).flags.c_contiguous
        and x.shape[1] % teams.lanes(x.dtype.name) == 0
    )


# --- without a mean ------------------------------------------------------------------------------


def _by_mean_square(x, eps, scale, shift, out=None):
    """`forward` without a centre, by CuPy's own operations in float64."""
    xhat, var, _ = _over_root_mean_square(x, eps)
    y = xhat if scale is None else xhat * scale[:, :, None]
    y = (y if shift is None else y + shift[:, :, None]).astype(x.dtype)
    return _stored(y, out), cp.zeros(x.shape[:2]), var


def _by_mean_square_backward(dy, x, eps, scale):
    xhat, _, rstd = _over_root_mean_square(x, eps)
    dy = dy.astype(np.float64)
    axes = (0, 3) if scale.shape[1] == x.shape[2] else (0, 2, 3)
    dscale, dshift = (a.sum(axes).reshape(scale.shape) for a in (dy * xhat, dy))
    g = dy * scale[:, :, None]
    dx = (g - xhat * (g * xhat).mean((2, 3), keepdims=True)) * rstd
    return dx.astype(x.dtype), dscale, dshift


def _over_root_mean_square(x, eps):
    """x̂, the mean square (A, G), and what x was multiplied by; squares may leave the range."""
    wide = x.astype(np.float64)
    unit = cp.abs(wide).max((2, 3), keepdims=True)
    unit = cp.where((unit > 0) & cp.isfinite(unit), cp.maximum(unit, eps**0.5), 1.0)
    wide = wide / unit
    var = (wide * wide).mean((2, 3), keepdims=True)
    root = _reciprocal_root(var + eps / unit / unit)
    return wide * root, (var * unit * unit)[:, :, 0, 0], root / unit


# --- rows --------------------------------------------------------------------------------------


def rows_forward(x, eps, scale=None, shift=None, out=None, *, relu=False):
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


def rows_forward_given(x, mean, var, eps, scale=None, shift=None, out=None):
    """Like `forward`, with moments from elsewhere: `mean` and `var` of shape (R,). Returns y."""
    y = cp.empty(x.shape, x.dtype) if out is None else out
    segments = max(1 if p is None else p.shape[1] for p in (scale, shift))
    rstd = _reciprocal_root(var.astype(np.float64) + eps)[:, None]
    scale = 1 if scale is None else _every_row(scale, x)
    shift = 0 if shift is None else _every_row(shift, x)
    return _apply(x, None, y, segments, mean[:, None], rstd, scale, shift, 0)


def rows_backward(dy, x, eps, scale):
    """Gradients of `forward`: see `rows.numpy.backward`. dy and x may be channels-last."""
    if dy.dtype != x.dtype:
        return _in_one_dtype(rows_backward, dy, x, eps, scale)
    if scale.shape[1] == 1:
        dx = cp.empty(x.shape, x.dtype)
        stats = _launch("backward", _readable(x), _readable(dy), dx, eps, scale, None, 2)
        return dx, *(_per_line(a, scale) for a in stats)
    # A row whose segments differ in scale: from the moments of its segments, those of the row.
    segments = _segment_moments(dy, x, eps, scale.shape[1])
    mean = segments[0].mean(1)
    var = (segments[1] + (segments[0] - mean[:, None]) ** 2).mean(1)
    return _backward_from(segments, dy, x, mean, var, eps, scale, through_moments=True)


def rows_backward_given(dy, x, mean, var, eps, scale=None):
    """Gradients of `forward_given`, whose moments are constants. Returns dx, dscale, dshift."""
    if dy.dtype != x.dtype:
        return _in_one_dtype(rows_backward_given, dy, x, mean, var, eps, scale)
    scale = cp.ones((x.shape[0], 1)) if scale is None else scale
    segments = _segment_moments(dy, x, eps, scale.shape[1])
    return _backward_from(segments, dy, x, mean, var, eps, scale, through_moments=False)


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
    mailbox = barrier_count = None
    if cooperative:
        _check_all_run_at_once(kernel, blocks, plan)
        mailbox = cp.empty(2 * blocks * plan.columns * teams.message(lanes, arrays), wide)
        barrier_count = cp.zeros(plan.teams, np.uint32)

    task = np.zeros(1, TASK)
    pointers = (x, g, out, scale, shift, stats, mailbox, barrier_count)
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
    """Raise unless all blocks fit on the GPU: they wait for each other. CuPy would only warn."""
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
