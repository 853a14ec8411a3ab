"""MILK10k and PAD-UFES-20 as they are published, what becomes of their lesions, and images in several forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesion_core.config import SplitSettings
from lesion_core.data.catalog import discover, read
from lesion_core.data.collection import collect
from lesion_core.data.masks import read_mask
from lesion_core.data.readers.milk10k import CLASSES
from lesion_core.data.splits import assign_roles
from lesion_core.data.synthetic.lesions import make_dataset
from lesion_core.data.tables import TO_CHOOSE_WITH
from lesion_core.data.training_table import training_table
from lesion_core.errors import DataError

LESIONS = {"IL_1": "MEL", "IL_2": "AKIEC", "IL_3": "SCCKA", "IL_4": "INF", "IL_5": "BEN_OTH"}
PAD_HEADER = "patient_id,lesion_id,age,gender,region,diagnostic,img_id,biopsed"


def text(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def picture(path: Path, size: tuple[int, int] = (24, 24)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (200, 150, 140)).save(path)


def milk(root: Path, lesions: dict[str, str] = LESIONS, *, confirmed: bool = True) -> Path:
    """A dermoscopic image D<n> and a close-up C<n> of each lesion."""
    rows = {name: ["1.0" if code == own else "0.0" for code in CLASSES] for name, own in lesions.items()}
    text(
        root / "MILK10k_Training_GroundTruth.csv",
        ",".join(["lesion_id", *CLASSES]),
        *(",".join([name, *cells]) for name, cells in rows.items()),
    )
    images = [(f"{form}{name[3:]}", name, kind) for name in lesions for form, kind in FORMS.items()]
    text(
        root / "MILK10k_Training_Metadata.csv",
        "lesion_id,image_type,isic_id,age_approx,sex,skin_tone_class,site",
        *(f"{lesion},{kind},{image},70.0,male,3,upper_extremity" for image, lesion, kind in images),
    )
    if confirmed:
        text(
            root / "MILK10k_Training_Supplement.csv",
            "isic_id,diagnosis_full,diagnosis_confirm_type",
            *(f"{image},whatever,histopathology" for image, _, _ in images),
        )
    for image, _, _ in images:
        picture(root / "images" / f"{image}.jpg")
    return root


FORMS = {"D": "dermoscopic", "C": "clinical: close-up"}


def pad(root: Path, patients: int = 4) -> Path:
    rows = [
        f"PAT_{i},{n},55,FEMALE,ARM,{'NEV' if n else 'ACK'},PAT_{i}_{n}.png,True"
        for i in range(patients)
        for n in (0, 1)
    ]
    text(root / "metadata.csv", PAD_HEADER, *rows)
    for row in rows:
        picture(root / "images" / row.split(",")[6].replace(".png", ".jpg"))
    return root


def test_milk10k_has_its_dermoscopy_and_its_close_ups_apart(tmp_path: Path) -> None:
    milk(tmp_path / "milk")
    found = discover(tmp_path)
    assert set(found) == {"milk10k", "milk10k_close_ups"}
    table = read("milk10k", found["milk10k"]).table.set_index("lesion_id")
    assert table["image_id"].tolist() == ["D1", "D2", "D3", "D4", "D5"]
    assert table["diagnosis"].fillna("").tolist() == ["MEL", "AK", "SCC", "", ""]
    assert table["other_diagnosis"].dropna().to_dict() == {
        "IL_4": "inflammatory or infectious",
        "IL_5": "other benign",
    }
    assert set(table["dx_type"]) == {"histo"} and set(table["site"]) == {"upper extremity"}
    close = read("milk10k_close_ups", tmp_path / "milk").table
    assert close["image_id"].str[0].eq("C").all() and set(close["lesion_id"]) == set(LESIONS)
    assert not any("no table lists" in note for note in read("milk10k", tmp_path / "milk").notes)


def test_milk10k_without_the_table_of_confirmations(tmp_path: Path) -> None:
    assert read("milk10k", milk(tmp_path, confirmed=False)).table["dx_type"].isna().all()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda root: (root / "MILK10k_Training_Metadata.csv").unlink(), "MILK10k metadata"),
        (lambda root: text(root / "MILK10k_Training_GroundTruth.csv", "lesion_id,MEL", "IL_1,1.0"), "AKIEC"),
        (
            lambda root: text(
                root / "MILK10k_Training_GroundTruth.csv",
                ",".join(["lesion_id", *CLASSES]),
                *[",".join(["IL_1", *(["1.0"] + ["0.0"] * 10)])] * 2,
            ),
            "more than once",
        ),
        (
            lambda root: text(
                root / "MILK10k_Training_Metadata.csv",
                "lesion_id,image_type,isic_id,age_approx,sex,site",
                "IL_1,clinical: close-up,C1,70,male,hand",
            ),
            "no such image",
        ),
    ],
)
def test_damaged_milk10k_is_refused(tmp_path: Path, spoil: object, words: str) -> None:
    milk(tmp_path)
    spoil(tmp_path)  # type: ignore[operator]
    with pytest.raises(DataError, match=words):
        read("milk10k", tmp_path)


def test_a_lesion_without_truth_is_told(tmp_path: Path) -> None:
    milk(tmp_path)
    lines = (tmp_path / "MILK10k_Training_GroundTruth.csv").read_text().splitlines()
    text(tmp_path / "MILK10k_Training_GroundTruth.csv", *lines[:-1])
    notes = read("milk10k", tmp_path).notes
    assert any("1 of the 5 images show a lesion that" in note and "D5" in note for note in notes)


def test_pad_ufes_20_is_told_from_other_tables_of_that_name(tmp_path: Path) -> None:
    pad(tmp_path / "pad")
    assert discover(tmp_path) == {"pad_ufes_20": tmp_path / "pad"}
    table = read("pad_ufes_20", tmp_path / "pad").table
    assert table["diagnosis"].value_counts().to_dict() == {"AK": 4, "NV": 4}
    assert table["lesion_id"].tolist()[:2] == ["PAT_0_0", "PAT_0_1"] and set(table["dx_type"]) == {"histo"}
    text(tmp_path / "pad" / "metadata.csv", PAD_HEADER, "PAT_1,1,5,MALE,ARM,XYZ,PAT_1_1.png,True")
    with pytest.raises(DataError, match="unknown diagnoses"):
        read("pad_ufes_20", tmp_path / "pad")


@pytest.fixture
def both(tmp_path: Path) -> tuple[Path, Path]:
    """A folder with ISIC 2019 and HAM10000, and one with MILK10k and PAD-UFES-20."""
    make_dataset(tmp_path / "data" / "synthetic", per_class=6, seed=0, size=48)
    lesions = {f"IL_{i}": code for i, code in enumerate(["MEL", "BCC", "INF"] * 30)}
    milk(tmp_path / "elsewhere" / "milk", lesions)
    pad(tmp_path / "elsewhere" / "pad", patients=40)
    return tmp_path / "data", tmp_path / "elsewhere"


def test_milk10k_is_trained_on_and_strangers_are_kept_by_lesion_and_patient(both: tuple[Path, Path]) -> None:
    alone = collect(both[0], SplitSettings())
    found = collect(both, SplitSettings(), known=alone.manifest)
    own = found.table[found.table["dataset"] != "milk10k"]
    assert own["role"].tolist() == alone.table["role"].tolist()  # nobody's role changes
    more = found.table[found.table["dataset"] == "milk10k"]
    assert set(more["diagnosis"]) == {"MEL", "BCC"} and len(more) == 60
    assert more["role"].tolist() == assign_roles(more["lesion_id"], SplitSettings()).tolist()
    ood = found.ood.set_index("image_id")
    assert ood["kind"].value_counts().to_dict() == {
        "clinical close-up": 90,
        "smartphone photograph": 80,
        "other diagnosis": 30,
    }
    # A close-up is on the side of its lesion's dermoscopic image.
    roles = more.set_index("image_id")["role"]
    for image in more["image_id"]:
        shown = ood.loc[f"C{image[1:]}", "source"] != TO_CHOOSE_WITH
        assert shown == (roles[image] == "test")
    phone = ood[ood["kind"] == "smartphone photograph"]
    by_patient = phone.groupby(phone.index.str.rsplit("_", n=1).str[0])["source"].nunique()
    assert (by_patient == 1).all() and phone["source"].nunique() == 2


def test_the_finest_form_of_an_image_is_used_with_its_part_of_the_mask(both: tuple[Path, Path]) -> None:
    root = both[0]
    plain = training_table(root).table.set_index("image_id")
    ham = plain[plain["mask_path"].notna()]
    first, second = ham.index[:2]
    folder = root / "synthetic_fine"
    folder.mkdir()
    (table,) = (root / "synthetic").rglob("HAM10000_metadata.csv")
    (folder / table.name).write_bytes(table.read_bytes())
    width, height = 64, 48
    picture(Path(str(ham.loc[first, "path"])), (width, height))
    whole = np.random.default_rng(0).random((height, width)) < 0.5
    Image.fromarray(whole).save(str(ham.loc[first, "mask_path"]))
    picture(folder / "images" / f"{first}.jpg", (2 * height, 2 * height))
    picture(folder / "images" / f"{second}.jpg", (height // 2, height // 2))  # coarser: not used
    assert training_table(root).table.equals(plain.reset_index()[training_table(root).table.columns])
    catalog = training_table(root, "finest")
    fine = catalog.table.set_index("image_id")
    assert fine.loc[first, "path"].endswith(f"synthetic_fine/images/{first}.jpg")
    assert fine["path"].drop(first).equals(plain["path"].drop(first))
    assert any("of 1 images the finer form is used, in synthetic_fine." in note for note in catalog.notes)
    cut = read_mask(Path(str(fine.loc[first, "mask_path"])), (height, height))
    np.testing.assert_array_equal(cut, whole[:, 8:56])
