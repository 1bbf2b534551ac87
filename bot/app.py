"""The one place where the parts are put together; ``bot.wiring`` holds its rooms and nobody else may use them.

``open_house`` makes the running house of a configuration, ``make_web_application`` serves it over HTTP; the other
functions are the steps that must be done before it can open.
"""

from __future__ import annotations

from bot.health.logs import set_up_logs
from bot.wiring.checking import channels_on, check_channel, connect_channel, webhook_address
from bot.wiring.health import make_worker_application
from bot.wiring.house import House, make_services, make_terminal, open_house
from bot.wiring.keeping import back_up, migrate, move, restore
from bot.wiring.phones import make_phone_application
from bot.wiring.preparation import (
    data_place,
    database_url,
    intents_folder,
    model_folder,
    model_is_current,
    train,
)
from bot.wiring.simulation import Simulation, simulate
from bot.wiring.stores import (
    Notice,
    Stores,
    as_locale,
    count_orders,
    demo_orders,
    import_orders,
    make_desk_people,
    make_renderer,
    make_stores,
    open_stores,
    read_entries,
    read_orders,
    wait_for_database,
)
from bot.wiring.understanding import (
    EngineName,
    EnginePlace,
    OpenEngine,
    engine_place,
    known_intents,
    open_engine,
    rasa_folder,
    rasa_is_current,
    train_engine,
)
from bot.wiring.web import WebApplication, make_routers, make_web_application
from bot.wiring.worker import Worker, open_worker

__all__ = [
    "EngineName",
    "EnginePlace",
    "House",
    "Notice",
    "OpenEngine",
    "Simulation",
    "Stores",
    "WebApplication",
    "Worker",
    "as_locale",
    "back_up",
    "channels_on",
    "check_channel",
    "connect_channel",
    "count_orders",
    "data_place",
    "database_url",
    "demo_orders",
    "engine_place",
    "import_orders",
    "intents_folder",
    "known_intents",
    "make_desk_people",
    "make_phone_application",
    "make_renderer",
    "make_routers",
    "make_services",
    "make_stores",
    "make_terminal",
    "make_web_application",
    "make_worker_application",
    "migrate",
    "model_folder",
    "model_is_current",
    "move",
    "open_engine",
    "open_house",
    "open_stores",
    "open_worker",
    "rasa_folder",
    "rasa_is_current",
    "read_entries",
    "read_orders",
    "restore",
    "set_up_logs",
    "simulate",
    "train",
    "train_engine",
    "wait_for_database",
    "webhook_address",
]
