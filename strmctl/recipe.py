"""The typed recipe: everything that defines an experiment, checked before any work. Only this file imports pydantic.

A recipe is a YAML file with sections and without defaults: a missing key is an error, so that a recipe still says years
later what was done. Only keys that came after the first runs have one: what those runs did. All problems are reported
together, one `path: problem (got X)` per line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    create_model,
    field_validator,
    model_serializer,
    model_validator,
)

from strmctl import yaml
from strmctl.errors import RecipeError, did_you_mean
from strmctl.model.backbones.table import BACKBONES, MOST_FRAMES, TIMM, backbone_entry
from strmctl.model.methods.table import METHODS, Key
from strmctl.model.presets import DEVIATIONS
from strmctl.paths import shipped

Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
DeviationName = Literal[tuple(DEVIATIONS)]


class Section(BaseModel):
    """A part of a recipe: read-only, no unknown keys, no conversions but that of a whole number to a float."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Fold(Section):
    """One of several folds of all classes, in place of the data set's own split; see `datasets.folds`."""

    number: Count  # of this fold, from 1
    folds: Annotated[int, Field(ge=2)]
    seed: Annotated[int, Field(ge=0)]  # seed of the order in which classes are dealt to folds

    def __str__(self) -> str:
        return f"fold {self.number} of {self.folds}"

    @model_validator(mode="after")
    def _is_one_of_them(self) -> Fold:
        if self.number > self.folds:
            raise ValueError(f"number must not exceed folds ({self.folds})")
        return self


class Data(Section):
    """The data for training and testing; only a run of a fold has the key `fold`."""

    dataset: Annotated[str, Field(min_length=1)]  # name of a frame store
    missing_classes: Literal["error", "drop"]  # treatment of classes of the split that have no usable clip
    fold: Fold | None = None

    @model_serializer(mode="wrap")
    def _without_null(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in serialize(self).items() if value is not None}


class Input(Section):
    """How a clip enters the model."""

    frames: Annotated[int, Field(ge=2, le=MOST_FRAMES)]  # L, frames per clip
    rate: Positive | None = None  # frames per second of video; null: they are spread over the whole clip
    size: Annotated[int, Field(ge=16)]  # pixels, shorter side of the resized frames
    crop: Annotated[int, Field(ge=16)]  # pixels, side of the square that the model sees
    flip: bool  # whether half of the training clips are mirrored; false where left and right make classes
    normalize: Literal["none", "backbone"]  # pixels in [0, 1] as they are, or by the backbone's mean and std

    @property
    def taken(self) -> dict[str, Any]:
        """What decides which pixels a model sees of a clip in test: `frames`, `rate`, `size` and `crop`."""
        return self.model_dump(include={"frames", "rate", "size", "crop"})

    @field_validator("rate", mode="before")
    @classmethod
    def _rate_is_no_word(cls, rate: Any) -> Any:
        if isinstance(rate, str):
            own = ", ".join(name for name, entry in BACKBONES.items() if entry.video)
            raise ValueError(f"should be null, a number of frames per second, or 'backbone' with backbone {own}")
        return rate

    @model_validator(mode="after")
    def _crop_fits(self) -> Input:
        if self.crop > self.size:
            raise ValueError(f"crop must not exceed size ({self.size})")
        return self


class Model(Section):
    """The model of the paper, or that of the authors' released code."""

    preset: Literal["paper", "released"]
    deviations: list[DeviationName]  # departures from the paper's model; preset released has all of them

    @model_validator(mode="after")
    def _deviations_differ(self) -> Model:
        if self.preset == "released" and self.deviations:
            raise ValueError("deviations must be [] with preset released, which has all of them")
        if len(set(self.deviations)) < len(self.deviations):
            raise ValueError("deviations must differ from each other")
        return self


class Backbone(Section):
    """The network that maps a frame to features."""

    name: str  # one of the table's, or timm:NAME for the image model of that name in timm
    weights: Annotated[str, Field(min_length=1)]  # imagenet | none | path of a file of weights
    batch_norm: Literal["batch", "frozen"]  # statistics in training: those of the batch, or the stored ones
    trained: bool = True  # false: it stays as its weights are, and its maps of every clip are made once and kept
    maps: Literal["half", "float32"] = "half"  # precision in which maps are kept; half: float16
    compile: bool = False  # whether torch.compile makes it faster, where it is trained

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in BACKBONES and not (name.startswith(TIMM) and name.removeprefix(TIMM).strip()):
            guess = did_you_mean([*BACKBONES, f"{TIMM}{name}"], name).strip()
            known = ", ".join(map(repr, BACKBONES))
            raise ValueError(f"should be {known}, or '{TIMM}NAME' for a model of timm{guess and ', '}{guess}")
        return name


class PatchEnrichment(Section):
    """PLE, the patch-level enrichment."""

    enabled: bool
    patches: Count  # patches along each side of a frame: 4 gives 4×4
    hidden: Count | None  # width of psi; null: half the backbone's D


class FrameEnrichment(Section):
    """FLE, the frame-level enrichment."""

    enabled: bool


class TemporalRelations(Section):
    """TRM, the temporal relations (Eq. 1)."""

    cardinalities: Annotated[list[Count], Field(min_length=1)]  # frames per tuple
    tuple_fraction: Annotated[float, Field(gt=0, le=1)]  # share of each cardinality's tuples that TRM and QC use
    tuple_trial: Annotated[int, Field(ge=0)]  # number of the random draw of these tuples
    dim: Count  # D', the width of tuple keys and values
    distance: Literal["squared", "norm"]  # distance between a query tuple and its prototype
    dropout: Fraction  # probability of dropout on frames, before TRM and before QC


class QueryClass(Section):
    """QC, the query-class similarity classifier (Eq. 8)."""

    enabled: bool
    dim: Count | None  # D'', the width of projected tuples; null: half the backbone's D
    weight: Annotated[float, Field(ge=0)]  # lambda, in the loss and in the joint prediction
    trained: bool  # false: W_cls keeps its initial values


class Train(Section):
    """Episodic training; `queries` is the number per class."""

    episodes: Annotated[int, Field(ge=0)]  # 0: the model is used as it is initialised
    way: Annotated[int, Field(ge=2)]
    shot: Count
    queries: Count
    optimizer: Literal["sgd", "adam"]
    learning_rate: Positive
    schedule: Literal["constant", "cosine"]
    gradient_clip: Positive | None  # largest gradient norm; null: no limit
    accumulate: Count  # episodes per optimizer step
    loss_reduction: Literal["sum", "mean"]  # over an episode's queries
    views: Count = 1  # kept maps per training clip: the test view, the others jittered, cropped and mirrored
    dtype: Literal["float32", "bfloat16"] = "float32"  # precision of embedding in training, and of kept maps
    memory: Literal["plain", "checkpoint", "sides", "clips"] = "plain"  # see `training.gradients`
    keep: list[Count] = []  # training episodes after which the weights are kept as well
    distinct_groups: bool = False  # whether support and query, in validation too, never share a source video
    seed: Annotated[int, Field(ge=0)]


class Validation(Section):
    """How the best model is chosen; only the val split is used."""

    every: Count  # training episodes from one validation to the next
    episodes: Count
    shot: Count


class _Sections(Section):
    """The part of a recipe before the sections of single methods."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    method: Literal[tuple(METHODS)]
    prediction: Literal["joint", "trm"]  # TRM + weight · query-class, or TRM alone
    data: Data
    input: Input
    model: Model
    backbone: Backbone
    patch_enrichment: PatchEnrichment
    frame_enrichment: FrameEnrichment
    trm: TemporalRelations
    query_class: QueryClass


def _section(name: str, keys: Mapping[str, Key]) -> type[Section]:
    """The section of a method's own keys."""
    kinds = {
        key: Literal[own.kind] if isinstance(own.kind, tuple) else Annotated[own.kind, Field(**own.limits)]
        for key, own in keys.items()
    }
    return create_model(name, __base__=Section, **{key: (kind, ...) for key, kind in kinds.items()})


_OWN = {name: (_section(name, method.keys), ...) for name, method in METHODS.items() if method.keys}


class Recipe(create_model("_MethodSections", __base__=_Sections, **_OWN)):
    """A complete experiment."""

    train: Train
    validation: Validation

    @model_validator(mode="before")
    @classmethod
    def _has_all_sections(cls, values: Any) -> Any:
        return _with_rate_as_number(with_other_methods(values)) if isinstance(values, Mapping) else values

    @model_validator(mode="after")
    def _cardinalities_fit(self) -> Recipe:
        cardinalities = self.trm.cardinalities
        steps = self.steps or self.input.frames
        most = steps if "trm" in METHODS[self.method].parts else self.input.frames
        if max(cardinalities) > most or len(set(cardinalities)) < len(cardinalities):
            problem = f"must differ from each other and not exceed {self._steps_in_words(max(cardinalities))}"
            raise ValueError(f"trm.cardinalities {cardinalities} {problem}")
        if (own := getattr(getattr(self, self.method, None), "cardinality", 1)) > steps:
            raise ValueError(f"{self.method}.cardinality must not exceed {self._steps_in_words(own)} (got {own})")
        if (least := METHODS[self.method].steps) > steps:
            raise ValueError(f"method {self.method} needs {least} time steps, more than {self._steps_in_words(least)}")
        return self

    @model_validator(mode="after")
    def _views_are_kept(self) -> Recipe:
        if self.train.views > 1 and self.backbone.trained:
            reason = "with backbone.trained true, where a training clip is jittered and cropped anew each time"
            raise ValueError(f"train.views must be 1 {reason} (got {self.train.views})")
        return self

    @model_validator(mode="after")
    def _snapshots_come_up(self) -> Recipe:
        keep, episodes = self.train.keep, self.train.episodes
        if len(set(keep)) < len(keep) or max(keep, default=0) > episodes:
            raise ValueError(
                f"train.keep must differ from each other and not exceed train.episodes ({episodes}) (got {keep})"
            )
        return self

    @model_validator(mode="after")
    def _memory_suits_the_backbone(self) -> Recipe:
        backbone, memory = self.backbone, self.train.memory
        tied = backbone.trained and backbone.batch_norm == "batch" and backbone_entry(backbone.name).batch_norm
        if memory == "clips" and tied:
            reason = "backbone.batch_norm frozen, because batch statistics tie all clips of a side together"
            raise ValueError(f"train.memory clips needs {reason} (got {backbone.batch_norm})")
        if backbone.compile and memory in ("checkpoint", "sides"):
            raise ValueError(f"train.memory must be plain or clips with backbone.compile true (got {memory})")
        return self

    @model_validator(mode="after")
    def _crop_suits_the_backbone(self) -> Recipe:
        name, crop = self.backbone.name, backbone_entry(self.backbone.name).crop
        if crop not in (None, self.input.crop):
            raise ValueError(f"input.crop must be {crop} with backbone {name} (got {self.input.crop})")
        return self

    @model_validator(mode="after")
    def _frames_suit_the_backbone(self) -> Recipe:
        name, frames = self.backbone.name, self.input.frames
        if not self.steps:
            entry = backbone_entry(name)
            taken = [count for count in range(2, MOST_FRAMES + 1) if entry.steps(count)]
            words = f"{taken[0]}" if len(taken) == 1 else f"{taken[0]} or more"
            raise ValueError(f"input.frames must be {words} with backbone {name} (got {frames})")
        return self

    @model_validator(mode="after")
    def _deviations_suit_the_method(self) -> Recipe:
        parts = [p for p in METHODS[self.method].parts if getattr(getattr(self, p), "enabled", True)]
        if without := [name for name in self.model.deviations if DEVIATIONS[name].part not in parts]:
            raise ValueError(f"model.deviations: this {self.method} model has no place for {', '.join(without)}")
        return self

    @property
    def steps(self) -> int:
        """L', the time steps of a clip that the method compares: its frames, or those of a network over clips."""
        return backbone_entry(self.backbone.name).steps(self.input.frames)

    def _steps_in_words(self, wanted: int) -> str:
        """The number of time steps that there are, and the frames that it takes to have as many as are wanted."""
        backbone, frames = self.backbone.name, self.input.frames
        if self.steps == frames:
            return f"input.frames ({frames})"
        more = backbone_entry(backbone).frames_for(wanted)
        advice = f"; input.frames {more} would do" if more else ""
        steps = f"{self.steps} time step{'s' * (self.steps > 1)}"
        return f"the {steps} that backbone {backbone} makes of {frames} frames{advice}"

    @property
    def libraries(self) -> tuple[str, ...]:
        """Libraries besides torch and torchvision that compute the model."""
        return (*backbone_entry(self.backbone.name).libraries, *METHODS[self.method].libraries)

    def settled(self) -> dict[str, Any]:
        """The recipe with what its method decides, so that it says what is done.

        Parts that the method lacks are off; fixed cardinalities are filled in; a method without any part of STRM has
        the preset `paper`; one without weights has nothing to train with a frozen backbone.
        """
        values, method = self.model_dump(), METHODS[self.method]
        for section in ("patch_enrichment", "frame_enrichment", "query_class"):
            values[section]["enabled"] &= section in method.parts
        if method.cardinalities:
            values["trm"]["cardinalities"] = list(method.cardinalities)
        if not method.parts:
            values["model"]["preset"] = "paper"
        if not method.trains and not self.backbone.trained:
            values["train"] |= {"episodes": 0, "keep": []}
        return values

    def of_any_seed(self) -> Recipe:
        """The recipe without its name and training seed: equal for all seeds of one recipe."""
        return self.model_copy(update={"name": "any", "train": self.train.model_copy(update={"seed": 0})})

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the values alone, because the classes of the methods' own sections have no names to import."""
        return Recipe.model_validate, (self.model_dump(),)

    def to_yaml(self) -> str:
        """The whole recipe as text that `load_recipe` reads back."""
        return yaml.dump(self.model_dump())


def with_other_methods(values: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe as nested dicts with the sections of other methods, which it may leave out."""
    others = {name: method.keys for name, method in METHODS.items() if method.keys and name != values.get("method")}
    return {name: {key: own.default for key, own in keys.items()} for name, keys in others.items()} | values


def _with_rate_as_number(values: dict[str, Any]) -> dict[str, Any]:
    """A recipe as nested dicts with the rate that its backbone's weights saw in place of the word `backbone`."""
    match values:
        case {"input": {"rate": "backbone", **others}, "backbone": {"name": str(name)}}:
            if (entry := BACKBONES.get(name)) and entry.video:
                return values | {"input": others | {"rate": entry.video.rate}}
    return values


def completed(recipe: Any) -> Any:
    """A recipe as nested dicts that an earlier version may have noted, with the keys that came later."""
    try:
        return Recipe.model_validate(recipe).model_dump()
    except ValidationError:
        return recipe


def flat(recipe: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Turns `{"train": {"seed": 0}}` into `{"train.seed": 0}`."""
    found: dict[str, Any] = {}
    for key, value in recipe.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found


def shipped_recipes() -> dict[str, Path]:
    """The recipes that come with the tool: name -> file."""
    return {path.stem: path for path in sorted(shipped("recipes").glob("*.yaml"))}


def load_recipe(source: str | Path, assignments: Iterable[str] = ()) -> Recipe:
    """Reads a recipe and applies `key=value` assignments, such as `train.episodes=200`.

    Args:
        source: the name of a shipped recipe, or the path of a YAML file.
        assignments: changes, applied in order; values are YAML.

    Raises:
        RecipeError: the recipe is unknown or invalid; the message lists all problems, one per line.

    Example:
        >>> strmctl.load_recipe("sprites", ["train.way=3"]).train.way
        3
    """
    path, assignments = recipe_path(source), tuple(assignments)
    try:
        values = yaml.load(path)
    except yaml.YamlError as problem:
        raise RecipeError(f"{path}: {problem}", "see `strmctl recipe show sprites` for a valid one") from problem
    if not isinstance(values, dict):
        raise RecipeError(f"{path} holds no recipe", "see `strmctl recipe show sprites` for a valid one")
    values = with_other_methods(values)
    problems = [problem for text in assignments if (problem := _assign(values, text))]
    try:
        written = Recipe.model_validate(values)
        recipe = Recipe.model_validate(written.settled())
        problems = problems or _overruled(written, recipe, assignments)
    except ValidationError as error:
        problems += [_problem(entry) for entry in error.errors()]
    if problems:
        listed = "".join(f"\n  {problem}" for problem in problems)
        raise RecipeError(f"recipe {path} is invalid:{listed}", "`strmctl recipe show sprites` prints a valid one")
    return recipe


def recipe_path(source: str | Path) -> Path:
    """The file of a recipe, which is given by its name or path.

    Raises:
        RecipeError: there is none; the message lists the shipped names.
    """
    known = shipped_recipes()
    if str(source) in known:
        return known[str(source)]
    path = Path(source)
    if path.is_file():
        return path
    hint = f"{did_you_mean(known, path.stem)}known: {', '.join(known)}; or give a YAML file"
    raise RecipeError(f"no recipe named {str(source)!r}", hint)


def _assign(values: dict[str, Any], text: str) -> str | None:
    """Applies one `key=value`; returns the problem, if any."""
    key, equals, value = text.partition("=")
    *sections, last = key.strip().split(".")
    if not equals or not last:
        return f"--set {text}: must look like train.episodes=200"
    target = values
    for section in sections:
        target = target.get(section) if isinstance(target, dict) else None
    if not isinstance(target, dict):
        return f"{key}: unknown key{_guess(key)} (got {value})"
    try:
        target[last] = yaml.parse(value)
    except yaml.YamlError as problem:
        return f"{key}: {problem}"
    return None


def _overruled(written: Recipe, settled: Recipe, assignments: Iterable[str]) -> list[str]:
    """Problems of assignments that contradict what the recipe's method decides."""
    problems = []
    for key in (text.partition("=")[0].strip() for text in assignments):
        asked, given = map(attrgetter(key), (written, settled))
        if asked != given:
            frozen = " and a frozen backbone" if key in ("train.episodes", "train.keep") else ""
            problems.append(f"{key}: with method {settled.method}{frozen} it is {given!r} (got {asked!r})")
    return problems


def _problem(entry: dict[str, Any]) -> str:
    """One pydantic error as `path: problem (got X)`."""
    path = ".".join(str(part) for part in entry["loc"])
    kind, got = entry["type"], entry["input"]
    if kind == "extra_forbidden":
        return f"{path}: unknown key{_guess(path)} (got {got!r})"
    if kind == "missing":
        return f"{path}: missing"
    message = entry["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if kind == "literal_error" and isinstance(got, str):
        guess = did_you_mean(re.findall(r"'([^']+)'", entry["ctx"]["expected"]), got).strip()
        message += f", {guess}" if guess else ""
    shown = "" if isinstance(got, dict) else f" (got {got!r})"
    return f"{path}: {message}{shown}" if path else f"{message}{shown}"


def _guess(path: str) -> str:
    """The keys that an unknown one may mean, and those of the method whose section it would stand in."""
    guess, section = did_you_mean(_known_keys(Recipe), path).strip(), path.partition(".")[0]
    own = f"{section} has {', '.join(METHODS[section].keys) or 'no keys'}" if section in METHODS else ""
    said = f"{guess} {own}".strip()
    return f", {said}" if said else ""


def _known_keys(section: type[BaseModel], prefix: str = "") -> list[str]:
    keys = []
    for name, field in section.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            keys += _known_keys(inner, f"{prefix}{name}.")
        else:
            keys.append(prefix + name)
    return keys
