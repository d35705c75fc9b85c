"""``wvforge new``: a first recipe."""

from __future__ import annotations

from typing import Annotated

import typer

from wvforge_dagster.settings import read_settings
from wvforge_dagster.showing import err, out


def new(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the new package.")],
    source: Annotated[
        str | None, typer.Argument(help="The project of PyPI (NAME or NAME==VERSION), or the archive's address.")
    ] = None,
    from_pypi: Annotated[
        bool, typer.Option("--from-pypi", help="From a project of PyPI; default: of that name.")
    ] = False,
    index: Annotated[
        str | None, typer.Option("--index", help="Address of another registry's JSON API than PyPI's.")
    ] = None,
    from_url: Annotated[bool, typer.Option("--from-url", help="From the address of an archive of sources.")] = False,
) -> None:
    """Write a first recipe for a new package, to be looked through."""
    from wvforge_dagster.build.new_recipe import recipe_from_url
    from wvforge_dagster.build.pypi_recipe import recipe_from_pypi
    from wvforge_dagster.orchestration.forge_on_disk import open_forge
    from wvforge_dagster.orchestration.new_package import add_package

    if from_pypi == from_url or (from_url and source is None) or source == "":
        raise typer.BadParameter("give --from-pypi [PROJECT] or --from-url URL")
    forge = open_forge(read_settings(context.obj))
    path, recipe = add_package(
        forge,
        name,
        lambda: recipe_from_url(name, source) if source and from_url else recipe_from_pypi(name, source or name, index),
    )
    for remark in recipe.remarks:
        err.print(f"warning: {remark}", markup=False, soft_wrap=True)
    out.print(f"wrote {path}; look it through, then: wvforge build {name}", markup=False, soft_wrap=True)
