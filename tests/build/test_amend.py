from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from rattler_build import RenderConfig, Stage0Recipe, VariantConfig

from wvforge_dagster.build.amend import Amendment, amend
from wvforge_dagster.core.artifact import Record

RECORD = Record("a", "12.6|3.12", "0" * 64, {"script": "echo ${{ x }} ü"}).to_extra()
PACKAGE = "package:\n  name: a\n  version: 1.10\n"


def amended(text: str, *, number: int | None = None, suffix: str | None = None, base: str = "/base") -> str:
    return amend(text, Amendment(RECORD, number, suffix, Path(base)))


def rendered(tmp_path: Path, text: str) -> list[Any]:
    """What the engine makes of a recipe."""
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    variants = Stage0Recipe.from_file(path).render(VariantConfig({}), RenderConfig())
    return [variant.recipe.to_dict() for variant in variants]


@pytest.mark.parametrize(
    "extra",
    [
        "",
        "extra: {}\n",
        "extra: {recipe-maintainers: [me]}\n",
        "extra:\n  recipe-maintainers:\n    - me\n",
        "extra:\n  # a comment\n  recipe-maintainers: [me]  # another\n",
        "extra: {\n  recipe-maintainers: [me],\n}\n",
    ],
)
@pytest.mark.parametrize("tail", ["about:\n  license: MIT\n", "about:\n  license: MIT", "", "# the end", "...\n"])
def test_the_record_comes_into_extra_beside_what_is_there(tmp_path: Path, extra: str, tail: str) -> None:
    (found,) = rendered(tmp_path, amended(PACKAGE + extra + tail))
    assert found["extra"]["wvforge"] == RECORD
    assert found["extra"].get("recipe-maintainers") == (["me"] if "me" in extra else None)
    assert found["package"] == {"name": "a", "version": "1.10"}


@pytest.mark.parametrize(
    "build",
    [
        "",
        "build:\n  number: 0\n",
        "build:\n  number: 0  # raise me\n  script: 'true'\n",
        "build:\n  script: 'true'\n",
        "build:\n    script:\n      - 'true'\n",
        "build:\n  # a comment\n  script: 'true'\n",
        "build: {number: 0}\n",
        "build: {script: 'true'}\n",
        "build: {}\n",
        "build: {number: '${{ 1 - 1 }}'}\n",
        "build: {string: 'custom_${{ build_number }}'}\n",
        "build: {number: 0, string: x_0}\n",
        "build:\n  string: x_0\n",
        "build: {number: '${{ n }}', string: 'x_${{ n }}'}\ncontext: {n: 0}\n",
        "context:\n  n: 0  # raise me\nbuild:\n  number: ${{ n }}\n  string: x${{ hash }}_${{ n }}\n",
    ],
)
def test_a_raised_number_is_in_the_number_and_in_the_build_string(tmp_path: Path, build: str) -> None:
    (found,) = rendered(tmp_path, amended(PACKAGE + build, number=7))
    assert found["build"]["number"] == 7
    assert found["build"]["string"].endswith("_7")
    assert not found["build"]["string"].endswith("_0_7")
    assert found["package"]["version"] == "1.10"
    assert ("script" in found["build"]) is ("script" in build)


@pytest.mark.parametrize("build", ["build:\n  string: custom\n", "build: {number: 0, string: 'cust${{ \"om\" }}'}\n"])
def test_a_build_string_without_the_number_gets_it_appended(tmp_path: Path, build: str) -> None:
    (found,) = rendered(tmp_path, amended(PACKAGE + build, number=2, suffix="_2"))
    assert found["build"]["string"] == "custom_2"


def test_without_a_raised_number_the_build_stays_as_it_is(tmp_path: Path) -> None:
    text = PACKAGE + "build:\n  number: 3\n  string: custom_3\n"
    (before,), (after,) = rendered(tmp_path, text), rendered(tmp_path, amended(text))
    assert after["build"] == before["build"]


def test_all_outputs_get_the_number(tmp_path: Path) -> None:
    text = """
recipe: {name: m, version: 1.10}
build: {number: 1}
outputs:
  - package: {name: lib}
  - package: {name: tool}
    build: {number: 4}
    requirements: {host: [lib]}
  - package: {name: doc}
    build:
      string: doc_1
"""
    found = rendered(tmp_path, amended(text, number=9))
    assert {item["package"]["name"]: item["build"]["number"] for item in found} == {"lib": 9, "tool": 9, "doc": 9}
    assert all(item["build"]["string"].endswith("_9") for item in found)
    assert all(item["extra"]["wvforge"] == RECORD for item in found)


@pytest.mark.parametrize(
    ("source", "paths"),
    [
        ("source:\n  path: ../src\n", ["/base/../src"]),
        ("source: {path: ../src}\n", ["/base/../src"]),
        ("source:\n  - path: ../src\n  - path: patches\n", ["/base/../src", "patches"]),
        ("source:\n  - if: linux\n    then:\n      path: ../src\n", ["/base/../src"]),
        ("source:\n  path: ../src-${{ version }}.tar.gz  # made here\n", ["/base/../src-1.10.tar.gz"]),
        ("source:\n  path: ./../src\n", ["/base/./../src"]),
        ("source:\n  path: sub/../../src\n", ["/base/sub/../../src"]),
        ("source:\n  path: ..\n", ["/base/.."]),
        ("source:\n  path: ./src\n", ["./src"]),
        ("source:\n  path: /abs/src\n", ["/abs/src"]),
    ],
)
def test_sources_outside_the_recipes_folder_are_found_from_its_copy(
    tmp_path: Path, source: str, paths: list[str]
) -> None:
    text = "context:\n  version: '1.10'\n" + PACKAGE + source
    (found,) = rendered(tmp_path, amended(text))
    assert [item["path"] for item in found["source"]] == paths


def test_sources_of_outputs_are_found_too(tmp_path: Path) -> None:
    text = "recipe: {name: m, version: '1'}\noutputs:\n  - package: {name: lib}\n    source:\n      path: ../src\n"
    (found,) = rendered(tmp_path, amended(text))
    assert found["source"][0]["path"] == "/base/../src"


def test_a_folder_with_special_characters_is_found(tmp_path: Path) -> None:
    base = '/b "a"\\s: e # ü'
    (found,) = rendered(tmp_path, amended(PACKAGE + "source: {path: ../src}\n", base=base))
    assert found["source"][0]["path"] == f"{base}/../src"


FIRST, SECOND = "1" * 40, "2" * 40


@pytest.mark.parametrize(
    ("source", "commits"),
    [
        ("source: {git: https://x/a.git, tag: v1, depth: 1}\n", [FIRST]),
        ("source: {git: https://x/a.git}\n", [FIRST]),
        ("source:\n  git: https://x/a.git\n", [FIRST]),
        ("source:\n  branch: main  # moves\n  git: https://x/a.git\n  patches: [a.patch]\n", [FIRST]),
        ("source:\n  git: https://x/a.git\n  rev: ${{ x }}\ncontext: {x: v1}\n", [FIRST]),
        (
            "source:\n  - if: linux\n    then:\n      - git: https://x/a.git\n        tag: v1\n"
            "  - path: b\n  - git: https://x/c.git\n",
            [FIRST, SECOND],
        ),
    ],
)
def test_git_sources_are_pinned_to_their_commits(tmp_path: Path, source: str, commits: list[str]) -> None:
    amendment = Amendment(RECORD, None, None, tmp_path, tuple(commits))
    (before,), (after,) = rendered(tmp_path, PACKAGE + source), rendered(tmp_path, amend(PACKAGE + source, amendment))
    assert [item["rev"] for item in after["source"] if "git" in item] == commits
    for old, new in zip(before["source"], after["source"], strict=True):
        assert {**old, "rev": ""} == {**new, "rev": ""}, "all else is as it was"


def test_sources_of_which_it_is_not_clear_whose_a_commit_is_are_left(tmp_path: Path) -> None:
    text = PACKAGE + "source:\n  - {git: https://x/a.git, tag: v1}\n  - if: win\n    then: {git: https://x/b.git}\n"
    amendment = Amendment(RECORD, None, None, tmp_path, (FIRST,))
    assert rendered(tmp_path, amend(text, amendment))[0]["source"] == rendered(tmp_path, text)[0]["source"]


def test_everything_else_stays_as_its_author_wrote_it() -> None:
    text = (
        "# schema\ncontext:\n  version: 1.10   # not 1.1\n\npackage: {name: a, version: '${{ version }}'}\n"
        'build:\n  number: 0\n  script: |\n    echo "${{ version }}" \N{ROCKET}\n\n    exit\n'
        "about:\n  summary: >\n    folded ü\n    text\n"
    )
    found = amended(text, number=1)
    kept = [line for line in text.splitlines() if "number" not in line]
    assert [line for line in found.splitlines() if line in kept] == kept
    assert found.replace("number: 1", "number: 0").endswith(text.removeprefix("# schema\n"))


@pytest.mark.parametrize("text", ["- a\n", "text", ""])
def test_what_is_no_recipe_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a recipe is a mapping"):
        amended(text)


def test_an_amended_recipe_is_still_yaml() -> None:
    assert yaml.safe_load(amended(PACKAGE + "build: {script: 'true'}\n", number=1))["extra"] == {"wvforge": RECORD}


@pytest.mark.parametrize(
    "extra",
    [
        "extra:\n  wvforge:\n    network: false\n  recipe-maintainers: [me]\n",
        "extra: {recipe-maintainers: [me], wvforge: {network: false}}\n",
        "extra:\n  recipe-maintainers: [me]\n  wvforge:\n    network: false\nabout: {license: MIT}\n",
        "extra:\n  recipe-maintainers: [me]\n  wvforge: {network: false}",
    ],
)
def test_what_a_recipe_says_to_the_forge_gives_way_to_the_record(extra: str) -> None:
    text = amend(f"package: {{name: a, version: '1'}}\n{extra}", Amendment({"package": "a"}, None, None, Path("/f")))
    assert yaml.safe_load(text)["extra"] == {"wvforge": {"package": "a"}, "recipe-maintainers": ["me"]}
