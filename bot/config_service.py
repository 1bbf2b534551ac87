"""What shoppers who wait are promised, and when they are asked how it was."""

from __future__ import annotations

from pydantic import Field

from bot.config_channels import Section


class Service(Section):
    """What shoppers who wait are promised."""

    answer_within_min: float = Field(
        15, description="Minutes of opening time after which a waiting hand-off is overdue and raised once.", gt=0
    )
    answer_high_within_min: float = Field(10, description="The same for those of high priority.", gt=0)
    answer_urgent_within_min: float = Field(5, description="The same for urgent ones.", gt=0)
    window_warning_min: float = Field(
        120,
        description="Minutes before a platform's window closes at which a shopper who waits is raised; 0: never.",
        ge=0,
        le=24 * 60,
    )


class Surveys(Section):
    """Asking shoppers how it was."""

    enabled: bool = Field(default=True, description="Ask for a score of 1 to 5 after the end; never out of hours.")
    after_agent: bool = Field(default=True, description="Ask after an agent's work.")
    after_bot: bool = Field(default=True, description="Ask when the bot has done something and nobody wrote since.")
    quiet_min: float = Field(10, description="Minutes of quiet after the end before the question.", ge=0, le=24 * 60)
    at_latest_h: float = Field(
        20, description="Hours after the end from which nobody is asked any more, the shop being closed.", gt=0, le=48
    )
    period_days: float = Field(30, description="Days within which a customer is asked once.", gt=0)
