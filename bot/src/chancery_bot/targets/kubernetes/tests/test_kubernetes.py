"""A Kubernetes secret on the common suite, against a small API server."""

import base64
from dataclasses import replace

import pytest

from chancery_bot.targets.kubernetes.tests.fake import TOKEN, serving
from chancery_bot.testing import Case, Conformance, fingerprint, host

WHERE = ("shop", "shop-tls")


class TestKubernetes(Conformance):
    @pytest.fixture(autouse=True)
    def _cluster(self):
        with serving() as (self.cluster, self.url):
            yield

    def case(self, folder):
        token = folder / "token"
        token.write_text(TOKEN + "\n")
        local = host(folder, clusters={"main": {"url": self.url, "token_file": str(token)}})

        def read():
            found = self.cluster.secrets.get(WHERE)
            return tuple(base64.b64decode(found["data"][n]) for n in ("tls.crt", "tls.key")) if found else None

        def plant(pair):
            data = {n: base64.b64encode(c).decode() for n, c in zip(("tls.crt", "tls.key"), pair, strict=True)}
            self.cluster.secrets[WHERE] = {"type": "kubernetes.io/tls", "data": data, "manager": "helm", "metadata": {}}

        settings = {"cluster": "main", "namespace": WHERE[0], "secret": WHERE[1]}
        return Case("kubernetes", settings, local, read, plant, reloads=False, tests=False)

    def test_the_secret_is_applied_under_our_own_name(self, stand):
        stand.deploy(self.NEW)
        assert self.cluster.writes == ["chancery-bot"]
        assert self.cluster.secrets[WHERE]["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "chancery-bot"}

    def test_another_type_of_secret_is_told_before_anything_is_written(self, stand):
        self.cluster.secrets[WHERE] = {"type": "Opaque", "data": {}, "manager": "x", "metadata": {}}
        assert stand.deploy(self.NEW) == "failed"
        assert "type 'Opaque'" in stand.told()[-1].text
        assert self.cluster.writes == []

    def test_what_others_keep_in_the_secret_beside_it_stays_and_is_no_fault(self, stand, old):
        self.cluster.secrets[WHERE]["data"]["ca.crt"] = "Y2E="
        assert stand.deploy(self.NEW) == "deployed"
        assert stand.deploy(self.BAD) == "deployed"
        assert stand.deployer.begin(stand.task("rollback"), "") == "rolled_back"
        assert stand.present() == fingerprint(self.NEW)
        assert self.cluster.secrets[WHERE]["data"]["ca.crt"] == "Y2E="

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            (lambda s: (s.folder / "token").write_text("old"), "token of this host is not accepted"),
            (lambda s: (s.folder / "token").unlink(), "token file"),
        ],
    )
    def test_a_token_that_is_not_taken(self, stand, change, says):
        change(stand)
        assert stand.deploy(self.NEW) == "failed"
        assert says in stand.told()[-1].text

    def test_a_cluster_that_is_away_or_unknown(self, stand, old):
        self.cluster.down = True
        assert stand.deploy(self.NEW) == "failed"
        assert "answers 503: the server is currently unable" in stand.told()[-1].text
        self.cluster.down = False
        assert stand.deploy(self.NEW, cluster="other") == "failed"
        assert "knows no cluster 'other'" in stand.told()[-1].text
        assert stand.present() == old == fingerprint(self.OLD)

    def test_an_answer_in_other_words_ends_the_deployment(self, stand, old, monkeypatch):
        from chancery_bot import web

        real = web.call
        monkeypatch.setattr(web, "call", lambda *a, **k: replace(real(*a, **k), body=b"<html>"))
        assert stand.deploy(self.NEW) == "failed"
        assert "JSONDecodeError" in stand.told()[-1].text
        assert list(stand.state.journals()) == []

    def test_what_a_kill_left_beside_a_version_goes_with_the_next(self, stand):
        assert stand.deploy(self.NEW) == "deployed"
        (store,) = {path.parent for path in stand.case.local.work.rglob("*.json")}
        left = store / ".v1.json.x1.chancery-new"
        left.touch()
        assert stand.deploy(self.OLD) == "deployed"
        assert not left.exists()

    def test_somebody_who_writes_over_it_is_noticed(self, stand, old):
        real = self.cluster.apply

        def spoil(where, patch, manager, *, force):
            answer = real(where, patch, manager, force=force)
            if len(self.cluster.writes) == 1:
                self.cluster.secrets[where] = {**self.cluster.secrets[where], "data": {}}
            return answer

        self.cluster.apply = spoil
        assert stand.deploy(self.NEW) == "rolled_back"
        assert "Does somebody else write it too?" in stand.told()[-1].text
        assert stand.present() == old
