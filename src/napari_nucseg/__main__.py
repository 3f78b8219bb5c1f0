"""``python -m napari_nucseg``: the command line, for where no ``nucseg`` is on the path."""

import sys

from napari_nucseg.cli import main
from napari_nucseg.jobs.parent import end_with_parent

if __name__ == "__main__":
    end_with_parent()
    sys.exit(main())
