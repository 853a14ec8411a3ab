"""Finders of the artefacts that dermoscopic images show: each says how surely it is there, and where.

Classical image processing on uint8 RGB, a few milliseconds an image, without torch. Every image is first brought to one
working size, so lengths in pixels are lengths on that size. What the constants were tuned on, and how well each finder
agrees with labels made by hand on lesions that none was tuned on, is in `docs/results.md`.
"""
