"""The Python in the guides runs as it stands there, but for how long it learns."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tifffile import imwrite

from napari_nucseg import finetune, load_model, segment
from napari_nucseg.data.correction_set import CorrectionSet, save_correction_set
from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.nuclei.measuring import areas_in
from napari_nucseg.nuclei.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Mapping

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(autouse=True)
def own_places(tmp_path, monkeypatch):
    for name in ("NUCSEG_MODELS", "NUCSEG_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.chdir(tmp_path)


def run_example(page: str, shorter: Mapping[str, str], **known: Any) -> dict[str, Any]:
    """Run the only Python in a guide, with some of its words replaced; returns the names it leaves."""
    if not (DOCS / page).is_file():
        pytest.skip("no repository around these tests")
    [code] = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf8"), re.DOTALL)
    for long, short in shorter.items():
        assert long in code
        code = code.replace(long, short)
    exec(compile(code, page, "exec"), known)
    return known


def test_the_model_that_was_trained_segments():
    samples = [synthetic_fluorescence((128, 128), seed=seed) for seed in range(3)]
    for number, sample in enumerate(samples):
        for kind, pixels in (("images", sample.image), ("labels", sample.labels)):
            place = Path("my-folder", kind, f"{number}.tif")
            place.parent.mkdir(parents=True, exist_ok=True)
            imwrite(place, pixels)
    shorter = {"steps=300": "steps=1, batch_size=1, size='keep', learn='decoder', judge=None"}
    left = run_example("training.md", shorter, image=samples[0].image)
    assert left["result"].model.name == "mine"


@pytest.fixture
def corrections(own_places):
    sample = synthetic_fluorescence((128, 128))
    trust = np.full(sample.labels.shape, Trust.REVIEWED, np.uint8)
    saved = CorrectionSet(
        name="cells",
        image=sample.image,
        axes="YX",
        labels=sample.labels,
        trust=trust,
        prediction=np.zeros_like(sample.labels),
    )
    save_correction_set(Path("cells corrections"), saved)
    return saved


def test_corrections_are_measured(corrections):
    left = run_example("correct.md", {})
    assert left["taught"].all()
    assert len(left["changes"]) == corrections.labels.max()
    assert areas_in(Path("cells.csv")) == np.bincount(corrections.labels.ravel())[1:].tolist()


def test_the_model_that_was_taught_is_used_and_teaches_again(corrections):
    taught = run_example("teach.md", {'output="runs"': 'output="runs", steps=1'})["result"].model
    assert segment(corrections.image, model=taught).model.name == "my-nuclei"
    again = finetune(model=taught, examples="cells corrections", name="again", output="runs", steps=1)
    assert load_model(again.model).card.parent_name == "my-nuclei"
