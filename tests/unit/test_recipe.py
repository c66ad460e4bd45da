"""Recipes are typed documents with clear errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from reelwright.cli.main import run
from reelwright.titles.errors import RecipeError
from reelwright.titles.named_recipes import recipe_names, recipe_summary
from reelwright.titles.recipe import Recipe, Tone, recipe_keys
from reelwright.titles.recipe_parsing import load_recipe, parse_recipe_text


def test_every_shipped_recipe_is_valid() -> None:
    """The recipes in the package load, no two are the same, and each says in one line what it is for."""
    names = recipe_names()
    assert {"archive", "clean", "faithful", "war-film", "home-movie-8mm"} <= set(names)
    assert len({load_recipe(name).canonical() for name in names}) == len(names)
    assert all(20 < len(recipe_summary(name)) < 110 and recipe_summary(name).endswith(".") for name in names)


def test_a_look_takes_a_tenth_of_the_film() -> None:
    """The recipe `preview` restores one second of ten; old recipes keep their form, and no part is a whole period."""
    preview = load_recipe("preview")
    assert (preview.excerpt.period, preview.excerpt.length, preview.excerpt.frames(1000)) == (10, 1, 100)
    assert "excerpt.period" in preview.changed_keys()
    assert "excerpt" not in Recipe().canonical()
    assert Recipe().excerpt.frames(1000) == 1000
    for wrong in ("1", "2", "4000"):
        with pytest.raises(RecipeError, match="excerpt"):
            load_recipe("faithful", {"excerpt.length": "2", "excerpt.period": wrong})


def test_the_archives_recipe_changes_nothing_beside_the_restoration() -> None:
    """Lossless, all of the grain, and every other step off."""
    archive = load_recipe("archive")
    assert (archive.profile, archive.grain.keep) == ("master", 1)
    assert (archive.deflicker, archive.stabilise, archive.tone) == ("off", "off", Tone())


def test_recipes_are_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """`recipes` prints a line for each, `recipes NAME` that one with its comments, and a wrong name is corrected."""
    assert run(["recipes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == recipe_names()
    assert run(["recipes", "war-film"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"# {recipe_summary('war-film')}")
    assert "shadows = 0.6           # less" in said
    assert run(["recipes", "warfilm"]) == 2
    assert "did you mean 'war-film'?" in capsys.readouterr().err


def test_an_override_wins_over_the_recipe() -> None:
    """`--set grain.keep=0` reaches the recipe."""
    assert load_recipe("archive", {"grain.keep": "0", "scale": "4"}).grain.keep == 0
    assert load_recipe("archive", {"scale": "4"}).scale == 4


@pytest.mark.parametrize(
    ("key", "value", "hint"),
    [
        ("grane.keep", "0", "grain.keep"),
        ("grain.kep", "0", "grain.keep"),
        ("scael", "2", "scale"),
        ("bar", "crop", "bars"),
    ],
)
def test_an_unknown_key_names_the_nearest(key: str, value: str, hint: str) -> None:
    """An unknown key is an error that suggests the nearest key."""
    with pytest.raises(RecipeError) as caught:
        load_recipe("faithful", {key: value})
    assert f"did you mean '{hint}'?" in str(caught.value)


def test_an_unknown_recipe_names_the_nearest() -> None:
    """An unknown recipe is an error that suggests the nearest name."""
    with pytest.raises(RecipeError, match="did you mean 'faithful'"):
        load_recipe("faithfull")


@pytest.mark.parametrize(("key", "value"), [("grain.keep", "1.5"), ("scale", "7"), ("profile", "vhs"), ("bars", "yes")])
def test_a_value_out_of_range_is_refused_by_its_key(key: str, value: str) -> None:
    """The error names the key and the value."""
    with pytest.raises(RecipeError) as caught:
        load_recipe("faithful", {key: value})
    assert key in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "/m #2/x.safetensors",
        "@x",
        "[",
        "{a",
        "[x]",
        "a: b",
        "&a b",
        "*a",
        "!x",
        "- x",
        "# x",
        "x ",
        "on",
        "",
        "{a: " * 2000,
    ],
)
def test_a_text_is_taken_whole(text: str) -> None:
    """A value of `--set` is the text that was written, whatever YAML would make of it."""
    assert load_recipe("faithful", {"model": text}).model == text


@pytest.mark.parametrize("text", ['"/m #2"', "'/m #2'"])
def test_quotes_around_a_text_are_not_of_it(text: str) -> None:
    """A text in quotes is what stands between them."""
    assert load_recipe("faithful", {"model": text}).model == "/m #2"


@pytest.mark.parametrize("text", ["'", '"a" b', "\x00", "9" * 5000, "<<"])
def test_a_value_that_cannot_be_read_is_refused_by_its_key(text: str) -> None:
    """A value that is neither a whole text nor a number is an error that names the key."""
    with pytest.raises(RecipeError) as caught:
        load_recipe("faithful", {"model": text})
    assert "model" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "scale = [",
        "just words",
        "",
        "a: [",
        "\x00",
        "scale = " + "[" * 3000,
        "scale: " + "[" * 3000,
        "a = " + "9" * 5000,
    ],
)
@pytest.mark.parametrize("suffix", [".toml", ".yaml"])
def test_a_broken_recipe_file_is_one_line(tmp_path: Path, text: str, suffix: str) -> None:
    """A file that is not a recipe is an error that names its path."""
    path = tmp_path / f"mine{suffix}"
    path.write_text(text)
    if text == "" and suffix == ".toml":
        assert load_recipe(str(path)).scale == 2
        return
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("depth", [900, 100_000])
def test_a_nested_recipe_on_the_wire_is_one_line(depth: int) -> None:
    """A text that is nested too deeply to be read, or to be shown, is an error as any other."""
    with pytest.raises(RecipeError) as caught:
        parse_recipe_text('{"scale": ' + "[" * depth + "]" * depth + "}")
    assert len(str(caught.value)) < 200


def test_yaml_and_toml_say_the_same(tmp_path: Path) -> None:
    """TOML and YAML give the same recipe."""
    (tmp_path / "a.toml").write_text("scale = 3\n[grain]\nkeep = 0.25\n")
    (tmp_path / "a.yaml").write_text("scale: 3\ngrain:\n  keep: 0.25\n")
    assert load_recipe(str(tmp_path / "a.toml")) == load_recipe(str(tmp_path / "a.yaml"))


@pytest.mark.parametrize("word", ["on", "off", "auto"])
def test_words_stay_words(word: str, tmp_path: Path) -> None:
    """`on` and `off` are the words that were written, in `--set` and in YAML, and not YAML 1.1's booleans."""
    assert load_recipe("faithful", {"deinterlace": word}).deinterlace == word
    path = tmp_path / "mine.yaml"
    path.write_text(f"deinterlace: {word}\n")
    assert load_recipe(str(path)).deinterlace == word


@pytest.mark.parametrize("word", ["yes", "no", "true", "2030-05-01"])
def test_a_wrong_word_is_repeated_as_it_was_written(word: str) -> None:
    """The line about a value that a key does not take shows the value that the person wrote."""
    with pytest.raises(RecipeError, match=f"got '{word}'"):
        load_recipe("faithful", {"deinterlace": word})


def test_keys_are_dotted() -> None:
    """The documentation lists exactly the keys of the model."""
    assert "grain.keep" in recipe_keys()
    assert "on_damage" in recipe_keys()
