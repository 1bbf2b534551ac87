"""The texts of every locale: our own files, with the merchant's laid over them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import jinja2
import yaml
from jinja2 import meta

from bot.domain.errors import ConfigError

BASES = ("zh", "en")
"""The template folders; ``zh-Hant`` is made from ``zh``."""

GIVEN = frozenset({"shop_name", "bot_name", "text"})
"""What every template has without being given."""

FILTERS = ("money", "when", "day")
"""The filters of our own; the renderer gives them their meaning."""

_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Texts = Mapping[str, tuple[str, ...]]
"""Key ``<stem>.<name>`` -> its variants."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a key needs: the variables its variants use, over all of them."""

    key: str
    variables: frozenset[str]
    variants: int


def load_texts(base: str, overrides: Path | None = None) -> dict[str, tuple[str, ...]]:
    """Load a folder's texts; the merchant's ``overrides/<base>/<stem>.yml`` replaces single keys.

    Raises:
        ConfigError: a file is not a mapping of texts, or the merchant's has a key or variable we do not have.
    """
    folder = resources.files("responses") / "templates" / base
    texts = dict(_folder_texts(folder))
    if overrides is not None and (overrides / base).is_dir():
        for key, variants in _folder_texts(overrides / base):
            _check_override(key, variants, texts, overrides / base)
            texts[key] = variants
    return texts


def catalogue(base: str, overrides: Path | None = None) -> dict[str, Entry]:
    """List every key of a locale with the variables it uses."""
    return {
        key: Entry(key, _variables(variants, key), len(variants))
        for key, variants in load_texts(base, overrides).items()
    }


def _folder_texts(folder: Traversable) -> Iterator[tuple[str, tuple[str, ...]]]:
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if not file.name.endswith(".yml"):
            continue
        stem = file.name.removesuffix(".yml")
        for name, text in _read(file).items():
            yield f"{stem}.{name}", _variants(text, f"{file}: {name}")


def _read(file: Traversable) -> dict[str, object]:
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 (a safe loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not readable YAML in UTF-8: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise ConfigError(f"{file} must map names to texts, like 'found: Hello'")
    return content


def _variants(text: object, where: str) -> tuple[str, ...]:
    texts = [one for one in (text if isinstance(text, list) else [text]) if isinstance(one, str) and one.strip()]
    if not texts or (isinstance(text, list) and len(texts) != len(text)):
        raise ConfigError(f"{where} must be a text or a list of texts (quote words like 'yes' and 'no')")
    return tuple(one.strip("\n") for one in texts)


def _variables(variants: tuple[str, ...], where: str) -> frozenset[str]:
    names: set[str] = set()
    reader = jinja2.Environment(autoescape=True)
    reader.filters.update(dict.fromkeys(FILTERS, str))
    for text in variants:
        try:
            names |= meta.find_undeclared_variables(reader.parse(text))
        except jinja2.TemplateSyntaxError as error:
            raise ConfigError(f"the text {where} is not a template: line {error.lineno}: {error.message}") from error
    return frozenset(names - GIVEN)


def _check_override(key: str, variants: tuple[str, ...], ours: Texts, folder: Path) -> None:
    if key not in ours:
        raise ConfigError(f"{folder}: there is no text {key!r} to replace; check the file's name and the key")
    unknown = _variables(variants, f"{folder}: {key}") - _variables(ours[key], key)
    if unknown:
        names = ", ".join(sorted(unknown))
        raise ConfigError(f"{folder}: the text {key!r} uses {names}, which is not given to it")
