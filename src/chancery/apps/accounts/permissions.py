"""Every permission there is, and the built-in roles as sets of them."""

from __future__ import annotations

from enum import StrEnum


class Permission(StrEnum):
    """What an action asks for. One permission per action; reading is a permission too."""

    CONNECTOR_VIEW = "connectors.view"
    CONNECTOR_CREATE = "connectors.create"
    CONNECTOR_EDIT = "connectors.edit"
    CONNECTOR_COPY = "connectors.copy"
    CONNECTOR_ACTIVATE = "connectors.activate"
    CONNECTOR_DEACTIVATE = "connectors.deactivate"
    CONNECTOR_DELETE = "connectors.delete"
    CONNECTOR_TEST = "connectors.test"
    CONNECTOR_PULL = "connectors.pull"
    CONNECTOR_ROTATE = "connectors.rotate"
    CONNECTOR_REPOINT = "connectors.repoint"
    POOL_VIEW = "pools.view"
    POOL_CREATE = "pools.create"
    POOL_EDIT = "pools.edit"
    POOL_DRAIN = "pools.drain"
    POOL_DELETE = "pools.delete"
    SECRET_REFERENCE = "secrets.reference"  # noqa: S105  a permission's name, not a credential
    PROFILE_VIEW = "profiles.view"
    PROFILE_CREATE = "profiles.create"
    PROFILE_EDIT = "profiles.edit"
    PROFILE_DELETE = "profiles.delete"
    ORDER_VIEW = "orders.view"
    ORDER_PLACE = "orders.place"
    ORDER_APPROVE = "orders.approve"
    ORDER_CANCEL = "orders.cancel"
    ORDER_SETTLE = "orders.settle"
    ORDER_RELEASE = "orders.release"
    CERTIFICATE_VIEW = "certificates.view"
    CERTIFICATE_REVOKE = "certificates.revoke"
    CERTIFICATE_RENEW = "certificates.renew"
    KEY_REPORT_CONFIRM = "key_reports.confirm"
    KEY_REPORT_WITHDRAW = "key_reports.withdraw"
    INVENTORY_VIEW = "inventory.view"
    INVENTORY_IMPORT = "inventory.import"
    INVENTORY_DECIDE = "inventory.decide"
    NOTICE_VIEW = "notices.view"
    CHANNEL_VIEW = "channels.view"
    CHANNEL_MANAGE = "channels.manage"
    WEBHOOK_VIEW = "webhooks.view"
    WEBHOOK_MANAGE = "webhooks.manage"
    POSTURE_VIEW = "posture.view"
    POSTURE_DECIDE = "posture.decide"
    METRICS_VIEW = "metrics.view"
    BOT_VIEW = "bots.view"
    BOT_CREATE = "bots.create"
    BOT_EDIT = "bots.edit"
    BOT_STOP = "bots.stop"
    BOT_DELETE = "bots.delete"
    BOT_DEPLOY = "bots.deploy"
    ACME_VIEW = "acme.view"
    ACME_MANAGE = "acme.manage"
    AUDIT_VIEW = "audit.view"
    AUDIT_EXPORT = "audit.export"
    PEOPLE_VIEW = "people.view"
    PEOPLE_MANAGE = "people.manage"
    PASSWORD_OWN = "people.own_password"  # noqa: S105  a permission's name, not a credential
    ACCOUNT_OWN = "people.own_account"
    TOKEN_CREATE = "tokens.create"  # noqa: S105  a permission's name, not a credential
    TOKEN_REVOKE = "tokens.revoke"  # noqa: S105  a permission's name, not a credential
    SESSION_OWN = "sessions.own"
    FACTOR_OWN = "factors.own"
    CHANGE_VIEW = "changes.view"
    CHANGE_APPROVE = "changes.approve"
    CHANGE_WITHDRAW = "changes.withdraw"
    CHANGE_RULES = "changes.rules"


_P = Permission
_READ = frozenset(
    {
        _P.CONNECTOR_VIEW,
        _P.POOL_VIEW,
        _P.PROFILE_VIEW,
        _P.ORDER_VIEW,
        _P.CERTIFICATE_VIEW,
        _P.INVENTORY_VIEW,
        _P.NOTICE_VIEW,
        _P.BOT_VIEW,
        _P.CHANGE_VIEW,
        _P.ACME_VIEW,
    }
)
_OWN_TOKENS = frozenset({_P.TOKEN_CREATE, _P.TOKEN_REVOKE})

ROLES: dict[str, frozenset[Permission]] = {
    "administrator": frozenset(Permission),
    "ca_operator": _READ
    | _OWN_TOKENS
    | {p for p in Permission if p.startswith(("connectors.", "pools.", "profiles.", "inventory.", "posture.", "acme."))}
    | {
        _P.ORDER_CANCEL,
        _P.ORDER_SETTLE,
        _P.ORDER_RELEASE,
        _P.CERTIFICATE_REVOKE,
        _P.CERTIFICATE_RENEW,
        _P.AUDIT_VIEW,
        _P.CHANNEL_VIEW,
        _P.METRICS_VIEW,
        _P.CHANGE_WITHDRAW,
    },
    "requester": _READ | _OWN_TOKENS | {_P.ORDER_PLACE, _P.ORDER_CANCEL, _P.CERTIFICATE_RENEW},
    "bot_operator": _READ
    | _OWN_TOKENS
    | {p for p in Permission if p.startswith("bots.")}
    | {_P.ORDER_PLACE, _P.ORDER_CANCEL, _P.CERTIFICATE_RENEW},
    "approver": _READ | _OWN_TOKENS | {_P.ORDER_APPROVE, _P.CHANGE_APPROVE},
    "auditor": _READ
    | {_P.AUDIT_VIEW, _P.AUDIT_EXPORT, _P.PEOPLE_VIEW, _P.CHANNEL_VIEW, _P.WEBHOOK_VIEW, _P.POSTURE_VIEW},
    "monitor": _OWN_TOKENS | {_P.METRICS_VIEW},
}
"""Built-in role → what it may do; roles of an installation's own stand in a table (`accounts.Role`)."""

BOT, ACME = "bot", "acme"
MACHINES: dict[str, frozenset[Permission]] = {
    BOT: frozenset({_P.PROFILE_VIEW, _P.CONNECTOR_VIEW, _P.CERTIFICATE_VIEW, _P.ORDER_PLACE, _P.CERTIFICATE_RENEW}),
    ACME: frozenset(
        {
            _P.PROFILE_VIEW,
            _P.CONNECTOR_VIEW,
            _P.CERTIFICATE_VIEW,
            _P.ORDER_PLACE,
            _P.CERTIFICATE_RENEW,
            _P.CERTIFICATE_REVOKE,
        }
    ),
}
"""Role of a machine → what it may do; no person is given these."""

EVERYBODYS = frozenset({_P.PASSWORD_OWN, _P.ACCOUNT_OWN, _P.SESSION_OWN, _P.FACTOR_OWN})
"""What whoever is logged in may do about themselves, with any role or none: a one-time password must be changed."""

WHOLE = frozenset({_P.PEOPLE_MANAGE, _P.METRICS_VIEW, _P.CHANGE_RULES, _P.KEY_REPORT_CONFIRM, _P.KEY_REPORT_WITHDRAW})
"""What no team or environment limits. Whoever gives roles could give themselves every role, metrics are those of every
team, and who sets how many must agree, or says what holds of a key, decides for everybody, so a grant for one team or
environment does not give these."""
