"""Official places of the datasets, their licences and citations; facts only, nothing is fetched here.

SHA256 sums of the DSB2018 files are third-party records: the Broad Institute publishes none. None of these servers
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
class RemoteFile:
    """One file of a source; size in bytes and SHA256 where known."""

    name: str
    size_bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Source:
    """Where a dataset comes from and under what terms.

    Attributes
    ----------
    page
        Official page, for people.
    base_url
        Folder the files lie in, with a slash at its end; None where a person has to fetch them.
    licence
        Its name, or that none is stated.
    citation
        What to cite, with its identifier.
    """

    name: str
    title: str
    page: str
    licence: str
    citation: str
    base_url: str | None = None
    files: tuple[RemoteFile, ...] = ()

    def file(self, name: str) -> RemoteFile:
        """Return the file of this name."""
        return next(file for file in self.files if file.name == name)

    def url(self, name: str) -> str:
        """Address of a file; ``SettingsError`` where a person has to fetch it."""
        if self.base_url is None:
            raise SettingsError(f"this program does not fetch {self.title}: get it from {self.page}")
        return self.base_url.rstrip("/") + "/" + name

    def at(self, base_url: str) -> Source:
        """Return the same source at a mirror: sizes and sums are those of the official files and are left out."""
        return replace(self, base_url=base_url, files=tuple(RemoteFile(file.name) for file in self.files))


_DSB_CITATION = "Caicedo et al. 2019, Nature Methods 16, 1247-1253, doi:10.1038/s41592-019-0612-7"

_ALL = (
    Source(
        "dsb2018",
        "2018 Data Science Bowl (BBBC038)",
        "https://bbbc.broadinstitute.org/BBBC038",
        "CC0 1.0",
        _DSB_CITATION,
        "https://data.broadinstitute.org/bbbc/BBBC038/",
        (
            RemoteFile(
                "stage1_train.zip",
                82_923_446,
                "dcb6edc2690f137406638b2309581a71522c4dff19157d118453b448dcddcb68",
            ),
            RemoteFile(
                "stage1_test.zip",
                9_545_388,
                "c097954151884341448a5c77aab21f581815ad9cad203ff2ff38d6947c9f0733",
            ),
            RemoteFile(
                "stage1_solution.csv",
                None,
                "b697d9ae093d72079f45adea7e9823204d3f67dd5ab657f68ce86ab988fc32f9",
            ),
        ),
    ),
    Source(
        "dsb2018-stardist",
        "2018 Data Science Bowl, fluorescence subset of StarDist",
        "https://github.com/stardist/stardist/releases/tag/0.1.0",
        "CC0 1.0",
        _DSB_CITATION,
        "https://github.com/stardist/stardist/releases/download/0.1.0/",
        (
            RemoteFile(
                "dsb2018.zip", None, "e44921950edce378063aa4457e625581ba35b4c2dbd9a07c19d48900129f386f"
            ),
        ),
    ),
    Source(
        "lizard",
        "Lizard",
        "https://warwick.ac.uk/fac/cross_fac/tia/data/lizard/",
        "CC BY-NC-SA 4.0 (no commercial use); the page may ask for registration",
        "Graham et al. 2021, Lizard: A Large-Scale Dataset for Colonic Nuclear Instance Segmentation, arXiv:2108.11195",
        None,
        (
            RemoteFile(
                "lizard_images1.zip", None, "d2c4e7c83dff634624c9c14d4a1a0b821d4e9ac41e05e3b36303d8f0c510113d"
            ),
            RemoteFile(
                "lizard_images2.zip", None, "9f529f30d9de66587167991a8bf75aaad07ce1d518b72e825c868ac7c33015ed"
            ),
            RemoteFile(
                "lizard_labels.zip", None, "79f22ca83ca535682fba340cbc8bb66b74abd1ead4151ffc8593f204fcb97dec"
            ),
        ),
    ),
    Source(
        "cpm",
        "CPM-15 and CPM-17",
        "https://drive.google.com/drive/folders/1l55cv3DuY-f7-JotDN7N5nbNnjbLWchK",
        "none stated: ask the authors before any use beyond looking",
        "Vu et al. 2019, Frontiers in Bioengineering and Biotechnology 7:53, doi:10.3389/fbioe.2019.00053",
    ),
    Source(
        "tnbc",
        "TNBC nuclei segmentation",
        "https://zenodo.org/records/1175282",
        "CC BY 4.0",
        "Naylor et al. 2018, doi:10.5281/zenodo.1175282",
        "https://zenodo.org/records/1175282/files/",
        (
            RemoteFile(
                "TNBC_NucleiSegmentation.zip",
                None,
                "da708c3a988f4ad4b9bbb9283b387faf703f0bc0e5e689927306bd27ea13a57f",
            ),
        ),
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
    mirror = os.environ.get(f"NUCSEG_URL_{name.upper().replace('-', '_')}")
    return SOURCES[name].at(mirror) if mirror else SOURCES[name]
