"""Draws a portrait of a made-up person: the scene that the stand-ins' two pipelines then photograph or generate.

Nothing here depends on the class of an image. The head is an ellipsoid of revolution whose radius follows the person's face shape;
eyes, brows, mouth and skin are drawn on a flat texture, wrapped around it, turned with the pose and shaded by a height map. Hair is a
shell around the same body. Colours are display values in 0..1; face coordinates are x in -1..1 (ear to ear), y in -1 (crown)..1 (chin).
"""

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np

SIZE = 256
EXPRESSIONS = ("neutral", "smile", "laugh", "surprise", "sad", "talking")
ANGLES = ("left", "half-left", "frontal", "half-right", "right")

_YAW = {"left": -0.58, "half-left": -0.3, "frontal": 0.0, "half-right": 0.3, "right": 0.58}
# expression: (corners of the mouth up, opening of the mouth, opening of the eyes, height of the brows, teeth shown)
_MOOD = {
    "neutral": (0.05, 0.0, 1.0, 0.0, 0.0),
    "smile": (0.75, 0.03, 0.88, 0.1, 0.0),
    "laugh": (0.95, 0.5, 0.72, 0.25, 1.0),
    "surprise": (0.0, 0.75, 1.3, 1.0, 0.25),
    "sad": (-0.8, 0.0, 0.85, 0.3, 0.0),
    "talking": (0.2, 0.35, 1.0, 0.15, 0.6),
}
_SKINS = np.float32(
    [[241, 204, 178], [231, 186, 156], [220, 170, 134], [198, 142, 104], [168, 112, 78], [128, 83, 58], [92, 59, 43]]
)
_HAIRS = np.float32(
    [
        [24, 20, 20],
        [48, 33, 26],
        [82, 54, 36],
        [122, 82, 48],
        [176, 134, 84],
        [208, 178, 128],
        [140, 66, 36],
        [156, 152, 150],
        [205, 202, 198],
    ]
)
_IRISES = np.float32([[70, 42, 24], [104, 68, 36], [92, 104, 62], [84, 122, 150], [110, 132, 140]])
_STYLES = ("short", "swept", "long", "bob", "curly", "receding", "shaved", "tied", "fringe")
_CLOTHES = ("crew", "v-neck", "shirt", "suit", "hoodie")
_TEX_W, _TEX_H = 200, 240  # texture of the face: about 1.5 texels a pixel of a typical head
_SHIFT = 4  # cv2 draws polygons at 1/16 pixel


@dataclass(frozen=True)
class Person:
    """What stays the same in every picture of one person. Colours are RGB in 0..1, lengths are in face units."""

    skin: np.ndarray
    ruddy: float
    hair: np.ndarray
    iris: np.ndarray
    style: str
    clothes: str
    aspect: float  # height of the head over its width
    jaw: float  # exponent of the lower face's outline: 1.6 pointed .. 3 square
    cheek: float
    hairline: float
    parting: float
    volume: float
    curl: float
    strand: float
    eye_width: float
    eye_height: float
    eye_gap: float
    eye_tilt: float
    brow: float
    brow_arch: float
    nose_width: float
    nose_length: float
    mouth_width: float
    lip_upper: float
    lip_lower: float
    lip_tint: np.ndarray
    beard: float  # 0 none .. 1 full
    moustache: float
    glasses: str  # "", "round" or "square"
    frame: np.ndarray
    earring: float
    freckles: int
    age: float  # 0 smooth .. 1 lined
    lashes: float
    texture: float
    seed: int  # of the marks that stay on the skin


@dataclass(frozen=True)
class Look:
    """What changes from picture to picture of one person. Angles in radians, lengths in pixels."""

    expression: str
    yaw: float
    tilt: float
    pitch: float
    centre: tuple[float, float]
    width: float  # half the width of the head
    light: np.ndarray
    ambient: float
    gaze: float
    mood: tuple[float, ...]


class _Head(NamedTuple):
    """The head's surface at every pixel of a box: where it faces and which point of the face it shows."""

    box: tuple[slice, slice]
    cover: np.ndarray
    normal: tuple[np.ndarray, np.ndarray, np.ndarray]
    x: np.ndarray
    y: np.ndarray
    depth: np.ndarray


# ---------------------------------------------------------------- people and looks


def make_person(rng: np.random.Generator) -> Person:
    """A person with every trait drawn from `rng` (the same state gives the same person)."""
    u = rng.uniform
    tone = u(0, len(_SKINS) - 1.001)
    low = int(tone)
    skin = _SKINS[low] + (_SKINS[low + 1] - _SKINS[low]) * (tone - low)
    fair = tone < 3.2
    hair = _HAIRS[rng.integers(0, 9 if fair else 3)] if rng.random() < 0.9 else _HAIRS[7]
    masculine = rng.random() < 0.5
    style = str(rng.choice(_STYLES, p=_STYLE_ODDS[masculine]))
    skin = skin * u(0.94, 1.05, 3)
    beard = float(rng.choice([0, 0.25, 0.55, 1.0], p=[0.45, 0.2, 0.15, 0.2])) if masculine else 0.0
    made_up = not masculine and rng.random() < 0.6
    lip_tint = np.float32([0.9, 0.58, 0.56]) if not made_up else np.float32([0.82, u(0.3, 0.5), u(0.34, 0.52)])
    return Person(
        skin=np.clip(skin / 255, 0, 0.98).astype(np.float32),
        ruddy=u(0.2, 1.0),
        hair=np.clip(hair * u(0.8, 1.15) / 255, 0.05, 0.9).astype(np.float32),
        iris=(_IRISES[rng.integers(0, 5 if fair else 2)] * u(0.8, 1.2) / 255).astype(np.float32),
        style=style,
        clothes=str(rng.choice(_CLOTHES)),
        aspect=u(1.17, 1.34),
        jaw=u(2.2, 3.2) if masculine else u(1.75, 2.5),
        cheek=u(-0.03, 0.05),
        hairline=u(-0.66, -0.5),
        parting=u(-0.5, 0.5),
        volume=u(0.04, 0.11) if masculine else u(0.07, 0.18),
        curl=u(0.0, 1.0) ** 2,
        strand=u(0.75, 1.35),
        eye_width=u(0.165, 0.215),
        eye_height=u(0.055, 0.095),
        eye_gap=u(0.36, 0.43),
        eye_tilt=u(-0.03, 0.05),
        brow=u(0.7, 1.3) if masculine else u(0.35, 0.85),
        brow_arch=u(0.02, 0.08),
        nose_width=u(0.75, 1.35),
        nose_length=u(0.27, 0.37),
        mouth_width=u(0.27, 0.37),
        lip_upper=u(0.03, 0.065),
        lip_lower=u(0.045, 0.085),
        lip_tint=lip_tint,
        beard=beard,
        moustache=beard if rng.random() < 0.8 else 0.0,
        glasses=str(rng.choice(["", "round", "square"], p=[0.76, 0.12, 0.12])),
        frame=(np.float32([40, 34, 32]) if rng.random() < 0.6 else rng.uniform(40, 190, 3).astype(np.float32)) / 255,
        earring=float(not masculine and rng.random() < 0.4) * u(0.03, 0.06),
        freckles=int(rng.integers(20, 90)) if fair and rng.random() < 0.25 else int(rng.integers(0, 5)),
        age=u(0, 1) ** 1.5,
        lashes=u(0.1, 0.4) if masculine else u(0.5, 1.0),
        texture=u(0.6, 1.4),
        seed=int(rng.integers(2**31)),
    )


_STYLE_ODDS = {
    True: [0.34, 0.18, 0.04, 0.0, 0.14, 0.14, 0.1, 0.0, 0.06],
    False: [0.05, 0.07, 0.35, 0.17, 0.14, 0.0, 0.01, 0.13, 0.08],
}


def make_look(expression: str, angle: str, rng: np.random.Generator) -> Look:
    """Pose, light and mood of one picture."""
    u = rng.uniform
    strength = u(0.75, 1.15)
    smile, mouth, eyes, brows, teeth = _MOOD[expression]
    light = np.float32([u(-0.85, 0.85), u(-0.75, 0.05), u(0.5, 0.9)])
    return Look(
        expression=expression,
        yaw=_YAW[angle] + u(-0.1, 0.1),
        tilt=u(-0.16, 0.16),
        pitch=u(-0.07, 0.07),
        centre=(u(94, 162), u(94, 138)),
        width=u(43, 65),
        light=light / np.linalg.norm(light),
        ambient=u(0.32, 0.62),
        gaze=u(-0.3, 0.3),
        mood=(smile * strength, mouth * strength, 1 + (eyes - 1) * strength, brows * strength, teeth),
    )


# ---------------------------------------------------------------- small tools


@cache
def _bank() -> dict[str, np.ndarray]:
    """Tileable noise textures, made once a process: drawing them anew would cost more than the rest of the portrait."""
    rng = np.random.default_rng(20240601)
    white = rng.standard_normal((512, 512)).astype(np.float32)

    def soft(sx: float, sy: float, seed: int) -> np.ndarray:
        field = np.tile(np.roll(white, seed, (0, 1)), (3, 3))[256:-256, 256:-256]
        out = cv2.GaussianBlur(field, (0, 0), sigmaX=sx, sigmaY=sy)[256:-256, 256:-256]
        return np.ascontiguousarray((out - out.mean()) / out.std())

    strands = soft(0.4, 20, 11) + soft(1.1, 40, 91) * 0.55 + soft(4, 60, 51) * 0.28
    return {
        "white": white,
        "pores": soft(0.6, 0.6, 3) - 0.5 * soft(1.5, 1.5, 3) + 0.35 * soft(3, 3, 17),
        "cloud": soft(14, 14, 29),
        "folds": soft(9, 30, 37),
        "bristles": 0.85 * soft(0.6, 3.5, 13) + 0.5 * soft(2, 5, 7),
        "strands": strands / strands.std(),
        "curls": np.abs(soft(2.2, 2.2, 71)) - 0.8 + 0.3 * soft(0.6, 0.6, 5),
    }


def _patch(name: str, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A window of a noise texture at a random place, as float32 of `shape` (at most 256 a side)."""
    y, x = rng.integers(0, 512 - shape[0] + 1), rng.integers(0, 512 - shape[1] + 1)
    return _bank()[name][y : y + shape[0], x : x + shape[1]]


def _polygon(shape: tuple[int, int], points: np.ndarray) -> np.ndarray:
    """Antialiased coverage in 0..1 of a polygon given in pixels, (n, 2)."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [_fixed(points)], 255, cv2.LINE_AA, _SHIFT)
    return mask.astype(np.float32) * (1 / 255)


def _fixed(points: np.ndarray) -> np.ndarray:
    return np.rint(np.multiply(points, 1 << _SHIFT)).astype(np.int32)


def _blend(image: np.ndarray, colour: np.ndarray, cover: np.ndarray) -> None:
    """Lays `colour` (3,) or (h, w, 3) over `image` in place where `cover` (h, w) is 1."""
    image += (colour - image) * cover[..., None]


def _step(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Smooth step from 0 at `low` to 1 at `high`."""
    t = np.clip((values - low) * (1 / (high - low)), 0, 1)
    return t * t * (3 - 2 * t)


def _reddened(shade: np.ndarray) -> np.ndarray:
    """Brightness (h, w) as RGB (h, w, 3): light that enters skin comes out redder, so shadows keep more red than blue."""
    return cv2.merge([shade * (1.16 - 0.16 * shade), shade, shade * (0.92 + 0.08 * shade)])


def _bgr(colour: np.ndarray) -> tuple[int, ...]:
    """A colour in 0..1 as the tuple of 0..255 that cv2's drawing takes (channel order is the image's: RGB here)."""
    return tuple(min(max(int(v * 255), 0), 255) for v in colour.tolist())


# ---------------------------------------------------------------- background


def _background(rng: np.random.Generator) -> np.ndarray:
    """A blurred place behind the person, drawn at a quarter of the size and enlarged."""
    small = SIZE // 4
    yy, xx = np.mgrid[0:small, 0:small].astype(np.float32) / small
    low, high = rng.uniform(0.03, 0.8, 3), rng.uniform(0.1, 0.97, 3)
    low, high = (c * 0.33 + c.mean() * 0.67 for c in (low, high))
    turn = rng.uniform(0, 2 * np.pi)
    ramp = np.clip(0.5 + (xx - 0.5) * np.cos(turn) + (yy - 0.5) * np.sin(turn), 0, 1)[..., None]
    image = np.ascontiguousarray((low + (high - low) * ramp).astype(np.float32))
    kind = rng.integers(0, 5)
    if kind == 1:  # lights out of focus
        for _ in range(rng.integers(6, 26)):
            at = tuple(int(v) for v in rng.integers(0, small, 2))
            glow = image.copy()
            cv2.circle(
                glow,
                at,
                int(rng.integers(2, 9)),
                tuple(float(v) for v in high * 0.5 + rng.uniform(0.1, 0.5, 3)),
                -1,
                cv2.LINE_AA,
            )
            image += (glow - image) * np.float32(rng.uniform(0.25, 0.8))
    elif kind == 2:  # a room: shelves, doors, windows
        for _ in range(rng.integers(3, 11)):
            x, y = rng.integers(-10, small, 2)
            w, h = rng.integers(4, 34, 2)
            tint = low * rng.uniform(0.3, 1.6) if rng.random() < 0.6 else high * rng.uniform(0.6, 1.3)
            cv2.rectangle(
                image, (int(x), int(y)), (int(x + w), int(y + h)), tuple(float(v) for v in np.clip(tint, 0, 1)), -1
            )
    elif kind == 3:  # leaves and sky
        leaves = _patch("cloud", (128, 128), rng)[::2, ::2] + 0.5 * _patch("curls", (small, small), rng)
        image *= (1 + 0.32 * leaves)[..., None]
        horizon = rng.uniform(-0.2, 0.9)
        _blend(image, np.clip(high * 1.2, 0, 1).astype(np.float32), 0.7 * _step(horizon - yy, -0.1, 0.15))
    elif kind == 4:  # a wall with the light falling off
        spot = np.exp(-((xx - rng.random()) ** 2 + (yy - rng.random()) ** 2) / rng.uniform(0.1, 0.5))
        image *= (0.55 + 0.75 * spot)[..., None]
    # Large soft patches of light and shade, so that no two pictures share their coarse layout (and perceptual hash).
    patches = _patch("cloud", (2 * small, 2 * small), rng)[::2, ::2] + 0.5 * _patch("cloud", (small, small), rng)
    image *= (1 + np.float32(rng.uniform(0.15, 0.35)) * patches)[..., None]
    image = cv2.GaussianBlur(np.clip(image, 0, 1), (0, 0), float(rng.uniform(0.6, 3.2)))
    image = cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    image *= (1 + rng.uniform(0.004, 0.03) * _patch("pores", (SIZE, SIZE), rng))[..., None]
    return image


# ---------------------------------------------------------------- body


def _body(image: np.ndarray, person: Person, look: Look, rng: np.random.Generator) -> None:
    """Neck, shoulders and clothes, drawn into `image`."""
    a, (cx, cy) = look.width, look.centre
    b = a * person.aspect
    nx, chin = cx - look.yaw * a * 0.18, cy + b * 0.92
    wide = a * (0.62 if person.beard or person.jaw > 2.6 else 0.52)
    base = chin + a * rng.uniform(0.42, 0.6)
    span, drop = a * rng.uniform(1.75, 2.25), a * rng.uniform(0.3, 0.55)
    top = max(int(cy + b * 0.3), 0)
    _neck(image, person, look, (nx, chin, wide, base, top))
    side = np.float32([[1, 0], [1.25, 0.12], [1.9, 0.42], [2.6, 0.62], [3.1, 1.0], [3.35, 1.7], [3.5, 16.0]])
    side = np.column_stack([wide + (side[:, 0] - 1) / 2.5 * (span - wide), side[:, 1] * drop]) + [0, base]
    opening = {"v-neck": a * 0.75, "shirt": a * 0.5, "suit": a * 1.0}.get(person.clothes, a * 0.17)
    t = np.linspace(-1, 1, 13)
    sharp = person.clothes in ("v-neck", "shirt", "suit")
    neckline = np.column_stack([t * wide, base + opening * (1 - np.abs(t) if sharp else 1 - t**2)])
    outline = np.vstack([neckline, side[1:], (side * [-1, 1])[:0:-1]]) + [nx, -top]
    cover = _polygon((SIZE - top, SIZE), outline)
    main, second = _cloth_colours(rng)
    cloth = _cloth(main, second, (SIZE - top, SIZE), rng)
    xx = (np.arange(SIZE, dtype=np.float32) - nx) / span
    light = 0.62 + 0.3 * np.clip(1 + xx * look.light[0] - xx * xx * 0.55, 0, 1.4)
    below = np.arange(top, SIZE, dtype=np.float32)[:, None]
    cast = 1 - 0.35 * np.exp(-(((below - base) / (0.5 * a)) ** 2)) * np.exp(-((xx / 0.4) ** 2))
    shade = light * cast * (1 + 0.11 * _patch("folds", cover.shape, rng))
    cloth *= shade[..., None]
    view = image[top:]
    _blend(view, cloth, cover)
    _collar(view, person, (nx, base - top, wide, opening, a), (main, second), light.mean(), rng)


def _neck(image: np.ndarray, person: Person, look: Look, at: tuple[float, float, float, float, int]) -> None:
    nx, chin, wide, base, top = at
    a = look.width
    points = [[-wide * 0.93, -a], [wide * 0.93, -a], [wide * 0.9, 0], [wide * 1.02, base - chin]]
    points += [
        [wide * 2.2, base - chin + a * 0.4],
        [wide * 2.2, a * 3],
        [-wide * 2.2, a * 3],
        [-wide * 2.2, base - chin + a * 0.4],
    ]
    points += [[-wide * 1.02, base - chin], [-wide * 0.9, 0]]
    left, right = int(max(nx - wide * 2.3, 0)), int(min(nx + wide * 2.3, SIZE))
    view = image[top:, left:right]
    cover = _polygon(view.shape[:2], np.float32(points) + [nx - left, chin - top])
    xx = (np.arange(left, right, dtype=np.float32) - nx) / (wide * 1.15)
    yy = (np.arange(top, SIZE, dtype=np.float32) - chin)[:, None] / a
    round_ = np.sqrt(np.clip(1 - xx * xx, 0.05, 1))
    shade = look.ambient + 0.62 * np.clip(xx * look.light[0] + round_ * look.light[2] + 0.12, 0, 1.2)
    cast = 1 - 0.5 * _step(-(yy - 0.32 - 0.1 * xx * np.sign(look.light[0])), -0.28, 0.25)
    muscle = 1 - 0.07 * np.exp(-(((np.abs(xx) - 0.45 + yy * 0.35) / 0.09) ** 2)) * (yy > -0.2)
    shade = shade * cast * muscle * (1 + 0.025 * person.texture * _bank()["pores"][: yy.shape[0], : xx.size])
    _blend(view, person.skin * _reddened(shade), cover)


def _cloth_colours(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    grey = rng.uniform(0.04, 0.95)
    main = np.clip(grey + rng.uniform(-0.28, 0.28, 3) * rng.random(), 0.03, 0.95).astype(np.float32)
    second = np.clip(
        main + rng.choice([-1, 1]) * rng.uniform(0.12, 0.4) + rng.uniform(-0.1, 0.1, 3), 0.02, 0.97
    ).astype(np.float32)
    return main, second


def _cloth(main: np.ndarray, second: np.ndarray, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A piece of fabric: plain, striped, checked or knitted, always with a weave."""
    yy = np.arange(shape[0], dtype=np.float32)[:, None]
    xx = np.arange(shape[1], dtype=np.float32)
    kind = rng.integers(0, 5)
    period = rng.uniform(6, 22)
    slant = rng.uniform(-0.2, 0.2)
    if kind == 1:
        stripe = _step(np.sin((yy + slant * xx) * (6.2832 / period)), -0.2, 0.2)
    elif kind == 2:
        stripe = 0.5 * (np.sin(xx * (6.2832 / period)) > 0.2) + 0.5 * (np.sin(yy * (6.2832 / period)) > 0.2)
    elif kind == 3:
        row = rng.uniform(3.2, 5.5)
        stripe = 0.3 + 0.5 * np.sin(xx * (6.2832 / row) + 2.2 * np.abs(np.mod(yy / row, 2) - 1)) * 0.35
    else:
        stripe = None
    weave = 1 + np.float32(rng.uniform(0.02, 0.075)) * _patch("pores", shape, rng) + 0.02 * np.sin(xx * 2.1 + yy * 0.9)
    if stripe is None:
        return weave[..., None] * main
    stripe = np.broadcast_to(stripe, shape).astype(np.float32)
    return (main + (second - main) * stripe[..., None]) * weave[..., None]


def _collar(
    view: np.ndarray, person: Person, at: tuple, colours: tuple, light: float, rng: np.random.Generator
) -> None:
    """The parts of a garment around the neck. `at` is neck x, base y, neck half-width, opening depth and head half-width."""
    nx, base, wide, opening, a = at
    main, second = (c * light for c in colours)
    kind = person.clothes

    def fill(points: list, colour: np.ndarray) -> None:
        pts = np.float32(points) * [a, a] + [nx, base]
        x0, y0 = np.maximum(np.floor(pts.min(0)).astype(int) - 1, 0)
        x1, y1 = np.minimum(np.ceil(pts.max(0)).astype(int) + 2, [view.shape[1], view.shape[0]])
        if x1 > x0 and y1 > y0:
            part = view[y0:y1, x0:x1]
            grain = 1 + 0.04 * _patch("pores", part.shape[:2], rng)[..., None]
            _blend(part, colour * grain, _polygon(part.shape[:2], pts - [x0, y0]))

    w, o = wide / a, opening / a
    if kind in ("crew", "hoodie"):
        band = 0.09 if kind == "crew" else 0.3
        t = np.linspace(-1, 1, 15)
        inner = np.column_stack([t * w, o * (1 - t**2)])
        outer = np.column_stack([t * (w + band), o * (1 - t**2) * 1.1 + band * (1.1 - 0.4 * np.abs(t))])
        fill(np.vstack([inner, outer[::-1]]).tolist(), main * 0.86)
    elif kind == "shirt":
        for s in (-1, 1):
            fill([[s * w, -0.16], [s * (w + 0.12), 0.05], [s * 0.33, o + 0.12], [s * 0.02, o - 0.02]], main * 1.08)
            fill([[s * 0.02, o - 0.02], [s * 0.33, o + 0.12], [s * 0.3, o + 0.17], [0, o + 0.06]], main * 0.55)
    elif kind == "suit":
        shirt = np.float32([0.86, 0.87, 0.9]) * light
        fill([[-w, 0], [w, 0], [0.05, o], [-0.05, o]], shirt)
        if person.jaw > 2.3:
            fill([[-0.11, 0.2], [0.11, 0.2], [0.09, 0.34], [0.16, o], [0, o + 0.1], [-0.16, o], [-0.09, 0.34]], second)
        else:
            fill([[-w * 0.8, -0.1], [w * 0.8, -0.1], [0, o * 0.7]], person.skin * light * 0.82)
        for s in (-1, 1):
            fill([[s * w, -0.14], [s * (w + 0.05), 0.0], [s * 0.2, 0.42], [s * 0.02, 0.2]], shirt * 1.06)
            fill([[s * w, -0.06], [s * (w + 0.3), 0.16], [s * 0.62, 0.62], [s * 0.02, o + 0.1]], main * 0.82)
    elif kind == "v-neck":
        for s in (-1, 1):
            fill([[s * w, -0.03], [s * (w + 0.1), 0.02], [0, o + 0.13], [0, o]], main * 0.84)


# ---------------------------------------------------------------- the face, flat


def _texel(x: float, y: float) -> tuple[float, float]:
    return (x + 1.05) * (_TEX_W / 2.1), (y + 1) * (_TEX_H / 2)


def _to_texels(points: np.ndarray) -> np.ndarray:
    return (np.asarray(points, np.float32) + [1.05, 1]) * [_TEX_W / 2.1, _TEX_H / 2]


@cache
def _texture_axes() -> tuple[np.ndarray, np.ndarray]:
    """Face coordinates of the texture's columns (1, w) and rows (h, 1), at half resolution for the soft fields."""
    x = (np.arange(_TEX_W // 2, dtype=np.float32) + 0.5) * (4.2 / _TEX_W) - 1.05
    y = (np.arange(_TEX_H // 2, dtype=np.float32) + 0.5) * (4 / _TEX_H) - 1
    return x[None], y[:, None]


def _bump(x0: float, y0: float, sx: float, sy: float, both: bool = False) -> np.ndarray:
    """A Gaussian hill of height 1 on the half-resolution texture; `both` mirrors it to the other side of the face."""
    x, y = _texture_axes()
    across = np.exp(-(((x - x0) / sx) ** 2))
    if both:
        across = across + np.exp(-(((x + x0) / sx) ** 2))
    return across * np.exp(-(((y - y0) / sy) ** 2))


def _relief(person: Person, look: Look) -> np.ndarray:
    """Height of the face over the ellipsoid, at half the texture's resolution, in face units."""
    smile, mouth, *_ = look.mood
    tip, nw = -0.04 + person.nose_length, person.nose_width
    h = 0.055 * _bump(0, 0.02, 0.075 * nw, 0.1) + 0.1 * _bump(0, tip - 0.13, 0.08 * nw, 0.12)
    h += 0.15 * _bump(0, tip, 0.095 * nw, 0.055) + 0.065 * _bump(0.115 * nw, tip + 0.035, 0.055 * nw, 0.04, both=True)
    h -= 0.085 * _bump(person.eye_gap, 0.0, 0.21, 0.11, both=True)
    h += 0.03 * _bump(person.eye_gap, 0.0, 0.13, 0.06, both=True)
    h += 0.035 * _bump(0.36, -0.2, 0.26, 0.06, both=True)
    h += (0.04 + 0.035 * max(smile, 0)) * _bump(0.5, 0.26 - 0.05 * smile, 0.19, 0.12, both=True)
    low = 0.6 + 0.1 * mouth
    h += (
        0.05 * _bump(0, 0.56, 0.28, 0.16)
        + 0.028 * _bump(0, low + 0.04, 0.2, 0.04)
        - 0.035 * _bump(0, low + 0.13, 0.2, 0.035)
    )
    h += (
        0.06 * _bump(0, 0.88, 0.17, 0.09)
        - 0.04 * _bump(0.9, -0.3, 0.18, 0.2, both=True)
        - 0.012 * _bump(0, 0.46, 0.03, 0.06)
    )
    fold = np.zeros_like(h)
    depth = (0.25 + 0.5 * max(smile, 0)) * (0.5 + person.age)
    for s in (-1, 1):
        line = [(s * 0.17 * nw, tip), (s * 0.31, 0.42), (s * (0.38 + 0.05 * smile), 0.56), (s * 0.38, 0.68)]
        cv2.polylines(fold, [_fixed(_to_texels(line) / 2)], False, float(depth), 1, cv2.LINE_AA, _SHIFT)
    if person.age > 0.45 or look.mood[3] > 0.7:
        for y in (-0.36, -0.43, -0.3):
            line = [(x, y + 0.02 * np.cos(3 * x)) for x in np.linspace(-0.42, 0.42, 7)]
            cv2.polylines(
                fold, [_fixed(_to_texels(line) / 2)], False, 0.28 * float(person.age + 0.2), 1, cv2.LINE_AA, _SHIFT
            )
    h -= 0.06 * cv2.GaussianBlur(fold, (0, 0), 1.3)
    return h.astype(np.float32)


def _face_texture(person: Person, look: Look, rng: np.random.Generator) -> np.ndarray:
    """The unlit face as a uint8 texture (_TEX_H, _TEX_W, 3)."""
    own = np.random.default_rng(person.seed)
    smile, mouth, _, brows, _ = look.mood
    tip = -0.04 + person.nose_length
    red = (
        0.55 * _bump(0.5, 0.27, 0.22, 0.17, both=True)
        + 0.6 * _bump(0, tip, 0.14, 0.08)
        + 0.25 * _bump(0, 0.9, 0.2, 0.1)
    )
    red += 0.25 * _bump(person.eye_gap, 0.03, 0.2, 0.08, both=True)
    cloud = _patch("cloud", (_TEX_H, _TEX_W), own)[::2, ::2]
    red = (red + 0.12 * cloud) * person.ruddy
    dark = 0.16 * _bump(person.eye_gap, 0.02, 0.2, 0.1, both=True) + 0.12 * person.age * _bump(
        person.eye_gap, 0.13, 0.16, 0.04, both=True
    )
    soft = person.skin * (1 - dark - 0.025 * _patch("cloud", (_TEX_H, _TEX_W), own)[::2, ::2])[..., None]
    soft = soft * (1 + red[..., None] * np.float32([0.03, -0.13, -0.11]))
    big = cv2.resize(np.clip(soft * 255, 0, 255).astype(np.uint8), (_TEX_W, _TEX_H))
    for _ in range(person.freckles):
        at = _fixed(_texel(own.normal(0, 0.38), own.normal(0.18, 0.16)))
        tint = _bgr(person.skin * own.uniform(0.55, 0.85) * np.float32([1, 0.88, 0.8]))
        cv2.circle(big, at.tolist(), int(own.uniform(8, 22)), tint, -1, cv2.LINE_AA, _SHIFT)
    if person.beard:
        _beard(big, person, look, own)
    _nostrils(big, person)
    _mouth(big, person, look)
    for side in (-1, 1):
        _eye(big, person, look, side, rng)
        _brow(big, person, look, side, own)
    if person.glasses:
        _glasses(big, person)
    return big


def _nostrils(big: np.ndarray, person: Person) -> None:
    tip, nw = -0.04 + person.nose_length, person.nose_width
    for s in (-1, 1):
        at = _fixed(_texel(s * 0.062 * nw, tip + 0.062))
        cv2.ellipse(
            big,
            at.tolist(),
            _fixed((4.2 * nw, 2.2)).tolist(),
            s * 18,
            0,
            360,
            _bgr(person.skin * [0.4, 0.28, 0.25]),
            -1,
            cv2.LINE_AA,
            _SHIFT,
        )
        wing = [(s * 0.15 * nw, tip - 0.03), (s * 0.178 * nw, tip + 0.03), (s * 0.14 * nw, tip + 0.075)]
        cv2.polylines(
            big, [_fixed(_to_texels(wing))], False, _bgr(person.skin * [0.76, 0.66, 0.63]), 1, cv2.LINE_AA, _SHIFT
        )


def _mouth(big: np.ndarray, person: Person, look: Look) -> None:
    """Lips, teeth and the inside of the mouth."""
    smile, opening, *_, teeth = look.mood
    t = np.linspace(-1, 1, 21)
    round_ = 1 - t * t
    width = person.mouth_width * (1 + 0.2 * smile - 0.3 * opening * (teeth < 0.5))
    middle = 0.575 - smile * 0.06 * t * t + 0.012 * np.cos(3 * t)
    upper, lower = middle - 0.02 * opening * round_, middle + 0.2 * opening * round_**0.8
    bow = (
        person.lip_upper * (1 - np.abs(t) ** 1.7) * (1 - 0.3 * np.exp(-((t / 0.16) ** 2))) * (1 - 0.25 * max(smile, 0))
    )
    full = person.lip_lower * (1 - np.abs(t) ** 2.4) * (1 - 0.2 * max(smile, 0))
    tint = person.skin * person.lip_tint

    def fill(one: np.ndarray, two: np.ndarray, colour: np.ndarray, inset: float = 1.0) -> None:
        ring = np.vstack([np.column_stack([t * width * inset, one]), np.column_stack([t * width * inset, two])[::-1]])
        cv2.fillPoly(big, [_fixed(_to_texels(ring))], _bgr(colour), cv2.LINE_AA, _SHIFT)

    fill(upper - bow, lower, tint * 0.86)
    fill(upper, lower + full, tint)
    fill(upper + 0.3 * (lower - upper) + full * 0.35, lower + full * 0.65, tint * 1.1, 0.6)
    if opening > 0.1:
        fill(upper, lower, np.float32([0.2, 0.07, 0.07]), 0.94)
        fill(lower - 0.09 * opening * round_, lower, np.float32([0.55, 0.25, 0.25]), 0.7)
        if teeth:
            fill(upper, upper + np.minimum(lower - upper, 0.075 * round_) * teeth, np.float32([0.93, 0.9, 0.85]), 0.88)
            for x in np.linspace(-0.6, 0.6, 9):
                ends = _to_texels([(x * width, 0.575), (x * width, 0.575 + 0.05 * teeth)])
                cv2.polylines(big, [_fixed(ends)], False, (196, 184, 172), 1, cv2.LINE_AA, _SHIFT)
    else:
        line = np.column_stack([t * width * 1.03, middle])
        cv2.polylines(big, [_fixed(_to_texels(line))], False, _bgr(tint * [0.45, 0.35, 0.36]), 1, cv2.LINE_AA, _SHIFT)


def _eye(big: np.ndarray, person: Person, look: Look, side: int, rng: np.random.Generator) -> None:
    """One eye, drawn at twice the texture's resolution on a copy of its surroundings."""
    cx, cy = _texel(side * person.eye_gap, 0.0)
    x0, y0 = int(cx) - 28, int(cy) - 20
    patch = cv2.resize(big[y0 : y0 + 40, x0 : x0 + 56], (112, 80), interpolation=cv2.INTER_LINEAR)
    centre = np.float32([cx - x0, cy - y0]) * 2
    w = person.eye_width * _TEX_W / 2.1 * 2
    h = person.eye_height * look.mood[2] * _TEX_H
    t = np.linspace(-1, 1, 17)
    lift = -person.eye_tilt * _TEX_H * t * side
    up = np.column_stack([t * w, -h * 0.95 * (1 - np.abs(t) ** 2.2) ** 0.85 + lift]) + centre
    down = np.column_stack([t * w, h * 0.62 * (1 - np.abs(t) ** 2.4) + lift]) + centre
    almond = np.zeros((80, 112), np.uint8)
    cv2.fillPoly(almond, [_fixed(np.vstack([up, down[::-1]]))], 255, cv2.LINE_AA, _SHIFT)
    ball = np.empty_like(patch)
    ball[:] = (226, 219, 214)
    radius = 0.43 * w
    eye = centre + [look.gaze * w * 0.4 + look.yaw * 2, -0.1 * h]
    at = _fixed(eye).tolist()

    def disc(r: float, colour: np.ndarray, place: list[int] = at) -> None:
        cv2.circle(ball, place, int(r * 16), _bgr(colour), -1, cv2.LINE_AA, _SHIFT)

    disc(radius, person.iris * 0.45)
    disc(radius * 0.88, person.iris)
    turn = np.arange(18) * (2 * np.pi / 18)
    spokes = np.stack([np.cos(turn), np.sin(turn)], 1)
    fibres = np.stack([eye + spokes * radius * 0.4, eye + spokes * radius * 0.8], 1)
    cv2.polylines(ball, list(_fixed(fibres)), False, _bgr(person.iris * 1.45 + 0.04), 1, cv2.LINE_AA, _SHIFT)
    disc(radius * 0.42, np.float32([0.03, 0.03, 0.03]))
    cv2.polylines(ball, [_fixed(up + [0, 2])], False, (120, 105, 100), 5, cv2.LINE_AA, _SHIFT)
    shine = eye + np.float32([look.light[0], look.light[1]]) * radius * 0.55
    disc(radius * 0.24, np.float32([1, 1, 1]), _fixed(shine).tolist())
    cover = almond.astype(np.float32)[..., None] * (1 / 255)
    patch = (patch + (ball.astype(np.float32) - patch) * cover).astype(np.uint8)
    inner = _fixed(centre + [-side * w * 0.93, -person.eye_tilt * _TEX_H * -1])
    cv2.circle(patch, inner.tolist(), 40, _bgr(person.skin * [0.9, 0.66, 0.62]), -1, cv2.LINE_AA, _SHIFT)
    crease = up[2:-2] - [0, 5 + 2.5 * h / 10]
    cv2.polylines(patch, [_fixed(crease)], False, _bgr(person.skin * [0.68, 0.58, 0.55]), 2, cv2.LINE_AA, _SHIFT)
    cv2.polylines(
        patch, [_fixed(down[1:-1] + [0, 1.5])], False, _bgr(person.skin * [0.74, 0.62, 0.6]), 2, cv2.LINE_AA, _SHIFT
    )
    lid = _bgr(person.hair * 0.25 + 0.04)
    cv2.polylines(patch, [_fixed(up)], False, lid, 3 if person.lashes > 0.45 else 2, cv2.LINE_AA, _SHIFT)
    if person.lashes > 0.45:
        outer = up[8:16] if side > 0 else up[1:9]
        tips = outer + np.column_stack(
            [(outer[:, 0] - centre[0]) * 0.22, np.full(len(outer), -4.5 - 4 * person.lashes)]
        )
        cv2.polylines(patch, list(_fixed(np.stack([outer, tips], 1))), False, lid, 1, cv2.LINE_AA, _SHIFT)
    big[y0 : y0 + 40, x0 : x0 + 56] = cv2.resize(patch, (56, 40), interpolation=cv2.INTER_AREA)


def _brow(big: np.ndarray, person: Person, look: Look, side: int, own: np.random.Generator) -> None:
    smile, _, _, raised, _ = look.mood
    n = 46
    t = own.random(n)
    sad = 0.05 * max(-smile, 0)
    x = person.eye_gap - 0.24 + 0.48 * t
    y = (
        -0.155
        - 0.06 * raised
        - person.brow_arch * np.sin(np.clip(t * 1.25, 0, 1) * np.pi)
        - sad * (1 - 2 * t)
        + 0.03 * t
    )
    thick = 0.03 * person.brow * (1 - 0.75 * np.clip(t - 0.45, 0, 1)) * own.uniform(-1, 1, n)
    start = np.column_stack([side * x, y + thick])
    end = start + np.column_stack([side * (0.03 + 0.05 * t), -0.035 + 0.055 * t])
    spine = np.linspace(0.04, 0.9, 9)
    ys = (
        -0.155
        - 0.06 * raised
        - person.brow_arch * np.sin(np.clip(spine * 1.25, 0, 1) * np.pi)
        - sad * (1 - 2 * spine)
        + 0.03 * spine
    )
    base = np.column_stack([side * (person.eye_gap - 0.24 + 0.48 * spine), ys])
    tint = person.hair * 0.55 + person.skin * 0.12
    cv2.polylines(
        big,
        [_fixed(_to_texels(base))],
        False,
        _bgr(tint * 0.5 + person.skin * 0.42),
        max(int(4.5 * person.brow), 2),
        cv2.LINE_AA,
        _SHIFT,
    )
    strokes = _fixed(np.stack([_to_texels(start), _to_texels(end)], 1))
    cv2.polylines(big, list(strokes), False, _bgr(tint), 1, cv2.LINE_AA, _SHIFT)


def _beard(big: np.ndarray, person: Person, look: Look, own: np.random.Generator) -> None:
    """Stubble to full beard: hair colour over the lower face, with short strands."""
    x, y = _texture_axes()
    edge = 0.33 + 0.2 * np.exp(-((x / 0.42) ** 2)) - 0.5 * np.clip(np.abs(x) - 0.72, 0, 1)
    cover = _step(y - edge, -0.02, 0.2)
    cover = cover * (1 - 0.85 * _bump(0, 0.6, 0.24, 0.1).clip(0, 1))
    if person.moustache:
        cover = np.maximum(cover, _bump(0, 0.465, 0.3, 0.045).clip(0, 1) * 0.95)
    cover = cv2.resize(cover.astype(np.float32), (_TEX_W, _TEX_H))
    hairs = _patch("bristles", (_TEX_H, _TEX_W), own)
    cover = np.clip(cover * (0.75 * person.beard + 0.2) * (1 + 0.28 * hairs), 0, 0.96)
    tint = (person.hair * (1 + 0.3 * hairs[..., None]) + 0.03) * 255
    big[:] = np.clip(big + (tint - big) * cover[..., None], 0, 255).astype(np.uint8)


def _glasses(big: np.ndarray, person: Person) -> None:
    turn = np.linspace(0, 2 * np.pi, 25)[:-1]
    power = 1.0 if person.glasses == "round" else 0.55
    ring = np.column_stack(
        [np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** power, np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** power]
    )
    tint = _bgr(person.frame)
    view = big.copy()
    for s in (-1, 1):
        lens = _fixed(_to_texels(ring * [0.27, 0.165] + [s * person.eye_gap, 0.03]))
        cv2.fillPoly(view, [lens], (235, 240, 245), cv2.LINE_AA, _SHIFT)
    cv2.addWeighted(big, 0.93, view, 0.07, 0, dst=big)
    for s in (-1, 1):
        lens = _fixed(_to_texels(ring * [0.27, 0.165] + [s * person.eye_gap, 0.03]))
        cv2.polylines(big, [lens], True, tint, 3, cv2.LINE_AA, _SHIFT)
        arm = [(s * (person.eye_gap + 0.26), -0.03), (s * 1.05, -0.06)]
        cv2.polylines(big, [_fixed(_to_texels(arm))], False, tint, 3, cv2.LINE_AA, _SHIFT)
    bridge = [(-person.eye_gap + 0.26, 0.0), (0, -0.03), (person.eye_gap - 0.26, 0.0)]
    cv2.polylines(big, [_fixed(_to_texels(bridge))], False, tint, 3, cv2.LINE_AA, _SHIFT)


# ---------------------------------------------------------------- the head in space


def _profile(person: Person) -> tuple[np.ndarray, np.ndarray]:
    """Half-width of the head by height, over y = -1.5 .. 1.5 in 1/256 steps, and its slope."""
    y = np.arange(-384, 385, dtype=np.float32) / 256
    up, down = np.clip(-(y + 0.1) / 0.9, 0, 1), np.clip((y + 0.1) / 1.1, 0, 1)
    r = np.where(y < -0.1, np.sqrt(1 - up**2.5), (1 - down**person.jaw) ** 0.62)
    r = r * (1 + person.cheek * np.exp(-(((y - 0.2) / 0.2) ** 2)))
    return r.astype(np.float32), np.gradient(r, 1 / 256).astype(np.float32)


def _surface(person: Person, look: Look, grow: tuple[float, float], reach: tuple[float, float, float]) -> _Head:
    """The head (enlarged by `grow` sideways and at the crown) over a box reaching `reach` half-widths to the sides, up and down."""
    a, (cx, cy) = look.width, look.centre
    b = a * person.aspect
    x0, x1 = max(int(cx - reach[0] * a), 0), min(int(cx + reach[0] * a) + 1, SIZE)
    y0, y1 = max(int(cy - reach[1] * b), 0), min(int(cy + reach[2] * b) + 1, SIZE)
    dx, dy = np.arange(x0, x1, dtype=np.float32) - cx, (np.arange(y0, y1, dtype=np.float32) - cy)[:, None]
    cos, sin = np.float32(np.cos(look.tilt)), np.float32(np.sin(look.tilt))
    p = (dx * cos + dy * sin) * np.float32(1 / (a * (1 + grow[0])))
    q = (dy * cos - dx * sin) * np.float32(1 / b)
    q = np.where(q < 0, q * np.float32(1 / (1 + grow[1])), q)
    table, slope = _profile(person)
    index = np.clip(q * 256 + 384, 0, 768).astype(np.int32)
    r, dr = table[index], np.clip(slope[index], -4, 4)
    edge = (r - np.abs(p)) / np.sqrt((1 / a) ** 2 + (dr / b) ** 2)
    edge = np.minimum(edge, (1 - np.abs(q)) * b)  # nothing above the crown or below the chin
    u = p / np.maximum(r, 0.02)
    np.clip(u, -1, 1, out=u)
    z = np.sqrt(1 - u * u)
    norm = 1 / np.sqrt(1 + dr * dr * np.float32(0.6))
    cos, sin = np.float32(np.cos(look.yaw)), np.float32(np.sin(look.yaw))
    return _Head(
        (slice(y0, y1), slice(x0, x1)),
        np.clip(edge + 0.5, 0, 1),
        (u * norm, -dr * norm * np.float32(0.77), z * norm),
        (u * cos - z * sin) * r,
        q,
        u * sin + z * cos,
    )


def _head(image: np.ndarray, person: Person, look: Look, rng: np.random.Generator) -> None:
    """The face with its light, drawn into `image`."""
    head = _surface(person, look, (0, 0), (1.2, 1.15, 1.12))
    texture, relief = _face_texture(person, look, rng), _relief(person, look)
    y = head.y - np.float32(look.pitch) * head.normal[2]
    tx, ty = (head.x + 1.05) * (_TEX_W / 2.1) - 0.5, (y + 1) * (_TEX_H / 2) - 0.5
    # A raised point is seen displaced towards where the head is turned: this gives the nose its parallax.
    tx -= cv2.remap(relief, tx / 2, ty / 2, cv2.INTER_LINEAR) * np.float32(np.sin(look.yaw) * _TEX_W / 2.1 * 0.75)
    skin = cv2.remap(texture, tx, ty, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(
        np.float32
    ) * np.float32(1 / 255)
    gx, gy = cv2.Sobel(relief, cv2.CV_32F, 1, 0, scale=6), cv2.Sobel(relief, cv2.CV_32F, 0, 1, scale=6)
    slope = cv2.remap(cv2.merge([gx, gy]), tx / 2, ty / 2, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    nx, ny, nz = head.normal
    nx, ny = nx - slope[..., 0], ny - slope[..., 1]
    scale = 1 / np.sqrt(nx * nx + ny * ny + nz * nz + 1e-6)
    lx, ly, lz = look.light
    facing = (nx * lx + ny * ly + nz * lz) * scale
    shade = look.ambient + (1.02 - look.ambient * 0.75) * np.clip(facing * 0.85 + 0.15, 0, 1)
    shade *= 1 - 0.22 * _step(0.5 - nz * scale, 0.0, 0.5)
    shade *= 1 + 0.028 * person.texture * _patch("pores", shade.shape, rng)
    glint = np.clip(nx * lx * 0.5 + ny * ly * 0.5 + nz * (lz + 1) * 0.5, 0, None) * scale
    glint *= glint
    glint *= glint
    glint *= glint
    glint = glint * glint * np.float32(0.11)
    lit = skin * _reddened(shade)
    lit += glint[..., None]
    _blend(image[head.box], lit, head.cover)


def _ears(image: np.ndarray, person: Person, look: Look) -> None:
    a, (cx, cy) = look.width, look.centre
    b = a * person.aspect
    for s in (-1, 1):
        x = s * np.cos(look.yaw) - 0.12 * np.sin(look.yaw)
        if x * s < 0.72:
            continue
        axis = np.float32([np.cos(look.tilt), np.sin(look.tilt)])
        down = np.float32([-axis[1], axis[0]])
        middle = np.float32([cx, cy]) + axis * (x * a * 0.99) + down * (0.1 * b)
        size = np.float32([0.15 * a * (1 + 0.8 * abs(np.sin(look.yaw)) * (s * look.yaw < 0)), 0.25 * b])
        shade = look.ambient + 0.45 * np.clip(s * look.light[0] + 0.4, 0, 1)
        turn = np.degrees(look.tilt) + s * 9
        for k, (grow, tint) in enumerate(((1, 0.95), (0.66, 0.68), (0.4, 0.84))):
            colour = person.skin * np.float32([1.02, 0.9, 0.88]) * shade * tint
            at = _fixed(middle + axis * (s * size[0] * 0.12 * k)).tolist()
            view = tuple(float(v) for v in colour)
            cv2.ellipse(image, at, _fixed(size * grow).tolist(), turn, 0, 360, view, -1, cv2.LINE_AA, _SHIFT)
        if person.earring:
            at = middle + down * size[1] * 1.12
            cv2.circle(
                image, _fixed(at).tolist(), int(person.earring * a * 16), (0.86, 0.78, 0.5), -1, cv2.LINE_AA, _SHIFT
            )


# ---------------------------------------------------------------- hair


def _strands(t: np.ndarray, s: np.ndarray, person: Person, offset: np.ndarray) -> np.ndarray:
    """Brightness of hair where `t` runs across the strands and `s` along them, both in pixels; mean 0, deviation about 1."""
    curl = np.float32(person.curl * 5)
    if person.curl > 0.15 and person.style not in ("short", "shaved"):
        t = t + curl * np.sin(s * np.float32(0.09 + 0.06 * person.strand))
    across, along = t * np.float32(1 / person.strand) + offset[0], s * np.float32(0.6) + offset[1]
    name = {"curly": "curls", "short": "bristles", "shaved": "bristles"}.get(person.style, "strands")
    return cv2.remap(_bank()[name], across, along, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


def _hair_colour(person: Person, look: Look, strand: np.ndarray, facing: np.ndarray, gloss: np.ndarray) -> np.ndarray:
    light = look.ambient * 0.8 + 0.62 * np.clip(facing, 0, 1)
    value = light * (1 + 0.3 * strand) + gloss * (0.28 + 0.2 * strand)
    tint = person.hair * np.float32(0.92) + np.float32(0.02)
    return np.clip(value, 0.05, 1.7)[..., None] * tint + (gloss * 0.06)[..., None]


def _mane(person: Person, look: Look, own: np.random.Generator) -> tuple | None:
    """Hair that falls behind and beside the face: its box, colour, outer cover and the inner edge for the part in front."""
    length = {
        "long": 2.0 + 0.6 * own.random(),
        "bob": 0.75 + 0.35 * own.random(),
        "curly": 0.5 + 1.2 * own.random(),
    }.get(person.style)
    if length is None:
        return None
    a, (cx, cy) = look.width, look.centre
    b = a * person.aspect
    grow = 1 + person.volume
    x0, x1 = max(int(cx - 2.1 * a), 0), min(int(cx + 2.1 * a), SIZE)
    y0, y1 = max(int(cy - 0.75 * b), 0), min(int(cy + (length + 0.2) * b), SIZE)
    dx, dy = np.arange(x0, x1, dtype=np.float32) - cx, (np.arange(y0, y1, dtype=np.float32) - cy)[:, None]
    # Hanging hair follows gravity more than the tilt of the head.
    p = (dx + dy * np.float32(look.tilt * 0.35)) / a + np.float32(0.16 * np.sin(look.yaw))
    q = np.broadcast_to(dy / b, p.shape)
    flare = own.uniform(-0.08, 0.2)
    width = grow * (1.0 + flare * np.clip(q, 0, 2)) * np.sqrt(np.clip(1 - np.clip(-q - 0.1, 0, 1) ** 2, 0, 1))
    width = width + 0.04 * np.sin(q * own.uniform(4, 9) + own.uniform(0, 6))
    offset = own.uniform(0, 512, 2).astype(np.float32)
    strand = _strands(p * a, q * b, person, offset)
    rough = 0.05 if person.style == "curly" else 0.025
    outer = _step(width - np.abs(p) + rough * strand, -0.03, 0.03) * _step(length - q + 0.07 * strand, -0.08, 0.08)
    side = np.clip(np.abs(p) / np.maximum(width, 0.1), 0, 1)
    facing = np.sqrt(np.clip(1 - side * side, 0, 1)) * look.light[2] + p * look.light[0] * 0.6
    gloss = np.exp(-(((q - 0.55 - 0.1 * np.sin(p * 5)) / 0.3) ** 2)) * np.clip(facing, 0, 1) * 0.5
    colour = _hair_colour(person, look, strand, facing * 0.9, gloss)
    inner = _step(np.abs(p) - (0.86 - 0.1 * np.clip(q - 0.6, 0, 1.5)) + 0.03 * strand, -0.04, 0.05)
    return (slice(y0, y1), slice(x0, x1)), colour, outer, inner


def _cap(image: np.ndarray, person: Person, look: Look, own: np.random.Generator) -> None:
    """Hair on the skull, drawn over the head."""
    style = person.style
    high = {"short": 0.07, "swept": 0.12, "curly": 0.22, "receding": 0.03, "shaved": 0.012, "tied": 0.05}.get(
        style, 0.09
    )
    wide = {"shaved": 0.01, "receding": 0.03, "short": 0.045, "curly": 0.18, "tied": 0.03}.get(style, 0.06)
    wide = max(wide, person.volume * 0.8 if style in ("long", "bob") else 0)
    shell = _surface(person, look, (wide, high + person.volume * 0.35), (1.35, 1.4, 0.75))
    a, b = look.width, look.width * person.aspect
    x, y = shell.x, shell.y
    ax = np.abs(x)
    line = np.float32(person.hairline + (0.16 if style == "receding" else 0) * -1)
    part = np.float32(person.parting)
    if style == "fringe":
        line = np.float32(-0.24)
    ears = np.float32({"long": 1.3, "bob": 1.0, "curly": 0.9, "tied": 0.1}.get(style, 0.22))
    square = x * x
    bend = (
        square * ax
        if style == "receding"
        else square * square * (square * square if style in ("short", "shaved") else ax)
    )
    edge = line + (ears - line) * bend
    if style in ("swept", "long", "bob"):
        # Hair leaves the parting to both sides and covers more of the forehead away from it.
        edge = edge + 0.22 * np.clip(np.abs(x - part) - 0.12, 0, 0.6)
    if style in ("swept", "tied"):
        t, s = (x * 0.35 + y * (1.0 if part > 0 else -1.0) * 0.8) * a, (x - y * 0.4) * a
    elif style in ("short", "shaved"):
        t, s = (x - part * 0.5 * y) * a, y * b
    else:
        far, turn = cv2.cartToPolar(x - part, y + 1.35)
        t, s = turn * (1.15 * a), far * b
    strand = _strands(t, s, person, own.uniform(0, 512, 2).astype(np.float32))
    behind = _step(-shell.depth, -0.1, 0.08) * (y < ears + 0.3)
    rough = {"short": 0.05, "shaved": 0.02, "receding": 0.05, "fringe": 0.075}.get(style, 0.035)
    grown = np.maximum(_step(edge - y + rough * strand, -0.035, 0.035), behind)
    cover = shell.cover * grown
    if style == "curly":
        cover = cover * _step(shell.cover * 3 + 0.4 * strand, 0.2, 1.0)
    nx, ny, nz = shell.normal
    facing = nx * look.light[0] + ny * look.light[1] + nz * look.light[2]
    gloss = np.exp(-(((facing - 0.86) / 0.1) ** 2)) * (0.25 if style in ("curly", "shaved") else 0.6)
    colour = _hair_colour(person, look, strand, facing * 0.85 + 0.1, gloss)
    if style == "shaved":
        cover = cover * (0.5 + 0.12 * strand)
    view = image[shell.box]
    # The hair's shadow on the skin keeps the hairline from looking cut out.
    shadow = np.roll(grown, int(0.05 * b), 0) * shell.cover
    view *= (1 - 0.22 * shadow * (1 - cover))[..., None]
    _blend(view, colour, np.clip(cover, 0, 1))
    if style == "tied":
        _knot(image, person, look, own)


def _knot(image: np.ndarray, person: Person, look: Look, own: np.random.Generator) -> None:
    a, (cx, cy) = look.width, look.centre
    b = a * person.aspect
    x, y, r = cx - float(np.sin(look.yaw)) * a * 0.8 + look.tilt * b, cy - b * 1.08, a * own.uniform(0.25, 0.4)
    x0, x1, y0, y1 = (
        int(v) for v in (max(x - r - 2, 0), min(x + r + 3, SIZE), max(y - r - 2, 0), min(y + r + 3, SIZE))
    )
    if x1 <= x0 or y1 <= y0:
        return
    dx, dy = (np.arange(x0, x1, dtype=np.float32) - x) / r, ((np.arange(y0, y1, dtype=np.float32) - y) / r)[:, None]
    far = np.hypot(dx, dy)
    strand = _strands(
        np.broadcast_to(far * r * 1.6, far.shape),
        np.arctan2(dy, dx) * r,
        person,
        own.uniform(0, 512, 2).astype(np.float32),
    )
    facing = np.sqrt(np.clip(1 - far * far, 0, 1)) * look.light[2] + dx * look.light[0] + dy * look.light[1]
    _blend(
        image[y0:y1, x0:x1],
        _hair_colour(person, look, strand, facing, np.zeros_like(far)),
        np.clip((1 - far) * r + 0.5, 0, 1),
    )


# ---------------------------------------------------------------- all of it


def paint(person: Person, look: Look, rng: np.random.Generator) -> np.ndarray:
    """The scene in front of the camera.

    Args:
        person: Who is in it.
        look: Pose, light and expression.
        rng: Background, clothes and texture of this picture.

    Returns:
        float32 (256, 256, 3) RGB, display values in 0..1.
    """
    image = _background(rng)
    own = np.random.default_rng(person.seed + 1)
    mane = _mane(person, look, own)
    if mane:
        box, colour, outer, _ = mane
        _blend(image[box], colour * 0.72, outer)
    _body(image, person, look, rng)
    if person.style not in ("long", "bob", "curly"):
        _ears(image, person, look)
    _head(image, person, look, rng)
    if mane:
        box, colour, outer, inner = mane
        _blend(image[box], colour, outer * inner)
    _cap(image, person, look, own)
    return np.clip(image, 0, 1)
