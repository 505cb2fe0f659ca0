"""The application that the web server runs."""

import os

from django.core.wsgi import get_wsgi_application

from chancery.doors.chunked import Chunked
from chancery.doors.whole import Whole

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chancery.settings")
application = Chunked(Whole(get_wsgi_application()))
