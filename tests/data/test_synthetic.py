import time
from dataclasses import FrozenInstanceError

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lesion_core.data.synthetic.lesions import gallery, make_dataset, make_lesion, make_skin
from lesion_core.errors import ConfigError, DataError
from lesion_core.imaging.artefacts import ARTEFACTS
from lesion_core.labels import ISIC2019


@pytest.mark.parametrize("code", ISIC2019)
def test_same_arguments_same_pixels(code):
    a, b = make_lesion(code, 7, 96), make_lesion(code, 7, 96)
    assert np.array_equal(a.image, b.image) and np.array_equal(a.mask, b.mask)
    assert (a.skin_tone, a.age, a.sex, a.site) == (b.skin_tone, b.age, b.sex, b.site)
    assert not np.array_equal(a.image, make_lesion(code, 8, 96).image)


@pytest.mark.parametrize("code", ISIC2019)
@pytest.mark.parametrize("tone", [1, 3, 6])
def test_mask_is_exact(code, tone):
    """Outside of the mask is the skin without the lesion, pixel for pixel; inside it is not."""
    for seed in range(4):
        lesion, skin = make_lesion(code, seed, 192, tone), make_skin(seed, 192, tone, code)
        differs = (lesion.image != skin).any(-1)
        blur = np.ones((9, 9), np.uint8)
        assert not differs[~cv2.dilate(lesion.mask.astype(np.uint8), blur).astype(bool)].any()
        change = np.abs(lesion.image.astype(int) - skin).max(-1)
        assert change[lesion.mask].mean() > 9, "the lesion cannot be told from the skin"
        assert (change[cv2.erode(lesion.mask.astype(np.uint8), blur).astype(bool)] > 3).mean() > 0.75
        assert 0.02 < lesion.mask.mean() < 0.7
        assert cv2.connectedComponents(lesion.mask.astype(np.uint8))[0] == 2, "more than one piece"


@pytest.mark.slow
def test_size_changes_resolution_not_the_lesion():
    for code in ISIC2019:
        small, large = make_lesion(code, 3, 256), make_lesion(code, 3, 512)
        shrunk = cv2.resize(large.mask.astype(np.uint8), (256, 256), interpolation=cv2.INTER_AREA).astype(bool)
        assert (small.mask & shrunk).sum() / (small.mask | shrunk).sum() > 0.95
        a, b = (
            cv2.GaussianBlur(cv2.resize(x, (64, 64), interpolation=cv2.INTER_AREA), (0, 0), 1).ravel()
            for x in (small.image, large.image)
        )
        assert np.corrcoef(a, b)[0, 1] > 0.95


@pytest.mark.parametrize("size", [64, 32, (100, 180), (180, 100), (301, 257)])
def test_sizes(size):
    shape = (size, size) if isinstance(size, int) else size
    for code in ISIC2019:
        lesion = make_lesion(code, 1, size)
        assert lesion.image.shape == (*shape, 3) and lesion.image.dtype == np.uint8
        assert lesion.image.flags["C_CONTIGUOUS"]
        assert lesion.mask.shape == shape and lesion.mask.dtype == np.bool_ and lesion.mask.any()


@pytest.mark.slow
def test_skin_tones_grow_darker():
    brightness = [np.mean([make_skin(seed, 64, tone).mean() for seed in range(4)]) for tone in range(1, 7)]
    assert (np.diff(brightness) < -4).all()
    assert {make_lesion("NV", seed, 32).skin_tone for seed in range(60)} == {1, 2, 3}, "as in HAM10000"


def describe(image):
    """Colour histogram of the whole image, and of its fine structure; nothing of the mask."""
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).reshape(-1, 3)
    # Against the image's own border, so that skin tone and light matter less.
    rim = np.concatenate([image[:6].reshape(-1, 3), image[-6:].reshape(-1, 3)]).mean(0, keepdims=True).astype(np.uint8)
    lab = lab.astype(float) - cv2.cvtColor(rim[None], cv2.COLOR_RGB2LAB).reshape(3)
    colour = np.histogramdd(lab, (6, 5, 5), ((-150, 60), (-30, 60), (-60, 40)))[0].ravel() / len(lab)
    detail = np.abs(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_32F))
    return np.concatenate([np.sqrt(colour), [np.log(detail.mean() + 1), np.log(np.quantile(detail, 0.99) + 1)]])


@pytest.mark.slow
def test_classes_can_be_told_apart():
    """A linear model on colours alone, on seeds and skin tones that it never saw, beats chance (1/8) by far."""
    x = np.array([describe(make_lesion(code, seed, 96).image) for seed in range(26) for code in ISIC2019])
    y = np.array(ISIC2019 * 26)
    train = np.arange(len(y)) < 18 * 8
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500, C=0.1)).fit(x[train], y[train])
    assert balanced_accuracy_score(y[~train], model.predict(x[~train])) > 0.6


@pytest.mark.slow
def test_signs_of_the_diagnoses():
    """Melanoma has the most colours and is the least symmetric, vascular lesions are the reddest."""

    def asymmetry(mask):
        area = mask.astype(np.uint8)
        y, x = np.nonzero(area)
        move = np.array([[-1, 0, 2 * x.mean()], [0, -1, 2 * y.mean()]])
        turned = cv2.warpAffine(area, move, area.shape[::-1], flags=cv2.INTER_NEAREST)
        return np.logical_xor(area, turned).sum() / area.sum()

    def inside(code, measure):
        return np.mean([measure(make_lesion(code, seed, 128, 2)) for seed in range(10)])

    def variety(lesion):
        return cv2.cvtColor(lesion.image, cv2.COLOR_RGB2LAB)[lesion.mask].astype(float).std(0).sum()

    def redness(lesion):
        """Against its own skin, which is pinker around some diagnoses, as in HAM10000."""
        skin = make_skin(lesion.seed, 128, 2, lesion.diagnosis)
        red, without = (cv2.cvtColor(image, cv2.COLOR_RGB2LAB)[..., 1].astype(float) for image in (lesion.image, skin))
        return (red - without)[lesion.mask].mean()

    assert inside("MEL", lambda x: asymmetry(x.mask)) > 1.3 * inside("NV", lambda x: asymmetry(x.mask))
    assert inside("MEL", variety) > 1.1 * inside("NV", variety), "1.25 times in HAM10000"
    assert inside("VASC", redness) > max(inside(code, redness) for code in ISIC2019 if code != "VASC")


def test_patients_are_plausible():
    people = {code: [make_lesion(code, seed, 32) for seed in range(25)] for code in ("NV", "SCC")}
    for lesion in people["NV"] + people["SCC"]:
        assert 10 <= lesion.age <= 85 and lesion.age % 5 == 0
        assert lesion.sex in ("male", "female") and lesion.site
    assert np.mean([x.age for x in people["SCC"]]) > np.mean([x.age for x in people["NV"]]) + 10


def test_artefacts_are_put_on_and_masked():
    plain, dressed = make_lesion("NV", 5, 128), make_lesion("NV", 5, 128, artefacts=("hair", "ruler"))
    assert list(dressed.artefact_masks) == ["hair", "ruler"] and plain.artefact_masks == {}
    under = dressed.artefact_masks["hair"] | dressed.artefact_masks["ruler"]
    assert under.any() and np.array_equal(plain.image[~under], dressed.image[~under])
    assert np.array_equal(plain.mask, dressed.mask)
    with pytest.raises(FrozenInstanceError):
        dressed.seed = 1


def test_fast_enough():
    make_lesion("MEL", 0)
    took = []
    for i in range(24):
        start = time.process_time()
        make_lesion(ISIC2019[i % 8], i)
        took.append(time.process_time() - start)
    assert np.median(took) < 0.25, "an image should take about 0.03 s"


def test_bad_arguments():
    with pytest.raises(ConfigError, match=r"'AKIEC' .*MEL, NV, BCC, AK, BKL, DF, VASC, SCC"):
        make_lesion("AKIEC", 0)
    for size in (31, 4096, (64,), (64, 64, 3), (64, 20), 64.0, "64"):
        with pytest.raises(ConfigError, match="size"):
            make_lesion("NV", 0, size)
    for tone in (0, 7):
        with pytest.raises(ConfigError, match="skin type"):
            make_lesion("NV", 0, 64, tone)
    with pytest.raises(ConfigError, match="seed"):
        make_lesion("NV", -1)
    with pytest.raises(ConfigError, match="fog"):
        make_lesion("NV", 0, 64, artefacts=("fog",))
    with pytest.raises(ConfigError, match="gallery"):
        gallery(0)


def test_gallery_is_varied():
    pictures = gallery(48, size=64)
    assert {x.diagnosis for x in pictures} == set(ISIC2019)
    assert {x.skin_tone for x in pictures} == set(range(1, 7))
    assert {name for x in pictures for name in x.artefact_masks} == set(ARTEFACTS)
    dressed = {x.diagnosis for x in pictures if x.artefact_masks}
    assert len(dressed) == 8, "an artefact gives the diagnosis away"
    assert len({x.image.tobytes() for x in pictures}) == 48


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    calls = []
    root = make_dataset(
        tmp_path_factory.mktemp("made") / "set", 3, 0, 64, 0.5, (1, 3), lambda done, total: calls.append((done, total))
    )
    return root, calls


def test_dataset_has_the_layout_of_ham10000(dataset):
    root, calls = dataset
    table = pd.read_csv(root / "HAM10000_metadata.csv")
    assert list(table.columns) == ["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization"]
    assert set(table.dx) == {"mel", "nv", "bcc", "akiec", "bkl", "df", "vasc"}
    assert table.image_id.is_unique and table.lesion_id.nunique() == 24 < len(table)
    assert table.groupby("lesion_id")[["dx", "age", "sex", "localization"]].nunique().to_numpy().max() == 1
    assert table.image_id.str.fullmatch(r"SYN_\d{7}").all() and table.lesion_id.str.fullmatch(r"SYNL_\d{7}").all()
    for image_id in table.image_id:
        image = cv2.imread(str(root / "HAM10000_images" / f"{image_id}.jpg"))
        mask = cv2.imread(str(root / "HAM10000_segmentations" / f"{image_id}_segmentation.png"), cv2.IMREAD_UNCHANGED)
        assert image.shape == (64, 64, 3) and mask.shape == (64, 64)
        assert set(np.unique(mask)) == {0, 255}
    assert len(list((root / "HAM10000_images").iterdir())) == len(table)
    assert calls == [(i, 24) for i in range(1, 25)]


def test_dataset_keeps_the_eight_diagnoses(dataset):
    root, _ = dataset
    truth = pd.read_csv(root / "ISIC_2019_Training_GroundTruth.csv").set_index("image")
    assert list(truth.columns) == [*ISIC2019, "UNK"]
    assert (truth.sum(axis=1) == 1).all() and truth.UNK.sum() == 0
    table = pd.read_csv(root / "HAM10000_metadata.csv").set_index("image_id")
    code = truth.idxmax(axis=1)
    assert set(code) == set(ISIC2019)
    expected = code.str.lower().replace({"ak": "akiec", "scc": "akiec"})
    assert (table.dx == expected.reindex(table.index)).all()


def test_dataset_is_the_same_for_a_seed(dataset, tmp_path):
    root, _ = dataset
    again = make_dataset(tmp_path / "again", 3, 0, 64, 0.5, (1, 3))
    names = sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())
    assert names == sorted(str(p.relative_to(again)) for p in again.rglob("*") if p.is_file())
    assert all((root / n).read_bytes() == (again / n).read_bytes() for n in names)


def test_pictures_of_one_lesion_differ(dataset):
    root, _ = dataset
    table = pd.read_csv(root / "HAM10000_metadata.csv")
    for _, group in table.groupby("lesion_id"):
        masks = [cv2.imread(str(root / "HAM10000_segmentations" / f"{i}_segmentation.png"), 0) for i in group.image_id]
        assert len({m.tobytes() for m in masks}) == len(masks)


def test_dataset_overwrites_nothing(tmp_path):
    (tmp_path / "mine.txt").write_text("dear")
    with pytest.raises(DataError, match="not an empty folder"):
        make_dataset(tmp_path, 1, 0, 64)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(DataError, match="not an empty folder"):
        make_dataset(tmp_path / "mine.txt", 1, 0, 64)


@pytest.mark.parametrize(
    "bad",
    [
        {"per_class": 0},
        {"artefact_share": 1.5},
        {"images_per_lesion": (2, 1)},
        {"images_per_lesion": (0, 1)},
        {"seed": -1},
        {"size": 8},
    ],
)
def test_dataset_refuses_bad_arguments(tmp_path, bad):
    with pytest.raises(ConfigError):
        make_dataset(tmp_path / "set", **{"per_class": 1, "seed": 0, "size": 64, **bad})
    assert not (tmp_path / "set").exists()
