"""What an image file holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class ImageFile:
    """Pixels of a file, one letter an axis (TZCYX, else as the file says), pixel size in µm if known.

    ``notes`` say in sentences what of the file was left out.
    """

    pixels: NDArray[Any]
    axes: str
    pixel_size_um: float | None = None
    notes: tuple[str, ...] = ()
