"""Measure Rasa's REST webhook with the dialogue of `bench/turn.py`, beside the message line, in the same run.

The assistant answers the same messages with rules and a form, without an action server, and keeps nothing on disk.
It is given a part of the shop's intents, a new conversation every seven messages (its turns grow dearer with their
number) and a client that costs next to nothing: all three favour it. It is asked in three configurations: the one Rasa
comes with (response selector and policies included; with a few of its 100 epochs, which its speed does not depend on),
the same understanding with rules alone for its policies, and a lean one without neural networks. Models are kept under
bench/out. `make rasa` builds the environment; alone: `python bench/rasa_webhook.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bot.domain.errors import ConfigError
from intents.rasa.environment import find_python
from intents.rasa.project import lay_out
from intents.rasa.server import RasaServer, quiet_environment

ROOT = Path(__file__).resolve().parents[1]
KEEP = ROOT / "bench" / "out"
EPOCHS = 5
READY_WITHIN_S = 600.0
BARS: dict[str, float | None] = {"default": 8.0, "rules": None, "lean": 2.0}
"""How many times as fast the line is to be; None: measured for comparison."""
TITLES = {
    "default": f"as it comes (DIET, selector, TED; {EPOCHS} epochs)",
    "rules": f"DIET ({EPOCHS} epochs) and rules alone",
    "lean": "lean pipeline",
}
MESSAGES = (
    ("退款一般多久到账", "utter_refund_time"),
    ("where is my parcel", "utter_ask_order_number"),
    ("W1234567", "utter_ask_phone"),
    ("0001", "utter_order"),
    ("谢谢", "utter_thank"),
    ("几点有人工客服", "utter_business_hours"),
    ("ship to Hong Kong?", "utter_delivery_area"),
)
_INTENTS = ("greet", "goodbye", "thank", "track_order", "request_refund", "file_complaint", "request_human")
_RETRIEVED = "faq"
_TOPICS = ("refund_time", "business_hours", "delivery_area", "delivery_time", "return_policy", "coupon")
_FEATURES: list[dict[str, Any]] = [
    {"name": "CountVectorsFeaturizer", "token_pattern": r"(?u)\b\w+\b"},
    {"name": "CountVectorsFeaturizer", "analyzer": "char_wb", "min_ngram": 1, "max_ngram": 4},
]
_TOKENISER = {"name": "intents.rasa.tokeniser.ShopTokeniser"}
_NEURAL: list[dict[str, Any]] = [
    _TOKENISER,
    {"name": "RegexFeaturizer", "use_word_boundaries": False},
    {"name": "LexicalSyntacticFeaturizer"},
    *_FEATURES,
    {"name": "DIETClassifier", "epochs": EPOCHS, "constrain_similarities": True},
    {"name": "EntitySynonymMapper"},
]
# Rasa's own borders of 0.3 and 0.1 would, after so few epochs, be met by answers instead of by the fallback.
_FALLBACK = {"name": "FallbackClassifier", "threshold": 0.01, "ambiguity_threshold": 0.0}
PIPELINES: dict[str, list[dict[str, Any]]] = {
    "lean": [_TOKENISER, *_FEATURES, {"name": "LogisticRegressionClassifier"}],
    "rules": [*_NEURAL, _FALLBACK],
    "default": [
        *_NEURAL,
        {"name": "ResponseSelector", "epochs": EPOCHS, "constrain_similarities": True},
        _FALLBACK,
    ],
}
_RULES: list[dict[str, Any]] = [{"name": "MemoizationPolicy"}, {"name": "RulePolicy"}]
POLICIES: dict[str, list[dict[str, Any]]] = {
    "lean": _RULES,
    "rules": _RULES,
    "default": [
        *_RULES,
        {"name": "UnexpecTEDIntentPolicy", "max_history": 5, "epochs": EPOCHS},
        {"name": "TEDPolicy", "max_history": 5, "epochs": EPOCHS, "constrain_similarities": True},
    ],
}


@dataclass(frozen=True)
class Assistant:
    """A trained assistant and where it lies."""

    kind: str
    folder: Path

    @property
    def model(self) -> Path:
        """Name its model."""
        return self.folder / "models" / f"{self.kind}.tar.gz"


# ---------------------------------------------------------------- the assistant


def train(kind: str) -> Assistant:
    """Train an assistant, or take the one that was kept; ConfigError when Rasa cannot."""
    name = kind if kind == "lean" else f"{kind}_{EPOCHS}_epochs"
    assistant = Assistant(kind, KEEP / f"webhook_{name}")
    if assistant.model.is_file():
        return assistant
    project = assistant.folder / "project"
    keys = {"recipe": "default.v1", "language": "en", "assistant_id": "bench", "pipeline": PIPELINES[kind]}
    lay_out(project, assistant.folder / "none", keys | {"policies": POLICIES[kind]})
    for file, content in (
        ("domain.yml", _domain(kind)),
        ("data.yml", _data(kind)),
        ("credentials.yml", {"rest": None}),
    ):
        (project / file).write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), "utf-8")
    command = [str(find_python().absolute()), "-m", "intents.rasa.launch", "train", "--domain", "domain.yml"]
    command += ["--data", "data.yml", "--out", str(assistant.model.parent), "--fixed-model-name", kind]
    print(f"training Rasa's assistant, {TITLES[kind]}", flush=True)
    with (assistant.folder / "train.log").open("ab") as log:
        done = subprocess.run(
            command, check=False, cwd=project, env=quiet_environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    if done.returncode or not assistant.model.is_file():
        raise ConfigError(f"Rasa could not train; {assistant.folder / 'train.log'} says why")
    return assistant


def _examples(path: Path) -> str:
    for block in yaml.safe_load(path.read_text("utf-8"))["nlu"]:
        if "examples" in block:
            found = block["examples"]
            return found if isinstance(found, str) else "".join(f"- {one['text']}\n" for one in found)
    raise ConfigError(f"{path} holds no examples")


def _intent(name: str, kind: str) -> str:
    """Name an intent: Rasa's own configuration picks the answer to a question by its response selector."""
    return f"{_RETRIEVED}/{name}" if kind == "default" and name in _TOPICS else name


def _steps(name: str, kind: str) -> list[dict[str, str]]:
    heard = _intent(name, kind).partition("/")[0]
    return [{"intent": heard}, {"action": f"utter_{heard}"}]


def _data(kind: str) -> dict[str, Any]:
    files = {name: ROOT / "intents" / "nlu" / f"{name}.yml" for name in _INTENTS}
    files |= {name: ROOT / "intents" / "faq" / f"{name}.yml" for name in _TOPICS}
    plain = [name for name in files if name != "track_order"]
    said = {step["intent"]: [step, act] for step, act in (_steps(name, kind) for name in plain)}
    rules: list[dict[str, Any]] = [{"rule": name, "steps": steps} for name, steps in said.items()]
    rules += [
        {"rule": "ask", "steps": [{"intent": "track_order"}, {"action": "track"}, {"active_loop": "track"}]},
        {
            "rule": "answer",
            "condition": [{"active_loop": "track"}],
            "steps": [
                {"action": "track"},
                {"active_loop": None},
                {"slot_was_set": [{"requested_slot": None}]},
                {"action": "utter_order"},
            ],
        },
    ]
    data: dict[str, Any] = {"version": "3.1", "rules": rules}
    data["nlu"] = [{"intent": _intent(name, kind), "examples": _examples(path)} for name, path in files.items()]
    if kind == "default":
        # The policies that learn want conversations: each plain wish after each other.
        turned = [plain[start:] + plain[:start] for start in range(len(plain))]
        steps = [[step for name in names for step in _steps(name, kind)] for names in turned]
        data["stories"] = [{"story": f"visit {number}", "steps": one} for number, one in enumerate(steps)]
    return data


def _domain(kind: str) -> dict[str, Any]:
    names = [_intent(name, kind) for name in (*_INTENTS, *_TOPICS)]
    own = ("utter_ask_order_number", "utter_ask_phone", "utter_order")
    # The text is the same whatever picks it.
    said = {f"utter_{name}": f"utter_{name.rpartition('/')[2]}" for name in names} | {key: key for key in own}
    wanted = ("order_number", "phone")
    return {
        "version": "3.1",
        "intents": sorted({name.partition("/")[0] for name in names}),
        "entities": ["order_number"],
        "slots": {
            slot: {
                "type": "text",
                "influence_conversation": False,
                "mappings": [
                    {"type": "from_text", "conditions": [{"active_loop": "track", "requested_slot": slot}]},
                ],
            }
            for slot in wanted
        },
        "forms": {"track": {"required_slots": list(wanted)}},
        "responses": {key: [{"text": text}] for key, text in said.items()},
        "session_config": {"session_expiration_time": 60, "carry_over_slots_to_new_session": False},
    }


# ---------------------------------------------------------------- the senders


class Sender:
    """A shopper on a kept connection, speaking as little HTTP as will do."""

    def __init__(self, name: str, address: tuple[str, int], token: str) -> None:
        self._name = name
        self._address = address
        self._token = token
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def round(self, number: int) -> None:
        """Have one whole dialogue; RuntimeError when an answer is not the expected one."""
        for text, wanted in MESSAGES:
            said = await self._post({"sender": f"{self._name}-{number}", "message": text})
            if [one.get("text") for one in said] != [wanted]:
                raise RuntimeError(f"Rasa answers {said} to {text!r}, not {wanted}")

    async def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()

    async def _post(self, content: dict[str, str]) -> Any:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address)
        reader, writer = self._streams
        body = json.dumps(content).encode()
        head = f"POST /webhooks/rest/webhook?token={self._token} HTTP/1.1\r\nHost: rasa\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        lengths = [line for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        content_bytes = await reader.readexactly(int(lengths[0].partition(b":")[2]))
        if b" 200 " not in answer[:16]:
            raise RuntimeError(f"Rasa's webhook answers {answer[:80]!r}")
        return json.loads(content_bytes)


async def turns_a_second(assistant: Assistant, senders: int, rounds: int) -> float:
    """Serve the assistant and let all senders talk at once."""
    log = assistant.folder / "server.log"
    server = RasaServer(find_python(), assistant.folder / "project", assistant.model, log)
    server.start()
    try:
        await server.wait_ready(READY_WITHIN_S)
        address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
        people = [Sender(f"sender-{number}", address, server.token) for number in range(senders)]
        await asyncio.gather(*(person.round(-1) for person in people[:4]))

        async def talk(person: Sender) -> None:
            for number in range(rounds):
                await person.round(number)

        begin = time.perf_counter()
        await asyncio.gather(*(talk(person) for person in people))
        rate = senders * rounds * len(MESSAGES) / (time.perf_counter() - begin)
        for person in people:
            await person.close()
    finally:
        await server.stop()
    return rate


# ---------------------------------------------------------------- the table


async def beside(ours: float, senders: int, rounds: int = 3) -> Sequence[tuple[str, str, str, bool | None]]:
    """Give the rows (what, bar, measured, met) of `ours` turns a second beside Rasa's; one where there is no Rasa."""
    try:
        find_python()
    except ConfigError:
        bar = ", ".join(f"{kind} {_wanted(times)}" for kind, times in BARS.items() if times)
        return [("beside Rasa's REST webhook", bar, "no Rasa environment here; `make rasa` builds it", None)]
    rows: list[tuple[str, str, str, bool | None]] = []
    for kind, times in BARS.items():
        theirs = await turns_a_second(await asyncio.to_thread(train, kind), senders, rounds)
        measured = f"{ours / theirs:.1f} times ({theirs:.0f} turns/s)"
        met = None if times is None else ours >= times * theirs
        rows.append((f"beside Rasa's REST webhook, {TITLES[kind]}", _wanted(times), measured, met))
    return rows


def _wanted(times: float | None) -> str:
    return "" if times is None else f">= {times:.0f} times"


def main() -> None:
    """Measure Rasa alone and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--senders", type=int, default=32)
    options.add_argument("--rounds", type=int, default=3, help="dialogues of seven messages of each sender")
    options.add_argument("--only", default=",".join(BARS))
    chosen = options.parse_args()
    for kind in chosen.only.split(","):
        rate = asyncio.run(turns_a_second(train(kind), chosen.senders, chosen.rounds))
        print(f"{kind}: {rate:.1f} turns/s with {chosen.senders} senders")


if __name__ == "__main__":
    main()
