"""``nucseg models``: what is installed, what the user makes of it, and which model is the default."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from napari_nucseg.cli.console import note, say, say_json
from napari_nucseg.cli.models_compare import add_compare
from napari_nucseg.cli.naming import as_place
from napari_nucseg.errors import ModelFileError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_nucseg.network.installed import ModelInfo
    from napari_nucseg.network.lineage import Descent

KINDS = {"unet": "U-Net", "unetplusplus": "U-Net++"}
_HEADER = ("name", "title", "from", "kind", "size", "licence", "where")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``nucseg models``."""
    parser.add_argument(
        "--json", action="store_true", help="Print one JSON line a model, with its whole card."
    )
    parser.set_defaults(action=_list)
    actions = parser.add_subparsers(metavar="action", title="actions (without one, models are listed)")
    actions.add_parser(
        "list", help="List models: children below their parents; * marks what 'auto' stands for."
    )
    show = actions.add_parser("show", help="Print the card of a model.")
    show.add_argument("name", metavar="NAME", help="Name of an installed model, or path of a model file.")
    show.set_defaults(action=_show)
    default = actions.add_parser(
        "default", help="Name the default, choose another, or go back to the one before."
    )
    what = "Name of a model; 'back'; or 'auto': the program chooses. Without one, the default is named."
    default.add_argument("name", metavar="NAME", nargs="?", help=what)
    default.set_defaults(action=_default)
    install = actions.add_parser("install", help="Copy a model file into the folder of your own models.")
    install.add_argument("file", type=as_place, metavar="FILE", help="Model file (.safetensors).")
    install.add_argument("--name", help="Name to install it under, in place of its own.")
    install.add_argument(
        "--force", action="store_true", help="Replace a model or file of your own of that name."
    )
    install.set_defaults(action=_install)
    rename = actions.add_parser("rename", help="Give a model of your own another name.")
    rename.add_argument("old", metavar="OLD")
    rename.add_argument("new", metavar="NEW")
    rename.set_defaults(action=_rename)
    export = actions.add_parser("export", help="Copy a model to a file, to take it elsewhere.")
    export.add_argument("name", metavar="NAME")
    export.add_argument(
        "file", type=as_place, metavar="FILE", help="Model file to write (.safetensors), or a folder."
    )
    export.add_argument("--force", action="store_true", help="Replace a file that is there.")
    export.set_defaults(action=_export)
    remove = actions.add_parser("remove", help="Delete a model of your own.")
    remove.add_argument("name", metavar="NAME")
    remove.add_argument(
        "--yes", action="store_true", help="Do not ask, even if it is the default or a parent."
    )
    remove.set_defaults(action=_remove)
    add_compare(actions)
    for action in actions.choices.values():  # SUPPRESS: one that stands before the action counts, too
        action.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="Print one JSON line."
        )


def run(args: argparse.Namespace) -> int:
    """Do what was asked for."""
    args.action(args)
    return 0


def _list(args: argparse.Namespace) -> None:
    """List bundled and own models, children below their parents; what ``auto`` stands for is marked."""
    from napari_nucseg.network.installed import automatic_models
    from napari_nucseg.network.lineage import lineage  # late: loads torch
    from napari_nucseg.network.places import models_dir
    from napari_nucseg.network.preferred import model_problems

    for problem in model_problems():
        note(problem)
    family = lineage()
    automatic = automatic_models([descent.model for descent in family])
    if args.json:
        for descent in family:
            more = {"default": descent.model in automatic, "parent": descent.parent or None}
            say_json(_as_json(descent.model) | more)
        return
    if not family:
        note(
            f"no model is installed: put a model file into {models_dir()}, or train one with 'nucseg train'."
        )
        return
    _print_table([_HEADER, *(_row(descent, is_default=descent.model in automatic) for descent in family)])


def _default(args: argparse.Namespace) -> None:
    from napari_nucseg.network.installed import automatic_models, list_models  # late: loads torch
    from napari_nucseg.network.preferred import (
        can_go_back,
        go_back,
        prefer_model,
        preference_problem,
        preferred_model,
    )

    if args.name == "back":
        if not can_go_back():
            note("there is no earlier default")
        go_back()
    elif args.name is not None:
        prefer_model(args.name)
    names, chosen = [model.name for model in automatic_models(list_models())], preferred_model()
    by_user = [chosen] == names
    if args.json:
        default, fluorescence = (names[0], names[-1]) if names else (None, None)
        by = "user" if by_user else "program"
        say_json({"default": default, "for_fluorescence": fluorescence, "chosen_by": by})
    else:
        said = ", for fluorescence ".join(names) or "none"
        say(f"{said}: {'your choice' if by_user else 'the program chooses'}")
    if problem := preference_problem():
        note(problem)


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


def _rename(args: argparse.Namespace) -> None:
    from napari_nucseg.network.installing import rename_model  # late: loads torch
    from napari_nucseg.teaching.runs import rename_run_of

    model = rename_model(args.old, args.new)
    rename_run_of(args.old, args.new)
    if args.json:
        say_json(_as_json(model))
    else:
        say(f"{args.old} is now {model.name}: {model.path}")


def _export(args: argparse.Namespace) -> None:
    from napari_nucseg.network.installing import export_model  # late: loads torch

    path = export_model(args.name, args.file, force=args.force)
    if args.json:
        say_json({"name": args.name, "exported": path})
    else:
        say(f"{args.name}: written to {path}")


def _remove(args: argparse.Namespace) -> None:
    from napari_nucseg.network.installing import remove_model  # late: loads torch
    from napari_nucseg.teaching.runs import forget_run_of

    if not args.yes:
        _ask_whether_to_remove(args.name)
    path = remove_model(args.name)
    forget_run_of(args.name)
    if args.json:
        say_json({"name": args.name, "removed": path})
    else:
        say(f"{args.name}: {path} is deleted")


def _ask_whether_to_remove(name: str) -> None:
    """Ask where others depend on a model; where nobody can answer, refuse."""
    from napari_nucseg.network.lineage import children_of  # late: loads torch
    from napari_nucseg.network.preferred import preferred_model

    children = children_of(name)
    reasons = [f"it is the parent of {', '.join(children)}"] if children else []
    reasons += ["it is the default"] if preferred_model() == name else []
    if not reasons:
        return
    why = " and ".join(reasons)
    if not sys.stdin.isatty():
        raise ModelFileError(f"{name} is not deleted: {why}. Add --yes to delete it all the same.")
    note(f"{name}: {why}. Delete it? [y/N]")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise ModelFileError(f"{name} stays.")


def _show(args: argparse.Namespace) -> None:
    from napari_nucseg.network.installed import ModelInfo, find_model  # late: loads torch
    from napari_nucseg.network.model_card import read_card  # late: loads torch

    path = find_model(args.name)
    card = read_card(path)
    model = ModelInfo(card.name, path, card)
    if args.json:
        say_json(_as_json(model))
        return
    _print_table(list(_card_lines(model)))


def _as_json(model: ModelInfo) -> dict[str, object]:
    return {"name": model.name, "path": model.path, "card": model.card.model_dump(mode="json")}


def _row(descent: Descent, *, is_default: bool) -> tuple[str, ...]:
    model, card = descent.model, descent.model.card
    name = f"{'  ' * descent.generation}{model.name}{' *' if is_default else ''}"
    parent = descent.parent_words or "–"
    where = "bundled" if model.bundled else str(model.path)
    return name, card.title, parent, KINDS[card.architecture.kind], _size(model), card.licence or "–", where


def _card_lines(model: ModelInfo) -> Iterable[tuple[str, str]]:
    """Say every field of a card in words; long fields take a line an entry."""
    from napari_nucseg.teaching.comparison_words import name_words

    card = model.card
    architecture = card.architecture
    heads = f", heads {', '.join(map(str, architecture.heads))}" if len(architecture.heads) > 1 else ""
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
    yield "made from", card.parent_name or (card.parent_sha256 or "no other model")[:16]
    for title, entries in {
        "trained on": card.training_data,
        "figures": [f"{name_words(name)} {value:g}" for name, value in card.figures.items()],
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
