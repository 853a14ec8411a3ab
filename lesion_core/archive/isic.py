"""The ISIC Archive's public API, version 2: the record of an image, and searches page by page.

Its form is that of the archive's own source (ImageMarkup/isic: `isic/core/api/image.py`, `pagination.py`, `dsl.py`) and
client (ImageMarkup/isic-cli); the words for diagnoses are those of ImageMarkup/isic-metadata.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lesion_core.archive.web import Web
from lesion_core.data.readers.isic_archive import LEVELS
from lesion_core.errors import DataError, NotFetchedError
from lesion_core.foreign_text import shown
from lesion_core.labels import parse_diagnosis

API = "https://api.isic-archive.com/api/v2/"
PLACES = (
    "https://api.isic-archive.com/",
    "https://content.isic-archive.com/",
    "https://isic-archive.s3.amazonaws.com/",
    "https://isic-archive.s3.us-east-1.amazonaws.com/",
    "https://isic-challenge-data.s3.amazonaws.com/",
)
"""The archive's servers: records; images, signed or public; the tables and masks of its challenges."""
CHALLENGES = "https://isic-challenge-data.s3.amazonaws.com/"
CC_0 = "CC-0"
PER_PAGE, MOST_PAGES = 100, 20
_MOST_BYTES = 8 * 2**20
"""Of a page of records: a record has about 2 kB."""

SEARCHED: dict[str, str] = {
    "MEL": 'diagnosis_3:"Melanoma*"',
    "NV": 'diagnosis_3:"Nevus*"',
    "BCC": 'diagnosis_3:"Basal cell carcinoma*"',
    "AK": 'diagnosis_3:"Solar or actinic keratosis*"',
    "BKL": 'diagnosis_3:"Seborrheic keratosis*"',
    "DF": 'diagnosis_3:"Dermatofibroma*"',
    "VASC": 'diagnosis_2:"Benign soft tissue proliferations - Vascular*"',
    "SCC": 'diagnosis_3:"Squamous cell carcinoma*"',
}
"""What is searched for each diagnosis of ours, in the archive's query language."""


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class File(_Form):
    url: str
    size: int = Field(ge=0)


class Files(_Form):
    full: File


class Facts(_Form):
    acquisition: dict[str, Any] = {}
    clinical: dict[str, Any] = {}


class Record(_Form):
    """What the archive says of an image."""

    isic_id: Annotated[str, Field(pattern=r"^ISIC_[0-9]{7}$")]
    copyright_license: str
    attribution: str
    files: Files
    metadata: Facts

    def fact(self, name: str) -> str:
        """One of its facts as text without line breaks, empty where it is not known."""
        value = self.metadata.clinical.get(name, self.metadata.acquisition.get(name))
        return "" if value is None else " ".join(str(value).split())

    @property
    def code(self) -> str | None:
        """The diagnosis: the deepest level that is one of ours."""
        return code_of({level: self.fact(level) for level in LEVELS})

    @property
    def refused(self) -> str:
        """Why the image may not be taken, empty where it may."""
        if self.copyright_license != CC_0:
            return f"Its licence is {shown(self.copyright_license) or 'not told'}, not {CC_0}."
        if (kind := self.fact("image_type") or "not told") != "dermoscopic":
            return f"Its kind is {shown(kind)}, not dermoscopic."
        return ""


def code_of(facts: Mapping[str, str]) -> str | None:
    """The diagnosis of an image's facts: the deepest level that is one of ours."""
    found = (parse_diagnosis(facts[level]) for level in LEVELS if facts.get(level))
    return next((code for code in found if code), None)


def record(web: Web, api: str, isic_id: str) -> Record:
    """The record of an image.

    Raises:
        NotFetchedError: There is none, or it is not of the form known here.
        DownloadError: The server cannot be reached.
    """
    found = web.get(f"{api}images/{isic_id}/", _MOST_BYTES, lambda data: _record(_json(data)))
    if found.isic_id != isic_id:
        raise NotFetchedError(f"The record of {isic_id} is that of {found.isic_id}.")
    return found


def search(web: Web, api: str, query: str) -> Iterator[Record]:
    """The records that a query finds, in the archive's order; at most `MOST_PAGES` pages. One of another form is left
    out.

    Raises:
        NotFetchedError: The query is refused, or the answer is not of the form known here.
        DownloadError: The server cannot be reached.
    """
    url: str | None = f"{api}images/search/?{urlencode({'query': query, 'limit': PER_PAGE})}"
    asked: set[str] = set()
    while url and url not in asked and len(asked) < MOST_PAGES:
        asked.add(url)
        page = web.get(url, _MOST_BYTES, _page)
        for one in page["results"]:
            try:
                yield _record(one)
            except DataError:
                continue
        url = page.get("next")


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise DataError("The answer is not JSON.") from None


def _page(data: bytes) -> dict[str, Any]:
    page = _json(data)
    if not isinstance(page, dict) or not isinstance(page.get("results"), list):
        raise DataError("The answer has no list of results.")
    if not isinstance(page.get("next"), str | None):
        raise DataError("The answer's next page is not an address.")
    return page


def _record(value: Any) -> Record:
    try:
        return Record.model_validate(value)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"]) or "all of it"
        raise DataError(f"The record has not the form known here, at {shown(where)}.") from None
