"""The part of a plane a user wants segmented: a box, and a mask where the outline is no box. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.errors import ImageError
from napari_nucseg.nuclei.strokes import pixels_inside

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Box = tuple[slice, slice]

NOT_IN_VIEW = "nothing of the image is in view. Press Home in the viewer, or choose Whole image."


@dataclass(frozen=True, eq=False)
class Region:
    """A box of a plane, and the mask (of the box's size) of an outline inside it, if it is no box."""

    box: Box
    mask: NDArray[np.bool_] | None = None

    def whole_mask(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return the region as a mask of a plane of this shape (Y, X)."""
        full = np.zeros(shape, bool)
        full[self.box] = True if self.mask is None else self.mask
        return full


def region_in_view(corners: ArrayLike, shape: tuple[int, int]) -> Region:
    """Region between the canvas's corners.

    Parameters
    ----------
    corners
        Points in Y and X, (N, 2), in pixels of the image; the outermost ones are inside.
    shape
        Size (Y, X) of the plane.

    Raises
    ------
    ImageError
        If nothing of the image is in view.
    """
    lowest, highest = np.min(corners, axis=0), np.max(corners, axis=0)
    return Region(_box(np.floor(lowest), np.ceil(highest) + 1, shape, NOT_IN_VIEW))


def region_seen(outline: NDArray[np.float64], shape: tuple[int, int]) -> Region:
    """Region that is in view and no more: no box where a layer is turned or sheared.

    Parameters
    ----------
    outline
        Corners of the canvas round it, (4, 2), in pixels of the image.
    shape
        Size (Y, X) of the plane.

    Raises
    ------
    ImageError
        If nothing of the image is in view.
    """
    around = region_in_view(outline, shape)
    return around if _is_upright(outline) else _enclosed(outline, around.box, NOT_IN_VIEW)


def region_from_outline(vertices: ArrayLike, shape_type: str, shape: tuple[int, int]) -> Region:
    """Region inside a shape drawn on the image.

    Parameters
    ----------
    vertices
        (N, 2) or (N, ndim) corners in pixels of the image; Y and X are the last two columns.
    shape_type
        napari's name of the shape: rectangle, ellipse, polygon ….
    shape
        Size (Y, X) of the plane.

    Raises
    ------
    ImageError
        If the shape lies outside the image or encloses nothing.
    """
    outline = np.asarray(vertices, float)[:, -2:]
    if shape_type == "ellipse":
        outline = _ellipse(outline)
    first, stop = np.floor(outline.min(axis=0) + 0.5), np.ceil(outline.max(axis=0) + 0.5)
    box = _box(first, stop, shape, "the drawn region lies outside the image. Draw it over the nuclei.")
    if shape_type == "rectangle" and _is_upright(outline):
        return Region(box)
    return _enclosed(outline, box, "the drawn region encloses no pixel. Draw a larger one.")


def _box(first: NDArray[Any], stop: NDArray[Any], shape: tuple[int, int], complaint: str) -> Box:
    """Box from its first corner to before its last, as far as it lies in the plane."""
    (top, left), (bottom, right) = np.clip([first, stop], 0, shape).astype(int).tolist()
    if top >= bottom or left >= right:
        raise ImageError(complaint)
    return slice(top, bottom), slice(left, right)


def _enclosed(outline: NDArray[np.float64], box: Box, complaint: str) -> Region:
    """Region of the pixels of a box that an outline encloses."""
    rows, columns = box
    mask = pixels_inside(
        outline - (rows.start, columns.start), (rows.stop - rows.start, columns.stop - columns.start)
    )
    if not mask.any():
        raise ImageError(complaint)
    return Region(box, mask)


def _is_upright(rectangle: NDArray[np.float64]) -> bool:
    edges = np.diff(rectangle, axis=0)
    return bool((np.abs(edges).min(axis=1) < 0.5).all())


def _ellipse(corners: NDArray[np.float64], n: int = 64) -> NDArray[np.float64]:
    """Outline of the ellipse in a (perhaps turned) box of four corners."""
    centre = corners.mean(axis=0)
    half_a, half_b = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)[:, None]
    return centre + np.cos(angle) * half_a + np.sin(angle) * half_b
