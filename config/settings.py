"""Django's settings, read from the environment and `.env`; the only module that reads either.

Every name a user may set is documented in docs/reference/settings.md (a test compares the two).
`NAME_FILE` reads a secret from a file. Durations end in `_S` and are seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import environ

from config.secrets import read_secret

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
IS_TESTING = "pytest" in sys.modules

if not IS_TESTING:
    environ.Env.read_env(env.str("ENV_FILE", str(BASE_DIR / ".env")))

# Core
DEBUG = env.bool("DEBUG", False)
SECRET_KEY = read_secret(env, "SECRET_KEY", default="")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
DATA_DIR = Path(env.str("DATA_DIR", str(BASE_DIR / "var"))).resolve()
SERVE_PORT = env.int("SERVE_PORT", 8000)
PUBLIC_WS_URL = env.str("PUBLIC_WS_URL", f"ws://127.0.0.1:{SERVE_PORT}").rstrip("/")
DEFAULT_REGION = env.str("DEFAULT_REGION", "VN")
# Trunks and rule profiles can only narrow this down.
ALLOWED_COUNTRIES = env.list("ALLOWED_COUNTRIES", default=[DEFAULT_REGION])

INSTALLED_APPS = [
    "daphne",
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "config.apps.ConfigConfig",
    "telephony.apps.TelephonyConfig",
    "campaigns.apps.CampaignsConfig",
    "bridge.apps.BridgeConfig",
]
MIDDLEWARE = [
    "config.security_headers.SecurityHeadersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "config.static_files.StaticFilesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "libraries": {"pages": "campaigns.web.filters"},
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "login"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 12 * 3600
# Headers against what browsers could be talked into: config/security_headers.py.
IS_HTTPS = env.bool("HTTPS", False)
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=["127.0.0.1"])
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
if IS_HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 31_536_000

LANGUAGE_CODE = "en"
TIME_ZONE = env.str("TIME_ZONE", "Asia/Ho_Chi_Minh")
USE_I18N = True
FORMAT_MODULE_PATH = "config.formats"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Database: SQLite in DATA_DIR unless DATABASE_URL names another.
DATABASE_URL = env.str("DATABASE_URL", f"sqlite:///{DATA_DIR / 'trunkline.sqlite3'}")
DATABASES: dict[str, dict[str, Any]] = {"default": environ.Env.db_url_config(DATABASE_URL)}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # IMMEDIATE: a transaction that reads and then writes must take the write lock first, or it fails as "locked".
    # FULL: a marker that led to a POST survives a power cut.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;PRAGMA foreign_keys=ON;",
    }
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    DATABASES["default"]["CONN_MAX_AGE"] = 60
    DATABASES["default"].setdefault("OPTIONS", {})["options"] = (
        "-c statement_timeout=30000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=30000"
    )

# Redis: the broker. Empty: `manage.py serve` starts an embedded one and hands its URL down.
REDIS_URL = read_secret(env, "REDIS_URL", default="")
CELERY_BROKER_URL = REDIS_URL or "redis://127.0.0.1:1/0"

# Static files: vendored, served by whitenoise from where they lie; no build step, nothing is collected.
STATIC_URL = "static/"
STATIC_ROOT = None
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576
FILE_UPLOAD_TEMP_DIR = None
FILE_UPLOAD_HANDLERS = [
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]
MEDIA_ROOT = DATA_DIR / "uploads"
MEDIA_URL = ""

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["campaigns.api.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["campaigns.api.permissions.RolePermission"],
    "DEFAULT_PAGINATION_CLASS": "campaigns.api.pagination.PagePagination",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "EXCEPTION_HANDLER": "campaigns.api.errors.exception_handler",
    "DEFAULT_VERSIONING_CLASS": None,
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Trunkline API",
    "DESCRIPTION": "Outbound voice campaigns: customers, campaigns, call attempts, calls and webhooks.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "/static/img/mark.svg",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "AttemptState": "campaigns.enums.AttemptState",
        "CallEndedBy": "campaigns.enums.EndedBy",
        "CampaignState": "campaigns.enums.CampaignState",
        "ContactState": "campaigns.enums.ContactState",
        "ImportState": "campaigns.enums.ImportState",
        "Outcome": "campaigns.enums.Outcome",
        "StepState": "campaigns.enums.StepState",
    },
}
UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Trunkline",
    "SITE_HEADER": "Trunkline",
    "SITE_SUBHEADER": "Admin",
    "SITE_URL": "/",
    "SITE_ICON": "campaigns.admin.site.mark",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "campaigns.admin.site.mark"}],
    "STYLES": ["campaigns.admin.site.style_sheet"],
    "SHOW_HISTORY": True,
    "LOGIN": {"form": "campaigns.sign_in.AdminSignInForm"},
    # The pages' indigo; 600 is --accent of static/css/tokens.css, 400 its form on dark ground.
    "COLORS": {
        "primary": {
            "50": "#f1f2fe",
            "100": "#e4e7fd",
            "200": "#cdd2fb",
            "300": "#aab3f8",
            "400": "#8490ff",
            "500": "#6d7af5",
            "600": "#3b4bdb",
            "700": "#2f3cb8",
            "800": "#283394",
            "900": "#252e76",
            "950": "#171c47",
        }
    },
    "DASHBOARD_CALLBACK": "campaigns.admin.start.start_page",
    "SIDEBAR": {"show_search": True, "navigation": "campaigns.admin.site.navigation"},
}

# At first start, with no user yet, this makes the user `admin`.
ADMIN_PASSWORD = read_secret(env, "ADMIN_PASSWORD", default="")

# PSR: at first start these make the default trunk.
PSR_BASE_URL = env.str("PSR_BASE_URL", "")
PSR_TOKEN = read_secret(env, "PSR_TOKEN", default="")
PSR_AUTH_SCHEME = env.str("PSR_AUTH_SCHEME", "Bearer")
PSR_503_IS_SAFE = env.bool("PSR_503_IS_SAFE", False)
PSR_REFUSED_CODES = env.list("PSR_REFUSED_CODES", default=[])
PSR_CHUNK_CODEC = env.str("PSR_CHUNK_CODEC", "pcm16")
PSR_CHUNK_MS = env.int("PSR_CHUNK_MS", 0) or None
PSR_FLUSH = env.str("PSR_FLUSH", "none")
PSR_STEREO_CUSTOMER_SIDE = env.str("PSR_STEREO_CUSTOMER_SIDE", "left")

# What `manage.py simulate_psr` asks its callers for; empty: anything of the right form.
SIMULATOR_TOKEN = read_secret(env, "SIMULATOR_TOKEN", default="")

# Above so many customers a campaign needs a second manager's approval; 0: none does.
APPROVAL_OVER_CONTACTS = env.int("APPROVAL_OVER_CONTACTS", 0)

# Dialing stops when this share of the requests to the switch within a minute failed; 0 never stops it.
BREAKER_FAILED_SHARE = env.float("BREAKER_FAILED_SHARE", 0.2)
BREAKER_MIN_POSTS = env.int("BREAKER_MIN_POSTS", 10)

# Dialing deadlines. The inequalities between them are start-up checks (campaigns/checks.py).
CLAIM_LEASE_S = env.float("CLAIM_LEASE_S", 30)
DIAL_CONNECT_TIMEOUT_S = env.float("DIAL_CONNECT_TIMEOUT_S", 5)
DIAL_TOTAL_TIMEOUT_S = env.float("DIAL_TOTAL_TIMEOUT_S", 15)
PAUSE_BUDGET_S = env.float("PAUSE_BUDGET_S", 5)
DISPATCH_LEASE_S = env.float("DISPATCH_LEASE_S", 45)
RING_TIMEOUT_S = env.float("RING_TIMEOUT_S", 60)
RING_GRACE_S = env.float("RING_GRACE_S", 15)
CALL_TOKEN_TTL_S = env.float("CALL_TOKEN_TTL_S", 600)
REDIAL_MIN_S = env.float("REDIAL_MIN_S", 900)
UNCONFIRMED_REDIAL_MIN_S = env.float("UNCONFIRMED_REDIAL_MIN_S", 14_400)
CALL_TOKEN_KEYS = [key for key in read_secret(env, "CALL_TOKEN_KEYS", default="").split(",") if key]

# Live calls
MAX_CALL_S = env.float("MAX_CALL_S", 1800)
MAX_CALLS_PER_PROCESS = env.int("MAX_CALLS_PER_PROCESS", 60)
CALL_HEARTBEAT_S = env.float("CALL_HEARTBEAT_S", 10)
CALL_LOST_S = env.float("CALL_LOST_S", 60)
RESUME_GRACE_S = env.float("RESUME_GRACE_S", 10)
DRAIN_TIMEOUT_S = env.float("DRAIN_TIMEOUT_S", 60)
RECORD_CALLS = env.bool("RECORD_CALLS", True)
RESAMPLER = env.str("RESAMPLER", "default")
OPT_OUT_PHRASES_EN = env.list("OPT_OUT_PHRASES_EN", default=[])
OPT_OUT_PHRASES_VI = env.list("OPT_OUT_PHRASES_VI", default=[])

# The AI service of agents of the kind livecall_grpc; each agent may name another.
LIVECALL_GRPC_TARGET = env.str("LIVECALL_GRPC_TARGET", "")
LIVECALL_GRPC_TLS = env.bool("LIVECALL_GRPC_TLS", False)
LIVECALL_GRPC_CA_FILE = env.str("LIVECALL_GRPC_CA_FILE", "")

# The model of agents of the kind openai_realtime, at OpenAI or at a service that speaks its protocol.
OPENAI_API_KEY = read_secret(env, "OPENAI_API_KEY", default="")
OPENAI_REALTIME_URL = env.str("OPENAI_REALTIME_URL", "wss://api.openai.com/v1/realtime")
OPENAI_REALTIME_MODEL = env.str("OPENAI_REALTIME_MODEL", "gpt-realtime-2.1")
OPENAI_AUTH_HEADER = env.str("OPENAI_AUTH_HEADER", "Authorization")

# Judges an agent's kind and configuration when a person stores it.
AGENT_CHECK = "bridge.agent_settings.check_agent"

# Webhooks
WEBHOOK_ALLOW_PRIVATE = env.list("WEBHOOK_ALLOW_PRIVATE", default=[])

# Imports
IMPORT_MAX_BYTES = env.int("IMPORT_MAX_BYTES", 1_073_741_824)

# Tests only: "name:probability:seed" makes a process kill itself at that point.
CRASH_POINT = env.str("CRASH_POINT", "")

LOG_LEVEL = env.str("LOG_LEVEL", "INFO")
LOG_FORMAT = env.str("LOG_FORMAT", "json")
LOGGING_CONFIG = "config.logs.configure"
LOGGING = {"level": LOG_LEVEL, "format": LOG_FORMAT}

if IS_TESTING:
    # Threads of a test must leave no connection behind, or its database cannot be dropped.
    DATABASES["default"]["CONN_MAX_AGE"] = 0
    SECRET_KEY = "only-for-tests-" + "0123456789abcdef" * 3
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
