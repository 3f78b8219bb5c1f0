"""``nucseg models``: what is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_nucseg.cli.console import note, say, say_json

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``nucseg models``."""
    parser.add_argument(
        "--json", action="store_true", help="Print one JSON line a model, with its whole card."
    )


def run(args: argparse.Namespace) -> int:
    """List bundled and own models, the default first."""
    from napari_nucseg.network.model_file import list_models, models_dir  # late: loads torch

    models = list_models()
    for model in models:
        card = model.card
        if args.json:
            say_json({"name": model.name, "path": model.path, "card": card.model_dump(mode="json")})
            continue
        say(f"{model.name}: {card.title}")
        note(
            f"{card.description} Nuclei at {card.canonical_diameter_px:g} px. Licence: {card.licence}.".strip()
        )
        note(str(model.path))
    if not models:
        note(
            f"no model is installed: put a model file into {models_dir()}, or train one with 'nucseg train'."
        )
    return 0
