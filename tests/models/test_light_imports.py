"""A first answer waits for no package that it does not use, and what was left out still works afterwards."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def imported_after(code: str) -> set[str]:
    """The packages that a fresh process has imported."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return set(done.stdout.split())


def test_overview_imports_no_statistics_and_no_model() -> None:
    found = imported_after("import app.server, app.sidebar, app.tried_policy, app.overview.drawn, app.cache.prepare")
    assert "pandas" in found and not found & {
        "scipy.stats",
        "scipy.sparse",
        "sklearn",
        "torch",
        "matplotlib",
        "requests",
    }


@pytest.mark.slow
def test_the_first_answer_imports_no_compiler() -> None:
    """And torch after SciPy's statistics, which fail to import in another thread where torch is half imported."""
    found = imported_after(
        "import sys\n"
        "from pathlib import Path\n"
        "class Watch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        assert name != 'torch' or 'scipy.stats' in sys.modules\n"
        "sys.meta_path.insert(0, Watch())\n"
        "from app.cache import runs\n"
        "from lesion_core.data.samples import load, synthetic_samples\n"
        "from lesion_core.runs.classifier import open_run\n"
        "run = open_run(Path('checkpoints/resnet50-isic2019'))\n"
        "answer = runs.predict(run, load(synthetic_samples()[0]).image)\n"
        "assert runs.rejector(run, runs.own_policy(run)).decide(answer.outputs)\n"
    )
    assert "torchvision" in found and not found & {"torch._dynamo", "torch._inductor", "sympy", "captum", "matplotlib"}


@pytest.mark.slow
def test_torchvision_and_the_compiler_work_as_ever() -> None:
    found = imported_after(
        "import lesion_core.models, sys\n"
        "assert 'torch._dynamo.utils' not in sys.modules\n"
        "import torch\n"
        "from torchvision.ops import roi_align\n"
        "found = roi_align(torch.arange(64.0).reshape(1, 1, 8, 8), torch.tensor([[0, 0, 0, 4, 4.0]]), output_size=2)\n"
        "assert found.tolist() == [[[[9.0, 11.0], [25.0, 27.0]]]]\n"
        "assert torch.compile(lambda a: a + 1, backend='eager')(torch.ones(2)).tolist() == [2, 2]\n"
        "assert torch._dynamo.utils.is_compile_supported('cpu') in (True, False)\n"
    )
    assert "torch._dynamo" in found


@pytest.mark.slow
def test_a_torchvision_that_asks_the_compiler_for_more_is_imported_as_it_is() -> None:
    imported_after(
        "import builtins, sys\n"
        "plain, asked = builtins.__import__, []\n"
        "def once(name, *rest):\n"
        "    if name == 'torchvision.models' and not asked:\n"
        "        asked.append(name)\n"
        "        raise ImportError('cannot import name')\n"
        "    return plain(name, *rest)\n"
        "builtins.__import__ = once\n"
        "import lesion_core.models.classifiers\n"
        "compiler = sys.modules.get('torch._dynamo.utils')\n"
        "assert asked and (compiler is None or compiler.__file__)\n"
    )
