"""The settings that Django itself reads."""

from __future__ import annotations

import platform
import sys
from typing import Any

from chancery import looking
from chancery.settings.environment import (
    Environment,
    anchors,
    base_url,
    database,
    enforced,
    networks,
    resolvers,
    secret_key,
    secret_vault,
    stores,
)
from chancery.settings.languages import language

ENVIRONMENT = Environment.read()
HOME = ENVIRONMENT.home.expanduser()
NODE = ENVIRONMENT.node or platform.node()
TESTING = "pytest" in sys.modules

SECRET_KEY = secret_key(HOME, make=not looking.only)
KEK_FILE = HOME / "kek"
AUDIT_KEY_FILE = HOME / "audit-key"
KEK = "".join(stores("CHANCERY_KEK", ENVIRONMENT.kek, most=1))
KEK_OLD = stores("CHANCERY_KEK_OLD", ENVIRONMENT.kek_old)
SECRET_VAULT = secret_vault("CHANCERY_SECRET_VAULT", ENVIRONMENT.secret_vault)
SECRET_FILES = ENVIRONMENT.secret_files
DEBUG = False
ALLOWED_HOSTS = [host.strip() for host in ENVIRONMENT.allowed_hosts.split(",") if host.strip()]
CSRF_TRUSTED_ORIGINS = [o.strip() for o in ENVIRONMENT.trusted_origins.split(",") if o.strip()]
TRUSTED_PROXIES = networks("CHANCERY_TRUSTED_PROXIES", ENVIRONMENT.trusted_proxies)

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "chancery.apps.accounts.libraries.Account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.socialaccount.providers.saml",
    "chancery.apps.accounts",
    "chancery.apps.audit",
    "chancery.apps.connectors",
    "chancery.apps.changes",
    "chancery.apps.profiles",
    "chancery.apps.orders",
    "chancery.apps.certificates",
    "chancery.apps.inventory",
    "chancery.apps.health",
    "chancery.apps.renewals",
    "chancery.apps.notices",
    "chancery.apps.webhooks",
    "chancery.apps.posture",
    "chancery.apps.bots",
    "chancery.apps.acme",
    "chancery.doors.console",
]
MIDDLEWARE = [
    "chancery.doors.challenges.Challenges",
    "chancery.doors.source.Source",
    "chancery.doors.console.middleware.SecurityHeaders",
    "chancery.doors.api.middleware.OnlyJson",
    "chancery.doors.bounds.Bounds",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "chancery.doors.pages.ForPages",
]
CSRF_FAILURE_VIEW = "chancery.doors.failures.stale_form"
ROOT_URLCONF = "chancery.doors.urls"
WSGI_APPLICATION = "chancery.doors.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": database(ENVIRONMENT.database_url, HOME)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "/login"
LOGIN_REDIRECT_URL = "/"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
if TESTING:
    # Argon2 is slow on purpose; tests log in thousands of times.
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", *PASSWORD_HASHERS]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
SOCIALACCOUNT_ADAPTER = "chancery.doors.console.external.Adapter"
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = False
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
SESSION_ENGINE = "chancery.apps.accounts.sessions"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = ENVIRONMENT.secure_cookies
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if ENVIRONMENT.secure_cookies else 0
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 20 * 1024 * 1024

LANGUAGE_CODE = language("CHANCERY_LANGUAGE", ENVIRONMENT.language)
USE_I18N = True
USE_TZ = True
TIME_ZONE = ENVIRONMENT.time_zone

STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

CSR_MAX_BYTES = ENVIRONMENT.csr_max_bytes
CSR_MAX_NAMES = ENVIRONMENT.csr_max_names
NOTICE_REPEAT_HOURS = ENVIRONMENT.notice_repeat_hours
CHANGE_DAYS = ENVIRONMENT.change_days
CREDENTIAL_DAYS = ENVIRONMENT.credential_days
EGRESS_ADDRESSES = ENVIRONMENT.egress_addresses
POSTURE_ENFORCED = enforced("CHANCERY_POSTURE_ENFORCED", ENVIRONMENT.posture_enforced)
METRICS_ON_LOOPBACK = ENVIRONMENT.metrics_on_loopback
ACME_URL = base_url("CHANCERY_ACME_URL", ENVIRONMENT.acme_url)
ACME_RESOLVERS = resolvers("CHANCERY_ACME_RESOLVERS", ENVIRONMENT.acme_resolvers)
ACME_PORTS = {"http-01": ENVIRONMENT.acme_http_port, "tls-alpn-01": ENVIRONMENT.acme_tls_port}

AUDIT_CHECKPOINT_SECONDS = ENVIRONMENT.audit_checkpoint_seconds
AUDIT_ANCHORS = anchors("CHANCERY_AUDIT_ANCHORS", ENVIRONMENT.audit_anchors)

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"redact": {"()": "chancery.net.redact.RedactingFilter"}},
    "formatters": {"plain": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "plain", "filters": ["redact"]},
    },
    "loggers": {
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
        # A trace for each request with an odd Host would let any stranger fill the disk; the answer names the setting.
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        "django.security.TooLong": {"level": "CRITICAL"},
    },
    "root": {"handlers": ["stderr"], "level": ENVIRONMENT.log_level},
}
