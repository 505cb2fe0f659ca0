"""Every route of the console, and what it is: a page to look at, a form's target, or a file."""

NOWHERE = "00000000-0000-0000-0000-000000000000"

PAGES = {
    "home": "/",
    "overview": "/overview",
    "login": "/login",
    "password": "/password",
    "account": "/account",
    "factors": "/account/factors",
    "roles": "/people/roles",
    "providers": "/people/providers",
    "access": "/people/1/access",
    "changes": "/changes",
    "change": "/changes/{change}",
    "change_rules": "/changes/rules",
    "people": "/people",
    "places": "/people/places",
    "tokens": "/tokens",
    "ca_types": "/integrations/ca-connectors",
    "connectors": "/integrations/ca-connectors/type/digicert",
    "connector_create": "/integrations/ca-connectors/type/digicert/create",
    "connector": "/integrations/ca-connectors/{connector}",
    "connector_edit": "/integrations/ca-connectors/{connector}/edit",
    "connector_copy": "/integrations/ca-connectors/{connector}/copy",
    "connector_delete": "/integrations/ca-connectors/{connector}/delete",
    "connector_impact": "/integrations/ca-connectors/{connector}/impact",
    "connector_repoint": "/integrations/ca-connectors/{connector}/repoint",
    "connector_health": "/integrations/ca-connectors/{connector}/health",
    "connector_version": "/integrations/ca-connectors/{connector}/versions/1",
    "credential": "/integrations/ca-connectors/{connector}/credential",
    "call": "/calls/{call}",
    "pools": "/integrations/pools",
    "pool_create": "/integrations/pools/create",
    "pool": "/integrations/pools/{pool}",
    "pool_edit": "/integrations/pools/{pool}/edit",
    "posture": "/posture",
    "posture_finding": "/posture/{posture}",
    "profiles": "/profiles",
    "profile_create": "/profiles/create",
    "profile": "/profiles/{profile}",
    "profile_edit": "/profiles/{profile}/edit",
    "orders": "/orders",
    "order_new": "/orders/new",
    "order": "/orders/{order}",
    "order.unknown": "/orders/{unknown}",
    "certificates": "/certificates",
    "renewals": "/certificates/renewals",
    "forecast": "/certificates/renewals/forecast",
    "key_reports": "/certificates/key-reports",
    "certificate": "/certificates/{certificate}",
    "inventory": "/inventory",
    "inventory_import": "/inventory/import",
    "finding": "/inventory/findings/{finding}",
    "pulls": "/inventory/pulls",
    "pull": "/inventory/pulls/{pull}",
    "nodes": "/nodes",
    "notices": "/notices",
    "channel_create": "/notices/channels/create",
    "channel": "/notices/channels/{channel}",
    "channel_edit": "/notices/channels/{channel}/edit",
    "webhooks": "/webhooks",
    "webhook_create": "/webhooks/create",
    "webhook": "/webhooks/{webhook}",
    "webhook_edit": "/webhooks/{webhook}/edit",
    "bots": "/bots",
    "bot_create": "/bots/create",
    "bot": "/bots/{bot}",
    "bot_edit": "/bots/{bot}/edit",
    "target_create": "/bots/{bot}/targets/create",
    "target_edit": "/bots/targets/{target}/edit",
    "deployment": "/bots/deployments/{deployment}",
    "acme": "/acme-clients",
    "acme_offers": "/acme-clients/offers",
    "acme_offer": "/acme-clients/offer",
    "acme_create": "/acme-clients/create",
    "acme_credential": "/acme-clients/{acme_credential}",
    "acme_account": "/acme-clients/accounts/{acme_account}",
    "audit": "/audit",
    "audit_proof": "/audit/proof",
}
"""Route name → its address; braces stand for the sample object of that kind. After a dot: the same route once more."""

FORMS = {
    "session_end": "/account/sessions/00000000-0000-0000-0000-000000000000/end",
    "role_act": "/people/roles/requester",
    "provider_delete": "/people/providers/keycloak/delete",
    "change_act": "/changes/{change}/do/approve",
    "connector_choices": "/integrations/ca-connectors/type/digicert/choices/product",
    "person": "/people/1/password",
    "logout": "/logout",
    "connector_test_unsaved": "/integrations/ca-connectors/type/digicert/test",
    "connector_bulk": "/integrations/ca-connectors/type/digicert/bulk",
    "connector_test": "/integrations/ca-connectors/{connector}/test",
    "connector_switch": "/integrations/ca-connectors/{connector}/switch/activate",
    "credential_act": "/integrations/ca-connectors/{connector}/credential/stage",
    "pool_delete": "/integrations/pools/{pool}/delete",
    "pool_member": "/integrations/pools/{pool}/members/{connector}",
    "posture_decide": "/posture/{posture}/decide",
    "profile_delete": "/profiles/{profile}/delete",
    "order_act": "/orders/{order}/do/cancel",
    "certificate_revoke": "/certificates/{certificate}/revoke",
    "certificate_report_key": "/certificates/{certificate}/report-key",
    "key_report_act": "/certificates/key-reports/00000000-0000-0000-0000-000000000000/do/withdraw",
    "certificate_renew": "/certificates/{certificate}/renew",
    "inventory_decide": "/inventory/decide",
    "finding_act": "/inventory/findings/{finding}/do/ignore",
    "pull_begin": "/inventory/pulls/begin",
    "pull_stop": "/inventory/pulls/{pull}/stop",
    "certificate_leave_request": "/certificates/{certificate}/next-request",
    "channel_act": "/notices/channels/{channel}/test",
    "webhook_act": "/webhooks/{webhook}/test",
    "bot_act": "/bots/{bot}/do/stop",
    "target_act": "/bots/targets/{target}/do/issue",
    "acme_withdraw": "/acme-clients/offers/{profile}/withdraw",
    "acme_act": "/acme-clients/{acme_credential}/do/revoke",
    "acme_account_act": "/acme-clients/accounts/{acme_account}/do/revoke",
    "deployment_cancel": "/bots/deployments/{deployment}/cancel",
}
"""Routes that only take what a form sends."""

FILES = {
    "connector_export": "/integrations/ca-connectors/type/digicert/export.csv",
    "certificate_download": "/certificates/{certificate}/download/chain",
    "audit_export": "/audit/export",
    "audit_archive": "/audit/archive",
}
"""Routes that answer with a file."""

SCRIPTS = {
    "suggest": "/suggest/teams",
    "login_second": "/login/second",
    "login_challenge": "/login/challenge",
    "factor_challenge": "/account/factors/challenge",
    "login_with": "/login/with/keycloak",
    "openid_connect_callback": "/login/with/keycloak/callback",
    "saml_acs": "/login/saml/adfs/acs",
    "saml_finish_acs": "/login/saml/adfs/finish",
    "saml_sls": "/login/saml/adfs/logout",
    "saml_metadata": "/login/saml/adfs/metadata",
}
"""Routes for scripts, and for providers of log-ins."""

ANONYMOUS = {"login"}


def unlisted():
    """Return the problems between the urlconf and the tables above; needs Django set up."""
    from django.urls import Resolver404, resolve

    from chancery.doors.console.urls import urlpatterns

    listed = {**PAGES, **FORMS, **FILES, **SCRIPTS}
    names = {str(p.name) for p in urlpatterns}
    known = {name.partition(".")[0] for name in listed}
    problems = [f"{n}: not listed in tests/browser/routes.py" for n in sorted(names - known)]
    problems += [f"{n}: listed, but no route of the console" for n in sorted(known - names)]
    for name, path in listed.items():
        try:
            found = resolve(_filled(path)).url_name
        except Resolver404:
            found = None
        if found != name.partition(".")[0]:
            problems.append(f"{name}: {path} leads to {found}")
    return problems


def _filled(path):
    names = (
        "change",
        "connector",
        "call",
        "pool",
        "profile",
        "order",
        "unknown",
        "certificate",
        "finding",
        "pull",
        "channel",
        "webhook",
        "posture",
        "bot",
        "target",
        "deployment",
        "acme_credential",
        "acme_account",
    )
    return path.format(**dict.fromkeys(names, NOWHERE))
