"""Installing and removing model files: real files in real folders."""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file as save_tensors

import napari_nucseg
from napari_nucseg.errors import ModelFileError, NameTakenError, OutputError
from napari_nucseg.network.architectures import Architecture, build_network
from napari_nucseg.network.installed import find_model, list_models
from napari_nucseg.network.installing import install_model, remove_model, rename_model
from napari_nucseg.network.lineage import sha256_of
from napari_nucseg.network.model_card import ModelCard, read_card
from napari_nucseg.network.model_file import load_model, save_model
from napari_nucseg.network.places import models_dir
from napari_nucseg.network.preferred import model_problems, prefer_model, preferred_model

SMALL = Architecture(encoder="tu-regnetx_002", encoder_depth=3, decoder_channels=(16, 8, 8))
NETWORK = build_network(SMALL)


def make_file(path, name="histo"):
    card = ModelCard(name=name, title="Histo", architecture=SMALL, canonical_diameter_px=24, licence="NC")
    save_model(path, card, NETWORK)
    return path


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    """Folder of the user's own models, which need not exist yet."""
    monkeypatch.setenv("NUCSEG_MODELS", str(tmp_path / "own"))
    return tmp_path / "own"


@pytest.fixture
def file(tmp_path):
    return make_file(tmp_path / "downloaded.safetensors")


def own_names():
    return [model.name for model in list_models() if not model.bundled]


def test_an_installed_model_is_the_file_and_can_be_loaded_by_name(file, own):
    model = napari_nucseg.install_model(file)
    assert model.path == own / "histo.safetensors"
    assert model.card.licence == "NC"
    assert model.path.read_bytes() == file.read_bytes()
    assert os.listdir(own) == ["histo.safetensors"]
    assert load_model("histo").card == read_card(file)


def test_another_name_changes_the_card_and_nothing_else(file, own):
    install_model(file, "mine")
    loaded, original = load_model("mine"), load_model(file)
    assert loaded.card == original.card.model_copy(
        update={"name": "mine", "former_sha256": (sha256_of(file),)}
    )
    ours, theirs = loaded.network.state_dict(), original.network.state_dict()
    assert all((ours[key] == theirs[key]).all() for key in theirs)


def test_a_name_that_is_taken_needs_force_and_another_file_keeps_its_place(file, own, tmp_path):
    own.mkdir()
    copied = make_file(own / "copied-by-hand.safetensors")
    with pytest.raises(ModelFileError, match="--force"):
        install_model(file)
    assert install_model(file, force=True).path == copied
    assert os.listdir(own) == ["copied-by-hand.safetensors"], "two files of one name would hide each other"


def _damage(file):
    file.write_bytes(file.read_bytes()[:-500])


@pytest.mark.parametrize(
    ("spoil", "name", "words"),
    [
        pytest.param(_damage, None, "no readable safetensors", id="damaged"),
        pytest.param(lambda f: f.unlink(), None, "no model file", id="missing"),
        pytest.param(None, "nuclei-unet", "comes with napari-nucseg", id="bundled"),
        pytest.param(None, "../outside", "cannot be a model's name", id="path"),
        pytest.param(None, "auto", "cannot be a model's name", id="auto"),
        pytest.param(None, "Con.2", "Windows has a device of that name", id="a device of Windows"),
        pytest.param(None, "my.safetensors", "cannot be a model's name", id="a file's name"),
        pytest.param(None, "my.SafeTensors", "cannot be a model's name", id="a file's name in capitals"),
        pytest.param(lambda f: make_file(f, "a/b"), None, "cannot be a model's name", id="card"),
    ],
)
@pytest.mark.parametrize("force", [False, True])
def test_what_cannot_be_installed_is_refused_and_leaves_nothing(file, own, spoil, name, words, force):
    if spoil:
        spoil(file)
    with pytest.raises(ModelFileError, match=words):
        install_model(file, name, force=force)
    assert not own.exists()


def test_a_missing_file_has_no_other_name(tmp_path):
    with pytest.raises(ModelFileError, match=r"gone\.safetensors\. Check the path\.$"):
        install_model(tmp_path / "gone.safetensors")


def test_a_model_of_another_program_is_not_to_be_renamed(tmp_path):
    torch.save({"weights": torch.zeros(3)}, tmp_path / "cpsam")
    with pytest.raises(ModelFileError, match=r"cpsam is a model of another program.*cannot be used here"):
        install_model(tmp_path / "cpsam")


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "weights.pt").write_bytes(b"anything")
    with pytest.raises(ModelFileError, match=r"ends in \.safetensors"):
        install_model(tmp_path / "weights.pt")


def test_a_model_is_not_installed_over_itself(file):
    model = install_model(file)
    with pytest.raises(ModelFileError, match="already"):
        install_model(model.path, force=True)
    assert own_names() == ["histo"]


def test_of_two_files_of_one_name_the_one_called_so_counts_and_the_other_is_told(file, own):
    prefer_model(install_model(file).name)
    annas = make_file(own / "histo from Anna.safetensors")
    assert find_model("histo") == find_model("auto") == own / "histo.safetensors"
    (told,) = model_problems()
    assert told.startswith(
        f"{annas} is left out: its model is called histo, and so is that of histo.safetensors"
    )
    with pytest.raises(ModelFileError, match="is left out"):
        find_model("histo from Anna")
    assert install_model(annas, "annas").path == own / "annas.safetensors"
    assert remove_model("histo from Anna") == annas
    assert model_problems() == () and own_names() == ["histo", "annas"]
    assert remove_model("histo") == own / "histo.safetensors"


def test_a_file_that_claims_a_bundled_models_name_is_told(own):
    bundled = next(model for model in list_models() if model.bundled)
    make_file(own / "mine.safetensors", bundled.name)
    assert find_model(bundled.name) == bundled.path
    assert "mine.safetensors is left out" in model_problems()[0]


def test_removing_a_file_called_like_a_bundled_model_leaves_that_the_default(own):
    bundled = next(model for model in list_models() if model.bundled)
    prefer_model(bundled.name)
    path = make_file(own / f"{bundled.name}.safetensors", bundled.name)
    assert remove_model(bundled.name) == path
    assert preferred_model() == bundled.name


def test_a_file_that_was_renamed_by_hand_can_give_its_model_that_name(file, own):
    path = install_model(file).path.rename(own / "liver.safetensors")
    assert own_names() == ["histo"]
    assert rename_model("histo", "liver").path == path
    assert os.listdir(own) == ["liver.safetensors"] and own_names() == ["liver"]


def _make_newer(file):
    file.write_bytes(file.read_bytes().replace(b'\\"format\\":1', b'\\"format\\":9'))


UNREADABLE = [
    pytest.param(_damage, "no readable safetensors", id="cut short"),
    pytest.param(_make_newer, "has format 9", id="newer"),
]


@pytest.mark.parametrize(("spoil", "reason"), UNREADABLE)
def test_an_own_model_that_cannot_be_read_is_told_with_the_reason_and_can_be_removed(
    file, own, spoil, reason
):
    prefer_model(install_model(file).name)
    assert model_problems() == ()
    spoil(own / "histo.safetensors")
    default, unreadable = model_problems()
    assert reason in unreadable and str(own / "histo.safetensors") in unreadable
    assert default.startswith("your default model histo")
    for use in (load_model, lambda name: rename_model(name, "other")):
        with pytest.raises(ModelFileError, match=reason):
            use("histo")
    assert remove_model("histo") == own / "histo.safetensors"
    assert model_problems() == ()
    assert os.listdir(own) == ["preferred.json"]


def test_a_broken_file_gives_way_to_a_sound_one_and_a_newer_one_only_by_force(file, own):
    path = install_model(file).path
    _damage(path)
    assert install_model(file).path == path
    assert own_names() == ["histo"]
    _make_newer(path)
    with pytest.raises(ModelFileError, match="--force"):
        install_model(file)
    install_model(file, force=True)
    assert own_names() == ["histo"]


def test_a_file_that_holds_a_model_of_another_name_never_gives_way(file, own, tmp_path):
    path = install_model(file).path.rename(own / "liver.safetensors")
    before = path.read_bytes()
    liver = make_file(tmp_path / "liver.safetensors", "liver")
    for force in (False, True):
        with pytest.raises(
            NameTakenError, match=r"liver\.safetensors .* holds the model “histo”\. Choose another name\.$"
        ):
            install_model(liver, force=force)
    assert path.read_bytes() == before
    with pytest.raises(NameTakenError, match=r"a model “histo” already, in liver\.safetensors.*--force"):
        install_model(file)


def _text(file):
    file.write_text("a letter")


def _weights_of_another_program(file):
    save_tensors({"weight": torch.zeros(3)}, file)


@pytest.mark.parametrize("write", [_text, _weights_of_another_program])
def test_a_file_that_is_not_ours_gives_way_only_to_who_was_told_of_it(file, own, write):
    own.mkdir()
    write(own / "histo.safetensors")
    before = (own / "histo.safetensors").read_bytes()
    with pytest.raises(NameTakenError, match=r"a file histo\.safetensors is .* no model .*--force"):
        install_model(file)
    assert (own / "histo.safetensors").read_bytes() == before
    assert install_model(file, force=True).path.read_bytes() == file.read_bytes()


def test_a_place_that_cannot_be_written_is_said(file, own):
    own.write_text("a file where the folder should be")
    with pytest.raises(OutputError, match="cannot write"):
        install_model(file)


def test_the_place_of_own_models_may_begin_with_a_tilde(monkeypatch):
    monkeypatch.setenv("NUCSEG_MODELS", "~/models")
    assert models_dir() == Path.home() / "models"


def test_only_own_models_are_removed(file, own):
    install_model(file)
    with pytest.raises(ModelFileError, match=r"installed are: .*histo"):
        remove_model("nothing")
    if bundled := [model.name for model in list_models() if model.bundled]:
        with pytest.raises(ModelFileError, match="comes with"):
            remove_model(bundled[0])
    assert remove_model("histo") == own / "histo.safetensors"
    assert own_names() == []


def test_a_model_that_cannot_be_deleted_is_said_with_what_to_do(tmp_path, monkeypatch):
    installed = install_model(make_file(tmp_path / "histo.safetensors"))

    def refuse(path, **_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(OutputError, match=r"Permission denied\. .*delete it yourself"):
        remove_model("histo")
    assert installed.path.is_file()
