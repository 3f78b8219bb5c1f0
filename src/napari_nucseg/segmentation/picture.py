"""An image as networks want it, made of its pixels where it is read: a large one is never all there in float32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.data.intensity import IntensityRange

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALL = slice(None)


@dataclass(frozen=True, eq=False)
class Picture:
    """Three planes of intensities 0…1; a grey image is one plane in memory, seen three times.

    Attributes
    ----------
    planes : (C, Y, X) in any units, C 1 or 3, not to be written to
    intensity : which of them become 0 and 1
    """

    planes: NDArray[Any]
    intensity: IntensityRange

    @classmethod
    def of(cls, image: NDArray[np.float32]) -> Picture:
        """Take (C, Y, X) of 0…1 already."""
        return cls(image, IntensityRange(0, 1))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.planes.shape[1], self.planes.shape[2]

    def scaled(self, rows: slice = ALL, columns: slice = ALL) -> NDArray[np.float32]:
        """Read a part, (C, Y, X)."""
        return self.intensity.apply(np.asarray(self.planes[:, rows, columns]))

    def read(self, rows: slice = ALL, columns: slice = ALL) -> NDArray[np.float32]:
        """Read a part, (3, Y, X)."""
        planes = self.scaled(rows, columns)
        return planes if len(planes) == 3 else np.broadcast_to(planes, (3, *planes.shape[1:]))
