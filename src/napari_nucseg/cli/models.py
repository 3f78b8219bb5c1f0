"""``nucseg models``: what is installed, and what the user installs or removes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_nucseg.cli.console import note, say, say_json

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from napari_nucseg.network.model_file import ModelInfo

KINDS = {"unet": "U-Net", "unetplusplus": "U-Net++"}
_HEADER = ("name", "title", "kind", "size", "licence", "where")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``nucseg models``."""
    parser.add_argument(
        "--json", action="store_true", help="Print one JSON line a model, with its whole card."
    )
    parser.set_defaults(action=_list)
    actions = parser.add_subparsers(metavar="action", title="actions (without one, models are listed)")
    install = actions.add_parser("install", help="Copy a model file into the folder of your own models.")
    install.add_argument("file", metavar="FILE", help="Model file (.safetensors).")
    install.add_argument("--name", help="Name to install it under, in place of its own.")
    install.add_argument("--force", action="store_true", help="Replace a model of your own of that name.")
    install.set_defaults(action=_install)
    remove = actions.add_parser("remove", help="Delete a model of your own.")
    remove.add_argument("name", metavar="NAME")
    remove.set_defaults(action=_remove)
    show = actions.add_parser("show", help="Print the card of a model.")
    show.add_argument("name", metavar="NAME", help="Name of an installed model, or path of a model file.")
    show.set_defaults(action=_show)


def run(args: argparse.Namespace) -> int:
    """Do what was asked for."""
    args.action(args)
    return 0


def _list(args: argparse.Namespace) -> None:
    """List bundled and own models, the default first."""
    from napari_nucseg.network.model_file import list_models, models_dir  # late: loads torch

    models = list_models()
    if args.json:
        for model in models:
            say_json(_as_json(model))
        return
    if models:
        _print_table([_HEADER, *(_row(model) for model in models)])
    else:
        note(
            f"no model is installed: put a model file into {models_dir()}, or train one with 'nucseg train'."
        )


def _install(args: argparse.Namespace) -> None:
    from napari_nucseg.network.installing import install_model  # late: loads torch

    model = install_model(args.file, args.name, force=args.force)
    if args.json:
        say_json(_as_json(model))
        return
    say(f"{model.name}: {model.card.title}, installed as {model.path}")
    note(f"Licence: {model.card.licence or 'none stated'}.")
    for data in model.card.training_data:
        note(f"Trained on {data}.")


def _remove(args: argparse.Namespace) -> None:
    from napari_nucseg.network.installing import remove_model  # late: loads torch

    path = remove_model(args.name)
    if args.json:
        say_json({"name": args.name, "removed": path})
    else:
        say(f"{args.name}: {path} is deleted")


def _show(args: argparse.Namespace) -> None:
    from napari_nucseg.network.model_file import ModelInfo, find_model, read_card  # late: loads torch

    path = find_model(args.name)
    card = read_card(path)
    model = ModelInfo(card.name, path, card)
    if args.json:
        say_json(_as_json(model))
        return
    _print_table(list(_card_lines(model)))


def _as_json(model: ModelInfo) -> dict[str, object]:
    return {"name": model.name, "path": model.path, "card": model.card.model_dump(mode="json")}


def _row(model: ModelInfo) -> tuple[str, ...]:
    card = model.card
    where = "bundled" if model.bundled else str(model.path)
    return model.name, card.title, KINDS[card.architecture.kind], _size(model), card.licence or "–", where


def _card_lines(model: ModelInfo) -> Iterable[tuple[str, str]]:
    """Say every field of a card in words; long fields take a line an entry."""
    card = model.card
    architecture = card.architecture
    heads = f", {architecture.heads} heads" if architecture.heads > 1 else ""
    yield "name", model.name
    yield "title", card.title
    yield "description", card.description
    yield "kind", f"{KINDS[architecture.kind]}, encoder {architecture.encoder}{heads}"
    yield "size", _size(model)
    yield "nuclei", f"seen at a diameter of {card.canonical_diameter_px:g} px"
    yield "normalisation", "percentiles {:g} and {:g} become 0 and 1".format(*card.normalisation)
    yield "thresholds", ", ".join(f"{name} {value:g}" for name, value in card.thresholds)
    yield "licence", card.licence or "none stated"
    yield "intended use", card.intended_use
    for title, entries in {
        "trained on": card.training_data,
        "figures": [f"{name} {value:g}" for name, value in card.figures.items()],
        "history": card.history,
    }.items():
        for number, entry in enumerate(entries):
            yield ("" if number else title), entry
    yield "where", str(model.path)


def _size(model: ModelInfo) -> str:
    return f"{model.path.stat().st_size / 1e6:.1f} MB"


def _print_table(rows: list[tuple[str, ...]]) -> None:
    """Print columns side by side; the last is as wide as it likes."""
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]
    for *cells, last in rows:
        say("  ".join([*(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)), last]))
