from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from small_forge import SmallForge

from wvforge_dagster.build.recipe_places import find_recipes
from wvforge_dagster.build.variant_files import is_legacy
from wvforge_dagster.core.errors import ForgeError


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("python: 3.12\n", "variants.yaml: python: should be a list, is 3.12; write python: [3.12]"),
        ("python:\n", "variants.yaml: python: has no values; give it a list of them, or remove it"),
        ("python: [[a, b]]\n", "variants.yaml: python: holds a list; its values are single ones"),
        (
            "zip_keys: [a, b]\n",
            "variants.yaml: zip_keys: should be a list of lists; write zip_keys: [[a, b]]",
        ),
        ("\ufeffpython: ['3.12']\n", "variants.yaml: begins with a byte order mark; save it as UTF-8 without one"),
        ("a: ['${{ 1 + }}']\n", "variants.yaml: Jinja: syntax error: unexpected end of variable block (line 1)"),
        ("python: ['3.12']\npython: ['3.13']\n", 'Duplicate key "python" in mapping (lines 1 and 2); keep one'),
        ("python: {a: b}\n", "variants.yaml: python: should be a list, is a mapping"),
        ("- python\n", "variants.yaml: holds a list, not keys with lists of values"),
        ("python: [\n", "variants.yaml:2: malformed YAML"),
        (b"python: ['\xff']\n", "variants.yaml: is not UTF-8"),
        (
            "python: [a, b]\ncuda_version: ['1']\nzip_keys: [[python, cuda_version]]\n",
            "variants.yaml: zip_keys: keys that go together have as many values each, but python has 2, cuda_version has 1",
        ),
        (
            "a: ['1']\nb: ['1']\nc: ['1']\nzip_keys: [[a, b], [b, c]]\n",
            "variants.yaml: zip_keys: b is in two groups; put what goes together into one",
        ),
        (
            "cuda_version: ['1']\nzip_keys: [[cuda_versoin, cuda_version]]\n",
            "variants.yaml: zip_keys: cuda_versoin has no values in any variant file",
        ),
        (
            "cuda-version: ['1']\ncuda_version: ['2']\n",
            "variants.yaml: cuda-version and cuda_version are one key; keep one",
        ),
        (
            "python: ['1']\npython: ['2']\n",
            'variants.yaml: Duplicate key "python" in mapping (lines 1 and 2); keep one',
        ),
    ],
)
def test_a_bad_variants_file_is_a_fault_of_the_forge_that_names_file_and_key(
    small_forge: SmallForge, text: str | bytes, words: str
) -> None:
    small_forge.configure(variants=["variants.yaml"], channels=[])
    small_forge.write("variants.yaml", text)
    small_forge.package("a")
    with pytest.raises(ForgeError) as caught:
        small_forge.render()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (
            "a: ['1', '2']\nb: ['1', '2']\nzip_keys: [[a, b]]\n",
            "b: ['1']\n",
            "base.yaml: zip_keys: keys that go together have as many values each, but a has 2 (base.yaml), b has 1 (more.yaml)",
        ),
        ("a: ['1']\na: ['2']\n", "b: ['1']\n", "base.yaml: Duplicate key"),
        ("a: [{x: 1}]\n", "b: ['1']\n", "base.yaml: a: holds a mapping; its values are single ones"),
        (
            "zip_keys: [a, b]\n",
            "b: ['1']\n",
            "base.yaml: zip_keys: should be a list of lists; write zip_keys: [[a, b]]",
        ),
    ],
    ids=["zip", "key twice", "no value", "flat zip"],
)
def test_of_several_variant_files_the_one_with_the_fault_is_named(
    small_forge: SmallForge, first: str, second: str, words: str
) -> None:
    small_forge.configure(variants=["base.yaml", "more.yaml"], channels=[])
    small_forge.write("base.yaml", first)
    small_forge.write("more.yaml", second)
    with pytest.raises(ForgeError) as caught:
        small_forge.render()
    assert f"{small_forge.root}/{words}" in str(caught.value)


def test_a_missing_variants_file_is_named_with_what_to_do(small_forge: SmallForge) -> None:
    small_forge.configure(variants=["more.yaml"])
    with pytest.raises(ForgeError, match=r"more\.yaml: no such file; write it, or name others in forge\.yaml"):
        small_forge.render()


def test_a_pattern_that_leaves_the_forge_is_refused(tmp_path: Path) -> None:
    for pattern in ("../*/recipe.yaml", "/etc/*"):
        with pytest.raises(ForgeError, match=r"forge\.yaml: recipes: .* leaves the forge"):
            find_recipes(tmp_path, [pattern])


def test_an_empty_forge_renders_to_nothing(small_forge: SmallForge) -> None:
    assert small_forge.render().recipes == ()


def variants(small_forge: SmallForge, text: str, recipe: str) -> list[dict[str, str]]:
    small_forge.configure(variants=["variants.yaml"], channels=[])
    small_forge.write("variants.yaml", text)
    small_forge.recipe("a", recipe)
    return [dict(output.variant) for output in small_forge.rendered("a").outputs]


USES_BOTH = "package: {name: a, version: '1'}\nrequirements: {host: [python, cuda-version]}\n"


def test_a_recipe_renders_once_for_each_variant_that_it_uses(small_forge: SmallForge) -> None:
    found = variants(
        small_forge, "python: ['3.11', '3.12']\ncuda_version: ['12.6', '12.8']\nunused: [a, b]\n", USES_BOTH
    )
    assert {tuple(item.items()) for item in found} == {
        (("cuda_version", cuda), ("python", python)) for cuda in ("12.6", "12.8") for python in ("3.11", "3.12")
    }


def test_zipped_keys_go_together(small_forge: SmallForge) -> None:
    text = "python: ['3.11', '3.12']\ncuda_version: ['12.6', '12.8']\nzip_keys: [[python, cuda_version]]\n"
    found = variants(small_forge, text, USES_BOTH)
    assert [(item["python"], item["cuda_version"]) for item in found] == [("3.11", "12.6"), ("3.12", "12.8")]


def test_later_variant_files_win(small_forge: SmallForge) -> None:
    small_forge.write("one.yaml", "python: ['3.11']\ncuda_version: ['12.6']\n")
    small_forge.write("two.yaml", "python: ['3.12', '3.13']\n")
    small_forge.configure(variants=["one.yaml", "two.yaml"], channels=[])
    small_forge.recipe("a", USES_BOTH)
    assert small_forge.render().dimensions.keys() == ("12.6|3.12", "12.6|3.13")


@pytest.mark.parametrize(
    ("skip", "skipped"),
    [
        ("win", []),
        ("linux", ["3.11", "3.12"]),
        ("true", ["3.11", "3.12"]),
        ("false", []),
        ("'${{ linux }}'", ["3.11", "3.12"]),
        ("""["match(python, '<3.12')"]""", ["3.11"]),
        ("""[win, "match(python, '<3.12')"]""", ["3.11"]),
        ("""[{if: linux, then: "match(python, '<3.12')"}]""", ["3.11"]),
        ("""[{if: win, then: true, else: "match(python, '>=3.12')"}]""", ["3.12"]),
        ("""[{if: win, then: [true]}]""", []),
        ("""["match(python, old)"]""", ["3.11"]),
    ],
)
def test_skip_conditions_hold_for_each_variant(small_forge: SmallForge, skip: str, skipped: list[str]) -> None:
    small_forge.configure(variants=["variants.yaml"], channels=[])
    small_forge.write("variants.yaml", "python: ['3.11', '3.12']\n")
    small_forge.recipe(
        "a",
        f"context: {{old: '<3.12'}}\npackage: {{name: a, version: '1'}}\n"
        f"build: {{skip: {skip}}}\nrequirements: {{host: [python]}}\n",
    )
    outputs = small_forge.rendered("a").outputs
    assert [dict(output.variant)["python"] for output in outputs if output.skip] == skipped
    assert len(outputs) == 2


def test_outputs_are_skipped_each_by_its_own_condition(small_forge: SmallForge) -> None:
    small_forge.recipe(
        "m",
        """
        context: {name: m}
        recipe: {name: "${{ name }}", version: '1'}
        outputs:
          - package: {name: "${{ name }}-lib"}
          - package: {name: "${{ name }}-win"}
            build: {skip: [linux]}
        """,
    )
    taken = [output.name for output in small_forge.rendered("m").outputs if output.skip is None]
    assert taken == ["m-lib"]


def test_requirements_are_known_by_name(small_forge: SmallForge) -> None:
    small_forge.recipe(
        "a",
        """
        package: {name: a, version: '1'}
        requirements:
          build: ["cmake >=3.24,<4", "ninja =1.12"]
          host: [Python, "numpy[version='>=2']", "conda-forge::zlib >1"]
          run: ["${{ pin_compatible('numpy', upper_bound='x') }}", "b"]
        tests:
          - script: [true]
            requirements: {run: [pytest]}
        """,
    )
    output = small_forge.output("a")
    assert output.requires("build") == {"cmake", "ninja"}
    assert output.requires("host") == {"python", "numpy", "zlib"}
    assert output.requires("run") == {"numpy", "b"}
    assert output.requires("test") == {"pytest"}


def test_what_a_recipe_says_of_itself_is_kept(small_forge: SmallForge) -> None:
    small_forge.recipe(
        "a",
        """
        package: {name: a, version: 1.10}
        about: {summary: " ü ", homepage: "https://example.org", license: MIT}
        extra: {recipe-maintainers: [one, two]}
        """,
    )
    found = small_forge.rendered("a")
    assert (found.about.summary, found.about.license, found.about.maintainers) == ("ü", "MIT", ("one", "two"))
    assert found.outputs[0].version == "1.10"


def test_an_unchanged_forge_is_not_rendered_again(small_forge: SmallForge, monkeypatch: pytest.MonkeyPatch) -> None:
    small_forge.package("a")
    small_forge.recipe("bad", "package: [")
    first = small_forge.render()
    small_forge.write("pkgs/a/recipe/fix.patch", "a new file")
    monkeypatch.setattr("sys.executable", "/nonexistent")
    assert small_forge.render() == first


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"event": 1', "\x00"])
def test_a_damaged_cache_is_rendered_anew(small_forge: SmallForge, damage: str) -> None:
    small_forge.package("a")
    first = small_forge.render()
    for path in (small_forge.root / "output/cache/rendered").iterdir():
        path.write_text(damage)
    assert small_forge.render() == first


@pytest.mark.parametrize(
    ("comment", "is_one"),
    [
        ("linux", True),
        ("not win and (x86_64 or aarch64)", True),
        ("osx and arm64", True),
        ("linux64", True),
        ('os.environ.get("A", "False") == "True"', True),
        ('os.environ["A"] == "1"', True),
        ('target_platform == "linux-64"', True),
        ('"3.11"', False),
        ('"linux"', False),
        ("see the docs for linux", False),
        ("3.11, 3.12", False),
    ],
)
def test_a_comment_in_brackets_is_no_selector_unless_it_asks_for_a_platform(
    tmp_path: Path, comment: str, is_one: bool
) -> None:
    path = tmp_path / "variants.yaml"
    path.write_text(f"python:\n  - 3.12  # [{comment}]\n", encoding="utf-8")
    assert is_legacy(path) is is_one


MATRIX = (
    "python: ['3.11', '3.12']\ncuda_version: ['12.6', '12.8']\ngcc: ['13', '14']\nzip_keys: [[cuda_version, gcc]]\n"
)


@pytest.mark.parametrize(
    ("name", "own", "expected"),
    [
        ("variants.yaml", "python: ['3.12']\n", {("12.6", "3.12"), ("12.8", "3.12")}),
        (
            "conda_build_config.yaml",
            "python:\n  - 3.12  # [linux]\n  - 3.9  # [win]\n",
            {("12.6", "3.12"), ("12.8", "3.12")},
        ),
        (
            "variants.yaml",
            "python: ['3.11', '3.14']\n",
            {("12.6", "3.11"), ("12.8", "3.11"), ("12.6", "3.14"), ("12.8", "3.14")},
        ),
        ("variants.yaml", "cuda_version: ['12.8']\ngcc: ['14']\n", {("12.8", "3.11"), ("12.8", "3.12")}),
    ],
    ids=["narrower", "as conda-build writes it", "wider", "zipped keys"],
)
def test_a_variant_file_beside_a_recipe_counts_for_that_recipe_only(
    small_forge: SmallForge, name: str, own: str, expected: set[tuple[str, str]]
) -> None:
    small_forge.configure(variants=["variants.yaml"], channels=[])
    small_forge.write("variants.yaml", MATRIX)
    for package in ("a", "b"):
        small_forge.recipe(package, USES_BOTH.replace("name: a", f"name: {package}"))
    small_forge.write(f"pkgs/a/recipe/{name}", own)
    rendered = {
        package: {
            (found["cuda_version"], found["python"])
            for found in (dict(output.variant) for output in small_forge.rendered(package).outputs)
        }
        for package in ("a", "b")
    }
    assert rendered["a"] == expected
    assert rendered["b"] == {(cuda, python) for cuda in ("12.6", "12.8") for python in ("3.11", "3.12")}
    assert set(small_forge.render().dimensions.keys()) >= {f"{cuda}|{python}" for cuda, python in expected}


def test_a_fault_of_a_variant_file_beside_a_recipe_is_that_recipes_and_names_the_file(small_forge: SmallForge) -> None:
    small_forge.configure(variants=["variants.yaml"], channels=[])
    small_forge.write("variants.yaml", MATRIX)
    for package in ("unequal", "malformed", "good"):
        small_forge.recipe(package, USES_BOTH.replace("name: a", f"name: {package}"))
    small_forge.write("pkgs/unequal/recipe/variants.yaml", "cuda_version: ['12.8']\n")
    small_forge.write("pkgs/malformed/recipe/variants.yaml", "python: [\n")
    assert (
        "variants.yaml: zip_keys: keys that go together have as many values each, "
        "but cuda_version has 1 (recipe/variants.yaml), gcc has 2 (variants.yaml)"
        in (small_forge.why_broken("unequal"))
    )
    assert "variants.yaml: " in small_forge.why_broken("malformed")
    assert len(small_forge.rendered("good").outputs) == 4


def test_what_changes_in_a_variant_file_beside_a_recipe_is_rendered_anew(small_forge: SmallForge) -> None:
    small_forge.configure(variants=["variants.yaml"], channels=[])
    small_forge.write("variants.yaml", MATRIX)
    small_forge.recipe("a", USES_BOTH)
    for own, count in (("python: ['3.12']\n", 2), ("python: ['3.12', '3.13']\n", 4)):
        small_forge.write("pkgs/a/recipe/variants.yaml", own)
        assert len(small_forge.rendered("a").outputs) == count


PINNING = """\
c_compiler:
  - gcc     # [linux]
  - clang   # [osx]
python:
  - 3.11.* *_cpython
  - 3.12.* *_cpython
is_python_min:
  - true
  - false
zip_keys:
  -
    - python
    - is_python_min
pin_run_as_build:
  python: {min_pin: x.x}
"""


def test_a_pinning_file_of_conda_forge_is_the_base_and_later_files_win(small_forge: SmallForge) -> None:
    small_forge.write("conda_forge_pinning.yaml", PINNING)
    small_forge.write("variants.yaml", "cuda_version: ['12.6']\n")
    small_forge.configure(variants=["conda_forge_pinning.yaml", "variants.yaml"], channels=[])
    small_forge.recipe("a", USES_BOTH.replace("[python", "[python, '${{ c_compiler }}'"))
    found = [dict(output.variant) for output in small_forge.rendered("a").outputs]
    assert [(item["c_compiler"], item["python"]) for item in found] == [
        ("gcc", "3.11.* *_cpython"),
        ("gcc", "3.12.* *_cpython"),
    ]
    assert small_forge.render().dimensions.keys() == ("12.6|3.11", "12.6|3.12")


def test_a_variant_file_that_is_locked_is_refused_with_other_content(small_forge: SmallForge) -> None:
    path = small_forge.write("pinning.yaml", PINNING)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    small_forge.configure(variants=[{"file": "pinning.yaml", "sha256": sha256}], channels=[])
    small_forge.package("a")
    assert small_forge.rendered("a").name == "a"
    path.write_text(PINNING.replace("3.11", "3.10"), encoding="utf-8")
    with pytest.raises(ForgeError, match=r"pinning\.yaml: is not the file that is locked: its sha256 is [0-9a-f]{64}"):
        small_forge.render()


def test_the_variants_are_those_that_the_engine_renders_from_the_same_files(small_forge: SmallForge) -> None:
    import rattler_build as engine

    files = [
        small_forge.write("one.yaml", "python: ['3.11', '3.12']\nblas: [mkl, openblas]\n"),
        small_forge.write("two.yaml", MATRIX),
    ]
    small_forge.configure(variants=["one.yaml", "two.yaml"], channels=[])
    recipes = {
        "none": "package: {name: none, version: '1'}\n",
        "both": "package: {name: both, version: '1'}\nrequirements: {host: [python, cuda-version]}\n",
        "keys": "package: {name: keys, version: '1'}\nbuild: {variant: {use_keys: [gcc, blas], ignore_keys: [python]}}\n",
        "text": "package: {name: text, version: '1'}\nrequirements: {run: ['x ==${{ gcc }}', 'y-${{ blas }}']}\n",
        "many": (
            "recipe: {name: many, version: '1'}\noutputs:\n"
            "- package: {name: lib-many}\n  requirements: {host: [cuda-version]}\n"
            "- package: {name: py-many}\n  requirements: {host: [python, \"${{ pin_subpackage('lib-many') }}\"]}\n"
        ),
    }
    for name, text in recipes.items():
        path = small_forge.recipe(name, text)
        config = engine.VariantConfig.from_files(list(files))
        rendered = engine.Stage0Recipe.from_file(path).render(config, engine.RenderConfig())
        oracle = sorted(
            (
                found.recipe.package.name,
                sorted((key, str(value)) for key, value in found.variant.items() if key != "target_platform"),
                str(found.recipe.build.string),
            )
            for found in rendered
        )
        ours = [
            (output.name, list(output.variant), output.build_string) for output in small_forge.rendered(name).outputs
        ]
        assert sorted(ours) == oracle
