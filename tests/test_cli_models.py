"""``nucseg models``: the default, the family, and two models compared; real files, called as the shell calls it."""

import json

import pytest
import tifffile

from napari_nucseg.cli import main
from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.network.lineage import sha256_of
from napari_nucseg.network.model_card import ModelCard, read_card
from napari_nucseg.network.model_file import save_model
from napari_nucseg.teaching.runs import DONE, runs_dir


@pytest.fixture
def family(tmp_path, tiny_models, monkeypatch):
    """Folder of the user's own models: a parent and its child."""
    from napari_nucseg.network.model_file import load_model

    network, card = (
        load_model(tiny_models / "tiny.safetensors").network,
        read_card(tiny_models / "tiny.safetensors"),
    )
    folder = tmp_path / "own"
    monkeypatch.setenv("NUCSEG_MODELS", str(folder))
    monkeypatch.setenv("NUCSEG_RUNS", str(tmp_path / "runs"))
    save_model(folder / "parent.safetensors", named(card, "parent"), network)
    child = named(card, "child", parent_sha256=sha256_of(folder / "parent.safetensors"), parent_name="parent")
    save_model(folder / "child.safetensors", child, network)
    return folder


def named(card: ModelCard, name: str, **more: object) -> ModelCard:
    return card.model_copy(update={"name": name, "title": name.title(), **more})


def listed(capsys):
    assert main(["models", "list"]) == 0
    return capsys.readouterr().out.splitlines()[1:]


def test_children_stand_below_their_parent_and_the_default_has_a_star(family, capsys):
    assert main(["models", "default", "child"]) == 0
    assert capsys.readouterr().out == "child: your choice\n"
    lines = [line for line in listed(capsys) if str(family) in line]
    assert [line.split()[:4] for line in lines] == [
        ["parent", "Parent", "–", "U-Net"],
        ["child", "*", "Child", "parent"],
    ]
    assert lines[1].startswith("  child *")
    assert main(["models", "list", "--json"]) == 0
    found = {line["name"]: line for line in map(json.loads, capsys.readouterr().out.splitlines())}
    assert (found["child"]["default"], found["child"]["parent"], found["parent"]["default"]) == (
        True,
        "parent",
        False,
    )


@pytest.mark.parametrize("arguments", [["--json", "show", "child"], ["show", "child", "--json"]])
def test_json_may_stand_before_and_after_the_action(family, capsys, arguments):
    assert main(["models", *arguments]) == 0
    assert json.loads(capsys.readouterr().out)["card"]["parent_name"] == "parent"


def test_the_default_is_set_and_taken_back(family, capsys):
    main(["models", "default"])
    automatic = capsys.readouterr().out
    assert automatic.endswith("the program chooses\n")
    for asked, said in (("parent", "parent: your choice\n"), ("child", "child: your choice\n")):
        assert main(["models", "default", asked]) == 0
        assert capsys.readouterr().out == said
    assert main(["models", "default", "back"]) == 0
    assert tuple(capsys.readouterr()) == ("parent: your choice\n", "")
    assert main(["models", "default", "back"]) == 0
    assert tuple(capsys.readouterr()) == (automatic, "")
    assert main(["models", "default", "back"]) == 0
    assert tuple(capsys.readouterr()) == (automatic, "  there is no earlier default\n")
    assert main(["models", "default", "auto"]) == 0
    assert capsys.readouterr().out == automatic
    assert main(["models", "default", "nonsense"]) == 2


def test_a_default_that_is_gone_is_said(family, capsys):
    main(["models", "default", "child"])
    (family / "child.safetensors").unlink()
    capsys.readouterr()
    assert main(["models"]) == 0
    assert "default model child is gone" in capsys.readouterr().err


def test_a_damaged_model_is_said_and_removed(family, capsys):
    main(["models", "default", "child"])
    (family / "child.safetensors").write_bytes(b"cut short")
    capsys.readouterr()
    for command in (["models"], ["models", "list", "--json"]):
        assert main(command) == 0
        assert f"{family / 'child.safetensors'} is no readable safetensors file" in capsys.readouterr().err
    assert main(["doctor"]) == 1
    assert f"{family / 'child.safetensors'} is no readable" in capsys.readouterr().out
    assert main(["models", "remove", "child", "--yes"]) == 0
    assert not (family / "child.safetensors").exists()


def test_a_parent_or_the_default_is_not_removed_unasked(family, capsys):
    main(["models", "default", "child"])
    for name, reason in (("parent", "it is the parent of child"), ("child", "it is the default")):
        assert main(["models", "remove", name]) == 2
        assert reason in capsys.readouterr().err
    assert main(["models", "remove", "parent", "--yes"]) == 0
    assert any("parent (no longer installed)" in line for line in listed(capsys))


def test_models_are_renamed_and_exported(family, tmp_path, capsys):
    assert main(["models", "rename", "parent", "mother"]) == 0
    assert "parent is now mother" in capsys.readouterr().out
    assert main(["models", "export", "child", str(tmp_path / "child.safetensors")]) == 0
    assert main(["models", "export", "child", str(tmp_path / "child.safetensors")]) == 2
    assert main(["models", "export", "child", str(tmp_path / "child.safetensors"), "--force"]) == 0
    assert "--force" in capsys.readouterr().err
    assert main(["models", "export", "child", f"{tmp_path / 'nowhere'}/"]) == 2
    assert f"there is no folder {tmp_path / 'nowhere'}, and a model file's name" in capsys.readouterr().err
    assert main(["models", "show", "child"]) == 0
    assert "made from" in capsys.readouterr().out


def test_what_teaching_left_goes_with_its_model(family, capsys):
    run = runs_dir() / "child"
    run.mkdir(parents=True)
    (run / DONE).touch()
    assert main(["models", "rename", "child", "kid"]) == 0
    assert (runs_dir() / "kid" / DONE).exists() and not run.exists()
    assert main(["models", "remove", "kid"]) == 0
    assert not (runs_dir() / "kid").exists()


def test_models_are_compared_on_images_with_labels(family, tmp_path, capsys):
    sample = synthetic_fluorescence((96, 96), diameter_px=24)
    for part, array in (("images", sample.image), ("labels", sample.labels)):
        (tmp_path / "data" / part).mkdir(parents=True)
        tifffile.imwrite(tmp_path / "data" / part / "a.tif", array)
    assert main(["models", "compare", "parent", "child", "--data", str(tmp_path / "data")]) == 0
    out, err = capsys.readouterr()
    header, line, legend = out.splitlines()
    assert err == ""
    assert "others may differ more" in legend
    assert header.split()[:3] == ["images", "number", "nuclei"]
    assert "+0.000" in line and line.endswith("not enough evidence")
    assert main(["models", "--json", "compare", "parent", "child", "--data", str(tmp_path / "data")]) == 0
    assert json.loads(capsys.readouterr().out)["n_images"] == 1
    tifffile.imwrite(tmp_path / "data" / "images" / "b.tif", sample.image)
    tifffile.imwrite(tmp_path / "data" / "images" / "c.tif", sample.image)
    tifffile.imwrite(tmp_path / "data" / "labels" / "c.tif", sample.labels[:50])
    assert main(["models", "compare", "parent", "child", "--data", str(tmp_path / "data")]) == 0
    without, broken = capsys.readouterr().err.splitlines()
    assert without.strip() == "data: Left out b: it has no labels."
    assert "Left out c: mask and image differ in size" in broken
    assert main(["models", "compare", "parent", "child", "--data", str(tmp_path / "none")]) == 2


def test_what_names_another_folder_is_said_where_models_cannot_be_put(tiny_models, as_anybody, tmp_path):
    (tmp_path / "home").mkdir(mode=0o555)
    said = as_anybody(
        f"""
import contextlib, sys
from napari_nucseg.cli import main
with contextlib.redirect_stderr(sys.stdout):
    main(["models", "install", {str(tiny_models / "tiny.safetensors")!r}])
    main(["models", "default", "nuclei-unet"])
""",
        NUCSEG_MODELS=str(tmp_path / "home" / "models"),
    )
    assert len(said) == 2
    for line in said:
        assert (
            f"no permission to write in {tmp_path / 'home'}. The environment variable NUCSEG_MODELS" in line
        )
