"""Every setting, and every environment variable: each is read once, here, and listed in `.env.example`.

With no variable set, the project runs on the embedded PostgreSQL and Valkey that `make run` starts in DATA_DIR; the
addresses of their sockets follow from DATA_DIR, so `manage.py` in a second terminal reaches the same servers.
What a manager of the clinic decides is data, not a setting.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.core.management.utils import get_random_secret_key
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from clinic import embedded
from clinic.environment import Environment, VariableRefused

env = Environment(os.environ)

# --- where things are -------------------------------------------------------------------------------------------------

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = env.path("DATA_DIR", "var", below=BASE_DIR)
PORT = env.whole("PORT", 8000, least=1, most=65535)
BIND = env.text("BIND", "127.0.0.1")
PUBLIC_URL = env.server_url(
    "PUBLIC_URL", f"http://127.0.0.1:{PORT}", schemes=("http", "https"), example="https://cadence.example.org"
).rstrip("/")

DEBUG = env.flag("DEBUG", default=False)
DEMO = env.flag("DEMO", default=True)
DEMO_PASSWORD = env.text("DEMO_PASSWORD")
ADMIN_EMAIL = env.text("ADMIN_EMAIL", "admin@example.org")

ROOT_URLCONF = "clinic.urls"
WSGI_APPLICATION = "clinic.wsgi.application"

# --- PostgreSQL -------------------------------------------------------------------------------------------------------

EMBEDDED_DATABASE = not env.text("DATABASE_URL")
DB_POOL = env.flag("DB_POOL", default=False)


def _milliseconds(name: str, default_seconds: int) -> int:
    return env.whole(name, default_seconds, least=0, most=86_400, unit="seconds") * 1000


DB_LIMITS = {
    "statement_timeout": _milliseconds("DB_STATEMENT_TIMEOUT_SECONDS", 30),
    "lock_timeout": _milliseconds("DB_LOCK_TIMEOUT_SECONDS", 10),
    "idle_in_transaction_session_timeout": _milliseconds("DB_IDLE_IN_TRANSACTION_TIMEOUT_SECONDS", 60),
}
# Of statements that are prepared (`scheduling.roster.asking`; Django's never are) a plan is made once, not each time.
DB_HABITS = {"plan_cache_mode": "force_generic_plan"}


def _database(url: str) -> dict[str, Any]:
    """Read DATABASE_URL as PostgreSQL's own library does: ?host=/socket and sslmode mean what they mean there."""
    try:
        parts: dict[str, Any] = conninfo_to_dict(url)
    except ProgrammingError:
        raise VariableRefused(
            "DATABASE_URL cannot be read: write postgresql://user:password@host:5432/database"
        ) from None
    limits = " ".join(f"-c {name}={value}" for name, value in (DB_LIMITS | DB_HABITS).items())
    options = parts | {"options": f"{parts.get('options', '')} {limits}".strip()}
    options.setdefault("connect_timeout", 10)
    options.setdefault("application_name", "cadence")
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": options.pop("dbname", ""),
        "USER": options.pop("user", ""),
        "PASSWORD": options.pop("password", ""),
        "HOST": options.pop("host", ""),
        "PORT": options.pop("port", ""),
        "CONN_MAX_AGE": 0 if DB_POOL else 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": options,
    }
    if not database["NAME"]:
        raise VariableRefused("DATABASE_URL names no database: write postgresql://user:password@host:5432/database")
    if DB_POOL:
        # For the web only. No smaller than gunicorn's threads in one process, or requests queue for a connection.
        options["pool"] = {"min_size": 1, "max_size": 8, "timeout": 10}
    return database


DATABASE_URL = env.url("DATABASE_URL", embedded.database_url(DATA_DIR), schemes=("postgresql", "postgres"))
DATABASES = {"default": _database(DATABASE_URL)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- the broker, and what Celery does with it -------------------------------------------------------------------------

EMBEDDED_BROKER = not env.text("REDIS_URL")
REDIS_URL = env.server_url(
    "REDIS_URL",
    embedded.broker_url(DATA_DIR),
    schemes=("redis", "rediss", "unix"),
    example="redis://:password@host:6379/0, or unix:///path/to/socket?db=0",
)
# Publishing from a web request must fail quickly; a worker's blocking read must not.
BROKER_SOCKET_TIMEOUT = env.whole("BROKER_SOCKET_TIMEOUT_SECONDS", 5, least=1, most=600, unit="seconds")


def _as_kombu_says_it(url: str) -> str:
    """redis-py says unix:///socket?db=0, kombu says redis+socket:///socket?virtual_host=0."""
    if url.startswith("unix://"):
        return url.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=")
    return url


CELERY_BROKER_URL = _as_kombu_says_it(REDIS_URL)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # the default gives up for ever after 100
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 900,  # longer than the longest task, or it runs twice at the same time
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,  # the default looks for lost messages only every 100 s
    "socket_timeout": BROKER_SOCKET_TIMEOUT,  # kombu's default waits for ever
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 10,
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.1,
    "interval_max": 0.2,
}
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.2}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 840
CELERY_TASK_SOFT_TIME_LIMIT = 780
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 8  # with REMAP_SIGTERM=SIGQUIT in the worker's environment
# After that, or after its tasks, a worker that has not ended is ended. The next start waits for 90 s.
WORKER_END_SECONDS = env.whole("WORKER_END_SECONDS", 10, least=1, most=60, unit="seconds")
CELERY_WORKER_MAX_TASKS_PER_CHILD = 500
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False  # True would kill a sender in the middle of a mail
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True
# Intervals only: a crontab falls silent when the clocks change, an ETA is lost with the broker. A tick says "look now"
# and nothing else; one that waited longer than its interval is dropped, because the next one says the same.
CELERY_BEAT_SCHEDULE = {
    "deliver-due-messages": {"task": "scheduling.tasks.deliver_due", "schedule": 15.0, "options": {"expires": 15}},
    "sweep": {"task": "scheduling.tasks.sweep", "schedule": 60.0, "options": {"expires": 60}},
    "work-out-proposals": {
        "task": "scheduling.tasks.work_out_proposals",
        "schedule": 5.0,  # somebody is looking at the page that waits for it
        "options": {"expires": 5},
    },
    "offer-freed-times": {
        "task": "scheduling.tasks.offer_freed_times",
        "schedule": 15.0,
        "options": {"expires": 15},
    },
    "examine": {"task": "scheduling.tasks.examine", "schedule": 60.0, "options": {"expires": 60}},
}

# --- mail to patients -------------------------------------------------------------------------------------------------
# The outbox has its own SMTP transport, which knows what was handed over when a line breaks; Django's is not used.

_mail = env.mail_server("EMAIL_URL")
MAIL_HOST = _mail.host  # empty: mail is written to MAIL_DIR, one .eml file each
MAIL_PORT = _mail.port
MAIL_USER = _mail.user
MAIL_PASSWORD = _mail.password
MAIL_SECURITY = _mail.security  # "", "starttls" or "tls"
MAIL_DIR = DATA_DIR / "mail"

# --- security ---------------------------------------------------------------------------------------------------------

HTTPS = env.flag("HTTPS", default=PUBLIC_URL.startswith("https://"))


def _secret_key() -> str:
    """Return SECRET_KEY; without one, the key that `make run` keeps in DATA_DIR, or one for this process only.

    A server of one's own (DATABASE_URL) means production: a key that is not kept would end every session and link at
    each restart, and differ from process to process, so there it is refused.
    """
    given = env.text("SECRET_KEY")
    if given and len(given) < 50:
        raise VariableRefused("SECRET_KEY is too short: write at least 50 random characters")
    if given:
        return given
    if not EMBEDDED_DATABASE and not DEBUG:
        raise VariableRefused(
            "SECRET_KEY is missing: with DATABASE_URL set, write at least 50 random characters and keep them"
        )
    try:
        kept = embedded.secret_key_file(DATA_DIR).read_text().strip()
    except OSError:
        kept = ""
    return kept or get_random_secret_key()


SECRET_KEY = _secret_key()
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", f"127.0.0.1,localhost,[::1],{urlsplit(PUBLIC_URL).hostname}")
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_NAME = "__Host-session" if HTTPS else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if HTTPS else "csrf"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = int(timedelta(hours=12).total_seconds())
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = int(timedelta(days=365).total_seconds()) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Only where a proxy in front removes this header from what clients send.
if env.flag("BEHIND_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# The admin's Alpine build evaluates expressions and sets style attributes; it needs no inline script.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, UNSAFE_EVAL],
        "style-src": [SELF, UNSAFE_INLINE],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

DATA_UPLOAD_MAX_MEMORY_SIZE = FILE_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # bytes
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000
DATA_UPLOAD_MAX_NUMBER_FILES = 5

AUTH_USER_MODEL = "clinic.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "django.contrib.auth.hashers.ScryptPasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "name")},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

# One address guessing one account is stopped; nobody can lock a colleague out from elsewhere.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_ON_SUCCESS = True
AXES_USERNAME_FORM_FIELD = "username"  # the name of the sign-in form's field; what is typed there is an e-mail address
AXES_HANDLER = "axes.handlers.database.AxesDatabaseHandler"
AXES_USERNAME_CALLABLE = "clinic.api.lockout_name"  # lower case, as the account is looked up
AXES_VERBOSE = False  # its own log lines name people
AXES_ENABLE_ADMIN = False

# --- what Django is made of -------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "pgtrigger",
    "pghistory",
    "pghistory.admin",  # after unfold, so that unfold's templates win
    "phonenumber_field",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "knox",
    "axes",
    "clinic",
    "patients",
    "scheduling",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "pghistory.middleware.HistoryMiddleware",
    "axes.middleware.AxesMiddleware",  # must be last
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
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

LANGUAGE_CODE = "en-gb"
LOCALE_PATHS = [BASE_DIR / "scheduling" / "locale"]
USE_I18N = True
FORMAT_MODULE_PATH = ["clinic.formats"]
USE_TZ = True
TIME_ZONE = "UTC"  # a site has its own zone; only clinic/localtime.py turns one into the other

STATIC_URL = "static/"
# Served by the web processes straight from the packages: nothing to collect, nothing to forget.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
WHITENOISE_MAX_AGE = 3600  # seconds

# --- history --------------------------------------------------------------------------------------------------------

# Reading changes nothing, so there is nobody to name; and every statement of a request that names somebody costs.
PGHISTORY_MIDDLEWARE_METHODS = ("POST", "PUT", "PATCH", "DELETE")

# --- the REST API -----------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    # The token first: its challenge makes an unauthenticated call a 401 and not a 403
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "clinic.api.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["clinic.api.IsStaff"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["clinic.api.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "clinic.api.problem",
    "NUM_PROXIES": 0,  # X-Forwarded-For is written by anyone; it identifies nobody
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
REST_KNOX = {
    "SECURE_HASH_ALGORITHM": "hashlib.sha512",
    "TOKEN_TTL": timedelta(hours=12),
    "TOKEN_LIMIT_PER_USER": 10,
    "AUTO_REFRESH": False,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Cadence",
    "DESCRIPTION": "Courses of treatment: what is due, what is booked, what was done.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["clinic.api.IsStaff"],
    "COMPONENT_SPLIT_REQUEST": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "ENUM_NAME_OVERRIDES": {
        "AppointmentStateEnum": "scheduling.models.AppointmentState",
        "LateActionEnum": "scheduling.models.LateBand.Action",
        "CourseStateEnum": "scheduling.models.CourseState",
        "SessionStateEnum": "scheduling.models.SessionState",
        "ProposalStateEnum": "scheduling.models.proposals.ProposalState",
    },
}

# --- the admin --------------------------------------------------------------------------------------------------------

UNFOLD = {
    "SITE_TITLE": "Cadence",
    "SITE_HEADER": "Cadence",
    "SITE_SUBHEADER": "Courses of treatment",
    "SITE_SYMBOL": "event_repeat",
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "BORDER_RADIUS": "8px",
    "COLORS": {
        "primary": {
            "50": "oklch(98.4% .014 180.72)",
            "100": "oklch(95.3% .051 180.801)",
            "200": "oklch(91% .096 180.426)",
            "300": "oklch(85.5% .138 181.071)",
            "400": "oklch(77.7% .152 181.912)",
            "500": "oklch(60% .118 184.704)",
            "600": "oklch(51.1% .096 186.391)",
            "700": "oklch(43.7% .078 188.216)",
            "800": "oklch(38.6% .063 188.416)",
            "900": "oklch(33.6% .053 190.485)",
            "950": "oklch(27.7% .046 192.524)",
        },
    },
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": "scheduling.admin.navigation.icon"},
    ],
    "STYLES": ["scheduling.admin.navigation.stylesheet"],
    "GLOBAL_CALLBACK": "scheduling.admin.navigation.everywhere",
    "DASHBOARD_CALLBACK": "scheduling.admin.worklist.dashboard",
    # unfold's own search keeps what it finds in a cache for minutes; patients are found by our own, which is recorded
    "SIDEBAR": {"show_search": False, "navigation": "scheduling.admin.navigation.items"},
}

# --- what is logged ---------------------------------------------------------------------------------------------------

LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", among=("DEBUG", "INFO", "WARNING", "ERROR"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "clinic.logs.OneLine"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},  # instead of Django's own handlers and mails
        "django.server": {"handlers": [], "level": "INFO", "propagate": True},
        "django.db.backends": {"level": "WARNING"},  # DEBUG would print statements with patients' data in them
        "django.request": {"level": "ERROR"},  # a 404 is in the access log already
        # Two lines for each tick, four times a minute, say nothing.
        "celery.beat": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
    },
}
