"""The bridge to PyTorch against torch's layers, sample inputs and gradient checker, and ONNX."""

import copy
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import instnorm.torch as bridge
from instnorm import norms, rows

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=str)


@pytest.fixture(autouse=True)
def seeded(rng):
    torch.manual_seed(int(rng.integers(2**31)))


# Two roundings of a stored result; in the wider dtypes, those of the sums as well.
TOLERANCE = {
    torch.float16: 2e-3,
    torch.bfloat16: 1.6e-2,
    torch.float32: 2e-6,
    torch.float64: 1e-13,
}


def assert_near(ours, exact, dtype):
    """Equal to a float64 reference up to rounding to `dtype`, measured on the largest value."""
    if exact.numel():
        error = (ours.double() - exact).abs().max()
        assert error <= TOLERANCE[dtype] * max(exact.abs().max(), 1)


# --- drop-in layers ------------------------------------------------------------------------------

TRACKED = {"affine": True, "track_running_stats": True}
LAYERS = [
    ("InstanceNorm1d", (4,), {}, (3, 4, 9)),
    ("InstanceNorm1d", (4,), TRACKED, (3, 4, 9)),
    ("InstanceNorm1d", (4,), TRACKED, (4, 9)),
    ("InstanceNorm2d", (4,), {"affine": True, "eps": 0.3}, (3, 4, 5, 6)),
    ("InstanceNorm2d", (4,), {"affine": True, "bias": False}, (3, 4, 5, 6)),
    ("InstanceNorm2d", (4,), {"track_running_stats": True, "momentum": 0.4}, (3, 4, 5, 6)),
    ("InstanceNorm2d", (4,), {**TRACKED, "momentum": None}, (3, 4, 5, 6)),
    ("InstanceNorm2d", (4,), TRACKED, (4, 5, 6)),
    ("InstanceNorm3d", (4,), TRACKED, (3, 4, 2, 5, 6)),
    ("InstanceNorm3d", (4,), {"affine": True}, (4, 2, 5, 6)),
    ("GroupNorm", (2, 4), {}, (3, 4, 5, 6)),
    ("GroupNorm", (1, 4), {"affine": False, "eps": 0.3}, (3, 4, 9)),
    ("GroupNorm", (2, 4), {"bias": False}, (3, 4)),
    ("LayerNorm", ((4, 5, 6),), {}, (3, 4, 5, 6)),
    ("LayerNorm", (6,), {"eps": 0.3}, (3, 4, 5, 6)),
    ("LayerNorm", ((5, 6),), {"bias": False}, (5, 6)),
    ("LayerNorm", (6,), {"elementwise_affine": False}, (0, 6)),
    ("BatchNorm1d", (4,), {}, (3, 4)),
    ("BatchNorm1d", (4,), {"momentum": None}, (3, 4, 9)),
    ("BatchNorm2d", (4,), {"momentum": 0.4, "eps": 0.3}, (3, 4, 5, 6)),
    ("BatchNorm2d", (4,), {"affine": False, "track_running_stats": False}, (3, 4, 5, 6)),
    ("BatchNorm3d", (4,), {}, (3, 4, 2, 5, 6)),
]
layers = pytest.mark.parametrize(
    ("name", "arguments", "options", "shape"),
    LAYERS,
    ids=lambda v: ",".join(v) if isinstance(v, dict) else str(v),
)


@layers
@dtypes
def test_layers_are_drop_in_replacements(name, arguments, options, shape, dtype):
    """Output, gradients and buffers through several steps, against torch's layer in float64."""
    ours = getattr(bridge, name)(*arguments, **options, dtype=dtype, device="cpu")
    exact = getattr(nn, name)(*arguments, **options, dtype=torch.float64)
    assert repr(ours) == repr(exact)
    assert isinstance(ours, type(exact))
    for parameter in ours.parameters():
        nn.init.normal_(parameter)
    for training in (True, True, False, True):
        exact.load_state_dict(ours.state_dict())
        x, dy = torch.randn(2, *shape).to(dtype)
        for layer in (ours, exact):
            layer.train(training).zero_grad()
        x.requires_grad_()
        wide = x.detach().double().requires_grad_()
        y, expected = ours(x), exact(wide)
        assert (y.dtype, y.shape) == (dtype, x.shape)
        assert_near(y, expected, dtype)
        if x.numel():
            y.backward(dy)
            expected.backward(dy.double())
            assert_near(x.grad, wide.grad, dtype)
        for a, b in zip(ours.parameters(), exact.parameters(), strict=True):
            assert_near(a.grad, b.grad, dtype)
        for a, b in zip(ours.buffers(), exact.buffers(), strict=True):
            assert_near(a, b, dtype)


@pytest.mark.parametrize("name", ["InstanceNorm2d", "GroupNorm", "LayerNorm", "BatchNorm2d"])
def test_state_dicts_move_both_ways(name):
    arguments = {"GroupNorm": (2, 4), "LayerNorm": ((4, 5, 5),)}.get(name, (4,))
    options = TRACKED if name == "InstanceNorm2d" else {}
    ours = getattr(bridge, name)(*arguments, **options)
    theirs = getattr(nn, name)(*arguments, **options)
    theirs(torch.randn(2, 4, 5, 5))
    nn.init.normal_(theirs.weight)
    ours.load_state_dict(theirs.state_dict())
    back = copy.deepcopy(theirs)
    nn.init.zeros_(back.weight)
    back.load_state_dict(ours.state_dict())
    for key, tensor in theirs.state_dict().items():
        assert torch.equal(back.state_dict()[key], tensor)


@pytest.mark.parametrize(
    ("name", "arguments", "shape"),
    [
        ("InstanceNorm1d", (4,), (2, 4, 5)),
        ("InstanceNorm2d", (4,), (2, 4, 5, 6)),
        ("InstanceNorm3d", (4,), (2, 4, 5, 6, 7)),
        ("GroupNorm", (2, 4), (2, 4, 5, 6)),
        ("LayerNorm", (6,), (2, 4, 5, 6)),
        ("RMSNorm", (6,), (2, 4, 5, 6)),
        ("BatchNorm1d", (4,), (2, 4, 5)),
        ("BatchNorm2d", (4,), (2, 4, 5, 6)),
        ("BatchNorm3d", (4,), (2, 4, 5, 6, 7)),
    ],
)
def test_the_layers_run_our_kernels(name, arguments, shape, monkeypatch):
    calls = []
    for function in ("forward", "backward"):
        original = getattr(rows, function)

        def spy(*args, function=function, original=original, **kwargs):
            calls.append(function)
            return original(*args, **kwargs)

        monkeypatch.setattr(rows, function, spy)
    getattr(bridge, name)(*arguments)(torch.randn(shape, requires_grad=True)).sum().backward()
    assert calls == ["forward", "backward"]


def test_a_bright_constant_plane_gives_the_bias():
    x = torch.full((1, 2, 64, 64), 1e10)
    assert bridge.InstanceNorm2d(2)(x).abs().max() == 0
    assert nn.InstanceNorm2d(2)(x).abs().max() > 1


def test_one_weight_per_channel_is_group_norm_with_one_group():
    x = torch.randn(3, 4, 5, 6, dtype=torch.float64)
    weight, bias = torch.randn(2, 4, dtype=torch.float64)
    expected = norms.layer_norm(*(t.numpy() for t in (x, weight, bias)))
    assert_near(bridge.group_norm(x, 1, weight, bias), torch.from_numpy(expected), x.dtype)
    elementwise = (t[:, None, None].expand(4, 5, 6) for t in (weight, bias))
    assert_near(bridge.layer_norm(x, (4, 5, 6), *elementwise), torch.from_numpy(expected), x.dtype)


def test_a_layer_trains():
    """A step of gradient descent through two of our layers lowers the loss."""
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3), bridge.InstanceNorm2d(8, affine=True), nn.ReLU(), bridge.GroupNorm(2, 8)
    )
    x, target = torch.randn(4, 3, 10, 10), torch.randn(4, 8, 8, 8)
    descent = torch.optim.SGD(net.parameters(), lr=0.1)
    losses = []
    for _ in range(10):
        losses.append(nn.functional.mse_loss(net(x), target))
        descent.zero_grad()
        losses[-1].backward()
        descent.step()
    assert losses[-1] < losses[0]


# --- gradients -----------------------------------------------------------------------------------

SHAPE = (3, 4, 2, 3)
MOMENTS = (
    torch.randn(4, generator=torch.Generator().manual_seed(0)).double(),
    torch.ones(4).double(),
)
CALLS = {
    "instance": bridge.instance_norm,
    "instance, remembering": lambda x, **kw: bridge.instance_norm(x, *copies(), **kw),
    "instance, remembered": lambda x, **kw: bridge.instance_norm(
        x, *MOMENTS, use_input_stats=False, **kw
    ),
    "group": lambda x, **kw: bridge.group_norm(x, 2, **kw),
    "layer": lambda x, weight, bias, **kw: bridge.layer_norm(
        x, SHAPE[1:], *(p if p is None else elementwise(p) for p in (weight, bias)), **kw
    ),
    "batch": lambda x, **kw: bridge.batch_norm(x, None, None, training=True, **kw),
    "batch, remembering": lambda x, **kw: bridge.batch_norm(x, *copies(), training=True, **kw),
    "batch, remembered": lambda x, **kw: bridge.batch_norm(x, *MOMENTS, **kw),
}
calls = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def copies():
    return (moment.clone() for moment in MOMENTS)


def elementwise(parameter):
    return parameter[:, None, None].expand(SHAPE[1:])


@calls
@pytest.mark.parametrize("given", ["weight and bias", "weight", "bias", "neither"])
def test_gradcheck(call, given):
    x = torch.randn(SHAPE, dtype=torch.float64, requires_grad=True)
    weight, bias = (
        torch.randn(4, dtype=torch.float64, requires_grad=True) if name in given else None
        for name in ("weight", "bias")
    )
    torch.autograd.gradcheck(
        lambda x, w, b: call(x, weight=w, bias=b, eps=0.1), (x, weight, bias), raise_exception=True
    )


@calls
def test_gradients_are_given_only_to_those_who_ask(call):
    x = torch.randn(SHAPE, dtype=torch.float64)
    weight = torch.randn(4, dtype=torch.float64, requires_grad=True)
    call(x, weight=weight, bias=torch.ones(4).double()).pow(2).sum().backward()
    assert weight.grad.abs().max() > 0
    assert x.grad is None
    assert not call(x, weight=None, bias=None).requires_grad


CALLS = {
    "instance norm": lambda x, w, b: bridge.instance_norm(x, weight=w, bias=b),
    "group norm": lambda x, w, b: bridge.group_norm(x, 2, w, b),
    "layer norm": lambda x, w, b: bridge.layer_norm(
        x.flatten(2).mT, (4,), w, b
    ),
    "RMSNorm": lambda x, w, b: bridge.rms_norm(x.flatten(2).mT, (4,), w, 1e-5),
    "batch norm": lambda x, w, b: bridge.batch_norm(x, None, None, w, b, training=True),
    "batch norm by moments": lambda x, w, b: bridge.batch_norm(
        x, torch.ones(4).double(), torch.full((4,), 2.0).double(), w, b
    ),
}  # fmt: skip
THEIRS = {
    "instance norm": lambda x, w, b: nn.functional.instance_norm(x, weight=w, bias=b),
    "group norm": lambda x, w, b: nn.functional.group_norm(x, 2, w, b),
    "layer norm": lambda x, w, b: nn.functional.layer_norm(x.flatten(2).mT, (4,), w, b),
    "RMSNorm": lambda x, w, b: nn.functional.rms_norm(x.flatten(2).mT, (4,), w, 1e-5),
    "batch norm": lambda x, w, b: nn.functional.batch_norm(x, None, None, w, b, training=True),
    "batch norm by moments": lambda x, w, b: nn.functional.batch_norm(
        x, torch.ones(4).double(), torch.full((4,), 2.0).double(), w, b
    ),
}
members = pytest.mark.parametrize("member", CALLS)


def leaves(shape=(2, 4, 3, 3), dtype=torch.float64):
    return [torch.randn(s, dtype=dtype, requires_grad=True) for s in (shape, (4,), (4,))]


@members
def test_derivatives_of_first_and_second_order_are_those_of_finite_differences(member):
    assert torch.autograd.gradcheck(CALLS[member], leaves((2, 4, 2, 2)))
    assert torch.autograd.gradgradcheck(CALLS[member], leaves((2, 4, 2, 2)))


@members
@pytest.mark.parametrize("last", ["linear", "cubic"])
def test_a_gradient_penalty_is_that_of_torch(member, last):
    """WGAN-GP: where the loss is linear in the output, a constant comes back to the layer."""
    x, w, b = leaves()
    head = torch.randn_like(CALLS[member](x, w, b))
    penalties = []
    for call in (CALLS[member], THEIRS[member]):
        y = call(x, w, b)
        score = (y * head).sum() if last == "linear" else y.pow(3).sum()
        (g,) = torch.autograd.grad(score, x, create_graph=True)
        penalty = (g.flatten(1).norm(dim=1) - 1).pow(2).sum()
        penalties.append(torch.autograd.grad(penalty, (x, w), allow_unused=True))
    for ours, theirs in zip(*penalties, strict=True):
        if theirs is not None and theirs.abs().max() > 0:
            assert_near(ours, theirs, torch.float64)


def test_a_hessian_is_that_of_torch():
    x = torch.randn(1, 2, 3, 3).double()
    head = torch.randn_like(x)
    for loss in (lambda y: (y * head).sum(), lambda y: y.pow(3).sum()):
        ours, theirs = (
            torch.autograd.functional.hessian(
                lambda t, m=m, loss=loss: loss(m.InstanceNorm2d(2)(t)), x
            )
            for m in (bridge, nn)
        )
        assert theirs.abs().max() > 0.01
        assert_near(ours, theirs, torch.float64)


def test_a_third_derivative_is_that_of_the_definition():
    """torch's own is not: it takes the saved moments for constants."""

    def definition(x):
        centred = x - x.mean((2, 3), keepdim=True)
        return centred / (centred.pow(2).mean((2, 3), keepdim=True) + 1e-5).sqrt()

    x = torch.randn(1, 2, 3, 3).double().requires_grad_()
    results = []
    for function in (bridge.instance_norm, definition):
        value = function(x).pow(3).sum()
        for _ in range(3):
            (gradient,) = torch.autograd.grad(value, x, create_graph=True)
            value = gradient.pow(2).sum()
        results.append(gradient.detach())
    assert_near(*results, torch.float64)


# --- what PyTorch asks of an operator -------------------------------------------------------------


@pytest.mark.parametrize("affine", [pytest.param(False, marks=pytest.mark.slow), True])
@pytest.mark.parametrize(
    "options",
    [
        pytest.param(options, marks=marks, id=str(options))
        for options, marks in {
            (4, False, True): [],
            (2, False, True): [pytest.mark.slow],
            (1, False, False): [pytest.mark.slow],
            (4, True, True): [pytest.mark.slow],
        }.items()
    ],
)
def test_operators_pass_the_checks_of_torch(options, affine):
    x, w, b = leaves()
    w, b = (w, b) if affine else (None, None)
    torch.library.opcheck(bridge.standardise, (x, w, b, *options, 1e-5))
    dy = torch.randn_like(x).requires_grad_()
    moments = [m.detach() for m in bridge.standardise(x, w, b, *options, 1e-5)[1:]]
    torch.library.opcheck(bridge.standardise_backward, (dy, x, w, *moments, *options, 1e-5))
    moments = torch.randn(4).double(), torch.rand(4).double()
    torch.library.opcheck(bridge.normalise_by, (x, *moments, w, b, 1e-5))


def test_moments_that_do_not_fit_are_refused():
    x = torch.randn(64, 32, 8, 8)
    options = 32, False, True, 1e-5
    for moments in (torch.zeros(1).double(), torch.zeros(64, 32), torch.zeros(64, 32).long()):
        with pytest.raises((TypeError, ValueError), match="mean of moments must"):
            bridge.standardise_backward(x, x, None, moments, moments, *options)


def test_an_input_that_takes_less_memory_than_its_shape_is_normalised():
    x = torch.randn(2, 8, 1, 16).expand(2, 8, 16, 16).requires_grad_()
    results = []
    for call in (bridge.instance_norm, nn.functional.instance_norm):
        y = call(x)
        results.append((y.detach(), *torch.autograd.grad(y.pow(3).sum(), x)))
    for ours, theirs in zip(*results, strict=True):
        assert_near(ours, theirs, torch.float32)


@members
def test_a_gradient_under_vmap(member):
    """One gradient for each of several inputs, as for per-sample gradients."""
    _, w, b = leaves()
    many = torch.randn(3, 2, 4, 3, 3).double()

    def gradients(call):
        return torch.func.vmap(torch.func.grad(lambda x, w: call(x, w, b).pow(3).sum(), (0, 1)),
                               in_dims=(0, None))(many, w)  # fmt: skip

    for ours, one in zip(gradients(CALLS[member]), (0, 1), strict=True):
        for x, result in zip(many, ours, strict=True):
            arguments = x.clone().requires_grad_(), w
            y = THEIRS[member](*arguments, b)
            assert_near(
                result.detach(),
                torch.autograd.grad(y.pow(3).sum(), arguments)[one],
                torch.float64,
            )


@members
def test_a_jacobian_is_that_of_torch(member):
    x, w, b = leaves((1, 4, 2, 2))
    if member == "batch norm":
        x = torch.randn(2, 4, 2, 2).double()
    ours, theirs = (
        torch.func.jacrev(lambda t, f=f[member]: f(t, w, b))(x) for f in (CALLS, THEIRS)
    )
    assert_near(ours.detach(), theirs.detach(), torch.float64)


def test_many_with_a_weight_each():
    x, w, b = (torch.randn(3, *s).double() for s in ((2, 4, 3, 3), (4,), (4,)))
    for member in CALLS:
        ours = torch.func.vmap(CALLS[member])(x, w, b)
        theirs = torch.stack([THEIRS[member](*a) for a in zip(x, w, b, strict=True)])
        assert_near(ours, theirs, torch.float64)


def test_a_gradient_by_moments_that_have_moved_on_is_refused():
    layer = bridge.BatchNorm2d(4).eval()
    x = torch.randn(SHAPE, requires_grad=True)
    y = layer(x)
    layer.train()(torch.randn(SHAPE))
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


# --- memory --------------------------------------------------------------------------------------


@dtypes
def test_kernels_work_in_the_memory_of_the_tensors(dtype, monkeypatch):
    kernel, addresses = rows.forward, []

    def spy(x, eps, scale, shift, out, **options):
        addresses.extend(array.ctypes.data for array in (x, scale, shift, out))
        return kernel(x, eps, scale, shift, out, **options)

    monkeypatch.setattr(rows, "forward", spy)
    x, weight, bias = (torch.randn(shape, dtype=dtype) for shape in ((2, 4, 5), 4, 4))
    y = bridge.instance_norm(x, weight=weight, bias=bias)
    assert addresses == [t.data_ptr() for t in (x, weight, bias, y)]


def test_running_moments_are_updated_in_place():
    layer = bridge.BatchNorm2d(4)
    before = layer.running_mean.data_ptr(), layer.running_var.data_ptr()
    layer(torch.randn(SHAPE))
    assert (layer.running_mean.data_ptr(), layer.running_var.data_ptr()) == before
    assert layer.running_mean.abs().max() > 0


@pytest.mark.parametrize("name", ["instance_norm", "group_norm", "batch_norm"])
def test_any_memory_layout_is_read_and_kept(name):
    call = {
        "instance_norm": bridge.instance_norm,
        "group_norm": lambda x: bridge.group_norm(x, 2),
        "batch_norm": lambda x: bridge.batch_norm(x, None, None, training=True),
    }[name]
    plain = torch.randn(3, 4, 5, 6, dtype=torch.float64)
    for x in (
        plain.to(memory_format=torch.channels_last),
        plain.transpose(2, 3).contiguous().transpose(2, 3),
        torch.stack([plain, plain], dim=-1)[..., 0],
    ):
        x.requires_grad_()
        y = call(x)
        assert y.stride() == torch.empty_like(x).stride()
        assert_near(y, call(plain), x.dtype)
        # A sum hands back one value expanded to the shape of y: no memory of its own.
        y.sum().backward()
        assert x.grad.abs().max() < 1e-12


@pytest.mark.parametrize("name", ["InstanceNorm2d", "GroupNorm", "LayerNorm", "BatchNorm2d"])
@pytest.mark.parametrize("training", [True, False])
def test_torch_compile_takes_the_whole_graph(name, training):
    arguments = {"GroupNorm": (2, 4), "LayerNorm": (6,)}.get(name, (4,))
    options = TRACKED if name == "InstanceNorm2d" else {}
    layer = getattr(bridge, name)(*arguments, **options).train(training)
    alone = copy.deepcopy(layer)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    x = torch.randn(2, 4, 5, 6, requires_grad=True)
    compiled(x).pow(3).sum().backward()
    gradient, x.grad = x.grad, None
    alone(x).pow(3).sum().backward()
    assert_near(gradient, x.grad.double(), torch.float32)
    for a, b in zip(layer.buffers(), alone.buffers(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", ["InstanceNorm2d", "GroupNorm", "LayerNorm", "BatchNorm2d"])
def test_meta_tensors_have_shapes_only(name):
    arguments = {"GroupNorm": (2, 4), "LayerNorm": (6,)}.get(name, (4,))
    layer = getattr(bridge, name)(*arguments, device="meta")
    y = layer(torch.empty(2, 4, 5, 6, device="meta"))
    assert (y.device.type, y.shape, y.dtype) == ("meta", (2, 4, 5, 6), torch.float32)


EXPORTED = {
    "InstanceNorm2d": (4,),
    "GroupNorm": (2, 4),
    "LayerNorm": (6,),
    "BatchNorm2d": (4,),
}


@pytest.mark.parametrize("name", EXPORTED)
def test_an_exported_model_has_operators_of_torch(name):
    """It is to run where this package is not."""
    layer = getattr(bridge, name)(*EXPORTED[name]).eval()
    x = torch.randn(2, 4, 5, 6)
    exported = torch.export.export(layer, (x,))
    assert "instnorm" not in str(exported.graph)
    assert_near(exported.module()(x), layer(x).double(), torch.float32)


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize(
    "name", [n if n == "GroupNorm" else pytest.param(n, marks=pytest.mark.slow) for n in EXPORTED]
)
def test_an_onnx_model_is_right(name, dynamo, tmp_path):
    """Some 10 seconds in all."""
    runtime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    if dynamo:
        pytest.importorskip("onnxscript", reason="torch writes ONNX by dynamo with onnxscript")
    layer = getattr(bridge, name)(*EXPORTED[name]).eval()
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    x, other = torch.randn(2, 2, 4, 5, 6)
    path = tmp_path / "model.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(layer, (x,), str(path), dynamo=dynamo, verbose=False)
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {session.get_inputs()[0].name: other.numpy()})
    assert_near(torch.from_numpy(y), layer(other).detach().double(), torch.float32)


def test_importing_instnorm_does_not_import_torch():
    program = """
import importlib, pkgutil, sys, instnorm
names = [m.name for m in pkgutil.iter_modules(instnorm.__path__) if m.name != "torch"]
for name in names:
    importlib.import_module(f"instnorm.{name}")
assert "norms" in names and "style" in names, names
assert "torch" not in sys.modules, "torch was imported"
assert "cupy" not in sys.modules, "cupy was imported"
"""
    subprocess.run([sys.executable, "-c", program], check=True)


# --- where we differ from torch, and bad input ---------------------------------------------------


@pytest.mark.parametrize(
    ("call", "theirs"),
    [
        (
            lambda: bridge.group_norm(torch.randn(2, 3), 3, None, torch.ones(3)),
            lambda: nn.functional.group_norm(torch.randn(2, 3), 3, None, torch.ones(3)),
        ),
        (
            lambda: bridge.layer_norm(torch.randn(3, 1), (1,), None, torch.ones(1)),
            lambda: nn.functional.layer_norm(torch.randn(3, 1), (1,), None, torch.ones(1)),
        ),
    ],
    ids=["group", "layer"],
)
def test_a_single_value_is_an_error_where_torch_returns_the_bias(call, theirs):
    assert torch.allclose(theirs(), torch.ones(()), atol=1e-3)
    with pytest.raises(ValueError, match="holds 1 value, and normalising needs at least 2"):
        call()


X = torch.ones(2, 4, 3, 3)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: bridge.instance_norm(X[..., :1, :1]), ValueError, "holds 1 value"),
        (lambda: bridge.instance_norm(X, eps=-1), ValueError, "eps must be finite and not neg"),
        (
            lambda: bridge.instance_norm(X, weight=torch.ones(3)),
            ValueError,
            "gamma must have shape",
        ),
        (lambda: bridge.instance_norm(X.int()), TypeError, "x must hold floating-point"),
        (lambda: bridge.instance_norm(X, torch.ones(4)), ValueError, "running_var is missing"),
        (
            lambda: bridge.instance_norm(X[0, 0], *MOMENTS),
            ValueError,
            r"input must have shape \(N, C, L\), .*; got \(3, 3\)",
        ),
        (lambda: bridge.instance_norm(X, None, torch.ones(4)), ValueError, "running_mean is miss"),
        (lambda: bridge.group_norm(X, 3), ValueError, "num_groups must divide the number of chan"),
        (lambda: bridge.batch_norm(X, None, None), ValueError, "are needed when training is False"),
        (
            lambda: bridge.batch_norm(X, *MOMENTS, training=True, momentum=-1.0),
            ValueError,
            "momentum must lie between 0 and 1; got -1",
        ),
        (
            lambda: bridge.layer_norm(X, (4, 3)),
            ValueError,
            r"input must end in the axes of normalized_shape, \(4, 3\); got \(2, 4, 3, 3\)",
        ),
        (
            lambda: bridge.layer_norm(X, (3, 3), torch.ones(9)),
            ValueError,
            r"weight must have the shape of normalized_shape, \(3, 3\); got \(9,\)",
        ),
        (
            lambda: bridge.layer_norm(X, (3,), None, torch.ones(2)),
            ValueError,
            r"bias must have the shape of normalized_shape, \(3,\); got \(2,\)",
        ),
        (lambda: bridge.layer_norm(X, ()), ValueError, "input must end in the axes of normalized_"),
        (
            lambda: bridge.instance_norm(X, weight=torch.ones(4, device="meta")),
            ValueError,
            "all tensors must be on one device; got cpu and meta",
        ),
        (lambda: bridge.InstanceNorm2d(4)(X[0, 0]), ValueError, "expected 3D or 4D input"),
        (lambda: bridge.BatchNorm2d(4)(X[0]), ValueError, "expected 4D input"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_refused_batch_is_not_counted():
    layer = bridge.BatchNorm2d(4)
    with pytest.raises(ValueError, match="must have shape"):
        layer(torch.randn(2, 5, 3, 3))
    assert layer.num_batches_tracked == 0
    assert layer.running_mean.abs().max() == 0


# --- CUDA ----------------------------------------------------------------------------------------


def test_without_cupy_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(
        ModuleNotFoundError, match=r"CUDA tensors need CuPy, .*pip install cupy-cuda"
    ):
        bridge._cupy()


@dtypes
def test_cuda_tensors_on_the_current_stream(dtype):
    if not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU and a CUDA build of PyTorch")
    pytest.importorskip("cupy", reason="needs CuPy: pip install cupy-cuda12x")
    x = torch.randn(8, 16, 64, 64, dtype=dtype)
    layer = bridge.InstanceNorm2d(16, **TRACKED, dtype=dtype)
    on_gpu = copy.deepcopy(layer).cuda()
    with torch.cuda.stream(torch.cuda.Stream()):
        theirs = x.cuda(non_blocking=True).requires_grad_()
        y = on_gpu(theirs)
        y.pow(3).sum().backward()
        y, gradient = y.cpu(), theirs.grad.cpu()
    x.requires_grad_()
    expected = layer(x)
    expected.pow(3).sum().backward()
    assert_near(y, expected.double(), dtype)
    assert_near(gradient, x.grad.double(), dtype)
    for a, b in zip(on_gpu.buffers(), layer.buffers(), strict=True):
        assert_near(a.cpu(), b.double(), dtype)


# --- PyTorch's own sample inputs -----------------------------------------------------------------

OURS = {
    f"nn.functional.{name}": getattr(bridge, name)
    for name in ("instance_norm", "group_norm", "layer_norm", "batch_norm")
}


@pytest.fixture(scope="module")
def operators():
    pytest.importorskip(
        "expecttest", reason="PyTorch's sample inputs need expecttest: pip install expecttest"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_methods_invocations import op_db
    return {op.name: op for op in op_db if op.name in OURS and not op.variant_test_name}


def refusal(sample):
    """What we refuse on purpose and torch does not, in the words of our error; None if nothing."""
    if sample.kwargs.get("eps", 1) < 0:
        return "eps must be finite and not negative"
    if sample.args and isinstance(sample.args[0], tuple):  # layer norm's normalized_shape
        single = sample.input.numel() and np.prod(sample.args[0]) == 1
        return "holds 1 value, and normalising needs at least 2" if single else None
    if sample.input.ndim < 2:
        return "x must have shape"
    if sample.kwargs.get("training", True) and not 0 <= sample.kwargs.get("momentum", 0) <= 1:
        return "momentum must lie between 0 and 1"
    return None


def accepted(sample):
    """The sample with the offending number replaced, so that the rest of it is still used."""
    repaired = {"eps": 0.5, "momentum": 0.3}
    kwargs = {k: repaired.get(k, v) for k, v in sample.kwargs.items()}
    return type(sample)(sample.input, args=sample.args, kwargs=kwargs)


@dtypes
@pytest.mark.parametrize("name", OURS)
def test_pytorch_sample_inputs(name, dtype, operators):
    """Outputs, gradients and running moments on the inputs that PyTorch tests itself with."""
    function, op = OURS[name], operators[name]
    compared = 0
    for sample in op.sample_inputs("cpu", dtype, requires_grad=True):
        words = refusal(sample)
        if words is not None:
            with pytest.raises(ValueError, match=words):
                function(sample.input, *sample.args, **sample.kwargs)
            sample = accepted(sample)
            if refusal(sample) is not None:
                continue
        ours, wide = sample.transform(copied(dtype)), sample.transform(copied(torch.float64))
        y = function(ours.input, *ours.args, **ours.kwargs)
        expected = op.op(wide.input, *wide.args, **wide.kwargs)
        assert (y.dtype, y.shape) == (dtype, expected.shape)
        assert_near(y, expected, dtype)
        dy = torch.randn(y.shape).to(dtype)
        y.backward(dy)
        expected.backward(dy.double())
        for a, b in zip(tensors(ours), tensors(wide), strict=True):
            assert_near(a, b, dtype)
            if b.requires_grad:
                assert_near(a.grad, b.grad, dtype)
        compared += 1
    assert compared >= 5


def copied(dtype):
    def copy(value):
        if not isinstance(value, torch.Tensor):
            return value
        return value.detach().to(dtype, copy=True).requires_grad_(value.requires_grad)

    return copy


def tensors(sample):
    values = (sample.input, *sample.args, *sample.kwargs.values())
    return [value for value in values if isinstance(value, torch.Tensor)]


def test_pytorch_error_inputs(operators):
    """torch raises RuntimeError where we raise ValueError."""
    op = operators["nn.functional.group_norm"]
    errors = list(op.error_inputs("cpu"))
    assert errors
    for error in errors:
        sample = error.sample_input
        with pytest.raises(ValueError, match=r"x must have shape|num_groups must divide"):
            bridge.group_norm(sample.input, *sample.args, **sample.kwargs)


# --- ONNX's node cases ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def onnx_cases():
    """The cases of ONNX's own conformance suite that are one node of the family."""
    onnx = pytest.importorskip("onnx", reason="ONNX's node cases need onnx: pip install onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        every = collect_testcases(None)
    cases = {}
    for case in every:
        nodes = case.model.graph.node
        if len(nodes) == 1 and nodes[0].op_type in ONNX:
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in nodes[0].attribute}
            cases.setdefault(nodes[0].op_type, []).append((case, attributes))
    return cases


def onnx_batch_norm(x, scale, bias, mean, var, *, epsilon=1e-5, momentum=0.9, training_mode=0):
    """ONNX's momentum is the weight of the past; its running variance is a mean of biased ones."""
    old = var.clone()
    y = bridge.batch_norm(x, mean, var, scale, bias, bool(training_mode), 1 - momentum, epsilon)
    if not training_mode:
        return (y,)
    m = x.numel() / x.shape[1]
    return y, mean, momentum * old + (var - momentum * old) * (m - 1) / m


def onnx_layer_norm(x, scale, bias=None, *, axis=-1, epsilon=1e-5):
    return (bridge.layer_norm(x, x.shape[axis:], scale, bias, epsilon),)


ONNX = {
    "InstanceNormalization": lambda x, scale, bias, epsilon=1e-5: (
        bridge.instance_norm(x, weight=scale, bias=bias, eps=epsilon),
    ),
    "GroupNormalization": lambda x, scale, bias, num_groups, epsilon=1e-5: (
        bridge.group_norm(x, num_groups, scale, bias, epsilon),
    ),
    "LayerNormalization": onnx_layer_norm,
    "BatchNormalization": onnx_batch_norm,
    "MeanVarianceNormalization": lambda x: (
        bridge.batch_norm(x, None, None, training=True, eps=0),
    ),
}


@pytest.mark.slow  # 10 s, most of them to import onnx and its backend
@pytest.mark.parametrize("kind", ONNX)
def test_onnx_node_cases(kind, onnx_cases):
    for case, attributes in onnx_cases[kind]:
        for inputs, outputs in case.data_sets:
            ours = ONNX[kind](*(torch.tensor(a) for a in inputs), **attributes)
            # Layer norm's further outputs, the moments, are no part of our interface.
            for mine, theirs in zip(ours, outputs, strict=kind != "LayerNormalization"):
                np.testing.assert_allclose(
                    mine.numpy(), theirs, rtol=case.rtol, atol=1e-5, err_msg=case.name
                )
