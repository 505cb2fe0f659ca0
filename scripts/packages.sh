#!/usr/bin/env bash
# Installs the Debian packages given as arguments that are not there yet. Nothing it installs starts a
# daemon: a policy-rc.d that forbids it is put in place for the time of the installation.
set -euo pipefail
missing=()
for package in "$@"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -eq 0 ]; then run=(); elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then run=(sudo); else
  echo "Missing system packages: ${missing[*]}" >&2
  echo "Install them as root (apt-get install ${missing[*]}), or run this with sudo at hand." >&2
  exit 1
fi
policy=/usr/sbin/policy-rc.d
kept=""
restore() { if [ -n "$kept" ]; then "${run[@]}" mv "$kept" "$policy"; else "${run[@]}" rm -f "$policy"; fi; }
if [ -e "$policy" ]; then kept="$policy.chancery"; "${run[@]}" mv "$policy" "$kept"; fi
trap restore EXIT
printf '#!/bin/sh\nexit 101\n' | "${run[@]}" tee "$policy" >/dev/null
"${run[@]}" chmod 755 "$policy"
conf=/etc/postgresql-common/createcluster.conf
if [[ " ${missing[*]} " == *" postgresql "* ]] && ! grep -qs '^ *create_main_cluster' "$conf"; then
  # The tests make a cluster of their own; the packaged one would start at the next boot.
  "${run[@]}" mkdir -p "${conf%/*}"
  echo 'create_main_cluster = false' | "${run[@]}" tee -a "$conf" >/dev/null
fi
"${run[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${run[@]}" apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-confold "${missing[@]}" >/dev/null
