"""Changes of an image in five severities, and sequences of slowly changing frames.

`registry` holds what there is and makes it; the other modules hold the pixels by group, as pure functions, each beside
its entries in the registry. A length is given in pixels of an image whose short side has 224, and grows with the image.
"""
