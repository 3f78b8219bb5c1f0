"""What the benchmark scripts share: options, the machine in one line, Markdown tables, real images and their folds."""

from __future__ import annotations

import argparse
import os
import platform
import resource
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from napari_nucseg import open_dataset
from napari_nucseg.data.rows import read_rows, select_rows
from napari_nucseg.jobs.evaluation import evaluate_model
from napari_nucseg.network.device import choose_device
from napari_nucseg.steps import drain, told_as

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from napari_nucseg.data.sample import Dataset
    from napari_nucseg.jobs.evaluation import Evaluation, EvaluationProgress
    from napari_nucseg.network.model_file import Model

DATA = Path(os.environ.get("NUCSEG_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
FOLDS = 4
"""Of groups of `train`, for what is taught beside the network."""


def option_parser(script_says: str | None) -> argparse.ArgumentParser:
    """Parser of a script's options; its help begins with the script's docstring, as that is written."""
    return argparse.ArgumentParser(
        description=script_says, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def images_of(dataset: str, split: str, kind: str | None = None, every: int = 1) -> Dataset:
    """Every n-th image of a dataset in one split, of one kind where it is given; none where there is no such row."""
    of_dataset = read_rows(DATA / "index.csv", dataset=dataset)
    rows = [row for row in of_dataset if row.split == split and kind in (None, row.kind)]
    return select_rows(open_dataset(DATA / dataset), rows[::every])


def images_to_score(dataset: str, split: str, kind: str | None = None, every: int = 1) -> Dataset:
    """Images as above; of CPM-15, which has evaluation rows only, whatever the split asked for."""
    return images_of(dataset, "eval" if dataset == "cpm15" else split, kind, every)


def evaluated(
    title: str, dataset: Dataset, choices: Mapping[str, str], true_diameter: bool, model: Model | None = None
) -> Evaluation:
    """Score a model on a dataset, and tell how far it is."""

    def tell(progress: EvaluationProgress) -> None:
        print(f"\r{title} {progress.done}/{progress.total}   ", end="", file=sys.stderr)

    return drain(told_as(evaluate_model(dataset, choices, model=model, true_diameter=true_diameter), tell))


def parts_by_kind(result: Evaluation) -> dict[str, Evaluation]:
    """Split an evaluation by the kinds of its images."""
    return {
        kind: replace(result, images=tuple(image for image in result.images if image.kind == kind))
        for kind in result.by_kind
    }


def with_interval(result: Evaluation, metric: str) -> str:
    """Write a pooled metric with its bootstrap interval over groups."""
    low, high = result.scores.interval(metric, groups=result.groups)
    return f"{result.scores.pooled(metric):.3f} ({low:.3f}–{high:.3f})"


def fold_of(group: str) -> int:
    """Fold of a group of images, 0 to FOLDS - 1, the same in every script."""
    return sum(group.encode()) % FOLDS


def peak_mib() -> float:
    """Most memory that this process has held at once."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def machine(precision: str = "auto") -> str:
    """Date, processor, threads, precision and torch version, for the line above a table."""
    device = choose_device("auto", precision)
    isa = torch.backends.cpu.get_cpu_capability()
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA")
    parts = [str(date.today()), _processor(), f"{torch.get_num_threads()} threads", isa, device.precision]
    parts += [f"oneDNN limited to {limit}"] if limit else []
    return " · ".join([*parts, device.description, f"torch {torch.__version__.split('+')[0]}"])


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine()
    )


def print_table(header: list[str], rows: list[list[object]]) -> None:
    """Print a Markdown table."""
    print("| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(rounded(row)) + " |")
    print()


def rounded(row: Iterable[object]) -> list[str]:
    """Write cells of a table as text; numbers are rounded to three digits."""
    return [f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row]
