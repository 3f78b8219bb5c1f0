"""Scores of a model on a dataset, or of label files against true ones, image by image and by kind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.data.label_files import as_labels, check_numbering, number_pieces
from napari_nucseg.errors import DatasetError, NucSegError, SettingsError
from napari_nucseg.jobs.prediction_files import PredictionFiles, read_labels
from napari_nucseg.nuclei.scoring import METRICS, Scores, evaluate
from napari_nucseg.nuclei.targets import median_diameter
from napari_nucseg.steps import drain

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_nucseg.data.sample import Dataset, Sample
    from napari_nucseg.network.model_file import Model

    _Predict = Callable[[Sample, tuple[int, ...]], "Prediction"]
    """From a sample and the shape of its true labels."""

UNKNOWN_KIND = "unknown"


@dataclass(frozen=True, eq=False)
class ImageScore:
    """Scores of one image."""

    name: str
    kind: str
    group: str
    scores: Scores
    true_diameter_px: float | None
    """Median diameter of the true nuclei; None where there are none."""
    diameter_px: float | None = None
    """Diameter the prediction was made with; None for label files."""
    seconds: float | None = None
    masks: tuple[str, ...] = ()
    """Files, of the truth or the prediction, that were masks of one value: nuclei that touch were taken for one."""

    def as_dict(self) -> dict[str, Any]:
        """Numbers for a JSON line."""
        return {
            "name": self.name,
            "kind": self.kind,
            "group": self.group,
            "n_true": self.scores.n_true,
            "n_pred": self.scores.n_pred,
            "true_diameter_px": self.true_diameter_px,
            "diameter_px": self.diameter_px,
            "seconds": self.seconds,
            **{metric: self.scores.pooled(metric) for metric in METRICS},
            "notes": _notes(self.masks),
        }


@dataclass(frozen=True)
class Failure:
    """An image that could not be scored, and why."""

    name: str
    error: str


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of all images, and the images that have none."""

    images: tuple[ImageScore, ...]
    failures: tuple[Failure, ...] = ()

    @property
    def scores(self) -> Scores:
        """Scores of all images together."""
        return Scores.join([image.scores for image in self.images])

    @property
    def by_kind(self) -> dict[str, Scores]:
        """Scores of the images of each kind, such as fluorescence and histology."""
        kinds = np.array([image.kind for image in self.images])
        return {str(kind): self.scores.subset(kinds == kind) for kind in np.unique(kinds)}

    @property
    def groups(self) -> tuple[str, ...]:
        """Group of each image, for `Scores.interval`."""
        return tuple(image.group for image in self.images)

    @property
    def notes(self) -> list[str]:
        """What whoever reads the figures must know."""
        return _notes([mask for image in self.images for mask in image.masks])

    def as_dict(self) -> dict[str, Any]:
        """Numbers for a JSON report."""
        return {
            "scores": self.scores.as_dict() if self.images else None,
            "by_kind": {kind: scores.as_dict() for kind, scores in self.by_kind.items()},
            "failures": [{"name": failure.name, "error": failure.error} for failure in self.failures],
            "notes": self.notes,
        }


def _notes(masks: Sequence[str]) -> list[str]:
    if not masks:
        return []
    more = f" and {len(masks) - 1} more are masks" if len(masks) > 1 else " is a mask"
    return [f"{masks[0]}{more} without numbers: nuclei that touch count as one"]


@dataclass(frozen=True)
class EvaluationProgress:
    """One image done: its scores, or why it has none."""

    done: int
    total: int
    image: ImageScore | Failure


@dataclass(frozen=True, eq=False)
class Prediction:
    """Labels to be scored, with the diameter they were made with and the time they took where known."""

    labels: NDArray[np.int32]
    place: str
    """File they lie in, or model that made them."""
    diameter_px: float | None = None
    seconds: float | None = None
    was_mask: bool = False


def evaluate_model(
    dataset: Dataset,
    choices: Mapping[str, Any] | None = None,
    *,
    model: Model | None = None,
    true_diameter: bool = False,
) -> Generator[EvaluationProgress, None, Evaluation]:
    """Segment every sample of a dataset and score it against its labels; yields once an image.

    Kinds and groups come from the samples' metadata (``data.rows.select_rows`` puts an index's there).

    Parameters
    ----------
    dataset : samples with labels.
    choices
        Fields of ``SegmentationSettings`` and ``DecodingSettings``, flat; axes, pixel size and the channel that is
        named for nuclei come from each sample unless they are chosen.
    model : a loaded model in place of the one ``choices`` name.
    true_diameter : tell it the median diameter of the true nuclei: how good it were if sizes were known.

    Returns
    -------
    evaluation
        Scores of the images that could be scored, and the failures.

    Raises
    ------
    SettingsError, ModelFileError
        Before the first image, if the choices could not work for any.
    """
    # torch is imported here, so that label files are compared without waiting for it.
    from napari_nucseg.jobs.batch import check_choices
    from napari_nucseg.segmentation.segment import make_settings, segment_steps

    made = check_choices(choices, model)
    if true_diameter and (given := sorted({"diameter_px", "diameter_um"} & made.keys())):
        raise SettingsError(f"got a true diameter and {given[0]}: give one of the two")

    def predict(sample: Sample, _: object) -> Prediction:
        stated = {key: sample.metadata.get(key) for key in ("axes", "pixel_size_um")}
        if "axes" not in made:
            stated["channel"] = sample.metadata.get("nuclei_channel")
        if true_diameter and sample.labels is not None:
            stated["diameter_px"] = median_diameter(sample.labels)
        settings = make_settings(**{**stated, **made})
        result = drain(segment_steps(sample.image, settings, model, keep_maps=False))
        return Prediction(result.labels, result.model.name, result.diameter_px, result.timings["total"])

    return (yield from _score_all(dataset, predict))


def compare_labels(
    truth: Dataset, predictions: str | Path
) -> Generator[EvaluationProgress, None, Evaluation]:
    """Score a folder of label files against the labels of a dataset.

    A prediction belongs to the sample whose name it has, with or without ``_labels``: what ``segment_files``
    writes fits, see `PredictionFiles`. The slices of a stack are scored together, as one image. A truth that is a
    plain folder of label files is taken as such, where no image of it has labels.

    Raises
    ------
    DatasetError
        If the folder of predictions holds no label file.
    """
    files = PredictionFiles(Path(predictions), truth.names)

    def predict(sample: Sample, true_shape: tuple[int, ...]) -> Prediction:
        file = files.find(sample.name)
        labels, was_mask = read_labels(file, true_shape)
        return Prediction(labels, str(file), was_mask=was_mask)

    has_labels = any(sample.labels is not None for sample in truth.valid())
    return (yield from _score_all(truth, predict, images_are_labels=not has_labels))


def _score_all(
    dataset: Dataset, predict: _Predict, *, images_are_labels: bool = False
) -> Generator[EvaluationProgress, None, Evaluation]:
    """Score sample after sample; a failing one is listed and the next is tried."""
    done: list[ImageScore | Failure] = []
    for name in dataset.names:
        image: ImageScore | Failure
        try:
            image = _score(dataset.read(name), predict, images_are_labels=images_are_labels)
        except NucSegError as error:
            image = Failure(name, str(error))
        done.append(image)
        yield EvaluationProgress(len(done), len(dataset), image)
    return Evaluation(
        tuple(image for image in done if isinstance(image, ImageScore)),
        tuple(image for image in done if isinstance(image, Failure)),
    )


def _score(sample: Sample, predict: _Predict, *, images_are_labels: bool) -> ImageScore:
    labels, was_mask = sample.labels, bool(sample.metadata.get("labels_were_mask"))
    if labels is None and images_are_labels:
        labels, was_mask = _labels_instead_of_image(sample)
    if labels is None:
        raise DatasetError(f"sample {sample.name!r} has no labels to score against")
    prediction = predict(sample, labels.shape)
    if prediction.labels.shape != labels.shape:
        raise DatasetError(
            f"{prediction.place} has shape {prediction.labels.shape}, its truth {_place_of_truth(sample)} has "
            f"{labels.shape}: they must be labels of the same image"
        )
    masks = {_place_of_truth(sample): was_mask, prediction.place: prediction.was_mask}
    return ImageScore(
        name=sample.name,
        kind=str(sample.metadata.get("kind", UNKNOWN_KIND)),
        group=str(sample.metadata.get("group", sample.name)),
        scores=evaluate(labels, prediction.labels),
        true_diameter_px=median_diameter(labels.reshape(-1, labels.shape[-1])),  # slices below each other
        diameter_px=prediction.diameter_px,
        seconds=prediction.seconds,
        masks=tuple(place for place, is_one in masks.items() if is_one),
    )


def _place_of_truth(sample: Sample) -> str:
    return str(sample.metadata.get("labels_path") or sample.metadata.get("image_path") or sample.name)


def _labels_instead_of_image(sample: Sample) -> tuple[NDArray[np.int32], bool]:
    path = Path(str(sample.metadata.get("image_path", "")))
    if path.is_file():
        return read_labels(path)
    labels, was_mask = number_pieces(as_labels(sample.image, sample.name))
    check_numbering(labels, sample.name)
    return labels, was_mask
