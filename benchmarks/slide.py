"""Seconds, memory and disk that `nucseg segment --table --outlines` takes for slides too large for memory.

    python benchmarks/slide.py [--sides 16500 24000]

A slide is a round piece of synthetic tissue, a quarter of all pixels, on glass. Memory is sampled while it runs:
*its own* cannot be taken back by the system; the rest are pages of files, which can. Linux only.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile
from _common import machine, option_parser, print_table

from napari_nucseg.data.synthetic import synthetic_histology

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

TILE_PX = 512
GLASS = (241, 1.2)
"""Mean and standard deviation of its pixels."""
TISSUE = 0.25
"""Share of the slide."""


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[16_500, 24_000], metavar="PX")
    parser.add_argument("--folder", type=Path, help="Where the slides and results lie meanwhile.")
    args = parser.parse_args()
    rows = []
    for side_px in args.sides:
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            slide = Path(folder) / "slide.tif"
            write_slide(slide, side_px)
            rows.append([f"{side_px:,}²", *measure(slide)])
    print(f"{machine('auto')}\n")
    print_table(
        ["slide", "nuclei", "seconds", "memory of its own, GiB", "with pages of files, GiB", "disk, GB"], rows
    )


def write_slide(path: Path, side_px: int) -> None:
    """Write the slide in tiles, as a scanner does."""
    tifffile.imwrite(
        path,
        tiles(side_px),
        shape=(side_px, side_px, 3),
        dtype=np.uint8,
        tile=(TILE_PX, TILE_PX),
        photometric="rgb",
        compression="zlib",
        compressionargs={"level": 1},
        bigtiff=True,
    )


def tiles(side_px: int) -> Iterator[NDArray[np.uint8]]:
    """Tiles in reading order: those whose middle is in the circle show tissue, turned at random."""
    random = np.random.default_rng(0)
    tissue = synthetic_histology((TILE_PX, TILE_PX), seed=0).image
    glass = random.normal(*GLASS, tissue.shape).clip(0, 255).astype(np.uint8)
    middles = (np.arange(0, side_px, TILE_PX) + TILE_PX / 2) / side_px - 0.5
    for y in middles:
        for x in middles:
            shown = tissue if np.pi * (y**2 + x**2) < TISSUE else glass
            yield np.ascontiguousarray(np.rot90(shown, random.integers(4)))


def measure(slide: Path) -> tuple[int, float, float, float, float]:
    """Segment a slide in a process of its own; number of nuclei, seconds, peaks of memory (GiB) and of disk (GB)."""
    out = slide.parent / "out"
    command = [
        sys.executable,
        "-m",
        "napari_nucseg",
        "segment",
        str(slide),
        "-o",
        str(out),
        "--table",
        "--outlines",
    ]
    started, own, whole, on_disk = time.perf_counter(), 0.0, 0.0, 0.0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            status = Path(f"/proc/{process.pid}/status").read_text()
            own, whole = max(own, gib(status, "RssAnon")), max(whole, gib(status, "VmRSS"))
            on_disk = max(on_disk, sum(mapped(process.pid)) / 1e9)
            time.sleep(0.5)
        seconds = time.perf_counter() - started
        assert process.stdout is not None
        said = process.stdout.read()
    n_nuclei = int(re.search(r"([\d,]+) nuclei", said)[1].replace(",", ""))  # type: ignore[index]
    return n_nuclei, seconds, own, whole, on_disk


def gib(status: str, name: str) -> float:
    found = re.search(rf"{name}:\s+(\d+) kB", status)
    return int(found[1]) / 2**20 if found else 0.0


def mapped(pid: int) -> Iterator[int]:
    """Bytes of the arrays on disk that a process has mapped into its memory."""
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        if ".nucseg-scratch" in line:
            first, last = line.split(maxsplit=1)[0].split("-")
            yield int(last, 16) - int(first, 16)


if __name__ == "__main__":
    main()
