"""Definitions of many assets that one function makes.

`dagster.multi_asset` reads the function's signature a dozen times for each asset, and makes its config schema anew: of loading
1,000 recipes that was two thirds. Here both are done once. So is finding out what type an input or output has, of which an
asset has one for each thing that it needs and for each of its checks.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from typing import Any, TypeVar, cast

import dagster as dg
from dagster._core.definitions.decorators.op_decorator import DecoratedOpFunction
from dagster._core.definitions.definition_config_schema import IDefinitionConfigSchema
from dagster._core.definitions.input import InputDefinition
from dagster._core.definitions.output import OutputDefinition

_Definition = TypeVar("_Definition", InputDefinition, OutputDefinition)

_INPUT = dg.In(dg.Nothing).to_definition("needed")


class _Like(dg.Out):
    """An output that differs from another one in its name only."""

    _prepared: OutputDefinition

    def to_definition(
        self, annotation_type: type, name: str | None, description: str | None, code_version: str | None
    ) -> OutputDefinition:
        return _named(self._prepared, name or "")


def _like(out: dg.Out) -> dg.Out:
    found = _Like(out.dagster_type, is_required=out.is_required)
    found._prepared = out.to_definition(type(None), "made", None, None)
    return found


_MATERIALIZATION = _like(dg.Out(dg.Nothing, is_required=False))
_CHECK = _like(dg.Out(None, is_required=False))


def _named(definition: _Definition, name: str) -> _Definition:
    found = copy(definition)
    found._name = name
    return found


def shared(function: Callable[[dg.AssetExecutionContext], Iterator[Any]]) -> DecoratedOpFunction:
    """The function of many assets, whose only parameter is ``context``; it yields results, as one of a `multi_asset` does."""
    # What `inspect` returns without a look at the function.
    function.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return DecoratedOpFunction(function)


def define_asset(
    function: DecoratedOpFunction,
    *,
    op_name: str,
    spec: dg.AssetSpec,
    checks: Iterable[dg.AssetCheckSpec] = (),
    pool: str,
    tags: Mapping[str, str],
    retries: dg.RetryPolicy | None,
    config: IDefinitionConfigSchema | None = None,
) -> dg.AssetsDefinition:
    """The definition of one asset, as `multi_asset` with ``can_subset`` makes it: its results and its checks' are optional.

    Args:
        function: `shared`; it tells by its context's ``op_def`` for which asset it runs.
        tags: what the engine that runs its op is told of it.
        config: what ``context.op_config`` holds in a run.
    """
    # Not the assets' own names, as `multi_asset` has it: Dagster refuses `int`, `input` or `in`, and takes a.b for a-b.
    by_output = {f"check_{position}": check for position, check in enumerate(checks)}
    output = "asset"
    inputs = {f"needed_{position}": dep.asset_key for position, dep in enumerate(spec.deps)}
    outs: Mapping[str, dg.Out] = {
        output: _MATERIALIZATION,
        **dict.fromkeys(by_output, _CHECK),
    }
    # Dagster takes input definitions too; its annotations say otherwise.
    ins = cast(Mapping[str, dg.In], {name: _named(_INPUT, name) for name in inputs})
    op = dg.OpDefinition(
        compute_fn=function,
        name=op_name,
        ins=ins,
        outs=outs,
        pool=pool,
        tags=tags,
        retry_policy=retries,
        config_schema=config,
    )
    return dg.AssetsDefinition(
        keys_by_input_name=inputs,
        keys_by_output_name={output: spec.key},
        node_def=op,
        can_subset=True,
        check_specs_by_output_name=by_output,
        specs=[spec],
    )
