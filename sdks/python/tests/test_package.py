"""What a user of the package relies on before calling anything: imports, names, docs, types."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Iterator, Tuple, Union

import longhaul
import pytest

SOURCE = Path(longhaul.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
Definition = Union[ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef]
TESTS = sorted(Path(__file__).parent.glob("*.py"))


def test_the_actions_need_nothing_but_the_standard_library(tmp_path: Path) -> None:
    shutil.copytree(SOURCE, tmp_path / "longhaul")  # away from whatever else is installed beside it
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import longhaul.actions, longhaul\n"
        "print('httpx' in sys.modules)\n"
        "try:\n"
        "    longhaul.Longhaul\n"
        "except ModuleNotFoundError as missing:\n"
        "    print(missing.name)\n"
        "try:\n"
        "    from longhaul import AsyncLonghaul\n"
        "except ImportError as missing:\n"
        "    print(missing)\n"
    )
    # -I -S: no site-packages, as on a machine where nothing was ever installed.
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    told = "longhaul.AsyncLonghaul needs httpx: pip install httpx; longhaul.actions does without"
    assert done.stdout == f"False\nhttpx\n{told}\n"


def test_every_name_that_the_package_lists_is_there() -> None:
    for name in longhaul.__all__:
        assert getattr(longhaul, name)
    with pytest.raises(AttributeError, match="NoSuchName"):
        getattr(longhaul, "NoSuchName")
    assert (SOURCE / "py.typed").exists()


def definitions(tree: ast.AST, prefix: str = "") -> Iterator[Tuple[str, Definition]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            public = not node.name.startswith("_")
            overload = any("overload" in ast.dump(decorator) for decorator in node.decorator_list)
            if public and not overload:
                yield prefix + node.name, node
            if isinstance(node, ast.ClassDef) and public:
                yield from definitions(node, f"{prefix}{node.name}.")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_every_public_thing_says_what_it_is(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "the file opens with what lives in it"
    bare = [name for name, node in definitions(tree) if not ast.get_docstring(node)]
    # A transport's steps are documented where the protocol is.
    assert [name for name in bare if not name.endswith(".do")] == []


@pytest.mark.parametrize("path", FILES + TESTS, ids=lambda path: path.name)
def test_files_are_short_enough_to_be_read(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 500
    assert max(map(len, lines), default=0) <= 130


@pytest.mark.parametrize("path", FILES + TESTS, ids=lambda path: path.name)
def test_files_are_valid_python_3_9(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
    assert "from __future__ import annotations" in path.read_text(encoding="utf-8") or path.name == "__init__.py"


def test_the_version_is_told_once_in_each_place() -> None:
    project = (Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{longhaul.__version__}"' in project
