"""What a model can be taught from: corrected layers of the viewer, and folders.

Layers are looked at as they are now; :meth:`Examples.collect` copies them, so that a thread may save them while the
user paints on.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels

from napari_nucseg._napari.correct_files import collect
from napari_nucseg._napari.correct_subject import Subject, corrections_of
from napari_nucseg._napari.image_layout import known_channel
from napari_nucseg._napari.layer_state import OVERLAYS, has_edits, read_corrections, read_state, snapshot_of
from napari_nucseg.errors import NucSegError, TrainingError
from napari_nucseg.teaching.job import Example, Use

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari.components import ViewerModel
    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_nucseg.data.correction_set import CorrectionSet


@dataclass(frozen=True)
class Source:
    """A layer (by its ``unique_id``) or a folder, and its name on show; equal where they mean the same."""

    name: str = field(compare=False)
    layer_id: object = None
    folder: Path | None = None

    @property
    def where(self) -> str:
        """Say in full where it is."""
        return self.name if self.folder is None else str(self.folder)


@dataclass(frozen=True, eq=False)
class Saved:
    """A layer that was saved in a listed folder, as it is now; the folder alone is taught.

    Attributes
    ----------
    name, folder
        Of the layer, and of its correction set.
    labels, trust
        Copies of the layer's arrays.
    before
        What its labels were compared with, where that is known.
    """

    name: str
    folder: Path
    labels: NDArray[np.integer]
    trust: NDArray[np.uint8]
    before: NDArray[np.integer] | None


@dataclass(frozen=True, eq=False)
class Collected:
    """A source as it is now.

    Attributes
    ----------
    source, use
        Which, and the user's choice for it.
    corrections
        A copy of the layer's arrays; None for folders.
    taken_from
        Which image or channel was taken, where that depends on what is on show, and whether the labels are shown
        beside it; in words.
    problem
        Why the layer cannot be used, in words.
    saved
        Layers of the viewer that were saved in the folder.
    """

    source: Source
    use: Use = "auto"
    corrections: CorrectionSet | None = None
    taken_from: str = ""
    problem: str = ""
    saved: tuple[Saved, ...] = ()

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Size (…, Y, X) of the labels; None for folders."""
        return None if self.corrections is None else self.corrections.labels.shape

    @property
    def predicted(self) -> bool:
        """Whether the prediction is known that the labels were made of; of others only what is reviewed is taught."""
        return self.corrections is None or self.corrections.prediction is not None

    @property
    def content(self) -> CorrectionSet | Path:
        """What is taught: the copy of a layer's arrays, or a folder.

        Raises
        ------
        TrainingError
            If the layer cannot be used.
        """
        content = self.source.folder if self.corrections is None else self.corrections
        if content is None:
            raise TrainingError(self.problem)
        return content

    def as_example(self, place: Path) -> Example:
        """Return what a job says of it; ``place`` is where it lies. A layer goes by its name, not by its folder's."""
        name = "" if self.corrections is None else self.source.name
        return Example(path=place, use=self.use, name=name)


class Examples:
    """Sources in their order: the viewer's corrected layers, then folders that were added."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._folders: list[Source] = []
        self._pinned: list[Source] = []
        self._uses: dict[Source, Use] = {}

    @property
    def sources(self) -> tuple[Source, ...]:
        """All examples; a layer saved in a listed folder is left to that folder, and a pinned one is no example."""
        listed = (*(source_of(layer) for layer in self._layers()), *self._folders)
        return tuple(source for source in listed if source not in self._pinned)

    @property
    def pinned(self) -> tuple[Source, ...]:
        """What the new model must be as good on as the old one; never learned from."""
        return tuple(s for s in self._pinned if s.folder is not None or layer_of(self._viewer, s) is not None)

    @property
    def corrected(self) -> tuple[Labels, ...]:
        """All corrected layers of the viewer, the topmost first: those that a listed folder stands for, too."""
        return tuple(layer for layer in reversed(self._viewer.layers) if is_corrected(layer))

    def use_of(self, source: Source) -> Use:
        """Return the user's choice: auto, learn or check."""
        return self._uses.get(source, "auto")

    def set_use(self, source: Source, use: Use) -> None:
        """Choose what becomes of an example."""
        self._uses[source] = use

    def add(self, folder: Path) -> None:
        """List a folder: a correction set, a folder of such, one worked through, a dataset."""
        source = source_in(folder)
        if source not in self._folders:
            self._folders.append(source)

    def remove(self, source: Source) -> None:
        """Take a folder out of the list."""
        self._folders.remove(source)

    def collect(self) -> tuple[Collected, ...]:
        """Copy what the layers hold now; one that cannot be used says why."""
        return tuple(
            replace(
                collect_source(self._viewer, source, self.use_of(source)),
                saved=tuple(
                    _copy(layer, folder)
                    for layer in self._viewer.layers
                    if (folder := _saved_in(layer, source)) is not None
                ),
            )
            for source in self.sources
        )

    def collect_pinned(self) -> tuple[Collected, ...]:
        """Copy what pinned layers hold now; one that cannot be used says why."""
        return tuple(collect_source(self._viewer, source) for source in self.pinned)

    def pin(self, source: Source) -> None:
        """Keep the new model good on a source."""
        if source not in self._pinned:
            self._pinned.append(source)

    def unpin(self, source: Source) -> None:
        """Let a source be an example again, if it is a layer."""
        self._pinned.remove(source)

    def _layers(self) -> list[Labels]:
        return [
            layer
            for layer in self.corrected
            if all(_saved_in(layer, source) is None for source in self._folders)
        ]


def is_corrected(layer: Layer) -> bool:
    """Whether somebody corrected a layer, or began to: it was chosen in *Correct nuclei*, or painted on."""
    if not isinstance(layer, Labels) or OVERLAYS & set(layer.metadata) or layer.multiscale:
        return False
    if not isinstance(layer.data, np.ndarray):
        return False
    state = read_state(layer)
    return read_corrections(layer) is not None or (state is not None and has_edits(layer, state))


def _saved_in(layer: Layer, source: Source) -> Path | None:
    """Find where in a folder a layer was saved: to learn from both would show the model the same image twice."""
    state = read_corrections(layer) if source.folder is not None and is_corrected(layer) else None
    if state is None or state.folder is None:
        return None
    saved = state.folder.absolute()
    return state.folder if source.folder in (saved, *saved.parents) else None


def _copy(layer: Labels, folder: Path) -> Saved:
    trust = corrections_of(layer).trust.copy()
    return Saved(layer.name, folder, np.array(layer.data, copy=True), trust, snapshot_of(layer))


def source_of(layer: Labels) -> Source:
    """Source that stands for a layer."""
    return Source(layer.name, layer_id=layer.unique_id)


def source_in(folder: Path) -> Source:
    """Source that stands for what lies in a folder."""
    return Source(folder.name or str(folder), folder=folder.absolute())


def layer_of(viewer: ViewerModel, source: Source) -> Labels | None:
    """Layer of a source; None where it is a folder or gone."""
    return next((layer for layer in viewer.layers if layer.unique_id == source.layer_id), None)


def active_first(viewer: ViewerModel, layers: Sequence[Labels]) -> list[Subject]:
    """Layers with their images: the active one or that of the active image first, those without an image last."""
    active = viewer.layers.selection.active
    return sorted(
        (Subject(viewer, layer) for layer in layers),
        key=lambda s: (active is None or active not in (s.layer, s.image), s.image is None),
    )


def collect_source(viewer: ViewerModel, source: Source, use: Use = "auto") -> Collected:
    """Copy what a source's layer holds now; a folder is left where it is."""
    layer = layer_of(viewer, source)
    if layer is None:
        return Collected(source, use)
    subject = Subject(viewer, layer)
    try:
        corrections = collect(subject, counted=False)
    except NucSegError as error:
        return Collected(source, use, problem=str(error))
    return Collected(source, use, corrections, _taken_from(subject, corrections))


def _taken_from(subject: Subject, corrections: CorrectionSet) -> str:
    """Say which image and channel are taken, where labels do not know it and another one might have been meant."""
    layer = subject.layer
    words = [subject.image_in_question]
    if read_state(layer) is None and "channel" in corrections.settings and known_channel(layer) is None:
        words.append(f"channel {corrections.settings['channel']}, the one on show")
    return "\n".join(filter(None, [", ".join(filter(None, words)), subject.image_beside]))


def file_name(name: str, number: int) -> str:
    """Name of a folder for a source: its number, and what of its name any file system takes."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in name).strip("-")
    return f"{number:02d}-{plain[:40] or 'layer'}"
