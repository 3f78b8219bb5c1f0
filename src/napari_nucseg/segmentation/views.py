"""Ways to look at one image: mirrored, turned, at other scales. What the qualities average."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

ViewsName = Literal["auto", "plain", "two", "flips", "turns", "scales", "flips+scales", "turns+scales"]


@dataclass(frozen=True)
class Symmetry:
    """Turn an array (C, Y, X) by quarters, then mirror it left to right."""

    quarters: int = 0
    mirrored: bool = False

    def apply(self, array: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn and mirror; no pixel is copied."""
        turned = np.rot90(array, self.quarters, axes=(1, 2))
        return turned[:, :, ::-1] if self.mirrored else turned

    def undo(self, array: NDArray[np.float32]) -> NDArray[np.float32]:
        """Bring back what ``apply`` made."""
        turned = array[:, :, ::-1] if self.mirrored else array
        return np.rot90(turned, -self.quarters, axes=(1, 2))


@dataclass(frozen=True)
class Views:
    """Every symmetry at every scale; scales multiply the one at which nuclei have the network's size."""

    symmetries: tuple[Symmetry, ...] = (Symmetry(),)
    scales: tuple[float, ...] = (1.0,)

    def __len__(self) -> int:
        return len(self.symmetries) * len(self.scales)


_FLIPS = tuple(Symmetry(quarters, mirrored) for quarters in (0, 2) for mirrored in (False, True))
_TURNS = tuple(Symmetry(quarters, mirrored) for quarters in range(4) for mirrored in (False, True))
_SCALES = (1.0, 1.25)

VIEWS: Mapping[ViewsName, Views] = MappingProxyType(
    {
        "plain": Views(),
        "two": Views((Symmetry(), Symmetry(quarters=1))),
        "flips": Views(_FLIPS),
        "turns": Views(_TURNS),
        "scales": Views(scales=_SCALES),
        "flips+scales": Views(_FLIPS, _SCALES),
        "turns+scales": Views(_TURNS, _SCALES),
    }
)
"""The sets there are, by name."""
ACCURATE_VIEWS: ViewsName = "turns"
"""The set that ``auto`` stands for in accurate quality: larger scales split nuclei."""
ONE_HEAD_VIEWS: ViewsName = "two"
"""That in standard quality where a network has one head, with nothing to average: three fifths of the gain for a
quarter of the work."""
