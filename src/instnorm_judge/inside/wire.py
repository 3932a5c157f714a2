"""Values as JSON and plain buffers: how arguments and results travel to the sandbox and back.

Both sides use this module, and only `decode` on the trusted side counts as a defence: a hostile
kernel writes whatever bytes it likes. So `decode` builds every object itself, out of a closed list
of kinds, and believes no number that it has not compared with the bytes at hand:

    no pickle, no eval, no import by name     nothing in a message is ever executed
    a list of dtypes without object           an object array is a list of pointers
    size of a buffer = shape x itemsize       an array of 2**60 elements does not fit its buffer
    depth and number of nodes                 deep or endless nesting stops early
    lengths of texts and integers             parsing a number of a million digits takes hours

Of anything else only the name of its type arrives, so that a report can say "an object of type
torch.Tensor".
"""

import builtins
import math
import re

import numpy as np

MAX_BYTES = 64 * 2**20  # of all arrays of one message together
MAX_DEPTH = 6
MAX_NODES = 10_000
MAX_TEXT = 10_000
MAX_DIGITS = 1_000
MAX_NAME = 120

DTYPES = {
    np.dtype(name).name: np.dtype(name)
    for name in (
        *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64", "longdouble", "complex64", "complex128"),
    )
}


class WireError(ValueError):
    """A message that the other side can't have meant."""


class Foreign:
    """Stands for an object that does not travel."""


# --- Writing --------------------------------------------------------------------------------------


def encode(value, buffers):
    """The JSON form of a value; bytes of arrays are appended to `buffers`."""
    return _Encoder(buffers).node(value, 0)


class _Encoder:
    def __init__(self, buffers):
        self.buffers = buffers
        self.nodes = self.bytes = 0

    def node(self, value, depth):
        self.nodes += 1
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, np.ndarray | np.generic):
            return self.array(value)
        if isinstance(value, str):
            return str(value)[:MAX_TEXT]
        if isinstance(value, int) and value.bit_length() < 3 * MAX_DIGITS:
            return {"int": int.__repr__(value)}
        if isinstance(value, float):
            return {"float": float.hex(value)}
        if isinstance(value, complex):
            return {"complex": [float.hex(value.real), float.hex(value.imag)]}
        if isinstance(value, tuple | list) and depth < MAX_DEPTH:
            kind = "tuple" if isinstance(value, tuple) else "list"
            return {kind: [self.item(item, depth) for item in value[:MAX_NODES]]}
        if isinstance(value, dict) and depth < MAX_DEPTH:
            pairs = list(value.items())[:MAX_NODES]
            return {"dict": [[str(key)[:MAX_NAME], self.item(v, depth)] for key, v in pairs]}
        return foreign(value)

    def item(self, value, depth):
        # Long lists are never judged, only described: their length is enough.
        return self.node(value, depth + 1) if self.nodes < MAX_NODES else None

    def array(self, value):
        scalar = isinstance(value, np.generic)
        value = np.asarray(value)
        if value.dtype.name not in DTYPES:
            return {"array": str(value.dtype)[:MAX_NAME]}
        self.bytes += value.nbytes
        if self.bytes > MAX_BYTES:
            raise WireError(f"arrays of {self.bytes} bytes are too large to hand over")
        native = value.astype(value.dtype.newbyteorder("="), order="C", copy=False)
        self.buffers.append(native.tobytes())
        node = {"array": value.dtype.name, "shape": list(value.shape), "at": len(self.buffers) - 1}
        return node | {"scalar": True} if scalar else node


def foreign(value):
    """A value by the name of its type."""
    kind = type(value)
    names = str(kind.__module__)[:MAX_NAME], str(kind.__qualname__)[:MAX_NAME]
    return {"foreign": list(names)}


# --- Reading --------------------------------------------------------------------------------------


def decode(node, buffers):
    """The value of a JSON form; raises WireError for anything that `encode` does not write."""
    try:
        return _Decoder(buffers).value(node, 0)
    except (WireError, MemoryError):
        raise
    except Exception as error:
        raise WireError(f"{type(error).__name__} while reading a value") from None


class _Decoder:
    def __init__(self, buffers):
        self.buffers = buffers
        self.nodes = self.bytes = 0

    def value(self, node, depth):
        self.nodes += 1
        if depth > MAX_DEPTH + 1 or self.nodes > 2 * MAX_NODES:
            raise WireError("nested too deeply, or too much of it")
        if node is None or node is True or node is False:
            return node
        if type(node) is str:
            return text(node)
        if type(node) is not dict:
            raise WireError("no such kind of value")
        if "array" in node:
            return self.array(**node)
        if len(node) != 1:
            raise WireError("no such kind of value")
        [(kind, what)] = node.items()
        if kind == "int":
            return int(text(what, MAX_DIGITS))
        if kind == "float":
            return float.fromhex(text(what, 64))
        if kind == "complex":
            real, imaginary = what
            return complex(float.fromhex(text(real, 64)), float.fromhex(text(imaginary, 64)))
        if kind in ("tuple", "list"):
            items = [self.value(item, depth + 1) for item in sequence(what)]
            return tuple(items) if kind == "tuple" else items
        if kind == "dict":
            return {
                text(key, MAX_NAME): self.value(item, depth + 1) for key, item in sequence(what)
            }
        if kind == "foreign":
            module, name = what
            return _stand_in(text(module, MAX_NAME), text(name, MAX_NAME), Foreign)()
        raise WireError("no such kind of value")

    def array(self, array, shape=None, at=None, scalar=False):
        dtype = DTYPES.get(text(array, MAX_NAME))
        if dtype is None:
            # Of another kind: what is in it stays where it is, and the report names the kind.
            return np.empty(0, dtype=object)
        if type(at) is not int or not 0 <= at < len(self.buffers):
            raise WireError("an array without a buffer")
        shape = sequence(shape)
        if len(shape) > 32 or any(type(size) is not int or size < 0 for size in shape):
            raise WireError("no such shape")
        data = memoryview(self.buffers[at]).cast("B")
        # The product in Python's integers, which do not overflow.
        if math.prod(shape) * dtype.itemsize != len(data):
            raise WireError("an array whose buffer has another size")
        self.bytes += len(data)
        if self.bytes > MAX_BYTES or any(size > MAX_BYTES for size in shape):
            raise WireError("arrays too large to hand over")
        value = np.frombuffer(data, dtype).reshape(shape).copy()
        return value[()] if scalar is True and value.ndim == 0 else value


def text(value, limit=MAX_TEXT):
    """A string of no more than `limit` characters."""
    if type(value) is not str or len(value) > limit:
        raise WireError("no text, or a text that is too long")
    return value


def sequence(value):
    if type(value) is not list or len(value) > MAX_NODES:
        raise WireError("no list, or a list that is too long")
    return value


def _stand_in(module, name, base):
    """A class of ours that is called like one of theirs."""
    # A report shows it; and a name that has no dots and no brackets in it can't be mistaken.
    name = name if re.fullmatch(r"[\w.<>]+", name) else "unnamed"
    module = module if re.fullmatch(r"[\w.]+", module) else "unnamed"
    return type(name, (base,), {"__module__": module, "__qualname__": name})


def exception(module, name, message, kin="Exception"):
    """An exception that was raised over there; `kin` is the built-in one that it descends from.

    Built-in ones are themselves, since a check may ask for ValueError, and what descends from
    ValueError does so here. What is no Exception, such as KeyboardInterrupt, would stop the
    grading: it becomes an ordinary exception of that name.
    """
    kind = _built_in(name, Exception | SystemExit) if module == "builtins" else None
    if kind is None:
        kind = _stand_in(module, name, _built_in(kin, Exception) or Exception)
    error = kind.__new__(kind)
    error.args = (message,)
    return error


def _built_in(name, of):
    kind = getattr(builtins, name, None)
    return kind if isinstance(kind, type) and issubclass(kind, of) else None
