"""A recipe with a staging output, two that inherit from it, one that pins a sibling, and a recipe that needs one of them."""

from __future__ import annotations

import pytest
from small_forge import SmallForge

from orchestration.making import make, publish, published
from wvforge_dagster.build.inspect import read_package
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.orchestration.made import Made
from wvforge_dagster.orchestration.metadata import made_metadata
from wvforge_dagster.orchestration.plan import make_plan, select
from wvforge_dagster.orchestration.specs import environments_before_a_build

MANY = """
recipe: {name: many, version: "1.0"}
about: {license: MIT}
build: {number: 0}
outputs:
  - package: {name: py-many}
    build:
      variant: {use_keys: [python]}
      script: "cp $PREFIX/many.txt $PREFIX/py-many.txt"
    requirements:
      host: ["${{ pin_subpackage('libmany', exact=True) }}"]
      run: ["${{ pin_compatible('libmany', upper_bound='x') }}"]
    tests: [{script: ["test -f $PREFIX/many.txt && test -f $PREFIX/py-many.txt"]}]
  - staging: {name: many-build}
    source: {path: ../../../sources}
    requirements: {host: [toolkit]}
    build: {script: "cat $PREFIX/toolkit.txt a.txt > $PREFIX/many.txt && echo data > $PREFIX/data.txt"}
  - package: {name: libmany}
    inherit: many-build
    build: {files: [many.txt]}
    requirements: {run_exports: ["${{ pin_subpackage('libmany', upper_bound='x.x') }}"]}
  - package: {name: many-data}
    inherit: many-build
    build: {files: [data.txt], noarch: generic}
"""


def write(forge: SmallForge) -> None:
    forge.write("variants.yaml", "python: ['3.11', '3.12']\n")
    forge.configure(channels=[], variants=["variants.yaml"])
    forge.package("toolkit", "echo toolkit > $PREFIX/toolkit.txt")
    forge.write("sources/a.txt", "source\n")
    forge.recipe("many", MANY)
    forge.package("user", "cp $PREFIX/data.txt $PREFIX/user.txt", host=("many-data",))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[SmallForge, Made, Made]:
    """The forge, and what came of both partitions of ``many``."""
    forge = SmallForge(tmp_path_factory.mktemp("staging"))
    write(forge)
    make(forge, "toolkit")
    first, second = make(forge, "many", "3.11"), make(forge, "many", "3.12")
    publish(forge, "many", "3.11")
    publish(forge, "many", "3.12")
    return forge, first, second


def test_what_a_staging_output_requires_is_built_first_and_solved_in_an_environment_of_its_own(
    small_forge: SmallForge,
) -> None:
    write(small_forge)
    catalog = small_forge.open().catalog
    assert catalog.levels() == (("toolkit",), ("many",), ("user",))
    assert catalog.packages["many"].needs == (("toolkit", ("staging host",)),)
    assert ("staging host", ("toolkit",)) in environments_before_a_build(catalog.variants[VariantId("many", "3.11")])


def test_each_output_stands_once_in_a_partition_after_the_siblings_that_it_pins(small_forge: SmallForge) -> None:
    write(small_forge)
    variants = small_forge.open().catalog.variants
    for key in ("3.11", "3.12"):
        names = [output.name for output in variants[VariantId("many", key)].outputs]
        assert sorted(names) == ["libmany", "many-data", "py-many"]
        assert names.index("libmany") < names.index("py-many")


def test_the_script_and_the_sources_of_a_staging_output_bind_what_inherits_from_it(small_forge: SmallForge) -> None:
    write(small_forge)
    small_forge.edit("many", "requirements: {host: [toolkit]}", "requirements: {}")

    def digests() -> dict[str, str]:
        return {item.output.name: item.input_digest for item in small_forge.status("many", "3.11").expected}

    first = digests()
    small_forge.edit("many", "cat $PREFIX/toolkit.txt a.txt", "cat a.txt")
    second = digests()
    small_forge.write("sources/a.txt", "other\n")
    third = digests()
    for name in ("libmany", "many-data", "py-many"):
        assert len({first[name], second[name], third[name]}) == 3


def test_all_outputs_are_built_and_each_stands_in_the_metadata(built: tuple[SmallForge, Made, Made]) -> None:
    _, first, _ = built
    assert sorted(artifact.name for artifact in first.artifacts) == ["libmany", "many-data", "py-many"]
    assert [name for name, _ in first.tests] == ["py-many"]
    metadata = made_metadata(first, {})
    for artifact in first.artifacts:
        assert metadata[f"{artifact.name}: filename"] == artifact.filename
        assert metadata[f"{artifact.name}: sha256"] == artifact.sha256


def test_a_staging_output_makes_its_files_from_what_it_requires(built: tuple[SmallForge, Made, Made]) -> None:
    forge, first, _ = built
    record = next(item.record for item in first.artifacts if item.name == "libmany")
    assert record is not None
    assert list(record.parts["local_packages"]) == ["toolkit"]
    assert list(record.parts["sources"]) == ["../../../sources"]
    assert forge.status("many", "3.11").state.value == "published"


def test_an_output_that_partitions_share_is_built_once_and_all_of_them_stay_published(
    built: tuple[SmallForge, Made, Made],
) -> None:
    forge, first, second = built
    files = [{item.name: item.filename for item in made.artifacts} for made in (first, second)]
    assert files[0]["libmany"] == files[1]["libmany"]
    assert files[0]["many-data"] == files[1]["many-data"]
    assert files[0]["py-many"] != files[1]["py-many"]
    assert len(published(forge)) == 4
    states = forge.states()
    assert (states["many[3.11]"], states["many[3.12]"]) == ("published", "published")


def test_another_recipe_may_need_any_output(built: tuple[SmallForge, Made, Made]) -> None:
    forge, _, _ = built
    (artifact,) = make(forge, "user").artifacts
    assert artifact.record is not None
    assert set(artifact.record.parts["local_packages"]) == {"many-data[3.11]", "many-data[3.12]"}


def test_what_is_built_anew_gets_one_number_in_all_partitions(built: tuple[SmallForge, Made, Made]) -> None:
    forge, _, _ = built
    forge.edit("many", "cp $PREFIX/many.txt $PREFIX/py-many.txt", "date > $PREFIX/py-many.txt")
    numbers = [
        {item.name: item.build_number for item in make(forge, "many", key).artifacts} for key in ("3.11", "3.12")
    ]
    assert numbers == [{"libmany": 1, "many-data": 1, "py-many": 1}] * 2
    assert forge.status("many", "3.11").state.value == "staged"


def test_partitions_that_share_an_output_are_made_one_after_the_other(small_forge: SmallForge) -> None:
    write(small_forge)
    forge = small_forge.open()
    statuses = {
        identity: small_forge.status(identity.package, identity.partition) for identity in forge.catalog.variants
    }
    plan = make_plan(forge.catalog, statuses, {}, select(forge.catalog, ("many",), (), ()))
    assert VariantId("many", "3.11") in plan.waits_for[VariantId("many", "3.12")]
    assert VariantId("many", "3.12") not in plan.waits_for[VariantId("many", "3.11")]


COLUMNS = """
recipe: {name: cols, version: "1"}
about: {license: MIT}
outputs:
  - package: {name: lib-cols}
    build: {variant: {use_keys: [cuda_version]}, script: "echo ${{ cuda_version }} > $PREFIX/lib.txt"}
  - package: {name: py-cols}
    build: {noarch: generic, script: "cp $PREFIX/lib.txt $PREFIX/py.txt"}
    requirements: {host: ["${{ pin_subpackage('lib-cols', exact=True) }}"]}
    tests: [{package_contents: {files: [py.txt]}}]
"""


def test_an_output_that_pins_a_sibling_exactly_is_built_in_that_siblings_column(small_forge: SmallForge) -> None:
    small_forge.write("variants.yaml", "cuda_version: ['12.6', '12.8']\n")
    small_forge.configure(channels=[], variants=["variants.yaml"])
    small_forge.recipe("cols", COLUMNS)
    for key in ("12.6", "12.8"):
        variant = small_forge.open().catalog.variants[VariantId("cols", key)]
        assert [output.name for output in variant.outputs] == ["lib-cols", "py-cols"]
    library, pinned = make(small_forge, "cols", "12.8").artifacts
    assert pinned.record is not None
    assert pinned.record.parts["variant"] == {"lib-cols": f"1 {library.build}"}
    assert read_package(small_forge.open().staging.path / pinned.subdir / pinned.filename, ("py.txt",)) == {
        "py.txt": b"12.8\n"
    }
