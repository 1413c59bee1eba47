#!/bin/sh
# dump.sh KIND [PENDING]: one dump of the database into /backup/KIND-<time>.dump.
# With PENDING, only when that file is not empty. A dump has its name once it is proved complete.
# restore.sh, beside it, puts one back.
set -eu
kind=$1
if [ $# -gt 1 ] && [ ! -s "$2" ]; then
  echo "no migration to come: no dump needed"
  exit 0
fi
folder=${BACKUP_FOLDER:-/backup}
file=$folder/$kind-$(date -u +%Y%m%dT%H%M%SZ).dump
rm -f "$folder/$kind"-*.part
pg_dump --host="$DB_HOST" --port="$DB_PORT" --username="$DB_USER" --dbname="$DB_DATABASE" \
  --no-password --format=custom --file="$file.part"
pg_restore --list "$file.part" > /dev/null
mv "$file.part" "$file"
echo "wrote $file"
# Newest first; the names sort by time. Fourteen of each kind stay.
ls -1r "$folder/$kind"-*.dump | tail -n +15 | while read -r old; do rm -f "$old"; done
