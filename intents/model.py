"""A trained model on disk: plain arrays and JSON, written beside the old one and swapped in one step."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from bot.domain.errors import ModelRefused
from intents.encoder import encoder_name
from intents.features import Floats, Ints, Postings, Vocabulary
from intents.fusion import Fusion, Thresholds
from intents.kernels import Examples, Head, Surface
from intents.nearness import UNLEARNED, Nearness

FORMAT = 4
FULL = "embedded"
SURFACE_ONLY = "embedded-surface"
_POINTER = "current.json"
_MANIFEST = "manifest.json"
_ARRAYS = "arrays.npz"
_VOCABULARY = "vocabulary.json"
_HEAD = "head."
_KEPT_MODELS = 2


@dataclass(frozen=True, slots=True)
class Profile:
    """How a set of heads is used together: with the encoder, or with the surface views alone."""

    heads: Mapping[str, Head]
    fusion: Fusion
    thresholds: Thresholds


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a model was made from: content hash of the data, hash of our code, the encoder by name and version."""

    data: str
    code: str
    encoder: str


@dataclass(frozen=True, slots=True)
class Model:
    """Everything that is learned.

    ``learned``, by head and view: what each example (the encoder's view) or feature (the others) speaks for,
    (examples or features, intents).

    ``labels`` give each example's place in ``intents``; ``nearness`` is when a knowledge entry answers; ``name`` is
    that of the folder it was loaded from.
    """

    stamp: Stamp
    intents: tuple[str, ...]
    examples: Examples
    learned: Mapping[str, Mapping[str, Floats]]
    profiles: Mapping[str, Profile]
    labels: Ints = field(default_factory=lambda: np.zeros(0, np.int32))
    nearness: Nearness = UNLEARNED
    name: str = ""


@lru_cache(maxsize=1)
def code_hash() -> str:
    """Hash the source of this package: a model made by other code is not to be trusted."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def stamp_now(data: str) -> Stamp:
    """Stamp data with the code and the encoder of this installation."""
    return Stamp(data, code_hash(), encoder_name())


def save(model: Model, model_dir: Path) -> Path:
    """Write the model beside the old one and make it the current one; returns its folder."""
    model_dir.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="model-", dir=model_dir))
    np.savez(folder / _ARRAYS, **_arrays(model))
    vocabularies = {name: surface.vocabulary.features for name, surface in model.examples.surfaces.items()}
    (folder / _VOCABULARY).write_text(json.dumps(vocabularies, ensure_ascii=False), encoding="utf-8")
    manifest = {
        "format": FORMAT,
        "stamp": asdict(model.stamp),
        "intents": list(model.intents),
        "profiles": {name: _profile_json(profile) for name, profile in model.profiles.items()},
        "nearness": model.nearness.to_json(),
        "files": {name: _hash_file(folder / name) for name in (_ARRAYS, _VOCABULARY)},
    }
    (folder / _MANIFEST).write_text(json.dumps(manifest, ensure_ascii=False, indent=1), encoding="utf-8")
    _point_to(folder, model_dir)
    _remove_old(model_dir, folder)
    return folder


def _point_to(folder: Path, model_dir: Path) -> None:
    beside = model_dir / f"{_POINTER}.{folder.name}"
    beside.write_text(json.dumps({"model": folder.name}), encoding="utf-8")
    with beside.open("rb") as written:
        os.fsync(written.fileno())
    beside.replace(model_dir / _POINTER)


def _remove_old(model_dir: Path, newest: Path) -> None:
    folders = [path for path in model_dir.glob("model-*") if path.is_dir() and path != newest]
    folders.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for folder in folders[_KEPT_MODELS - 1 :]:
        shutil.rmtree(folder, ignore_errors=True)


def pointer(model_dir: Path) -> Path:
    """Name the file that says which model is the current one; it is replaced in one step."""
    return model_dir / _POINTER


def current_folder(model_dir: Path) -> Path:
    """Find the folder of the current model; ModelRefused when there is none."""
    try:
        name = json.loads((model_dir / _POINTER).read_text(encoding="utf-8"))["model"]
    except FileNotFoundError:
        raise ModelRefused(f"there is no trained model in {model_dir.name}; run: xiaoer train") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ModelRefused(f"{_POINTER} in {model_dir.name} cannot be read ({error}); run: xiaoer train") from error
    if not isinstance(name, str) or not name.startswith("model-") or "/" in name or "\\" in name:
        raise ModelRefused(f"{_POINTER} in {model_dir.name} names no model ({name!r}); run: xiaoer train")
    return model_dir / name


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read a model's manifest; ModelRefused when it is missing, broken or of another format."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        found = manifest["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelRefused(f"the manifest of {folder.name} cannot be read ({error}); run: xiaoer train") from error
    if found != FORMAT:
        raise ModelRefused(f"{folder.name} has format {found!r}, this version reads {FORMAT}; run: xiaoer train")
    return dict(manifest)


def check_stamp(manifest: Mapping[str, Any], expected: Stamp) -> None:
    """Refuse a model made from other data, by other code or with another encoder, naming which."""
    stamp = Stamp(**manifest["stamp"])
    if stamp.data != expected.data:
        raise ModelRefused("the training data has changed since the model was trained; run: xiaoer train")
    if stamp.code != expected.code:
        raise ModelRefused("the model was trained by another version of Xiaoer; run: xiaoer train")
    # A missing encoder is no mismatch: the surface views of the model work without it.
    if expected.encoder and stamp.encoder != expected.encoder:
        had = stamp.encoder or "none"
        raise ModelRefused(f"the model was trained with encoder {had}, now it is {expected.encoder}; run: xiaoer train")


def load(model_dir: Path, expected: Stamp) -> Model:
    """Load the current model; ModelRefused when it is missing, broken, or does not fit ``expected``."""
    for attempt in (1, 2):
        folder = current_folder(model_dir)
        try:
            manifest = read_manifest(folder)
            check_stamp(manifest, expected)
            return _read(folder, manifest)
        except (OSError, ValueError, KeyError, TypeError, ModelRefused) as error:
            # A newer model may have taken this one's place while we read: look once more.
            if attempt == 1 and current_folder(model_dir) != folder:
                continue
            if isinstance(error, ModelRefused):
                raise
            raise ModelRefused(f"{folder.name} is damaged ({error}); run: xiaoer train") from error
    raise AssertionError


def _read(folder: Path, manifest: Mapping[str, Any]) -> Model:
    for name, wanted in manifest["files"].items():
        if _hash_file(folder / name) != wanted:
            raise ModelRefused(f"{name} of {folder.name} was changed after training; run: xiaoer train")
    vocabularies = json.loads((folder / _VOCABULARY).read_text(encoding="utf-8"))
    with np.load(folder / _ARRAYS, allow_pickle=False) as stored:
        arrays = dict(stored)
    surfaces = {name: _surface(name, features, arrays) for name, features in vocabularies.items()}
    heads: dict[str, dict[str, Floats]] = {}
    for name in (name for name in arrays if name.startswith(_HEAD)):
        head, _, view = name.removeprefix(_HEAD).partition(".")
        heads.setdefault(head, {})[view] = arrays[name]
    profiles = {name: _profile(data) for name, data in manifest["profiles"].items()}
    examples = Examples(surfaces, arrays.get("vectors"), arrays.get("projection"), int(arrays["taught"]))
    nearness = Nearness.from_json(manifest["nearness"])
    intents = tuple(manifest["intents"])
    stamp = Stamp(**manifest["stamp"])
    return Model(stamp, intents, examples, heads, profiles, arrays["labels"], nearness, folder.name)


def _surface(name: str, features: list[str], arrays: Mapping[str, Any]) -> Surface:
    vocabulary = Vocabulary(features, arrays[f"{name}.weights"])
    starts = arrays[f"{name}.starts"]
    postings = Postings(starts, arrays[f"{name}.rows"], arrays[f"{name}.values"], int(arrays["examples"]))
    return Surface(vocabulary, postings)


def _arrays(model: Model) -> dict[str, Any]:
    arrays: dict[str, Any] = {
        f"{_HEAD}{name}.{view}": array for name, views in model.learned.items() for view, array in views.items()
    }
    arrays["labels"] = model.labels
    arrays["examples"] = np.array(model.examples.size)
    arrays["taught"] = np.array(model.examples.taught)
    if model.examples.vectors is not None:
        arrays["vectors"] = model.examples.vectors
        arrays["projection"] = model.examples.projection
    for name, surface in model.examples.surfaces.items():
        arrays[f"{name}.weights"] = surface.vocabulary.weights
        arrays[f"{name}.starts"] = surface.postings.starts
        arrays[f"{name}.rows"] = surface.postings.rows
        arrays[f"{name}.values"] = surface.postings.values
    return arrays


def _profile_json(profile: Profile) -> dict[str, Any]:
    heads = {name: {"mixture": dict(head.mixture), "groups": head.groups} for name, head in profile.heads.items()}
    return {"heads": heads, "fusion": profile.fusion.to_json(), "thresholds": asdict(profile.thresholds)}


def _profile(data: Mapping[str, Any]) -> Profile:
    thresholds = {**data["thresholds"], "weights": tuple(data["thresholds"]["weights"])}
    heads = {name: Head(head["mixture"], tuple(head["groups"])) for name, head in data["heads"].items()}
    return Profile(heads, Fusion.from_json(data["fusion"]), Thresholds(**thresholds))


def _hash_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
