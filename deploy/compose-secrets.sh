#!/bin/sh
# Make what docker-compose.yml reads: a password, and the address that holds it. Once; never twice.
# The files may be read by any user, because a container's is another one; the folder may not.
set -eu
cd "$(dirname "$0")/.."
if [ -e secrets/database-password ]; then
  echo "secrets/ is there already; nothing is changed" >&2
  exit 0
fi
umask 077
mkdir -p secrets
password=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
printf '%s' "$password" > secrets/database-password
printf 'postgresql+psycopg://gitops:%s@database/gitops' "$password" > secrets/database-address
chmod 444 secrets/database-password secrets/database-address
echo "made secrets/database-password and secrets/database-address" >&2
