"""Every setting, from the environment, with a default that runs on a laptop.

`docs/configuration.md` lists the variables for people who operate Bookbag.
"""

import os
import warnings
from pathlib import Path

from bookbag import environment as env
from bookbag.addresses import allowlist
from bookbag.logs import configure_logging

# --- Threads of native libraries ------------------------------------------------

# Each would start one for every core, or four, beside the few that bookbag.threads
# allows; one thread is as fast for what we ask of them. Read when they are loaded.
for _library in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "UV_THREADPOOL_SIZE"):
    os.environ.setdefault(_library, "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# --- Where things are -------------------------------------------------------

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = env.folder("BOOKBAG_DATA", BASE_DIR / "data")

# --- Secrets and hosts ------------------------------------------------------

DEBUG = env.switch("BOOKBAG_DEBUG", default=False)
# A machine nobody configured keeps one of its own.
SECRET_KEY = env.text("BOOKBAG_SECRET_KEY") or env.kept_secret(
    DATA_DIR / "secret_key", length=50
)
# What encrypts secrets that must be read again: those of webhooks, widgets, providers.
SECRETS_KEYS = env.encryption_keys("BOOKBAG_SECRETS_KEYS", DATA_DIR / "secrets_key")
HOST = env.text("HOST", "127.0.0.1")
PORT = env.whole("PORT", 8000, least=1, most=65_535)
# What links and examples show; behind a proxy it is not what the socket says.
BASE_URL = env.text("BOOKBAG_BASE_URL", f"http://{HOST}:{PORT}").rstrip("/")
ALLOWED_HOSTS = env.names("BOOKBAG_HOSTS", ["localhost", "127.0.0.1", "[::1]", HOST])
# Addresses of reverse proxies whose X-Forwarded-* headers are believed.
TRUSTED_PROXIES = env.names("BOOKBAG_TRUSTED_PROXIES", [])
HTTPS = BASE_URL.startswith("https://")
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
_YEAR = 31_536_000
SECURE_HSTS_SECONDS = env.whole("BOOKBAG_HSTS_SECONDS", _YEAR if HTTPS else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
CSRF_TRUSTED_ORIGINS = [BASE_URL] if HTTPS else []
X_FRAME_OPTIONS = "DENY"

# --- Apps -------------------------------------------------------------------

INSTALLED_APPS = [
    "daphne",  # before staticfiles: makes runserver speak ASGI
    "bookbag",
    "workspaces",
    "apikeys",
    "usage",
    "webhooks",
    "knowledge",
    "agents",
    "contacts",
    "conversations",
    "imports",
    "dashboard",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "allauth",
    "allauth.account",
]

# Pages get all of it. API requests skip the ones about sessions and forms: see
# bookbag.asgi, which builds a second, slimmer chain from API_MIDDLEWARE.
API_MIDDLEWARE = [
    "bookbag.request_id.request_id_middleware",
    "apikeys.throttling.rate_limit_headers_middleware",
    "bookbag.middleware.api_errors_middleware",
]
MIDDLEWARE = [
    *API_MIDDLEWARE,
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "bookbag.middleware.content_security_policy_middleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]
ROOT_URLCONF = "bookbag.urls"
ASGI_APPLICATION = "bookbag.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
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

# --- Database: SQLite when nothing is configured, PostgreSQL otherwise --------

_default = env.database("DATABASE_URL", f"sqlite:///{DATA_DIR / 'bookbag.sqlite3'}")
DATABASES = {"default": _default}
if _default["ENGINE"].endswith("sqlite3"):
    _default["OPTIONS"] = {
        # A reader that turns writer fails at once under DEFERRED: 74 % "database
        # is locked" with 8 writers. IMMEDIATE waits its turn.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        # FULL: an acknowledged message survives a power cut.
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
            "PRAGMA foreign_keys=ON; PRAGMA mmap_size=134217728;"
        ),
    }
    # Threads share an in-memory test database badly; a file is what users have.
    _default["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
else:
    _default["OPTIONS"] = {
        # What the URL says besides, as in ?sslmode=verify-full, stays in force.
        **_default.get("OPTIONS", {}),
        "connect_timeout": 3,
        "options": "-c statement_timeout=5000 -c lock_timeout=2000"
        " -c idle_in_transaction_session_timeout=30000",
    }
# A connection for each thread of bookbag.threads, kept: they are few and long-lived.
_default["CONN_MAX_AGE"] = None
_default["CONN_HEALTH_CHECKS"] = True

# --- Redis: rate limits, live pages and Celery between processes -------------

REDIS_URL = env.redis_url("REDIS_URL")
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL]},
    }
    if REDIS_URL
    else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
    }
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    # Who has filled in how many forms: in each process, and so never waited for.
    "forms": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "forms",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    },
}
RATELIMIT_USE_CACHE = "forms"
SILENCED_SYSTEM_CHECKS = [
    # django-ratelimit warns of both caches; it only guards public forms, where a
    # window counted for each process is enough.
    "django_ratelimit.E003",
    "django_ratelimit.W001",
    # An address is unique whatever its case: a constraint on Lower("email").
    "auth.E003",
    # The proxy that has the certificate sends people to https.
    "security.W008",
]

CELERY_BROKER_URL = env.text("CELERY_BROKER_URL", REDIS_URL)
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_timeout": 2, "socket_connect_timeout": 2}

# --- People -----------------------------------------------------------------

AUTH_USER_MODEL = "workspaces.User"
# Not allauth's own: it would hash every wrong password a second time, and send people
# whose account is switched off to a page that we do not have.
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
CSRF_FAILURE_VIEW = "dashboard.views.csrf_failure"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_ADAPTER = "workspaces.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = True

# --- API --------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["apikeys.authentication.KeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_THROTTLE_CLASSES": ["apikeys.throttling.KeyThrottle"],
    "DEFAULT_PARSER_CLASSES": ["bookbag.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["bookbag.api.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "bookbag.api.errors.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,  # `?format=` means nothing here
}
API_ONCE = "apikeys.idempotency.once"  # who remembers POSTs with an Idempotency-Key
SPECTACULAR_SETTINGS = {
    "TITLE": "Bookbag API",
    "DESCRIPTION": "Chat with agents that answer from your own knowledge.",
    "VERSION": "2",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/(?:api/)?v[12]",  # what tags and names leave out
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    # Choices stay where they are: as components of their own, generated clients would
    # know them by names that change when another field is called `status`.
    "POSTPROCESSING_HOOKS": [],
    "TAGS": [
        {"name": "agents", "description": "Whom you can talk to."},
        {"name": "chat", "description": "Messages, replies, streams, tools' results."},
        {"name": "conversations", "description": "What was said, and how it was."},
        {"name": "people", "description": "When people answer instead of the bot."},
        {"name": "account", "description": "Your key, and what was used."},
        {"name": "chatbots", "description": "Agents, as Chatbase's clients know them."},
        {"name": "contacts", "description": "Whom your agents talk to."},
        {"name": "leads", "description": "Details that people have left."},
        {"name": "openai", "description": "For OpenAI's clients: the base is `/v1`."},
        {"name": "health", "description": "Whether the server answers."},
    ],
    "SERVERS": [{"url": BASE_URL}],
}
RATE_LIMIT = env.whole("BOOKBAG_RATE_LIMIT", 100, least=1)  # requests a key
RATE_LIMIT_WINDOW = env.seconds("BOOKBAG_RATE_LIMIT_WINDOW", 10)  # seconds
# Messages of one address to one agent, without a key; an agent may have its own limit.
VISITOR_LIMIT = env.whole("BOOKBAG_VISITOR_LIMIT", 60, least=1)
VISITOR_WINDOW = env.seconds("BOOKBAG_VISITOR_WINDOW", 60)  # seconds
# Leads of one address with one agent, without a key; counted in each process.
LEADS_RATE = env.rate("BOOKBAG_LEADS_RATE", "30/m")
MAX_BODY_BYTES = 1024 * 1024
# Where more comes at once: a source's whole text (two million characters, of which JSON
# may make twelve bytes each), a thousand contacts, a picture.
LARGE_BODIES = {
    "/api/v1/create-chatbot": 24 * MAX_BODY_BYTES,
    "/api/v1/update-chatbot-data": 24 * MAX_BODY_BYTES,
    "/api/v1/chatbots/": 8 * MAX_BODY_BYTES,
    "/api/v1/upload-": 2 * MAX_BODY_BYTES,
}
# Pages take more: a source may have two million characters. The shell caps both.
DATA_UPLOAD_MAX_MEMORY_SIZE = 32 * MAX_BODY_BYTES

# --- Replies ------------------------------------------------------------------

REPLY_DEADLINE = env.seconds("BOOKBAG_REPLY_DEADLINE", 120)  # seconds, total
REPLY_LEASE = 30  # seconds a reply may go unrenewed before it counts as lost
REPLY_HEARTBEAT = 5  # seconds between renewals
SHUTDOWN_GRACE = 10  # seconds that open streams get to finish when the server stops
BUSY_WAIT = 10  # seconds a second turn waits for the first
BOOKBAG_EMBEDDING = env.text("BOOKBAG_EMBEDDING", "on")
# Seconds between the words of the embedded engine, so that a person sees them come.
EMBEDDED_PACE = env.seconds("BOOKBAG_EMBEDDED_PACE", 0.012)
EMBEDDED_LONGEST = env.seconds("BOOKBAG_EMBEDDED_LONGEST", 0.6)  # a reply

# --- Outbound -----------------------------------------------------------------

# What may be called for a customer beside the public Internet on ports 80 and 443.
OUTBOUND_ALLOW = allowlist("BOOKBAG_OUTBOUND_ALLOW", env.text("BOOKBAG_OUTBOUND_ALLOW"))

# --- Static files, language, time ---------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
# A laptop serves straight from the source folders; `collectstatic` in production
# makes the hashed and compressed copies, and then they are what is served.
_collected = (STATIC_ROOT / "staticfiles.json").exists()
WHITENOISE_USE_FINDERS = not _collected
warnings.filterwarnings("ignore", message="No directory at")
# WhiteNoise's small files are read whole, which is as well.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume sync")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if _collected
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
MEDIA_ROOT = DATA_DIR / "uploads"
MEDIA_URL = "uploads/"  # pictures only: see agents.views
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

# --- Logs -------------------------------------------------------------------

LOG_FORMAT = env.text("BOOKBAG_LOG_FORMAT", "console")  # or "json"
LOGGING_CONFIG = None
configure_logging(LOG_FORMAT, level=env.text("BOOKBAG_LOG_LEVEL", "INFO").upper())
