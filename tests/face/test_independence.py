"""The face room needs NumPy and nothing else."""

import ast
import subprocess
import sys
from pathlib import Path

FACE = Path(__file__).resolve().parents[2] / "synergy_blender" / "face"


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.split(".")[0]
        elif isinstance(node, ast.ImportFrom):
            # relative imports stay inside the room
            assert node.level == 1, f"{path.name} reaches out of the face room"


def test_face_imports_numpy_and_the_standard_library_only():
    allowed = sys.stdlib_module_names | {"numpy"}
    for path in FACE.glob("*.py"):
        assert set(imported(path)) <= allowed, path.name


def test_importing_face_and_loading_its_weights_pulls_in_nothing_else():
    script = (
        "import sys, numpy; before = set(sys.modules);"
        "from synergy_blender.face import detector, head_model, network, refinement;"
        "detector.load(); head_model.load(); network.load(); refinement.load();"
        "new = {m.split('.')[0] for m in set(sys.modules) - before};"
        "print(sorted(new - sys.stdlib_module_names - {'numpy', 'synergy_blender'}))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
