"""The dock widget *Fine-tune*: joins the form to the controller. Each slot does one thing."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari.utils.notifications import show_info

from napari_nucseg._napari.catalogue import Catalogue, read_catalogue
from napari_nucseg._napari.docked import Docked
from napari_nucseg._napari.models_watch import ModelsWatch
from napari_nucseg._napari.teach_choosing import Choosing
from napari_nucseg._napari.teach_controller import TeachController
from napari_nucseg._napari.teach_estimate import estimate_presets
from napari_nucseg._napari.teach_folder import refuse_name, unused_name
from napari_nucseg._napari.teach_form import TeachForm
from napari_nucseg._napari.teach_text import PRESET_SECONDS, installed_words, progress_words
from napari_nucseg._napari.teach_uptake import Uptake
from napari_nucseg._napari.workers import Runs
from napari_nucseg.network.places import models_dir
from napari_nucseg.teaching.job import FinetuneJob
from napari_nucseg.teaching.runs import runs_dir

if TYPE_CHECKING:
    from pathlib import Path

    from napari.components import ViewerModel

    from napari_nucseg._napari.teach_folder import Unfinished
    from napari_nucseg._napari.teach_run import Done, Told
    from napari_nucseg.network.installed import ModelInfo


class TeachWidget(Docked):
    """Choose examples, click, look at the outcome, take the new model up.

    Parameters
    ----------
    napari_viewer
        The viewer; napari passes it because of the parameter's name.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(TeachForm())
        self._viewer = napari_viewer
        self.controller = TeachController(napari_viewer, self)
        self.uptake = Uptake(napari_viewer, self)
        self._models: tuple[ModelInfo, ...] = ()
        self._choosing = Choosing(self.form, self.controller, self)
        self._catalogue, self._estimating = Runs(self), Runs(self)
        self._estimated: set[tuple[str, str]] = set()
        self._watch = ModelsWatch(models_dir(), self)
        self._connect()
        self._follow_theme()
        self.form.show_seconds(PRESET_SECONDS)
        self._title = self._taught = ""
        self._suggest_name()
        self._catalogue.start(read_catalogue)
        self.controller.look_for_unfinished()
        self.controller.refresh()

    def let_go(self) -> None:
        """Stop all work and let go of the viewer; a run that goes on can be finished later."""
        self._viewer.events.theme.disconnect(self._follow_theme)
        self.controller.stop()
        self.uptake.stop()
        self._catalogue.forget()
        self._estimating.forget()
        self._watch.stop()

    def start(self) -> None:
        """Teach what the form says; what the big button does."""
        if words := self._why_not():
            self.form.say(f"⚠ {words}")
            return
        job = self._job()
        base = self.form.model.currentText().removeprefix("Automatic: ")
        self._show_running(f"{job.name}, taught from {base}", "Saving the examples …")
        self.controller.start(job, preview=self.form.preview.isChecked())

    def _connect(self) -> None:
        form, controller, uptake = self.form, self.controller, self.uptake
        form.name.textChanged.connect(self._show_readiness)
        form.name.returnPressed.connect(form.run.click)
        form.run.clicked.connect(self.start)
        form.cancel.clicked.connect(self._cancel)
        form.outcome.use.clicked.connect(lambda: uptake.use(self._taught))
        form.outcome.use_anyway.clicked.connect(self._ask_whether_anyway)
        form.outcome.again.clicked.connect(self._show_choices)
        form.outcome.resegment.clicked.connect(self._resegment)
        self._choosing.changed.connect(self._show_readiness)
        controller.told.connect(self._show_progress)
        controller.done.connect(self._show_done)
        controller.stopped.connect(self._ask_what_to_keep)
        controller.failed.connect(self._show_stopped_by_error)
        controller.unfinished.connect(self._offer_to_finish)
        uptake.taken.connect(self._show_taken)
        uptake.resegmented.connect(self.form.say)
        uptake.said.connect(self.form.say)
        uptake.failed.connect(self._show_failure)
        form.model.currentIndexChanged.connect(self._follow_base)
        form.device.currentIndexChanged.connect(self._estimate)
        self._estimating.returned.connect(form.show_seconds)
        self._catalogue.returned.connect(self._show_catalogue)
        self._catalogue.failed.connect(self._show_failure)
        self._watch.changed.connect(lambda: self._catalogue.start(read_catalogue))
        self._viewer.events.theme.connect(self._follow_theme)

    def _job(self) -> FinetuneJob:
        form = self.form
        return FinetuneJob(
            name=form.name.text().strip(),
            model=form.model.currentData(),
            output=runs_dir(),
            preset=form.preset,
            keep_old_skills=round(form.keep.value(), 2),
            steps=form.steps.value() or None,
            learning_rate=form.learning_rate.value() or None,
            device=form.device.currentData(),
            threads=form.threads.value() or None,
            seed=form.seed.value(),
        )

    def _why_not(self) -> str:
        """Say why learning cannot start; empty where it can."""
        if not self._models:
            return "No model is installed that could be taught."
        taken = [model.name for model in self._models]
        return self._choosing.refusal() or refuse_name(self.form.name.text().strip(), taken)

    def _show_readiness(self, *args: object) -> None:
        self.form.show_why_not(self._why_not() if self._models else "Reading models …")
        self._estimate()

    def _follow_base(self, *args: object) -> None:
        if (base := self.form.model.chosen) is not None:
            self.controller.teach_from(base.card)
        self._estimate()

    def _estimate(self, *args: object) -> None:
        """Time a few steps once there is something to learn; once for each model and device."""
        asked = (self.form.model.currentData(), self.form.device.currentData())
        if (
            not self.form.run.isEnabled()
            or self.controller.running
            or None in asked
            or asked in self._estimated
        ):
            return
        self._estimated.add(asked)
        self._estimating.start(lambda: estimate_presets(*asked))

    def _show_catalogue(self, catalogue: Catalogue) -> None:
        self._models = catalogue.models
        self.form.model.show_models(catalogue.models)
        self._follow_base()
        self.form.device.show_devices(catalogue.devices)
        self._look_whether_deleted([model.name for model in catalogue.models])
        if not self.form.name.isModified():
            self._suggest_name()
        self._show_readiness()

    def _suggest_name(self) -> None:
        self.form.name.setText(unused_name([model.name for model in self._models]))

    def _show_running(self, title: str, words: str) -> None:
        self._title = title
        self._estimating.forget()
        self.form.unfinished.drop()
        self.form.question.drop()
        self.form.show_page("learn", title)
        self.form.progress.setRange(0, 0)
        self.form.cancel.setEnabled(True)
        self.form.plot.show_curves((), {})
        self.form.say(words)

    def _show_choices(self) -> None:
        self.form.question.drop()
        self.form.say("")
        self.form.show_page("choose")
        self._suggest_name()
        self._show_readiness()
        self.controller.refresh()

    def _show_progress(self, told: Told) -> None:
        progress = told.progress
        learning = progress.stage == "learning" and progress.total > 0
        self.form.progress.setRange(0, progress.total if learning else 0)
        if learning:
            self.form.progress.setValue(progress.step)
        self.form.say(progress_words(progress))
        self.form.plot.show_curves(told.losses, told.scores)

    def _cancel(self) -> None:
        self.form.cancel.setEnabled(False)
        self.form.say("Stopping …")
        self.controller.cancel()

    def _ask_what_to_keep(self, step: int | None) -> None:
        self.form.running.setVisible(False)
        if step is None:
            self._show_choices()
            self.form.say("Cancelled too early: there is nothing to keep yet. Nothing was changed.")
            return
        folder = runs_dir() / self.controller.model_name
        where = f"Stopped at step {step}." if step else "Stopped before it went on."
        self.form.say("")
        self.form.question.ask(
            f"{where} What shall become of “{folder.name}”?",
            {
                "Keep the best": partial(self._finish, folder, at_once=True),
                "Go on": partial(self._finish, folder),
                "Later": self._put_off,
                "Throw away": partial(self._discard, folder),
            },
            harmless="Later",
        )

    def _put_off(self) -> None:
        self._show_choices()
        self.controller.look_for_unfinished()

    def _offer_to_finish(self, run: Unfinished | None) -> None:
        if run is None or self.form.question.asks or self.controller.running:
            self.form.unfinished.drop()
            return
        self.form.unfinished.ask(
            run.words,
            {
                "Finish it": partial(self._finish, run.folder),
                "Later": None,
                "Throw away": partial(self._discard, run.folder),
            },
        )

    def _finish(self, folder: Path, *, at_once: bool = False) -> None:
        words = "Keeping the best so far …" if at_once else "Going on where it stopped …"
        known = self._title.startswith(f"{folder.name},")
        self._show_running(self._title if known else folder.name, words)
        self.controller.finish(folder, at_once=at_once)

    def _discard(self, folder: Path) -> None:
        self._show_choices()
        self.controller.discard(folder)

    def _show_done(self, done: Done) -> None:
        self._taught = done.model.name
        self.form.say(installed_words(done.model.name, done.wanted))
        self.form.outcome.show_result(done.result)
        self.form.show_page("outcome", f"{done.model.name}{self._title.removeprefix(done.wanted)}")
        self.form.plot.setVisible(done.told is not None)

    def _show_stopped_by_error(self, message: str) -> None:
        self._show_choices()
        self._show_failure(message)

    def _ask_whether_anyway(self) -> None:
        name = self._taught
        self.form.question.ask(
            f"“{name}” did not pass. Use it from now on all the same? “My models” leads back to the one before.",
            {"Leave it": None, "Use it": lambda: self.uptake.use(name)},
        )

    def _show_taken(self, name: str) -> None:
        self.form.outcome.show_in_use()
        show_info(f"“{name}” is used from now on.")

    def _look_whether_deleted(self, installed: list[str]) -> None:
        outcome = self.form.outcome
        if outcome.isVisibleTo(self.form):
            outcome.show_installed(self._taught in installed)
            if self._taught not in installed:
                self.form.question.drop()

    def _resegment(self) -> None:
        self.uptake.resegment(self.controller.examples.corrected, self._taught)

    def _follow_theme(self, event: object = None) -> None:
        self.form.plot.follow_theme(self._viewer.theme)
        self.form.outcome.follow_theme(self._viewer.theme)
