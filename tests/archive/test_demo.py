"""The download of open images, against a server that answers as the archive does, and badly."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from archive_server import LEVELS, Archive, jpeg, serving

from lesion_core.archive import demo, isic
from lesion_core.archive.demo import Outcome, download_demo
from lesion_core.archive.web import Patience, Web
from lesion_core.data.catalog import discover, read
from lesion_core.errors import ConfigError, DataError, DownloadError, NotFetchedError

QUICK = Patience(connect=2, read=0.2, whole=0.3, asked=2, pause=0.01, tries=3)
ONE, TWO, THREE = "ISIC_0000001", "ISIC_0000002", "ISIC_0000003"


@pytest.fixture
def archive() -> Iterator[Archive]:
    with serving(Archive({ONE: "MEL", TWO: "NV", THREE: "BKL"})) as served:
        yield served


@pytest.fixture
def fetch(archive: Archive, tmp_path: Path) -> Callable[..., Outcome]:
    """Download the archive's first images into a folder, or those of a table."""
    table = tmp_path / "mine.csv"
    table.write_text(f"isic_id,part\n{ONE},Training\n{TWO},Training\n{THREE},\n{TWO},\n")

    def run(**given: Any) -> Outcome:
        web = Web([archive.url], QUICK)
        given = {"ids": table, **given}
        return download_demo(tmp_path / "demo", web, api=archive.api, challenges=archive.url, **given)

    return run


def test_the_folder_is_a_data_set_with_licence_attribution_and_masks(
    fetch: Callable[..., Outcome], archive: Archive, tmp_path: Path
) -> None:
    archive.facts[ONE] = {"lesion_id": "IL_1", "patient_id": "IP_1", "anatom_site_1": "Trunk"}
    seen: list[tuple[int, int]] = []
    outcome = fetch(on_progress=lambda *at: seen.append(at))
    assert outcome.left_out == {} and outcome.masks == [ONE, TWO] and seen == [(0, 3), (1, 3), (2, 3), (3, 3)]
    folder = tmp_path / "demo"
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.*") if not p.name.startswith(".")) == [
        *(f"demo/{name}" for name in ("ids.csv", f"images/{ONE}.jpg", f"images/{TWO}.jpg", f"images/{THREE}.jpg")),
        *(f"demo/masks/{name}_segmentation.png" for name in (ONE, TWO)),
        *("demo/metadata.csv", "mine.csv"),
    ]
    rows = pd.read_csv(folder / "metadata.csv", dtype=str).set_index("isic_id")
    assert set(rows["copyright_license"]) == {"CC-0"} and set(rows["attribution"]) == {"Anonymous, of a clinic"}
    for name in rows.index:
        assert rows.loc[name, "sha256"] == hashlib.sha256(jpeg(int(name[5:]))).hexdigest()
    assert discover(folder) == {"isic_archive": folder}
    table = read("isic_archive", folder).table.set_index("image_id")
    assert table["diagnosis"].to_dict() == {ONE: "MEL", TWO: "NV", THREE: "BKL"}
    assert table.loc[ONE, ["lesion_id", "age", "sex", "site"]].tolist() == ["IL_1", 50.0, "female", "trunk"]
    assert table["path"].notna().all() and table["mask_path"].notna().tolist() == [True, True, False]


def test_each_other_diagnosis_is_searched_page_by_page(archive: Archive, tmp_path: Path, monkeypatch: Any) -> None:
    """The lowest ids of what the search finds, one of each lesion, none of another licence; the choice then stands."""
    shipped = tmp_path / "shipped.csv"
    shipped.write_text(f"isic_id,code,part\n{ONE},MEL,Training\n{TWO},NV,\n{THREE},BKL,\n")
    monkeypatch.setattr(demo, "SHIPPED", shipped)
    monkeypatch.setattr(demo, "PER_DIAGNOSIS", 3)
    searched = [code for code in LEVELS if code not in ("MEL", "NV", "BKL")]
    for at, code in enumerate(searched):
        archive.images |= {f"ISIC_000{at}1{i:02}": code for i in range(5)}
    archive.facts |= {name: {"lesion_id": "IL_7"} for name in ("ISIC_0000100", "ISIC_0000101")}
    archive.licences["ISIC_0001100"] = "CC-BY-NC"
    archive.facts["ISIC_0002100"] = {"image_type": "clinical: close-up"}

    def run() -> Outcome:
        return download_demo(
            tmp_path / "demo", Web([archive.url], QUICK), api=archive.api, challenges=archive.url, masks=False
        )

    outcome = run()
    assert outcome.by_diagnosis() == {code: 1 if code in ("MEL", "NV", "BKL") else 3 for code in LEVELS}
    assert [name for name in outcome.rows if name.startswith("ISIC_00001")] == [f"ISIC_000010{i}" for i in (0, 2, 3)]
    assert [name for name in outcome.rows if name.startswith("ISIC_00011")] == [f"ISIC_000110{i}" for i in (1, 2, 3)]
    assert len(archive.queries) == 5
    assert all(
        query.startswith('copyright_license:"CC-0" AND image_type:dermoscopic AND ') for query in archive.queries
    )
    assert archive.asked["/api/v2/images/search/"] == 15, "three pages of each"
    archive.images["ISIC_0000000"] = searched[0]
    again = run()
    assert list(again.rows) == list(outcome.rows) and again.fetched == [] and len(archive.queries) == 5


def test_a_stopped_download_goes_on_and_whole_files_are_not_fetched_again(
    fetch: Callable[..., Outcome], archive: Archive, tmp_path: Path
) -> None:
    def stop(done: int, _: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(on_progress=stop)
    assert len(pd.read_csv(tmp_path / "demo" / "metadata.csv")) == 2
    outcome = fetch()
    assert outcome.fetched == [THREE] and list(outcome.rows) == [ONE, TWO, THREE]
    assert {archive.asked[f"/images/{name}.jpg"] for name in (ONE, TWO, THREE)} == {1}


def test_a_file_that_changed_is_told_and_fetched_again(fetch: Callable[..., Outcome], tmp_path: Path) -> None:
    fetch()
    (tmp_path / "demo" / "images" / f"{TWO}.jpg").write_bytes(jpeg(99))
    (tmp_path / "demo" / "images" / f"{THREE}.jpg").unlink()
    outcome = fetch()
    assert outcome.fetched == [TWO, THREE] and "no longer what was fetched: 1, such as ISIC_0000002" in outcome.notes[0]
    assert (tmp_path / "demo" / "images" / f"{TWO}.jpg").read_bytes() == jpeg(2)


def test_a_hash_in_the_table_of_ids_is_compared(fetch: Callable[..., Outcome], tmp_path: Path) -> None:
    good = hashlib.sha256(jpeg(1)).hexdigest()
    table = tmp_path / "with_hash.csv"
    table.write_text(f"isic_id,sha256\n{ONE},{good}\n{TWO},{good}\n")
    outcome = fetch(ids=table)
    assert list(outcome.rows) == [ONE] and "has changed" in outcome.left_out[TWO]
    assert not (tmp_path / "demo" / "images" / f"{TWO}.jpg").exists()


@pytest.mark.parametrize("licence", ["CC-BY-NC", "CC-BY", "", "cc-0", "CC-0 or so"])
def test_only_cc_0_is_taken(licence: str, fetch: Callable[..., Outcome], archive: Archive) -> None:
    archive.licences[TWO] = licence
    outcome = fetch(masks=False)
    assert list(outcome.rows) == [ONE, THREE] and "licence" in outcome.left_out[TWO]
    assert archive.asked[f"/images/{TWO}.jpg"] == 0


def test_a_redirect_is_followed_to_the_same_server_and_no_other(
    fetch: Callable[..., Outcome], archive: Archive
) -> None:
    with serving(Archive({TWO: "NV"})) as other:
        archive.elsewhere[ONE] = f"{archive.url}moved"
        archive.bad["/moved"] = [(302, {"Location": f"/images/{ONE}.jpg"})]
        archive.elsewhere[TWO] = f"{archive.url}away"
        archive.bad["/away"] = [(302, {"Location": f"{other.url}images/{TWO}.jpg"})]
        archive.elsewhere[THREE] = "file:///etc/passwd"
        outcome = fetch(masks=False)
        assert list(outcome.rows) == [ONE] and not other.asked
        assert all("not one of the servers asked" in outcome.left_out[name] for name in (TWO, THREE))


def test_redirects_end(fetch: Callable[..., Outcome], archive: Archive) -> None:
    archive.elsewhere[ONE] = f"{archive.url}round"
    archive.bad["/round"] = [(302, {"Location": "/round"})] * 50
    assert "redirected more than" in fetch(masks=False).left_out[ONE]


@pytest.mark.parametrize(
    "way", ["truncated", "stalls", "drips", b"<html>no picture</html>", jpeg(2)[:700], (500, {})], ids=str
)
def test_what_comes_damaged_is_fetched_again_then_told(
    way: Any, fetch: Callable[..., Outcome], archive: Archive, tmp_path: Path
) -> None:
    path = f"/images/{TWO}.jpg"
    archive.bad[path] = [way]
    outcome = fetch(masks=False)
    assert outcome.left_out == {} and archive.asked[path] == 2
    (tmp_path / "demo" / "images" / f"{TWO}.jpg").unlink()
    archive.bad[path] = [way] * 10
    outcome = fetch(masks=False)
    assert list(outcome.rows) == [ONE, THREE] and list(outcome.left_out) == [TWO]
    assert sorted(p.name for p in (tmp_path / "demo" / "images").iterdir()) == [f"{ONE}.jpg", f"{THREE}.jpg"]


def test_what_is_not_there_is_told_and_the_others_go_on(fetch: Callable[..., Outcome], archive: Archive) -> None:
    del archive.images[ONE]
    archive.bad[f"/images/{TWO}.jpg"] = [(404, {})]
    outcome = fetch(masks=False)
    assert list(outcome.rows) == [THREE] and all("is not there" in outcome.left_out[name] for name in (ONE, TWO))
    assert archive.asked[f"/images/{TWO}.jpg"] == 1, "a 404 is not asked for again"


def test_too_many_requests_waits_as_long_as_the_server_asks(fetch: Callable[..., Outcome], archive: Archive) -> None:
    archive.bad[f"/api/v2/images/{ONE}/"] = [(429, {"Retry-After": "1"})]
    outcome = fetch(masks=False)
    assert outcome.left_out == {} and archive.times[1] - archive.times[0] >= 1.0
    archive.bad[f"/api/v2/images/{ONE}/"] = [(429, {"Retry-After": "3600"})]
    with pytest.raises(DownloadError, match="asks to wait 60 minutes"):
        Web([archive.url], QUICK).get(f"{archive.api}images/{ONE}/", 2**20, len)
    archive.bad[f"/api/v2/images/{ONE}/"] = [(429, {})] * 20
    with pytest.raises(DownloadError, match="is busy") as busy:
        Web([archive.url], QUICK).get(f"{archive.api}images/{ONE}/", 2**20, len)
    assert not isinstance(busy.value, NotFetchedError), "it ends the download"


def test_a_server_that_is_not_there_ends_the_download_in_a_sentence() -> None:
    web = Web(["http://127.0.0.1:9/"], QUICK)
    with pytest.raises(DownloadError, match="cannot be reached \\(the connection was refused\\)") as away:
        web.get("http://127.0.0.1:9/api/v2/images/ISIC_0000001/", 2**20, len)
    assert not isinstance(away.value, NotFetchedError)


def test_what_is_too_large_is_not_read(archive: Archive) -> None:
    web = Web([archive.url], QUICK)
    with pytest.raises(NotFetchedError, match="more than 0 MiB"):
        web.get(f"{archive.url}images/{ONE}.jpg", 100, len)
    archive.bad[f"/images/{ONE}.jpg"] = [(200, {"Content-Length": str(2**40)})]
    with pytest.raises(NotFetchedError, match="more than 1 MiB"):
        web.get(f"{archive.url}images/{ONE}.jpg", 2**20, len)


def records() -> list[tuple[str, Any]]:
    good = Archive({ONE: "MEL"}).record(ONE)
    return [
        ("not JSON", b"{"),
        ("deep", b"[" * 100_000),
        ("a list", b"[]"),
        ("no licence", {k: v for k, v in good.items() if k != "copyright_license"}),
        ("an id that is a path", {**good, "isic_id": "../../ISIC_0000001"}),
        ("another id", {**good, "isic_id": TWO}),
        ("no file", {**good, "files": {}}),
        ("facts that are a list", {**good, "metadata": {"clinical": []}}),
    ]


@pytest.mark.parametrize(("what", "sent"), records(), ids=[what for what, _ in records()])
def test_a_record_of_another_form_is_told(
    what: str, sent: Any, fetch: Callable[..., Outcome], archive: Archive
) -> None:
    body = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    archive.bad[f"/api/v2/images/{ONE}/"] = [body] * 10
    outcome = fetch(masks=False)
    assert list(outcome.rows) == [TWO, THREE] and list(outcome.left_out) == [ONE], what


def test_a_search_that_runs_in_a_circle_ends(archive: Archive) -> None:
    page = {"results": [], "next": f"{archive.api}images/search/?query=diagnosis_3:%22Nevus*%22"}
    archive.bad["/api/v2/images/search/"] = [json.dumps(page).encode()] * 50
    assert list(isic.search(Web([archive.url], QUICK), archive.api, 'diagnosis_3:"Nevus*"')) == []
    assert archive.asked["/api/v2/images/search/"] == 2


def test_damaged_masks_are_told_and_not_kept(fetch: Callable[..., Outcome], archive: Archive, tmp_path: Path) -> None:
    archive.bad["/2017/ISIC-2017_Training_Part1_GroundTruth.zip"] = [b"PK\3\4 no archive"] * 10
    outcome = fetch()
    assert len(outcome.rows) == 3 and outcome.masks == [] and "ZIP" in outcome.left_out["the masks of Training"]
    assert not (tmp_path / "demo" / "masks").exists()
    archive.bad.clear()
    assert fetch().masks == [ONE, TWO]


def test_a_mask_of_another_frame_is_named_and_not_kept(
    fetch: Callable[..., Outcome], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("archive_server.mask", lambda: jpeg(1))
    outcome = fetch()
    why = outcome.left_out[f"the mask of {ONE}"]
    assert outcome.masks == [] and f"{ONE}_segmentation.png is not binary" in why
    assert not list((tmp_path / "demo").glob("masks/*"))


def test_other_folders_and_tables_are_refused_before_anything_is_fetched(
    fetch: Callable[..., Outcome], archive: Archive, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("isic_id\nISIC_12\n")
    with pytest.raises(DataError, match="such as ISIC_12"):
        fetch(ids=bad)
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "metadata.csv").write_text("of another data set")
    with pytest.raises(ConfigError, match="holds other things"):
        fetch()
    (tmp_path / "demo" / "metadata.csv").unlink()
    (tmp_path / "demo").rmdir()
    (tmp_path / "demo").write_text("a file")
    with pytest.raises(ConfigError, match="cannot be written"):
        fetch()
    assert not archive.asked


def test_the_command_tells_what_is_here_and_what_is_left_out(
    call: Any, archive: Archive, tmp_path: Path, monkeypatch: Any
) -> None:
    table = tmp_path / "mine.csv"
    table.write_text(f"isic_id\n{ONE}\n{TWO}\n")
    archive.licences[TWO] = "CC-BY"
    arguments = ("download", "demo", "--out", tmp_path / "demo", "--ids", table, "--server", archive.api)
    code, out, err = call(*arguments, "--json")
    found = json.loads(out)
    assert code == 1 and found["by_diagnosis"] == {"MEL": 1} and list(found["left_out"]) == [TWO]
    assert f"Left out, {TWO}: Its licence is CC-BY, not CC-0." in err
    del archive.licences[TWO]
    assert call(*arguments)[0] == 0
    assert call("download", "demo", "--server", "ftp://a")[0] == 1

    def full(path: Path, _: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    (tmp_path / "demo" / "images" / f"{ONE}.jpg").unlink()
    monkeypatch.setattr(Path, "write_bytes", full)
    code, out, err = call(*arguments)
    assert code == 1 and "No space left on device" in err and "Traceback" not in err


def test_the_shipped_ids_are_test_images_of_the_shipped_runs() -> None:
    """At least 20 melanomas; images that a run was trained on would flatter it."""
    shipped = pd.read_csv(demo.SHIPPED)
    assert shipped["isic_id"].is_unique and shipped["code"].value_counts().to_dict() == {"MEL": 30, "NV": 30, "BKL": 30}
    assert set(shipped["part"]) <= set(demo.PARTS)
    for path in sorted((Path(__file__).parents[2] / "checkpoints").glob("resnet*/predictions.parquet")):
        rows = pd.read_parquet(path).set_index("image_id").loc[shipped["isic_id"]]
        assert (rows["split"] == "test").all() and (rows["label"].to_numpy() == shipped["code"].to_numpy()).all()
        lesions = rows["lesion_id"].dropna()
        assert lesions.is_unique
