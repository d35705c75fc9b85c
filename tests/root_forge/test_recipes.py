"""The root forge's recipes: their package variants, and what can be told of them without a network."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from rattler_build import RenderConfig, RenderedVariant, Stage0Recipe

from wvforge_dagster.build.variant_config import read_variants
from wvforge_dagster.core.forge_file import load_forge

FORGE = Path(__file__).resolve().parents[2]
VARIANTS = FORGE / "variants.yaml"

EXPECTED_COUNTS = {
    "pccm": 1,
    "pipeline": 1,
    "cumm": 6,
    "spconv": 6,
    "pointcept": 6,
    "pytorch3d": 6,
    "moge": 1,
    "sam3d-objects": 1,
}

PATCHED_FILES = {
    "cumm": {"cumm/common.py", "setup.py"},
    "spconv": {"setup.py", "spconv/constants.py"},
    "pointcept": {"libs/pointops/setup.py"},
}

# The newest major version of GCC that each nvcc accepts as its host compiler.
NEWEST_GCC = {"12.6": 13, "12.8": 14, "12.9": 14}

# What the sources have at the commits that the recipes name: docs/root-forge.md.
LICENSE_FILES = {"pytorch3d": ["LICENSE", "LICENSE-3RD-PARTY"]}

every_recipe = pytest.mark.parametrize("name", EXPECTED_COUNTS)
every_cuda_recipe = pytest.mark.parametrize("name", [n for n, count in EXPECTED_COUNTS.items() if count == 6])
every_noarch_recipe = pytest.mark.parametrize("name", [n for n, count in EXPECTED_COUNTS.items() if count == 1])


def recipe_dir(name: str) -> Path:
    return FORGE / "pkgs" / name / "recipe"


def render(name: str) -> list[RenderedVariant]:
    recipe = Stage0Recipe.from_file(str(recipe_dir(name) / "recipe.yaml"))
    declared = load_forge(FORGE).architectures.to_json()
    return list(recipe.render(read_variants([VARIANTS], "linux-64", declared), RenderConfig()))


def rendered(name: str) -> dict[str, Any]:
    """The first package variant's recipe, as the engine resolved it."""
    recipe: dict[str, Any] = render(name)[0].recipe.to_dict()
    return recipe


def script_of(name: str) -> dict[str, Any]:
    """A build script as a mapping, also where the recipe gives only its lines."""
    script = rendered(name)["build"]["script"]
    if isinstance(script, dict):
        return script
    return {"content": script}


def lines_of(content: str | list[str]) -> str:
    return content if isinstance(content, str) else "\n".join(content)


def sources(name: str) -> list[dict[str, Any]]:
    source = rendered(name)["source"]
    return source if isinstance(source, list) else [source]


def check_syntax(script: str) -> None:
    result = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
    assert result.returncode == 0, result.stderr


def git_apply(option: str, patch: Path, cwd: Path) -> str:
    command = ["git", "apply", option, str(patch)]
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_forge_holds_exactly_these_recipes() -> None:
    assert {path.parents[1].name for path in FORGE.glob("pkgs/*/recipe/recipe.yaml")} == set(EXPECTED_COUNTS)


@every_recipe
def test_a_recipe_renders_to_its_number_of_package_variants(name: str) -> None:
    variants = render(name)
    assert len(variants) == EXPECTED_COUNTS[name]
    assert rendered(name)["package"]["name"] == name


@every_cuda_recipe
def test_a_cuda_recipe_has_every_column_once(name: str) -> None:
    columns = [(v.variant["cuda_version"], v.variant["python"]) for v in render(name)]
    assert sorted(columns) == [(c, p) for c in ("12.6", "12.8", "12.9") for p in ("3.12", "3.13")]


@every_cuda_recipe
def test_a_column_is_compiled_with_a_gcc_that_its_nvcc_accepts(name: str) -> None:
    for variant in render(name):
        build = variant.recipe.to_dict()["requirements"]["build"]
        cuda = str(variant.variant["cuda_version"])
        pins = [re.fullmatch(r"(?:gcc|gxx)_linux-64 (\d+)\.\*", spec) for spec in build]
        majors = [int(pin.group(1)) for pin in pins if pin]
        assert len(majors) == 2, f"both compilers pinned in {build}"
        assert max(majors) <= NEWEST_GCC[cuda]


@every_cuda_recipe
def test_a_compiled_package_names_the_c_library_that_it_runs_with(name: str) -> None:
    for variant in render(name):
        assert "sysroot_linux-64 2.17.*" in variant.recipe.to_dict()["requirements"]["build"]


@every_noarch_recipe
def test_a_noarch_package_is_built_and_tested_with_the_lowest_python_that_it_runs_with(name: str) -> None:
    recipe = rendered(name)
    lowest = str(recipe["context"].get("python_min", "3.10"))
    assert recipe["requirements"]["host"][0] == f"python {lowest}.*"
    assert recipe["requirements"]["run"][0] == f"python >={lowest}"
    (test,) = recipe["tests"]
    assert f"{lowest}.*" in (test["python"]["python_version"] if "python" in test else test["requirements"]["run"][0])


@every_recipe
def test_a_recipe_says_of_itself_what_conda_forge_asks_for(name: str) -> None:
    recipe = rendered(name)
    about = recipe["about"]
    for key in ("homepage", "repository"):
        assert about[key].startswith("https://github.com/")
    assert about["summary"]
    assert all(re.fullmatch(r"[A-Za-z0-9.-]+", word) for word in about["license"].split(" AND "))
    assert about["license_file"] == LICENSE_FILES.get(name, ["LICENSE"])
    assert recipe["extra"]["recipe-maintainers"]


@every_recipe
def test_the_build_scripts_and_test_scripts_are_valid_shell(name: str) -> None:
    check_syntax(lines_of(script_of(name)["content"]))
    for test in rendered(name)["tests"]:
        if "script" in test:
            script = test["script"]
            check_syntax(lines_of(script["content"] if isinstance(script, dict) else script))


@every_recipe
def test_no_environment_value_waits_for_a_shell_to_expand_it(name: str) -> None:
    for key, value in script_of(name).get("env", {}).items():
        assert "$" not in str(value), f"{key}: no shell reads the values of env"


@every_recipe
def test_no_test_script_uses_the_builds_python_variable(name: str) -> None:
    """PYTHON is set while a package is built, and empty while it is tested."""
    tests = yaml.safe_load((recipe_dir(name) / "recipe.yaml").read_text())["tests"]
    assert "PYTHON" not in yaml.safe_dump(tests)


@every_recipe
def test_a_source_is_pinned(name: str) -> None:
    for source in sources(name):
        if "url" in source:
            assert re.fullmatch(r"[0-9a-f]{64}", source["sha256"])
        else:
            assert re.fullmatch(r"[0-9a-f]{40}|refs/tags/v[0-9.]+", source["rev"])


@every_recipe
def test_every_patch_a_recipe_names_is_there_and_no_other(name: str) -> None:
    named = {patch for source in sources(name) for patch in source.get("patches", [])}
    present = {str(p.relative_to(recipe_dir(name))) for p in recipe_dir(name).rglob("*.patch")}
    assert named == present
    assert bool(named) == (name in PATCHED_FILES)


@pytest.mark.parametrize("name", PATCHED_FILES)
def test_a_patch_is_well_formed_and_touches_only_its_files(name: str) -> None:
    (patch,) = recipe_dir(name).rglob("*.patch")
    numstat = git_apply("--numstat", patch, cwd=FORGE)
    assert {line.split("\t")[2] for line in numstat.splitlines()} == PATCHED_FILES[name]


@pytest.mark.parametrize("name", PATCHED_FILES)
def test_a_patch_applies_to_the_lines_it_was_written_for(name: str, tmp_path: Path) -> None:
    """Both sides of each hunk are put back at their line numbers: a wrong count or number no longer fits."""
    (patch,) = recipe_dir(name).rglob("*.patch")
    before, after = sides_of(patch.read_text())
    for path, lines in before.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("\n".join(lines) + "\n")
    git_apply("--whitespace=nowarn", patch, cwd=tmp_path)
    for path, lines in after.items():
        assert (tmp_path / path).read_text().splitlines() == lines


def sides_of(patch: str) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The files a unified diff changes, before and after, with filler where the diff shows nothing."""
    before: dict[str, list[str]] = {}
    after: dict[str, list[str]] = {}
    path = ""
    for line in patch.splitlines():
        header = re.match(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@", line)
        if line.startswith("+++ b/"):
            path = line.removeprefix("+++ b/")
            before[path], after[path] = [], []
        elif line.startswith(("diff ", "index ", "--- ")):
            continue
        elif header:
            filler = [f"filler {path} {n}" for n in range(len(before[path]) + 1, int(header.group(1)))]
            before[path] += filler
            after[path] += filler
            assert len(after[path]) + 1 == int(header.group(2)), f"{path}: wrong line number in {line}"
        else:
            if line[:1] in ("", " ", "-"):
                before[path].append(line[1:])
            if line[:1] in ("", " ", "+"):
                after[path].append(line[1:])
    return before, after


@every_cuda_recipe
def test_the_architectures_are_those_that_the_forge_declares(name: str) -> None:
    declared = {str(variant.variant["cuda_arch_list"]) for variant in render(name)}
    assert declared == {"7.0;7.5;8.0;8.6;8.9;9.0+PTX"}
    assert set(script_of(name)["env"].values()) >= declared
