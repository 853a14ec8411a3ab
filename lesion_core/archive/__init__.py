"""Open images of the ISIC Archive, fetched through its public API into a folder that the readers of `data` take."""
