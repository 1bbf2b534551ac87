"""What must be there before the house can open: the database's tables and a trained model."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from sqlalchemy.engine import make_url

from bot.config import Config, Secrets
from intents import embedded
from intents.shapes import Shapes


def database_url(config: Config, secrets: Secrets) -> str:
    """Give the database's address with the password of the environment."""
    url = make_url(config.database.url)
    if secrets.database_password:
        url = url.set(password=secrets.database_password)
    return url.render_as_string(hide_password=False)


def data_place(config: Config) -> str:
    """Tell where the data lies, for a person; never with a password."""
    url = make_url(config.database.url)
    if url.drivername == "sqlite":
        return str(Path(url.database or "").absolute())
    return url.render_as_string(hide_password=True)


def intents_folder() -> Path:
    """Find the training data that is shipped."""
    return Path(str(files("intents")))


def model_folder(config: Config) -> Path:
    """Name the folder of the trained model."""
    return config.data_dir / "model"


def model_is_current(config: Config) -> bool:
    """Tell whether the trained model fits its data, code and encoder."""
    return embedded.is_current(intents_folder(), model_folder(config))


def train(config: Config, progress: Callable[[str, float], None]) -> embedded.TrainingReport:
    """Train the recogniser and swap the new model in."""
    return embedded.train(intents_folder(), model_folder(config), progress)


def model_shapes(config: Config) -> Shapes:
    """Give what numbers of this shop look like, and its time zone."""
    return Shapes(order_number=config.shop.order_number_shapes, zone=config.shop.timezone)
