"""Two models tried on a folder, or on the viewer's corrected layers as they are now. No Qt.

Everything here happens in a worker's thread.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nucseg._napari.teach_run import save_sources
from napari_nucseg._napari.torch_import import make_torch_safe
from napari_nucseg.errors import TrainingError
from napari_nucseg.steps import told_as
from napari_nucseg.teaching.known_images import compared_words

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from napari_nucseg._napari.teach_examples import Collected
    from napari_nucseg.jobs.comparing import ComparingProgress
    from napari_nucseg.teaching.progress import Comparison
    from napari_nucseg.teaching.references import Reference


@dataclass(frozen=True)
class Compared:
    """Two models on the same images: a comparison each, and which are no fair check or could not be used, in words."""

    old: str
    new: str
    comparisons: tuple[Comparison, ...]
    remarks: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Say what the figures are of."""
        lines = (f"{self.old} (old) and {self.new} (new) on the same images:", *self.remarks)
        return "\n".join(lines)


def compare_steps(
    old: str, new: str, collected: Sequence[Collected], folder: Path | None
) -> Generator[str, None, Compared]:
    """Compare on a folder, else on each layer; yields words. Layers in which nothing is reviewed are left out.

    Raises
    ------
    NucSegError
        If a model cannot be loaded, or nothing can be compared on.
    """
    yield "Reading images …"
    make_torch_safe()
    from napari_nucseg.jobs.comparing import compare_models
    from napari_nucseg.network.model_file import load_model

    models = load_model(old), load_model(new)
    references, left_out = _references(collected, folder)
    comparisons = []
    for reference in references:
        steps = compare_models(*models, reference)
        comparisons.append((yield from told_as(steps, _words)))
    remarks = compared_words([model.card for model in models], references)
    return Compared(old, new, tuple(comparisons), (*left_out, *remarks))


def _references(
    collected: Sequence[Collected], folder: Path | None
) -> tuple[list[Reference], tuple[str, ...]]:
    """Read what to compare on into memory, by the names the user knows."""
    from napari_nucseg.teaching.references import labelled_images

    if folder is not None:
        reference = labelled_images(folder)
        return [reference], tuple(f"{reference.name}: {problem}" for problem in reference.problems)
    problems = [f"{each.source.name}: {each.problem}" for each in collected if each.problem]
    usable = [each for each in collected if not each.problem]
    references = []
    with tempfile.TemporaryDirectory(prefix="nucseg-", ignore_cleanup_errors=True) as drafts:
        for place, each in zip(save_sources(Path(drafts), usable), usable, strict=True):
            try:
                references.append(labelled_images(place, each.source.name))
            except TrainingError as error:
                problems.append(str(error))
    if not references:
        raise TrainingError(" ".join(problems))
    return references, tuple(f"Left out: {problem}" for problem in problems)


def _words(step: ComparingProgress) -> str:
    return f"Trying both on {step.name} ({step.done + 1} of {step.total}) …"
