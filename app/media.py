"""Images and downloads of the visits that are going on stay a little longer than Streamlit would keep them.

Streamlit forgets what a visit shows when its script begins to run again, and whatever script ends next, of any visitor,
deletes what nobody shows by then. A browser that had not fetched an image yet was told that there is none; where the
visit went on to show the same image, its address stayed the same, so the browser did not ask again: the image stayed
broken.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from streamlit.runtime import Runtime
from streamlit.runtime.media_file_storage import MediaFileKind, MediaFileStorageError
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

LINGER = 30.0
"""Seconds after which what nobody shows any more is deleted: a slow line has fetched it by then."""
MOST = 64 * 2**20
"""Bytes of such files that stay; the oldest go first."""


class LingeringFiles:
    """Takes over a storage: what is deleted stays for `LINGER` seconds, unless it is shown again.

    Args:
        storage: Of Streamlit.
        clock: Gives seconds.
    """

    def __init__(self, storage: MemoryMediaFileStorage, clock: Callable[[], float] = time.monotonic) -> None:
        self._storage, self._clock = storage, clock
        self._load, self._delete = storage.load_and_get_id, storage.delete_file
        self._unshown: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        storage.load_and_get_id = self._shown  # type: ignore[method-assign]
        storage.delete_file = self._left  # type: ignore[method-assign]

    def _shown(self, path_or_data: str | bytes, mimetype: str, kind: MediaFileKind, filename: str | None = None) -> str:
        with self._lock:
            name = self._load(path_or_data, mimetype, kind, filename)
            self._bytes -= self._unshown.pop(name, (0.0, 0))[1]
            return name

    def _left(self, file_id: str) -> None:
        with self._lock:
            try:
                size = self._storage.get_file(file_id).content_size
            except MediaFileStorageError:  # gone already
                return
            self._bytes += size - self._unshown.pop(file_id, (0.0, 0))[1]
            self._unshown[file_id] = self._clock(), size
        self.sweep()

    def sweep(self) -> None:
        """Delete what has lingered; the server calls it now and then, also where nobody comes."""
        with self._lock:
            while self._unshown:
                name, (since, size) = next(iter(self._unshown.items()))
                if self._clock() - since < LINGER and self._bytes <= MOST:
                    return
                del self._unshown[name]
                self._bytes -= size
                self._delete(name)


def let_linger() -> Callable[[], None]:
    """Let the files of this server linger; gives what deletes those that have."""
    storage = Runtime.instance().media_file_mgr._storage  # as Streamlit's own routes take it
    return LingeringFiles(storage).sweep if isinstance(storage, MemoryMediaFileStorage) else lambda: None
