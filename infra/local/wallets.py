"""How buyers pay at each provider's stand-in, what the stand-ins have taken and given back, and faults for them."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .client import Answer, Json, Person, World
from .console import Failure

# The calls of ours that may go wrong at a provider. What a buyer does there is not among them.
OPERATIONS = {
    "stripe": (
        "create_intent", "retrieve_intent", "cancel_intent", "create_refund", "create_session", "retrieve_session",
        "expire_session",
    ),
    "chapa": ("initialize", "verify", "cancel", "refund"),
    "paypal": ("token", "create_order", "get_order", "capture_order", "refund_capture"),
}
# Everybody whose messages are waited for.
STAND_INS = (*OPERATIONS, "shippo")
FAULTS: tuple[Json, ...] = (
    {"answer": {"status": 500}}, {"answer": {"status": 503}}, {"answer": {"garbage": 502}}, {"answer": "drop"},
    {"answer": {"status": 500}, "when": "after"}, {"answer": "drop", "when": "after"},
    {"answer": "usual", "delay_ms": 1_500}, {"answer": "usual", "delay_ms": 4_000, "when": "after"},
)  # fmt: skip
FAULT_EVERY_SECONDS = 0.4
# More in a row than a message is tried would make it a dead letter, which is right, and not what is to be shown. A small
# crowd makes few calls, and a message that has failed comes back after three minutes.
FAULTS_PER_OPERATION_MAX = 6
BUYERS_PER_FAULT = 50


@dataclass(frozen=True)
class Charge:
    """What a provider took for an attempt to pay an order, in minor units."""

    id: str
    order: str
    attempt: str
    taken: int
    back: int


def pay(world: World, buyer: Person, gateway: str, order: str, payment: Json) -> Answer:
    """The buyer agrees to pay; 200 when the provider lets them."""
    if gateway == "stripe":
        return world.confirm(payment)
    if gateway == "stripe_checkout":
        return world.act(f"/stripe/sessions/{payment['provider_id']}/pay")
    if gateway == "chapa":
        return world.act(f"/chapa/transactions/{payment['provider_id']}/pay")
    answer = world.act(f"/paypal/orders/{payment['provider_id']}/approve")
    come_back(world, gateway, order, payment)
    return answer


def decline(world: World, gateway: str, payment: Json) -> Answer:
    """The buyer tries, and the provider refuses; they may try again."""
    if gateway == "stripe":
        return world.confirm(payment, "pm_card_chargeDeclined")
    if gateway == "stripe_checkout":
        path = f"/stripe/sessions/{payment['provider_id']}/pay"
        return world.act(path, payment_method="pm_card_chargeDeclined")
    kind = {"chapa": "transactions", "paypal": "orders"}[gateway]
    return world.act(f"/{gateway}/{kind}/{payment['provider_id']}/decline")


def come_back(world: World, gateway: str, order: str, payment: Json) -> None:
    """The browser returns from a provider's page."""
    answer = world.api.send("GET", f"/v1/payments/{gateway}/return?order={order}&attempt={payment['attempt']}")
    if answer.status != 303:
        raise Failure(f"the return from {gateway} was answered {answer.status}: {answer.body[:300]!r}")


def charges(world: World, orders: set[str]) -> list[Charge]:
    """All money that was taken for these orders, by any provider."""
    found = [*_of_stripe(world), *_of_chapa(world), *_of_paypal(world)]
    return [charge for charge in found if charge.taken and charge.order in orders]


def _of_stripe(world: World) -> Iterator[Charge]:
    state = world.control("/stripe/state")
    for intent in state["intents"]:
        back = sum(charge["amount_refunded"] for charge in state["charges"] if charge["payment_intent"] == intent["id"])
        about = intent["metadata"]
        yield Charge(intent["id"], about["order_id"], about["attempt"], intent["amount_received"], back)


def _of_chapa(world: World) -> Iterator[Charge]:
    state = world.control("/chapa/state")
    for one in state["transactions"]:
        order, _, attempt = one["tx_ref"].rpartition("-")
        back = sum(refund["amount_minor"] for refund in state["refunds"] if refund["tx_ref"] == one["tx_ref"])
        yield Charge(one["tx_ref"], order, attempt, one["amount_minor"] if one["status"] == "success" else 0, back)


def _of_paypal(world: World) -> Iterator[Charge]:
    for one in world.control("/paypal/state")["orders"]:
        order, _, attempt = one["custom_id"].partition("/")
        capture = one["capture"] or {"amount_minor": 0, "refunds": []}
        back = sum(refund["amount_minor"] for refund in capture["refunds"])
        yield Charge(one["id"], order, attempt, capture["amount_minor"], back)


@contextmanager
def bad_weather(world: World, seed: int, buyers: int) -> Iterator[dict[str, int]]:
    """Lets calls of ours at all three providers go wrong now and then, before or after their effect; counts them."""
    chance, over, counts = random.Random(seed), threading.Event(), dict.fromkeys(OPERATIONS, 0)
    calls = [(gateway, operation) for gateway, all_of_them in OPERATIONS.items() for operation in all_of_them]
    coming = calls * max(1, min(FAULTS_PER_OPERATION_MAX, buyers // BUYERS_PER_FAULT))
    chance.shuffle(coming)

    def blow() -> None:
        while coming and not over.wait(FAULT_EVERY_SECONDS):
            gateway, operation = coming.pop()
            world.control(f"/{gateway}/faults", chance.choice(FAULTS) | {"operation": operation})
            counts[gateway] += 1

    blowing = threading.Thread(target=blow, daemon=True)
    blowing.start()
    try:
        yield counts
    finally:
        over.set()
        blowing.join()


def settled(world: World) -> bool:
    """Whether no stand-in has a message to deliver."""
    waits: list[Any] = [world.control(f"/{gateway}/settled", {"timeout_ms": 5_000}) for gateway in STAND_INS]
    return all(answer["settled"] for answer in waits)
