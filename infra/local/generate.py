"""What is generated from the template: the router of `cargo lambda watch`, and a first sample event per function."""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from .console import Failure, say
from .paths import EVENTS, ROOT
from .template import Function, Trigger, functions

CARGO_TOML = ROOT / "Cargo.toml"
BEGIN = "# Generated from template.yaml by `make generate`; do not edit.\n[workspace.metadata.lambda.watch.router]\n"
SECTION = re.compile(re.escape(BEGIN) + r"(?:\S.*\n)*")
ULID = "01J8ZQ5K3N0V7X2Y4T6B8D9FGH"
ORDER = f"ord_{ULID}"
# A plausible value for each path parameter.
PATH_VALUES = {
    "slug": "north-star-crafts",
    "product": f"prd_{ULID}",
    "variant": f"var_{ULID}01",
    "category": f"cat_{ULID}",
    "cart": f"crt_{ULID}",
    "order": ORDER,
    "address": f"adr_{ULID}",
    "part": f"sel_{ULID}",
    "import": f"imp_{ULID}",
    "code": "SPRING-10",
    "gateway": "paypal",
    "return": f"ret_{ULID}0001",
    "label": f"lbl_{ULID}0001",
}
ADDRESS = {
    "name": "Ada Example", "line1": "1 Market Street", "city": "Springfield", "region": "IL",
    "postal_code": "62701", "country": "US",
}  # fmt: skip
FLAT = {"kind": "flat", "amount": {"amount": 500, "currency": "USD"}}
BANDS = {"kind": "weight", "bands": [{"up_to_g": 2000, "amount": {"amount": 1900, "currency": "USD"}}]}
ZONES = [
    {
        "countries": ["US"],
        "options": [
            {
                "id": "standard", "name": "Standard", "days_min": 2, "days_max": 5, "price": FLAT,
                "free_from": {"amount": 10000, "currency": "USD"},
            },
            {"id": "express", "name": "Express", "days_min": 1, "days_max": 1, "price": BANDS},
        ],
    },
    {"options": [{"id": "air", "name": "Air mail", "days_min": 5, "days_max": 14, "price": FLAT}]},
]  # fmt: skip
# What a change of is based on a version.
CONDITIONAL = {"put_settings", "put_shipping_profile", "update_coupon"}
# Bodies of the calls that have one. They only have to be plausible: `cargo lambda invoke` shows what is missing.
BODIES: dict[str, Any] = {
    "register": {"email": "ada@example.com", "username": "ada", "password": "correct horse battery staple"},
    "verify_email": {"token": "the token from the mail"},
    "resend_verification": {"email": "ada@example.com"},
    "login": {"login": "ada", "password": "correct horse battery staple"},
    "create_guest": {"email": "ada@example.com"},
    "refresh": {"refresh_token": "the refresh token"},
    "logout": {"refresh_token": "the refresh token"},
    "add_address": ADDRESS,
    "validate_address": ADDRESS,
    "create_seller": {"name": "North Star Crafts", "slug": "north-star-crafts", "return_policy": "30 days"},
    "create_product": {
        "title": "Oak bowl", "description": "Turned by hand.", "category": PATH_VALUES["category"],
        "price": {"amount": 3900, "currency": "USD"},
    },
    "update_product": {"title": "Oak bowl, large"},
    "create_variant": {"sku": "BOWL-L", "price": {"amount": 4200, "currency": "USD"}},
    "update_variant": {"price": {"amount": 3900, "currency": "USD"}},
    "create_category": {"name": "Kitchen"},
    "update_category": {"name": "Kitchen and table"},
    "adjust_stock": {"delta": 5, "reason": "received"},
    "create_stock_import": {"bytes": 1024},
    "set_flash_sale": {"shards": 16, "per_buyer_limit": 2},
    "create_cart": {},
    "put_cart_line": {"quantity": 1},
    "merge_cart": {"guest_cart": PATH_VALUES["cart"], "token": "the guest cart's token"},
    "put_cart_coupon": {"code": "SPRING-10"},
    "quote_cart": {"address": PATH_VALUES["address"]},
    "put_settings": {
        "tax": {
            "prices": "exclusive", "rounding": "per_order", "default_rate": 2000, "shipping": {"kind": "as_goods"},
            "rates": [{"country": "US", "region": "CA", "class": "books", "rate": 725}],
        },
        "shipping": {"zones": [{"options": [ZONES[0]["options"][0]]}]},
    },
    "put_shipping_profile": {"zones": ZONES},
    "create_coupon": {
        "code": "SPRING-10", "scope": "shop", "worth": {"kind": "percentage", "rate": 1000},
        "ends_at": "2027-06-01T00:00:00Z", "uses_max": 100, "budget": {"amount": 50000, "currency": "USD"},
    },
    "update_coupon": {"active": False},
    "place_order": {"cart": PATH_VALUES["cart"], "address": PATH_VALUES["address"], "quote": "the hash from the quote"},
    "cancel_order": {},
    "claim_orders": {},
    "start_payment": {"gateway": "stripe"},
    "refund_order": {
        "lines": [{"variant": PATH_VALUES["variant"], "quantity": 1}], "amount": {"amount": 500, "currency": "USD"},
        "destination": "card",
    },
    "request_return": {"lines": [{"variant": PATH_VALUES["variant"], "quantity": 1}], "reason": "Too small"},
    "receive_return": {"sellable": [{"variant": PATH_VALUES["variant"], "quantity": 1}], "destination": "card"},
    "ship_part": {"carrier": "ups", "tracking_number": "1Z999AA10123456784"},
    "buy_label": {"rate": "7c2e5b1f4a.9d0c3f8e6b"},
    "confirm_delivery": {},
    "shippo_webhook": {
        "event": "track_updated",
        "data": {"carrier": "ups", "tracking_number": "1Z999AA10123456784", "tracking_status": {"status": "DELIVERED"}},
    },
    "stripe_webhook": {"id": "evt_1", "object": "event", "type": "payment_intent.succeeded"},
    "chapa_webhook": {"event": "charge.success", "tx_ref": f"{ORDER}-1", "reference": "AP634JFwEbxd", "status": "success"},
    "paypal_webhook": {
        "id": "WH-1", "event_type": "CHECKOUT.ORDER.APPROVED",
        "resource": {"id": "5O190127TN364715T", "purchase_units": [{"custom_id": f"{ORDER}/1"}]},
    },
}
# Headers of calls that prove themselves otherwise than by a token.
HEADERS: dict[str, dict[str, str]] = {
    "stripe_webhook": {"stripe-signature": "t=1763640000,v1=00"},
    "chapa_webhook": {"x-chapa-signature": "00"},
    "shippo_webhook": {"shippo-auth-signature": "t=1763640000,v1=00"},
    "paypal_webhook": {
        "paypal-transmission-id": "69cd13f0-d67a-11e5-baa3-778b53f4ae55",
        "paypal-transmission-time": "2026-11-20T12:00:00Z",
        "paypal-transmission-sig": "AA==",
        "paypal-cert-url": "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-1d93a270",
        "paypal-auth-algo": "SHA256withRSA",
    },
}
QUERIES = {
    "return_from_provider": {"order": ORDER, "attempt": "1"},
    "list_rates": {"length_mm": "300", "width_mm": "200", "height_mm": "100", "weight_g": "800"},
}
PAYLOADS: dict[str, Any] = {
    "process_payment_events": {"gateway": "paypal", "order": ORDER, "attempt": 1, "message": "WH-1"},
    "run_payment_commands": {
        "id": "8f4f8c6e-2d0b-4a55-9f5e-1f3a5f5c9a10", "source": "sutler", "detail-type": "payment.refund_requested",
        "time": "2026-11-20T12:00:00Z", "detail": {"order": ORDER},
    },
    "process_tracking_events": {
        "parcel": {"carrier": "ups", "number": "1Z999AA10123456784"}, "message": "9f86d081884c7d659a2feaa0c55ad015",
        "told": {"news": "delivered", "at": 1795176000000},
    },
    "claim_guest_orders": {
        "id": "8f4f8c6e-2d0b-4a55-9f5e-1f3a5f5c9a12", "source": "sutler", "detail-type": "user.verified",
        "time": "2026-11-20T12:00:00Z", "detail": {"user": f"usr_{ULID}"},
    },
    "import_stock": {
        "Records": [
            {
                "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
                "s3": {"bucket": {"name": "files"}, "object": {"key": f"imports/imp_{ULID}.csv", "size": 1024}},
            }
        ]
    },
    "hold_for_next": {"variant": f"var_{ULID}01"},
    "send_mail": {
        "id": "8f4f8c6e-2d0b-4a55-9f5e-1f3a5f5c9a11", "source": "sutler", "detail-type": "order.placed",
        "time": "2026-11-20T12:00:00Z", "detail": {"order": ORDER},
    },
}  # fmt: skip


def write() -> None:
    """Writes the router, and an event for each function that has none. Edited events stay as they are."""
    text = CARGO_TOML.read_text()
    CARGO_TOML.write_text(_with_router(text))
    EVENTS.mkdir(exist_ok=True)
    for function in functions():
        file = EVENTS / f"{function.name}.json"
        if not file.exists():
            file.write_text(json.dumps(_event(function), indent=2, ensure_ascii=False) + "\n")
            say(f"wrote {file.relative_to(ROOT)}")


def check() -> None:
    """Fails when `write` would change something, or an event has no function."""
    text = CARGO_TOML.read_text()
    if _with_router(text) != text:
        raise Failure("the router in Cargo.toml is not what template.yaml says: run `make generate`")
    names = {function.name for function in functions()}
    events = {file.stem for file in EVENTS.glob("*.json")}
    if names - events:
        raise Failure(f"no sample event for {', '.join(sorted(names - events))}: run `make generate`")
    if events - names:
        raise Failure(f"sample events of no function: {', '.join(sorted(events - names))}")


def _with_router(text: str) -> str:
    routes: dict[str, list[str]] = {}
    for function in functions():
        for trigger in function.triggers:
            if trigger.kind == "HttpApi":
                method = trigger.properties["Method"].upper()
                target = f'{{ method = "{method}", function = "{function.name}" }}'
                routes.setdefault(trigger.properties["Path"], []).append(target)
    lines = [f'"{path}" = [{", ".join(targets)}]' for path, targets in sorted(routes.items())]
    section = BEGIN + "\n".join(lines) + "\n"
    if BEGIN in text:
        return SECTION.sub(lambda _: section, text)
    return text.rstrip("\n") + "\n\n" + section


def _event(function: Function) -> Any:
    makers: dict[str, Callable[[Function, Trigger], Any]] = {
        "HttpApi": _http, "SQS": _sqs, "DynamoDB": _stream, "Schedule": _schedule,
    }  # fmt: skip
    trigger = function.triggers[0]
    return makers[trigger.kind](function, trigger)


def _http(function: Function, trigger: Trigger) -> Any:
    method, path = trigger.properties["Method"], trigger.properties["Path"]
    parameters = {name: PATH_VALUES[name] for name in re.findall(r"{(\w+)}", path)}
    raw_path = path.format(**parameters)
    headers = {"host": "api.example.com", "user-agent": "curl/8.9.1", "accept": "*/*"}
    query = QUERIES.get(function.name, {})
    if "/auth/" not in path and "/webhooks/" not in path and function.name != "return_from_provider":
        headers["authorization"] = "Bearer the.access.token"
    if method != "GET":
        headers |= {"content-type": "application/json", "idempotency-key": f"{function.name}-1"}
    if function.name in CONDITIONAL:
        headers["if-match"] = '"0"'
    if function.name in HEADERS:
        headers |= HEADERS[function.name]
        del headers["idempotency-key"]
    event = {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": raw_path,
        "rawQueryString": urlencode(query),
        "headers": headers,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": "api.example.com",
            "domainPrefix": "api",
            "http": {
                "method": method, "path": raw_path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7",
                "userAgent": "curl/8.9.1",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": f"{method} {path}",
            "stage": "$default",
            "time": "20/Nov/2026:12:00:00 +0000",
            "timeEpoch": 1795176000000,
        },
        "isBase64Encoded": False,
    }  # fmt: skip
    if parameters:
        event["pathParameters"] = parameters
    if query:
        event["queryStringParameters"] = query
    if function.name in BODIES:
        event["body"] = json.dumps(BODIES[function.name])
    return event


def _sqs(function: Function, _: Trigger) -> Any:
    record = {
        "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        "body": json.dumps(PAYLOADS[function.name]),
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1795176000000",
            "SenderId": "000000000000",
            "ApproximateFirstReceiveTimestamp": "1795176000100",
        },
        "messageAttributes": {},
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:us-east-1:000000000000:{function.name}",
        "awsRegion": "us-east-1",
    }
    return {"Records": [record]}


def _stream(_: Function, trigger: Trigger) -> Any:
    pattern = json.loads(trigger.properties["FilterCriteria"]["Filters"][0]["Pattern"])
    prefix = pattern["dynamodb"]["Keys"]["sk"]["S"][0]["prefix"]
    if prefix == "STOCK#":
        keys = {"pk": {"S": f"SKU#{PATH_VALUES['product']}#0"}, "sk": {"S": f"STOCK#{PATH_VALUES['variant']}"}}
        image = keys | {"type": {"S": "stock"}, "schema": {"N": "1"}, "version": {"N": "1"}, "available": {"N": "5"}}
    else:
        keys = {"pk": {"S": f"ORDER#{ORDER}"}, "sk": {"S": f"{prefix}000001"}}
        image = keys | {"type": {"S": "order.placed"}, "schema": {"N": "1"}, "version": {"N": "1"}}
    record = {
        "eventID": "c4ca4238a0b923820dcc509a6f75849b",
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1795176000,
            "Keys": keys,
            "NewImage": image,
            "SequenceNumber": "4421584500000000017450439091",
            "SizeBytes": 128,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:000000000000:table/commerce/stream/2026-11-20T12:00:00.000",
    }
    return {"Records": [record]}


def _schedule(function: Function, _: Trigger) -> Any:
    return {
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "000000000000",
        "time": "2026-11-20T12:00:00Z",
        "region": "us-east-1",
        "resources": [f"arn:aws:events:us-east-1:000000000000:rule/{function.name}"],
        "detail": {},
    }
