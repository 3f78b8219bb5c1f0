"""An image as networks want it, made of its pixels where it is read: a large one is never all there in float32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import uniform_filter

from napari_nucseg.data.intensity import IntensityRange

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALL = slice(None)
FLAT = 0.03
"""Of the range of intensities: where smoothed ones differ by less there is nothing to see. On glass beside tissue those
of a camera or of JPEG differ by .02."""
SAMPLES_A_DIAMETER = 6


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

    def is_flat(self, rows: slice, columns: slice, diameter_px: float) -> bool:
        """Whether a part shows nothing of the size of nuclei."""
        step = max(1, round(diameter_px / SAMPLES_A_DIAMETER))
        samples = self.scaled(slice(rows.start, rows.stop, step), slice(columns.start, columns.stop, step))
        return all(float(np.ptp(uniform_filter(plane, 3))) < FLAT for plane in samples)

    def read(self, rows: slice = ALL, columns: slice = ALL) -> NDArray[np.float32]:
        """Read a part, (3, Y, X)."""
        planes = self.scaled(rows, columns)
        return planes if len(planes) == 3 else np.broadcast_to(planes, (3, *planes.shape[1:]))
