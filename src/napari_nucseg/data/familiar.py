"""Images as networks know them: stained tissue in blue and pink, fluorescence in grey."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_nucseg.data.dark_field import COLOURS, nuclear_channel
from napari_nucseg.data.stains import without_brown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def familiar(planes: NDArray[np.float32]) -> tuple[NDArray[np.float32], str]:
    """Show an image as one of the kinds networks learn from, and say in words what was done, nothing for most images.

    Parameters
    ----------
    planes : (C, Y, X) in any units that are 0 in the dark.

    Returns
    -------
    planes
        (C, Y, X) as they were; (3, Y, X), 0…1, without brown stain; or (1, Y, X), the nuclear channel alone.
    note
        For the user.
    """
    channel = nuclear_channel(planes)
    if channel is not None:
        return planes[channel : channel + 1], (
            f"Fluorescence in colours: nuclei were looked for in {COLOURS[channel]} alone, channel {channel}. "
            "If another shows them, choose it as the channel."
        )
    shown = without_brown(planes)
    if shown is not planes:
        return shown, "Brown stain (DAB) was taken out; nuclei were looked for in what is stained blue."
    return planes, ""
