"""`strmctl recipe`: lists, shows and checks recipes."""

from __future__ import annotations

from typing import Any

import click

from strmctl.cli import console
from strmctl.cli.group import Group
from strmctl.cli.options import METHOD, RECIPE, json_option, set_option
from strmctl.errors import RecipeError, UsageError, did_you_mean
from strmctl.model.backbones.table import BACKBONES, TIMM
from strmctl.model.methods.table import METHODS, Key, Method

METHOD_LINES = "".join(f"\n  {name:<{max(map(len, METHODS))}} {method.summary}" for name, method in METHODS.items())
BACKBONE_LINES = "".join(f"\n  {name}" for name in (*BACKBONES, f"{TIMM}NAME, any image model of timm (extra `timm`)"))


@click.group(
    cls=Group,
    name="recipe",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=f"\b\nMethods (values of the key `method`; more: strmctl recipe methods):{METHOD_LINES}\n\n"
    f"\b\nBackbones (values of the key `backbone.name`; more: strmctl recipe backbones):{BACKBONE_LINES}",
)
def command() -> None:
    """List, show and check recipes, and what they may hold.

    \b
    Examples:
      strmctl recipe ls
      strmctl recipe show ssv2_r50 > mine.yaml
      strmctl recipe validate mine.yaml --set train.episodes=200
      strmctl recipe methods
      strmctl recipe methods chamfer
      strmctl recipe backbones
    """


@command.command()
@json_option
def ls(as_json: bool) -> None:
    """List the recipes that come with the tool."""
    from strmctl.recipe import load_recipe, shipped_recipes

    recipes = [load_recipe(path) for path in shipped_recipes().values()]
    rows = [
        (r.name, r.data.dataset, r.backbone.name, f"{r.train.episodes:,}", f"{r.train.way}-way {r.train.shot}-shot")
        for r in recipes
    ]
    columns = ("recipe", "data set", "backbone", "training episodes", "trained on")
    if as_json:
        console.print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        console.print_table("Recipes", columns, rows)


@command.command()
@click.argument("recipe", metavar="NAME|FILE", type=RECIPE)
def show(recipe: str) -> None:
    """Print a recipe with its comments, a shipped one or that of a YAML file."""
    from strmctl.recipe import recipe_path

    path = recipe_path(recipe)
    try:
        click.echo(path.read_text(encoding="utf-8"), nl=False)
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path} is not a text file") from error


@command.command()
@click.argument("recipe", metavar="NAME|FILE", type=RECIPE)
@set_option
@json_option
def validate(recipe: str, assignments: tuple[str, ...], as_json: bool) -> None:
    """Check a recipe and print it as it would be used; all problems are reported together (exit code 4)."""
    from strmctl.recipe import load_recipe

    checked = load_recipe(recipe, assignments)
    if checked.backbone.name.startswith(TIMM):
        from strmctl.model.backbones.timm_network import look_at

        look_at(checked.backbone.name, checked.input.crop)
    if as_json:
        console.print_json(checked.model_dump())
    else:
        click.echo(checked.to_yaml(), nl=False)
        console.say(f"{recipe}: valid")


@command.command()
@click.argument("method", required=False, type=METHOD)
@json_option
def methods(method: str | None, as_json: bool) -> None:
    """List the methods with their source and how near they are to it; of one METHOD, also its keys in a recipe."""
    if method is not None and method not in METHODS:
        raise UsageError(f"no method named {method!r}", f"{did_you_mean(METHODS, method)}known: {', '.join(METHODS)}")
    chosen = METHODS if method is None else {method: METHODS[method]}
    if as_json:
        console.print_json([_about(name, entry) for name, entry in chosen.items()])
    elif method is None:
        columns = ("method", "what it does", "source", "how near")
        rows = [(name, entry.summary, entry.source, entry.faithful) for name, entry in METHODS.items()]
        console.print_table("Methods: `--set method=NAME`", columns, rows, words=True)
    else:
        click.echo(_section(method, METHODS[method]), nl=False)


@command.command()
@json_option
def backbones(as_json: bool) -> None:
    """List the backbones: channels and time steps of their maps, and what their published weights saw."""
    columns = ("backbone", "channels", "crop", "steps of 8", "of 16", "weights", "which saw")
    rows = [
        (name, entry.dim, entry.crop or "any", entry.steps(8), entry.steps(16), ", ".join(entry.weights), entry.seen)
        for name, entry in BACKBONES.items()
    ]
    if as_json:
        console.print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        shown = [[str(value or "–") for value in row] for row in rows]
        console.print_table("Backbones: `--set backbone.name=NAME`", columns, shown, words=True)


def _about(name: str, entry: Method) -> dict[str, Any]:
    keys = {key: {"default": own.default, "note": own.note} for key, own in entry.keys.items()}
    texts = {text: getattr(entry, text) for text in ("label", "summary", "source", "faithful")}
    return {"method": name, **texts, "parts": list(entry.parts), "keys": keys, "table1": entry.table1}


def _section(name: str, entry: Method) -> str:
    """A method as the part of a recipe that is its own, with comments."""
    from strmctl import yaml

    lines = [f"# {entry.label}: {entry.summary}", f"# {entry.source}: {entry.faithful}", f"method: {name}"]
    if entry.keys:
        texts = {key: f"  {yaml.dump({key: own.default}).strip()}" for key, own in entry.keys.items()}
        width = max(map(len, texts.values()))
        lines += [f"{name}:", *(f"{texts[key]:<{width}}  # {_comment(own)}" for key, own in entry.keys.items())]
    return "\n".join(lines) + "\n"


def _comment(own: Key) -> str:
    return f"{' | '.join(own.kind)}: {own.note}" if isinstance(own.kind, tuple) else own.note
