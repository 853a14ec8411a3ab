"""The package: its dependencies agree with requirements.txt, and what is installed starts from any folder."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from lesion_core.cli import dashboard
from lesion_core.errors import ConfigError
from lesion_core.experiments.registry import EXPERIMENTS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def listed(name: str) -> dict[str, str]:
    """The requirements of a file and the reason that stands behind each."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    pairs = [line.partition("#") for line in lines if line and not line.startswith(("#", "-"))]
    return {requirement.strip(): reason.strip() for requirement, _, reason in pairs}


@pytest.mark.parametrize(
    ("name", "declared"),
    [
        ("requirements.txt", PROJECT["dependencies"]),
        ("requirements-dev.txt", PROJECT["optional-dependencies"]["dev"]),
    ],
)
def test_requirements_and_pyproject_agree(name: str, declared: list[str]) -> None:
    assert list(listed(name)) == declared


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_lower_bound_has_its_reason(name: str) -> None:
    for requirement, reason in listed(name).items():
        assert re.fullmatch(r"[\w.-]+>=[\d.]+(; sys_platform != \"\w+\")?", requirement), requirement
        assert len(reason) >= 4, requirement


def test_the_product_imports_what_it_requires_and_nothing_else() -> None:
    """Also inside of functions: what only the tests compare with is not installed for a user."""
    trees = [
        ast.parse(p.read_text(encoding="utf-8"))
        for d in ("lesion_core", "app", "pages")
        for p in (ROOT / d).rglob("*.py")
    ]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    outside = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {"lesion_core", "app", "pages"}
    optional = PROJECT["optional-dependencies"]["openvino"]
    required = {re.sub("[>=].*", "", line).lower() for line in (*PROJECT["dependencies"], *optional)}
    packages = packages_distributions()
    missing = [n for n in outside if not {d.lower().replace("_", "-") for d in packages.get(n, [n])} & required]
    assert not missing


def test_the_lock_file_holds_what_is_required() -> None:
    locked = dict(
        re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE)
    )
    for requirement in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]):
        name, _, bound = requirement.partition(";")[0].partition(">=")
        found = locked[name.lower().replace("_", "-")]
        assert [int(n) for n in re.findall(r"\d+", found)][:3] >= [int(n) for n in bound.split(".")], requirement


def test_the_lock_file_names_no_server() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text and "--index" not in text and "--find-links" not in text and " @ " not in text


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True, timeout=240, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.mark.slow
def test_the_wheel_holds_library_and_dashboard_and_little_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    tops = {name.split("/")[0] for name in names}
    assert tops == {"lesion_core", "lesion_lab", f"lesion_lab-{PROJECT['version']}.dist-info"}
    shown = {f"lesion_lab/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "app").rglob("*") if path.is_file()}
    assert {name for name in shown if "__pycache__" not in name} <= names
    assert "lesion_core/reports/picture.html" in names, "what the report is drawn from"
    assert "lesion_core/cli/nginx.conf" in names, "what `serve` writes for nginx"
    assert "lesion_core/py.typed" in names and "lesion_lab/app/.streamlit/config.toml" in names
    assert not any("__pycache__" in name for name in names)
    weights = {Path(name).parent.as_posix() for name in names if name.endswith(".safetensors")}
    kept = EXPERIMENTS["shortcut"].kept
    assert weights == {f"lesion_lab/experiments/shortcut/{key}" for key in kept}, "only what a lesson shows"
    assert wheel.stat().st_size < 9e6


@pytest.mark.slow
def test_what_is_installed_opens_every_page_from_another_folder(wheel: Path, runs_root: Path, tmp_path: Path) -> None:
    """The first page as the installed entrypoint draws it, with nothing of this checkout on the path."""
    place = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    code = (
        "import lesion_core\n"
        "from lesion_core.cli.dashboard import entrypoint\n"
        "from streamlit.testing.v1 import AppTest\n"
        f"assert lesion_core.__file__.startswith({str(place)!r}), lesion_core.__file__\n"
        f"assert str(entrypoint()) == {str(place / 'lesion_lab' / 'app' / 'Home.py')!r}\n"
        "page = AppTest.from_file(str(entrypoint()), default_timeout=120).run()\n"
        "assert not page.exception and page.title, page.exception\n"
        "print(*(e.value for e in (*page.markdown, *page.title)))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(place), "LESION_RUNS": str(runs_root)}
    environment.pop("LESION_DATA", None)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "small" in done.stdout


@pytest.mark.slow
def test_the_entry_point_is_the_command_line(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        points = archive.read(f"lesion_lab-{PROJECT['version']}.dist-info/entry_points.txt").decode()
    assert "lesion-lab = lesion_core.cli.main:main" in points


def test_the_dashboard_is_started_with_what_was_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LESION_RUNS", raising=False)
    script = tmp_path / "lesion_lab" / "app" / "Home.py"
    monkeypatch.chdir(tmp_path)
    start = [sys.executable, "-m", "streamlit", "run"]

    def command(data: Path | None = None, runs: Path | None = None, **options: object) -> list[str]:
        said = {"save_policies": False, "port": None, "browser": True} | options
        return dashboard.dashboard_command(script, data, runs, **said)  # type: ignore[arg-type]

    here = str(tmp_path / "checkpoints")
    assert command() == [*start, str(script), "--", "--runs", here]
    said = command(Path("data"), Path("runs"), save_policies=True, port=8600, browser=False, embed_in=["https://a.b"],
                   max_megapixels=24.5)  # fmt: skip
    own = ["--data", str(tmp_path / "data"), "--runs", str(tmp_path / "runs"), "--save-policies"]
    own += ["--embed-in", "https://a.b", "--max-megapixels", "24.5"]
    assert said == [*start, str(script), "--server.port=8600", "--server.headless=true", "--", *own]
    monkeypatch.setenv("LESION_RUNS", "elsewhere")
    assert command() == [*start, str(script)]
    monkeypatch.delenv("LESION_RUNS")
    (script.parents[1] / "checkpoints").mkdir(parents=True)
    assert command() == [*start, str(script)]


def test_a_dashboard_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard, "PLACES", (tmp_path,))
    with pytest.raises(ConfigError, match="not installed"):
        dashboard.entrypoint()


def test_the_checkout_starts_its_own_dashboard() -> None:
    assert dashboard.entrypoint() == ROOT / "app" / "Home.py"
