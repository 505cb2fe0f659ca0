#!/bin/sh
# Installs the bot from this folder, or updates it, without any network: into /opt/chancery-bot, with a systemd unit that is not started.
set -eu
cd "$(dirname "$0")"
into=${1:-/opt/chancery-bot}
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed." >&2; exit 1; }
before=no
[ ! -e "$into/bin/chancery-bot" ] || before=yes
python3 -m venv "$into"
install() { "$into/bin/python" -m pip install --quiet --disable-pip-version-check --no-index --find-links wheels "$@" chancery-bot; }
# The libraries as they are in this bundle; and the bot itself, whatever version it says that it is.
install --upgrade --upgrade-strategy eager
install --force-reinstall --no-deps
if [ -d /etc/systemd/system ] && [ -w /etc/systemd/system ] && [ "$into" = /opt/chancery-bot ]; then
  "$into/bin/chancery-bot" unit > /etc/systemd/system/chancery-bot.service
fi
if [ "$before" = yes ]; then
  echo "Updated. Next: systemctl daemon-reload && systemctl restart chancery-bot"
else
  echo "Installed. Next: $into/bin/chancery-bot enrol --server https://… --token-file …"
fi
