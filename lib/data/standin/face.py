"""The face as a flat texture, with its relief: eyes, brows, mouth, skin. x runs from -1 to 1 (ear to ear), y from crown to chin."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from lib.data.standin.brush import SHIFT, fixed_point, noise_patch, soft_step, to_bgr
from lib.data.standin.people import Look, Person

TEXTURE_WIDTH, TEXTURE_HEIGHT = 200, 240  # texture of the face: about 1.5 texels a pixel of a typical head


def _texel(x: float, y: float) -> tuple[float, float]:
    return (x + 1.05) * (TEXTURE_WIDTH / 2.1), (y + 1) * (TEXTURE_HEIGHT / 2)


def _to_texels(points: np.ndarray) -> np.ndarray:
    return (np.asarray(points, np.float32) + [1.05, 1]) * [TEXTURE_WIDTH / 2.1, TEXTURE_HEIGHT / 2]


@cache
def _texture_axes() -> tuple[np.ndarray, np.ndarray]:
    """Face coordinates of the texture's columns (1, w) and rows (h, 1), at half resolution for the soft fields."""
    x = (np.arange(TEXTURE_WIDTH // 2, dtype=np.float32) + 0.5) * (4.2 / TEXTURE_WIDTH) - 1.05
    y = (np.arange(TEXTURE_HEIGHT // 2, dtype=np.float32) + 0.5) * (4 / TEXTURE_HEIGHT) - 1
    return x[None], y[:, None]


def _bump(x0: float, y0: float, sx: float, sy: float, both: bool = False) -> np.ndarray:
    """A Gaussian hill of height 1 on the half-resolution texture; `both` mirrors it to the other side of the face."""
    x, y = _texture_axes()
    across = np.exp(-(((x - x0) / sx) ** 2))
    if both:
        across = across + np.exp(-(((x + x0) / sx) ** 2))
    return across * np.exp(-(((y - y0) / sy) ** 2))


def face_relief(person: Person, look: Look) -> np.ndarray:
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
        cv2.polylines(fold, [fixed_point(_to_texels(line) / 2)], False, float(depth), 1, cv2.LINE_AA, SHIFT)
    if person.age > 0.45 or look.mood[3] > 0.7:
        for y in (-0.36, -0.43, -0.3):
            line = [(x, y + 0.02 * np.cos(3 * x)) for x in np.linspace(-0.42, 0.42, 7)]
            cv2.polylines(
                fold, [fixed_point(_to_texels(line) / 2)], False, 0.28 * float(person.age + 0.2), 1, cv2.LINE_AA, SHIFT
            )
    h -= 0.06 * cv2.GaussianBlur(fold, (0, 0), 1.3)
    return h.astype(np.float32)


def face_texture(person: Person, look: Look, rng: np.random.Generator) -> np.ndarray:
    """The unlit face as a uint8 texture (TEXTURE_HEIGHT, TEXTURE_WIDTH, 3)."""
    own = np.random.default_rng(person.seed)
    smile, mouth, _, brows, _ = look.mood
    tip = -0.04 + person.nose_length
    red = (
        0.55 * _bump(0.5, 0.27, 0.22, 0.17, both=True)
        + 0.6 * _bump(0, tip, 0.14, 0.08)
        + 0.25 * _bump(0, 0.9, 0.2, 0.1)
    )
    red += 0.25 * _bump(person.eye_gap, 0.03, 0.2, 0.08, both=True)
    cloud = noise_patch("cloud", (TEXTURE_HEIGHT, TEXTURE_WIDTH), own)[::2, ::2]
    red = (red + 0.12 * cloud) * person.ruddy
    dark = 0.16 * _bump(person.eye_gap, 0.02, 0.2, 0.1, both=True) + 0.12 * person.age * _bump(
        person.eye_gap, 0.13, 0.16, 0.04, both=True
    )
    soft = (
        person.skin
        * (1 - dark - 0.025 * noise_patch("cloud", (TEXTURE_HEIGHT, TEXTURE_WIDTH), own)[::2, ::2])[..., None]
    )
    soft = soft * (1 + red[..., None] * np.float32([0.03, -0.13, -0.11]))
    big = cv2.resize(np.clip(soft * 255, 0, 255).astype(np.uint8), (TEXTURE_WIDTH, TEXTURE_HEIGHT))
    for _ in range(person.freckles):
        at = fixed_point(_texel(own.normal(0, 0.38), own.normal(0.18, 0.16)))
        tint = to_bgr(person.skin * own.uniform(0.55, 0.85) * np.float32([1, 0.88, 0.8]))
        cv2.circle(big, at.tolist(), int(own.uniform(8, 22)), tint, -1, cv2.LINE_AA, SHIFT)
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
        at = fixed_point(_texel(s * 0.062 * nw, tip + 0.062))
        cv2.ellipse(
            big,
            at.tolist(),
            fixed_point((4.2 * nw, 2.2)).tolist(),
            s * 18,
            0,
            360,
            to_bgr(person.skin * [0.4, 0.28, 0.25]),
            -1,
            cv2.LINE_AA,
            SHIFT,
        )
        wing = [(s * 0.15 * nw, tip - 0.03), (s * 0.178 * nw, tip + 0.03), (s * 0.14 * nw, tip + 0.075)]
        cv2.polylines(
            big, [fixed_point(_to_texels(wing))], False, to_bgr(person.skin * [0.76, 0.66, 0.63]), 1, cv2.LINE_AA, SHIFT
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
        cv2.fillPoly(big, [fixed_point(_to_texels(ring))], to_bgr(colour), cv2.LINE_AA, SHIFT)

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
                cv2.polylines(big, [fixed_point(ends)], False, (196, 184, 172), 1, cv2.LINE_AA, SHIFT)
    else:
        line = np.column_stack([t * width * 1.03, middle])
        cv2.polylines(
            big, [fixed_point(_to_texels(line))], False, to_bgr(tint * [0.45, 0.35, 0.36]), 1, cv2.LINE_AA, SHIFT
        )


def _eye(big: np.ndarray, person: Person, look: Look, side: int, rng: np.random.Generator) -> None:
    """One eye, drawn at twice the texture's resolution on a copy of its surroundings."""
    cx, cy = _texel(side * person.eye_gap, 0.0)
    x0, y0 = int(cx) - 28, int(cy) - 20
    patch = cv2.resize(big[y0 : y0 + 40, x0 : x0 + 56], (112, 80), interpolation=cv2.INTER_LINEAR)
    centre = np.float32([cx - x0, cy - y0]) * 2
    w = person.eye_width * TEXTURE_WIDTH / 2.1 * 2
    h = person.eye_height * look.mood[2] * TEXTURE_HEIGHT
    t = np.linspace(-1, 1, 17)
    lift = -person.eye_tilt * TEXTURE_HEIGHT * t * side
    up = np.column_stack([t * w, -h * 0.95 * (1 - np.abs(t) ** 2.2) ** 0.85 + lift]) + centre
    down = np.column_stack([t * w, h * 0.62 * (1 - np.abs(t) ** 2.4) + lift]) + centre
    almond = np.zeros((80, 112), np.uint8)
    cv2.fillPoly(almond, [fixed_point(np.vstack([up, down[::-1]]))], 255, cv2.LINE_AA, SHIFT)
    ball = np.empty_like(patch)
    ball[:] = (226, 219, 214)
    radius = 0.43 * w
    eye = centre + [look.gaze * w * 0.4 + look.yaw * 2, -0.1 * h]
    at = fixed_point(eye).tolist()

    def disc(r: float, colour: np.ndarray, place: list[int] = at) -> None:
        cv2.circle(ball, place, int(r * 16), to_bgr(colour), -1, cv2.LINE_AA, SHIFT)

    disc(radius, person.iris * 0.45)
    disc(radius * 0.88, person.iris)
    turn = np.arange(18) * (2 * np.pi / 18)
    spokes = np.stack([np.cos(turn), np.sin(turn)], 1)
    fibres = np.stack([eye + spokes * radius * 0.4, eye + spokes * radius * 0.8], 1)
    cv2.polylines(ball, list(fixed_point(fibres)), False, to_bgr(person.iris * 1.45 + 0.04), 1, cv2.LINE_AA, SHIFT)
    disc(radius * 0.42, np.float32([0.03, 0.03, 0.03]))
    cv2.polylines(ball, [fixed_point(up + [0, 2])], False, (120, 105, 100), 5, cv2.LINE_AA, SHIFT)
    shine = eye + np.float32([look.light[0], look.light[1]]) * radius * 0.55
    disc(radius * 0.24, np.float32([1, 1, 1]), fixed_point(shine).tolist())
    cover = almond.astype(np.float32)[..., None] * (1 / 255)
    patch = (patch + (ball.astype(np.float32) - patch) * cover).astype(np.uint8)
    inner = fixed_point(centre + [-side * w * 0.93, -person.eye_tilt * TEXTURE_HEIGHT * -1])
    cv2.circle(patch, inner.tolist(), 40, to_bgr(person.skin * [0.9, 0.66, 0.62]), -1, cv2.LINE_AA, SHIFT)
    crease = up[2:-2] - [0, 5 + 2.5 * h / 10]
    cv2.polylines(patch, [fixed_point(crease)], False, to_bgr(person.skin * [0.68, 0.58, 0.55]), 2, cv2.LINE_AA, SHIFT)
    cv2.polylines(
        patch,
        [fixed_point(down[1:-1] + [0, 1.5])],
        False,
        to_bgr(person.skin * [0.74, 0.62, 0.6]),
        2,
        cv2.LINE_AA,
        SHIFT,
    )
    lid = to_bgr(person.hair * 0.25 + 0.04)
    cv2.polylines(patch, [fixed_point(up)], False, lid, 3 if person.lashes > 0.45 else 2, cv2.LINE_AA, SHIFT)
    if person.lashes > 0.45:
        outer = up[8:16] if side > 0 else up[1:9]
        tips = outer + np.column_stack(
            [(outer[:, 0] - centre[0]) * 0.22, np.full(len(outer), -4.5 - 4 * person.lashes)]
        )
        cv2.polylines(patch, list(fixed_point(np.stack([outer, tips], 1))), False, lid, 1, cv2.LINE_AA, SHIFT)
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
        [fixed_point(_to_texels(base))],
        False,
        to_bgr(tint * 0.5 + person.skin * 0.42),
        max(int(4.5 * person.brow), 2),
        cv2.LINE_AA,
        SHIFT,
    )
    strokes = fixed_point(np.stack([_to_texels(start), _to_texels(end)], 1))
    cv2.polylines(big, list(strokes), False, to_bgr(tint), 1, cv2.LINE_AA, SHIFT)


def _beard(big: np.ndarray, person: Person, look: Look, own: np.random.Generator) -> None:
    """Stubble to full beard: hair colour over the lower face, with short strands."""
    x, y = _texture_axes()
    edge = 0.33 + 0.2 * np.exp(-((x / 0.42) ** 2)) - 0.5 * np.clip(np.abs(x) - 0.72, 0, 1)
    cover = soft_step(y - edge, -0.02, 0.2)
    cover = cover * (1 - 0.85 * _bump(0, 0.6, 0.24, 0.1).clip(0, 1))
    if person.moustache:
        cover = np.maximum(cover, _bump(0, 0.465, 0.3, 0.045).clip(0, 1) * 0.95)
    cover = cv2.resize(cover.astype(np.float32), (TEXTURE_WIDTH, TEXTURE_HEIGHT))
    hairs = noise_patch("bristles", (TEXTURE_HEIGHT, TEXTURE_WIDTH), own)
    cover = np.clip(cover * (0.75 * person.beard + 0.2) * (1 + 0.28 * hairs), 0, 0.96)
    tint = (person.hair * (1 + 0.3 * hairs[..., None]) + 0.03) * 255
    big[:] = np.clip(big + (tint - big) * cover[..., None], 0, 255).astype(np.uint8)


def _glasses(big: np.ndarray, person: Person) -> None:
    turn = np.linspace(0, 2 * np.pi, 25)[:-1]
    power = 1.0 if person.glasses == "round" else 0.55
    ring = np.column_stack(
        [np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** power, np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** power]
    )
    tint = to_bgr(person.frame)
    view = big.copy()
    for s in (-1, 1):
        lens = fixed_point(_to_texels(ring * [0.27, 0.165] + [s * person.eye_gap, 0.03]))
        cv2.fillPoly(view, [lens], (235, 240, 245), cv2.LINE_AA, SHIFT)
    cv2.addWeighted(big, 0.93, view, 0.07, 0, dst=big)
    for s in (-1, 1):
        lens = fixed_point(_to_texels(ring * [0.27, 0.165] + [s * person.eye_gap, 0.03]))
        cv2.polylines(big, [lens], True, tint, 3, cv2.LINE_AA, SHIFT)
        arm = [(s * (person.eye_gap + 0.26), -0.03), (s * 1.05, -0.06)]
        cv2.polylines(big, [fixed_point(_to_texels(arm))], False, tint, 3, cv2.LINE_AA, SHIFT)
    bridge = [(-person.eye_gap + 0.26, 0.0), (0, -0.03), (person.eye_gap - 0.26, 0.0)]
    cv2.polylines(big, [fixed_point(_to_texels(bridge))], False, tint, 3, cv2.LINE_AA, SHIFT)
