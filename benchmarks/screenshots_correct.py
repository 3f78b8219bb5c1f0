"""Walk through *Correct nuclei* and *Work through a folder* as a user would and keep pictures of the window.

``python benchmarks/screenshots_correct.py FOLDER`` (under ``xvfb-run -a -s "-screen 0 1280x940x24"`` where there is no
screen). The pictures show made images only.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
from _tour import Tour, wait
from PIL import Image

from napari_nucseg._napari.correct_tools import EDIT_TOOLS, TRUST_TOOLS
from napari_nucseg._napari.layer_state import read_corrections, write_corrections
from napari_nucseg.data.synthetic import synthetic_fluorescence, synthetic_histology

WINDOW_PX = (1280, 940)
TOOLS = {tool.name: tool for tool in (*EDIT_TOOLS, *TRUST_TOOLS)}


def correct(tour: Tour) -> None:
    """Split, merge, delete, add, mark and review on made fluorescence."""
    viewer = tour.viewer
    widget = tour.dock("Correct nuclei")
    tour.picture("1-empty")
    made = synthetic_fluorescence((320, 400), seed=4, diameter_px=30)
    viewer.add_image(made.image, name="Synthetic fluorescence")
    viewer.add_labels(made.labels.copy(), name="Synthetic fluorescence nuclei")
    numbers = np.argsort(-np.bincount(made.labels.ravel())[1:])[:4] + 1
    centres = [np.argwhere(made.labels == n).mean(axis=0) for n in numbers]
    widget.controller.take(TOOLS["split"])
    (y, x) = centres[0]
    tour.draw((y - 30, x), (y, x + 2), (y + 30, x + 4), release=False)
    tour.picture("2-splitting")
    tour.release()
    widget.controller.take(TOOLS["delete"])
    tour.draw(tuple(centres[1]))
    widget.controller.take(TOOLS["review_box"])
    tour.draw((20, 20), (100, 200), (200, 300))
    widget.controller.take(TOOLS["ignore_outline"])
    tour.draw((220, 300), (220, 380), (300, 380), (300, 300))
    widget.controller.put_down()
    wait(lambda: not widget.controller.session.changes.busy, 60)
    tour.picture("3-corrected")
    widget.form.next.click()
    wait(lambda: not widget.controller.session.review.ranking, 20)
    widget.form.checked.click()
    tour.picture("4-review")
    session = widget.controller.session
    session.keeper._journal.close()  # what the system does when a process is killed; no layer knows of it then
    state = read_corrections(session.subject.layer)
    write_corrections(session.subject.layer, state.model_copy(update={"journal": None}))
    widget.controller.look_for_journals()
    viewer.reset_view()
    tour.picture("5-after-a-crash")
    widget.controller.discard()


def work(tour: Tour, folder: Path) -> None:
    """Open a folder of five images, mark one as done, and go on."""
    images = folder / "slides"
    images.mkdir()
    for seed in range(5):
        make = synthetic_histology if seed % 2 else synthetic_fluorescence
        picture = make((256, 320), seed=seed).image
        Image.fromarray(picture.astype(np.uint8)).save(images / f"slide-{seed + 1}.png")
    tour.hide_layers()
    widget = tour.dock("Work through a folder")
    tour.picture("6-work-empty")
    widget.controller.open(images, folder / "slides corrections")
    wait(lambda: not widget.controller.busy, 60)
    wait(lambda: False, 0.5)
    widget.controller.mark_done()
    wait(lambda: not widget.controller.busy, 60)
    wait(lambda: False, 0.5)
    tour.picture("7-work")


def main() -> None:
    """Read the folder from the command line and walk."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    choices = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["NUCSEG_JOURNAL"] = f"{scratch}/journals"
        tour = Tour(choices.folder, WINDOW_PX)
        correct(tour)
        work(tour, Path(scratch))
        tour.viewer.close()


if __name__ == "__main__":
    main()
