"""Child process: has the engine write a recipe for a project of PyPI. ``python -m wvforge_dagster.build.pypi_worker REQUEST``.

The request holds ``project``, ``version`` (or none) and ``indexes`` (addresses of JSON APIs; none for PyPI's). One event,
``written`` (the text, and whether requirements have conda-forge's names) or ``failed`` (the reason).
"""

from __future__ import annotations

from rattler_build.recipe_generation import generate_pypi_recipe_string_py  # type: ignore[attr-defined]

from wvforge_dagster.build.events import begin
from wvforge_dagster.build.words import plain_words


def main() -> None:
    request, events = begin()
    fault = "failed"
    for mapped in (True, False):
        try:
            text = generate_pypi_recipe_string_py(request["project"], request["version"], mapped, request["indexes"])
        except Exception as error:
            fault = plain_words(error)
        else:
            events.send("written", text=text, mapped=mapped)
            return
    events.send("failed", reason=fault)


if __name__ == "__main__":
    main()
