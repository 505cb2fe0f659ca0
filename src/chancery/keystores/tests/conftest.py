"""One of each key store: an HSM in software, AWS as moto plays it, a Vault of ours."""

import os
import subprocess

import boto3
import pytest
from moto import mock_aws

from chancery.keystores.simulator.vault import Simulator

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
PIN = "8642"


@pytest.fixture(scope="session")
def hsm_address(tmp_path_factory):
    """A token of SoftHSM with an AES key; the library reads its configuration once for a process."""
    import pkcs11

    folder = tmp_path_factory.mktemp("hsm")
    (folder / "tokens").mkdir()
    (folder / "conf").write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    (folder / "pin").write_text(f"{PIN}\n")
    os.environ["SOFTHSM2_CONF"] = str(folder / "conf")
    make = ["softhsm2-util", "--init-token", "--free", "--label", "chancery", "--pin", PIN, "--so-pin", PIN]
    subprocess.run(make, check=True, capture_output=True)
    with pkcs11.lib(MODULE).get_token(token_label="chancery").open(rw=True, user_pin=PIN) as session:
        session.generate_key(pkcs11.KeyType.AES, 256, label="kek", store=True)
    return f"pkcs11:token=chancery;object=kek?module-path={MODULE}&pin-source={folder / 'pin'}"


@pytest.fixture(scope="module")
def vault():
    with Simulator() as simulator:
        simulator.vault.make_key("transit", "chancery")
        simulator.vault.tokens["s.token"] = ("transit/", "secret/")
        yield simulator


@pytest.fixture
def vault_address(vault, monkeypatch):
    monkeypatch.setenv("VAULT_TOKEN", "s.token")
    return f"vault+{vault.url}/transit/chancery"


@pytest.fixture(scope="module")
def aws():
    """A KMS with one key; nothing leaves the process."""
    patched = pytest.MonkeyPatch()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        patched.setenv(name, "testing")
    with mock_aws():
        client = boto3.client("kms", region_name="eu-central-1")
        ident = client.create_key()["KeyMetadata"]["KeyId"]
        client.create_alias(AliasName="alias/chancery", TargetKeyId=ident)
        yield client
        client.close()
    patched.undo()


@pytest.fixture
def aws_address(aws):
    return "awskms:alias/chancery?region=eu-central-1"
