"""Connectors of every CA type that there is, with a marked secret in every field that holds one: all of it from the types themselves."""

import base64
import importlib
import json
import secrets
from collections import defaultdict

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import ValidationError

from chancery import catalog
from chancery.core import keys
from chancery.core.secret import Secret
from chancery.sandbox.__main__ import AUTHORITIES
from chancery.sdk.config import extra, matters, secret_names
from tests.cast import request_pem
from tests.chaos.canaries import marked
from tests.chaos.child import BUG
from tests.pki import self_signed

PLACE = {"team": "Operations", "environment": "Production", "allowed_networks": ["127.0.0.0/8"]}
TRIES = 12
"""How often settings are mended that are refused."""


def pem_of(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


class Shapes:
    """Secrets of every shape that a field may want; what is secret in each is told to `canaries` and to `parrot`."""

    def __init__(self, canaries, parrot):
        self._canaries, self._parrot, self._rsa = canaries, parrot, None
        self.lines = (self.word, self.odd)
        self.texts = (self.ec_key, self.bundle, self.rsa_key, self.options, self.document, self.encoded, self.odd)

    def of(self, info):
        """Return the shapes that may fit a field."""
        return self.texts if extra(info)["multiline"] else self.lines

    def _know(self, name, value):
        self._canaries.add(name, value)
        return self._parrot.know(name, value)

    def odd(self, name):
        return self._know(name, marked())

    def word(self, name):
        return self._know(name, secrets.token_urlsafe(36))

    def encoded(self, name):
        return self._know(name, base64.b64encode(secrets.token_bytes(90)).decode())

    def options(self, name):
        return f"auth_token = {self.word(name)}\n"

    def ec_key(self, name):
        return self._canaries.add_key(name, pem_of(keys.generate("EC-P256")))

    def rsa_key(self, name):
        # One for all: making one takes long.
        self._rsa = self._rsa or pem_of(keys.generate("RSA-2048"))
        return self._canaries.add_key(name, self._rsa)

    def bundle(self, name):
        certificate, key = self_signed()
        return self._canaries.add_key(name, pem_of(key)) + certificate

    def document(self, name):
        inner = {"private_key": self.ec_key(name), "private_key_id": self.word(f"{name}, inside")}
        return json.dumps({"type": "service_account", **inner, "client_email": "pki@example.com"})


def plain(model, settings):
    return {n: v for n, v in settings.items() if n not in secret_names(model)}


def choosing(model):
    """Return the fields that decide which others mean anything."""
    named = (extra(info).get(kind) or {} for info in model.model_fields.values() for kind in ("only", "needed"))
    return sorted({other for wanted in named for other in wanted})


def counted(model, settings):
    """Return what a connector of these settings shows: each secret that matters, and each choice."""
    chosen = {(n, settings.get(n, model.model_fields[n].default)) for n in choosing(model)}
    return {("secret", n) for n in secret_names(model) if matters(model, n, settings)} | chosen


def variants(model, examples):
    """Return few settings, without secrets, beside which every secret matters and every choice is taken once."""
    bases = [plain(model, one) for one in examples] or [{}]
    found = [
        *bases,
        *({**base, n: v} for base in bases for n in choosing(model) for v in extra(model.model_fields[n])["choices"]),
    ]
    found = [one for one in found if fits(model, one)]
    left, taken = set().union(*(counted(model, one) for one in found)), []
    while left:
        best = max(found, key=lambda one: len(counted(model, one) & left))
        left -= counted(model, best)
        taken.append(best)
    return taken


def fits(model, settings):
    """Say whether the values go together; what is missing or odd in one of them is mended later."""
    try:
        model.model_validate({**settings, **{n: Secret("kept") for n in secret_names(model)}})
    except ValidationError as error:
        return all(wrong["loc"] for wrong in error.errors(include_input=False))
    return True


def filled(name, info, port):
    """Return something for a field that was left empty and is wanted."""
    about, kind = extra(info), info.annotation
    if kind is int:
        return port
    if about["choices"]:
        return next(filter(None, about["choices"]))
    if "certificate" in name:
        return self_signed()[0]
    return "127.0.0.1" if name.endswith("host") else "chancery"


class Types:
    """Every CA type of the catalogue, with the simulators that this tree has for them."""

    def __init__(self):
        self.simulators, self.models, self.examples = {}, {}, defaultdict(list)
        for about in catalog.descriptors():
            self.models[about.slug] = about.config
            if (AUTHORITIES / about.slug / "simulator" / "__init__.py").exists():
                module = importlib.import_module(f"chancery.authorities.{about.slug}.simulator")
                self.simulators[about.slug] = made = module.build()
                made.start()
                self.examples[about.slug] = list(made.examples)

    def close(self):
        for simulator in self.simulators.values():
            simulator.stop()

    def secrets(self):
        """Return every secret field that there is, as type and field."""
        return {(slug, name) for slug, model in self.models.items() for name in secret_names(model)}


class Everyone:
    """Takes connectors of every type through what people do with them, over REST as `scenario` has it.

    At `parrot` each secret is said again; at the simulators what was entered works. `stored` are the secret fields that
    were saved at least once, as type and field.
    """

    def __init__(self, scenario, parrot, *, whole):
        self.scenario, self.parrot, self.whole = scenario, parrot, whole
        self.types, self.canaries = Types(), scenario.canaries
        self.shapes = Shapes(self.canaries, parrot)
        self.stored, self.refused, self.connectors, self.orders, self.calls = set(), {}, [], [], []

    def bring(self):
        """Make connectors, test them, order through them, and do with the first of each type whatever can be done."""
        for slug, model in self.types.models.items():
            examples = self.types.examples[slug]
            found = variants(model, [one.settings for one in examples])
            for number, settings in enumerate(found * (len(self.shapes.texts) if self.whole else 1)):
                example = examples[number % len(examples)] if examples else None
                self._through(slug, number, settings, example, everything=self.whole or number == 0)
            # What a simulator says of faults is for the tests beside it.
            for example in examples if self.whole else ():
                self._working(slug, example)

    def missing(self):
        """Return the secret fields that no connector was saved with, each with what was said last of its type."""
        return sorted((slug, name, self.refused[slug]) for slug, name in self.types.secrets() - self.stored)

    def close(self):
        self.types.close()

    def _post(self, path, body=None, method="POST"):
        """Send something; whatever comes back is looked through."""
        answer = self.scenario.http.request(method, path, json=body)
        self.canaries.look(
            f"the answer to {method} {path}", answer.content + str(answer.headers.multi_items()).encode()
        )
        assert answer.status_code < 500 or answer.json().get("code") == "not_available", (path, answer.text)
        return answer

    def _through(self, slug, number, settings, example, *, everything):
        name = f"{slug} {number}"
        made = self._saved(slug, name, settings, number, everything)
        if made is None:
            return
        ident = made["id"]
        self._test(f"/connectors/{ident}/test")
        self._order(slug, name, ident, example)
        if everything:
            self._rest(slug, name, made)

    def _saved(self, slug, name, settings, number, everything):
        """Save a connector; what its type refuses is given another shape, or filled in."""
        model = self.types.models[slug]
        turn = {n: number + at for at, n in enumerate(sorted(secret_names(model))) if matters(model, n, settings)}
        values = {
            "authority": slug,
            "name": name,
            **PLACE,
            "base_url": f"{self.parrot.url}/{slug}/{number}",
            **settings,
        }
        values |= {
            n: self.parrot.port for n, info in model.model_fields.items() if info.annotation is int and "port" in n
        }
        values |= {n: self._secret(slug, n, at) for n, at in turn.items()}
        for _ in range(TRIES):
            if everything:
                self._test("/connectors/test", values)
            answer = self._post("/connectors", values)
            if answer.status_code == 201:
                self.stored |= {(slug, n) for n in turn}
                self.connectors.append(answer.json()["id"])
                return {**values, **answer.json(), "given": set(turn)}
            self.refused[slug] = answer.text
            for field in {e["field"] for e in answer.json()["errors"]}:
                if field in turn:
                    turn[field] += 1
                    values[field] = self._secret(slug, field, turn[field])
                elif field in model.model_fields:
                    values[field] = filled(field, model.model_fields[field], self.parrot.port)
        return None

    def _secret(self, slug, field, turn):
        shapes = self.shapes.of(self.types.models[slug].model_fields[field])
        return shapes[turn % len(shapes)](f"{slug}.{field}")

    def _test(self, path, body=None):
        answer = self._post(path, body)
        if answer.status_code == 202:
            self.calls.append(answer.json()["id"])

    def _order(self, slug, name, connector, example):
        product = dict(example.product) if example else {}
        profile = {"name": f"{name} profile", "connector": connector, "product": product}
        profile["validity_days"] = example.validity_days if example else 30
        made = self._post("/profiles", profile)
        if made.status_code != 201:
            return
        host = (example.names[0] if example else "x-{n}.example.com").format(n=secrets.token_hex(4))
        sent = self._post("/orders", {"profile": made.json()["id"], "csr": request_pem(host)})
        if sent.status_code == 201:
            self.orders.append(sent.json()["id"])

    def _rest(self, slug, name, made):
        """Copy, edit, choose, exchange the credential, lead elsewhere, and delete; test where nobody is, and where a bug is."""
        here, model = f"/connectors/{made['id']}", self.types.models[slug]
        copied = self._post(f"{here}/copy", {"name": f"{name} copied"}).json()["id"]
        self._post(f"/connectors/{copied}?confirm={name} copied", method="DELETE")
        for field, info in model.model_fields.items():
            if extra(info)["dynamic"]:
                self._test(f"{here}/choices/{field}")
        fresh = {n: self._secret(slug, n, at) for at, n in enumerate(sorted(made["given"]))}
        self._post(f"{here}/credential/staged", {"secrets": fresh}, "PUT")
        self._test(f"{here}/credential/staged/test")
        self._post(f"{here}/credential/switch", {"untested": "It is not to work."})
        self._post(f"{here}/credential/switch-back")
        self._edit(here, region="EU")
        sent = {n: v for n, v in made.items() if n in {"authority", *PLACE, *model.model_fields}} | {
            "name": f"{name} tried"
        }
        self._test("/connectors/test", {**sent, "base_url": "http://127.0.0.1:9"})
        self._test("/connectors/test", {**sent, "base_url": f"{self.parrot.url}/{BUG}{slug}"})
        elsewhere = {n: self._secret(slug, n, at + 1) for at, n in enumerate(sorted(made["given"]))}
        self._edit(f"{here}?untested=It is nobody's.", base_url=f"{self.parrot.url}/{slug}", **elsewhere)

    def _edit(self, path, **values):
        revision = self.scenario.http.get(path.partition("?")[0]).json()["revision"]
        return self._post(path, {"revision": revision, **values}, "PATCH")

    def _working(self, slug, example):
        """Bring in what the simulator knows, so that it works."""
        model = self.types.models[slug]
        for field in secret_names(model) & example.settings.keys():
            value = example.settings[field]
            if "PRIVATE KEY" in value:
                self.canaries.add_key(f"{slug}.{field} of the simulator", value[value.index("-----BEGIN") :])
            else:
                self.canaries.add_whole(f"{slug}.{field} of the simulator", value)
        url = example.base_url or self.types.simulators[slug].url
        values = {"authority": slug, "name": example.connector, **PLACE, "base_url": url, **example.settings}
        made = self._post("/connectors", values)
        assert made.status_code == 201, made.text
        self.connectors.append(made.json()["id"])
        self._test(f"/connectors/{made.json()['id']}/test")
        self._order(slug, example.connector, made.json()["id"], example)
