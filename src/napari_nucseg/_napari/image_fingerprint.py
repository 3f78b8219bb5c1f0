"""Tells whether a layer's pixels are those that were on show before, also where they are too many to read them all."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Image, Labels

from napari_nucseg._napari.image_layout import image_data
from napari_nucseg.data.journal import fingerprint

PIECE_PX = 512
"""Side of the piece that is read of an image which is not in memory, to know it again."""

_known: WeakKeyDictionary[Image | Labels, tuple[Any, str]] = WeakKeyDictionary()
"""Data that are not in memory, and their fingerprint: it is asked for with every layer that comes or goes."""


def image_fingerprint(image: Image | Labels) -> str:
    """Fingerprint of a layer's pixels; where they are not in memory, a piece of them and the shape stand for all.

    It is empty where they cannot be read.
    """
    data = image_data(image)
    if isinstance(data, np.ndarray):
        return fingerprint(data)
    before, known = _known.get(image, (None, ""))
    if before is not data:
        known = _fingerprint_of_a_piece(data, colours=isinstance(image, Image) and image.rgb)
        if known:
            _known[image] = data, known
    return known


def _fingerprint_of_a_piece(data: Any, *, colours: bool) -> str:
    shape = tuple(int(n) for n in data.shape)
    *leading, height, width = shape[:-1] if colours else shape
    middle = (*(n // 2 for n in leading), _middle(height), _middle(width))
    try:
        piece = np.asarray(data[middle])
    # whatever reads it: a file that is gone, a network
    except Exception:
        return ""
    # with the shape it is never taken for the fingerprint of a whole array
    return f"{fingerprint(piece)} of {'x'.join(map(str, shape))}"


def _middle(n: int) -> slice:
    first = max(0, (n - PIECE_PX) // 2)
    return slice(first, first + PIECE_PX)
