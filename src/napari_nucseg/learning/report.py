"""What a run leaves to be looked at: a CSV log, pictures of a sample, and TensorBoard's files if wanted."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from PIL import Image

from napari_nucseg.errors import OutputError
from napari_nucseg.files import in_words, written_whole
from napari_nucseg.learning.board import Board
from napari_nucseg.steps import told_as

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from napari_nucseg.learning.progress import TrainingProgress
    from napari_nucseg.network.decoders import SegmentationNetwork

LOG_EVERY = 10
SCORES = ("ap50", "mean_ap", "pixel_accuracy", "pixel_iou", "auc")


class Report:
    """Writes down what a run tells, in the run's folder, which is made with the first step.

    Parameters
    ----------
    folder : of the run.
    tensorboard : whether to write for TensorBoard, too.

    Raises
    ------
    SettingsError
        If TensorBoard is wanted and not installed.
    """

    def __init__(self, folder: Path, *, tensorboard: bool = False) -> None:
        self.log, self.samples = folder / "log.csv", folder / "samples"
        self._board = Board(folder / "tensorboard") if tensorboard else None
        self._begun = False

    def passing_on(
        self, steps: Generator[TrainingProgress, None, SegmentationNetwork]
    ) -> Generator[TrainingProgress, None, SegmentationNetwork]:
        """Pass on a run's steps, having written them down; returns what the run returns."""
        return (yield from told_as(steps, self._taken))

    def _taken(self, progress: TrainingProgress) -> TrainingProgress:
        """Write down a step, every tenth and all that were scored, and pass it on."""
        if not progress.losses:  # words alone
            return progress
        if not self._begun:
            self._begin(progress)
        if progress.step % LOG_EVERY == 0 or progress.scores:
            self._write_row(progress)
            self._write_numbers(progress)
        if progress.picture is not None:
            with written_whole(self.samples / f"step-{progress.step:06d}.png") as part:
                Image.fromarray(progress.picture).save(part, "PNG")
            if self._board:
                self._board.add_picture(progress.step, progress.picture)
        return progress

    def _begin(self, first: TrainingProgress) -> None:
        """Drop what an earlier process wrote about steps that are taken again."""
        self._begun = True
        rows = [row for row in self._rows() if int(row["step"]) < first.step]
        header = ["step", "seconds", *first.losses, "learning_rate", *SCORES]
        with written_whole(self.log) as part, part.open("w", newline="", encoding="utf8") as file:
            writer = csv.DictWriter(file, header, extrasaction="ignore", restval="")
            writer.writeheader()
            writer.writerows(rows)
        for picture in self.samples.glob("step-*.png"):
            if int(picture.stem.removeprefix("step-")) >= first.step:
                picture.unlink()
        if self._board:
            self._board.begin(first.step)

    def _rows(self) -> list[dict[str, str]]:
        if not self.log.exists():
            return []
        with self.log.open(newline="", encoding="utf8") as file:
            return [row for row in csv.DictReader(file) if (row.get("step") or "").isdigit()]

    def _write_row(self, progress: TrainingProgress) -> None:
        numbers = [f"{v:.4f}" for v in (progress.seconds, *progress.losses.values())]
        scores = [f"{progress.scores[k]:.4f}" if k in progress.scores else "" for k in SCORES]
        try:
            with self.log.open("a", newline="", encoding="utf8") as file:
                csv.writer(file).writerow([progress.step, *numbers, f"{progress.learning_rate:.3g}", *scores])
        except OSError as error:
            raise OutputError(in_words(error, self.log)) from error

    def _write_numbers(self, progress: TrainingProgress) -> None:
        if not self._board:
            return
        numbers = {f"loss/{name}": value for name, value in progress.losses.items()}
        numbers |= {"loss/total": progress.loss, "learning_rate": progress.learning_rate}
        numbers |= {f"scores/{name}": value for name, value in progress.scores.items()}
        self._board.add(progress.step, numbers)
