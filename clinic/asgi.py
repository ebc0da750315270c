"""What an ASGI server would serve. Nothing here needs one; it is kept so that one may be chosen."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinic.settings")

application = get_asgi_application()
