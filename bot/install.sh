#!/bin/sh
# Installs the bot from this folder, without any network: into /opt/chancery-bot, with a systemd unit that is not started.
set -eu
cd "$(dirname "$0")"
into=${1:-/opt/chancery-bot}
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed." >&2; exit 1; }
python3 -m venv "$into"
"$into/bin/python" -m pip install --quiet --disable-pip-version-check --no-index --find-links wheels chancery-bot
if [ -d /etc/systemd/system ] && [ -w /etc/systemd/system ] && [ "$into" = /opt/chancery-bot ]; then
  "$into/bin/chancery-bot" unit > /etc/systemd/system/chancery-bot.service
fi
echo "Installed. Next: $into/bin/chancery-bot enrol --server https://… --token-file …"
