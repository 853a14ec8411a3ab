"""Networks and their weights, and how they are computed."""

from __future__ import annotations

import sys
from types import ModuleType


def _import_torchvision() -> None:
    """Import torchvision without torch's compiler, which its detection operators ask one question when they are called.

    The compiler and SymPy take as long to import as all else before a first answer, and no network here needs them.
    """
    name = "torch._dynamo.utils"
    if "torchvision" in sys.modules or "torch._dynamo" in sys.modules:
        return

    def is_compile_supported(device: str) -> bool:
        from torch._dynamo.utils import is_compile_supported as asked

        return bool(asked(device))

    later = ModuleType(name)
    later.__dict__["is_compile_supported"] = is_compile_supported
    import torch  # noqa: F401

    sys.modules[name] = later
    try:
        import torchvision.models  # noqa: F401
    except ImportError:  # a version that asks it for more: imported as it is, where it is needed
        return
    finally:
        if sys.modules.get(name) is later:
            del sys.modules[name]


_import_torchvision()
