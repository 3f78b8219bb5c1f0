"""Images as networks know them: stained tissue in blue and pink, fluorescence in grey."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_nucseg.data.dark_field import COLOURS, nuclear_channel
from napari_nucseg.data.stains import brown_as_haematoxylin, may_have_brown_nuclei, without_brown

if TYPE_CHECKING:
    from numpy.typing import NDArray

HELPS = 0.03
"""How much more a network must trust what it finds in another appearance than in the likeliest.

In tissue recoloured it does for 27 of 35 pictures with brown nuclei, and for 1 of 8 with brown around them.
"""


@dataclass(frozen=True, eq=False)
class Appearance:
    """One way to show an image.

    Attributes
    ----------
    planes
        (C, Y, X) as they were; (3, Y, X), 0…1, stained otherwise; or (1, Y, X), the nuclear channel alone.
    note
        What was done, for the user; nothing for most images.
    helps
        How much more a network must trust what it finds so (``trust_in``) than in the likeliest appearance.
    """

    planes: NDArray[Any]
    note: str = ""
    helps: float = 0.0


def appearances(planes: NDArray[Any]) -> tuple[Appearance, ...]:
    """Show an image as one of the kinds networks learn from: the likeliest way, and others worth a look.

    Nearly all images have one. With dense brown spots there are two: nothing but what a network finds tells whether
    nuclei are brown.

    Parameters
    ----------
    planes : (C, Y, X) in any units that are 0 in the dark.
    """
    likeliest = familiar(planes)
    if not may_have_brown_nuclei(planes):
        return (likeliest,)
    note = "Brown stain (DAB) was shown as haematoxylin: the nuclei found so, brown and blue, can be trusted more."
    return (likeliest, Appearance(brown_as_haematoxylin(planes), note, HELPS))


def familiar(planes: NDArray[Any]) -> Appearance:
    """Show an image in the likeliest way, without asking a network.

    Parameters
    ----------
    planes : (C, Y, X) in any units that are 0 in the dark.
    """
    channel = nuclear_channel(planes)
    if channel is not None:
        return Appearance(
            planes[channel : channel + 1],
            f"Fluorescence in colours: nuclei were looked for in {COLOURS[channel]} alone, channel {channel}. "
            "If another shows them, choose it as the channel.",
        )
    shown = without_brown(planes)
    if shown is not planes:
        return Appearance(
            shown, "Brown stain (DAB) was taken out; nuclei were looked for in what is stained blue."
        )
    return Appearance(planes)
