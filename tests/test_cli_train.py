"""``nucseg train``: a folder, a recipe, rows of an index."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from napari_nucseg.cli import main
from napari_nucseg.learning.job_file import RECIPES_DIR, recipe_names
from napari_nucseg.network.model_card import read_card


def test_an_own_folder_goes_on_from_a_model_with_one_command(
    tmp_path: Path, tiny_models: Path, capsys
) -> None:
    main(["sample", "synthetic-fluorescence", "synthetic-histology", "-o", str(tmp_path / "data")])
    data = [str(folder) for folder in sorted((tmp_path / "data").iterdir())]
    start = ["--start", str(tiny_models / "tiny.safetensors"), "--steps", "1", "--device", "cpu"]
    assert main(["train", "--data", *data, *start, "--output", str(tmp_path / "runs")]) == 0
    model = Path(capsys.readouterr().out.splitlines()[-1])
    assert model == tmp_path / "runs" / "my-model" / "my-model.safetensors"
    card = read_card(model)
    assert card.title == "my-model", "the name it is listed by in the window"
    assert card.architecture == read_card(tiny_models / "tiny.safetensors").architecture
    assert "from tiny" in card.history[0]
    assert card.training_data == ("1 image of synthetic-fluorescence, synthetic-histology",)


def test_what_a_recipe_says_of_its_own_data_is_not_said_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    main(["sample", "synthetic-fluorescence", "-o", str(tmp_path)])
    (tmp_path / "theirs.yaml").write_text(
        "name: theirs\ntitle: Theirs\ndescription: Of their nuclei.\nlicence: CC0\ntraining_data: [DSB2018, CC0]\n"
        "batch_size: 2\npatch_px: 64\nvalidation_share: 0\naugment: {crop_px: 64}\nsize: null\njudge: null\n"
        "architecture: {encoder: tu-regnetx_002, encoder_depth: 3, decoder_channels: [16, 8, 8]}\n"
    )
    monkeypatch.setattr("napari_nucseg.learning.job_file.RECIPES_DIR", tmp_path)
    monkeypatch.chdir(tmp_path)
    run = ["--data", "synthetic-fluorescence", "--name", "mine", "--steps", "1", "--device", "cpu"]
    capsys.readouterr()
    assert main(["train", "--recipe", "theirs", *run]) == 0
    card = read_card(Path(capsys.readouterr().out.splitlines()[-1]))
    assert (card.title, card.description, card.licence) == ("mine", "", "all rights with whoever trained it")
    assert card.training_data == ("1 image of synthetic-fluorescence",)


def test_train_on_rows_of_an_index_and_score_on_others(tmp_path: Path, capsys) -> None:
    main(["sample", "synthetic-fluorescence", "synthetic-histology", "-o", str(tmp_path)])
    index = tmp_path / "index.csv"
    names = {"train": "synthetic-fluorescence", "val": "synthetic-histology"}
    rows = [f"mine,{name},{name},{split},histology" for split, name in names.items()]
    index.write_text("\n".join(["dataset,name,group,split,kind", *rows]))
    job = tmp_path / "job.yaml"
    job.write_text(
        "name: mine\nbatch_size: 2\npatch_px: 64\ndevice: cpu\naugment: {crop_px: 64}\nvalidation: {every: 1}\n"
        "size: null\njudge: null\n"
        "architecture: {encoder: tu-regnetx_002, encoder_depth: 3, decoder_channels: [16, 8, 8]}\n"
    )
    data = [str(tmp_path / name) for name in names.values()]
    split = [
        "--index",
        str(index),
        "--validation-split",
        "val",
        "--steps",
        "1",
        "--output",
        str(tmp_path / "runs"),
    ]
    capsys.readouterr()
    assert main(["train", "--job", str(job), "--data", *data, *split, "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert "from 1 image; 1 image held back" in lines[1]["message"]
    assert "auc" in next(line["scores"] for line in reversed(lines) if line.get("scores"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["--recipe", "no-recipe"], "nuclei-unet", id="no such recipe"),
        pytest.param(["--job", "no-file.yaml"], "no-file.yaml", id="no such file"),
        pytest.param(["--recipe", "nuclei-unet", "--steps", "none"], "steps", id="no number"),
        pytest.param(["--recipe", "nuclei-unet", "--data", "no-folder"], "no-folder", id="no such folder"),
        pytest.param(["--recipe", "nuclei-unet"], "--data PATH", id="recipe without data"),
        pytest.param([], "--data FOLDER", id="nothing"),
        pytest.param(
            ["--recipe", "nuclei-unet", "--data", "x", "--validation-split", "val"], "--index", id="split"
        ),
        pytest.param(["--recipe", "nuclei-unet", "--index", "x"], "--index needs --data", id="index"),
        pytest.param(["--recipe", "nuclei-unet", "--kind", "x"], "--kind needs --data", id="kind"),
        pytest.param(["--data", "x", "--split", "train"], "--split needs --index", id="rows of nothing"),
        pytest.param(["--data", "x", "--start", "none.safetensors"], "none.safetensors", id="start"),
        pytest.param(["--data", "x", "--name", "nuclei-unet"], "choose another --name", id="a bundled name"),
        pytest.param(
            ["--recipe", "unet26-lizard-cpm", "--data", "a", "b", "c"], "lizard, cpm15", id="another number"
        ),
    ],
)
def test_train_says_what_is_missing_or_wrong(arguments: list[str], words: str, capsys) -> None:
    assert main(["train", *arguments, "--device", "cpu"]) == 2
    assert words in capsys.readouterr().err


def test_help_says_which_recipes_there_are_and_where_they_lie(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    told = "".join(capsys.readouterr().out.split())
    assert all(name in told for name in recipe_names())
    assert str(RECIPES_DIR) in told
