"""Definitions of many assets that one function makes.

`dagster.multi_asset` reads the function's signature a dozen times for each asset, and makes its config schema anew: of loading
1,000 recipes that was two thirds. Here both are done once.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import dagster as dg
from dagster._core.definitions.decorators.op_decorator import DecoratedOpFunction
from dagster._core.definitions.definition_config_schema import IDefinitionConfigSchema

_NOTHING = dg.In(dg.Nothing)


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
    config: IDefinitionConfigSchema | None = None,
) -> dg.AssetsDefinition:
    """The definition of one asset, as `multi_asset` with ``can_subset`` makes it: its results and its checks' are optional.

    Args:
        function: `shared`; it tells by its context's ``op_def`` for which asset it runs.
        config: what ``context.op_config`` holds in a run.
    """
    # Not the assets' own names, as `multi_asset` has it: Dagster refuses `int`, `input` or `in`, and takes a.b for a-b.
    by_output = {f"check_{position}": check for position, check in enumerate(checks)}
    output = "asset"
    inputs = {f"needed_{position}": dep.asset_key for position, dep in enumerate(spec.deps)}
    outs: Mapping[str, dg.Out] = {
        output: dg.Out(dg.Nothing, is_required=False),
        **{name: dg.Out(None, is_required=False) for name in by_output},
    }
    op = dg.OpDefinition(
        compute_fn=function,
        name=op_name,
        ins=dict.fromkeys(inputs, _NOTHING),
        outs=outs,
        pool=pool,
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
