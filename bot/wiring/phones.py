"""The simulated phones, asked for by one word at start; nothing of ``bot.simulators`` is loaded without it."""

from __future__ import annotations

from bot.config import Secrets
from bot.domain.clock import Clock, SystemClock
from bot.wiring.simulation import Simulation
from bot.wiring.web import WebApplication, make_web_application


def make_phone_application(simulation: Simulation, secrets: Secrets, clock: Clock | None = None) -> WebApplication:
    """Make the application of a simulated shop with its phones at ``PLACE``; ``secrets`` with the signing key."""
    from bot.simulators.phones.clock import PassingClock  # noqa: PLC0415 - loaded only when asked for
    from bot.wiring.simulated import PhoneBooth  # noqa: PLC0415 - as above

    now = PassingClock(clock or SystemClock())
    return make_web_application(simulation.config, secrets, now, PhoneBooth(simulation, secrets, now))
