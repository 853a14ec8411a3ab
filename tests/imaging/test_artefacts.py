import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesion_core.errors import ConfigError, ImageError
from lesion_core.imaging.artefacts import ARTEFACTS, add_artefact, noise, step


def photo(height=160, width=200, seed=0):
    """Mid tones, so that every artefact can darken and brighten."""
    rng = np.random.default_rng(seed)
    return np.clip(150 + 30 * noise(rng, (height, width), 5, 3)[..., None] + (20, -10, -20), 40, 215).astype(np.uint8)


@pytest.mark.parametrize("name", ARTEFACTS)
@pytest.mark.parametrize("shape", [(160, 200), (200, 150), (64, 64), (33, 90)])
@pytest.mark.parametrize("strength", [0.05, 0.5, 1.0])
def test_changes_something_and_only_within_the_mask(name, shape, strength):
    image = photo(*shape)
    before = image.copy()
    result, mask = add_artefact(image, name, seed=3, strength=strength)
    assert np.array_equal(image, before), "the image that was given has changed"
    assert result.dtype == np.uint8 and result.shape == image.shape
    assert mask.dtype == np.bool_ and mask.shape == shape
    changed = (result != image).any(-1)
    assert changed.any()
    assert not (changed & ~mask).any()
    assert changed[mask].mean() > 0.8, "the mask is much larger than what changed"


@given(seed=st.integers(0, 2**32), strength=st.floats(0.01, 1.0), name=st.sampled_from(sorted(ARTEFACTS)))
@settings(max_examples=40, deadline=None)
def test_invariants_at_any_seed_and_strength(seed, strength, name):
    image = photo(72, 96)
    first, mask = add_artefact(image, name, seed, strength)
    again, _ = add_artefact(image, name, seed, strength)
    assert np.array_equal(first, again)
    assert np.array_equal(first[~mask], image[~mask])


@pytest.mark.parametrize("name", ARTEFACTS)
def test_more_strength_covers_more(name):
    image = photo()
    share = [np.mean([add_artefact(image, name, seed, s)[1].mean() for seed in range(12)]) for s in (0.1, 0.5, 1.0)]
    assert share[0] < share[1] < share[2]


@pytest.mark.parametrize("name", ARTEFACTS)
def test_scales_with_the_picture(name):
    shares = [np.mean([add_artefact(photo(n, n), name, seed, 0.6)[1].mean() for seed in range(6)]) for n in (192, 576)]
    assert shares[0] == pytest.approx(shares[1], rel=0.6), "the covered share depends on the size in pixels"


def test_seeds_and_names_differ():
    image = photo()
    pictures = [add_artefact(image, name, seed)[0].tobytes() for name in ARTEFACTS for seed in (0, 1)]
    assert len(set(pictures)) == len(pictures)


def test_each_looks_like_itself():
    image = photo()
    for name, darker in {"hair": True, "ruler": True, "dark_corner": True, "ink": True, "glare": False}.items():
        result, mask = add_artefact(image, name, 1, 0.8)
        assert (result[mask].mean() < image[mask].mean()) == darker, name
    ink, mask = add_artefact(image, "ink", 1)
    assert ink[mask][:, 2].mean() > ink[mask][:, :2].mean() + 30, "ink is not violet"
    corner, _ = add_artefact(image, "dark_corner", 1, 1.0)
    assert corner[0, 0].max() < 25 and np.array_equal(corner[80, 100], image[80, 100])


@pytest.mark.parametrize("value", [0, 255])
@pytest.mark.parametrize("name", ARTEFACTS)
def test_black_and_white_pictures(name, value):
    image = np.full((48, 64, 3), value, np.uint8)
    result, mask = add_artefact(image, name, 0)
    assert np.array_equal(result[~mask], image[~mask])


def test_registry_speaks_for_itself():
    assert set(ARTEFACTS) == {"hair", "ruler", "ink", "bubbles", "dark_corner", "glare"}
    for name, artefact in ARTEFACTS.items():
        assert artefact.name == name and artefact.plain.endswith(".") and artefact.plain.count(".") == 1


def test_bad_arguments():
    image = photo()
    with pytest.raises(ConfigError, match=r"'fog' .*hair, ruler, ink, bubbles, dark_corner, glare"):
        add_artefact(image, "fog", 0)
    for strength in (0.0, -0.5, 1.01, float("nan")):
        with pytest.raises(ConfigError, match="strength"):
            add_artefact(image, "hair", 0, strength)
    with pytest.raises(ConfigError, match="seed"):
        add_artefact(image, "hair", -1)
    for bad in (image[..., 0], image.astype(np.float32), np.dstack([image, image[..., :1]]), image[:0]):
        with pytest.raises(ImageError, match=r"not an? (uint8 )?RGB image"):
            add_artefact(bad, "hair", 0)


def test_noise_is_zero_mean_unit_deviation_and_the_same_at_any_size():
    for cells in (3, 12, 40):
        fields = np.stack([noise(np.random.default_rng(i), (128, 128), cells, 3) for i in range(30)])
        assert abs(fields.mean()) < 0.15
        assert fields.std() == pytest.approx(1, abs=0.15)
    small, large = (noise(np.random.default_rng(5), (n, 2 * n), 6, 2) for n in (100, 300))
    assert np.corrcoef(small.ravel(), large[1::3, 1::3].ravel())[0, 1] > 0.98


def test_step_rises_smoothly_between_its_ends():
    x = np.linspace(-1, 3, 101, dtype=np.float32)
    t = np.clip((x - 0.5) / 1.5, 0, 1)
    assert np.allclose(step(x, 0.5, 2.0), 3 * t**2 - 2 * t**3, atol=1e-6)
    assert np.allclose(step(x, 2.0, 0.5), 1 - step(x, 0.5, 2.0), atol=1e-6)
