"""`strmctl recipe`: lists, shows and checks recipes."""

from __future__ import annotations

import click

from strmctl.cli import console
from strmctl.cli.group import Group
from strmctl.cli.options import NAME_OR_PATH, json_option, set_option
from strmctl.errors import RecipeError
from strmctl.model.backbones.table import BACKBONES, TIMM
from strmctl.model.methods.table import METHODS

METHOD_LINES = "".join(f"\n  {name:<10} {method.summary}" for name, method in METHODS.items())
BACKBONE_LINES = "".join(f"\n  {name}" for name in (*BACKBONES, f"{TIMM}NAME, any image model of timm (extra `timm`)"))


@click.group(
    cls=Group,
    name="recipe",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=f"\b\nMethods (values of the key `method`):{METHOD_LINES}\n\n"
    f"\b\nBackbones (values of the key `backbone.name`):{BACKBONE_LINES}",
)
def command() -> None:
    """List, show and check recipes.

    \b
    Examples:
      strmctl recipe ls
      strmctl recipe show ssv2_r50 > mine.yaml
      strmctl recipe validate mine.yaml --set train.episodes=200
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
@click.argument("recipe", metavar="NAME|FILE", type=NAME_OR_PATH)
def show(recipe: str) -> None:
    """Print a recipe with its comments, a shipped one or that of a YAML file."""
    from strmctl.recipe import recipe_path

    path = recipe_path(recipe)
    try:
        click.echo(path.read_text(encoding="utf-8"), nl=False)
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path} is not a text file") from error


@command.command()
@click.argument("recipe", metavar="NAME|FILE", type=NAME_OR_PATH)
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
