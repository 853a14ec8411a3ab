"""Files that change at once: whatever a writer dies of, and at whichever step, its readers find all old or all new."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lesion_core import files
from lesion_core.errors import BusyError, ConfigError
from tests.disk_faults import FAULTS, Death, failing

OLD = {"a": "old a", "b": "old b", "kept": "kept"}
NEW = {"a": "new a", "b": "new b", "kept": "kept", "added": "new"}


def write(folder: Path, wanted: dict[str, str]) -> None:
    with files.rewritten(folder) as new:
        for name, text in wanted.items():
            if name != "kept":
                (new / name).write_text(text)


def read(folder: Path) -> dict[str, str]:
    """As one who may not write: by `current` alone."""
    names = (*NEW, "other")
    return {name: path.read_text() for name in names if (path := files.current(folder, name)).is_file()}


def old(folder: Path) -> Path:
    folder.mkdir()
    for name, text in OLD.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("kind", FAULTS)
def test_a_writer_that_fails_at_any_step_leaves_old_or_new(kind: str, tmp_path: Path) -> None:
    error, deadly = FAULTS[kind]
    outcomes = []
    for at in range(1, 100):
        folder = old(tmp_path / str(at))
        done = False
        try:
            with failing(at, error, deadly) as fault:
                write(folder, NEW)
                done = True
        except (Death, KeyboardInterrupt, OSError):
            pass
        found = read(folder)
        assert found in (OLD, NEW), f"step {at} left a mixture"
        outcomes.append(found)
        if found == OLD and not deadly:
            assert {path.name for path in folder.iterdir()} == set(OLD), f"step {at} left something over"
        write(folder, {"other": "next"})  # the next writer goes on, and clears up
        assert read(folder) == {**found, "other": "next"}
        assert {path.name for path in folder.iterdir()} == {*found, "other"}
        if done and fault.at > 0:
            break
    assert done and at > 10
    assert outcomes.count(OLD) >= 3
    if deadly:  # there is one moment of change; a step that only clears up may fail before it
        assert outcomes == sorted(outcomes, key=lambda found: found == NEW)


@pytest.mark.parametrize("deadly", [True, False])
def test_who_finishes_for_a_killed_writer_may_be_killed_too(deadly: bool, tmp_path: Path) -> None:
    for at in range(1, 30):
        folder = old(tmp_path / str(at))
        (folder / files.COMPLETE).mkdir()
        for name, text in NEW.items():
            if name != "kept":
                (folder / files.COMPLETE / name).write_text(text)
        assert read(folder) == NEW
        try:
            with failing(at, Death, deadly):
                files.finish(folder)
        except Death:
            pass
        assert read(folder) == NEW
        write(folder, {})
        assert {path.name: path.read_text() for path in folder.iterdir()} == NEW


def test_a_new_folder_that_was_not_completed_is_not_left_over(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), files.rewritten(tmp_path / "new") as new:
        (new / "a").write_text("a")
        _ = 1 / 0
    assert not list(tmp_path.iterdir())


def test_a_folder_in_the_place_of_a_file_is_told_before_anything_changes(tmp_path: Path) -> None:
    folder = old(tmp_path / "run")
    (folder / "added").mkdir()
    with pytest.raises(ConfigError, match="added is a folder"):
        write(folder, NEW)
    (folder / "added").rmdir()
    assert {path.name: path.read_text() for path in folder.iterdir()} == OLD


def test_two_writers_never_mix(tmp_path: Path) -> None:
    folder = old(tmp_path / "run")
    with files.rewritten(folder) as new:
        (new / "a").write_text("first")
        with pytest.raises(BusyError, match="is being written by another process"):
            write(folder, NEW)
        (new / "b").write_text("first")
        second = threading.Thread(target=lambda: write_when_free(folder))
        second.start()
    second.join(20)
    assert read(folder) == {"a": "second", "b": "second", "kept": "kept"}
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def write_when_free(folder: Path) -> None:
    with files.rewritten(folder, wait=True) as new:
        assert read(folder) == {"a": "first", "b": "first", "kept": "kept"}
        for name in ("a", "b"):
            (new / name).write_text("second")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_process_that_was_forked_keeps_nobody_out_after_its_parent(tmp_path: Path) -> None:
    with files.locked(tmp_path):
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(theirs)
            os.read(ours, 1)  # until the parent is done
            os._exit(0)
    try:
        with files.locked(tmp_path):
            pass
    finally:
        os.write(theirs, b"x")
        os.waitpid(child, 0)


def test_readers_beside_a_writer_never_see_a_mixture(tmp_path: Path) -> None:
    folder = old(tmp_path / "run")
    generations = [dict.fromkeys(("a", "b"), f"{i}") for i in range(150)]
    done = threading.Event()

    def work() -> None:
        for wanted in generations:
            write(folder, wanted)
        done.set()

    writer = threading.Thread(target=work)
    writer.start()
    last, seen = -1, set()
    while not done.is_set():
        try:
            a = files.current(folder, "a").read_text()
            b = files.current(folder, "b").read_text()
        except FileNotFoundError:  # moved between the look and the reading
            continue
        if not a.startswith("old"):
            assert int(a) >= last and (b.startswith("old") or int(b) >= int(a)), "an older file after a newer one"
            last = int(a)
            seen.add(a)
    writer.join()
    assert len(seen) > 10


def test_a_file_that_is_not_completed_leaves_the_old_one_and_no_folder(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    for path in (tmp_path / "old", tmp_path / "a" / "b" / "new"):
        with pytest.raises(OSError, match="full"), files.written(path) as new:
            new.write_text("half")
            raise OSError("the disk is full")
    assert [path.name for path in tmp_path.iterdir()] == ["old"] and (tmp_path / "old").read_text() == "old"
    with files.written(tmp_path / "a" / "b" / ("n" * 250)) as new:
        new.write_text("whole")
    assert [path.read_text() for path in (tmp_path / "a" / "b").iterdir()] == ["whole"]


@pytest.mark.parametrize("kind", FAULTS)
def test_a_file_is_old_or_new_at_any_step(kind: str, tmp_path: Path) -> None:
    error, deadly = FAULTS[kind]
    for at in range(1, 30):
        path = tmp_path / "file"
        path.write_text("old")
        done = False
        with contextlib.suppress(Death, KeyboardInterrupt, OSError, ConfigError), failing(at, error, deadly) as fault:
            with files.written(path) as new:
                new.write_text("new")
            done = True
        assert path.read_text() == "new" if done else path.read_text() in ("old", "new")
        if not deadly:
            assert [found.name for found in tmp_path.iterdir()] == ["file"]
        if done and fault.at > 0:
            break
    assert done


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_what_a_killed_writer_left_is_cleared_and_a_living_one_keeps_its_own(tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        with files.written(tmp_path / "a") as new:
            new.write_text("half")
            os.write(theirs, b"x")
            signal.pause()
    os.read(ours, 1)
    (half,) = tmp_path.iterdir()
    for name in ("b", "c"):
        with files.written(tmp_path / name) as new:
            new.write_text(name)
        assert half.read_text() == "half", "its writer lives"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert half.exists() and not (tmp_path / "a").exists()
    with files.written(tmp_path / "d") as new:
        new.write_text("d")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {name: name for name in "bcd"}


def test_a_file_that_its_writer_made_anew_is_not_cleared_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One clears it up while another one has it open, and its writer makes it again before the other one looks."""
    left, taken = tmp_path / f"{files.ASIDE}1", files._taken
    left.write_text("killed")

    def made_anew(handle: int, wait: bool) -> bool:
        left.unlink()
        left.write_text("alive")
        return taken(handle, wait)

    monkeypatch.setattr(files, "_taken", made_anew)
    files._clear(tmp_path)
    assert left.read_text() == "alive"


def test_many_writers_of_single_files_at_once_clear_up_nobody_s(tmp_path: Path) -> None:
    def work(letter: str) -> None:
        for i in range(60):
            with files.written(tmp_path / f"{letter}{i % 3}") as new:
                new.write_bytes(f"{letter}{i}".encode() * 1000)

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, letter) for letter in "abcdefgh"]:
            done.result()
    found = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert found == {f"{letter}{i % 3}": f"{letter}{i}".encode() * 1000 for letter in "abcdefgh" for i in range(57, 60)}


def test_a_place_that_is_not_an_ordinary_file_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    before = sorted(tmp_path.iterdir())
    for name, told in {
        "folder": "is a folder, not an ordinary file",
        "link": "is a folder, not an ordinary file",
        "pipe": "is a pipe, not an ordinary file",
        "loop": "is a loop of links, not an ordinary file",
        "file/below": "cannot be written",
        "n" * 300: "cannot be written",
    }.items():
        with pytest.raises(ConfigError, match=told), files.written(tmp_path / name):
            raise AssertionError("nothing is written")
    with pytest.raises(ConfigError, match="is a device, not an ordinary file"), files.written(Path(os.devnull)):
        raise AssertionError("nothing is written")
    with pytest.raises(ConfigError, match=r"file/below cannot be written to .* Name another one with --out"):
        files.folder_to_write(tmp_path / "file" / "below", "--out")
    assert sorted(tmp_path.iterdir()) == before and (tmp_path / "file").read_text() == "old"


def test_what_is_not_rewritten_is_read_from_the_folder_that_it_stays_in(tmp_path: Path) -> None:
    for name in ("kept", "replaced"):
        (tmp_path / name).write_text("old")
    with files.rewritten(tmp_path) as new:
        (new / "replaced").write_text("new")
        assert [files.current(new, name).read_text() for name in ("kept", "replaced")] == ["old", "new"]
        assert files.current(tmp_path, "replaced").read_text() == "old"


def test_a_lock_that_cannot_be_taken_leaves_no_handle_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed, close = [], os.close

    def fail(*_: object) -> bool:
        raise OSError("no locks here")

    monkeypatch.setattr(files, "_taken", fail)
    monkeypatch.setattr(os, "close", lambda handle: (closed.append(handle), close(handle)))
    with pytest.raises(OSError, match="no locks here"), files.locked(tmp_path):
        raise AssertionError("nobody holds it")
    assert len(closed) == 1


def test_a_lock_whose_file_was_deleted_before_it_was_taken_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, deletions = files._taken, [True, True]

    def late(handle: int, wait: bool) -> bool:
        if deletions:
            deletions.pop()
            (tmp_path / files.LOCK).unlink()
        return taken(handle, wait)

    monkeypatch.setattr(files, "_taken", late)
    with files.locked(tmp_path), pytest.raises(BusyError), files.locked(tmp_path):
        raise AssertionError("two hold it")
    assert not deletions
