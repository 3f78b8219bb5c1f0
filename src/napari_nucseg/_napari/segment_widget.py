"""The dock widget *Segment nuclei*: joins the form to what it does. Each slot does one thing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QApplication

from napari_nucseg._napari.catalogue import Catalogue, read_catalogue
from napari_nucseg._napari.docked import Docked
from napari_nucseg._napari.drawing import REGION_LAYER, LineMeasure, begin_drawing
from napari_nucseg._napari.layer_state import has_edits, read_state
from napari_nucseg._napari.live_decoding import LiveDecoding
from napari_nucseg._napari.models_watch import ModelsWatch
from napari_nucseg._napari.results import result_layer, segmented_words
from napari_nucseg._napari.saving import LabelsSaving
from napari_nucseg._napari.segment_controller import Request, SegmentController, visible_plane
from napari_nucseg._napari.segment_form import EMPTY_STATE, SegmentForm
from napari_nucseg._napari.segment_summary import Summaries, adjusted_lines
from napari_nucseg._napari.shortcuts import SEGMENT_KEY, SEGMENT_KEY_TEXT, ViewerShortcut
from napari_nucseg._napari.text import methods_text, notes_text, python_text, short_device
from napari_nucseg._napari.workers import Runs
from napari_nucseg.network.places import models_dir
from napari_nucseg.segmentation.settings import SegmentationSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel
    from napari.layers import Labels

    from napari_nucseg._napari.layer_state import LayerState
    from napari_nucseg._napari.segment_job import JobProgress, JobResult
    from napari_nucseg.nuclei.decoding import DecodingSettings


class SegmentWidget(Docked):
    """Choose an image, click, get nuclei; then adjust them.

    Parameters
    ----------
    napari_viewer
        The viewer; napari passes it because of the parameter's name.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(SegmentForm(napari_viewer))
        self._viewer = napari_viewer
        self.controller = SegmentController(napari_viewer, self)
        self.live = LiveDecoding(self)
        self.summaries = Summaries(self)
        self._shown: Labels | None = None
        self._measure = LineMeasure(napari_viewer, self)
        self._saving = LabelsSaving(self, self.form.result.table, self.form.result.outlines)
        self._catalogue = Runs(self)
        self._models = ModelsWatch(models_dir(), self)
        self._shortcut = ViewerShortcut(napari_viewer, SEGMENT_KEY, self.segment)
        self._in_dock = QShortcut(
            QKeySequence(SEGMENT_KEY_TEXT), self, context=Qt.ShortcutContext.WidgetWithChildrenShortcut
        )
        self._connect()
        self._image_changed()
        self._catalogue.start(read_catalogue)

    def segment(self) -> None:
        """Segment what the form says; what the big button and its key do."""
        request = self._request()
        if request is None:
            show_info(EMPTY_STATE.replace("\n", " "))
            return
        self.controller.start(request)

    def let_go(self) -> None:
        """Stop all work and let go of the viewer."""
        self._shortcut.release()
        self._viewer.layers.events.removed.disconnect(self._layers_changed)
        self._viewer.layers.selection.events.active.disconnect(self._layers_changed)
        self.form.diameter.follow(None)
        self.form.axes.let_go()
        self.controller.shut()
        self.live.stop()
        self._measure.stop()
        self.summaries.stop()
        self._saving.forget()
        self._catalogue.forget()
        self._models.stop()
        self.form.image.disconnect_viewer()

    def _connect(self) -> None:
        form, controller = self.form, self.controller
        form.image.layer_changed.connect(self._image_changed)
        form.axes.changed.connect(self._say_known)
        form.run.clicked.connect(self.segment)
        form.cancel.clicked.connect(controller.cancel)
        form.diameter.measure_requested.connect(self._measure_line)
        form.where.draw_requested.connect(self._draw_region)
        form.where.where.currentTextChanged.connect(self._say_known)
        form.result.decoding_changed.connect(self._decode)
        form.result.table.clicked.connect(self._save_table)
        form.result.outlines.clicked.connect(self._save_outlines)
        form.result.python.clicked.connect(lambda: self._copy(python_text, "Python"))
        form.result.methods.clicked.connect(lambda: self._copy(methods_text, "The methods text"))
        controller.started.connect(self._show_running)
        controller.progressed.connect(self._show_progress)
        controller.done.connect(self._show_result)
        controller.adding.connect(self.form.image.hold)
        controller.failed.connect(self._show_failure)
        controller.cancelled.connect(self._show_cancelled)
        controller.ended.connect(self._hide_running)
        self.live.decoded.connect(self._show_decoded)
        self.live.failed.connect(self._show_failure)
        self.summaries.ready.connect(self._show_summary)
        self._measure.measured.connect(form.diameter.set_diameter_px)
        self._measure.ended.connect(self._measure_ended)
        self._saving.failed.connect(self._show_failure)
        self._catalogue.returned.connect(self._show_catalogue)
        self._catalogue.failed.connect(self._show_failure)
        self._models.changed.connect(lambda: self._catalogue.start(read_catalogue))
        self._in_dock.activated.connect(self.segment)
        self._viewer.layers.events.removed.connect(self._layers_changed)
        self._viewer.layers.selection.events.active.connect(self._layers_changed)

    def _request(self) -> Request | None:
        form = self.form
        image = form.image.layer
        if image is None:
            return None
        settings = SegmentationSettings(
            model=form.model.currentData(),
            channel=form.axes.chosen_channel(),
            device=form.device.currentData(),
            decoding=self._decoding(),
            **form.quality_form.values(),
            **form.diameter.choices(),
            **form.advanced_form.values(),
        )
        axes = form.axes
        return Request(
            image, axes.chosen_channel_axis(), settings, form.where.chosen(), axes.all_slices(), axes.in_words
        )

    def _decoding(self) -> DecodingSettings:
        from napari_nucseg.nuclei.decoding import DecodingSettings

        # sliders nobody sees must not decide over the next run: the model's own thresholds do
        seen = self.form.result.isVisibleTo(self.form)
        return self.form.result.moved() if seen else DecodingSettings()

    def _image_changed(self) -> None:
        image = self.form.image.layer
        self._measure.stop(back=False)
        self.form.show_empty(image is None)
        self.form.axes.show_image(image, self._state())
        self.form.diameter.follow(image)
        self._say_known()
        self._layers_changed()

    def _layers_changed(self, event: object = None) -> None:
        state = self._state()
        self.form.result.setVisible(state is not None)
        if state is not None:
            self.form.result.show_state(state)
        if self._result() != self._shown:
            self._say_known()

    def _say_known(self) -> None:
        """Say what is known of the result on show, else of the image; while a run goes on, the line is its."""
        self._shown = self._result()
        if not self.controller.running:
            self.form.say(self._known())

    def _known(self) -> str:
        return self.summaries.of(self._shown) or self.form.axes.in_words

    def _result(self) -> Labels | None:
        return result_layer(self._viewer, self.form.image.layer)

    def _state(self) -> LayerState | None:
        """How the result was made; None where there is none."""
        layer = self._result()
        return None if layer is None else read_state(layer)

    def _show_catalogue(self, catalogue: Catalogue) -> None:
        self.form.model.show_models(catalogue.models)
        self.form.device.show_devices(catalogue.devices)

    def _show_running(self) -> None:
        self.live.interrupt()
        self.form.result.adjust.setEnabled(False)
        self.form.running.setVisible(True)
        self.form.progress.setValue(0)
        self.form.say("")

    def _show_progress(self, progress: JobProgress) -> None:
        self.form.progress.setValue(round(100 * progress.fraction))
        self.form.say(progress.message)

    def _hide_running(self) -> None:
        self.form.running.setVisible(False)
        self.form.result.adjust.setEnabled(True)
        self.live.go_on()

    def _show_result(self, layer: Labels, result: JobResult) -> None:
        self.live.stop()
        self._layers_changed()
        seconds = sum(s.timings["total"] for s in result.planes.values())
        *_, last = result.planes.values()
        device = short_device(last.device.name, last.device.description)
        notes = [*filter(None, [*notes_text(result.planes), result.cut_short])]
        remarks = filter(None, [result.job.remark])
        self.summaries.make(layer, [f"{seconds:.1f} s on {device}", *remarks, *notes])
        if layer != self._shown:  # another image was chosen meanwhile, or this one is gone
            words = segmented_words(self._viewer, layer)
            self.form.say(words if self.form.image.layer is None else self._known())
            show_info(words)
        for note in notes:
            tell = show_error if result.problem and note == result.cut_short else show_info
            tell(note)

    def _show_decoded(self, layer: Labels) -> None:
        self.summaries.make(layer, adjusted_lines(read_state(layer)))

    def _show_summary(self, layer: Labels, text: str) -> None:
        if layer == self._result():
            self.form.say(text)

    def _show_cancelled(self) -> None:
        self.form.say("Cancelled. Nothing was changed.")

    def _measure_line(self, wanted: bool) -> None:
        if not wanted:
            self._measure.stop()
            return
        self._measure.start(self.form.image.layer)
        self.form.say("Draw a line across a typical nucleus.")

    def _measure_ended(self) -> None:
        self.form.diameter.measure.setChecked(False)
        self._say_known()

    def _draw_region(self) -> None:
        begin_drawing(self._viewer, self.form.image.layer, REGION_LAYER, "add_rectangle")
        self.form.say("Drag a rectangle over the nuclei, then click Segment nuclei.")

    def _decode(self, decoding: DecodingSettings) -> None:
        state = self._state()
        if state is not None and not self.controller.running:
            plane = visible_plane(self._viewer, self.form.image.layer, state.layout)
            self.live.request(self._result(), decoding, plane)

    def _save_table(self) -> None:
        if (state := self._state()) is not None:
            size_um = state.settings.pixel_size_um
            self._saving.save_table(self._result(), self.form.image.layer, state.layout, size_um)

    def _save_outlines(self) -> None:
        if (state := self._state()) is not None:
            self._saving.save_outlines(self._result(), self.form.image.layer, state.layout)

    def _copy(self, text_of: Callable[..., str], what: str) -> None:
        if (state := self._state()) is not None:
            edited = has_edits(self._result(), state)
            QApplication.clipboard().setText(text_of(state, edited=edited))
            show_info(f"{what} is on the clipboard.")
