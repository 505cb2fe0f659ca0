"""Runs in an environment of its own: somebody else's client (certmesh, PyPI) at a CertCentral that it takes for the real one.

`python digicert_judge.py BASE_URL ORGANIZATION`, with the key in CM_DIGICERT_API_KEY; prints what it saw as JSON.
"""

import json
import sys

from certmesh import certificate_utils as keys
from certmesh.exceptions import CertMeshError
from certmesh.providers import digicert_client as digicert


def request_pem(name):
    key = keys.generate_rsa_private_key(key_size=2048)
    return keys.csr_to_pem(keys.build_csr(key, keys.SubjectInfo(common_name=name, san_dns_names=[name])))


def main(base_url, organization):
    config = {"base_url": base_url, "polling": {"interval_seconds": 1, "max_wait_seconds": 10}}
    seen, name = {}, "judge.example.com"
    asked = digicert.OrderRequest(
        name, [name], product_name_id="ssl_basic", organization_id=organization, key_size=2048, comments="judge"
    )
    try:
        digicert.order_and_await_certificate(config, {}, None, asked)
    except CertMeshError as error:
        # It wants a ZIP where the documents have PEM, so it ends here: after the order, the polls and the download.
        seen["download"] = type(error).__name__
    rows = digicert.search_certificates(config, {}, None, common_name=name, status="issued")
    seen["found"] = [row.common_name for row in rows]
    order, certificate = rows[0].order_id, rows[0].certificate_id
    seen["listed"] = len(digicert.list_issued_certificates(config, {}, None, page_size=1))
    twin = digicert.duplicate_certificate(config, {}, None, order, request_pem(name), comments="judge")
    seen["duplicate"] = int(twin["id"]) == order
    seen["revoked"] = digicert.revoke_certificate(config, {}, None, certificate_id=certificate, reason="superseded")
    print(json.dumps(seen))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
