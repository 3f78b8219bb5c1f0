"""What the benchmark scripts share: the machine in one line, Markdown tables, and where the real images are."""

from __future__ import annotations

import os
import platform
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from napari_nucseg.network.device import choose_device

if TYPE_CHECKING:
    from collections.abc import Iterable

DATA = Path(os.environ.get("NUCSEG_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


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
