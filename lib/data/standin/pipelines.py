"""From a drawn scene to a stand-in image: a camera, or a camera and traces of a generator.

`camera` and `finish` are the same for both classes. `generate` adds to one class the known traces of latent image
generators: a patch bottleneck and staged upsampling. Images are float32 (height, width, 3) RGB, sides in multiples of 8, display
values in 0..1, unless stated otherwise.
"""

import cv2
import numpy as np

PATCH = 8  # side of the bottleneck's patches, as in the latent autoencoders of Stable Diffusion and OmniGen
KEPT = 5  # coefficients of a patch with row + column below this survive: 15 of 64
# The strength of the traces is drawn for each image from MIX_RANGE, with a Beta distribution. Together with the nuisances of `finish` it
# sets how hard the stand-ins are, so that about 1,000 images are too few for frozen features and 10,000 do clearly better.
MIX = (1.2, 1.2)
MIX_RANGE = (0.13, 0.17)
GRAIN = 0.9  # share of the lost detail's energy that comes back as grain
RIPPLE = 0.02  # deviation of the upsampling ripple's gain at full strength


def camera(scene: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Photographs a scene: optics blur, Bayer sampling, sensor noise, demosaicing, sharpening.

    The noise has a part growing with the signal and a constant one (Poisson-Gaussian model, Foi et al., IEEE TIP 2008), with the
    Poisson part approximated by a Gaussian of equal variance. Demosaicing is OpenCV's bilinear or edge-aware interpolation.
    The transfer curve is a square root: close to a display gamma of 2.2 and much cheaper.
    """
    light = cv2.GaussianBlur(scene, (5, 5), float(rng.uniform(0.3, 0.8)))
    light *= light
    red_first = rng.random() < 0.5
    mosaic = np.empty(light.shape[:2], np.float32)
    mosaic[0::2, 0::2] = light[0::2, 0::2, 0 if red_first else 2]
    mosaic[0::2, 1::2] = light[0::2, 1::2, 1]
    mosaic[1::2, 0::2] = light[1::2, 0::2, 1]
    mosaic[1::2, 1::2] = light[1::2, 1::2, 2 if red_first else 0]
    shot, read = np.float32(10 ** rng.uniform(-3.9, -2.9)), np.float32(rng.uniform(0.0008, 0.004))
    mosaic += np.sqrt(mosaic * shot + read * read) * rng.standard_normal(mosaic.shape, dtype=np.float32)
    raw = np.clip(mosaic * 65535, 0, 65535).astype(np.uint16)
    # OpenCV names a pattern by its second row's second and third pixels: "BG" starts with red.
    codes = (
        (cv2.COLOR_BayerBG2RGB, cv2.COLOR_BayerBG2RGB_EA)
        if red_first
        else (cv2.COLOR_BayerRG2RGB, cv2.COLOR_BayerRG2RGB_EA)
    )
    photo = cv2.cvtColor(raw, codes[int(rng.random() < 0.5)]).astype(np.float32) * np.float32(1 / 65535)
    np.sqrt(photo, out=photo)
    return _sharpen(photo, float(rng.uniform(0.1, 0.6)))


def generate(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Adds the traces of a latent decoder to a photograph.

    Every 8x8 patch keeps only its lowest frequencies. The result is halved and doubled again (the lost spectrum of
    Durall et al., CVPR 2020, and Corvi et al., ICASSP 2023). A ripple with the periods of the doubling stages is added
    (the checkerboard of Odena et al., Distill 2016). The lost detail is replaced by grain of the same local energy. So
    neither the amount of fine detail nor the file size reveals the class; only the arrangement of the detail does.
    """
    strength = np.float32(MIX_RANGE[0] + (MIX_RANGE[1] - MIX_RANGE[0]) * rng.beta(*MIX))
    smooth = _upsampled(_bottleneck(photo))
    lost = photo - smooth
    energy = cv2.blur(lost * lost, (9, 9))
    energy *= np.float32(GRAIN) * (1 - (1 - strength) ** 2)
    np.sqrt(energy, out=energy)
    grain = rng.standard_normal(photo.shape[:2], dtype=np.float32)
    out = photo - lost * strength
    out += energy * grain[..., None]
    out *= (1 + strength * _ripple(rng, photo.shape[:2]))[..., None]
    return out


def finish(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The usual changes to pictures online: crop and scale, exposure and white balance, blur or sharpening, noise.

    Returns:
        uint8 (side, side, 3) RGB.
    """
    size = photo.shape[0]
    if rng.random() < 0.6:
        zoom = rng.uniform(1.0, 1.15)
        room = size * (zoom - 1)
        x, y = rng.uniform(0, 1, 2) * room
        move = np.float32([[zoom, 0, -x], [0, zoom, -y]])
        photo = cv2.warpAffine(photo, move, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if rng.random() < 0.4:
        less = int(size * rng.uniform(0.6, 0.95))
        photo = cv2.resize(
            cv2.resize(photo, (less, less), interpolation=cv2.INTER_AREA), (size, size), interpolation=cv2.INTER_CUBIC
        )
    gain = np.float32(rng.uniform(0.82, 1.15) * rng.uniform(0.95, 1.05, 3))
    photo = photo * gain + np.float32(rng.uniform(-0.02, 0.03))
    if rng.random() < 0.4:
        photo = cv2.GaussianBlur(photo, (5, 5), float(rng.uniform(0.3, 1.1)))
    if rng.random() < 0.5:
        photo = _sharpen(photo, float(rng.uniform(0.1, 0.9)))
    noise = rng.standard_normal((size, size), dtype=np.float32) * np.float32(rng.uniform(0, 0.03) * rng.random())
    photo = photo + noise[..., None]
    return np.clip(photo * 255 + 0.5, 0, 255).astype(np.uint8)


def _sharpen(image: np.ndarray, amount: float) -> np.ndarray:
    """Unsharp mask."""
    return cv2.addWeighted(image, 1 + amount, cv2.GaussianBlur(image, (5, 5), 1.0), -amount, 0)


def _basis(kept: int) -> np.ndarray:
    """The low frequencies of the discrete cosine transform of flattened 8x8 patches, (64, n), orthonormal."""
    n = np.arange(PATCH)
    waves = np.cos(np.pi * (n + 0.5) * n[:, None] / PATCH) * np.sqrt(np.where(n[:, None] == 0, 1, 2) / PATCH)
    keep = np.add.outer(n, n) < kept
    return np.ascontiguousarray(np.kron(waves, waves)[keep.ravel()].T.astype(np.float32))


_WAVES = _basis(KEPT)


def _bottleneck(image: np.ndarray) -> np.ndarray:
    """Passes the brightness of every 8x8 patch through its lowest frequencies, and colour through a quarter of the size."""
    luma = cv2.transform(image, np.float32([[1 / 3, 1 / 3, 1 / 3]]))
    rows, columns = luma.shape[0] // PATCH, luma.shape[1] // PATCH
    patches = luma.reshape(rows, PATCH, columns, PATCH).transpose(0, 2, 1, 3).reshape(rows, columns, PATCH * PATCH)
    # One product per row of patches: a larger one starts threads, which wait for those of the other processes.
    kept = patches @ _WAVES @ _WAVES.T
    low = kept.reshape(rows, columns, PATCH, PATCH).transpose(0, 2, 1, 3).reshape(luma.shape)
    colour = cv2.resize(image - luma[..., None], None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    out = cv2.resize(colour, (luma.shape[1], luma.shape[0]), interpolation=cv2.INTER_LINEAR)
    out += low[..., None]
    return out


def _upsampled(image: np.ndarray) -> np.ndarray:
    """Halves an image and doubles it again by repeating pixels and smoothing with a short kernel."""
    half = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    double = cv2.resize(half, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_NEAREST)
    kernel = np.float32([0.25, 0.5, 0.25])
    return cv2.sepFilter2D(double, -1, kernel, kernel)


def _ripple(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Gain (height, width) around 0 of uneven upsampling: it repeats every 2, 4 and 8 pixels, as each doubling stage leaves its own."""
    gain = np.zeros((PATCH, PATCH), np.float32)
    for step in (2, 4, 8):
        tile = rng.standard_normal((step, step), dtype=np.float32)
        gain += np.tile(tile - tile.mean(), (PATCH // step, PATCH // step))
    gain *= np.float32(RIPPLE) / gain.std()
    return np.tile(gain, (size[0] // PATCH, size[1] // PATCH))
