"""Official places of the datasets, their licences and citations; facts only, nothing is fetched here.

The SHA256 sum of the DSB2018 file is a third-party record: the Broad Institute publishes none. None of these servers
was contacted while this was written.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from napari_nucseg.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Archive:
    """A zip that this program fetches; size in bytes and SHA256 where known."""

    url: str
    size_bytes: int | None = None
    sha256: str | None = None

    @property
    def name(self) -> str:
        """File name."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class Source:
    """Where a dataset comes from and under what terms.

    Attributes
    ----------
    page
        Official page, for people.
    licence
        Its name, or that none is stated.
    citation
        What to cite, with its identifier.
    archive
        What is fetched; None where a person has to do it.
    """

    name: str
    title: str
    page: str
    licence: str
    citation: str
    archive: Archive | None = None

    def at(self, base_url: str) -> Source:
        """Return the same source at a mirror: size and sum are those of the official file and are left out."""
        if self.archive is None:
            return self
        return replace(self, archive=Archive(f"{base_url.rstrip('/')}/{self.archive.name}"))


_ALL = (
    Source(
        "dsb2018",
        "2018 Data Science Bowl (BBBC038)",
        "https://bbbc.broadinstitute.org/BBBC038",
        "CC0 1.0",
        "Caicedo et al. 2019, Nature Methods 16, 1247-1253, doi:10.1038/s41592-019-0612-7",
        Archive(
            "https://data.broadinstitute.org/bbbc/BBBC038/stage1_train.zip",
            82_923_446,
            "dcb6edc2690f137406638b2309581a71522c4dff19157d118453b448dcddcb68",
        ),
    ),
    Source(
        "lizard",
        "Lizard",
        "https://warwick.ac.uk/fac/cross_fac/tia/data/lizard/",
        "CC BY-NC-SA 4.0 (no commercial use); the page may ask for registration",
        "Graham et al. 2021, Lizard: A Large-Scale Dataset for Colonic Nuclear Instance Segmentation, arXiv:2108.11195",
    ),
    Source(
        "cpm",
        "CPM-15 and CPM-17",
        "https://drive.google.com/drive/folders/1l55cv3DuY-f7-JotDN7N5nbNnjbLWchK",
        "none stated: ask the authors before any use beyond looking",
        "Vu et al. 2019, Frontiers in Bioengineering and Biotechnology 7:53, doi:10.3389/fbioe.2019.00053",
    ),
)

SOURCES: Mapping[str, Source] = MappingProxyType({source.name: source for source in _ALL})


def find_source(name: str) -> Source:
    """Return a source; NUCSEG_URL_DSB2018 (or another source's name) names a mirror to use instead.

    Raises
    ------
    SettingsError
        Where there is no such source.
    """
    if name not in SOURCES:
        raise SettingsError(f"no source {name!r}; there are {', '.join(SOURCES)}")
    mirror = os.environ.get(f"NUCSEG_URL_{name.upper()}")
    return SOURCES[name].at(mirror) if mirror else SOURCES[name]
