"""What a user installs: light to import, and complete in the wheel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCE = REPOSITORY / "src" / "napari_nucseg"


def run(*command: str | Path, **options) -> str:
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_importing_is_light(record_property) -> None:
    """Neither torch nor napari is loaded; the time is recorded, not asserted, since machines differ."""
    code = (
        "import time; start = time.perf_counter(); import napari_nucseg; seconds = time.perf_counter() - start\n"
        "import json, sys; print(json.dumps([seconds, sorted(sys.modules)]))"
    )
    seconds, modules = json.loads(run(sys.executable, "-c", code))
    record_property("import_seconds", seconds)
    print(f"import napari_nucseg took {seconds:.3f} s")
    assert not {"torch", "napari", "scipy", "skimage", "qtpy"} & set(modules)


def test_every_public_name_is_there() -> None:
    import napari_nucseg

    for name in napari_nucseg.__all__:
        assert getattr(napari_nucseg, name).__doc__
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = napari_nucseg.no_such_name
    assert set(napari_nucseg.__all__) <= set(dir(napari_nucseg))


def test_manifest_at_the_top_is_the_one_in_the_package() -> None:
    top = REPOSITORY / "napari.yaml"
    if not top.exists():
        pytest.skip("no repository around these tests")
    assert top.read_text(encoding="utf-8") == (SOURCE / "napari.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, REPOSITORY)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of programs of a fresh environment with the wheel in it.

    Dependencies are those of this environment, linked one by one so that nothing of this checkout's own
    installation is seen there.
    """
    if sys.platform == "win32":
        pytest.skip("linking packages needs rights that users do not have there")
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", f"--python={python}", "install", "--no-deps", "--no-index", wheel)
    linked = folder / "linked"
    linked.mkdir()
    for package in Path(sysconfig.get_path("purelib")).iterdir():
        if "napari_nucseg" not in package.name and package.suffix != ".pth":
            (linked / package.name).symlink_to(package)
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (site / "linked.pth").write_text(str(linked))
    return folder / "bin"


def test_wheel_holds_everything_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = [file.relative_to(SOURCE) for file in SOURCE.rglob("*") if file.is_file()]
    caches = (".", "__pycache__")
    expected = {
        f"napari_nucseg/{file.as_posix()}"
        for file in files
        if not any(part.startswith(caches) for part in file.parts)
    }
    assert {"napari_nucseg/py.typed", "napari_nucseg/napari.yaml"} <= expected
    assert names == expected
    assert not any("research" in name for name in names), "models under other licences are installed by hand"
    assert wheel.stat().st_size < 16e6, "bundled models have 12 MB"


def test_command_of_the_wheel_works(installed: Path, tmp_path: Path) -> None:
    assert run(installed / "nucseg", "--version").startswith("napari-nucseg ")
    listed = run(installed / "nucseg", "models", "--json", env={**os.environ, "NUCSEG_MODELS": str(tmp_path)})
    names = {json.loads(line)["name"] for line in listed.splitlines()}
    assert names == {path.stem for path in (SOURCE / "models").glob("*.safetensors")}


def test_wheel_has_the_recipes(installed: Path, tmp_path: Path) -> None:
    code = (
        "import napari_nucseg; from napari_nucseg.learning.job import load_job\n"
        "from napari_nucseg.learning.job_file import RECIPES_DIR\n"
        "print(napari_nucseg.__file__)\n"
        "for path in sorted(RECIPES_DIR.glob('*.yaml')): load_job(path); print(path.stem)"
    )
    place, *recipes = run(installed / "python", "-c", code, cwd=tmp_path).splitlines()
    assert Path(place).is_relative_to(installed.parent)
    assert sorted(recipes) == sorted(path.stem for path in (SOURCE / "learning" / "recipes").glob("*.yaml"))
    assert recipes


def test_manifest_of_the_wheel_is_valid(installed: Path, tmp_path: Path) -> None:
    pytest.importorskip("npe2", reason="npe2 comes with the [napari] extra")
    output = run(installed / "python", "-m", "npe2", "validate", "napari-nucseg", cwd=tmp_path)
    assert "valid" in output


def test_everything_contributed_can_be_imported(installed: Path, tmp_path: Path) -> None:
    pytest.importorskip("napari", reason="napari comes with the [napari] extra")
    code = (
        "import json; from npe2 import PluginManager; from npe2.manifest.utils import import_python_name\n"
        "manager = PluginManager(); manager.discover()\n"
        "contributions = manager.get_manifest('napari-nucseg').contributions\n"
        "for command in contributions.commands: assert callable(import_python_name(command.python_name))\n"
        "kinds = contributions.model_dump(exclude_none=True)\n"
        "print(json.dumps({kind: len(items) for kind, items in kinds.items() if items}))"
    )
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    counts = json.loads(run(installed / "python", "-c", code, cwd=tmp_path, env=environment).splitlines()[-1])
    assert {"commands", "readers", "sample_data", "widgets"} <= set(counts)
