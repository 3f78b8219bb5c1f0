"""What an image file holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class ImageFile:
    """Pixels of a file, one letter an axis (TZCYX, else as the file says), pixel size in µm if known.

    ``notes`` say in sentences what of the file was left out; ``channels`` are their names, empty where it tells none.
    """

    pixels: NDArray[Any]
    axes: str
    pixel_size_um: float | None = None
    notes: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()


def orientation_note(orientation: object) -> str:
    """Say that an image was read as it is stored, where a file's orientation (EXIF, TIFF) says to show it turned."""
    if orientation not in range(2, 9):
        return ""
    return (
        f"The file says that it is shown turned or mirrored (orientation {orientation}); it was read as it is stored, "
        "and the result lies on that."
    )
