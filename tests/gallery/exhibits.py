"""What the gallery shows, in its order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from reelwright.titles.recipe import Grain, Recipe, Tone
from tests.gallery.films import BIKES, CHAPLIN, SINTEL, Clip, Films
from tests.gallery.pictures import Image, Part, curves, side_by_side, time_slices
from tests.gallery.restored_frames import enlarged, restored_frames, shown, source_frames
from tests.support.aged_scenes import turning
from tests.support.veiled_scenes import Codes, bloomed, crushed, flared

_FAITHFUL = Recipe()
_OPEN_GLARE, _OPEN_SHADOWS = Recipe(tone=Tone(glare=1)), Recipe(tone=Tone(shadows=1))
_GRAIN = tuple(Recipe(grain=Grain(keep=keep)) for keep in (0.0, 0.4, 1.0))
_OPEN_BOTH = Recipe(tone=Tone(glare=0.6, shadows=0.6))
# Four seconds, for what is seen over time alone.
_OVER_TIME = range(40, 140)


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A picture of the gallery.

    Attributes:
        name: of its file, without suffix.
        section: the heading that it stands under.
        text: what each part shows, what to see, and what does not get better.
        draw: makes it.
    """

    name: str
    section: str
    text: str
    draw: Callable[[Films], Image]


def _compared(clip: Clip, number: int, recipes: Sequence[Recipe], part: Part, *, enlarge: bool = True) -> Image:
    """A frame enlarged by a bicubic filter, restored by each recipe, and as it was, if that is known."""
    images = [enlarged(source_frames(clip.path, number, 1)[0], 2)] if enlarge else []
    images += [shown(restored_frames(clip.path, recipe, [number])[0]) for recipe in recipes]
    images += [shown(clip.truth[number])] if clip.truth else []
    return side_by_side(images, part)


def _aged(films: Films, preset: str, number: int, part: Part, recipes: Sequence[Recipe] = (_FAITHFUL,)) -> Image:
    return _compared(films.aged(preset), number, recipes, part)


def _real(films: Films, name: str, number: int, part: Part, recipes: Sequence[Recipe] = (_FAITHFUL,)) -> Image:
    clip = films.real(name, number - 8, 17)
    return _compared(clip, 8, recipes, part, enlarge=len(recipes) == 1)


def _clean(films: Films, name: str, number: int, part: Part) -> Image:
    return _compared(films.damaged(name, number - 8, 17), 8, [_FAITHFUL], part)


def _opened(films: Films, name: str, number: int, recipe: Recipe, part: Part) -> Image:
    """A shot with bloom or crushed shadows, restored without and with the step, and the truth."""
    damage = partial(bloomed, amount=0.5) if recipe.tone.glare else partial(crushed, power=2.0)
    clip = films.damaged(name, number - 8, 17, damage)
    return _compared(clip, 8, [_FAITHFUL, recipe], part, enlarge=False)


def _flared(films: Films, name: str, number: int, part: Part) -> Image:
    """A shot that a flare crosses, restored without and with `tone.glare`, and the truth."""
    clip = films.damaged(name, number - 8, 17, flared)
    return _compared(clip, 8, [_FAITHFUL, _OPEN_GLARE], part, enlarge=False)


def _films_over_time(films: Films, recipe: Recipe) -> tuple[list[Image], list[Image]]:
    """The badly worn film without and with a step."""
    path = films.aged("print-1910").path
    pair = [restored_frames(path, each, _OVER_TIME) for each in (_FAITHFUL, recipe)]
    before, after = ([shown(picture) for picture in film] for film in pair)
    return before, after


def _deflicker(films: Films) -> Image:
    before, after = _films_over_time(films, Recipe(deflicker="on"))
    slices = time_slices([before, after], Part(470, 120, 1, 200), zoom=(8, 1))
    light = {"deflicker: off": before, "deflicker: on": after}
    means = {name: [float(np.mean(image)) for image in film] for name, film in light.items()}
    return np.vstack([slices, curves(means, ("frame", "mean brightness"), slices.shape[1])])


def _stabilise(films: Films) -> Image:
    pair = _films_over_time(films, Recipe(stabilise="on"))
    truth = [shown(films.chaplin[number]) for number in _OVER_TIME]
    return time_slices([*pair, truth], Part(385, 38, 1, 24), zoom=(8, 8))


def _turned(codes: Codes) -> Codes:
    """Each frame turned by an amount of its own, with a standard deviation of 0.15 degrees."""
    rng = np.random.default_rng(3)
    size = codes.shape[2], codes.shape[1]
    turns = [turning(float(rng.normal(0, 0.15)), size) for _ in codes]
    drawn = [
        cv2.warpAffine(luma, turn, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        for luma, turn in zip(codes, turns, strict=True)
    ]
    return np.stack([np.asarray(luma, np.uint8) for luma in drawn])


def _stabilise_rotation(films: Films) -> Image:
    clip = films.damaged(CHAPLIN, _OVER_TIME.start, len(_OVER_TIME), _turned)
    recipes = Recipe(stabilise="on"), Recipe(stabilise="on", stabilise_rotation="on")
    numbers = range(len(_OVER_TIME))
    pair = [[shown(picture) for picture in restored_frames(clip.path, each, numbers)] for each in recipes]
    return time_slices([*pair, [shown(picture) for picture in clip.truth]], Part(12, 163, 1, 24), zoom=(8, 8))


EXHIBITS = (
    Exhibit(
        "enlargement-film",
        "Enlargement",
        "Real film, `chaplin.mp4`, enlarged by a bicubic filter (left) and restored (right). The edges of the hat,"
        " the lapels and the stones are sharper. The face hardly gains: the file is compressed so strongly that it"
        " holds no more of it, and the blocks at the hand stay.",
        partial(_real, name=CHAPLIN, number=176, part=Part(420, 0, 400, 400)),
    ),
    Exhibit(
        "enlargement-clean",
        "Enlargement",
        "`bikes.mp4` at half its size, without other damage: bicubic (left), restored (middle), the original"
        " (right). Tyre, frame and lattice have edges again. The finest lines of the lattice and the relief of the"
        " stones stay softer than in the original.",
        partial(_clean, name=BIKES, number=215, part=Part(220, 0, 300, 260)),
    ),
    Exhibit(
        "dirt",
        "Dirt",
        "A badly worn print: bicubic (left), restored (middle), the original (right). The large dark speck on the"
        " pavement and the small ones at the elbow and below are gone. The grain is finer, and some of its coarse"
        " pattern stays.",
        partial(_aged, preset="print-1910", number=178, part=Part(200, 60, 296, 280)),
    ),
    Exhibit(
        "dirt-moving",
        "Dirt",
        "The same print where the head moves: bicubic (left), restored (middle), the original (right). The white hair"
        " across the chin is gone. The face stays grainy, and the inscription on the pillar does not come back.",
        partial(_aged, preset="print-1910", number=163, part=Part(200, 0, 296, 280)),
    ),
    Exhibit(
        "scratches",
        "Scratches",
        "A dark scratch through the whole picture. From left to right: bicubic, restored with `grain.keep` 0 and"
        " 0.4, the original. With 0 a faint line remains. With 0.4 a weak dark line remains among the grain that is put"
        " back: what lies beside the middle of the scratch counts as grain.",
        partial(_aged, preset="print-1910", number=140, part=Part(60, 30, 220, 320), recipes=_GRAIN[:2]),
    ),
    Exhibit(
        "grain",
        "Grain",
        "A worn print. From left to right: bicubic, restored with `grain.keep` 0, 0.4 and 1, the original. With 0"
        " the coat is smooth and its folds are lost to the eye; with 0.4 it looks like film again; with 1 the grain"
        " is the print's own. The inscription on the pillar does not come back in any of them, and a light speck at"
        " the mouth stays.",
        partial(_aged, preset="print-1940", number=177, part=Part(210, 0, 220, 260), recipes=_GRAIN),
    ),
    Exhibit(
        "deflicker",
        "Flicker",
        "One column of the picture in 100 frames of the badly worn print, from left to right, with `deflicker` off"
        " (above) and on (below), and the mean brightness of the frames. The light and dark bars of single frames"
        " are gone. The brightness still rises and falls slowly once, by 5 %. Two dark specks that stay above are"
        " found and repaired in even light.",
        _deflicker,
    ),
    Exhibit(
        "stabilise",
        "Weave",
        "One column of the picture in 100 frames of the badly worn print, eight times as large: `stabilise` off"
        " (above) and on (middle), and the original film (below). The shaking of the dark line from frame to frame"
        " is gone. A slow drift of one to two pixels of the restored film stays.",
        _stabilise,
    ),
    Exhibit(
        "stabilise-rotation",
        "Weave",
        "One column near the left side in 100 frames of `chaplin.mp4` at half its size, each turned by an amount of its"
        " own (standard deviation 0.15 degrees), eight times as large: `stabilise` alone (above), with"
        " `stabilise_rotation` (middle), and the original film (below). The edge of the lawn no longer jumps. In the"
        " first ten frames it still does, and later a slow drift of about one sample stays.",
        _stabilise_rotation,
    ),
    Exhibit(
        "glare",
        "Glare",
        "`chaplin.mp4` with half of its highlights' light spread over their surroundings: restored with"
        " `tone.glare` 0 (left) and 1 (middle), and the original (right). Hat, coat and lawn are dark again, and the"
        " inscription stands out more. The pavement stays a little lighter than it was, and the face gains little.",
        partial(_opened, name=CHAPLIN, number=180, recipe=_OPEN_GLARE, part=Part(200, 0, 296, 300)),
    ),
    Exhibit(
        "glare-film",
        "Glare",
        "A sunset of the film Sintel as it is, restored with `tone.glare` 0 (left) and 1 (right). The sky has its"
        " clouds again and the tower stands out from it. The haze in front of the wall stays, since it is in the"
        " scene; here less glare is a matter of taste, and the film-maker's sky was the left one.",
        partial(_real, name=SINTEL, number=610, part=Part(560, 0, 460, 330), recipes=(_FAITHFUL, _OPEN_GLARE)),
    ),
    Exhibit(
        "glare-flare",
        "Glare",
        "`bikes.mp4` crossed by a flare that blows the picture out and moves from frame to frame: restored with"
        " `tone.glare` 0 (left) and 1 (middle), and the original (right). The frames around hold what the flare hides"
        " here: the bag has its folds again. The light of the flare itself mostly stays.",
        partial(_flared, name=BIKES, number=215, part=Part(150, 0, 300, 260)),
    ),
    Exhibit(
        "shadows",
        "Shadows",
        "`chaplin.mp4` with its shadows pressed to black: restored with `tone.shadows` 0 (left) and 1 (middle), and"
        " the original (right). Coat, lawn and the folds of the trousers are half way back to the original. What"
        " was pressed to black entirely, as between the legs, has no more detail than before.",
        partial(_opened, name=CHAPLIN, number=180, recipe=_OPEN_SHADOWS, part=Part(200, 60, 296, 300)),
    ),
    Exhibit(
        "shadows-film",
        "Shadows",
        "A face by night of the film Sintel as it is, restored with `tone.shadows` 0 (left) and 1 (right). The"
        " shaded cheek, the eyes and the strands of the hair are a little easier to see, and the night is a little"
        " weaker.",
        partial(_real, name=SINTEL, number=358, part=Part(440, 120, 460, 460), recipes=(_FAITHFUL, _OPEN_SHADOWS)),
    ),
    Exhibit(
        "both-film",
        "Glare and shadows together",
        "A man against the light in `bikes.mp4` as it is, restored without tone (left), and with `tone.glare` and"
        " `tone.shadows` 0.6 as the recipe `war-film` has them (right). Eyes, cheek and tie can be read. The jacket"
        " turns from black to grey, and no fabric appears, because the file holds none.",
        partial(_real, name=BIKES, number=38, part=Part(600, 0, 440, 400), recipes=(_FAITHFUL, _OPEN_BOTH)),
    ),
)
