"""Options that say which files are written of each image, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_nucseg.cli.naming import as_place

if TYPE_CHECKING:
    import argparse

    from napari_nucseg.jobs.batch_files import Outputs


def add_outputs(parser: argparse.ArgumentParser) -> None:
    """Add the folder of the results, and what is written beside labels."""
    parser.add_argument(
        "-o", "--output", type=as_place, required=True, metavar="DIR", help="Folder for the results."
    )
    parser.add_argument(
        "--overlay",
        action="store_true",
        help="Also write the outlines over the image (PNG; of a stack, TIFF).",
    )
    parser.add_argument("--table", action="store_true", help="Also write area, centroid, intensity … (CSV).")
    parser.add_argument(
        "--one-table",
        type=as_place,
        metavar="FILE",
        help="Also write the tables of all images, and all as one, with a column that names the image (CSV), at the "
        "end; a file that is there is replaced only with --overwrite.",
    )
    parser.add_argument(
        "--outlines",
        action="store_true",
        help="Also write the outlines as polygons that QuPath opens (GeoJSON).",
    )


def chosen_outputs(args: argparse.Namespace) -> Outputs:
    """Return what was chosen of these, and whether files may be replaced."""
    from napari_nucseg.jobs.batch_files import Outputs  # late: help is fast

    return Outputs(
        args.output,
        overlay=args.overlay,
        table=args.table or args.one_table is not None,
        outlines=args.outlines,
        one_table=args.one_table,
        overwrite=args.overwrite,
    )
