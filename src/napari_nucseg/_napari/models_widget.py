"""The dock widget *My models*: joins the form to the controller. Each slot does one thing."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog

from napari_nucseg._napari.docked import Docked
from napari_nucseg._napari.models_controller import Family, ModelsController, Taken
from napari_nucseg._napari.models_form import ModelsForm
from napari_nucseg._napari.models_text import card_words, children_of
from napari_nucseg._napari.teach_folder import refuse_name, unused_name
from napari_nucseg.network.places import SUFFIX

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_nucseg._napari.models_compare import Compared
    from napari_nucseg.network.lineage import Descent

FILTER = f"Model (*{SUFFIX})"


class ModelsWidget(Docked):
    """Look at models and where they come from; take one up, go back, rename, compare, copy, delete.

    Parameters
    ----------
    napari_viewer
        The viewer; napari passes it because of the parameter's name.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(ModelsForm())
        self._viewer = napari_viewer
        self._family = Family((), (), can_go_back=False)
        self._wanted = ""
        self.controller = ModelsController(napari_viewer, self)
        self._connect()
        self._follow_theme()
        self._show_chosen()
        self.controller.refresh()

    def let_go(self) -> None:
        """Let go of the viewer."""
        self._viewer.events.theme.disconnect(self._follow_theme)
        self.controller.stop()

    def _connect(self) -> None:
        form, controller = self.form, self.controller
        form.tree.itemSelectionChanged.connect(self._show_chosen)
        form.use.clicked.connect(lambda: controller.use(form.chosen[0]))
        form.back.clicked.connect(controller.go_back)
        form.rename.clicked.connect(self._ask_for_name)
        form.new_name.returnPressed.connect(self._rename)
        form.compare.clicked.connect(self._compare)
        form.cancel.clicked.connect(self._cancel)
        form.export.clicked.connect(self._export)
        form.install.clicked.connect(self._install)
        form.delete.clicked.connect(self._ask_whether_to_delete)
        form.question.asked.connect(lambda: form.say(""))  # what was said last is no part of it
        controller.listed.connect(self._show_family)
        controller.said.connect(form.say)
        controller.made.connect(self._choose_next)
        controller.taken.connect(self._ask_about_name)
        controller.compared.connect(self._show_compared)
        controller.comparing_ended.connect(self._show_whether_comparing)
        controller.acting_changed.connect(self._show_possible)
        controller.failed.connect(self._show_failure)
        self._viewer.events.theme.connect(self._follow_theme)

    def _chosen(self) -> list[Descent]:
        """Return the chosen models, by name."""
        chosen = {d.model.name: d for d in self._family.descents if d.model.name in self.form.chosen}
        return [chosen[name] for name in sorted(chosen)]

    def _one(self) -> Descent | None:
        """Return the chosen model where it is one."""
        chosen = self._chosen()
        return chosen[0] if len(chosen) == 1 else None

    def _show_family(self, family: Family) -> None:
        is_worse = bool(set(family.problems) - set(self._family.problems))
        before, chosen = self._family, self._chosen()
        self._family = family
        self.form.show_family(family, self._wanted)
        if self._wanted in self.form.chosen:
            self._wanted = ""
        said = self.form.status.text()
        if said == "Reading models …" or (is_worse and not said.startswith("⚠")):
            self.form.say("")  # what was said last may hold no longer
        if family != before:
            self.form.question.drop()  # what it asks may hold no longer
        if self._chosen() == chosen:  # a new name half typed, and figures, stay
            self._show_possible()
        else:
            self._show_chosen()

    def _choose_next(self, name: str) -> None:
        self._wanted = name

    def _show_chosen(self) -> None:
        one, form = self._one(), self.form
        self._show_possible()
        form.renaming.setVisible(False)
        form.question.drop()
        teaching = None if one is None else one.model.card.teaching
        form.details.setText("" if one is None else card_words(one))
        form.table.show_rows(() if teaching is None else teaching.comparisons)

    def _show_possible(self) -> None:
        """Enable what can be done with the chosen models; nothing while something is being done."""
        one, form, free = self._one(), self.form, not self.controller.acting
        own = one is not None and not one.model.bundled
        form.use.setEnabled(free and one is not None and self._family.automatic != (one.model.name,))
        form.back.setEnabled(free and self._family.can_go_back)
        form.export.setEnabled(free and one is not None)
        for part in (form.rename, form.delete):
            part.setEnabled(free and own)
        for part in (form.install, form.renaming, form.question):
            part.setEnabled(free)
        self._show_whether_comparing()

    def _ask_for_name(self) -> None:
        self.form.new_name.setText(self.form.chosen[0])
        self.form.renaming.setVisible(True)
        self.form.new_name.setFocus()
        self.form.new_name.selectAll()
        self.form.say("")

    def _rename(self) -> None:
        new = self.form.new_name.text().strip()
        old, taken = self.form.chosen[0], {d.model.name for d in self._family.descents}
        if new != old and (refusal := refuse_name(new, taken)):
            self.form.say(f"⚠ {refusal}")
            return
        self.form.say("")
        self.form.renaming.setVisible(False)
        if new != old:
            self.controller.rename(old, new)

    def _compare(self) -> None:
        old, new = self.form.chosen
        folder = None
        if not self.controller.has_layers:
            named = QFileDialog.getExistingDirectory(self, "Choose images with nuclei to compare on")
            if not named:
                return
            folder = Path(named)
        self.controller.compare(old, new, folder)
        self._show_whether_comparing()

    def _show_whether_comparing(self) -> None:
        comparing = self.controller.comparing
        self.form.running.setVisible(comparing)
        self.form.cancel.setEnabled(comparing)
        self.form.compare.setEnabled(len(self.form.chosen) == 2 and not comparing)

    def _cancel(self) -> None:
        self.form.cancel.setEnabled(False)
        self.form.say("Stopping …")
        self.controller.cancel()

    def _export(self) -> None:
        name = self.form.chosen[0]
        named, _ = QFileDialog.getSaveFileName(self, "Export a model", f"{name}{SUFFIX}", FILTER)
        if not named:
            return
        path = Path(named if named.endswith(SUFFIX) else f"{named}{SUFFIX}")
        if path.exists() and str(path) != named:  # the dialog has asked about another name
            self.form.question.ask(
                f"{path.name} is there already.",
                {"Cancel": None, "Replace": partial(self.controller.export, name, path)},
            )
        else:
            self.controller.export(name, path)

    def _install(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Import a model", "", FILTER)
        if path:
            self.controller.install(Path(path))

    def _ask_about_name(self, taken: Taken) -> None:
        install, models = self.controller.install, [d.model for d in self._family.descents]
        # a file that is left out may have the name, too
        other = unused_name([taken.name, *(model.name for model in models)], taken.name)
        answers = {"Cancel": None, "Keep both": partial(install, taken.path, other)}
        if taken.can_give_way:
            answers["Replace"] = partial(install, taken.path, replace=True)
        self.form.question.ask(
            f"{taken.what[0].upper()}{taken.what[1:]}. This one can be kept beside it as “{other}”.", answers
        )

    def _ask_whether_to_delete(self) -> None:
        name = self.form.chosen[0]
        notes = []
        if name in self._family.automatic:
            notes.append("It is the one in use.")
        if children := children_of(name, self._family.descents):
            notes.append(f"{', '.join(children)} came from it and will stay.")
        self.form.question.ask(
            " ".join([f"Delete “{name}” for good?", *notes]),
            {"Keep it": None, "Delete": partial(self.controller.delete, name)},
        )

    def _show_compared(self, compared: Compared) -> None:
        self.form.say("")
        self.form.details.setText(compared.words)
        self.form.table.show_rows(compared.comparisons)

    def _follow_theme(self, event: object = None) -> None:
        self.form.table.follow_theme(self._viewer.theme)
