"""Maps of a layer's planes, kept so that sliders can decode them again."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_nucseg._napari.planes import PlaneIndex
    from napari_nucseg.segmentation.segment import Segmentation

CACHE_BYTES = 1_000_000_000


class MapsCache:
    """Segmentations with their maps, by plane; the oldest leave when they take too much memory.

    Decoding again needs the maps; a plane that has left must be segmented again first. How it was segmented, which is
    small, stays known.
    """

    def __init__(self, max_bytes: int = CACHE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._planes: OrderedDict[PlaneIndex, Segmentation] = OrderedDict()
        self._left: dict[PlaneIndex, Segmentation] = {}
        self._n_put: Counter[PlaneIndex] = Counter()

    def put(self, index: PlaneIndex, segmentation: Segmentation) -> None:
        """Remember a plane; at least the newest always stays."""
        self._n_put[index] += 1
        self._left.pop(index, None)
        self._planes[index] = segmentation
        self._planes.move_to_end(index)
        while len(self._planes) > 1 and self.nbytes > self._max_bytes:
            oldest, left = self._planes.popitem(last=False)
            self._left[oldest] = replace(
                left, labels=left.labels[:0, :0].copy(), wide_maps=left.wide_maps[:, :0, :0].copy()
            )

    def get(self, index: PlaneIndex) -> Segmentation | None:
        """Segmentation of a plane, or None where it has left or never was."""
        return self._planes.get(index)

    def n_put(self, index: PlaneIndex) -> int:
        """How many segmentations of a plane there were, those included that have left."""
        return self._n_put[index]

    def copy(self) -> MapsCache:
        """Copy of the list of planes; the segmentations, which nobody changes, are the same."""
        copied = MapsCache(self._max_bytes)
        copied._planes, copied._left = self._planes.copy(), self._left.copy()
        copied._n_put = self._n_put.copy()
        return copied

    @property
    def runs(self) -> list[Segmentation]:
        """How each plane was segmented, the newest at the end; of those that have left, without labels and maps."""
        return [*self._left.values(), *self._planes.values()]

    @property
    def nbytes(self) -> int:
        """Memory the maps and labels take."""
        return sum(s.wide_maps.nbytes + s.labels.nbytes for s in self._planes.values())

    def __iter__(self) -> Iterator[PlaneIndex]:
        return iter(self._planes)

    def __len__(self) -> int:
        return len(self._planes)
