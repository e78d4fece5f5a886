"""Views of one picture to look at."""

import numpy as np
from PIL import Image

from lib import study
from lib.data.images import examples
from lib.data.images.views import ImageFile


def test_nine_views_are_what_training_draws_and_are_the_same_again(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 260, 3), "uint8")).save(path)
    file = ImageFile(path, study.file_hash(path))
    for recipe in study.RECIPES.values():
        views = examples.nine_views(file, recipe, 7)
        assert len(views) == 9 and {*examples.DEGRADED} < {*views}
        assert {view.shape for view in views.values()} == {(recipe.image_size, recipe.image_size, 3)}
        again = examples.nine_views(file, recipe, 7)
        assert all((views[name] == again[name]).all() for name in views)
        assert len({view.tobytes() for view in views.values()}) == 9
