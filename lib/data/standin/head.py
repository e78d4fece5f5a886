"""The head with its ears and hair, and the portrait put together: the scene that the two pipelines photograph or generate.

Nothing here depends on the class of an image. The head is an ellipsoid of revolution whose radius follows the person's face
shape; the face is wrapped around it, turned with the pose and shaded by a height map. Hair is a shell around the same body.
Colours are display values in 0..1.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from lib.data.standin.body import paint_background, paint_body
from lib.data.standin.brush import SHIFT, blend, fixed_point, noise_bank, noise_patch, reddened, soft_step
from lib.data.standin.face import TEXTURE_HEIGHT, TEXTURE_WIDTH, face_relief, face_texture
from lib.data.standin.people import SIZE, Look, Person


class _Head(NamedTuple):
    """The head's surface at every pixel of a box: where it faces and which point of the face it shows."""

    box: tuple[slice, slice]
    cover: np.ndarray
    normal: tuple[np.ndarray, np.ndarray, np.ndarray]
    x: np.ndarray
    y: np.ndarray
    depth: np.ndarray


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
    texture, relief = face_texture(person, look, rng), face_relief(person, look)
    y = head.y - np.float32(look.pitch) * head.normal[2]
    tx, ty = (head.x + 1.05) * (TEXTURE_WIDTH / 2.1) - 0.5, (y + 1) * (TEXTURE_HEIGHT / 2) - 0.5
    # A raised point is seen displaced towards where the head is turned: this gives the nose its parallax.
    tx -= cv2.remap(relief, tx / 2, ty / 2, cv2.INTER_LINEAR) * np.float32(
        np.sin(look.yaw) * TEXTURE_WIDTH / 2.1 * 0.75
    )
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
    shade *= 1 - 0.22 * soft_step(0.5 - nz * scale, 0.0, 0.5)
    shade *= 1 + 0.028 * person.texture * noise_patch("pores", shade.shape, rng)
    glint = np.clip(nx * lx * 0.5 + ny * ly * 0.5 + nz * (lz + 1) * 0.5, 0, None) * scale
    glint *= glint
    glint *= glint
    glint *= glint
    glint = glint * glint * np.float32(0.11)
    lit = skin * reddened(shade)
    lit += glint[..., None]
    blend(image[head.box], lit, head.cover)


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
            at = fixed_point(middle + axis * (s * size[0] * 0.12 * k)).tolist()
            view = tuple(float(v) for v in colour)
            cv2.ellipse(image, at, fixed_point(size * grow).tolist(), turn, 0, 360, view, -1, cv2.LINE_AA, SHIFT)
        if person.earring:
            at = middle + down * size[1] * 1.12
            cv2.circle(
                image, fixed_point(at).tolist(), int(person.earring * a * 16), (0.86, 0.78, 0.5), -1, cv2.LINE_AA, SHIFT
            )


def _strands(t: np.ndarray, s: np.ndarray, person: Person, offset: np.ndarray) -> np.ndarray:
    """Brightness of hair where `t` runs across the strands and `s` along them, both in pixels; mean 0, deviation about 1."""
    curl = np.float32(person.curl * 5)
    if person.curl > 0.15 and person.style not in ("short", "shaved"):
        t = t + curl * np.sin(s * np.float32(0.09 + 0.06 * person.strand))
    across, along = t * np.float32(1 / person.strand) + offset[0], s * np.float32(0.6) + offset[1]
    name = {"curly": "curls", "short": "bristles", "shaved": "bristles"}.get(person.style, "strands")
    return cv2.remap(noise_bank()[name], across, along, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


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
    outer = soft_step(width - np.abs(p) + rough * strand, -0.03, 0.03) * soft_step(
        length - q + 0.07 * strand, -0.08, 0.08
    )
    side = np.clip(np.abs(p) / np.maximum(width, 0.1), 0, 1)
    facing = np.sqrt(np.clip(1 - side * side, 0, 1)) * look.light[2] + p * look.light[0] * 0.6
    gloss = np.exp(-(((q - 0.55 - 0.1 * np.sin(p * 5)) / 0.3) ** 2)) * np.clip(facing, 0, 1) * 0.5
    colour = _hair_colour(person, look, strand, facing * 0.9, gloss)
    inner = soft_step(np.abs(p) - (0.86 - 0.1 * np.clip(q - 0.6, 0, 1.5)) + 0.03 * strand, -0.04, 0.05)
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
    behind = soft_step(-shell.depth, -0.1, 0.08) * (y < ears + 0.3)
    rough = {"short": 0.05, "shaved": 0.02, "receding": 0.05, "fringe": 0.075}.get(style, 0.035)
    grown = np.maximum(soft_step(edge - y + rough * strand, -0.035, 0.035), behind)
    cover = shell.cover * grown
    if style == "curly":
        cover = cover * soft_step(shell.cover * 3 + 0.4 * strand, 0.2, 1.0)
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
    blend(view, colour, np.clip(cover, 0, 1))
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
    blend(
        image[y0:y1, x0:x1],
        _hair_colour(person, look, strand, facing, np.zeros_like(far)),
        np.clip((1 - far) * r + 0.5, 0, 1),
    )


def paint(person: Person, look: Look, rng: np.random.Generator) -> np.ndarray:
    """The scene in front of the camera.

    Args:
        person: Who is in it.
        look: Pose, light and expression.
        rng: Background, clothes and texture of this picture.

    Returns:
        float32 (256, 256, 3) RGB, display values in 0..1.
    """
    image = paint_background(rng)
    own = np.random.default_rng(person.seed + 1)
    mane = _mane(person, look, own)
    if mane:
        box, colour, outer, _ = mane
        blend(image[box], colour * 0.72, outer)
    paint_body(image, person, look, rng)
    if person.style not in ("long", "bob", "curly"):
        _ears(image, person, look)
    _head(image, person, look, rng)
    if mane:
        box, colour, outer, inner = mane
        blend(image[box], colour, outer * inner)
    _cap(image, person, look, own)
    return np.clip(image, 0, 1)
