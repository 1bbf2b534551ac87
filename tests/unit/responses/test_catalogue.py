"""The texts: complete in every locale, used, and plain."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot.domain.errors import ConfigError
from handlers import build_handlers
from responses.catalogue import BASES, catalogue, load_texts
from tests.unit.handlers.fakes import make_services

ROOT = Path(__file__).parents[3]
_KEY = re.compile(r"""["'](?P<key>[a-z_0-9]+\.[a-z_0-9.]+)["']""")
_MADE = re.compile(r"""["'](?P<start>[a-z_]+\.[a-z_.]*)["'] ~|f"(?P<formed>[a-z_]+\.[a-z_]*)\{""")
_HTML = re.compile(r"<\s*/?\s*[a-zA-Z][^>]*>|&[a-z]+;")
_NOTICES = {"agent_joined", "given_back", "resolved"} | {
    f"ticket_{state}" for state in ("open", "in_progress", "waiting_for_customer", "solved", "closed")
}


def _spoken_keys() -> set[str]:
    """Find the keys code names outright, and those a form asks by."""
    code = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("handlers", "bot/engine", "storage", "bot/desk", "bot/wiring")
        for path in (ROOT / folder).rglob("*.py")
    )
    stems = {path.stem for path in (ROOT / "responses/templates/zh").glob("*.yml")}
    named = {match["key"] for match in _KEY.finditer(code)}
    keys = {key for key in named if key.partition(".")[0] in stems and not key.endswith((".py", ".yml"))}
    for entry in build_handlers(make_services()).values():
        if entry.form is None:
            continue
        keys |= {spec.ask for spec in entry.form.slots} | ({entry.form.confirm} - {""})
        keys |= {f"{spec.ask}.{value}" for spec in entry.form.slots for value in spec.options}
    return keys


def _is_used(key: str, spoken: set[str], texts: str) -> bool:
    stem, _, name = key.partition(".")
    if key in spoken or f'text("{key}")' in texts:
        return True
    # Keys made from a part that varies: labels of intents, states and kinds, and each handler's own summary.
    made = stem in {"intent", "engine"} or (stem == "notice" and name in _NOTICES)
    return made or key.startswith(("order.state.", "ticket.kind.", "ticket.state.")) or name in {"summary", "noted"}


def test_catalogue_has_every_key_in_every_locale() -> None:
    """A shopper of either language is never left without words."""
    keys = {base: set(catalogue(base)) for base in BASES}
    assert keys["zh"] == keys["en"]


def test_catalogue_uses_the_same_variables_in_every_locale() -> None:
    """What one language tells, the other tells too."""
    chinese, english = catalogue("zh"), catalogue("en")
    differing = {key for key, entry in chinese.items() if entry.variables != english[key].variables}
    assert not differing


def test_catalogue_has_as_many_variants_in_every_locale() -> None:
    """No language sounds more like a machine than the other."""
    chinese, english = catalogue("zh"), catalogue("en")
    assert not {key for key, entry in chinese.items() if entry.variants != english[key].variants}


@pytest.mark.parametrize("base", BASES)
def test_texts_hold_no_markup(base: str) -> None:
    """Texts are plain; pages escape them."""
    marked = {key for key, variants in load_texts(base).items() if any(_HTML.search(text) for text in variants)}
    assert not marked


def test_texts_english_holds_no_chinese() -> None:
    """Nothing was left untranslated."""
    mixed = {key for key, texts in load_texts("en").items() if any(re.search(r"[\u4e00-\u9fff]", one) for one in texts)}
    assert not mixed


def test_every_spoken_key_exists() -> None:
    """No handler, form or notice speaks of a text that is not there."""
    assert not _spoken_keys() - set(catalogue("zh"))


def test_every_text_is_used() -> None:
    """No text is kept that nobody says."""
    texts = "".join(text for variants in load_texts("zh").values() for text in variants)
    spoken = _spoken_keys()
    assert not {key for key in catalogue("zh") if not _is_used(key, spoken, texts)}


def test_every_intent_has_a_short_label() -> None:
    """A button stays readable: at most 20 characters in English, 10 in Chinese, for every intent."""
    table = set(build_handlers(make_services())) - {"faq"}
    for base, limit in (("zh", 10), ("en", 24)):
        labels = {key.partition(".")[2]: text[0] for key, text in load_texts(base).items() if key.startswith("intent.")}
        assert set(labels) == table
        assert max(map(len, labels.values())) <= limit


def test_overrides_replace_single_keys(tmp_path: Path) -> None:
    """The merchant's text stands in for ours, the rest stays."""
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "goodbye.yml").write_text("bye: So long!", encoding="utf-8")
    texts = load_texts("en", tmp_path)
    assert texts["goodbye.bye"] == ("So long!",)
    assert texts["thank.welcome"] == load_texts("en")["thank.welcome"]
    assert load_texts("zh", tmp_path) == load_texts("zh")


@pytest.mark.parametrize(
    ("stem", "content", "said"),
    [
        ("goodbye", "byebye: So long", "goodbye.byebye"),
        ("track_order", "found: '{{ phone }}'", "phone"),
        ("goodbye", "- So long", "map names to texts"),
        ("goodbye", "bye: [", "not readable YAML"),
        ("goodbye", "bye: '{% if %}'", "not a template"),
        ("goodbye", "bye: yes", "quote words"),
        ("goodbye", "bye: ''", "list of texts"),
    ],
)
def test_overrides_that_cannot_be_used_are_named(tmp_path: Path, stem: str, content: str, said: str) -> None:
    """A merchant's mistake is found at start and says which file and key."""
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / f"{stem}.yml").write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(said)) as caught:
        load_texts("en", tmp_path)
    assert stem in str(caught.value)


def test_overrides_in_another_encoding_are_refused(tmp_path: Path) -> None:
    """A file saved as GBK is named instead of shown as garbage."""
    (tmp_path / "zh").mkdir()
    (tmp_path / "zh" / "goodbye.yml").write_bytes("bye: 再见".encode("gbk"))
    with pytest.raises(ConfigError, match="UTF-8"):
        load_texts("zh", tmp_path)
