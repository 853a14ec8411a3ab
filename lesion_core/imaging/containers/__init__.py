"""What an image file consists of, read before anything is decoded: one module for each format that needs it.

A decoder is given the pixels alone, so that nothing that lies beside them (texts, profiles, thumbnails, further
images, trailing bytes) can decide whether they are read.
"""
