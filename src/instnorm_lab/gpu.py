"""A GPU for notebooks, where there is one: CUDA source in, a function of NumPy arrays out."""

import numpy as np

THREADS = 256


def missing():
    """Why nothing can run on a GPU here, in a sentence; "" if it can."""
    try:
        import cupy
    except ImportError:
        return "CuPy is not installed."
    if not cupy.cuda.is_available():
        return "CuPy is installed and finds no NVIDIA GPU."
    return ""


def kernel_on_planes(source, name="standardise"):
    """A function (x, eps=1e-5) of float64 NumPy arrays (N, C, H, W), computed by a CUDA kernel.

    The kernel is compiled from `source`, where it is called
    `name(const double* x, double* y, int m, double eps)`. It is run with one block of THREADS
    threads for each of the N·C planes, which lie one after the other in x, of m values each; y is
    an array like x, filled with NaN.

    Raises
    ------
    RuntimeError
        If there is no GPU.
    """
    if missing():
        raise RuntimeError(f"A GPU is needed here. {missing()}")
    import cupy

    kernel = cupy.RawKernel(source, name)

    def on_the_gpu(x, eps=1e-5):
        there = cupy.asarray(x)
        y = cupy.full_like(there, np.nan)
        planes, m = x.shape[0] * x.shape[1], x.shape[2] * x.shape[3]
        kernel((planes,), (THREADS,), (there, y, np.int32(m), np.float64(eps)))
        return y.get()

    return on_the_gpu
