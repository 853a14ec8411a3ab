"""Maps over images on the page Explain, drawn once for all visitors."""

from __future__ import annotations

from dataclasses import dataclass

from app.cache import explanation as explanations
from app.cache.encoded import encoded, lossless
from app.components import outline
from app.explain import explanation
from app.explain.question import Asked, Lesion
from lesion_core.explain.maps import Attribution
from lesion_core.imaging.arrays import Pixels

HAIR_LINE = (86, 180, 233)


@dataclass(frozen=True)
class Look:
    """How maps are drawn.

    Attributes:
        opacity: In [0, 1].
        signed: Show what counts against the answer too.
        outlined: The lesion whose outline is drawn, if any.
        hair: Outline what the hair finder takes for hair.
    """

    opacity: float
    signed: bool
    outlined: Lesion | None = None
    hair: bool = False

    def lines(self, asked: Asked, drawn_on: Pixels) -> Pixels:
        """Draw the outlines over an image of the same size."""
        if self.hair:
            drawn_on = outline(drawn_on, explanations.hair(asked.picture.image), HAIR_LINE)
        mask = self.outlined.mask if self.outlined else None
        return drawn_on if mask is None else outline(drawn_on, mask)

    @property
    def key(self) -> tuple[str, bool]:
        """Tells its outlines from others of an image."""
        return self.outlined.content if self.outlined else "", self.hair


def image(asked: Asked, look: Look) -> bytes:
    """The image under its outlines."""
    key = "image", asked.content, look.key
    return encoded(key, lambda: look.lines(asked, asked.picture.image))


def overlay(asked: Asked, attribution: Attribution, look: Look, scale: float | None = None, stage: str = "") -> bytes:
    """A map over the image, pale where the model was not shown it.

    Args:
        asked: The question.
        attribution: Its map.
        look: How it is drawn.
        scale: What the end of the colours stands for; the map's own peak if not given.
        stage: Of a sanity check, whose map it is then.
    """
    return encoded(_key(asked, look, scale, stage), lambda: _overlay(asked, attribution, look, scale))


def overlay_file(asked: Asked, attribution: Attribution, look: Look) -> bytes:
    """The same as a PNG to be downloaded."""
    return lossless(_key(asked, look, None, ""), lambda: _overlay(asked, attribution, look, None))


def _key(asked: Asked, look: Look, scale: float | None, stage: str) -> tuple[object, ...]:
    return ("map", asked.key, stage, look.opacity, look.signed, look.key, scale)


def _overlay(asked: Asked, attribution: Attribution, look: Look, scale: float | None) -> Pixels:
    of = asked.picture.image
    scale = explanation.peak(attribution, signed=look.signed) if scale is None else scale
    laid = explanation.lay(attribution, asked.run, of, scale)
    pale = explanation.paled(of, asked.run)
    return look.lines(asked, explanation.painted(pale, laid, look.opacity, signed=look.signed))
