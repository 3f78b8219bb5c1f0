"""One image, whole: normalise, find the nucleus size, predict, decode."""

from __future__ import annotations

import inspect
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from napari_nucseg.counted import count_words
from napari_nucseg.data.dark_field import is_fluorescence
from napari_nucseg.data.images import to_planes
from napari_nucseg.errors import ImageError, SettingsError
from napari_nucseg.network.allocator import reuse_freed_memory
from napari_nucseg.network.device import choose_device
from napari_nucseg.network.model_card import Thresholds
from napari_nucseg.network.model_file import load_model
from napari_nucseg.network.predict import TilePlan, default_batch
from napari_nucseg.network.preferred import preference_problem
from napari_nucseg.nuclei.decoding import DecodingSettings
from napari_nucseg.refusals import problems_in
from napari_nucseg.segmentation.clock import Clock
from napari_nucseg.segmentation.finding import Finder
from napari_nucseg.segmentation.rescale import network_scale
from napari_nucseg.segmentation.result import Progress, Segmentation
from napari_nucseg.segmentation.settings import SegmentationSettings
from napari_nucseg.segmentation.showing import Whole, show
from napari_nucseg.segmentation.window import Window
from napari_nucseg.steps import drain, told_as
from napari_nucseg.strips import strips

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from numpy.typing import NDArray

    from napari_nucseg.network.model_file import Model
    from napari_nucseg.segmentation.window import Region

__all__ = ["Progress", "Segmentation", "make_settings", "model_for", "segment", "segment_steps"]


def segment(image: NDArray[Any], **choices: Any) -> Segmentation:
    """Segment the nuclei of one 2D image.

    Parameters
    ----------
    image : (Y, X), (Y, X, 3) or, with ``axes``, any 2D multichannel array
        Integers, floats or booleans of any range; NaN, masked pixels and −infinity count as background, infinity as
        saturated.
    **choices
        Any field of ``SegmentationSettings`` (``axes``, ``channel``, ``model``, ``diameter_px``, ``diameter_um``,
        ``pixel_size_um``, ``device``, …) or of ``DecodingSettings`` (``foreground_threshold``, …).

    Returns
    -------
    Segmentation
        With ``labels``, ``maps``, ``settings``, ``model``, ``timings`` and ``notes``.

    Raises
    ------
    ImageError, SettingsError, ModelFileError, InferenceError
        With what was got, what is allowed and what to do.

    Notes
    -----
    It runs in threads and in processes of ``multiprocessing``. Those forked from one that segmented before, the default
    on Linux up to Python 3.13, compute on one thread each.
    """
    return drain(segment_steps(image, make_settings(**choices)))


class _OfTheModel:
    """Stands for the default of what every model's card says."""

    def __repr__(self) -> str:
        return "<what serves the model best>"


_OF_THE_MODEL = _OfTheModel()


def _signature() -> inspect.Signature:
    """Show the settings as keywords of ``segment`` in help and completion; they are written down once, as fields."""
    image = inspect.Parameter("image", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation="NDArray[Any]")
    keywords = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=_OF_THE_MODEL if name in Thresholds.model_fields else field.default,
            annotation=field.annotation,
        )
        for settings in (SegmentationSettings, DecodingSettings)
        for name, field in settings.model_fields.items()
        if name != "decoding"
    ]
    return inspect.Signature([image, *keywords], return_annotation="Segmentation")


segment.__signature__ = _signature()  # type: ignore[attr-defined]


def make_settings(**choices: Any) -> SegmentationSettings:
    """Build settings from flat keywords; those of decoding are told apart by their names.

    Raises
    ------
    SettingsError
        If a name is unknown, a value out of bounds, or decoding given twice.
    """
    decoding = {k: choices.pop(k) for k in DecodingSettings.model_fields if k in choices}
    if decoding and "decoding" in choices:
        raise SettingsError(
            f"got decoding and {', '.join(decoding)}, which belongs to it: give one of the two."
        )
    if decoding:
        choices["decoding"] = decoding
    unknown = sorted(set(choices) - SegmentationSettings.model_fields.keys())
    if unknown:
        known = ", ".join([*SegmentationSettings.model_fields, *DecodingSettings.model_fields])
        raise SettingsError(f"got {', '.join(unknown)}, which is no setting. Settings are: {known}.")
    try:
        return SegmentationSettings.model_validate(choices)
    except ValidationError as error:
        raise SettingsError(f"{problems_in(error, SegmentationSettings)}.") from error


def segment_steps(
    image: NDArray[Any],
    settings: SegmentationSettings,
    model: Model | None = None,
    region: Region | None = None,
    *,
    keep_maps: bool = True,
) -> Generator[Progress, None, Segmentation]:
    """Segment step by step: yields progress, returns the ``Segmentation``. Closing the generator cancels.

    Parameters
    ----------
    image : as for ``segment``.
    settings : choices.
    model : a loaded model in place of the one ``settings`` name; ``auto`` is chosen by the image.
    region : rows and columns to segment. Intensities and nucleus size are taken from the whole image, and pixels
        around are looked at: labels are those of the whole.
    keep_maps : whether the result holds its maps, three times the size of the labels. Without, a large image takes much
        less memory.
    """
    clock = Clock()
    reuse_freed_memory()
    yield Progress("normalise", 0, 1)
    with clock("normalise"):
        whole, notes = _whole(image, settings)
    with clock("load"):
        model = model or load_model(settings.model, fluorescence=is_fluorescence(whole.likeliest))
        settings = settings.with_thresholds(model.card.thresholds.model_dump())
        runs = model.fast() if settings.quality == "fast" else model
        views = settings.views_for(len(model.card.architecture.heads))
        device = choose_device(settings.device, settings.precision)
    yield Progress("size", 0, 1)
    with clock("size"):
        shown = show(whole, settings.given_diameter_px, model, device)
    del whole  # of several looks one is shown: the others need not be in memory
    diameter_px = shown.diameter_px
    scale, limited = network_scale(diameter_px, model.card.canonical_diameter_px)
    notes += [*shown.notes, *_about_choice(settings), *([limited] if limited else [])]
    window = Window.for_nuclei(region, shown.picture.shape, diameter_px)
    plan = TilePlan(device, settings.tile_px, settings.batch_size or default_batch(device))
    finder = Finder(runs, shown, scale, views, settings.decoding, keep_maps=keep_maps)
    found = yield from told_as(finder.steps(window, plan, clock), lambda step: _noted(step, notes))
    return Segmentation(
        labels=found.labels,
        wide_maps=found.wide_maps,
        window=window,
        settings=settings,
        model=model.info,
        diameter_px=diameter_px,
        diameter=shown.estimate,
        device=found.device,
        timings=clock.timings(),
        notes=tuple(notes),
        region=region,
        judge=model.judge,
    )


def model_for(images: Iterable[NDArray[Any]], settings: SegmentationSettings) -> Model:
    """Load the one model for images that belong together; ``auto`` is chosen by the first that shows anything.

    Images that cannot be used are passed over: segmenting them says why.
    """
    if settings.model == "auto":
        for image in images:
            with suppress(ImageError):
                planes = _whole(image, settings)[0].likeliest
                finite = planes[np.isfinite(planes)]
                if finite.size and finite.min() < finite.max():
                    return load_model(settings.model, fluorescence=is_fluorescence(planes))
    return load_model(settings.model)


def _whole(image: NDArray[Any], settings: SegmentationSettings) -> tuple[Whole, list[str]]:
    """Return the image without gaps, and remarks about its pixels."""
    planes = to_planes(image, settings.axes, settings.channel, keep_units=False)
    bad = 0 if planes.dtype.kind in "iu" else _count_unknown(planes)
    unknown = count_words(bad, "pixel that is NaN or infinite was", "pixels that are NaN or infinite were")
    return Whole.of(planes), [f"{unknown} taken for background or saturated."] if bad else []


def _count_unknown(planes: NDArray[Any]) -> int:
    """Count pixels of (C, Y, X) that are NaN or infinite in a channel."""
    return sum(
        int(np.count_nonzero(~np.isfinite(planes[:, rows]).all(axis=0))) for rows in strips(planes.shape)
    )


def _about_choice(settings: SegmentationSettings) -> list[str]:
    """Say why it is this model where it is not the one that was preferred."""
    problem = preference_problem() if settings.model == "auto" else None
    return [problem] if problem else []


def _noted(step: Progress, notes: list[str]) -> Progress:
    """Add to the notes what had to change on the way."""
    notes += [step.message] if step.message else []
    return step
