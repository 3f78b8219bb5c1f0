"""The default model, the way back, and who descends from whom: real files in a real folder."""

import os

import pytest

import napari_nucseg
from napari_nucseg.errors import ModelFileError, OutputError
from napari_nucseg.network.architectures import Architecture, build_network
from napari_nucseg.network.choices import write_choices
from napari_nucseg.network.installed import automatic_model, find_model, list_models
from napari_nucseg.network.installing import export_model, install_model, remove_model, rename_model
from napari_nucseg.network.lineage import children_of, lineage, renamed, sha256_of
from napari_nucseg.network.model_card import ModelCard
from napari_nucseg.network.model_file import load_model, save_model
from napari_nucseg.network.preferred import (
    can_go_back,
    go_back,
    prefer_model,
    preference_problem,
    preferred_model,
)

SMALL = Architecture(encoder="tu-regnetx_002", encoder_depth=3, decoder_channels=(16, 8, 8))
NETWORK = build_network(SMALL)
AUTOMATIC = automatic_model([model for model in list_models() if model.bundled])


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    """Folder of the user's own models: three generations."""
    folder = tmp_path / "own"
    monkeypatch.setenv("NUCSEG_MODELS", str(folder))
    parent = None
    for name in ("first", "second", "third"):
        card = ModelCard(
            name=name,
            title=name.title(),
            architecture=SMALL,
            canonical_diameter_px=24,
            parent_sha256=parent and sha256_of(parent),
            parent_name=parent.stem if parent else "",
        )
        parent = folder / f"{name}.safetensors"
        save_model(parent, card, NETWORK)
    return folder


def chosen():
    return automatic_model(list_models()).name


def tree():
    return {
        d.model.name: (d.parent, d.parent_installed, d.generation) for d in lineage() if not d.model.bundled
    }


def test_the_preferred_model_is_the_choice(own):
    assert preferred_model() is None
    prefer_model("second")
    assert preferred_model() == "second"
    assert find_model("auto") == own / "second.safetensors"
    assert list_models()[0].name == "second"


def test_the_way_back_is_step_by_step():
    before = chosen()
    for name in ("first", "second", "second", "auto", "third"):
        prefer_model(name)
    assert (go_back(), chosen()) == (None, before)
    assert [go_back(), go_back(), go_back(), go_back()] == ["second", "first", None, None]
    assert chosen() == before


@pytest.mark.parametrize(
    ("history", "possible"),
    [
        ((), False),
        (("auto",), False),
        (("auto", "first"), True),
        (("auto", "first", "auto"), True),
        (("auto", "gone"), True),
        (("auto", "gone", "auto"), False),
        (("auto", "first", "gone", "first"), True),
    ],
)
def test_whether_there_is_a_way_back_is_known_before_it_is_gone(history, possible):
    write_choices(history)
    before = preferred_model()
    assert can_go_back() == possible
    assert (go_back() != before) == possible


def test_the_default_is_chosen_and_taken_back_from_python():
    napari_nucseg.prefer_model("first")
    napari_nucseg.prefer_model("second")
    assert napari_nucseg.preferred_model() == napari_nucseg.load_model("auto").card.name == "second"
    assert napari_nucseg.go_back() == "first"


def test_models_that_are_gone_are_passed_over_on_the_way_back(own):
    for name in ("first", "second", "third"):
        prefer_model(name)
    (own / "second.safetensors").unlink()
    assert go_back() == "first"


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: path.unlink(), id="gone"),
        pytest.param(lambda path: path.write_bytes(b"no model"), id="damaged"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-1000]), id="cut short"),
    ],
)
def test_without_its_file_the_program_chooses_and_says_so(own, spoil):
    before = chosen()
    prefer_model("second")
    assert preference_problem() is None
    spoil(own / "second.safetensors")
    assert chosen() == before
    assert "second is gone or damaged" in preference_problem()


def test_damaged_weights_under_a_sound_header_do_not_stand_in_the_way(own):
    before = chosen()
    network = build_network(SMALL)
    next(network.parameters()).data.fill_(float("nan"))
    card = load_model("second").card
    save_model(own / "second.safetensors", card, network)
    prefer_model("second")
    assert load_model("auto").card.name == before
    with pytest.raises(ModelFileError, match="NaN"):
        load_model("second")


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"history": 3}', b'{"version": 1, "surprise": 1}', b"\xff\xfe"]
)
def test_a_damaged_memory_is_none_and_is_written_anew(own, content):
    (own / "preferred.json").write_bytes(content)
    assert preferred_model() is None
    prefer_model("first")
    assert preferred_model() == "first"


def test_what_is_not_installed_is_not_preferred():
    with pytest.raises(ModelFileError, match=r"installed are:.*first"):
        prefer_model("nonsense")
    assert preferred_model() is None


def test_a_damaged_model_is_not_preferred_and_the_reason_is_said(own):
    (own / "second.safetensors").write_bytes(b"cut short")
    with pytest.raises(ModelFileError, match=r"second\.safetensors is no readable safetensors file"):
        prefer_model("second")
    assert preferred_model() is None


def test_a_choice_that_cannot_be_written_is_said(own):
    (own / "preferred.json").mkdir()
    with pytest.raises(OutputError, match="cannot write"):
        prefer_model("first")


def test_children_follow_their_parents():
    assert tree() == {"first": ("", False, 0), "second": ("first", True, 1), "third": ("second", True, 2)}
    assert children_of("first") == ("second",)
    assert children_of("third") == ()


def test_a_renamed_parent_is_known_to_its_children_and_stays_the_default():
    prefer_model("second")
    better = rename_model("second", "better")
    assert (better.name, better.path.name) == ("better", "better.safetensors")
    assert load_model("better").card.title == "Second"
    assert tree()["third"] == ("better", True, 2)
    assert tree()["better"] == ("first", True, 1)
    assert preferred_model() == "better"
    rename_model("better", "best")
    assert tree()["third"] == ("best", True, 2)


def test_a_renamed_model_keeps_a_title_of_its_own_and_no_other(own):
    first = find_model("first")
    titled = load_model(first)
    save_model(own / "first.safetensors", titled.card.model_copy(update={"title": "first"}), titled.network)
    before = {model.name: model for model in list_models()}
    assert renamed(before["first"], list_models()) is None
    rename_model("first", "one")
    rename_model("one", "uno")
    rename_model("second", "due")
    assert load_model("uno").card.title == "uno"
    assert load_model("due").card.title == "Second"
    found = [renamed(before[name], list_models()) for name in ("first", "second")]
    assert [model.name for model in found] == ["uno", "due"]
    remove_model("uno")
    assert renamed(before["first"], list_models()) is None


def test_a_copy_takes_no_children_from_its_original(own):
    install_model(own / "first.safetensors", "another")
    assert tree()["second"] == ("first", True, 1)
    assert tree()["another"] == ("", False, 0)


def test_of_copies_of_a_lost_parent_the_one_of_its_name_is_the_parent(own, tmp_path):
    install_model(own / "first.safetensors", "another")
    changed = load_model("first").card.model_copy(
        update={"former_sha256": (sha256_of(own / "first.safetensors"),)}
    )
    save_model(own / "first.safetensors", changed, NETWORK)
    assert tree()["second"] == ("first", True, 1)
    remove_model("first")
    assert tree()["second"] == ("another", True, 1)


def test_a_removed_parent_is_remembered_by_name():
    prefer_model("first")
    prefer_model("second")
    remove_model("second")
    assert tree()["third"] == ("second", False, 0)
    assert preferred_model() == "first"


def test_a_parent_in_a_newer_version_is_told_from_one_that_is_gone(own):
    parent = load_model("second")
    newer = parent.card.model_copy(update={"description": "Taught on."})
    save_model(own / "second.safetensors", newer, parent.network)
    words = {d.model.name: d.parent_words for d in lineage()}
    assert words["third"] == "second (a former version)"
    assert words["second"] == "first"
    remove_model("second")
    assert {d.model.name: d.parent_words for d in lineage()}["third"] == "second (no longer installed)"


def test_cards_that_name_each_other_as_parents_end_no_program(own):
    card = ModelCard(name="a", title="A", architecture=SMALL, canonical_diameter_px=24)
    save_model(own / "a.safetensors", card, NETWORK)
    save_model(own / "b.safetensors", card.model_copy(update={"name": "b", "parent_sha256": "x"}), NETWORK)
    circle = card.model_copy(update={"parent_sha256": "y", "former_sha256": ("x",)})
    save_model(own / "a.safetensors", circle, NETWORK)
    other = card.model_copy(update={"name": "b", "parent_sha256": "x", "former_sha256": ("y",)})
    save_model(own / "b.safetensors", other, NETWORK)
    assert set(tree()) == {"first", "second", "third", "a", "b"}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        pytest.param("nonsense", "x", "installed are: .*first", id="unknown"),
        pytest.param(
            "first", "second", r"^there is a model “second” already\. Choose another name\.$", id="taken"
        ),
        pytest.param("first", "", r"^Give it a name\.$", id="no name"),
        pytest.param("first", "auto", "cannot be a model's name", id="reserved"),
        pytest.param("first", "back", "cannot be a model's name", id="a word of the command line"),
        pytest.param("first", "a/b", "cannot be a model's name", id="path"),
        pytest.param("first", "first", "already", id="the same"),
    ],
)
def test_what_cannot_be_renamed_stays(own, old, new, words):
    before = sorted(os.listdir(own))
    with pytest.raises(ModelFileError, match=words):
        rename_model(old, new)
    assert sorted(os.listdir(own)) == before


def _write_into_card(path, old, new):
    content = path.read_bytes()
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new.rjust(len(old))))


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity"])
def test_a_model_whose_figures_are_not_finite_is_renamed_whole(own, number):
    """JSON has no NaN: Python's reader takes it all the same, and no writer can give it back."""
    path = own / "second.safetensors"
    figures = {"AP50": 0.123456789, "AP75": 0.5}
    save_model(path, load_model(path).card.model_copy(update={"figures": figures}), NETWORK)
    weights = load_model(path).network.state_dict()
    _write_into_card(path, b"0.123456789", number)
    assert load_model(path).card.figures == {"AP75": 0.5}
    known_by = sha256_of(path)
    rename_model("second", "better")
    renamed = load_model(own / "better.safetensors")
    assert (renamed.card.name, renamed.card.former_sha256) == ("better", (known_by,))
    assert renamed.card.figures == {"AP75": 0.5}
    assert all(value.equal(weights[key]) for key, value in renamed.network.state_dict().items())


def test_other_numbers_of_a_card_must_be_finite_and_its_file_stays(own):
    path = own / "second.safetensors"
    save_model(path, load_model(path).card.model_copy(update={"canonical_diameter_px": 24.125}), NETWORK)
    _write_into_card(path, b"24.125", b"NaN")
    content = path.read_bytes()
    with pytest.raises(ModelFileError):
        rename_model("second", "better")
    assert path.read_bytes() == content
    with pytest.raises(ModelFileError, match=r"card of .*canonical_diameter_px: .*finite"):
        load_model(path)


@pytest.mark.skipif(AUTOMATIC is None, reason="no bundled model in this checkout")
def test_bundled_models_keep_their_names():
    with pytest.raises(ModelFileError, match="comes with"):
        rename_model(AUTOMATIC.name, "mine")


def test_an_exported_model_is_the_file(own, tmp_path):
    target = export_model("second", tmp_path)
    assert target == tmp_path / "second.safetensors"
    assert target.read_bytes() == (own / "second.safetensors").read_bytes()
    with pytest.raises(ModelFileError, match="--force"):
        export_model("second", target)
    with pytest.raises(ModelFileError, match="ends in"):
        export_model("second", tmp_path / "second.pt")
    remove_model("second")
    assert install_model(target).name == "second"
    assert tree()["third"] == ("second", True, 2)


@pytest.mark.parametrize("target", ["copy.safetensors", "second.safetensors", ""])
def test_a_model_is_not_exported_among_the_users_own(own, target):
    before = sorted(os.listdir(own))
    with pytest.raises(ModelFileError, match="Choose another folder"):
        export_model("second", own / target, force=True)
    assert sorted(os.listdir(own)) == before
