"""config.yml, parsed once into frozen types.

``load`` collects every mistake and names each by its path. Secrets never stand in the file but come from the
environment: ``Secrets.from_environment``.
"""

from __future__ import annotations

import difflib
import os
import re
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo

import yaml
from pydantic import Field, HttpUrl, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from bot.config_channels import Channels, Platform, Section
from bot.config_media import MediaSection
from bot.config_service import Service, Surveys
from bot.config_values import ClockTime, DatabaseUrl, Pattern, RedisUrl, Zone
from bot.domain.errors import ConfigError

RASA_KEYS = frozenset({"assistant_id", "recipe", "language", "pipeline", "policies", "importers"})
OUR_KEY = "xiaoer"
DEFAULT_FILE = Path("config.yml")


class Shop(Section):
    """The shop that Xiaoer serves."""

    name_zh: str = Field("小二好物", description="The shop's name in Chinese.", min_length=1)
    name_en: str = Field("Xiaoer Goods", description="The shop's name in English.", min_length=1)
    timezone: Zone = Field("Asia/Shanghai", description="The shop's time zone; times are told to shoppers in it.")
    opens: ClockTime = Field("09:00", description="When humans start answering, in the shop's time zone.")
    closes: ClockTime = Field("21:00", description="When humans stop answering, in the shop's time zone.")
    order_number_shapes: tuple[Pattern, ...] = Field(
        (r"#?[A-Z]{1,3}\d{6,12}", r"#?\d{8,20}"),
        description="Regular expressions an order number may match, whatever its case; most specific first.",
    )
    assistant_name_zh: str = Field("小二", description="What the bot calls itself in Chinese.")
    assistant_name_en: str = Field("Xiaoer", description="What the bot calls itself in English.")

    def zone(self) -> ZoneInfo:
        """Give the shop's time zone."""
        return ZoneInfo(self.timezone)


class Server(Section):
    """Where the web server listens."""

    host: str = Field("127.0.0.1", description="The address to listen on; 0.0.0.0 opens it to the network.")
    port: int = Field(8080, description="The port to listen on.", ge=1, le=65535)
    public_url: HttpUrl | None = Field(
        None,
        description="The address people reach the server by when it stands behind a proxy; for cookies, links, and the "
        "pictures of agents that LINE and Instagram fetch.",
    )
    behind_proxy: bool = Field(
        default=False, description="Trust X-Forwarded-For and X-Forwarded-Proto from a proxy on this machine."
    )


class DatabaseSection(Section):
    """Where everything is kept."""

    url: DatabaseUrl = Field(
        "sqlite:///var/xiaoer.db",
        description="sqlite:///PATH (relative to the folder Xiaoer is started in), or "
        "postgresql+psycopg://user@host/name with its password in XIAOER_DATABASE_PASSWORD.",
    )
    wait_s: float = Field(60, description="Seconds a start waits for a PostgreSQL that is away; 0: none.", ge=0)


class RedisSection(Section):
    """What several processes share; not needed by one."""

    url: RedisUrl | None = Field(
        None,
        description="redis://HOST:PORT/DB makes `xiaoer serve` ring for `xiaoer work`, any number of each, over "
        "PostgreSQL; with its password in XIAOER_REDIS_PASSWORD. Without it one process does everything.",
    )
    prefix: str = Field("xiaoer", description="Begins the name of every key; one a shop.", pattern=r"^[A-Za-z0-9_-]+$")


class Worker(Section):
    """How `xiaoer work` works."""

    at_once: int = Field(16, description="Conversations a worker drains side by side.", ge=1, le=256)
    sweep_s: float = Field(
        5.0, description="Seconds between a worker's own looks for conversations whose bell was lost.", gt=0, le=60
    )


class LogSection(Section):
    """What is logged, to standard error."""

    format: Literal["text", "json"] = Field("text", description="One line of text or of JSON an entry.")
    level: Literal["debug", "info", "warning", "error"] = Field("warning", description="The least that is logged.")


class RasaSection(Section):
    """The second engine, asked when ``engine`` is ``rasa``."""

    start: bool = Field(
        default=True, description="Start a Rasa server of our own, with the model of `xiaoer train --engine rasa`."
    )
    url: HttpUrl = Field(
        HttpUrl("http://127.0.0.1:5005"),
        description="Where a Rasa server that runs already is reached; asked when start is false.",
    )
    timeout_s: float = Field(
        1.0, description="Seconds Rasa may take for a message before the embedded engine answers it.", gt=0, le=30
    )
    environment: Path | None = Field(
        None, description="A Python environment with Rasa 3.6, instead of the one that `make rasa` builds."
    )
    sure_from: float | None = Field(
        None,
        description="Confidence from which Rasa's first intent is acted on; learned at training when empty.",
        ge=0,
        le=1,
    )
    clarify_from: float | None = Field(
        None,
        description="Confidence from which the bot asks which was meant; learned at training when empty.",
        ge=0,
        le=1,
    )


class Understanding(Section):
    """How messages are understood."""

    engine: Literal["embedded", "rasa"] = Field(
        "embedded", description="The engine: embedded runs in this process; rasa is a server beside it (`make rasa`)."
    )
    rasa: RasaSection = Field(RasaSection(), description="The second engine.")


class Responses(Section):
    """What the bot says."""

    overrides: Path | None = Field(
        None, description="A folder of your own with <locale>/<stem>.yml files; a key there replaces the built-in text."
    )


class Turns(Section):
    """How messages become turns."""

    quiet_time_s: float = Field(
        0.3,
        description="Seconds to wait after a message, so that a burst is answered as one; 0 answers at once.",
        ge=0,
        le=5,
    )
    longest_wait_s: float = Field(
        2.0, description="Seconds after which a burst is answered even when it goes on.", ge=0, le=30
    )


class ConsoleSection(Section):
    """The pages for agents and managers."""

    session_hours: int = Field(12, description="Hours after which a person has to sign in again.", ge=1, le=24 * 30)


class Config(Section):
    """Everything under ``xiaoer:``."""

    data_dir: Path = Field(Path("var"), description="The folder for the trained model and the signing key.")
    shop: Shop = Field(Shop(), description="The shop that Xiaoer serves.")
    server: Server = Field(Server(), description="Where the web server listens.")
    database: DatabaseSection = Field(DatabaseSection(), description="Where everything is kept.")
    redis: RedisSection = Field(RedisSection(), description="What several processes share.")
    worker: Worker = Field(Worker(), description="How `xiaoer work` works.")
    log: LogSection = Field(LogSection(), description="What is logged.")
    understanding: Understanding = Field(Understanding(), description="How messages are understood.")
    responses: Responses = Field(Responses(), description="What the bot says.")
    turns: Turns = Field(Turns(), description="How messages become turns.")
    channels: Channels = Field(Channels(), description="The platforms we talk on.")
    service: Service = Field(Service(), description="What shoppers who wait are promised.")
    surveys: Surveys = Field(Surveys(), description="Asking shoppers how it was.")
    media: MediaSection = Field(MediaSection(), description="Pictures, voice, films and files that people send.")
    console: ConsoleSection = Field(ConsoleSection(), description="The pages for agents and managers.")

    @model_validator(mode="after")
    def _share_a_server(self) -> Self:
        if self.redis.url and not self.database.url.startswith("postgresql"):
            raise ValueError(
                "redis.url is set, but database.url is an SQLite file, which only one process may use; "
                "move to PostgreSQL with `xiaoer migrate --to`, or take redis.url out"
            )
        return self


def load(path: Path | None = None) -> Config:
    """Read the configuration; without a path, ``config.yml`` here if there is one, else the defaults.

    Raises ConfigError with one line a mistake, each naming its path.
    """
    if path is None and not DEFAULT_FILE.is_file():
        return Config()
    file = path or DEFAULT_FILE
    return parse(_read(file), str(file))


def rasa_keys(path: Path | None = None) -> dict[str, Any]:
    """Read Rasa's own keys (recipe, language, pipeline, ...); ConfigError when there is no pipeline."""
    file = path or DEFAULT_FILE
    document = _read(file)
    keys = {key: document[key] for key in sorted(RASA_KEYS) if isinstance(document, Mapping) and key in document}
    if not keys.get("pipeline"):
        raise ConfigError(f"{file}: pipeline: missing; Rasa needs one, take it from docs/understanding.md")
    return keys


def parse(document: Any, source: str) -> Config:
    """Make the configuration of a parsed YAML document."""
    if not isinstance(document, Mapping):
        raise ConfigError(f"{source}: holds {type(document).__name__}, wanted keys such as '{OUR_KEY}:' at the top")
    unknown = [str(key) for key in document if key != OUR_KEY and key not in RASA_KEYS]
    problems = [_unknown_key(key, "", (*RASA_KEYS, OUR_KEY)) for key in unknown]
    try:
        config = Config.model_validate(document.get(OUR_KEY) or {})
    except ValidationError as failure:
        problems += [_explain(problem) for problem in failure.errors()]
    if problems:
        raise ConfigError("\n".join(f"{source}: {problem}" for problem in problems))
    return config


def documented_keys(section: type[Section] = Config, path: str = OUR_KEY) -> Iterator[tuple[str, str, str, str]]:
    """List (path, type, default, description) of every key, in the order of the file."""
    for name, field in section.model_fields.items():
        inner = field.annotation
        here = f"{path}.{name}"
        if isinstance(inner, type) and issubclass(inner, Section):
            yield here, "", "", field.description or ""
            yield from documented_keys(inner, here)
        else:
            yield here, _type_name(field), _default(field), field.description or ""


def _read(file: Path) -> Any:
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        raise ConfigError(f"{file}: there is no such file; name another with --config") from None
    except UnicodeDecodeError as problem:
        raise ConfigError(f"{file}: byte {problem.start} is not UTF-8; save the file as UTF-8") from None
    except OSError as problem:
        raise ConfigError(f"{file}: cannot be read: {problem.strerror}") from None
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        where = f" line {mark.line + 1}, column {mark.column + 1}:" if mark else ""
        what = getattr(problem, "problem", None) or "not valid YAML"
        raise ConfigError(f"{file}:{where} {what}; mind the indentation and quotes") from None


def _explain(problem: ErrorDetails) -> str:
    path = ".".join([OUR_KEY, *(str(part) for part in problem["loc"])])
    if problem["type"] == "extra_forbidden":
        return _unknown_key(str(problem["loc"][-1]), path.rpartition(".")[0], _siblings(problem["loc"][:-1]))
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return f"{path}: {message}"
    return f"{path}: {problem['input']!r} cannot be used: {message[0].lower()}{message[1:]}"


def _unknown_key(key: str, parent: str, known: tuple[str, ...]) -> str:
    path = f"{parent}.{key}" if parent else key
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(sorted(known))}"
    return f"{path}: unknown key; {hint}"


def _siblings(location: tuple[int | str, ...]) -> tuple[str, ...]:
    section: Any = Config
    for part in location:
        inner = typing.get_args(section)
        section = inner[0] if isinstance(part, int) and inner else section.model_fields[str(part)].annotation
    return tuple(section.model_fields)


def _type_name(field: FieldInfo) -> str:
    if isinstance(field.annotation, type):
        return field.annotation.__name__
    if typing.get_origin(field.annotation) is tuple:
        return "list of texts" if str in typing.get_args(field.annotation) else "list"
    plain = re.sub(r"\b(?:typing|pathlib|pydantic\.networks)\.", "", str(field.annotation))
    return re.sub(r"Optional\[Annotated\[(\w+), .*\]\]", r"\1 | None", plain)


def _default(field: FieldInfo) -> str:
    default = field.get_default()
    return "none" if default is None else str(list(default) if isinstance(default, tuple) else default)


class Secrets(Section):
    """What must not stand in a file; each from the environment variable ``XIAOER_<NAME>``."""

    database_password: str = Field("", description="The password of the PostgreSQL user.", repr=False)
    redis_password: str = Field("", description="The password of Redis.", repr=False)
    metrics_token: str = Field("", description="The bearer token /metrics asks for; open when unset.", repr=False)
    secret_key: str = Field("", description="Signs tokens and cookies; made on first start when unset.", repr=False)
    telegram_token: str = Field("", description="The bot's token from BotFather.", repr=False)
    telegram_secret: str = Field("", description="The webhook's secret header, yours to choose.", repr=False)
    rasa_token: str = Field("", description="The token of a Rasa server that runs already.", repr=False)
    wechat_oa_app_secret: str = Field("", description="The account's AppSecret.", repr=False)
    wechat_oa_token: str = Field("", description="The server configuration's Token.", repr=False)
    wechat_oa_aes_key: str = Field("", description="The server configuration's EncodingAESKey.", repr=False)
    wecom_kf_secret: str = Field("", description="The secret of WeCom's customer service.", repr=False)
    wecom_kf_token: str = Field("", description="The callback's Token.", repr=False)
    wecom_kf_aes_key: str = Field("", description="The callback's EncodingAESKey.", repr=False)
    line_channel_secret: str = Field("", description="The LINE channel's secret; signs webhooks.", repr=False)
    line_token: str = Field("", description="The LINE channel's access token.", repr=False)
    meta_app_secret: str = Field("", description="The Meta app's secret; signs webhooks.", repr=False)
    meta_verify_token: str = Field("", description="The webhook's verify token, yours to choose.", repr=False)
    whatsapp_token: str = Field("", description="A system user's token with whatsapp_business_messaging.", repr=False)
    messenger_token: str = Field("", description="The Page's access token with pages_messaging.", repr=False)
    instagram_token: str = Field("", description="The token with instagram_manage_messages.", repr=False)
    instagram_app_secret: str = Field(
        "", description="The Instagram app secret, where Instagram's own login is used; signs webhooks.", repr=False
    )
    web_identity_secret: str = Field(
        "", description="Shared with your site, which signs its logged-in customers with it.", repr=False
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Secrets:
        """Read every secret that is set."""
        source = os.environ if environment is None else environment
        return cls(**{name: source.get(variable(name), "") for name in cls.model_fields})

    def of(self, channel: str, section: Platform) -> dict[str, str]:
        """Give the secrets that a channel may see; ConfigError names the variables of those it lacks."""
        missing = [variable(name) for name in section.needs() if not getattr(self, name)]
        if missing:
            raise ConfigError(
                f"xiaoer.channels.{channel} needs {', '.join(missing)}, not set in the environment; "
                "set it, or set enabled to false"
            )
        return {name: getattr(self, name) for name in section.SECRETS}


def variable(secret: str) -> str:
    """Name a secret's environment variable."""
    return f"XIAOER_{secret.upper()}"
