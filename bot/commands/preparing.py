"""What must be there before Xiaoer can serve: keys, tables, a trained model, and the demo shop when asked for."""

from __future__ import annotations

import asyncio
import secrets as randomness
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bot import app as house
from bot.commands.screen import bar, counting, words
from bot.config import Config, Secrets
from bot.desk.people import DeskPeople
from bot.domain.clock import SystemClock
from bot.domain.errors import ConfigError
from bot.domain.people import Role

Ready = Callable[[], None]

_KEY_BYTES = 32
_DEMO_PEOPLE = (
    ("agent", "小美 Mei", Role.AGENT),
    ("manager", "陈经理 Chen", Role.MANAGER),
    ("admin", "管理员 Admin", Role.ADMIN),
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was found or made: ``logins`` are new passwords by login, ``people`` how many there are."""

    secrets: Secrets
    logins: dict[str, str] = field(repr=False)
    people: int
    data: str


def prepare(config: Config, secrets: Secrets, *, demo: bool) -> Prepared:
    """Make everything that is missing; says what it does."""
    signed = with_signing_key(config.data_dir, secrets)
    asyncio.run(house.wait_for_database(config, signed))
    migrate(config, signed)
    if not config.redis.url:
        train_if_needed(config)
    logins, people = asyncio.run(_stock(config, signed, demo=demo))
    return Prepared(signed, logins, people, house.data_place(config))


def migrate(config: Config, secrets: Secrets) -> None:
    """Bring the tables to this version; says where the backup of an older file is."""
    kept = house.migrate(config, secrets)
    if kept is not None:
        words.print(f"  the database was brought to this version; the one before is kept as {kept}", soft_wrap=True)


def prepare_worker(config: Config, secrets: Secrets) -> Secrets:
    """Make what a worker needs: tables and a trained model; return the secrets with the signing key."""
    signed = with_signing_key(config.data_dir, secrets)
    asyncio.run(house.wait_for_database(config, signed))
    migrate(config, signed)
    train_if_needed(config)
    return signed


def with_signing_key(data_dir: Path, secrets: Secrets) -> Secrets:
    """Give the key that signs tokens: from the environment, else from the data folder, made there on first start."""
    if secrets.secret_key:
        return secrets
    file = data_dir / "signing.key"
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(randomness.token_hex(_KEY_BYTES))
        return secrets.model_copy(update={"secret_key": file.read_text().strip()})
    except OSError as problem:
        raise ConfigError(
            f"xiaoer.data_dir: {data_dir} cannot be written ({problem.strerror}); choose another folder"
        ) from None


def train_if_needed(config: Config) -> None:
    """Train the recogniser unless the model there fits its inputs."""
    if house.model_is_current(config):
        return
    with bar("understanding") as report:
        house.train(config, report)


async def _stock(config: Config, secrets: Secrets, *, demo: bool) -> tuple[dict[str, str], int]:
    async with house.open_stores(config, secrets) as stores:
        logins: dict[str, str] = {}
        if demo:
            await load_demo_orders(stores)
            logins = await make_demo_people(house.make_desk_people(stores, secrets))
        return logins, len(await stores.desk.people.list())


async def load_demo_orders(stores: house.Stores) -> None:
    """Load the demo shop's orders, unless the shop has orders already."""
    if await house.count_orders(stores):
        return
    clock = SystemClock()
    orders = house.demo_orders(clock)
    with counting("demo shop: orders", len(orders)) as report:
        await house.import_orders(stores, orders, clock, report)


async def make_demo_people(people: DeskPeople) -> dict[str, str]:
    """Make agent, manager and admin with random passwords when there is nobody yet."""
    if await people.list():
        return {}
    return {login: (await people.add(login, name, role))[1] for login, name, role in _DEMO_PEOPLE}
