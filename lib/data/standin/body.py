"""Everything in a portrait except the head: background, body, neck and clothes."""

from __future__ import annotations

import cv2
import numpy as np

from lib.data.standin.brush import blend, fill_polygon, noise_bank, noise_patch, reddened, soft_step
from lib.data.standin.people import SIZE, Look, Person


def paint_background(rng: np.random.Generator) -> np.ndarray:
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
        leaves = noise_patch("cloud", (128, 128), rng)[::2, ::2] + 0.5 * noise_patch("curls", (small, small), rng)
        image *= (1 + 0.32 * leaves)[..., None]
        horizon = rng.uniform(-0.2, 0.9)
        blend(image, np.clip(high * 1.2, 0, 1).astype(np.float32), 0.7 * soft_step(horizon - yy, -0.1, 0.15))
    elif kind == 4:  # a wall with the light falling off
        spot = np.exp(-((xx - rng.random()) ** 2 + (yy - rng.random()) ** 2) / rng.uniform(0.1, 0.5))
        image *= (0.55 + 0.75 * spot)[..., None]
    # Large soft patches of light and shade, so that no two pictures share their coarse layout (and perceptual hash).
    patches = noise_patch("cloud", (2 * small, 2 * small), rng)[::2, ::2] + 0.5 * noise_patch(
        "cloud", (small, small), rng
    )
    image *= (1 + np.float32(rng.uniform(0.15, 0.35)) * patches)[..., None]
    image = cv2.GaussianBlur(np.clip(image, 0, 1), (0, 0), float(rng.uniform(0.6, 3.2)))
    image = cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    image *= (1 + rng.uniform(0.004, 0.03) * noise_patch("pores", (SIZE, SIZE), rng))[..., None]
    return image


def paint_body(image: np.ndarray, person: Person, look: Look, rng: np.random.Generator) -> None:
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
    cover = fill_polygon((SIZE - top, SIZE), outline)
    main, second = _cloth_colours(rng)
    cloth = _cloth(main, second, (SIZE - top, SIZE), rng)
    xx = (np.arange(SIZE, dtype=np.float32) - nx) / span
    light = 0.62 + 0.3 * np.clip(1 + xx * look.light[0] - xx * xx * 0.55, 0, 1.4)
    below = np.arange(top, SIZE, dtype=np.float32)[:, None]
    cast = 1 - 0.35 * np.exp(-(((below - base) / (0.5 * a)) ** 2)) * np.exp(-((xx / 0.4) ** 2))
    shade = light * cast * (1 + 0.11 * noise_patch("folds", cover.shape, rng))
    cloth *= shade[..., None]
    view = image[top:]
    blend(view, cloth, cover)
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
    cover = fill_polygon(view.shape[:2], np.float32(points) + [nx - left, chin - top])
    xx = (np.arange(left, right, dtype=np.float32) - nx) / (wide * 1.15)
    yy = (np.arange(top, SIZE, dtype=np.float32) - chin)[:, None] / a
    round_ = np.sqrt(np.clip(1 - xx * xx, 0.05, 1))
    shade = look.ambient + 0.62 * np.clip(xx * look.light[0] + round_ * look.light[2] + 0.12, 0, 1.2)
    cast = 1 - 0.5 * soft_step(-(yy - 0.32 - 0.1 * xx * np.sign(look.light[0])), -0.28, 0.25)
    muscle = 1 - 0.07 * np.exp(-(((np.abs(xx) - 0.45 + yy * 0.35) / 0.09) ** 2)) * (yy > -0.2)
    shade = shade * cast * muscle * (1 + 0.025 * person.texture * noise_bank()["pores"][: yy.shape[0], : xx.size])
    blend(view, person.skin * reddened(shade), cover)


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
        stripe = soft_step(np.sin((yy + slant * xx) * (6.2832 / period)), -0.2, 0.2)
    elif kind == 2:
        stripe = 0.5 * (np.sin(xx * (6.2832 / period)) > 0.2) + 0.5 * (np.sin(yy * (6.2832 / period)) > 0.2)
    elif kind == 3:
        row = rng.uniform(3.2, 5.5)
        stripe = 0.3 + 0.5 * np.sin(xx * (6.2832 / row) + 2.2 * np.abs(np.mod(yy / row, 2) - 1)) * 0.35
    else:
        stripe = None
    weave = (
        1 + np.float32(rng.uniform(0.02, 0.075)) * noise_patch("pores", shape, rng) + 0.02 * np.sin(xx * 2.1 + yy * 0.9)
    )
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
            grain = 1 + 0.04 * noise_patch("pores", part.shape[:2], rng)[..., None]
            blend(part, colour * grain, fill_polygon(part.shape[:2], pts - [x0, y0]))

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
