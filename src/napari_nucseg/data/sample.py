"""One image with its truth, and the lazy sequence of them that every dataset is.

Layout modules make a :class:`Dataset` out of one reading function a sample; nothing is read before it is
asked for, and one broken sample never stops the others.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from napari_nucseg.errors import DatasetError, ImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Sample:
    """An image and what is known about it.

    Attributes
    ----------
    name
        Unique in its dataset.
    image
        Pixels as on disk, (Y, X), (Y, X, C), or as ``metadata["axes"]`` says.
    labels
        Ground truth (Y, X), 0 background, numbered as in the source (gaps are kept); None without.
    classes
        Label value to class name; None where the set has no classes.
    metadata
        ``layout``, ``axes``, ``image_path``, ``labels_path`` and ``pixel_size_um`` (µm), ``kind``, ``split``, ``group``
        where known; ``nuclei_channel`` where one of several channels is named for nuclei; ``unread_labels_path`` where
        labels are in a file of another kind.
    """

    name: str
    image: NDArray[Any]
    labels: NDArray[np.int32] | None = None
    classes: Mapping[int, str] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Dataset(Sequence[Sample]):
    """Samples read one at a time, when they are asked for.

    Parameters
    ----------
    layout
        Name of the recognised layout, e.g. ``"lizard"``.
    root
        Folder, zip or image file the dataset was opened from.
    readers
        Sample name to the function that reads that sample, in the dataset's order.
    files
        Sample name to its image file within the dataset, where it has one. A name may change when a namesake
        comes to it; the file stays.
    places
        Sample name to where that file is: a path, or ``archive.zip!entry``.
    unused
        Looks for files that belong to no sample though they look like it, by the reason, which goes on after
        "3 files".
    """

    def __init__(
        self,
        layout: str,
        root: Path,
        readers: Mapping[str, Callable[[], Sample]],
        files: Mapping[str, str] | None = None,
        places: Mapping[str, str] | None = None,
        unused: Callable[[], Mapping[str, tuple[str, ...]]] = dict,
    ) -> None:
        self.layout = layout
        self.root = root
        self.files = dict(files or {})
        self.places = dict(places or {})
        self.unused = unused
        self._readers = dict(readers)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all samples, in order."""
        return tuple(self._readers)

    def path_of(self, name: str) -> Path | None:
        """Image file of a sample; None where it lies in an archive, has none or is gone."""
        path = Path(self.places.get(name, ""))
        return path if path.is_file() else None

    def read(self, name: str) -> Sample:
        """Read one sample; any failure is a ``DatasetError`` that names the sample and its files."""
        if name not in self._readers:
            raise DatasetError(self._unknown(name))
        try:
            return self._readers[name]()
        except DatasetError:
            raise
        except ImageError as error:  # it names the file
            raise DatasetError(str(error)) from error
        except OSError as error:
            raise DatasetError(self._not_opened(name, error)) from error
        except Exception as error:
            # Image and .mat parsers raise nearly anything on damaged files, even SyntaxError.
            raise DatasetError(
                f"sample {name!r} of {self.root} cannot be read: {type(error).__name__}: {error}"
            ) from error

    def select(self, names: Iterable[str]) -> Dataset:
        """Return the dataset of these samples only, in the given order."""
        wanted = list(names)
        for name in wanted:
            if name not in self._readers:
                raise DatasetError(self._unknown(name))
        readers = {name: self._readers[name] for name in wanted}
        files, places = (
            {name: known[name] for name in wanted if name in known} for known in (self.files, self.places)
        )
        return Dataset(self.layout, self.root, readers, files, places)

    def valid(self, on_error: Callable[[str, DatasetError], None] | None = None) -> Iterator[Sample]:
        """Yield every sample that can be read; tell ``on_error(name, error)`` about each that cannot."""
        for name in self._readers:
            try:
                sample = self.read(name)
            except DatasetError as error:
                if on_error is not None:
                    on_error(name, error)
            else:
                yield sample

    def __len__(self) -> int:
        return len(self._readers)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Dataset: ...
    def __getitem__(self, index: int | slice) -> Sample | Dataset:
        if isinstance(index, slice):
            return self.select(self.names[index])
        return self.read(self.names[index])

    def __repr__(self) -> str:
        return f"<Dataset {self.layout}: {len(self)} samples in {self.root}>"

    def _not_opened(self, name: str, error: OSError) -> str:
        file = error.filename or f"a file of sample {name!r} of {self.root}"
        if isinstance(error, FileNotFoundError):
            return f"{file} is no longer there: put it back, or open the folder again"
        return f"{file} cannot be opened: {error.strerror or error}"

    def _unknown(self, name: str) -> str:
        close = difflib.get_close_matches(name, self._readers, n=3, cutoff=0.5) or list(self._readers)[:3]
        return f"no sample {name!r} in {self.root}; of its {len(self)} samples are near: {', '.join(close)}"
