"""The bundled networks on real images that it never saw: a safe margin below what benchmarks/RESULTS.md reports."""

import pytest

from napari_nucseg.data.opening import open_dataset
from napari_nucseg.data.rows import read_rows, select_rows
from napari_nucseg.jobs.evaluation import evaluate_model
from napari_nucseg.steps import drain


def evaluate_rows(test_data, dataset, kind, every, **choices):
    rows = read_rows(test_data / "index.csv", dataset=dataset, split="val", kind=kind)[::every]
    evaluation = drain(evaluate_model(select_rows(open_dataset(test_data / dataset), rows), choices))
    assert not evaluation.failures
    return evaluation.scores


@pytest.mark.parametrize(
    ("quality", "ap50"), [pytest.param("standard", 0.70, id="standard"), pytest.param("fast", 0.6, id="fast")]
)
def test_the_nested_network_finds_nuclei_in_fluorescence(test_data, quality, ap50):
    scores = evaluate_rows(test_data, "dsb2018", "fluorescence", 5, model="nuclei-unetpp", quality=quality)
    assert scores.ap50 > ap50


@pytest.mark.parametrize(
    ("dataset", "kind", "every", "ap50"),
    [
        pytest.param("dsb2018", "fluorescence", 4, 0.72, id="DSB2018 fluorescence"),
        pytest.param("dsb2018", "histology", 4, 0.54, id="DSB2018 histology"),
        pytest.param("dsb2018", "brightfield", 1, 0.30, id="DSB2018 brightfield"),
    ],
)
def test_instances_are_found_with_the_diameter_estimated(test_data, dataset, kind, every, ap50):
    scores = evaluate_rows(test_data, dataset, kind, every)
    assert scores.ap50 > ap50
    if kind == "fluorescence":
        assert scores.pixel_accuracy > 0.96
