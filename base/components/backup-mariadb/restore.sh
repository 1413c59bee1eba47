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
gzip -dc "$file" | tail -n 1 | grep -q 'Dump completed'
set -- --host="$DB_HOST" --port="$DB_PORT" --user="$DB_USER" --protocol=tcp
mariadb "$@" --execute="DROP DATABASE \`$DB_DATABASE\`; CREATE DATABASE \`$DB_DATABASE\`"
gzip -dc "$file" | mariadb "$@" "$DB_DATABASE"
echo "restored $file"
