#!/bin/sh
# restore.sh FILE: empties the database, and puts a dump of /backup back. Without FILE it lists them.
# Emptied, because what a newer Directus has made since would stop its migration the next time.
set -eu
file=${BACKUP_FOLDER:-/backup}/${1:-}
if [ ! -f "$file" ]; then
  echo "name one of these dumps:"
  ls -1 "${BACKUP_FOLDER:-/backup}"
  exit 1
fi
pg_restore --list "$file" > /dev/null
set -- --host="$DB_HOST" --port="$DB_PORT" --username="$DB_USER" --dbname="$DB_DATABASE" --no-password
psql "$@" --quiet --set=ON_ERROR_STOP=1 --command='DROP OWNED BY CURRENT_USER CASCADE'
pg_restore "$@" --no-owner --exit-on-error --single-transaction "$file"
echo "restored $file"
