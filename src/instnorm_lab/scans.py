"""A real magnetic resonance scan of the head, from a file that nilearn carries.

It is the ICBM 152 template: the average of 152 people's T1-weighted scans, symmetric, 1 mm to the
voxel, without the skull. Copyright 1993-2004 Louis Collins, McConnell Brain Imaging Centre,
Montreal Neurological Institute, McGill University. Nothing is downloaded.
"""

from typing import NamedTuple

import numpy as np

from .packages import file_in

_FILE = "datasets/data/mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"

#: The classes of `Slices.tissue`, in order.
TISSUES = ("outside", "fluid", "grey matter", "white matter")


class Slices(NamedTuple):
    """Horizontal slices through the head, the forehead up."""

    t1: np.ndarray  # (N, H, W) intensities in [0, 1]
    tissue: np.ndarray  # (N, H, W) whole numbers, indices into TISSUES


def slices(heights, *, reduce=1):
    """Horizontal slices, and which tissue most of each voxel is.

    Parameters
    ----------
    heights : sequence of int
        In voxels from the bottom, 0 to 188. Brain is found from about 10 to 155.
    reduce : int
        Average this many voxels a side into one.

    Returns
    -------
    Slices
        Two arrays of shape (N, 233 // reduce, 197 // reduce).

    Raises
    ------
    ValueError
        If a height lies outside the scan or `reduce` is less than 1.
    ModuleNotFoundError
        If nilearn is not installed.
    """
    heights = list(heights)
    if not all(0 <= height < 189 for height in heights):
        raise ValueError(f"heights must lie between 0 and 188; got {heights}")
    if reduce < 1:
        raise ValueError(f"reduce must be 1 or more voxels a side; got {reduce!r}")
    t1, grey, white = (_part(name, heights, reduce) for name in ("t1", "gm", "wm"))
    shares = np.stack([np.zeros_like(t1), 1 - grey - white, grey, white])
    # The maps are blurred over the edge of the brain; the scan itself is not.
    tissue = np.where(t1 < 0.05, 0, shares.argmax(axis=0))
    return Slices(t1, tissue)


def _part(name, heights, reduce):
    import nibabel

    volume = nibabel.load(file_in("nilearn", _FILE.format(name))).dataobj
    planes = np.stack([np.asarray(volume[:, :, height]).T[::-1] / 255 for height in heights])
    n, height, width = planes.shape
    rows, columns = height // reduce, width // reduce
    cut = planes[:, : rows * reduce, : columns * reduce]
    return cut.reshape(n, rows, reduce, columns, reduce).mean(axis=(2, 4))
