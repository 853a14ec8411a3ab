"""MkDocs hook: a page of the API for each room of `lesion_core`, made from the folders, so that no list gets old."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).resolve().parents[1]
NO_API = {"cli"}
"""Rooms that nobody imports."""


def pages() -> dict[str, str]:
    """The text of each page by its address: ``api/<room>.md``, and ``api/index.md`` for modules outside of rooms."""
    library = ROOT / "lesion_core"
    rooms = sorted(folder for folder in library.iterdir() if (folder / "__init__.py").is_file())
    found = {"api/index.md": _page("lesion_core", sorted(library.glob("*.py")))}
    for room in rooms:
        if room.name not in NO_API:
            found[f"api/{room.name}.md"] = _page(f"lesion_core.{room.name}", sorted(room.rglob("*.py")))
    return found


def _page(title: str, sources: list[Path]) -> str:
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sources if not path.stem.startswith("_")
    ]
    return "\n\n".join([f"# {title}", *(f"::: {module}" for module in modules)]) + "\n"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the pages to the navigation."""
    assert config.nav is not None
    config.nav.append({"The library": [{Path(address).stem: address} for address in pages()]})
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages themselves."""
    for address, text in pages().items():
        files.append(File.generated(config, address, content=text))
    return files
