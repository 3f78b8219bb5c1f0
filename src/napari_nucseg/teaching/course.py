"""The course of a fine-tuning: steps, looks at what is held out, the best weights kept, a log and checkpoints."""

from __future__ import annotations

import csv
import io
import math
import time
from typing import TYPE_CHECKING, Any

from napari_nucseg.files import written_whole
from napari_nucseg.teaching.job import LOG
from napari_nucseg.teaching.plan import plan_of
from napari_nucseg.teaching.progress import FinetuneProgress
from napari_nucseg.teaching.watching import LOSS, quality, score, with_network

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from napari_nucseg.network.device import Device
    from napari_nucseg.network.model_file import Model
    from napari_nucseg.teaching.job import FinetuneJob
    from napari_nucseg.teaching.learner import Learner
    from napari_nucseg.teaching.material import Tried
    from napari_nucseg.teaching.progress import Stage
    from napari_nucseg.teaching.watching import PreviewWriter

COLUMNS = ("step", "seconds", "foreground", "distance", "core", LOSS, "ap50")
PATIENCE = 4
"""Looks without a better network before learning ends."""
SAVE_SECONDS = 20.0
"""A checkpoint is written once so much time has passed since the last one: looks may lie minutes apart."""


class Teller:
    """Says where a job stands, with the time it took so far.

    Attributes
    ----------
    total
        Steps there will be; fewer once it is known how much the base model knows.
    """

    def __init__(self, job: FinetuneJob) -> None:
        self._started = time.monotonic()
        self.total = plan_of(job).steps

    @property
    def seconds(self) -> float:
        """Since the start, without the time that a run was stopped."""
        return time.monotonic() - self._started

    def go_on_from(self, seconds: float) -> None:
        """Count what a run took before it was stopped, too."""
        self._started -= seconds

    def __call__(self, stage: Stage, step: int = 0, **said: Any) -> FinetuneProgress:
        """Make a message."""
        return FinetuneProgress(stage=stage, step=step, total=self.total, seconds=self.seconds, **said)


class Course:
    """Runs a learner to its end.

    Parameters
    ----------
    base : the old model.
    learner : what learns.
    watched : held-out scenes to look at now and then.
    device : where.
    tell : makes messages.
    preview : writes what is found in the user's view; None for nothing.

    Attributes
    ----------
    rows
        One a step: number, seconds, losses, and scores at the steps that look; the first is of the old model.
    """

    def __init__(
        self,
        base: Model,
        learner: Learner,
        watched: Tried,
        device: Device,
        tell: Teller,
        preview: PreviewWriter | None,
    ) -> None:
        self.base, self.learner, self.watched, self.device = base, learner, watched, device
        self.tell, self.preview = tell, preview
        self.rows: list[dict[str, Any]] = []
        self._n_held = watched.compared(watched.old).n_nuclei
        self._best, self._waited = -math.inf, 0
        # it is the time that the old model took to look at everything: comparing takes as long
        self._check_seconds = tell.seconds

    def steps(
        self, checkpoint: Path, identity: str, *, stop: Callable[[], bool], resume: bool
    ) -> Generator[FinetuneProgress, None, None]:
        """Learn to the end, until nothing gets better, or until ``stop`` says so."""
        learner, plan = self.learner, self.learner.plan
        if resume:
            self._restore(learner.resume(checkpoint, identity))
        else:
            scores = score(self.base, self.watched, self.device)
            self.rows.append({"step": 0, "seconds": self.tell.seconds, **scores})
            yield self.tell("learning", scores=scores, preview=self._previewed())
        began, first = time.monotonic(), learner.step
        saved = -math.inf  # from the first step on there is something to keep
        while learner.step < plan.steps and self._waited < PATIENCE:
            losses = learner.learn()
            stopping = stop()
            looking = stopping or learner.step in plan.look_at
            scores = self._look() if looking else {}
            self.rows.append({"step": learner.step, "seconds": self.tell.seconds, **losses, **scores})
            if looking or time.monotonic() - saved >= SAVE_SECONDS:
                self._write(checkpoint, identity)
                saved = time.monotonic()
            a_step = (time.monotonic() - began) / (learner.step - first)
            left = a_step * (plan.steps - learner.step) + self._check_seconds
            ended = f"Stopped early at step {learner.step} of {plan.steps}." if stopping else ""
            yield self.tell(
                "learning",
                learner.step,
                losses=losses,
                scores=scores,
                seconds_left=left,
                preview=self._previewed(),
                message=ended,
            )
            if stopping:
                return

    def _look(self) -> dict[str, float]:
        """Score the averaged network and keep it unless it is beyond doubt worse than the best."""
        scores = score(with_network(self.base, self.learner.averaged), self.watched, self.device)
        found, doubt = quality(scores, self._n_held)
        if found + doubt > self._best or not scores:
            self.learner.keep()
            self._best, self._waited = max(found, self._best), 0
        else:
            self._waited += 1
        return scores

    def _previewed(self) -> Path | None:
        if self.preview is None:
            return None
        return self.preview.write(with_network(self.base, self.learner.averaged), self.device)

    def _write(self, checkpoint: Path, identity: str) -> None:
        state = {"rows": self.rows, "best": self._best, "waited": self._waited}
        self.learner.save(checkpoint, state, identity)
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {k: f"{v:.4f}" if isinstance(v, float) else v for k, v in row.items()} for row in self.rows
        )
        with written_whole(checkpoint.with_name(LOG)) as part:
            part.write_text(text.getvalue(), encoding="utf8")

    def _restore(self, state: dict[str, Any]) -> None:
        self.rows = list(state["rows"])
        self.tell.go_on_from(self.rows[-1]["seconds"])
        self._best, self._waited = float(state["best"]), int(state["waited"])
