"""The command ``nucseg``: one module a subcommand, each read only when it is the one asked for."""

from napari_nucseg.cli.main import main

__all__ = ["main"]
