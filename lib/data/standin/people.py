"""Invented people, and the appearance of each in a picture."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Person:
    """Traits that are the same in every picture of one person. Colours are RGB in 0..1, lengths are in face units."""

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
    """Traits that change from picture to picture of one person. Angles in radians, lengths in pixels."""

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
