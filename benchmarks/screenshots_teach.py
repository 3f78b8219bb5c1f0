"""Walk through *Fine-tune* and *My models* as a user would and keep pictures of the window.

``python benchmarks/screenshots_teach.py FOLDER`` (under ``xvfb-run -a -s "-screen 0 1280x940x24"`` where there is no
screen). The pictures show made images only. A model is really taught, in a folder of its own: minutes on two cores.
``docs/teach.md`` shows some of them, from ``docs/images``.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from _tour import Tour, wait

from napari_nucseg._napari.correct_subject import corrections_of
from napari_nucseg._napari.torch_import import make_torch_safe
from napari_nucseg.data.synthetic import synthetic_histology
from napari_nucseg.nuclei.trust import Trust

if TYPE_CHECKING:
    from napari.layers import Labels

PATIENCE_S = 1800
WINDOW_PX = (1280, 940)


def corrected_layer(tour: Tour) -> Labels:
    """Open made histology whose upper half is right and reviewed, as after a few minutes of correcting."""
    made = synthetic_histology((320, 400), seed=5, diameter_px=26)
    tour.viewer.add_image(made.image, name="Synthetic histology")
    layer = tour.viewer.add_labels(made.labels.copy(), name="Synthetic histology nuclei")
    corrections_of(layer)
    return layer


def teach(tour: Tour, preset: str) -> None:
    """Look at the examples, learn, look at the outcome, take it up."""
    widget = tour.dock("Fine-tune")
    form = widget.form
    wait(lambda: bool(widget._models), 120)
    tour.picture("teach-empty")
    layer = corrected_layer(tour)
    widget.controller.refresh()
    wait(lambda: bool(form.examples.rows) and "⚠" in form.examples.rows[0].detail.text(), 120)
    tour.picture("teach-nothing-reviewed")
    corrections_of(layer).trust[:220] = Trust.REVIEWED
    widget.controller.refresh()
    wait(form.run.isEnabled, 120)
    wait(lambda: not widget._estimating.running, 300)
    tour.picture("teach-ready")
    form.presets[preset].click()
    form.run.click()
    wait(lambda: widget.controller._last is not None and len(widget.controller._last.losses) > 20, PATIENCE_S)
    tour.picture("teach-learning")
    wait(lambda: not widget.controller.running, PATIENCE_S)
    tour.picture("teach-outcome")
    button = form.outcome.use if form.outcome.result.acceptable else form.outcome.use_anyway
    button.click()
    if form.question.asks:
        form.question.buttons["Use it"].click()
    wait(lambda: "In use" in form.outcome.use.text(), 120)
    form.outcome.resegment.click()
    wait(lambda: "segmented again" in form.status.text(), 600)
    tour.picture("teach-again")


def models(tour: Tour) -> None:
    """Look at the list of models."""
    widget = tour.dock("My models")
    wait(lambda: widget.form.tree.topLevelItemCount() > 0, 120)
    widget.form.choose(["my-nuclei"])
    tour.picture("teach-models")


def main() -> None:
    """Read the folder from the command line and walk."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--preset", default="standard", choices=("quick", "standard", "thorough"))
    choices = parser.parse_args()
    make_torch_safe()
    with tempfile.TemporaryDirectory() as scratch:
        for place in ("RUNS", "MODELS", "JOURNAL"):
            os.environ[f"NUCSEG_{place}"] = f"{scratch}/{place.lower()}"
        tour = Tour(choices.folder, WINDOW_PX)
        teach(tour, choices.preset)
        models(tour)
        tour.viewer.close()


if __name__ == "__main__":
    main()
