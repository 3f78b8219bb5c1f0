"""What the widget says in words: summary, methods text, Python that repeats the run. No Qt."""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

import napari_nucseg
from napari_nucseg.counted import count_words
from napari_nucseg.nuclei.decoding import DecodingSettings
from napari_nucseg.segmentation.settings import SegmentationSettings

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from numpy.typing import NDArray
    from pydantic import BaseModel

    from napari_nucseg._napari.layer_state import LayerState
    from napari_nucseg._napari.planes import PlaneIndex
    from napari_nucseg.segmentation.segment import Segmentation
    from napari_nucseg.segmentation.size import DiameterEstimate

DOUBTFUL = 0.4  # confidence below which the user is asked to check the estimated diameter

MOST_NAMED = 3
"""Of more slices than this, a note tells how many."""

CITATIONS = (
    "U-Net: Ronneberger, Fischer & Brox (2015), doi:10.1007/978-3-319-24574-4_28",
    "napari: napari contributors, doi:10.5281/zenodo.3555620",
)
KIND_CITATIONS = {
    "unetplusplus": "U-Net++: Zhou et al. (2018), doi:10.1007/978-3-030-00889-5_1",
}
TRAINING_CITATIONS = {
    "dsb2018": "2018 Data Science Bowl: Caicedo et al. (2019), doi:10.1038/s41592-019-0612-7",
    "tnbc": "TNBC: Naylor et al. (2018), doi:10.5281/zenodo.1175282",
}


@dataclass(frozen=True)
class Counted:
    """Nuclei in a labels array: how many, and the median area in pixels (NaN where there are none)."""

    n_nuclei: int
    median_area_px: float


def count_steps(labels: NDArray[np.integer]) -> Generator[None, None, Counted]:
    """Count the nuclei of a plane or a stack whose numbers are unique, plane by plane."""
    found = []
    for index in np.ndindex(labels.shape[:-2]):
        plane = labels[index]
        found.append(np.unique(plane[plane > 0], return_counts=True))
        yield
    numbers, areas = (np.concatenate(each) for each in zip(*found, strict=True))
    _, nucleus = np.unique(numbers, return_inverse=True)
    total = np.bincount(nucleus, weights=areas)
    return Counted(total.size, float(np.median(total)) if total.size else float("nan"))


def summary_text(counted: Counted, pixel_size_um: float | None, origin: str) -> str:
    """One line such as "143 nuclei · median 62 µm² · U-Net · 0.8 s on CPU"."""
    if counted.n_nuclei == 0:
        return f"No nuclei found · {origin}"
    nuclei = count_words(counted.n_nuclei, "nucleus", "nuclei")
    if pixel_size_um is None:
        area = f"median {counted.median_area_px:.0f} px²"
    else:
        area_um2 = counted.median_area_px * pixel_size_um**2
        area = f"median {area_um2:.0f} µm²" if area_um2 >= 10 else f"median {area_um2:.2g} µm²"
    return f"{nuclei} · {area} · {origin}"


def diameter_text(estimates: Sequence[DiameterEstimate]) -> str:
    """Say what the program found out about the size of the nuclei of one plane or several, and how sure it is."""
    recognised = [estimate for estimate in estimates if estimate.confidence > 0]
    size = _range_px([estimate.diameter_px for estimate in recognised or estimates], digits=0)
    if not recognised:
        return f"Diameter not recognised, {size} assumed. If nuclei are cut or missed, set it."
    lowest = min(estimate.confidence for estimate in recognised)
    at_least = "" if all(e.confidence == lowest for e in recognised) else "at least "
    advice = " Check it: measure a nucleus." if lowest < DOUBTFUL else ""
    return f"Diameter estimated: {size} (confidence {at_least}{lowest:.0%}).{advice}"


def given_diameter_text(diameter_px: float) -> str:
    """Say that nothing was found where a diameter was given, which may be why."""
    return (
        f"Diameter set: {diameter_px:.0f} px. If the nuclei here are much smaller or larger, none are found: measure "
        "one, or choose Automatic."
    )


def _range_px(sizes: Sequence[float], digits: int) -> str:
    """Say a size in pixels, or from the smallest to the largest where they differ."""
    smallest, largest = f"{min(sizes):.{digits}f}", f"{max(sizes):.{digits}f}"
    return f"{smallest} px" if smallest == largest else f"{smallest} to {largest} px"


def notes_text(runs: Mapping[PlaneIndex, Segmentation]) -> list[str]:
    """Return what was noted of planes, each note once, with its slices where it does not hold for all of them."""
    planes: dict[str, list[PlaneIndex]] = {}
    for index, run in runs.items():
        for note in dict.fromkeys(run.notes):
            planes.setdefault(note, []).append(index)
    return [
        note if len(noted) == len(runs) else f"{_slices_words(noted, len(runs))}: {note}"
        for note, noted in planes.items()
    ]


def _slices_words(planes: list[PlaneIndex], n_all: int) -> str:
    """Name slices as napari's sliders do, counted from 0; of many say how many."""
    if len(planes) > MOST_NAMED:
        return f"{len(planes)} of {n_all} slices"
    names = [str(index[0]) if len(index) == 1 else str(index) for index in planes]
    return f"Slice {names[0]}" if len(names) == 1 else f"Slices {', '.join(names[:-1])} and {names[-1]}"


def short_device(name: str, description: str) -> str:
    """Name of a processor as people say it: CPU, Apple GPU, or the card's name."""
    return "CPU" if name == "cpu" else description


def python_text(state: LayerState, *, edited: bool) -> str:
    """Python that segments the same image with the same settings; says so where nuclei were edited since."""
    choices = dict(_changed(state.settings, _standard_decoding(state)))
    choices["model"] = state.model_name
    stack = " × ".join(map(str, state.layout.stack_shape))
    what = f"one plane of the {stack} planes" if stack else "the array"
    part = "The window worked on a part of the image; this works on all of it." if state.regions else ""
    by_hand = "Corrections made by hand are not repeated." if edited else ""
    remarks = "".join(f"# {remark}\n" for remark in (part, _others_words(state), by_hand) if remark)
    arguments = "".join(f"    {name}={value!r},\n" for name, value in choices.items())
    return (
        "from napari_nucseg import segment\n\n"
        f"# image: {what} of the layer {state.image_name!r}, axes {state.layout.plane_axes}\n"
        f"{remarks}result = segment(\n    image,\n{arguments})\nlabels = result.labels\n"
    )


def methods_text(state: LayerState, *, edited: bool) -> str:
    """Paragraph for a methods section: what was used, with which settings, whether edited, whom to cite."""
    run = state.runs_of_model[0]
    where = f" on {short_device(run.device.name, run.device.description)}"
    if run.device.precision != "float32":
        where += f", computed in {run.device.precision}"
    sentences = [
        f"Nuclei were segmented with napari-nucseg {napari_nucseg.__version__} (model {state.model_name}, SHA-256 "
        f"{state.model_sha256[:12]}…) in napari {version('napari')}{where}.",
        _pixels_words(state),
        _size_words(state),
        _quality_words(state.settings, run),
        _decoding_words(state.settings.decoding, run),
        _others_words(state),
        "Nuclei were then corrected by hand." if edited else "",
        f"Python {platform.python_version()}, PyTorch {version('torch')}, NumPy {np.__version__}.",
    ]
    return "\n".join(
        [
            " ".join(filter(None, sentences)) + "\n",
            *_listed("What the program noted of the image, or of planes of it:", _notes(state)),
            *_listed("Please cite:", _citations(run)),
        ]
    )


def _listed(title: str, points: list[str]) -> list[str]:
    return ["\n".join([title, *(f"- {point}" for point in points)]) + "\n"] if points else []


def _notes(state: LayerState) -> list[str]:
    """Return what runs of the model noted, one of a kind: numbers may differ in every plane of a stack."""
    notes = [note for run in state.runs_of_model for note in run.notes]
    return list({re.sub(r"\d[\d,]*", "", note): note for note in notes}.values())


def _others_words(state: LayerState) -> str:
    """Say where planes of a stack were segmented in another way than the last."""
    runs = state.runs
    models = sorted({run.model.name for run in runs} - {state.model_name})
    ways = [f"other models ({', '.join(models)})"] if models else []
    # A model may be chosen by its name or automatically, and be the same.
    if any(_differing(run.settings, state.settings, skip={"model"}) for run in runs):
        ways.append("other settings")
    return f"Some planes were segmented with {' and '.join(ways)}." if ways else ""


def _standard_decoding(state: LayerState) -> DecodingSettings:
    """Return the decoding settings that hold where none are given: those of the model."""
    return DecodingSettings(**state.runs_of_model[0].model.card.thresholds.model_dump())


def _changed(settings: SegmentationSettings, standard: DecodingSettings) -> list[tuple[str, object]]:
    """Every setting that is not its default, decoding's beside the others (segment takes both by name)."""
    pairs = _differing(settings, SegmentationSettings(), skip={"decoding"})
    return [*pairs, *_differing(settings.decoding, standard)]


def _differing(
    model: BaseModel, default: BaseModel, skip: set[str] | None = None
) -> list[tuple[str, object]]:
    names = [n for n in type(model).model_fields if n not in (skip or set())]
    return [(n, getattr(model, n)) for n in names if getattr(model, n) != getattr(default, n)]


def _pixels_words(state: LayerState) -> str:
    """Say which pixels were looked at, where not all of the image were."""
    layout, channel = state.layout, state.settings.channel
    of_several = channel is not None and (layout.rgb or layout.n_channels > 1)
    words = [f"Channel {channel} of the image, counted from 0, was used."] if of_several else []
    if state.regions:
        words.append(
            f"The last run segmented only a part of {'some planes' if layout.stack_shape else 'the image'}."
        )
    return " ".join(words)


def _size_words(state: LayerState) -> str:
    settings, given = state.settings, state.settings.given_diameter_px
    if given is not None:
        in_px = f"{given:.1f} px"
        if settings.diameter_um is None:
            return f"The nucleus diameter was set to {in_px}."
        pixel = f"{settings.pixel_size_um:g} µm per pixel"
        return f"The nucleus diameter was set to {settings.diameter_um:g} µm ({in_px} at {pixel})."
    # a plane that shows nothing has no estimate
    estimates = [(run.diameter_px, run.diameter) for run in state.runs_of_model if run.diameter is not None]
    recognised = [px for px, estimate in estimates if estimate.confidence > 0]
    if not estimates:
        return "The nucleus diameter was estimated from the image."
    size = _range_px(recognised or [px for px, _ in estimates], digits=1)
    if not recognised:
        return f"The nucleus diameter was not recognised in the image; {size} was assumed."
    return f"The nucleus diameter was estimated from the image ({size})."


def _quality_words(settings: SegmentationSettings, run: Segmentation) -> str:
    """Say how the network was run where that is not the plain way."""
    words = [] if settings.quality == "standard" else [f"The quality setting was {settings.quality}."]
    views = settings.views_for(len(run.model.card.architecture.heads))
    if len(views) > 1:
        words.append(
            f"The network's maps were averaged over {len(views)} views of the image: {len(views.symmetries)} "
            f"orientation(s) at {len(views.scales)} scale(s)."
        )
    return " ".join(words)


def _decoding_words(decoding: DecodingSettings, run: Segmentation) -> str:
    judged = (
        f", joined where they were likelier nuclei together, and kept if their probability to be one was at least "
        f"{decoding.certainty:.2f} as judged by the model"
        if run.judge is not None and decoding.certainty
        else ""
    )
    area = (
        f"objects under {decoding.min_area_px} px were dropped"
        if decoding.min_area_px is not None
        else "objects under a twentieth of a nucleus's area were dropped"
    )
    border = ", nuclei touching the image's edge were removed" if decoding.exclude_border else ""
    return (
        f"The network's maps were turned into nuclei with a foreground threshold of "
        f"{decoding.foreground_threshold:.2f} and a core threshold of {decoding.core_threshold:.2f}{judged}; "
        f"{area}{border}."
    )


def _citations(run: Segmentation) -> list[str]:
    card = run.model.card
    data = [name.lower().replace(" ", "") for name in card.training_data]
    kind = [KIND_CITATIONS[card.architecture.kind]] if card.architecture.kind in KIND_CITATIONS else []
    return [*kind, *CITATIONS, *(c for key, c in TRAINING_CITATIONS.items() if any(key in d for d in data))]
